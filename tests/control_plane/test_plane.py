"""The real control plane starts, judges, is watched and goes away."""

import os
import select
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import urllib3

from gitops_canary.domain.errors import Unavailable
from gitops_canary.sandbox.control_plane import binaries
from gitops_canary.sandbox.control_plane.plane import ControlPlane

pytestmark = pytest.mark.control_plane


def kubectl(plane: ControlPlane, kubeconfig: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    assert plane.kubectl is not None
    return subprocess.run([plane.kubectl, "--kubeconfig", kubeconfig, *arguments], capture_output=True, text=True, check=False)


def namespace(plane: ControlPlane, name: str) -> None:
    plane.request(
        "PATCH", f"/api/v1/namespaces/{name}?fieldManager=test", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    )


def test_the_server_says_its_pinned_version(control_plane: ControlPlane) -> None:
    assert control_plane.request("GET", "/version")["gitVersion"] == binaries.KUBERNETES
    versions = {"etcd": binaries.ETCD.removeprefix("v")} | dict.fromkeys(("kube-apiserver", "kube-controller-manager"), binaries.KUBERNETES)
    assert control_plane.versions() == versions


def test_the_controllers_make_a_namespaces_service_account(control_plane: ControlPlane) -> None:
    namespace(control_plane, "plane-accounts")
    answer = kubectl(
        control_plane,
        control_plane.kubeconfig("kubectl"),
        "-n",
        "plane-accounts",
        "wait",
        "--for=create",
        "serviceaccount/default",
        "--timeout=30s",
    )
    assert answer.returncode == 0, answer.stderr


def test_rbac_refuses_who_has_no_role(control_plane: ControlPlane) -> None:
    answer = kubectl(control_plane, control_plane.kubeconfig("nobody"), "get", "configmaps")
    assert 'User "nobody" cannot list resource "configmaps"' in answer.stderr


def test_a_service_account_is_known_by_its_token_until_it_ends(control_plane: ControlPlane) -> None:
    whoami = kubectl(control_plane, control_plane.service_account_kubeconfig("default", "default"), "auth", "whoami")
    assert "system:serviceaccount:default:default" in whoami.stdout
    past = control_plane.service_account_token("default", "default", lifetime=timedelta(minutes=-2))
    with urllib3.PoolManager(ca_certs=str(control_plane.ca_file), retries=False) as http:
        answer = http.request("GET", f"{control_plane.url}/api", headers={"Authorization": f"Bearer {past}"})
    assert answer.status == 401


def test_the_audit_log_counts_each_request_once_by_user_verb_and_resource(control_plane: ControlPlane) -> None:
    mark = control_plane.audit_mark()
    kubectl(control_plane, control_plane.kubeconfig("mesh"), "get", "--raw", "/api/v1/namespaces/default/configmaps/kube-root-ca.crt")
    kubectl(control_plane, control_plane.kubeconfig("mesh"), "get", "--raw", "/api/v1/pods?watch=true&timeoutSeconds=1")
    seen = [(request.verb, request.resource, request.name, request.code) for request in control_plane.audit(mark, user="mesh")]
    assert seen == [("get", "configmaps", "kube-root-ca.crt", 200), ("watch", "pods", "", 200)]


def test_a_killed_api_server_comes_back_with_its_data() -> None:
    with ControlPlane(controllers=False) as plane:
        namespace(plane, "kept")
        url = plane.url
        plane.kill_apiserver()
        plane.start_apiserver()
        assert plane.url == url
        assert plane.request("GET", "/api/v1/namespaces/kept")["metadata"]["name"] == "kept"
        folder = plane.folder
    assert not folder.exists()
    plane.stop()


def test_a_server_that_does_not_start_is_quoted() -> None:
    with pytest.raises(Unavailable, match=r"kube-apiserver ended with 1.*unknown flag: --no-such-flag"):
        ControlPlane(controllers=False, apiserver_flags=["--no-such-flag"]).start()


def test_servers_and_folder_go_when_their_parent_is_killed() -> None:
    program = (
        "import sys; from gitops_canary.sandbox.control_plane.plane import ControlPlane\n"
        "plane = ControlPlane(controllers=False); plane.start()\n"
        "print(*[child.pid for child in plane._processes._running], plane.folder, flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        *pids, folder = parent.stdout.readline().split()
        handles = [os.pidfd_open(int(pid)) for pid in pids]
        parent.send_signal(signal.SIGKILL)
    for handle in handles:
        # A pidfd becomes readable when its process ends.
        assert select.select([handle], [], [], 20)[0]
        os.close(handle)
    assert gone(Path(folder))


def gone(folder: Path) -> bool:
    watch = subprocess.run(["timeout", "20", "sh", "-c", f"while [ -e '{folder}' ]; do sleep 0.05; done"], check=False)
    return watch.returncode == 0
