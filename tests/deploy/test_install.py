"""What `helm template` and the overlays send is taken by a real API server and by the sandbox's, and the pod fits `restricted`."""

import json
import subprocess
from copy import deepcopy
from pathlib import Path

import pytest
import yaml
from helm_python import Chart

from tests.deploy.kubectl import Kubectl
from tests.deploy.manifests import CHART, DEPLOY, Doc, built, by_name, rendered
from tests.deploy.test_chart import EVERYTHING

USERS: list[Doc] = [
    {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": {"name": "mine", "namespace": "test"},
        "spec": {
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "mine"},
            "analysis": {"interval": "1m", "threshold": 1, "stepWeight": 10},
        },
    },
    {
        "apiVersion": "helm.fluxcd.io/v1",
        "kind": "HelmRelease",
        "metadata": {"name": "mine", "namespace": "test"},
        "spec": {"chart": {"repository": "https://charts.example.com", "name": "mine", "version": "1.0.0"}},
    },
]
BOTH = ["cluster-wide", "one-namespace"]
LOADTESTER = DEPLOY.parent / "repo-template" / "charts" / "loadtester"


@pytest.fixture(scope="module")
def kubectl(kubeconfig: Path) -> Kubectl:
    """With the namespaces that an install stands in: a dry run makes none."""
    run = Kubectl(kubeconfig)
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    docs = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": restricted}} for name in ("gitops-canary", "test")
    ]
    run("apply", "--server-side", "-f", "-", docs=docs)
    return run


@pytest.mark.control_plane
@pytest.mark.parametrize("namespace", ["", "test"], ids=BOTH)
def test_the_server_takes_what_helm_template_prints(kubectl: Kubectl, helm: str, namespace: str) -> None:
    command = [helm, "template", "gitops-canary", str(CHART), "-n", "gitops-canary", "--include-crds", "--set", f"namespace={namespace}"]
    text = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True).stdout
    told = kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", docs=text).splitlines()
    assert len(told) == sum(1 for doc in yaml.safe_load_all(text) if doc)
    assert all(line.endswith("serverside-applied (server dry run)") for line in told)


@pytest.mark.parametrize("overlay", BOTH)
@pytest.mark.parametrize("how", [[], ["--server-side"]], ids=["client-side", "server-side"])
def test_the_server_takes_the_overlays(kubectl: Kubectl, overlay: str, how: list[str]) -> None:
    told = kubectl("apply", *how, "--dry-run=server", "-k", str(DEPLOY / "overlays" / overlay)).splitlines()
    assert len(told) == len(built(overlay))


def test_the_server_takes_every_value(kubectl: Kubectl) -> None:
    """But the kinds of the Prometheus operator, which no server here knows."""
    docs = [doc for doc in rendered(EVERYTHING) if not doc["apiVersion"].startswith("monitoring.coreos.com/")]
    docs = [doc for doc in docs if doc["metadata"].get("namespace") != "grafana"]
    assert len(kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", docs=docs).splitlines()) == len(docs)


def pod(name: str, template: Doc) -> Doc:
    """A pod of the template, without its account: Pod Security looks at the spec alone."""
    spec = {key: value for key, value in deepcopy(template)["spec"].items() if key not in ("serviceAccountName", "priorityClassName")}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "test"}, "spec": spec}


def templates() -> dict[str, Doc]:
    texts = Chart.load(str(LOADTESTER)).render({}, name="loadtester", namespace="test")
    loadtester = yaml.safe_load(next(text for path, text in texts.items() if path.endswith("deployment.yaml")))
    found = {"loadtester": loadtester, "overlay": by_name(built("cluster-wide"))["Deployment/gitops-canary/gitops-canary"]}
    found["chart"] = by_name(rendered(EVERYTHING))["Deployment/gitops-canary/gitops-canary"]
    return {name: doc["spec"]["template"] for name, doc in found.items()}


@pytest.mark.parametrize("name", ["overlay", "chart", "loadtester"])
def test_pod_security_restricted_takes_our_pods(kubectl: Kubectl, name: str) -> None:
    made = json.loads(kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", docs=[pod(name, templates()[name])]))
    container = made["spec"]["containers"][0]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"


@pytest.mark.parametrize("field", ["allowPrivilegeEscalation", "capabilities"])
def test_pod_security_restricted_is_in_force(kubectl: Kubectl, field: str) -> None:
    wrong = pod("wrong", templates()["overlay"])
    del wrong["spec"]["containers"][0]["securityContext"][field]
    with pytest.raises(AssertionError, match='violates PodSecurity "restricted:latest"'):
        kubectl("create", "--dry-run=server", "-f", "-", docs=[wrong])


@pytest.mark.control_plane
def test_helm_installs_upgrades_and_uninstalls_the_chart_and_definitions_and_objects_stay(
    kubectl: Kubectl, kubeconfig: Path, helm: str
) -> None:
    def run(*words: str) -> str:
        command = [helm, "--kubeconfig", str(kubeconfig), "-n", "ops", *words]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    told = run("upgrade", "-i", "gitops-canary", str(CHART), "--create-namespace", "--set", "git.url=git@github.com:you/cluster")
    assert "kubectl -n ops logs deployment/gitops-canary | grep identity.pub" in told
    settings = json.loads(kubectl("-n", "ops", "get", "configmap", "gitops-canary-settings", "-o", "json"))["data"]["settings.yaml"]
    assert yaml.safe_load(settings)["applier-service-account"] == "ops:gitops-canary-applier"
    run("upgrade", "gitops-canary", str(CHART), "--reuse-values", "--set", "namespace=test", "--set", "git.branch=production")
    settings = json.loads(kubectl("-n", "ops", "get", "configmap", "gitops-canary-settings", "-o", "json"))["data"]["settings.yaml"]
    assert yaml.safe_load(settings).items() >= {"git-branch": "production", "namespace": "test"}.items()
    mine = ["-l", "helm.sh/chart", "-A", "-o", "name"]
    assert kubectl("get", "clusterrole,clusterrolebinding", *mine) == ""
    assert "gitops-canary-applier-kinds" in kubectl("get", "rolebinding", *mine)
    kubectl("apply", "-f", "-", docs=USERS)
    run("uninstall", "gitops-canary")
    assert len(kubectl("-n", "test", "get", "canary/mine", "helmrelease.helm.fluxcd.io/mine", "-o", "name").splitlines()) == 2
    assert kubectl("get", "deployment,configmap,serviceaccount,rolebinding,role,networkpolicy,service", *mine) == ""
    assert kubectl("get", "crd", "canaries.flagger.app", "helmreleases.helm.fluxcd.io", "-o", "name").count("customresource") == 2
