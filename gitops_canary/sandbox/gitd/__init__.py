"""Git over SSH for sandbox, demo and tests: real git behind an SSH server with deploy keys, as a hosting service offers it."""

from gitops_canary.sandbox.gitd.bare import BareRepository
from gitops_canary.sandbox.gitd.faults import Faults
from gitops_canary.sandbox.gitd.server import GitServer
from gitops_canary.sandbox.gitd.sessions import Push

__all__ = ["BareRepository", "Faults", "GitServer", "Push"]
