"""The deploy key of an installation: which Secret holds it, for the operator and for commands."""

from gitops_canary.adapters.git import DeployKey, ensure_key
from gitops_canary.adapters.secrets import SecretKeyStore
from gitops_canary.ports import Cluster
from gitops_canary.settings import Settings
from gitops_canary.wiring.rules import own_namespace


def deploy_key(settings: Settings, cluster: Cluster, *, regenerate: bool = False) -> DeployKey:
    """Loaded, or made and stored when there is none (or `regenerate`); errors name the Secret."""
    namespace, name = own_namespace(settings), settings.git_secret_name
    return ensure_key(SecretKeyStore(cluster, namespace, name), where=f"Secret {namespace}/{name}", regenerate=regenerate)
