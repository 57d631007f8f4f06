"""Pods and pod templates: containers, ports, resources, probes, hooks, scheduling; volumes stand beside."""

from collections.abc import Iterator, Sequence
from typing import Any

from gitops_canary.sandbox.apiserver.rules import volumes
from gitops_canary.sandbox.apiserver.rules.words import (
    Cause,
    Doc,
    amount,
    at_least,
    duplicate,
    forbidden,
    invalid,
    label,
    labels,
    one_of,
    port,
    port_name,
    port_number,
    required,
    subdomain,
    unsupported,
)  # fmt: skip

HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
PLAIN_RESOURCES = frozenset({"cpu", "memory", "ephemeral-storage"})
LARGEST = 2**31 - 1
CHANGING = frozenset({"activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "nodeName", "ephemeralContainers"})
MAY_CHANGE = (
    "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
    "`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)


def pod(doc: Doc, old: Doc | None) -> Iterator[Cause]:
    yield from spec(doc.get("spec") or {}, "spec")
    if old is not None and _fixed(doc.get("spec") or {}) != _fixed(old.get("spec") or {}):
        yield forbidden("spec", f"pod updates may not change fields other than {MAY_CHANGE}")


def _fixed(found: Doc) -> dict[str, Any]:
    """What stays as it was made; a node is given by binding."""
    kept = {key: value for key, value in found.items() if key not in CHANGING}
    for group in ("containers", "initContainers"):
        kept[group] = [{key: value for key, value in one.items() if key != "image"} for one in found.get(group) or ()]
    return kept


def spec(found: Doc, at: str) -> Iterator[Cause]:
    yield from volumes.volumes(found, at)
    seen: set[str] = set()
    if not found.get("containers"):
        yield required(f"{at}.containers")
    for group in ("containers", "initContainers"):
        for number, container in enumerate(found.get(group) or ()):
            where = f"{at}.{group}[{number}]"
            name = str(container.get("name") or "")
            yield from label(f"{where}.name", name)
            if name and name in seen:
                yield duplicate(f"{where}.name", name)
            seen.add(name)
            yield from _container(container, where, found)
    yield from one_of(found, at, "restartPolicy", "Always", "OnFailure", "Never")
    yield from one_of(found, at, "dnsPolicy", "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None")
    if found.get("activeDeadlineSeconds") is not None and not 0 < found["activeDeadlineSeconds"] <= LARGEST:
        yield invalid(f"{at}.activeDeadlineSeconds", found["activeDeadlineSeconds"], f"must be between 1 and {LARGEST}, inclusive")
    if found.get("serviceAccountName"):
        yield from subdomain(f"{at}.serviceAccountName", found["serviceAccountName"])
    for name in ("hostname", "subdomain"):
        if found.get(name):
            yield from label(f"{at}.{name}", found[name])
    yield from labels(f"{at}.nodeSelector", found.get("nodeSelector"))
    for number, one in enumerate(found.get("tolerations") or ()):
        yield from _toleration(one, f"{at}.tolerations[{number}]")


def _container(container: Doc, at: str, found: Doc) -> Iterator[Cause]:
    if not container.get("image"):
        yield required(f"{at}.image")
    yield from one_of(container, at, "imagePullPolicy", "Always", "IfNotPresent", "Never")
    yield from _ports(container.get("ports") or (), f"{at}.ports")
    yield from volumes.variables(container, at)
    yield from volumes.mounts(container, at, found)
    yield from _resources(container.get("resources") or {}, f"{at}.resources")
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(name) is not None:
            yield from _probe(container[name], f"{at}.{name}", once=name != "readinessProbe")
    for name, hook in (container.get("lifecycle") or {}).items():
        if name in ("preStop", "postStart"):
            yield from _handler(hook, f"{at}.lifecycle.{name}")
    yield from _security(container.get("securityContext") or {}, f"{at}.securityContext")


def _ports(ports: Sequence[Doc], at: str) -> Iterator[Cause]:
    seen: set[str] = set()
    for number, one in enumerate(ports):
        where, name = f"{at}[{number}]", one.get("name")
        if name:
            yield from port_name(f"{where}.name", name)
            if name in seen:
                yield duplicate(f"{where}.name", name)
            seen.add(name)
        if not one.get("containerPort"):
            yield required(f"{where}.containerPort")
        else:
            yield from port_number(f"{where}.containerPort", one["containerPort"])
        yield from one_of(one, where, "protocol", "SCTP", "TCP", "UDP")


def _resources(resources: Doc, at: str) -> Iterator[Cause]:
    limits, requests = (resources.get(name) or {} for name in ("limits", "requests"))
    for place, amounts in (("limits", limits), ("requests", requests)):
        for name, value in amounts.items():
            where = f"{at}.{place}[{name}]"
            if name not in PLAIN_RESOURCES and "/" not in name and not name.startswith("hugepages-"):
                yield invalid(where, name, "must be a standard resource type or fully qualified")
                yield invalid(where, name, "must be a standard resource for containers")
            if amount(value) < 0:
                yield invalid(where, value, "must be greater than or equal to 0")
    for name, value in requests.items():
        if name in limits and amount(value) > amount(limits[name]):
            yield invalid(f"{at}.requests", value, f"must be less than or equal to {name} limit of {limits[name]}")


def _probe(probe: Doc, at: str, *, once: bool) -> Iterator[Cause]:
    yield from _handler(probe, at)
    numbers = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
    yield from at_least(probe, at, numbers)
    if once and probe.get("successThreshold", 1) > 1:
        yield invalid(f"{at}.successThreshold", probe["successThreshold"], "must be 1")


def _handler(found: Doc, at: str) -> Iterator[Cause]:
    kinds = [kind for kind in HANDLERS if found.get(kind) is not None]
    if not kinds:
        yield required(at, "must specify a handler type")
        return
    for kind in kinds[1:]:
        yield forbidden(f"{at}.{kind}", "may not specify more than 1 handler type")
    kind, handler = kinds[0], found[kinds[0]]
    if kind == "exec" and not handler.get("command"):
        yield required(f"{at}.exec.command")
    elif kind in ("httpGet", "tcpSocket", "grpc"):
        yield from port(f"{at}.{kind}.port", handler.get("port"))
    if kind == "httpGet":
        yield from one_of(handler, f"{at}.httpGet", "scheme", "HTTP", "HTTPS")


def _security(context: Doc, at: str) -> Iterator[Cause]:
    for name in ("runAsUser", "runAsGroup"):
        if context.get(name) is not None and not 0 <= context[name] <= LARGEST:
            yield invalid(f"{at}.{name}", context[name], f"must be between 0 and {LARGEST}, inclusive")
    if context.get("allowPrivilegeEscalation") is not False:
        return
    if context.get("privileged"):
        yield invalid(at, dict(context), "cannot set `allowPrivilegeEscalation` to false and `privileged` to true")
    if "CAP_SYS_ADMIN" in ((context.get("capabilities") or {}).get("add") or ()):
        yield invalid(at, dict(context), "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN")


def _toleration(one: Doc, at: str) -> Iterator[Cause]:
    operator = one.get("operator") or "Equal"
    if operator not in ("Equal", "Exists"):
        yield unsupported(f"{at}.operator", operator, "Equal", "Exists")
    elif not one.get("key") and operator != "Exists":
        yield invalid(
            f"{at}.operator", operator, 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        )
    elif operator == "Exists" and one.get("value"):
        yield invalid(f"{at}.operator", one["value"], "value must be empty when `operator` is 'Exists'")
    yield from one_of(one, at, "effect", "NoSchedule", "PreferNoSchedule", "NoExecute")
