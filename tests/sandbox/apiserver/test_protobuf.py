"""Claims about protobuf bodies: what stock kubectl creates arrives as it was meant, and odd bytes are refused."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_canary.sandbox.apiserver.problems import Problem
from gitops_canary.sandbox.apiserver.protobuf import MAGIC, decode

KUBECTL = shutil.which("kubectl") or ""
CREATED = [
    pytest.param(("deployment", "x", "--image=podinfo:1", "--replicas=2"), "deployment", ("spec", "replicas"), 2, id="deployment"),
    pytest.param(("job", "x", "--image=curl:1", "--", "sh", "-c", "echo"), "job", ("spec", "backoffLimit"), 6, id="job"),
    pytest.param(("service", "clusterip", "x", "--tcp=80:9898"), "service", ("spec", "ports", 0, "targetPort"), 9898, id="service"),
    pytest.param(("role", "x", "--verb=get", "--resource=pods"), "role", ("rules", 0, "verbs"), ["get"], id="role"),
    pytest.param(("rolebinding", "x", "--role=r", "--user=u"), "rolebinding", ("subjects", 0, "name"), "u", id="rolebinding"),
    pytest.param(("configmap", "x", "--from-literal=a=1"), "configmap", ("data",), {"a": "1"}, id="configmap"),
    pytest.param(("secret", "generic", "x", "--from-literal=a=1"), "secret", ("data",), {"a": "MQ=="}, id="secret"),
    pytest.param(("quota", "x"), "quota", ("metadata", "name"), "x", id="quota"),
    pytest.param(("pdb", "x", "--selector=a=b", "--min-available=1"), "pdb", ("spec", "minAvailable"), 1, id="pdb"),
    pytest.param(("ingress", "x", "--rule=a.b/*=s:80"), "ingress", ("spec", "rules", 0, "host"), "a.b", id="ingress"),
]


def kubectl(kubeconfig: Path, *words: str) -> str:
    command = [KUBECTL, "--kubeconfig", str(kubeconfig), *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if KUBECTL:

    @pytest.mark.parametrize(("words", "kind", "path", "value"), CREATED)
    def test_what_kubectl_creates_arrives_as_it_was_meant(
        sandbox_kubeconfig: Path, words: Sequence[str], kind: str, path: Sequence[str | int], value: object
    ) -> None:
        namespace = f"proto-{uuid4().hex[:8]}"
        kubectl(sandbox_kubeconfig, "create", "namespace", namespace)
        kubectl(sandbox_kubeconfig, "-n", namespace, "create", *words)
        found = json.loads(kubectl(sandbox_kubeconfig, "-n", namespace, "get", kind, "x", "-o", "json"))
        for step in path:
            found = found[step]
        assert found == value


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_a_refusal(data: bytes) -> None:
    try:
        assert isinstance(decode(MAGIC + data), dict)
    except Problem as problem:
        assert problem.code in (400, 415)  # noqa: PT017 (either is right)


def test_a_body_without_the_marker_is_refused() -> None:
    with pytest.raises(Problem, match="marker"):
        decode(b"{}")
