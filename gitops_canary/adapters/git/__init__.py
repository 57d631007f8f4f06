"""Git: bare mirrors, one writer, supervised SSH, deploy keys; the only package that imports GitPython. What is written is the managers'."""

from gitops_canary.adapters.git.deploy_key import DeployKey, KeyStore, ensure_key, identity_line, identity_log
from gitops_canary.adapters.git.mirror import Export, Mirror
from gitops_canary.adapters.git.mirrors import Mirrors
from gitops_canary.adapters.git.options import GitOptions
from gitops_canary.adapters.git.redaction import redact
from gitops_canary.adapters.git.repository import GitRepository
from gitops_canary.adapters.git.transport import Transport

__all__ = [
    "DeployKey",
    "Export",
    "GitOptions",
    "GitRepository",
    "KeyStore",
    "Mirror",
    "Mirrors",
    "Transport",
    "ensure_key",
    "identity_line",
    "identity_log",
    "redact",
]
