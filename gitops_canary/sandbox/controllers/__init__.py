"""The sandbox's controllers: plain clients of the Kubernetes API that make pods of workloads; a real control plane has its own."""

from gitops_canary.sandbox.controllers.manager import Controllers

__all__ = ["Controllers"]
