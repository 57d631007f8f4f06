"""Pod Security admission: what a namespace's label `enforce` forbids a new pod, in a real server's words; it knows only pods and labels."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gitops_canary.sandbox.apiserver.problems import Problem

LABEL = "pod-security.kubernetes.io/enforce"
LEVELS = ("privileged", "baseline", "restricted")
DEFAULT_CAPABILITIES = frozenset(
    [
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    ]
)
RESTRICTED_VOLUMES = frozenset(
    ["configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret"]
)
SECCOMP = ("RuntimeDefault", "Localhost")
SYSCTLS = frozenset(
    [
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    ]
)
Spec = Mapping[str, Any]
Found = Iterator[str]


def wrong_level(labels: Mapping[str, str]) -> str:
    """What is wrong with a namespace's label, "" when nothing is."""
    level = labels.get(LABEL)
    return "" if level is None or level in LEVELS else f'Invalid value: "{level}": must be one of privileged, baseline, restricted'


def admit(namespace: Spec, pod: Spec) -> None:
    """Raises the refusal of a pod that its namespace forbids."""
    level = ((namespace.get("metadata") or {}).get("labels") or {}).get(LABEL, "privileged")
    if wrong := violations(level, pod.get("spec") or {}):
        name = pod["metadata"]["name"]
        raise Problem(403, "Forbidden", f'pods "{name}" is forbidden: {wrong}', {"name": name, "kind": "pods"})


def violations(level: str, spec: Spec) -> str:
    """The end of a real server's refusal, "" when the pod may be made."""
    checks = {"baseline": BASELINE, "restricted": RESTRICTED}.get(level, ())
    found = [sentence for check in checks for sentence in check(spec)]
    return f'violates PodSecurity "{level}:latest": {", ".join(found)}' if found else ""


def _containers(spec: Spec) -> list[Spec]:
    return [one for key in ("initContainers", "containers", "ephemeralContainers") for one in spec.get(key) or ()]


def _context(holder: Spec) -> Spec:
    return holder.get("securityContext") or {}


def _names(containers: Sequence[Spec], wrong: Callable[[Spec], bool]) -> str:
    """`container "a"` or `containers "a", "b"`; "" for none."""
    names = [f'"{one["name"]}"' for one in containers if wrong(one)]
    return f"container{'s' if len(names) > 1 else ''} {', '.join(names)}" if names else ""


def _escalation(spec: Spec) -> Found:
    if who := _names(_containers(spec), lambda one: _context(one).get("allowPrivilegeEscalation") is not False):
        yield f"allowPrivilegeEscalation != false ({who} must set securityContext.allowPrivilegeEscalation=false)"


def _added(spec: Spec, allowed: frozenset[str]) -> str:
    found: set[str] = set()

    def adds(one: Spec) -> bool:
        more = set((_context(one).get("capabilities") or {}).get("add") or ()) - allowed
        found.update(more)
        return bool(more)

    who = _names(_containers(spec), adds)
    which = ", ".join(f'"{name}"' for name in sorted(found))
    return f"{who} must not include {which} in securityContext.capabilities.add" if who else ""


def _baseline_capabilities(spec: Spec) -> Found:
    if wrong := _added(spec, DEFAULT_CAPABILITIES):
        yield f"non-default capabilities ({wrong})"


def _restricted_capabilities(spec: Spec) -> Found:
    who = _names(_containers(spec), lambda one: "ALL" not in ((_context(one).get("capabilities") or {}).get("drop") or ()))
    drop = f'{who} must set securityContext.capabilities.drop=["ALL"]' if who else ""
    if wrong := [one for one in (drop, _added(spec, frozenset({"NET_BIND_SERVICE"}))) if one]:
        yield f"unrestricted capabilities ({'; '.join(wrong)})"


def _host_namespaces(spec: Spec) -> Found:
    if shared := [f"{key}=true" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key)]:
        yield f"host namespaces ({', '.join(shared)})"


def _volumes(spec: Spec, wrong: Callable[[str], bool]) -> tuple[str, list[str]]:
    """(`volume "a"` or `volumes "a", "b"`, their types)."""
    found = [(one["name"], kind) for one in spec.get("volumes") or () for kind in one if kind != "name" and wrong(kind)]
    names = ", ".join(f'"{name}"' for name, _ in found)
    return f"volume{'s' if len(found) > 1 else ''} {names}", sorted({kind for _, kind in found})


def _host_paths(spec: Spec) -> Found:
    who, kinds = _volumes(spec, lambda kind: kind == "hostPath")
    if kinds:
        yield f"hostPath volumes ({who})"


def _restricted_volumes(spec: Spec) -> Found:
    who, kinds = _volumes(spec, lambda kind: kind not in RESTRICTED_VOLUMES)
    if kinds:
        shown = ", ".join(f'"{kind}"' for kind in kinds)
        verb, many = "use" if who.startswith("volumes") else "uses", "s" if len(kinds) > 1 else ""
        yield f"restricted volume types ({who} {verb} restricted volume type{many} {shown})"


def _host_ports(spec: Spec) -> Found:
    ports: set[int] = set()

    def takes(one: Spec) -> bool:
        mine = {port["hostPort"] for port in one.get("ports") or () if port.get("hostPort")}
        ports.update(mine)
        return bool(mine)

    if who := _names(_containers(spec), takes):
        verb = "use" if who.startswith("containers") else "uses"
        yield f"hostPort ({who} {verb} hostPort{'s' if len(ports) > 1 else ''} {', '.join(map(str, sorted(ports)))})"


def _non_root(spec: Spec) -> Found:
    containers, whole = _containers(spec), _context(spec).get("runAsNonRoot")
    if whole is False:
        yield "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)"
    elif who := _names(containers, lambda one: _context(one).get("runAsNonRoot") is False):
        yield f"runAsNonRoot != true ({who} must not set securityContext.runAsNonRoot=false)"
    elif not whole and (who := _names(containers, lambda one: _context(one).get("runAsNonRoot") is None)):
        yield f"runAsNonRoot != true (pod or {who} must set securityContext.runAsNonRoot=true)"


def _root_user(spec: Spec) -> Found:
    who = [who for who in ("pod" if _context(spec).get("runAsUser") == 0 else "", _names(_containers(spec), _is_root)) if who]
    if who:
        yield f"runAsUser=0 ({' and '.join(who)} must not set runAsUser=0)"


def _is_root(holder: Spec) -> bool:
    return _context(holder).get("runAsUser") == 0


def _profile(holder: Spec) -> str:
    return str((_context(holder).get("seccompProfile") or {}).get("type") or "")


def _baseline_seccomp(spec: Spec) -> Found:
    who = ["pod"] if _profile(spec) == "Unconfined" else []
    who += [name for name in [_names(_containers(spec), lambda one: _profile(one) == "Unconfined")] if name]
    if who:
        yield f'seccompProfile ({" and ".join(who)} must not set securityContext.seccompProfile.type to "Unconfined")'


def _restricted_seccomp(spec: Spec) -> Found:
    wrong = list(_baseline_seccomp(spec))
    yield from wrong
    who = _names(_containers(spec), lambda one: not _profile(one))
    if not wrong and _profile(spec) not in SECCOMP and who:
        yield f'seccompProfile (pod or {who} must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")'


def _sysctls(spec: Spec) -> Found:
    if names := [one["name"] for one in _context(spec).get("sysctls") or () if one["name"] not in SYSCTLS]:
        yield f"forbidden sysctls ({', '.join(names)})"


def _privileged(spec: Spec) -> Found:
    if who := _names(_containers(spec), lambda one: bool(_context(one).get("privileged"))):
        yield f"privileged ({who} must not set securityContext.privileged=true)"


BASELINE = (_baseline_capabilities, _host_namespaces, _host_paths, _host_ports, _privileged, _baseline_seccomp, _sysctls)
RESTRICTED = (
    _escalation,
    _restricted_capabilities,
    _host_namespaces,
    _host_ports,
    _privileged,
    _restricted_volumes,
    _non_root,
    _root_user,
    _restricted_seccomp,
    _sysctls,
)
"""In the order in which a real server tells them; AppArmor, SELinux, Windows and hosts in probes mean nothing to the sandbox's node."""
