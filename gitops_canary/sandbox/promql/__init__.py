"""The sandbox's metrics endpoint: real Prometheus when it is on PATH, else the part of PromQL that our queries use, on scraped samples."""
