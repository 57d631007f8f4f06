"""Pod Security admission on both servers: which pods a namespace's label forbids, and in which words."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.conformance.client import Answer, Api, Doc
from tests.conformance.objects import deployment

GOOD: Doc = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {"name": "a", "image": "a:1", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}},
    ],
}
PLAIN: Doc = {"containers": [{"name": "a", "image": "a:1"}]}


def with_(change: Callable[[Doc, Doc, Doc], Any]) -> Doc:
    """GOOD, but for what `change(pod spec, container, its security context)` does to it."""
    spec = deepcopy(GOOD)
    change(spec, spec["containers"][0], spec["containers"][0]["securityContext"])
    return spec


def volumes(*kinds: str) -> Doc:
    made = {"hostPath": {"path": "/"}, "nfs": {"server": "a", "path": "/"}, "emptyDir": {}}
    return with_(lambda pod, one, own: pod.update(volumes=[{"name": f"v{n}", kind: made[kind]} for n, kind in enumerate(kinds)]))


MANY = {**PLAIN, "initContainers": [{"name": "i", "image": "a:1"}], "containers": [*PLAIN["containers"], {"name": "b", "image": "a:1"}]}
CASES: dict[str, tuple[Doc, str, str]] = {
    "good": (GOOD, "", ""),
    "plain": (
        PLAIN,
        "",
        'allowPrivilegeEscalation != false (container "a" must set securityContext.allowPrivilegeEscalation=false), unrestricted'
        ' capabilities (container "a" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "a" must'
        ' set securityContext.runAsNonRoot=true), seccompProfile (pod or container "a" must set securityContext.seccompProfile.type to'
        ' "RuntimeDefault" or "Localhost")',
    ),
    "many": (
        MANY,
        "",
        'allowPrivilegeEscalation != false (containers "i", "a", "b" must set securityContext.allowPrivilegeEscalation=false),'
        ' unrestricted capabilities (containers "i", "a", "b" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true'
        ' (pod or containers "i", "a", "b" must set securityContext.runAsNonRoot=true), seccompProfile (pod or containers "i", "a", "b"'
        ' must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")',
    ),
    "host namespaces": (
        with_(lambda pod, one, own: pod.update(hostNetwork=True, hostPID=True, hostIPC=True)),
        "host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)",
        "host namespaces (hostNetwork=true, hostPID=true, hostIPC=true)",
    ),
    "host paths": (
        volumes("hostPath", "hostPath"),
        'hostPath volumes (volumes "v0", "v1")',
        'restricted volume types (volumes "v0", "v1" use restricted volume type "hostPath")',
    ),
    "volumes": (
        volumes("hostPath", "emptyDir", "nfs"),
        'hostPath volumes (volume "v0")',
        'restricted volume types (volumes "v0", "v2" use restricted volume types "hostPath", "nfs")',
    ),
    "one volume": (volumes("nfs"), "", 'restricted volume types (volume "v0" uses restricted volume type "nfs")'),
    "a host port": (
        with_(lambda pod, one, own: one.update(ports=[{"containerPort": 80, "hostPort": 80}])),
        'hostPort (container "a" uses hostPort 80)',
        'hostPort (container "a" uses hostPort 80)',
    ),
    "capabilities": (
        with_(lambda pod, one, own: own["capabilities"].update(add=["SYS_ADMIN", "NET_BIND_SERVICE"])),
        'non-default capabilities (container "a" must not include "SYS_ADMIN" in securityContext.capabilities.add)',
        'unrestricted capabilities (container "a" must not include "SYS_ADMIN" in securityContext.capabilities.add)',
    ),
    "a default capability": (
        with_(lambda pod, one, own: own["capabilities"].update(add=["CHOWN"])),
        "",
        'unrestricted capabilities (container "a" must not include "CHOWN" in securityContext.capabilities.add)',
    ),
    "root": (
        with_(lambda pod, one, own: pod["securityContext"].update(runAsUser=0)),
        "",
        "runAsUser=0 (pod must not set runAsUser=0)",
    ),
    "a root container": (
        with_(lambda pod, one, own: own.update(runAsUser=0)),
        "",
        'runAsUser=0 (container "a" must not set runAsUser=0)',
    ),
    "a container that may be root": (
        with_(lambda pod, one, own: own.update(runAsNonRoot=False)),
        "",
        'runAsNonRoot != true (container "a" must not set securityContext.runAsNonRoot=false)',
    ),
    "no seccomp for the pod": (
        with_(lambda pod, one, own: pod["securityContext"].update(seccompProfile={"type": "Unconfined"})),
        'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
        'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
    ),
    "no seccomp for a container": (
        with_(lambda pod, one, own: own.update(seccompProfile={"type": "Unconfined"})),
        'seccompProfile (container "a" must not set securityContext.seccompProfile.type to "Unconfined")',
        'seccompProfile (container "a" must not set securityContext.seccompProfile.type to "Unconfined")',
    ),
    "said by the container": (
        with_(lambda pod, one, own: (pod.pop("securityContext"), own.update(GOOD["securityContext"]))),
        "",
        "",
    ),
    "a sysctl": (
        with_(lambda pod, one, own: pod["securityContext"].update(sysctls=[{"name": "kernel.msgmax", "value": "1"}])),
        "forbidden sysctls (kernel.msgmax)",
        "forbidden sysctls (kernel.msgmax)",
    ),
}


def enforcing(api: Api, level: str) -> Answer:
    return api.patch("namespaces", api.ns, {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": level}}})


@pytest.mark.parametrize("level", ["baseline", "restricted"])
def test_what_a_level_forbids_is_refused_in_the_same_words(api: Api, level: str) -> None:
    assert enforcing(api, level).code == 200
    seen, told = {}, {}
    for name, (spec, baseline, restricted) in CASES.items():
        wrong = baseline if level == "baseline" else restricted
        told[name] = (403, f'pods "p" is forbidden: violates PodSecurity "{level}:latest": {wrong}') if wrong else (201, "")
        answer = api.create("pods", {"metadata": {"name": "p"}, "spec": spec}, dryRun="All")
        seen[name] = (answer.code, "" if answer.code == 201 else answer.message)
    assert seen == told


def test_a_namespace_that_enforces_nothing_takes_every_pod(api: Api) -> None:
    for spec, _, _ in CASES.values():
        assert api.create("pods", {"metadata": {"name": "p"}, "spec": spec}, dryRun="All").code == 201


def test_a_level_that_is_none_is_refused(api: Api) -> None:
    answer = enforcing(api, "strict")
    assert answer.code == 422
    assert 'Invalid value: "strict": must be one of privileged, baseline, restricted' in answer.message


def test_a_deployment_tells_why_its_pods_are_refused(api: Api) -> None:
    assert enforcing(api, "restricted").code == 200
    assert api.create("deployments", deployment("web", 1)).code == 201

    def told(doc: Doc) -> bool:
        return any(one["type"] == "ReplicaFailure" for one in doc.get("status", {}).get("conditions") or ())

    found = api.until("deployments", "web", told)
    failure = next(one for one in found["status"]["conditions"] if one["type"] == "ReplicaFailure")
    assert (failure["status"], failure["reason"]) == ("True", "FailedCreate")
    assert 'is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false' in failure["message"]
    assert enforcing(api, "baseline").code == 200
    api.until("deployments", "web", lambda doc: not told(doc) and doc["status"].get("replicas") == 1)
