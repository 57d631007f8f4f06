"""Helm: charts on local disk, and releases made in child processes; the only package that imports `helm_python`. It decides nothing."""
