"""Traffic routers: canary and split to Kubernetes objects and back, one file a provider, pure."""
