"""The node on a real control plane and on the sandbox's own, with a registry, the mesh and stock kubectl: users see what kubelets do."""

import base64
import json
import shutil
import subprocess
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import pytest
import urllib3

from gitops_canary.metrics.prometheus import builtin_query, query_url, read_grouped, read_single
from gitops_canary.sandbox.mesh.mesh import Mesh
from gitops_canary.sandbox.node.containers import Pace
from gitops_canary.sandbox.node.node import Node
from gitops_canary.sandbox.promql.real import metrics_endpoint
from tests.sandbox.node.world import NAMESPACE, World, deployment, pod, podinfo, service

pytestmark = pytest.mark.tools("kubectl")


def test_a_deployment_rolls_out_and_answers_by_its_services_name(world: World) -> None:
    world.apply(deployment("frontend", "3.1.0", 2))
    ports = [{"port": 9898, "targetPort": "http"}]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "frontend"},
        "spec": {"selector": {"app": "frontend"}, "ports": ports},
    }
    world.apply(service)
    world.kubectl("rollout", "status", "deployment/frontend", "--timeout=30s")
    with urllib3.ProxyManager(world.mesh.proxy, retries=urllib3.Retry(50, status_forcelist=[404, 503], backoff_factor=0.01)) as http:
        hosts = {http.request("GET", f"http://frontend.{NAMESPACE}:9898/").json()["hostname"] for _ in range(4)}
    names = world.kubectl("get", "pods", "-l", "app=frontend", "-o", "jsonpath={.items[*].metadata.name}").stdout.decode().split()
    assert hosts == set(names)
    assert world.kubectl("logs", "deployment/frontend").stdout.decode().count('"msg": "starting HTTP server"') == 1
    world.kubectl("scale", "deployment/frontend", "--replicas=0")
    world.wait("pod/" + names[0], "delete")


ENDPOINTS = (
    [("envoy", "prometheus"), ("python", "embedded")] if shutil.which("prometheus") else [("envoy", "embedded"), ("python", "embedded")]
)


@pytest.mark.parametrize(("data_plane", "endpoint"), ENDPOINTS)
def test_what_the_operator_asks_for_is_what_the_traffic_was(
    world: World, data_plane: Literal["envoy", "python"], endpoint: Literal["prometheus", "embedded"]
) -> None:
    """Pods that fail four requests of ten and take 30 ms: measured by the mesh, scraped, and asked for with the built-in queries."""
    world.apply(deployment("measured", "3.1.4", 2))
    world.apply(service("measured"))
    world.kubectl("rollout", "status", "deployment/measured", "--timeout=30s")
    mesh = Mesh(world.plane.kubeconfig("mesh"), data_plane=data_plane)
    mesh.start()
    metrics = metrics_endpoint([mesh.metrics], [mesh.targets], interval=0.1, kind=endpoint)
    try:
        metrics.start()
        mesh.wait_ready()
        metrics.wait_ready()
        with urllib3.PoolManager(retries=False) as http, urllib3.ProxyManager(mesh.proxy) as client:
            success, duration = measure(http, client, metrics.url)
            assert success == pytest.approx(60.0, abs=5)
            assert 25 <= duration <= 2500
            scraped = read_single(
                *ask(http, metrics.url, f'sum(http_requests_total{{kubernetes_workload="measured",kubernetes_namespace="{NAMESPACE}"}})')
            )
            assert scraped.kind == "value"
    finally:
        metrics.stop()
        mesh.stop()


def measure(http: urllib3.PoolManager, client: urllib3.ProxyManager, address: str) -> tuple[float, float]:
    """Sends traffic until it was scraped 15 times (rates of a few scrapes extrapolate unevenly), then asks both built-in queries."""
    scrapes = 'count_over_time(istio_requests_total{destination_service_name="measured",response_code="500",reporter="destination"}[60s])'
    for _ in range(300):
        for _ in range(10):
            client.request("GET", f"http://measured.{NAMESPACE}:9898/version")
        if (read_single(*ask(http, address, scrapes)).value or 0) < 15:
            continue
        queries = [builtin_query("request-success-rate", 60), builtin_query("request-duration", 60)]
        outcomes = [read_grouped(*ask(http, address, query)).of(NAMESPACE, "measured") for query in queries]
        assert outcomes[0].value is not None
        assert outcomes[1].value is not None
        return outcomes[0].value, outcomes[1].value
    raise AssertionError("not scraped 15 times during 3,000 requests")


def ask(http: urllib3.PoolManager, address: str, query: str) -> tuple[int, bytes]:
    answer = http.request("GET", query_url(address, query))
    return answer.status, answer.data


WAITING = {
    "no-image": ("stefanprodan/podinfo:9.9.9", "ImagePullBackOff", "cannot", "Failed"),
    "foreign-image": ("nginx:1", "ImagePullBackOff", "it has no label dev.gitops-canary.program", "Failed"),
    "crash": ("stefanprodan/podinfo:3.1.2", "CrashLoopBackOff", "restarting failed container=podinfo", "BackOff"),
    "nonsense": ("stefanprodan/podinfo:3.1.3", "CrashLoopBackOff", "restarting failed", "Failed"),
}


@pytest.mark.parametrize(("image", "reason", "sentence", "event"), WAITING.values(), ids=WAITING)
def test_a_pod_that_cannot_run_says_why(
    world: World, request: pytest.FixtureRequest, image: str, reason: str, sentence: str, event: str
) -> None:
    name = request.node.callspec.id
    world.apply(pod(name, {"containers": [podinfo("x", image=image)]}))
    world.wait(f"pod/{name}", "jsonpath={.status.containerStatuses[0].state.waiting.reason}=" + reason)
    status = world.pod(name)["status"]["containerStatuses"][0]
    assert sentence in status["state"].get("waiting", {"message": sentence})["message"]
    assert not status["ready"]
    warnings = f"involvedObject.name={name},type=Warning"
    world.kubectl("wait", "events", "--field-selector", warnings, "--for=create", "--timeout=10s")
    assert event in world.kubectl("get", "events", "--field-selector", warnings, "-o", "jsonpath={.items[*].reason}").stdout.decode()
    assert "Warning" in world.kubectl("describe", "pod", name).stdout.decode()
    world.kubectl("delete", "pod", name, "--now")


def test_a_container_that_cannot_start_has_the_words_in_its_last_state(world: World) -> None:
    world.apply(pod("odd", {"containers": [podinfo("3.1.3")]}))
    world.wait("pod/odd", "jsonpath={.status.containerStatuses[0].lastState.terminated.reason}=StartError")
    said = world.pod("odd")["status"]["containerStatuses"][0]["lastState"]["terminated"]["message"]
    assert said.startswith("cannot run an image whose behaviour is 'errors=lots'")
    world.kubectl("delete", "pod", "odd", "--now")


SCRIPT = """
set -eu
echo "variables: $GREETING $FROM_MAP $PREFIX_key $MY_NAME $MY_NODE"
test "$MY_IP" = "$POD_IP"
cat "$1/run.txt"; cat "$2/password"
curl -sS --fail "http://frontend:9898/healthz" || echo "no frontend"
"""


def test_a_chart_test_runs_with_its_configuration_and_ends(world: World) -> None:
    world.apply(
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "tests"},
            "data": {"run.sh": SCRIPT, "run.txt": "text\n", "key": "k"},
        }
    )
    world.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tests"}, "stringData": {"password": "secret\n"}})
    env = [
        {"name": "GREETING", "value": "hello-$(POD_IP)"},
        {"name": "FROM_MAP", "valueFrom": {"configMapKeyRef": {"name": "tests", "key": "key"}}},
        {"name": "MY_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "MY_NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
        {"name": "MY_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
    ]
    mounts = [{"name": "tests", "mountPath": "/tests"}, {"name": "secrets", "mountPath": "/etc/secrets"}]
    volumes = [{"name": "tests", "configMap": {"name": "tests"}}, {"name": "secrets", "secret": {"secretName": "tests"}}]
    container = {"env": env, "envFrom": [{"prefix": "PREFIX_", "configMapRef": {"name": "tests"}}], "volumeMounts": mounts}
    world.run("chart-test", "sh", "/tests/run.sh", "/tests", "/etc/secrets", container=container, volumes=volumes)
    world.wait("pod/chart-test", "jsonpath={.status.phase}=Succeeded")
    address = world.pod("chart-test")["status"]["podIP"]
    first, *rest = world.kubectl("logs", "chart-test").stdout.decode().splitlines()
    assert first == f"variables: hello-{address} k k chart-test node-test"
    assert rest[:2] == ["text", "secret"]


def test_a_failed_chart_test_keeps_its_exit_code(world: World) -> None:
    world.run("failing", "sh", "-c", "echo bad >&2; exit 3")
    world.wait("pod/failing", "jsonpath={.status.phase}=Failed")
    ended = world.pod("failing")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert (ended["exitCode"], ended["reason"]) == (3, "Error")
    assert world.kubectl("logs", "failing").stdout == b"bad\n"


def test_what_is_missing_is_waited_for_and_said(world: World) -> None:
    world.run("patient", "sh", "-c", "cat /late/word", container={"volumeMounts": [{"name": "late", "mountPath": "/late"}]},
              volumes=[{"name": "late", "configMap": {"name": "late"}}])  # fmt: skip
    world.wait("pod/patient", "jsonpath={.status.containerStatuses[0].state.waiting.reason}=ContainerCreating")
    world.kubectl("create", "configmap", "late", "--from-literal=word=come")
    world.wait("pod/patient", "jsonpath={.status.phase}=Succeeded")


def test_a_pod_speaks_to_the_api_as_its_own_service_account(world: World) -> None:
    world.kubectl("create", "serviceaccount", "robot")
    world.run("robot", "sh", "-c", 'cat "$KUBECONFIG"; exec cat $(dirname "$KUBECONFIG")/token', serviceAccountName="robot")
    world.wait("pod/robot", "jsonpath={.status.phase}=Succeeded")
    text = world.kubectl("logs", "robot").stdout.decode()
    config, end = json.JSONDecoder().raw_decode(text)
    assert config["clusters"][0]["cluster"]["server"] == world.plane.url
    authority = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
    with urllib3.PoolManager(ca_cert_data=authority) as http:
        question = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
        url = f"{world.plane.url}/apis/authentication.k8s.io/v1/selfsubjectreviews"
        answer = http.request("POST", url, json=question, headers={"Authorization": f"Bearer {text[end:].strip()}"}).json()
    assert answer["status"]["userInfo"]["username"] == f"system:serviceaccount:{NAMESPACE}:robot"


def test_the_load_tester_runs_as_a_process_on_the_pods_own_address(world: World) -> None:
    probe = {"httpGet": {"path": "/healthz", "port": "http"}}
    container = {"name": "loadtester", "image": "gitops-canary/gitops-canary:1", "args": ["loadtester", "--listen=:8080"]}
    for name in ("tester-one", "tester-two"):
        spec = {"containers": [{**container, "ports": [{"name": "http", "containerPort": 8080}], "readinessProbe": probe}]}
        world.apply(pod(name, spec))
    for name in ("tester-one", "tester-two"):
        world.wait(f"pod/{name}", "condition=Ready")
        world.kubectl("delete", "pod", name, "--grace-period=5")


def test_a_node_without_loopback_addresses_gives_its_pods_ports(world: World) -> None:
    images = world.node.images
    node = Node(world.plane.kubeconfig("node"), images, name="ports-test", own_addresses=False, pace=Pace(eager=0.05))
    node.start()
    try:
        node.wait_ready()
        world.apply(pod("ported", {"nodeName": "ports-test", "containers": [podinfo("3.1.0")]}, labels={"app": "ported"}))
        world.apply(service("ported"))
        world.wait("pod/ported", "condition=Ready")
        assert world.pod("ported")["status"]["podIP"] == "127.0.0.1"
        with urllib3.ProxyManager(world.mesh.proxy, retries=urllib3.Retry(50, status_forcelist=[404, 503], backoff_factor=0.01)) as http:
            assert http.request("GET", f"http://ported.{NAMESPACE}:9898/").json()["hostname"] == "ported"
        world.kubectl("delete", "pod", "ported", "--grace-period=1")
    finally:
        node.stop()


@pytest.fixture(scope="module")
def toolbox(world: World) -> str:
    world.run(
        "toolbox", "sh", "-c", "i=0; while [ $i -lt 3 ]; do echo line $i; i=$((i+1)); done; echo ready; exec sleep 600", restart="Always"
    )
    world.wait("pod/toolbox", "condition=Ready")
    return "toolbox"


def test_logs_follow_tail_and_are_stamped(world: World, toolbox: str) -> None:
    assert world.kubectl("logs", toolbox, "--tail=2").stdout == b"line 2\nready\n"
    stamped = world.kubectl("logs", toolbox, "--timestamps", "--tail=1").stdout.decode()
    assert stamped.endswith("Z ready\n")
    world.run("talker", "sh", "-c", "echo one; sleep 0.3; echo two")
    world.wait("pod/talker", "jsonpath={.status.containerStatuses[0].containerID}")
    followed = world.kubectl("logs", "-f", "--pod-running-timeout=20s", "talker", check=False).stdout
    assert followed in (b"one\ntwo\n", b"")
    assert world.kubectl("logs", "talker").stdout == b"one\ntwo\n"


def test_exec_carries_output_exit_codes_input_and_big_answers(world: World, toolbox: str) -> None:
    ran = world.kubectl("exec", toolbox, "--", "sh", "-c", "echo out; echo err >&2; exit 7", check=False)
    assert (ran.returncode, ran.stdout) == (7, b"out\n")
    assert ran.stderr.startswith(b"err\n")
    assert world.kubectl("exec", "-i", toolbox, "--", "wc", "-c", input=b"x" * 200_000).stdout.split() == [b"200000"]
    assert len(world.kubectl("exec", toolbox, "--", "head", "-c", "2000000", "/dev/zero").stdout) == 2_000_000
    missing = world.kubectl("exec", toolbox, "--", "no-such-program", check=False)
    assert b'exec: "no-such-program": No such file or directory' in missing.stderr
    seen = world.kubectl("exec", toolbox, "--", "sh", "-c", "command -v curl && command -v watch && gitops-canary version").stdout
    assert len(seen.splitlines()) >= 3


def test_exec_finds_what_is_mounted_where_the_spec_says(world: World) -> None:
    world.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "texts"}, "data": {"greeting": "hello"}})
    volumes = [{"name": "texts", "configMap": {"name": "texts"}}]
    mounts = [{"name": "texts", "mountPath": "/etc/texts"}]
    world.run("mounted", "sleep", "600", volumes=volumes, container={"volumeMounts": mounts})
    world.wait("pod/mounted", "condition=Ready")
    assert world.kubectl("exec", "mounted", "--", "cat", "/etc/texts/greeting").stdout == b"hello"
    assert world.kubectl("exec", "mounted", "--", "sh", "-c", "cd /etc/texts; ls").stdout == b"greeting\n"


def test_exec_with_a_terminal_is_a_terminal(world: World, toolbox: str) -> None:
    kubectl = (
        f"{world.plane.kubectl or 'kubectl'} --kubeconfig {world.kubeconfig} -n {NAMESPACE} exec -it {toolbox} -- sh -c 'tty; stty size'"
    )
    typed = ["script", "-qec", f"stty rows 33 cols 99; {kubectl}", "/dev/null"]
    text = subprocess.run(typed, stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False).stdout.decode()
    assert "/dev/pts/" in text


def test_what_kubectl_cannot_do_here_is_refused_in_words(world: World, toolbox: str) -> None:
    forwarded = world.kubectl("port-forward", f"pod/{toolbox}", ":9898", check=False)
    assert forwarded.returncode != 0
    attached = world.kubectl("attach", toolbox, check=False)
    assert attached.returncode != 0
    # The sandbox's API server has no such path; a real one passes the node's own words on.
    words = (b"could not find the requested resource",) * 2
    if world.plane.kubectl is not None:
        words = (b"port-forward is not supported by the sandbox's node", b"attach is not supported by the sandbox's node")
    assert words[0] in forwarded.stderr
    assert words[1] in attached.stderr


def test_files_are_copied_by_kubectl_cp_with_tar_inside(world: World, toolbox: str, tmp_path: Path) -> None:
    (tmp_path / "here").write_text("words")
    world.kubectl("cp", str(tmp_path / "here"), f"{toolbox}:there")
    assert world.kubectl("exec", toolbox, "--", "cat", "there").stdout == b"words"
    world.kubectl("cp", f"{toolbox}:there", str(tmp_path / "back"))
    assert (tmp_path / "back").read_text() == "words"


def test_a_pod_that_is_deleted_is_asked_first_and_then_gone(world: World) -> None:
    world.run("polite", "sh", "-c", "trap 'echo bye; exit 0' TERM; echo here; while :; do sleep 0.05; done", restart="Always")
    world.wait("pod/polite", "condition=Ready")
    command = [str(world.plane.kubectl or "kubectl"), "--kubeconfig", world.kubeconfig, "-n", NAMESPACE, "logs", "-f", "polite"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as following:
        assert following.stdout
        assert following.stdout.readline() == b"here\n"
        world.kubectl("delete", "pod", "polite", "--grace-period=20")
        assert following.stdout.read() == b"bye\n"


def test_a_dead_container_is_restarted_and_its_last_words_are_kept(world: World) -> None:
    probe = {"exec": {"command": ["sh", "-c", "test ! -e sick"]}, "periodSeconds": 1, "failureThreshold": 1, "initialDelaySeconds": 1}
    command = ("sh", "-c", "rm -f sick; echo run; exec sleep 600")
    world.run("ill", *command, restart="Always", container={"livenessProbe": probe})
    world.wait("pod/ill", "condition=Ready")
    world.kubectl("exec", "ill", "--", "touch", "sick")
    world.wait("pod/ill", "jsonpath={.status.containerStatuses[0].restartCount}=1")
    world.wait("pod/ill", "condition=Ready")
    assert world.kubectl("logs", "ill", "--previous").stdout == b"run\n"


def test_readiness_is_what_the_probe_says(world: World) -> None:
    probe = {"exec": {"command": ["sh", "-c", "test -e ok"]}, "periodSeconds": 1, "failureThreshold": 1}
    world.run("shy", "sleep", "600", restart="Always", container={"readinessProbe": probe})
    world.wait("pod/shy", "jsonpath={.status.containerStatuses[0].started}=true")
    world.wait("pod/shy", "condition=Ready=False")
    world.kubectl("exec", "shy", "--", "touch", "ok")
    world.wait("pod/shy", "condition=Ready")
    world.kubectl("exec", "shy", "--", "rm", "ok")
    world.wait("pod/shy", "condition=Ready=False")


def test_init_containers_come_first_and_one_after_the_other(world: World) -> None:
    first = {"name": "first", "image": "curlimages/curl:8.10.1", "command": ["sh", "-c", "echo a > /shared/word"]}
    mount = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
    # Paths inside a shell's text are moved, too: /shared stands for the volume wherever it is a path of its own.
    world.run(
        "staged",
        "sh",
        "-c",
        "cat /shared/word",
        container=mount,
        initContainers=[{**first, **mount}],
        volumes=[{"name": "shared", "emptyDir": {}}],
    )
    world.wait("pod/staged", "jsonpath={.status.phase}=Succeeded")
    assert world.kubectl("logs", "staged", "-c", "main").stdout == b"a\n"


REFUSED: dict[str, tuple[Callable[[str], str], int, str]] = {
    "log parameter": (lambda pod: f"/containerLogs/{NAMESPACE}/{pod}/main?color=blue", 400, "log parameter 'color' is not supported"),
    "unknown pod": (lambda pod: f"/containerLogs/{NAMESPACE}/nobody/main", 404, "is not on this node"),
    "no websocket": (lambda pod: f"/exec/{NAMESPACE}/{pod}/main?command=ls", 400, "exec needs a WebSocket"),
    "path": (lambda pod: "/runningpods/", 404, "Not Found"),
}


@pytest.mark.parametrize(("path", "status", "sentence"), REFUSED.values(), ids=REFUSED)
def test_the_kubelet_refuses_what_it_does_not_know(
    world: World, toolbox: str, path: Callable[[str], str], status: int, sentence: str
) -> None:
    node = json.loads(world.kubectl("get", "node", "node-test", "-o", "json").stdout)["status"]
    url = f"https://{node['addresses'][0]['address']}:{node['daemonEndpoints']['kubeletEndpoint']['Port']}"
    assert urllib.parse.urlsplit(url).hostname != "127.0.0.1"
    with urllib3.PoolManager(cert_reqs="CERT_NONE", assert_hostname=False) as http, pytest.warns(urllib3.exceptions.InsecureRequestWarning):
        answer = http.request("GET", url + path(toolbox))
    assert answer.status == status
    assert sentence in answer.data.decode()
