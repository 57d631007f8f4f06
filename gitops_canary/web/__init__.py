"""The operator's HTTP face: health, metrics, status and inbound webhooks."""
