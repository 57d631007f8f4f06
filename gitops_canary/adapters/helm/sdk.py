"""Helm inside this process, through the Go SDK of `helm_python`; loaded in a worker only, since it must never be forked."""

import json
import tempfile
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from helm_python import Chart, Config, HelmContext, HelmError, HelmNotFoundError, RegistryClient, _native

from gitops_canary.adapters.helm.messages import Reply, Work, capped, revision

CONFIGS = 64
"""Connections kept: one a namespace and identity; each holds what it discovered of the API."""


class TunedConfig(Config):
    """Installs and upgrades with the options that the wrapper's own methods do not name. An unknown one raises HelmInvalidArgError."""

    def apply(self, function: str, chart: Chart, work: Work, options: Mapping[str, Any], context: HelmContext) -> dict[str, Any]:
        """`function` is helm_install or helm_upgrade; returns the summary of the new revision."""
        none = _native.HANDLE(0)
        handles = (self._raw(), context._raw() if context else none, chart._raw(), None)
        answer = _native.call_string(function, *handles, work.release, json.dumps(work.values), json.dumps(options))
        summary: dict[str, Any] = json.loads(answer)
        return summary

    def back(self, work: Work, options: Mapping[str, Any]) -> None:
        _native.call_status("helm_rollback", self._raw(), work.release, json.dumps(options))


class SdkBackend:
    """`kubeconfig` "" means Helm's usual search: KUBECONFIG, ~/.kube/config, the pod's service account."""

    def __init__(self, kubeconfig: str = "") -> None:
        self._kubeconfig = kubeconfig
        self._configs: dict[tuple[str, str], TunedConfig] = {}
        self._context: HelmContext | None = None

    def run(self, work: Work) -> Reply:
        try:
            if work.action == "pull":
                return _pull(work)
            if work.action == "render":
                return _render(work)
            config = self._config(work)
            return getattr(self, "_" + work.action)(config, work)  # type: ignore[no-any-return]
        except HelmError as error:
            return Reply(False, capped(str(error)))

    def cancel(self) -> None:
        if self._context is not None:
            self._context.cancel()

    def _config(self, work: Work) -> TunedConfig:
        key = (work.namespace, work.as_user)
        if key not in self._configs:
            while len(self._configs) >= CONFIGS:
                self._configs.pop(next(iter(self._configs))).close()
            self._configs[key] = TunedConfig(
                kubeconfig_path=self._kubeconfig or None,
                namespace=work.namespace,
                kube_as_user=work.as_user or None,
                # client-go's own throttle makes an upgrade wait half a second for nothing; the server has its own.
                qps=500,
                burst_limit=1000,
            )
        return self._configs[key]

    def _install(self, config: TunedConfig, work: Work) -> Reply:
        more = {"server_side_apply": True, "skip_crds": bool(work.options.get("skip_crds")), "force_conflicts": True}
        return self._apply(config, "helm_install", work, more)

    def _upgrade(self, config: TunedConfig, work: Work) -> Reply:
        more = {"max_history": work.max_history, **_values_rule(work.options)}
        return self._apply(config, "helm_upgrade", work, more | _force_rule(work.options))

    def _apply(self, config: TunedConfig, function: str, work: Work, more: Mapping[str, Any]) -> Reply:
        options = {"namespace": work.namespace, "timeout_seconds": int(work.timeout), "wait": _wait(work), **more}
        # Reading every group's OpenAPI document is 95 % of an upgrade's CPU; the server checks each field of an apply all the same.
        options["disable_openapi_validation"] = True
        with Chart.load(work.chart) as chart:
            self._context = HelmContext()
            try:
                summary = config.apply(function, chart, work, options, self._context)
            except HelmError as error:
                return Reply(False, capped(str(error)), history=self._revisions(config, work.release))
            finally:
                context, self._context = self._context, None
                context.close()
        return Reply(True, capped(str(summary.get("description") or "")), _summary(summary, work.values))

    def _rollback(self, config: TunedConfig, work: Work) -> Reply:
        options: dict[str, Any] = {"timeout_seconds": int(work.timeout), "wait": _wait(work), "max_history": work.max_history}
        options |= {"disable_hooks": bool(work.options.get("disable_hooks")), **_force_rule(work.options)}
        if work.options.get("version"):
            options["version"] = int(work.options["version"])
        try:
            config.back(work, options)
        except HelmError as error:
            return Reply(False, capped(str(error)), history=self._revisions(config, work.release))
        return Reply(True, history=self._revisions(config, work.release))

    def _uninstall(self, config: TunedConfig, work: Work) -> Reply:
        config.uninstall(work.release, timeout=int(work.timeout), ignore_not_found=True, wait=_wait(work))
        return Reply(True)

    def _test(self, config: TunedConfig, work: Work) -> Reply:
        try:
            ended = config.test(work.release, timeout=int(work.timeout), logs=True)
        except HelmError as error:
            return Reply(False, capped(str(error)), history=self._revisions(config, work.release))
        return Reply(True, capped(str(ended.get("logs") or "")), history=self._revisions(config, work.release))

    def _history(self, config: TunedConfig, work: Work) -> Reply:
        revisions = self._revisions(config, work.release)
        if revisions:
            revisions[-1]["values"] = config.get_values(work.release, revision=revisions[-1]["number"])
        return Reply(True, history=revisions)

    def _revisions(self, config: TunedConfig, release: str) -> list[dict[str, Any]]:
        """Empty when Helm knows no such release."""
        try:
            return sorted((_summary(entry) for entry in config.history(release)), key=lambda entry: entry["number"])
        except HelmNotFoundError:
            return []


def _wait(work: Work) -> str:
    return "watcher" if work.wait else "hookOnly"


def _values_rule(options: Mapping[str, Any]) -> dict[str, Any]:
    return {"reuse_values": True} if options.get("reuse_values") else {"reset_values": True}


def _force_rule(options: Mapping[str, Any]) -> dict[str, Any]:
    """A chart's fields are Helm's (rule O1): without forced conflicts a field that somebody patched makes every later upgrade fail.
    Replacing and server-side apply exclude each other; a release that Helm 3 made would go on with client-side updates unless told."""
    forced = bool(options.get("force"))
    return {"server_side_apply": "false", "force_replace": True} if forced else {"server_side_apply": "true", "force_conflicts": True}


def _summary(entry: Mapping[str, Any], values: Any = None) -> dict[str, Any]:
    chart = f"{entry.get('chart_name', '')}-{entry.get('chart_version', '')}"
    return revision(
        entry["revision"], entry["status"], chart, values=values, description=entry.get("description"), updated=entry.get("deployed_at")
    )


def _pull(work: Work) -> Reply:
    """A chart from an OCI registry into `options["into"]`; the login is kept in a file of its own and goes with it."""
    options = work.options
    plain = bool(options.get("plain_http"))
    with tempfile.TemporaryDirectory() as folder, RegistryClient(plain_http=plain, credentials_file=f"{folder}/login.json") as client:
        if options.get("username"):
            host = urlsplit(work.chart).netloc
            client.login(host, str(options["username"]), str(options["password"]), plain_http=plain)
        client.pull(work.chart, destination=str(options["into"]), version=str(options["version"]) or None, plain_http=plain)
    return Reply(True)


def _render(work: Work) -> Reply:
    """What the chart makes, without a cluster: `lookup` finds nothing. The values' schema is checked as for an install."""
    with Chart.load(work.chart) as chart:
        texts = chart.render(dict(work.values), name=work.release, namespace=work.namespace, is_install=True)
    return Reply(True, texts=texts)
