"""The node's parts by themselves: images, environment, logs, status, addresses, and what is left when the node dies."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gitops_canary.sandbox.node.addresses import Addresses, Place
from gitops_canary.sandbox.node.containers import Pace
from gitops_canary.sandbox.node.environment import bound, expand, field_of, moved
from gitops_canary.sandbox.node.exec import exit_status
from gitops_canary.sandbox.node.images import Image, ImageProblem, RegistryImages, read_reference
from gitops_canary.sandbox.node.kubelet import read_wanted
from gitops_canary.sandbox.node.logs import Log, Wanted
from gitops_canary.sandbox.node.running import Launch, StartProblem, argv_of
from gitops_canary.sandbox.node.status import ContainerStatus, Running, Terminated, Waiting, phase, pod_status
from gitops_canary.sandbox.registryd.images import BEHAVIOUR, PROGRAM, Target
from gitops_canary.sandbox.registryd.server import RegistryServer

DIGEST = "sha256:" + "a" * 64
REFERENCES = {
    "podinfo": ("docker.io", "library/podinfo", "latest"),
    "stefanprodan/podinfo:3.1.1": ("docker.io", "stefanprodan/podinfo", "3.1.1"),
    "ghcr.io/a/b/c:v1": ("ghcr.io", "a/b/c", "v1"),
    "localhost:5000/app": ("localhost:5000", "app", "latest"),
    f"stefanprodan/podinfo:3.1.1@{DIGEST}": ("docker.io", "stefanprodan/podinfo", DIGEST),
}


@pytest.mark.parametrize(("text", "parts"), REFERENCES.items(), ids=REFERENCES)
def test_image_names_are_read_as_docker_reads_them(text: str, parts: tuple[str, str, str]) -> None:
    reference = read_reference(text)
    assert (reference.host, reference.repository, reference.tag) == parts


@pytest.fixture(scope="module")
def registry() -> Iterator[RegistryServer]:
    with RegistryServer() as server:
        server.push_image("stefanprodan/podinfo", "3.1.2", labels={PROGRAM: "podinfo", BEHAVIOUR: "errors=0.4"})
        server.push_image("library/nginx", "1", labels={})
        server.push_image("library/other", "1", labels={PROGRAM: "other"})
        yield server


def test_an_image_is_what_its_label_in_the_registry_says(registry: RegistryServer) -> None:
    images = RegistryImages({"docker.io": Target(registry.url)})
    image = asyncio.run(images.pull("stefanprodan/podinfo:3.1.2"))
    assert (image.program, image.behaviour, image.version) == ("podinfo", "errors=0.4", "3.1.2")
    assert image.id.startswith("docker.io/stefanprodan/podinfo@sha256:")
    assert asyncio.run(images.pull(image.id)).behaviour == "errors=0.4"


PROBLEMS = {
    "nginx:1": "it has no label dev.gitops-canary.program, and the sandbox runs only podinfo, loadtester, chart-test, operator",
    "other:1": "it names the program 'other', and the sandbox runs only",
    "stefanprodan/podinfo:9.9.9": "cannot",
    "ghcr.io/a/b:1": "the sandbox has no registry for ghcr.io",
}


@pytest.mark.parametrize(("image", "sentence"), PROBLEMS.items(), ids=PROBLEMS)
def test_any_other_image_is_refused_with_a_sentence(registry: RegistryServer, image: str, sentence: str) -> None:
    with pytest.raises(ImageProblem) as caught:
        asyncio.run(RegistryImages({"docker.io": Target(registry.url)}).pull(image))
    assert f'Failed to pull image "{image}"' in str(caught.value)
    assert sentence in str(caught.value)


def launch(program: str, command: tuple[str, ...] = (), arguments: tuple[str, ...] = ()) -> Launch:
    return Launch(Image(program, "x"), command, arguments, {}, Path("/"), Place("127.1.1.1"), "pod")


PRODUCT = [sys.executable, "-m", "gitops_canary"]
COMMANDS = {
    "operator": (launch("operator", (), ("run", "--x")), [*PRODUCT, "run", "--x"]),
    "load tester by arguments": (launch("loadtester", (), ("loadtester", "--listen=:8080")), [*PRODUCT, "loadtester", "--listen=:8080"]),
    "load tester by its own binary": (launch("loadtester", ("./loadtester", "-port=8080")), [*PRODUCT, "loadtester", "-port=8080"]),
    "another command in the operator's image": (launch("operator", ("sh", "-c", "id")), ["sh", "-c", "id"]),
    "chart test": (launch("chart-test", ("sh",), ("/run.sh",)), ["sh", "/run.sh"]),
}


@pytest.mark.parametrize(("asked", "argv"), COMMANDS.values(), ids=COMMANDS)
def test_programs_become_command_lines(asked: Launch, argv: list[str]) -> None:
    assert argv_of(asked) == argv


def test_a_chart_test_without_a_command_cannot_start() -> None:
    with pytest.raises(StartProblem, match="no command specified"):
        argv_of(launch("chart-test"))


def test_mount_paths_are_moved_wherever_they_stand_for_themselves() -> None:
    container = {"volumeMounts": [{"name": "c", "mountPath": "/etc/app"}, {"name": "d", "mountPath": "/etc/app/deep/"}]}
    volumes = {"c": Path("/v/c"), "d": Path("/v/d")}
    texts = ["--config=/etc/app/x.yaml", "/etc/app", "/etc/app/deep/y", "/etc/application", "http://h/etc/app", "a:/etc/app:b"]
    assert moved(texts, container, volumes) == [
        "--config=/v/c/x.yaml",
        "/v/c",
        "/v/d/y",
        "/etc/application",
        "http://h/etc/app",
        "a:/v/c:b",
    ]


@pytest.mark.parametrize(
    ("text", "result"),
    [("--listen=:8080", "--listen=127.1.2.3:9001"), (":8080", "127.1.2.3:9001"), ("0.0.0.0:80", "127.1.2.3:80"), ("a:80", "a:80")],
)
def test_listening_everywhere_means_the_pods_own_address(text: str, result: str) -> None:
    assert bound(text, Place("127.1.2.3", {8080: 9001})) == result


def test_variables_expand_as_kubernetes_expands_them() -> None:
    assert expand("$(A)-$(B)-$$(A)-$A", {"A": "1"}) == "1-$(B)-$(A)-$A"


def test_fields_of_the_pod_are_found_by_path() -> None:
    pod = {"metadata": {"name": "p", "labels": {"app.kubernetes.io/name": "x"}}, "spec": {"nodeName": "n"}}
    paths = ["metadata.name", "metadata.labels['app.kubernetes.io/name']", "spec.nodeName", "metadata.labels", "status.none"]
    assert [field_of(pod, path) for path in paths] == ["p", "x", "n", 'app.kubernetes.io/name="x"', ""]


class Ticks:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


READS: dict[str, tuple[Wanted, bytes]] = {
    "all": (Wanted(), b"one\ntwo\nthree\n"),
    "tail": (Wanted(tail=1), b"three\n"),
    "tail 0": (Wanted(tail=0), b""),
    "since": (Wanted(since=datetime(2026, 1, 1, 0, 0, 2, tzinfo=UTC)), b"two\nthree\n"),
    "limit": (Wanted(limit=6), b"one\ntw"),
    "timestamps": (Wanted(tail=1, timestamps=True), b"2026-01-01T00:00:03.000000Z three\n"),
}


@pytest.mark.parametrize(("wanted", "text"), READS.values(), ids=READS)
def test_logs_are_read_as_asked(wanted: Wanted, text: bytes) -> None:
    async def read() -> bytes:
        log = Log(Ticks())
        for line in ("one", b"two\n", "three"):
            log.write(line)
        return b"".join([part async for part in log.read(wanted)])

    assert asyncio.run(read()) == text


def test_a_follower_sees_every_line_once_and_ends_with_the_container() -> None:
    async def read() -> list[bytes]:
        log, seen = Log(), []
        log.write("before")

        async def follow() -> None:
            async for part in log.read(Wanted(follow=True)):
                seen.append(part)

        following = asyncio.create_task(follow())
        for number in range(5):
            await asyncio.sleep(0)
            log.write(str(number))
        log.close()
        await following
        return seen

    assert asyncio.run(read()) == [b"before\n", b"0\n", b"1\n", b"2\n", b"3\n", b"4\n"]


def test_log_parameters_are_read_or_refused() -> None:
    assert read_wanted({"tailLines": "3", "follow": "true", "limitBytes": "9"}) == Wanted(follow=True, tail=3, limit=9)
    assert read_wanted({"sinceTime": "2026-01-01T00:00:00Z"}).since == datetime(2026, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="invalid literal"):
        read_wanted({"tailLines": "x"})


def status(*states: Any, restarts: int = 0) -> list[ContainerStatus]:
    return [ContainerStatus(f"c{number}", "image", state, restarts=restarts) for number, state in enumerate(states)]


RUN, DONE, FAILED, WAIT = Running("t"), Terminated(0, "t", "t"), Terminated(3, "t", "t"), Waiting("ContainerCreating")
PHASES = {
    "nothing has run": (status(WAIT), [], "Always", "Pending"),
    "one runs": (status(WAIT, RUN), [], "Always", "Running"),
    "between two runs": (status(Waiting("CrashLoopBackOff"), restarts=1), [], "Always", "Running"),
    "all ended well": (status(DONE, DONE), [], "Never", "Succeeded"),
    "one failed": (status(DONE, FAILED), [], "Never", "Failed"),
    "one goes on": (status(DONE, RUN), [], "Never", "Running"),
    "an init failed": (status(WAIT), status(FAILED), "Never", "Failed"),
    "restarted for ever": (status(DONE), [], "Always", "Running"),
}


@pytest.mark.parametrize(("containers", "inits", "restart", "expected"), PHASES.values(), ids=PHASES)
def test_the_phase_is_a_kubelets(containers: list[ContainerStatus], inits: list[ContainerStatus], restart: str, expected: str) -> None:
    assert phase(containers, inits, restart) == expected


def test_conditions_keep_the_time_of_their_last_change() -> None:
    def made(before: dict[str, Any], now: str, *, ready: bool) -> dict[str, Any]:
        containers = status(RUN)
        containers[0].ready = ready
        return pod_status(before, containers, [], restart="Always", address="127.1.1.1", host="127.1.0.1", started="s", now=now)

    def ready_of(document: dict[str, Any]) -> tuple[str, str, str]:
        entry = next(entry for entry in document["conditions"] if entry["type"] == "Ready")
        return entry["status"], entry["lastTransitionTime"], entry.get("reason", "")

    first = made({}, "1", ready=False)
    assert ready_of(first) == ("False", "1", "ContainersNotReady")
    second = made(first, "2", ready=True)
    assert ready_of(second) == ("True", "2", "")
    assert ready_of(made(second, "3", ready=True)) == ("True", "2", "")


def test_an_exit_code_is_a_status_as_kubectl_reads_it() -> None:
    assert exit_status(0)["status"] == "Success"
    assert exit_status(7)["details"] == {"causes": [{"reason": "ExitCode", "message": "7"}]}


def test_back_off_doubles_up_to_its_limit() -> None:
    assert [Pace(1.0, 5.0).wait(failures) for failures in range(5)] == [1.0, 1.0, 2.0, 4.0, 5.0]


def test_every_pod_gets_an_address_of_its_own_and_every_node_a_net() -> None:
    one, two = Addresses(), Addresses()
    try:
        places = [one.take([9898]).address for _ in range(300)]
        assert len(set(places)) == 300
        assert {place.split(".")[1] for place in places} == {one.node.split(".")[1]}
        assert one.node != two.node
    finally:
        one.close()
        two.close()


def test_without_loopback_addresses_pods_get_ports() -> None:
    addresses = Addresses(own_addresses=False)
    try:
        place, other = addresses.take([9898]), addresses.take([9898])
        assert place.address == other.address == "127.0.0.1"
        assert place.port(9898) != other.port(9898)
        socket.create_server((place.address, place.port(9898))).close()
    finally:
        addresses.close()


GUARDED = """
import os, subprocess, sys
from pathlib import Path
from gitops_canary.sandbox.node.guardian import Guardian
guardian = Guardian(Path(sys.argv[1]))
child = subprocess.Popen(["sh", "-c", "sleep 300 & echo $!; sleep 300"], start_new_session=True, stdout=subprocess.PIPE)
guardian.add(child.pid)
print(int(child.stdout.readline()), flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_pods_processes_die_with_a_node_that_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "pods"
    folder.mkdir()
    ran = subprocess.run([sys.executable, "-c", GUARDED, str(folder)], stdout=subprocess.PIPE, check=False)
    grandchild = int(ran.stdout)
    waiting = ["timeout", "10", "tail", "--pid", str(grandchild), "-f", "/dev/null"]
    assert subprocess.run(waiting, check=False).returncode == 0
