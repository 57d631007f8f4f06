"""The Kubernetes API for the managers: raw objects, a watched cache, writes with preconditions, leadership.

`api` is the port; `configuration` the only file that knows the `kubernetes` package; `lease` and `ownership` are pure.
"""
