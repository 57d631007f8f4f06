"""The sandbox's Kubernetes API server: real HTTP, real semantics, objects in memory; controllers and node are other packages' clients."""

from gitops_canary.sandbox.apiserver.server import ApiServer

__all__ = ["ApiServer"]
