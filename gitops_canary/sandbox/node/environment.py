"""A container's files and variables from its pod's spec: volumes, env, mount paths moved into a folder of ours; what is missing is said."""

import asyncio
import base64
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gitops_canary.sandbox.kube import ApiError, Doc, Kube
from gitops_canary.sandbox.node.addresses import Place

VARIABLE = re.compile(r"\$\$|\$\(([A-Za-z_][\w.-]*)\)")
LISTEN_ANYWHERE = re.compile(r"^(?P<flag>-[\w-]+=)?(?:0\.0\.0\.0|\[::\])?:(?P<port>\d+)$")


class ConfigProblem(Exception):
    """What keeps the container from being created; `str()` goes into its waiting status."""


class Sources:
    """ConfigMaps and Secrets, read when a container starts."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube, self._namespace = kube, namespace

    async def data(self, kind: str, name: str, *, optional: bool = False) -> dict[str, bytes] | None:
        """The decoded data of `configmap` or `secret` `name`; None when it is optional and missing."""
        try:
            found = await self._kube.request("GET", f"/api/v1/namespaces/{self._namespace}/{kind}s/{name}")
        except ApiError as error:
            if error.status != 404:
                raise ConfigProblem(f'cannot read {kind} "{name}": {error}') from error
            if optional:
                return None
            raise ConfigProblem(f'{kind} "{name}" not found') from error
        return _decoded(kind, found)


def _decoded(kind: str, doc: Doc) -> dict[str, bytes]:
    binary = doc.get("data" if kind == "secret" else "binaryData") or {}
    plain = {} if kind == "secret" else doc.get("data") or {}
    return {**{key: text.encode() for key, text in plain.items()}, **{key: base64.b64decode(text) for key, text in binary.items()}}


async def write_volumes(pod: Doc, sources: Sources, folder: Path, token: Mapping[str, bytes]) -> dict[str, Path]:
    """Makes every volume's folder in `folder`; by name."""
    made: dict[str, Path] = {}
    for volume in pod["spec"].get("volumes") or ():
        made[volume["name"]] = folder / volume["name"]
        await asyncio.to_thread(made[volume["name"]].mkdir, parents=True, exist_ok=True)
        await _fill(made[volume["name"]], volume, pod, sources, token)
    return made


async def _fill(folder: Path, volume: Doc, pod: Doc, sources: Sources, token: Mapping[str, bytes]) -> None:
    kind = next((name for name in volume if name != "name"), "emptyDir")
    given = volume.get(kind) or {}
    match kind:
        case "emptyDir":
            pass
        case "configMap" | "secret":
            await _fill_from(folder, kind.lower(), str(given.get("name") or given.get("secretName")), given, sources)
        case "downwardAPI":
            _write(folder, {item["path"]: field_of(pod, item["fieldRef"]["fieldPath"]).encode() for item in given.get("items") or ()})
        case "projected":
            for source in given.get("sources") or ():
                if "serviceAccountToken" in source:
                    _write(folder, {source["serviceAccountToken"]["path"]: token.get("token", b"")})
                else:
                    await _fill(folder, {"name": volume["name"], **source}, pod, sources, token)
        case _:
            raise ConfigProblem(f'volume "{volume["name"]}": {kind} is not supported by the sandbox\'s node')


async def _fill_from(folder: Path, kind: str, name: str, given: Doc, sources: Sources) -> None:
    data = await sources.data(kind, name, optional=bool(given.get("optional"))) or {}
    if items := given.get("items"):
        missing = next((item["key"] for item in items if item["key"] not in data), None)
        if missing and not given.get("optional"):
            raise ConfigProblem(f'{kind} "{name}" has no key {missing}')
        data = {item["path"]: data[item["key"]] for item in items if item["key"] in data}
    _write(folder, data)


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        path = folder / name
        if ".." in Path(name).parts or Path(name).is_absolute():
            raise ConfigProblem(f"a volume's path {name!r} leads out of it")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


async def variables(container: Doc, pod: Doc, sources: Sources, place: Place, given: Mapping[str, str]) -> dict[str, str]:
    """The container's environment: `given` first, then envFrom, then env, with `$(NAME)` expanded as Kubernetes does."""
    found = dict(given)
    for source in container.get("envFrom") or ():
        kind = "configmap" if "configMapRef" in source else "secret"
        ref = source.get("configMapRef") or source.get("secretRef") or {}
        data = await sources.data(kind, ref["name"], optional=bool(ref.get("optional"))) or {}
        found |= {source.get("prefix", "") + key: value.decode(errors="replace") for key, value in data.items()}
    for entry in container.get("env") or ():
        value = await _value(entry, pod, sources, place)
        if value is not None:
            found[entry["name"]] = expand(value, found)
    return found


async def _value(entry: Doc, pod: Doc, sources: Sources, place: Place) -> str | None:
    source = entry.get("valueFrom")
    if not source:
        return str(entry.get("value", ""))
    if "fieldRef" in source:
        path = source["fieldRef"]["fieldPath"]
        return place.address if path in ("status.podIP", "status.podIPs") else field_of(pod, path)
    for name, kind in (("configMapKeyRef", "configmap"), ("secretKeyRef", "secret")):
        if ref := source.get(name):
            data = await sources.data(kind, ref["name"], optional=bool(ref.get("optional")))
            if data is not None and ref["key"] in data:
                return data[ref["key"]].decode(errors="replace")
            if ref.get("optional"):
                return None
            raise ConfigProblem(f"couldn't find key {ref['key']} in {kind} {pod['metadata']['namespace']}/{ref['name']}")
    if "resourceFieldRef" in source:
        return "0"  # no limit, as for a container that declares none
    raise ConfigProblem(f"env {entry['name']}: {next(iter(source))} is not supported by the sandbox's node")


def field_of(pod: Doc, path: str) -> str:
    """`metadata.name`, `metadata.labels['app']`, `spec.nodeName` …; empty when the pod has none."""
    value: Any = pod
    for part in re.findall(r"\['([^']*)'\]|([^.\[\]]+)", path):
        value = value.get(part[0] or part[1], {}) if isinstance(value, dict) else {}
    if isinstance(value, dict):
        return "\n".join(f'{key}="{text}"' for key, text in value.items())
    return str(value)


def expand(text: str, known: Mapping[str, str]) -> str:
    """`$(NAME)` becomes its value when it is known, `$$` a dollar; the rest stays."""
    return VARIABLE.sub(lambda match: "$" if match[0] == "$$" else known.get(match[1], match[0]), text)


def moved(texts: Iterable[str], container: Doc, volumes: Mapping[str, Path]) -> list[str]:
    """The texts with every mount path replaced by the folder that stands for it: there is no file system of the container's own."""
    places: dict[str, str] = {}
    for mount in container.get("volumeMounts") or ():
        target = volumes[mount["name"]] / mount["subPath"] if mount.get("subPath") else volumes[mount["name"]]
        places[mount["mountPath"].rstrip("/")] = str(target)
    if not places:
        return list(texts)
    # One pass, the longest path first: what was put in must not be replaced again (a mount on /tmp).
    paths = "|".join(re.escape(path) for path in sorted(places, key=len, reverse=True))
    pattern = re.compile(rf"(?<![\w./-])({paths})(?=$|[/:,;\s\"'])")
    return [pattern.sub(lambda match: places[match[1]], text) for text in texts]


def bound(argument: str, place: Place) -> str:
    """`--listen=:8080` becomes `--listen=ADDRESS:8080`: all pods share one network, so "everywhere" means the pod's own address."""
    match = LISTEN_ANYWHERE.match(argument)
    if not match:
        return argument
    port = int(match["port"])
    return f"{match['flag'] or ''}{place.address}:{place.port(port)}"
