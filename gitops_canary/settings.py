"""Every setting with its unit, default and reason, and where its value came from; nothing is wired here."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from gitops_canary.domain.errors import UserError
from gitops_canary.setting_values import count, folder_name, http_url, namespace_name, one_of, seconds, some_time, switch, words

ENV_PREFIX = "GITOPS_CANARY_"


def setting(
    default: Any, why: str, *, parse: Callable[[str], Any] | None = None, unit: str = "", secret: bool = False, alias: str = ""
) -> Any:
    """A field of a settings class: `why` is the documentation, `alias` an older flag that means the same."""
    reader = parse or {bool: switch, float: seconds, int: count, tuple: words}.get(type(default), str)
    shown = unit or {float: "duration", bool: "true|false", tuple: "list", int: "number"}.get(type(default), "text")
    return field(default=default, metadata={"why": why, "parse": reader, "unit": shown, "secret": secret, "alias": alias})


@dataclass(frozen=True)
class Settings:
    """All settings of `gitops-canary run`; a field `git_url` is the flag `--git-url` and the variable `GITOPS_CANARY_GIT_URL`."""

    # the cluster repository
    git_url: str = setting(
        "", "URL of the cluster repository (ssh, scp-like, https or file); without it the operator only analyses canaries"
    )
    git_branch: str = setting("main", "branch that describes the cluster; it is read, and results and bumps are pushed to it")
    git_path: tuple[str, ...] = setting((), "folders with manifests, relative to the root; empty means the whole repository")
    git_poll_interval: float = setting(60.0, "how often the branch is fetched; a push webhook makes it immediate", parse=some_time)
    git_timeout: float = setting(20.0, "time limit of one git command (a push has its own of 12s, rule O3)", parse=some_time)
    git_user: str = setting("gitops-canary", "committer name")
    git_email: str = setting("gitops-canary@localhost", "committer e-mail")
    git_ci_skip: bool = setting(False, "append a CI-skip marker to every commit, for repositories whose CI runs on each push")
    git_ci_skip_message: str = setting("[ci skip]", "the CI-skip marker")
    git_known_hosts: str = setting(
        "", "file with more SSH host keys; those of GitHub, GitLab, Bitbucket and Azure DevOps are built in", unit="path"
    )
    git_secret_name: str = setting(
        "gitops-canary-git-deploy", "Secret with the deploy key (`identity`), made at first start", alias="k8s-secret-name"
    )
    git_sync_tag: str = setting("flux-sync", "tag that --sync-state=git moves to the synced revision")
    state_dir: str = setting(
        "", "folder for the git mirror and chart cache; everything in it can be made again (default: a temporary one)", unit="path"
    )
    # sync
    sync_interval: float = setting(
        300.0, "how often the cluster is compared with the synced revision although nothing changed", parse=some_time
    )
    sync_garbage_collection: bool = setting(True, "delete what was applied from Git and is not there any more; Flux v1's default was off")
    sync_state: str = setting(
        "inventory", "where the synced revision is kept: `inventory`, or `git` to move a tag as well", parse=one_of("inventory", "git")
    )
    k8s_allow_namespace: tuple[str, ...] = setting((), "namespaces that manifests may be applied to; empty means all")
    k8s_default_namespace: str = setting("default", "namespace of manifests that name none", parse=namespace_name)
    applier_service_account: str = setting(
        "", "namespace:name of the ServiceAccount that sync and Helm act as; empty: the operator's own rights"
    )
    # images
    registry_poll_interval: float = setting(
        300.0, "how often tags are listed; a registry webhook makes it immediate", alias="automation-interval", parse=some_time
    )
    registry_rps: int = setting(50, "requests a second to one registry", unit="per second")
    registry_burst: int = setting(10, "requests to one registry at once")
    registry_insecure_host: tuple[str, ...] = setting((), "registries spoken to over plain HTTP, or TLS without verification")
    registry_ca: str = setting("", "CA bundle for private registries", unit="path")
    registry_exclude_image: tuple[str, ...] = setting((), "globs of images that are never scanned")
    registry_include_image: tuple[str, ...] = setting((), "globs of the only images that are scanned; empty means all")
    registry_mirror: tuple[str, ...] = setting(
        (), "host=address pairs: ask this address instead of the registry's host (a pull-through cache)"
    )
    docker_config: str = setting("", "docker config.json with registry credentials", unit="path")
    hold_bumps_during_run: bool = setting(False, "wait with a newer tag until the canary's run has ended, instead of superseding it")
    # the cluster
    kubeconfig: str = setting("", "kubeconfig file; empty: in-cluster credentials, else ~/.kube/config", unit="path")
    namespace: str = setting("", "the only namespace whose canaries and releases are served; empty means all", parse=namespace_name)
    operator_namespace: str = setting(
        "", "namespace of the operator's own objects (default: that of its pod, else gitops-canary)", parse=namespace_name
    )
    cluster_name: str = setting(
        "default", "this cluster's folder under .gitops-canary/ in the repository, and its name in notifications", parse=folder_name
    )
    adopt_results: bool = setting(False, "take over result files that another cluster id wrote (after a cluster was rebuilt)")
    enable_leader_election: bool = setting(True, "act only while holding the Lease gitops-canary, so that two processes never both write")
    # canaries
    metrics_server: str = setting("http://prometheus:9090", "Prometheus for the built-in checks", unit="URL", parse=http_url)
    mesh_provider: str = setting("istio", "router of canaries that name none", parse=one_of("istio"))
    deleted_canary_patience: float = setting(
        600.0, "how long a Canary deleted in mid-run waits for Git to take its result; then it goes with the result in an Event and the log"
    )
    analysis_interval_floor: float = setting(10.0, "smallest analysis.interval that is obeyed, Flagger's; the demo uses 1s")
    selector_labels: tuple[str, ...] = setting(
        ("app", "name", "app.kubernetes.io/name"), "pod labels looked for to tell primary from canary"
    )
    include_label_prefix: tuple[str, ...] = setting((), "label prefixes copied from target to primary")
    enable_config_tracking: bool = setting(True, "watch the ConfigMaps and Secrets a target uses, and copy them for the primary")
    disable_rollback: bool = setting(False, "leave a failed canary serving: only to see a test notice it, never in production")
    # helm
    helm_workers: int = setting(2, "child processes that run Helm, about 110 MB each", unit="processes")
    charts_sync_interval: float = setting(180.0, "how often chart sources are asked for something newer", parse=some_time)
    git_default_ref: str = setting("master", "branch of a chart's repository when the HelmRelease names none, the Helm Operator's default")
    # notifications
    slack_url: str = setting("", "Slack webhook that every alert goes to", unit="URL", secret=True)
    slack_channel: str = setting("", "Slack channel")
    slack_user: str = setting("gitops-canary", "name shown in Slack")
    msteams_url: str = setting("", "MS Teams workflow or connector URL that every alert goes to", unit="URL", secret=True)
    discord_url: str = setting("", "Discord webhook that every alert goes to", unit="URL", secret=True)
    rocket_url: str = setting("", "Rocket.Chat webhook that every alert goes to", unit="URL", secret=True)
    gchat_url: str = setting("", "Google Chat webhook that every alert goes to", unit="URL", secret=True)
    generic_url: str = setting("", "URL that every alert is posted to as JSON", unit="URL", secret=True)
    generic_key: str = setting("", "key that signs what is posted to generic-url (X-Signature: sha256=…); empty = unsigned", secret=True)
    event_webhook: str = setting(
        "", "URL that every sentence about a canary is posted to, unless it has webhooks of type event", unit="URL", secret=True
    )
    # the process
    listen: str = setting(":8080", "address of health, metrics, status page and webhooks", unit="host:port", alias="port")
    webhook_secret_dir: str = setting(
        "", "folder with one file a webhook source (github, gitlab, dockerhub, generic, registry): its secret", unit="path"
    )
    log_level: str = setting("info", "least severe log lines that are written", parse=one_of("debug", "info", "warning", "error"))
    log_format: str = setting("json", "json, or console for people", parse=one_of("json", "console"), alias="zap-encoding")

    def __post_init__(self) -> None:
        for path in self.git_path:
            if path.startswith("/") or ".." in path.split("/"):
                raise UserError(f"cannot use --git-path {path}: it must stay inside the repository", hint="write it relative to the root")


@dataclass(frozen=True)
class Effective:
    """One setting as it stands: value and the place it came from."""

    name: str
    value: Any
    source: str


def flag_of(name: str) -> str:
    return name.replace("_", "-")


def load_settings(
    flags: Mapping[str, str], environ: Mapping[str, str] | None = None, file: str = ""
) -> tuple[Settings, tuple[Effective, ...]]:
    """Flags win over the environment, the environment over the file, the file over defaults. UserError names the setting and its place."""
    environ = os.environ if environ is None else environ
    from_file = _read_file(file) if file else {}
    values: dict[str, Any] = {}
    origins: list[Effective] = []
    for one in fields(Settings):
        raw, source = _find(one.name, one.metadata["alias"], flags, environ, from_file, file)
        value = one.default if raw is None else _parse(one, raw, source)
        values[one.name] = value
        origins.append(Effective(flag_of(one.name), value, source))
    return Settings(**values), tuple(origins)


def _find(
    name: str, alias: str, flags: Mapping[str, str], environ: Mapping[str, str], from_file: Mapping[str, str], file: str
) -> tuple[str | None, str]:
    for key in filter(None, (flag_of(name), alias)):
        if key in flags:
            return flags[key], f"flag --{key}"
        variable = ENV_PREFIX + key.replace("-", "_").upper()
        if variable in environ:
            return environ[variable], f"variable {variable}"
        if key in from_file:
            return from_file[key], f"file {file}"
    return None, "default"


def _parse(one: Any, raw: str, source: str) -> Any:
    try:
        return one.metadata["parse"](raw)
    except ValueError as error:
        shown = "its value" if one.metadata["secret"] else f"{raw!r}"
        raise UserError(f"cannot use setting {flag_of(one.name)} ({source}): {shown} {error}") from error


def _read_file(path: str) -> dict[str, str]:
    try:
        data = YAML(typ="safe").load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read settings file {path}: {error.strerror}") from error
    if not isinstance(data, dict):
        raise UserError(f"cannot read settings file {path}: it must be a YAML mapping of setting to value")
    known = {flag_of(one.name) for one in fields(Settings)} | {one.metadata["alias"] for one in fields(Settings)}
    unknown = sorted(str(key) for key in data if key not in known)
    if unknown:
        raise UserError(f"cannot read settings file {path}: unknown settings {', '.join(unknown)}", hint="see gitops-canary settings")
    return {str(key): _text(value) for key, value in data.items()}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(str(item) for item in value) if isinstance(value, list) else str(value)


def shown(effective: Sequence[Effective]) -> list[tuple[str, str, str]]:
    """Name, printable value and source of each setting; secrets are never printed."""
    secret = {flag_of(one.name) for one in fields(Settings) if one.metadata["secret"]}
    return [(one.name, "(set)" if one.name in secret and one.value else _text_of(one.value), one.source) for one in effective]


def _text_of(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}s"
    return ",".join(value) if isinstance(value, tuple) else _text(value)
