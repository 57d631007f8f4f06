"""HelmRelease objects of both seed groups as values: the chart and the values; images in them: `helmrelease_images.py`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gitops_canary.domain.errors import UserError

GROUPS = ("flux.weave.works/v1beta1", "helm.fluxcd.io/v1")
KIND = "HelmRelease"


@dataclass(frozen=True)
class Rollback:
    """`recreate` of pods is gone from Helm 4: `validate` says so."""

    enable: bool = False
    retry: bool = False
    max_retries: int = 5
    force: bool = False
    recreate: bool = False
    disable_hooks: bool = False
    timeout: float = 300.0
    wait: bool = False


@dataclass(frozen=True)
class Tests:
    """`cleanup` was for Helm 2; a chart's `helm.sh/hook-delete-policy` says what becomes of its test pods."""

    enable: bool = False
    ignore_failures: bool = False
    timeout: float = 300.0
    cleanup: bool = True


@dataclass(frozen=True)
class HelmReleaseSpec:
    """A HelmRelease as the Helm Operator reads it, defaults filled in; seconds."""

    name: str
    namespace: str
    release: str
    target_namespace: str
    git: str = ""
    ref: str = ""
    path: str = ""
    repository: str = ""
    chart: str = ""
    version: str = ""
    secret: str = ""
    skip_dependencies: bool = False
    values: Mapping[str, Any] = field(default_factory=dict, hash=False)
    values_from: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)
    reset_values: bool = True
    max_history: int = 10
    timeout: float = 300.0
    wait: bool = False
    force: bool = False
    skip_crds: bool = False
    disable_openapi_validation: bool = False
    service_account: str = ""
    rollback: Rollback = Rollback()
    test: Tests = Tests()

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


def is_helmrelease(doc: Mapping[str, Any]) -> bool:
    return doc.get("kind") == KIND and doc.get("apiVersion") in GROUPS


def parse_helmrelease(doc: Mapping[str, Any]) -> HelmReleaseSpec:
    """UserError names the object and the field. Neither `git` nor `repository` but a `path` = a chart in the cluster repository itself."""
    meta, spec = doc.get("metadata") or {}, doc.get("spec")
    name, namespace = str(meta.get("name", "")), str(meta.get("namespace") or "default")
    read = _Reader(f"HelmRelease {namespace}/{name}", spec if isinstance(spec, Mapping) else {})
    chart = _Reader(read.what, read.mapping("chart"), "chart.")
    if not chart.data:
        raise UserError(f"cannot use {read.what}: it has no spec.chart", hint="give chart.path, chart.git or chart.repository")
    target = read.text("targetNamespace") or namespace
    default_release = f"{namespace}-{name}" if target == namespace else f"{namespace}-{target}-{name}"
    rollback, test = _rollback(read), _tests(read)
    sources = (*({"secretKeyRef": dict(one)} for one in read.items("valueFileSecrets")), *read.items("valuesFrom"))
    made = HelmReleaseSpec(
        name=name,
        namespace=namespace,
        release=read.text("releaseName") or default_release,
        target_namespace=target,
        git=chart.text("git"),
        ref=chart.text("ref"),
        path=_folder(chart.text("path")),
        repository=chart.text("repository"),
        chart=chart.text("name"),
        version=chart.text("version"),
        secret=str((chart.mapping("secretRef") or chart.mapping("chartPullSecret")).get("name", "")),
        skip_dependencies=chart.flag("skipDepUpdate"),
        values=read.mapping("values"),
        values_from=sources,
        reset_values=read.flag("resetValues", True),
        max_history=int(read.number("maxHistory", 10)),
        timeout=read.number("timeout", 300),
        wait=read.flag("wait", rollback.enable or test.enable),
        force=read.flag("forceUpgrade"),
        skip_crds=read.flag("skipCRDs"),
        disable_openapi_validation=read.flag("disableOpenAPIValidation"),
        service_account=read.text("serviceAccountName"),
        rollback=rollback,
        test=test,
    )
    _check_chart(made, read.what)
    return made


def _folder(path: str) -> str:
    """As the folder is called in Git, where people write `./charts/podinfo/`; the root is `.`."""
    parts = [part for part in path.split("/") if part not in ("", ".")]
    return path if not path or path.startswith("/") else "/".join(parts) or "."


def _check_chart(spec: HelmReleaseSpec, what: str) -> None:
    if spec.repository and not (spec.chart and spec.version):
        raise UserError(f"cannot use {what}: chart.repository needs chart.name and chart.version too")
    if not spec.repository and not spec.path:
        raise UserError(f"cannot use {what}: its chart has neither a path nor a repository")
    if ".." in spec.path.split("/") or spec.path.startswith("/"):
        raise UserError(f"cannot use {what}: chart.path {spec.path!r} leaves its repository")


def _rollback(read: "_Reader") -> Rollback:
    one = _Reader(read.what, read.mapping("rollback"), "rollback.")
    return Rollback(
        one.flag("enable"),
        one.flag("retry"),
        int(one.number("maxRetries", 5)),
        one.flag("force"),
        one.flag("recreate"),
        one.flag("disableHooks"),
        one.number("timeout", 300),
        one.flag("wait"),
    )


def _tests(read: "_Reader") -> Tests:
    one = _Reader(read.what, read.mapping("test"), "test.")
    return Tests(one.flag("enable"), one.flag("ignoreFailures"), one.number("timeout", 300), one.flag("cleanup", True))


@dataclass(frozen=True)
class _Reader:
    """Typed look-ups in a mapping that say which field of which object is wrong."""

    what: str
    data: Mapping[str, Any]
    prefix: str = ""

    def text(self, key: str) -> str:
        return str(self._of(key, str, "text") or "")

    def flag(self, key: str, default: bool = False) -> bool:
        value = self._of(key, bool, "true or false")
        return default if value is None else bool(value)

    def number(self, key: str, default: float) -> float:
        value = self.data.get(key)
        if value is None:
            return float(default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 86400:
            raise self._wrong(key, "a number from 0 to 86400")
        return float(value)

    def mapping(self, key: str) -> Mapping[str, Any]:
        return self._of(key, Mapping, "a mapping") or {}

    def items(self, key: str) -> tuple[Mapping[str, Any], ...]:
        value = self._of(key, list, "a list") or []
        if not all(isinstance(item, Mapping) for item in value):
            raise self._wrong(key, "a list of mappings")
        return tuple(value)

    def _of(self, key: str, kind: Any, wanted: str) -> Any:
        value = self.data.get(key)
        if value is not None and not isinstance(value, kind):
            raise self._wrong(key, wanted)
        return value

    def _wrong(self, key: str, wanted: str) -> UserError:
        return UserError(f"cannot use {self.what}: spec.{self.prefix}{key} must be {wanted}, not {self.data.get(key)!r}")


# ---------------------------------------------------------------- images in the values
