"""What a pod may ask that this node cannot give: named, so that nothing of a spec is left out without a word. Running pods is not here."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

Doc = Mapping[str, Any]
OF_PODS = (
    "activeDeadlineSeconds",
    "dnsConfig",
    "hostAliases",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "overhead",
    "readinessGates",
    "resourceClaims",
    "runtimeClassName",
    "schedulingGates",
    "setHostnameAsFQDN",
    "shareProcessNamespace",
)
OF_CONTAINERS = ("volumeDevices", "workingDir", "stdin", "tty")
OF_SECURITY = ("privileged", "windowsOptions", "seLinuxOptions", "sysctls")
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def unsupported(pod: Doc, labels: Mapping[str, str]) -> str:
    """The first, by its path in the spec and its value, with `labels` the node's own; empty when there is none."""
    return next(_found(pod["spec"], labels), "")


def _found(spec: Doc, labels: Mapping[str, str]) -> Iterator[str]:
    yield from _set(spec, "spec", OF_PODS)
    yield from _set(spec.get("securityContext") or {}, "spec.securityContext", OF_SECURITY)
    yield from _elsewhere(spec, labels)
    for group in ("initContainers", "containers"):
        for number, container in enumerate(spec.get(group) or ()):
            yield from _of_container(container, f"spec.{group}[{number}]")
    for number, init in enumerate(spec.get("initContainers") or ()):
        yield from _set(init, f"spec.initContainers[{number}]", ("restartPolicy",))


def _elsewhere(spec: Doc, labels: Mapping[str, str]) -> Iterator[str]:
    """There is one node, and all that is merely preferred of it holds."""
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        yield f"spec.nodeSelector: {dict(spec['nodeSelector'])}, of which its only node has {dict(labels)}"
    for kind, rules in (spec.get("affinity") or {}).items():
        yield from _set(rules, f"spec.affinity.{kind}", ("requiredDuringSchedulingIgnoredDuringExecution",))


def _of_container(container: Doc, at: str) -> Iterator[str]:
    yield from _set(container, at, OF_CONTAINERS)
    yield from _set(container.get("securityContext") or {}, f"{at}.securityContext", OF_SECURITY)
    yield from _set((container.get("securityContext") or {}).get("capabilities") or {}, f"{at}.securityContext.capabilities", ("add",))
    yield from _set(container, at, ("imagePullPolicy",), lambda value: value == "Never")
    for name in PROBES:
        yield from _set(container.get(name) or {}, f"{at}.{name}", ("grpc",))
    for number, port in enumerate(container.get("ports") or ()):
        yield from _set(port, f"{at}.ports[{number}]", ("hostPort",))
    for number, mount in enumerate(container.get("volumeMounts") or ()):
        yield from _set(mount, f"{at}.volumeMounts[{number}]", ("subPathExpr",))
        yield from _set(mount, f"{at}.volumeMounts[{number}]", ("mountPropagation",), lambda value: value not in (None, "None"))


def _set(holder: Doc, at: str, names: tuple[str, ...], test: Callable[[Any], bool] = bool) -> Iterator[str]:
    for name in names:
        if test(holder.get(name)):
            yield f"{at}.{name}: {holder[name]}"
