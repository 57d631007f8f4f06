"""`ControlPlane`: a real API server with etcd and controllers on free loopback ports, ready in seconds, gone without a trace."""

import contextlib
import random
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import orjson
import urllib3

from gitops_canary.domain.errors import Unavailable
from gitops_canary.sandbox.control_plane import audit, binaries, flags
from gitops_canary.sandbox.control_plane.credentials import MASTERS, Credentials, User
from gitops_canary.sandbox.control_plane.processes import Processes, last_words

READY_SECONDS = 60.0
"""Four seconds on an idle machine; a busy one with two cores was seen to take 25."""
POLL_SECONDS = 0.05
ATTEMPTS = 3
"""Free ports are chosen before the servers bind them: another process may be quicker."""
PORT_RANGE = range(20000, 30000)
"""Below the kernel's ephemeral ports, so that no outgoing connection takes one meanwhile."""

ADMIN, CONTROLLER_MANAGER = "admin", "system:kube-controller-manager"
USERS = (
    User(ADMIN, (MASTERS,)),
    User("kubectl", (MASTERS,)),
    User("node", (MASTERS,)),
    User("mesh", (MASTERS,)),
    User("gitops-canary", (MASTERS,)),
    User("nobody"),
)
"""Each program has a name of its own, so the audit log says who asked what; `nobody` may do nothing until somebody binds a role to it."""


class ControlPlane:
    """A control plane of its own: RBAC on, own CA, audit log. Use as a context manager, or `start()` and `stop()`.

    `users` come on top of `USERS`; names `system:…` of service accounts need none, see `service_account_kubeconfig`.
    """

    def __init__(self, *, users: Sequence[User] = (), controllers: bool = True, apiserver_flags: Sequence[str] = ()) -> None:
        self._programs = binaries.find()
        self._users = (*USERS, User(CONTROLLER_MANAGER, (MASTERS,)), *users)
        self._controllers = controllers
        self._extra = tuple(apiserver_flags)
        self._apiserver: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self._ports.apiserver}"

    @property
    def kubectl(self) -> Path | None:
        return self._programs.kubectl

    @property
    def helm(self) -> Path | None:
        return self._programs.helm

    @property
    def ca_file(self) -> Path:
        return self._keys.ca

    def versions(self) -> dict[str, str]:
        """What the servers say of themselves, for a report of what took part."""
        programs = {"etcd": self._programs.etcd, "kube-apiserver": self._programs.apiserver}
        programs["kube-controller-manager"] = self._programs.controller_manager
        return {name: _version(program) for name, program in programs.items()}

    def start(self) -> None:
        """Returns when the API answers and the controllers work; Unavailable quotes the log of whoever did not."""
        for attempt in range(1, ATTEMPTS + 1):
            self._prepare()
            try:
                self._start_all()
            except Unavailable as error:
                self.stop()
                if attempt == ATTEMPTS or "address already in use" not in str(error):
                    raise
            except BaseException:
                self.stop()
                raise
            else:
                return

    def stop(self) -> None:
        """Kills everything and removes the folder; fine when it was stopped before."""
        self._processes.close()
        self._http.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def kill_apiserver(self) -> None:
        """SIGKILL: clients see their connections reset, then refused."""
        if self._apiserver is not None:
            self._processes.kill(self._apiserver)
            self._apiserver = None

    def start_apiserver(self) -> None:
        """Starts it (again) on the same port with the same data; returns when it is ready."""
        self._apiserver = self._processes.start(
            flags.apiserver(self._programs, self.folder, self._ports, self._keys, self._extra), log="apiserver.log"
        )
        self._wait(lambda: self._get("/readyz").status == 200, "kube-apiserver", self._apiserver, "apiserver.log")

    def token(self, user: str = ADMIN) -> str:
        return self._keys.users[user].token

    def kubeconfig(self, user: str = ADMIN) -> Path:
        """A kubeconfig of one of the users, in the plane's own folder."""
        return self._keys.kubeconfig(self.url, self.token(user), user)

    def service_account_token(self, namespace: str, name: str, *, lifetime: timedelta = timedelta(hours=1)) -> str:
        """A token of an existing ServiceAccount; a negative lifetime above minus one minute makes one that is about to be refused."""
        account = self.request("GET", f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}")
        return self._keys.service_account_token(namespace, name, account["metadata"]["uid"], expires=datetime.now(UTC) + lifetime)

    def service_account_kubeconfig(self, namespace: str, name: str) -> Path:
        return self._keys.kubeconfig(self.url, self.service_account_token(namespace, name), f"{namespace}.{name}")

    def request(self, verb: str, path: str, body: object = None) -> Any:
        """One request as `admin`, for tests' arrangements; the answer as raw objects, Unavailable with the server's words from 400 on.

        A PATCH is server-side apply."""
        kind = "application/apply-patch+yaml" if verb == "PATCH" else "application/json"
        answer = self._http.request(
            verb, self.url + path, body=None if body is None else orjson.dumps(body), headers=self._headers() | {"Content-Type": kind}
        )
        if answer.status >= 400:
            raise Unavailable(f"cannot {verb} {path} on the control plane: {answer.status} {answer.data[:500].decode(errors='replace')}")
        return orjson.loads(answer.data)

    def audit_mark(self) -> int:
        """Where the audit log stands now, after everything answered so far."""
        self._fence()
        return (self.folder / "audit.log").stat().st_size

    def audit(self, since: int = 0, *, user: str = "") -> list[audit.Request]:
        """The requests since a mark (of one user), in order, without those of `admin`, who only arranges."""
        self._fence()
        seen = audit.requests(self.folder / "audit.log", since)
        return [request for request in seen if request.user == user or (not user and request.user != ADMIN)]

    def _prepare(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="gitops-canary-plane-"))
        self._processes = Processes(self.folder)
        self._ports = flags.Ports(*_free_ports(3))
        self._keys = Credentials(self.folder, self._users)
        self._http = urllib3.PoolManager(ca_certs=str(self._keys.ca), timeout=urllib3.Timeout(connect=2, read=30), retries=False)
        (self.folder / "audit-policy.json").write_bytes(orjson.dumps(audit.POLICY))

    def _start_all(self) -> None:
        self._processes.start(flags.etcd(self._programs, self.folder, self._ports), log="etcd.log")
        self.start_apiserver()
        if not self._controllers:
            return
        manager = self._processes.start(
            flags.controller_manager(self._programs, self._keys, self.kubeconfig(CONTROLLER_MANAGER)), log="controller-manager.log"
        )
        ready = "/api/v1/namespaces/default/serviceaccounts/default"
        self._wait(lambda: self._get(ready).status == 200, "kube-controller-manager", manager, "controller-manager.log")

    def _wait(self, ready: Callable[[], bool], name: str, child: subprocess.Popen[bytes], log: str) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if child.poll() is not None:
                break
            with contextlib.suppress(urllib3.exceptions.HTTPError):
                if ready():
                    return
            time.sleep(POLL_SECONDS)
        state = "runs but is not ready" if child.poll() is None else f"ended with {child.returncode}"
        words = " | ".join(f"{file}: {last_words(self.folder / file)}" for file in dict.fromkeys(("etcd.log", log)))
        raise Unavailable(f"cannot start a control plane: {name} {state}; {words}")

    def _get(self, path: str) -> urllib3.BaseHTTPResponse:
        return self._http.request("GET", self.url + path, headers=self._headers(), timeout=urllib3.Timeout(connect=1, read=5))

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token()}"}

    def _fence(self) -> None:
        """The log is written in order: when our own request stands in it, so do all that were answered before."""
        mark = f"/version?fence={uuid.uuid4()}"
        start = (self.folder / "audit.log").stat().st_size
        self._get(mark)
        deadline = time.monotonic() + READY_SECONDS
        while not any(request.uri == mark for request in audit.requests(self.folder / "audit.log", start)):
            if time.monotonic() > deadline:
                raise Unavailable(f"cannot read the audit log {self.folder / 'audit.log'}: a request of our own does not show")
            time.sleep(POLL_SECONDS)


def _version(program: Path) -> str:
    """`etcd Version: 3.6.16` and `Kubernetes v1.36.3`: the last word of the first line."""
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False, timeout=READY_SECONDS).stdout
    return said.split("\n", 1)[0].rpartition(" ")[2]


def _free_ports(count: int) -> list[int]:
    chosen: list[int] = []
    with contextlib.ExitStack() as held:
        while len(chosen) < count:
            port = random.choice(PORT_RANGE)
            probe = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                chosen.append(port)
    return chosen
