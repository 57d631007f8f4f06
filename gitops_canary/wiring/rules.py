"""Settings in each part's own words: pure translations that wiring hands out; nothing is started here."""

import os
from collections.abc import Callable
from pathlib import Path

from gitops_canary.adapters.git import GitOptions
from gitops_canary.domain.errors import UserError
from gitops_canary.managers.canaries.rules import CanaryRules
from gitops_canary.managers.images import ImageRules
from gitops_canary.managers.results import ResultRules
from gitops_canary.managers.sync import SyncRules
from gitops_canary.manifests.tree import Loaded, ParseCache, read_tree
from gitops_canary.ports import Tree
from gitops_canary.settings import Settings

NAMESPACE_FILE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")
PUSH_LIMIT = 12.0
"""Seconds; shorter than the lease's rest after its last renewal (rule O3)."""


def own_namespace(settings: Settings) -> str:
    if settings.operator_namespace:
        return settings.operator_namespace
    return NAMESPACE_FILE.read_text().strip() if NAMESPACE_FILE.is_file() else "gitops-canary"


def applier_user(settings: Settings) -> str:
    """The user name of the ServiceAccount that sync and Helm act as, "" = nobody else."""
    if not settings.applier_service_account:
        return ""
    namespace, colon, name = settings.applier_service_account.partition(":")
    if not (namespace and colon and name):
        raise UserError(f"cannot use --applier-service-account {settings.applier_service_account!r}", hint="write it as namespace:name")
    return f"system:serviceaccount:{namespace}:{name}"


def _known_hosts(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8") if path else ""
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"cannot read --git-known-hosts {path}: {error}", hint="it is a file as ssh-keyscan prints it") from error


def git_options(settings: Settings, state: Path) -> GitOptions:
    return GitOptions(
        state / "git",
        author_name=settings.git_user,
        author_email=settings.git_email,
        push_timeout=PUSH_LIMIT,
        fetch_timeout=max(settings.git_timeout, 120.0),
        known_hosts=_known_hosts(settings.git_known_hosts),
        username=os.environ.get("GIT_AUTHUSER", ""),
        password=os.environ.get("GIT_AUTHKEY", ""),
        allow_file_urls=settings.git_url.startswith("file:"),
    )


def sync_rules(settings: Settings) -> SyncRules:
    return SyncRules(
        poll_interval=settings.git_poll_interval,
        interval=settings.sync_interval,
        retry=min(5.0, settings.git_poll_interval),
        prune=settings.sync_garbage_collection,
        default_namespace=settings.k8s_default_namespace,
        namespaces=settings.k8s_allow_namespace,
        tag=settings.git_sync_tag if settings.sync_state == "git" else "",
    )


def image_rules(settings: Settings) -> ImageRules:
    return ImageRules(
        poll_interval=settings.registry_poll_interval,
        hold_during_run=settings.hold_bumps_during_run,
        include=settings.registry_include_image,
        exclude=settings.registry_exclude_image,
        marker=settings.git_ci_skip_message if settings.git_ci_skip else "",
        adopt_results=settings.adopt_results,
        cluster_name=settings.cluster_name,
        default_namespace=settings.k8s_default_namespace,
    )


def result_rules(settings: Settings) -> ResultRules:
    return ResultRules(
        cluster_name=settings.cluster_name,
        default_namespace=settings.k8s_default_namespace,
        adopt=settings.adopt_results,
        marker=settings.git_ci_skip_message if settings.git_ci_skip else "",
    )


def canary_rules(settings: Settings) -> CanaryRules:
    return CanaryRules(
        interval_floor=settings.analysis_interval_floor,
        patience=settings.deleted_canary_patience,
        metrics_server=settings.metrics_server,
        selector_labels=settings.selector_labels,
        label_prefixes=settings.include_label_prefix,
        config_tracking=settings.enable_config_tracking,
        rollback=not settings.disable_rollback,
        git=bool(settings.git_url),
        namespace=settings.namespace,
        event_webhook=settings.event_webhook,
    )


def loader(settings: Settings, cache: ParseCache) -> Callable[[Tree], Loaded]:
    """How this installation reads the manifests of a revision."""
    return lambda tree: read_tree(tree, settings.git_path, cache)
