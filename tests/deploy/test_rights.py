"""A whole run on a real API server with exactly the rights that the chart grants: nothing is refused, and one namespace is not left."""

import os
import re
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import urllib3

from gitops_canary.domain.resources import Ref
from gitops_canary.sandbox.control_plane.audit import Request
from gitops_canary.sandbox.data import template_files
from gitops_canary.sandbox.world import NAMESPACE, PODINFO, REPOSITORY, Shape, World
from tests.deploy.manifests import DEPLOY, rendered
from tests.deploy.pages import INSTALL, of_section

pytestmark = pytest.mark.control_plane
OPERATOR, APPLIER = (f"system:serviceaccount:{NAMESPACE}:{name}" for name in ("gitops-canary", "gitops-canary-applier"))
ANALYSIS = "analysis: {interval: 1s, threshold: 3, window: 4s, stepWeight: 25, maxWeight: 50}"
PATIENCE = 90.0


EXTRA = b"""apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: extra, namespace: test}
spec: {defaultBackend: {service: {name: frontend, port: {number: 9898}}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: extra, namespace: test}
data: {a: "1"}
"""


class Installed:
    """The chart on a real control plane, with the template's repository; `namespace` is the only one served, "" for the whole cluster."""

    def __init__(self, world: World, namespace: str) -> None:
        self.world, self.namespace = world, namespace
        world.git.create(REPOSITORY, {path: text for path, text in self._files().items() if text is not None})
        for name in dict.fromkeys((NAMESPACE, *([namespace] if namespace else []))):
            world.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}, manager="admin")
        self.since = world.plane.audit_mark() if world.plane else 0
        for doc in rendered(self._values()):
            world.cluster.apply(doc, manager="admin")
        world.git.add_key(world.deploy_key(), write=True)
        world.await_operator()

    def _values(self) -> dict[str, Any]:
        world = self.world
        return {
            "namespace": self.namespace,
            "git": {"url": world.git.url(REPOSITORY), "pollInterval": "1s", "ssh": {"known_hosts": world.git.known_hosts}},
            "metricsServer": world.metrics.url,
            "registry": {"mirrors": [f"docker.io={world.registry.url}"], "pollInterval": "1s"},
            "settings": {"analysis-interval-floor": "1s"},
        }

    def _files(self) -> dict[str, bytes | None]:
        """Quick ticks; without the helm tester, which needs `kube-system`, where one namespace is served."""
        files: dict[str, bytes | None] = {**template_files(), "extra.yaml": EXTRA}
        if self.namespace:
            files["namespaces/test.yaml"] = files["releases/test/helmtester.yaml"] = None
        for path in ("releases/test/frontend.yaml", "releases/test/backend.yaml"):
            text = (
                (files[path] or b"").decode().replace("canary:\n      enabled: true\n", f"canary:\n      enabled: true\n      {ANALYSIS}\n")
            )
            files[path] = (text.replace("helmtest:\n        enabled: true", "") if self.namespace else text).encode()
        return files

    def phase(self, name: str) -> str:
        return str(((self.world.canary(name) or {}).get("status") or {}).get("phase", ""))

    def until(self, what: str, condition: Callable[[], bool]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < end, f"waited {PATIENCE:.0f} s for {what}"
            threading.Event().wait(0.1)

    def subjects(self) -> list[str]:
        return [commit.subject for commit in self.world.git.repository(REPOSITORY).log("main")]

    def asked(self) -> list[Request]:
        """What the operator asked since it was installed, as itself and as the applier."""
        assert self.world.plane is not None
        return self.world.plane.audit(self.since, user=OPERATOR)


@pytest.fixture(scope="module", params=["", "test"], ids=["cluster-wide", "one-namespace"])
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """After one promoted tag and a file that is gone from Git: sync, bump, upgrade, run, result and prune have happened."""
    with World(tmp_path_factory.mktemp("rights"), Shape(control_plane="real")) as world:
        made = Installed(world, request.param)
        made.until("both canaries", lambda: all(made.phase(name) == "Initialized" for name in ("frontend", "backend")))
        world.push(PODINFO, "3.1.1")
        made.until("the promotion", lambda: "Promote frontend.test 3.1.1" in made.subjects() and made.phase("frontend") == "Succeeded")
        made.world.git.repository(REPOSITORY).commit({"extra.yaml": None}, "Take the extra objects back")
        made.until("the prune", lambda: world.cluster.live(Ref("v1", "ConfigMap", "test", "extra")) is None)
        yield made


def test_o5_a_run_needs_no_right_that_was_not_granted(installed: Installed) -> None:
    refused = [(one.impersonated or one.user, one.verb, one.resource, one.namespace) for one in installed.asked() if one.code == 403]
    assert refused == []


def test_o5_what_git_says_is_written_as_the_applier(installed: Installed) -> None:
    writes = [one for one in installed.asked() if one.verb not in ("get", "list", "watch")]
    assert {one.impersonated for one in writes} == {"", APPLIER}
    for resource, name in (("ingresses", "extra"), ("configmaps", "extra"), ("deployments", "frontend"), ("helmreleases", "frontend")):
        assert APPLIER in {one.impersonated for one in writes if (one.resource, one.name) == (resource, name)}, resource
    assert {one.verb for one in writes if one.name == "extra"} == {"patch", "delete"}


def test_o5_one_namespace_is_not_left_but_to_tell_the_cluster(installed: Installed) -> None:
    outside = {(one.verb, one.resource, one.namespace) for one in installed.asked() if one.namespace not in ("", "test", NAMESPACE)}
    told = ("get", "namespaces", "kube-system")
    assert outside == {told} if installed.namespace else outside > {told}
    if installed.namespace:
        assert {one.resource for one in installed.asked() if one.resource and not one.namespace} == set()


def test_the_helm_tester_in_kube_system_runs_the_test_with_its_own_rights(installed: Installed) -> None:
    assert installed.world.plane is not None
    asked = installed.world.plane.audit(installed.since, user="system:serviceaccount:kube-system:flagger-helmtester")
    assert [(one.verb, one.resource, one.namespace) for one in asked if one.code == 403] == []
    made = {(one.verb, one.resource, one.namespace) for one in asked}
    assert (
        made >= {("patch", "pods", "test"), ("list", "secrets", "test"), ("get", "pods/log", "test")}
        if not installed.namespace
        else not made
    )


def test_every_metric_of_the_alert_rules_is_exposed(installed: Installed) -> None:
    pod = installed.world.operator_pod()
    assert pod is not None
    exposed = set(re.findall(r"^(\w+)[{ ]", urllib3.request("GET", f"http://{pod['status']['podIP']}:8080/metrics").data.decode(), re.M))
    asked = set(re.findall(r"\b(?:gitops_canary|flagger)_\w+", (DEPLOY / "prometheus" / "rules.yaml").read_text()))
    assert len(asked) >= 8
    assert asked <= exposed


def test_H4_removed_in_the_pages_order_everything_goes_on_serving(installed: Installed) -> None:
    """Last in this file: the operator is gone after it."""
    stop, _, rights, namespace = [step.commands for step in of_section(INSTALL, "## Removing")]
    block = stop + rights + namespace
    world = installed.world
    primary = Ref("apps/v1", "Deployment", "test", "frontend-primary")
    pods = {pod["metadata"]["uid"] for pod in world.cluster.list("v1", "Pod", "test", {"app": "frontend-primary"})}
    ran = subprocess.run(["bash", "-e"], input=block, env={**os.environ, "KUBECONFIG": str(world.kubeconfig)}, text=True, check=False)
    assert ran.returncode == 0
    assert world.cluster.live(Ref("v1", "ServiceAccount", NAMESPACE, "gitops-canary")) is None
    assert ((world.cluster.live(primary) or {}).get("status") or {}).get("readyReplicas")
    assert {pod["metadata"]["uid"] for pod in world.cluster.list("v1", "Pod", "test", {"app": "frontend-primary"})} == pods
    release = Ref("flux.weave.works/v1beta1", "HelmRelease", "test", "frontend")
    world.cluster.delete(release)
    assert world.cluster.live(release) is None
    assert world.cluster.list("v1", "Secret", "test", {"owner": "helm", "name": "frontend"})
