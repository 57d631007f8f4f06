"""Git, registry, Kubernetes API, mesh and metrics on loopback, for the demo and the tests; and a real control plane to be judged by."""
