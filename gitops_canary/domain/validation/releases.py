"""HelmReleases that are accepted and yet do not do what their author meant: the seed's four defects and their like."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from gitops_canary.domain.helmrelease import HelmReleaseSpec, is_helmrelease
from gitops_canary.domain.resources import Resource
from gitops_canary.domain.validation.findings import Finding, MoveOut, Path, SetText, at
from gitops_canary.domain.validation.spelling import meant, nearly

HOSTS = ("github.com", "gitlab.com", "bitbucket.org")
OWNERS = ("weaveworks", "fluxcd", "stefanprodan")
VALUES = ("spec", "values")


@dataclass(frozen=True)
class Charts:
    """The charts in the repository: folder (no slashes at its ends) -> the chart's own values."""

    values: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)

    def of(self, spec: HelmReleaseSpec) -> Mapping[str, Any] | None:
        """None when the release's chart is not here."""
        return None if spec.git or spec.repository else self.values.get(spec.path)


def release_findings(resource: Resource, spec: HelmReleaseSpec, everything: Iterable[Resource], charts: Charts) -> Iterator[Finding]:
    own = charts.of(spec)
    if own is None and not spec.git and not spec.repository:
        sentence = f"{resource.ref} wants chart {spec.path}, and this repository has no chart there"
        yield at(resource, ("spec", "chart", "path"), "error", "chart", sentence)
    yield from _address(resource, spec)
    yield from _nested(resource, spec, own)
    yield from _backend(resource, spec, everything)
    if own is None:
        yield from _gateway(resource, spec)


def _address(resource: Resource, spec: HelmReleaseSpec) -> Iterator[Finding]:
    """`https://host/owner/…` or `user@host:owner/…` with a slip in the host, or in an owner that many charts come from."""
    host, owner = _host_and_owner(spec.git)
    for word, known in ((host, HOSTS), (owner, OWNERS)):
        right = meant(word, known)
        if right:
            mended = spec.git.replace(word, right, 1)
            path = ("spec", "chart", "git")
            sentence = f"{resource.ref} takes its chart from {_shown(spec.git)}: {word} is probably {right}, misspelt"
            yield at(resource, path, "error", "chart-url", sentence, SetText((*resource.within, *path), mended))


def _host_and_owner(url: str) -> tuple[str, str]:
    if "://" in url:
        host, path = urlsplit(url).hostname or "", urlsplit(url).path
    else:
        user_host, _, path = url.partition(":")
        host = user_host.rpartition("@")[2]
    return host, path.strip("/").split("/")[0]


def _shown(url: str) -> str:
    """Never a password."""
    before, sign, after = url.partition("://")
    return f"{before}://{after.rpartition('@')[2]}" if sign else url


def _nested(resource: Resource, spec: HelmReleaseSpec, own: Mapping[str, Any] | None) -> Iterator[Finding]:
    image = spec.values.get("image")
    if not isinstance(image, Mapping):
        return
    keys = tuple(str(key) for key, value in image.items() if _strays(str(key), value, own))
    if keys:
        path = (*VALUES, "image", keys[0])
        names = " and ".join(f"values.image.{key}" for key in keys)
        free = not any(key in spec.values for key in keys)
        mend = MoveOut((*resource.within, *VALUES, "image"), keys) if free else None
        sentence = f"{resource.ref} has {names} below image, where no chart reads them: indent them less, beside image"
        yield at(resource, path, "error", "nested", sentence, mend)


def _strays(key: str, value: Any, own: Mapping[str, Any] | None) -> bool:
    """With the chart at hand its values say where a key belongs; otherwise a switch or an address is no part of an image."""
    if own is not None:
        image = own.get("image")
        return key in own and key != "image" and not (isinstance(image, Mapping) and key in image)
    if isinstance(value, Mapping):
        return key == "canary" or ("enabled" in value and "repository" not in value)
    return is_url(value)


def is_url(value: Any) -> bool:
    return isinstance(value, str) and value.startswith(("http://", "https://"))


def _backend(resource: Resource, spec: HelmReleaseSpec, everything: Iterable[Resource]) -> Iterator[Finding]:
    """A backend that nothing of this repository answers to, when it is plain who was meant."""
    path: Path
    image = spec.values.get("image")
    path, url = ("backend",), spec.values.get("backend")
    if url is None and isinstance(image, Mapping):
        path, url = ("image", "backend"), image.get("backend")
    host = hostname(url)
    name, _, rest = host.partition(".")
    if not name or (rest and rest.split(".")[0] != spec.target_namespace):
        return
    right = _answering(name, spec, everything)
    if right:
        full = (*VALUES, *path)
        mend = SetText((*resource.within, *full), str(url).replace(name, right, 1))
        sentence = f"{resource.ref} calls {url}, and nothing is called {name} here: {right} is probably meant"
        yield at(resource, full, "error", "backend", sentence, mend)


def hostname(url: Any) -> str:
    try:
        return (urlsplit(str(url)).hostname or "") if is_url(url) else ""
    except ValueError:
        return ""


def _answering(name: str, spec: HelmReleaseSpec, everything: Iterable[Resource]) -> str:
    """The name that was meant. `backend-podinfo` is what Helm's default would call release backend of chart podinfo, but canaries are
    called by their app's name alone."""
    names = sorted({one for one in _names(everything) if one})
    if name in names:
        return ""
    chart = (spec.chart or spec.path).rpartition("/")[2]
    plain = name.removesuffix(f"-{chart}") if chart else name
    if plain in names or plain != name:
        return plain
    return next((one for one in names if nearly(name, one)), "")


def _names(everything: Iterable[Resource]) -> Iterator[str]:
    for one in everything:
        if one.ref.kind in ("Service", "Canary"):
            yield one.ref.name
        if is_helmrelease(one.doc) and isinstance(one.doc.get("spec"), Mapping):
            spec = one.doc["spec"]
            values = spec.get("values") if isinstance(spec.get("values"), Mapping) else {}
            yield from (str(values.get(key) or "") for key in ("nameOverride", "fullnameOverride"))
            yield str(spec.get("releaseName") or one.ref.name)


def _gateway(resource: Resource, spec: HelmReleaseSpec) -> Iterator[Finding]:
    """Only for charts that are elsewhere: of those here the rendered Canary tells."""
    for within in (("canary",), ("image", "canary")):
        ingress = _down(spec.values, (*within, "istioIngress"))
        gateway = ingress.get("gateway") if isinstance(ingress, Mapping) and ingress.get("enabled") else None
        if isinstance(gateway, str) and gateway and "mesh" not in gateway.replace(",", " ").split():
            path = (*VALUES, *within, "istioIngress", "gateway")
            yield at(resource, path, "note", "gateway", without_mesh(str(resource.ref), gateway))


def without_mesh(what: str, gateway: str) -> str:
    return (
        f"{what} binds its route to gateway {gateway} without mesh: calls inside the mesh, the load test's for one, would go past the "
        f"weights; the operator adds it, the chart's Canary should say gateways: [{gateway}, mesh]"
    )


def _down(value: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value
