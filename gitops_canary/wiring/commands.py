"""What a command that is not the operator takes from the wiring: the deploy key's Secret, the cluster repository to commit to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gitops_canary.adapters.cluster.api import KubernetesCluster
from gitops_canary.adapters.cluster.configuration import connect
from gitops_canary.adapters.git import GitRepository, KeyStore, Transport, ensure_key
from gitops_canary.adapters.log import make_log
from gitops_canary.adapters.secrets import SecretKeyStore
from gitops_canary.domain.errors import UserError
from gitops_canary.managers.reading import Reader
from gitops_canary.managers.retrying import retry_edit
from gitops_canary.manifests.tree import ParseCache
from gitops_canary.ports import Edit
from gitops_canary.settings import Settings
from gitops_canary.wiring.rules import git_options, loader, own_namespace

RetryEdit = Callable[[str, str, str], Edit]
"""Namespace, canary and tag to the edit that takes the tag out of quarantine."""


@contextmanager
def key_store_of(settings: Settings) -> Iterator[KeyStore]:
    """The deploy key's Secret, for a command that is not the operator."""
    cluster = KubernetesCluster(connect(settings.kubeconfig), make_log("error"))
    try:
        yield SecretKeyStore(cluster, own_namespace(settings), settings.git_secret_name)
    finally:
        cluster.close()


@contextmanager
def repository_of(settings: Settings, state: Path) -> Iterator[tuple[GitRepository, RetryEdit]]:
    """The cluster repository with the operator's deploy key, for a command that commits, and its `retry` edit."""
    if not settings.git_url:
        raise UserError(
            "cannot reach the cluster repository: there is no --git-url",
            hint="give the one that the operator has: --git-url, GITOPS_CANARY_GIT_URL or a settings file with --config",
        )
    transport = Transport(git_options(settings, state))
    repository = GitRepository(settings.git_url, settings.git_branch, transport)
    reader = Reader(loader(settings, ParseCache()), settings.cluster_name, settings.k8s_default_namespace)
    try:
        if repository.mirror.remote.is_ssh:
            with key_store_of(settings) as store:
                transport.use_key(ensure_key(store, where=f"Secret {settings.git_secret_name}"))
        yield repository, lambda namespace, name, tag: retry_edit(reader, namespace, name, tag)
    finally:
        repository.close()
        transport.close()
