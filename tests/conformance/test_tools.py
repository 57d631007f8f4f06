"""Stock kubectl and Helm's own library against both servers, as users run them."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.conformance.client import Api
from tests.conformance.objects import config_map, deployment, widget
from tests.conformance.stand_in import StandIn
from tests.conformance.tools import Kubectl

BOTH = pytest.mark.parametrize("how", [[], ["--server-side"]], ids=["client-side", "server-side"])
LAST = "kubectl.kubernetes.io/last-applied-configuration"


@BOTH
def test_kubectl_applies_changes_and_drops(kubectl: Kubectl, how: list[str]) -> None:
    assert kubectl("apply", *how, "-f", "-", input=config_map(a="1", b="1")) in (
        "configmap/one created\n",
        "configmap/one serverside-applied\n",
    )
    kubectl("apply", *how, "-f", "-", input=config_map(a="2"))
    assert kubectl.get("cm", "one")["data"] == {"a": "2"}
    again = kubectl("apply", *how, "-f", "-", input=config_map(a="2"))
    assert again in ("configmap/one unchanged\n", "configmap/one serverside-applied\n")


@BOTH
def test_kubectl_applies_workloads_and_custom_kinds(kubectl: Kubectl, how: list[str]) -> None:
    for doc in (deployment("web", 0), widget()):
        kubectl("apply", *how, "-f", "-", input=doc)
    changed = deployment("web", 1)
    changed["spec"]["template"]["spec"]["containers"][0]["image"] = "registry.example/app:2.0"
    kubectl("apply", *how, "-f", "-", input=changed)
    found = kubectl.get("deploy", "web")
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/app:2.0"
    assert (LAST in found["metadata"]["annotations"]) is (how == [])


@BOTH
def test_kubectl_applies_a_list(kubectl: Kubectl, how: list[str]) -> None:
    items = [config_map("one", a="1"), deployment("web", 0), widget()]
    said = kubectl("apply", *how, "-f", "-", input={"apiVersion": "v1", "kind": "List", "items": items})
    assert [line.split()[0] for line in said.splitlines()] == [
        "configmap/one", "deployment.apps/web", "widget.conformance.gitops-canary.dev/one"
    ]  # fmt: skip
    assert kubectl.get("cm", "one")["data"] == {"a": "1"}


def test_kubectl_refuses_a_list_with_a_field_that_is_none(kubectl: Kubectl) -> None:
    wrong = deployment("web", 0)
    wrong["spec"]["template"]["spec"]["containers"][0]["imag"] = "app:1"
    ran = kubectl.run("apply", "-f", "-", input={"apiVersion": "v1", "kind": "List", "items": [config_map(), wrong]})
    assert ran.returncode == 1
    assert 'ValidationError(Deployment.spec.template.spec.containers[0]): unknown field "imag"' in ran.stderr
    assert kubectl.run("get", "cm", "one").returncode == 1


def test_kubectl_refuses_a_list_with_a_custom_field_that_is_none(kubectl: Kubectl) -> None:
    wrong = widget()
    wrong["spec"]["odd"] = 1
    ran = kubectl.run("apply", "-f", "-", input={"apiVersion": "v1", "kind": "List", "items": [config_map(), wrong]})
    assert ran.returncode == 1
    assert 'ValidationError(Widget.spec): unknown field "odd" in dev.gitops-canary.conformance.v1.Widget.spec' in ran.stderr
    assert kubectl.run("get", "cm", "one").returncode == 1


EXPLAINED = {
    "deployment.spec.replicas": "FIELD: replicas <integer> DESCRIPTION: Number of desired pods. This is a pointer to distinguish",
    "deployment.spec": "selector <LabelSelector> -required-",
    "pod.spec.containers.env": "FIELD: env <[]EnvVar> DESCRIPTION: List of environment variables to set in the container.",
    "hpa.spec.metrics": "FIELD: metrics <[]MetricSpec>",
    "job.spec.template.spec.restartPolicy": "FIELD: restartPolicy <string>",
    "configmap": "KIND: ConfigMap VERSION: v1 DESCRIPTION: ConfigMap holds configuration data for pods to consume.",
    "widget.spec": "KIND: Widget VERSION: v1 FIELD: spec <Object>",
    "widget.spec.size": "FIELD: size <integer>",
}


def _explained(kubectl: Kubectl, path: str) -> str:
    """On one line: where lines break is not what is compared."""
    return " ".join(kubectl("explain", path).split())


@pytest.mark.parametrize("path", EXPLAINED)
def test_kubectl_explains(kubectl: Kubectl, path: str) -> None:
    assert EXPLAINED[path] in _explained(kubectl, path)


def test_kubectl_explains_no_field_that_is_none(kubectl: Kubectl) -> None:
    ran = kubectl.run("explain", "deployment.spec.odd")
    assert (ran.returncode, 'field "odd" does not exist' in ran.stderr) == (1, True)


def test_kubectl_refuses_a_field_that_is_none(kubectl: Kubectl) -> None:
    ran = kubectl.run("apply", "-f", "-", input={**config_map(), "odd": 1})
    assert ran.returncode == 1
    assert 'unknown field "odd"' in ran.stderr


def test_kubectl_prints_rows(kubectl: Kubectl, node: StandIn) -> None:
    kubectl("apply", "-f", "-", input=deployment("web", 1))
    kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    heads = {
        "deploy": "NAME READY UP-TO-DATE AVAILABLE AGE CONTAINERS IMAGES SELECTOR",
        "rs": "NAME DESIRED CURRENT READY AGE CONTAINERS IMAGES SELECTOR",
        "pods": "NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES",
    }
    for kind, head in heads.items():
        first, row = kubectl("get", kind, "-o", "wide").splitlines()[:2]
        assert " ".join(first.split()) == head
        assert row.split()[1] in ("1/1", "1")
    assert kubectl("get", "deploy", "web", "-o", "jsonpath={.status.readyReplicas}") == "1"
    assert "kind: Deployment\n" in kubectl("get", "deploy", "web", "-o", "yaml")
    assert kubectl("get", "deploy", "-o", "name") == "deployment.apps/web\n"
    assert kubectl("get", "deploy", "-l", "app=none") == ""


def test_kubectl_prints_a_custom_kind_s_columns(kubectl: Kubectl) -> None:
    kubectl("apply", "-f", "-", input=widget())
    assert kubectl("get", "wg").split()[:4] == ["NAME", "SIZE", "PHASE", "AGE"]
    assert kubectl("get", "gadgets", "-o", "wide").split()[:5] == ["NAME", "SIZE", "PHASE", "COLOR", "AGE"]


def test_kubectl_describes(kubectl: Kubectl, node: StandIn) -> None:
    kubectl("apply", "-f", "-", input=deployment("web", 1))
    kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    told = kubectl("describe", "deployment", "web")
    assert "Replicas:               1 desired | 1 updated | 1 total | 1 available | 0 unavailable" in told
    assert "Progressing    True    NewReplicaSetAvailable" in told
    kubectl("apply", "-f", "-", input=widget())
    assert "Kind:         Widget" in kubectl("describe", "widget", "one")


def test_kubectl_waits_scales_restarts_and_deletes(kubectl: Kubectl, node: StandIn) -> None:
    kubectl("apply", "-f", "-", input=deployment("web", 1))
    assert kubectl("wait", "deployment/web", "--for=condition=Available", "--timeout=20s") == "deployment.apps/web condition met\n"
    assert kubectl("scale", "deployment/web", "--replicas=2") == "deployment.apps/web scaled\n"
    assert kubectl("rollout", "status", "deployment/web", "--timeout=20s").endswith('deployment "web" successfully rolled out\n')
    kubectl("set", "image", "deployment/web", "main=registry.example/app:3.0")
    kubectl("rollout", "status", "deployment/web", "--timeout=20s")
    assert [line.split()[0] for line in kubectl("rollout", "history", "deployment/web").splitlines()[2:] if line] == ["1", "2"]
    assert kubectl("delete", "deployment", "web", "--timeout=20s").startswith('deployment.apps "web" deleted')
    kubectl("wait", "pods", "--all", "--for=delete", "--timeout=20s")


def test_kubectl_creates_patches_labels_and_annotates(kubectl: Kubectl) -> None:
    kubectl("create", "configmap", "one", "--from-literal=a=1")
    kubectl("create", "secret", "generic", "two", "--from-literal=a=1")
    kubectl("create", "serviceaccount", "three")
    kubectl("create", "-f", "-", input=deployment("four", 0))
    kubectl("patch", "cm", "one", "--type=json", "-p", '[{"op": "add", "path": "/data/b", "value": "2"}]')
    kubectl("label", "cm", "one", "x=y")
    kubectl("annotate", "cm", "one", "n=m")
    found = kubectl.get("cm", "one")
    assert (found["data"], found["metadata"]["labels"], found["metadata"]["annotations"]) == ({"a": "1", "b": "2"}, {"x": "y"}, {"n": "m"})
    assert kubectl.run("create", "configmap", "one").stderr == 'error: failed to create configmap: configmaps "one" already exists\n'
    assert kubectl.run("get", "cm", "none").stderr == 'Error from server (NotFound): configmaps "none" not found\n'


def test_kubectl_explains_who_may(kubectl: Kubectl, api: Api) -> None:
    assert kubectl("auth", "can-i", "create", "pods") == "yes\n"
    ran = kubectl.run("auth", "can-i", "create", "pods", "--as", f"system:serviceaccount:{api.ns}:default")
    assert ran.stdout == "no\n"


def _chart(folder: Path) -> Path:
    (folder / "templates").mkdir(parents=True)
    (folder / "Chart.yaml").write_text("apiVersion: v2\nname: small\nversion: 0.1.0\n")
    (folder / "values.yaml").write_text("color: red\n")
    body = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\ndata: {color: {{ .Values.color }}}\n"
    (folder / "templates" / "all.yaml").write_text(body)
    web = json.dumps(deployment("web", 0))
    (folder / "templates" / "web.yaml").write_text(web)
    return folder


def test_helm_installs_upgrades_rolls_back_and_uninstalls(api: Api, helm: str, tmp_path: Path) -> None:
    chart = _chart(tmp_path / "small")

    def run(*arguments: str) -> str:
        command = [helm, "--kubeconfig", str(api.kubeconfig), "-n", api.ns, *arguments]
        ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    run("install", "small", str(chart))
    assert api.get("configmaps", "small").body["data"] == {"color": "red"}
    run("upgrade", "small", str(chart), "--set", "color=green")
    assert api.get("configmaps", "small").body["data"] == {"color": "green"}
    run("rollback", "small", "1")
    assert api.get("configmaps", "small").body["data"] == {"color": "red"}
    history = json.loads(run("history", "small", "-o", "json"))
    assert [(one["revision"], one["status"]) for one in history] == [(1, "superseded"), (2, "superseded"), (3, "deployed")]
    assert [one["name"] for one in json.loads(run("list", "-o", "json"))] == ["small"]
    run("uninstall", "small")
    assert api.get("configmaps", "small").code == 404
    assert sorted(api.list("secrets").names) == []
