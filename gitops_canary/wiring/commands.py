"""What a command that is not the operator takes from the wiring: the deploy key's Secret, the cluster repository to commit to."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from gitops_canary.adapters.cluster.api import KubernetesCluster
from gitops_canary.adapters.cluster.configuration import connect
from gitops_canary.adapters.git import DeployKey, GitRepository, Transport
from gitops_canary.adapters.log import make_log
from gitops_canary.domain.errors import UserError
from gitops_canary.managers.reading import Reader
from gitops_canary.managers.retrying import retry_edit
from gitops_canary.manifests.tree import ParseCache
from gitops_canary.ports import Edit
from gitops_canary.settings import Settings
from gitops_canary.wiring.deploy_key import deploy_key
from gitops_canary.wiring.rules import git_options, loader

RetryEdit = Callable[[str, str, str], Edit]
"""Namespace, canary and tag to the edit that takes the tag out of quarantine."""


def installed_key(settings: Settings, *, regenerate: bool = False) -> DeployKey:
    """The deploy key in the cluster's Secret, for a command that is not the operator."""
    cluster = KubernetesCluster(connect(settings.kubeconfig), make_log("error"))
    try:
        return deploy_key(settings, cluster, regenerate=regenerate)
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
            transport.use_key(installed_key(settings))
        yield repository, lambda namespace, name, tag: retry_edit(reader, namespace, name, tag)
    finally:
        repository.close()
        transport.close()
