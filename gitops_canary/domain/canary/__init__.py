"""The canary machine: what a run does next, as values; no I/O, no clock.

`spec` and `status` read the Canary, `workloads` reads and makes Deployments, `checks` says what is asked and judges answers, `machine`
decides, `story` holds every sentence, `objects` the generated Services and autoscalers.
"""
