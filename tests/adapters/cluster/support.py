"""What the cluster adapter's tests share: waiting for changes, a TCP proxy that can go silent, objects to write."""

import contextlib
import io
import selectors
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson

from gitops_canary.adapters.cluster.api import KubernetesCluster
from gitops_canary.adapters.cluster.configuration import from_kubeconfig
from gitops_canary.adapters.cluster.connection import Connection, Limits
from gitops_canary.adapters.log import make_log
from gitops_canary.domain.errors import Conflict
from gitops_canary.domain.resources import Doc, Ref

PATIENCE = 30.0
"""Seconds a test waits for what must come; only a broken one waits so long."""
DEPLOYMENT, CONFIG_MAP, NAMESPACE = ("apps/v1", "Deployment"), ("v1", "ConfigMap"), ("v1", "Namespace")


class Changes:
    """Listens to a cluster and lets a test wait until the changes have made something true."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, str]] = []
        self._condition = threading.Condition()

    def __call__(self, kind: str, namespace: str, name: str) -> None:
        with self._condition:
            self.heard.append((kind, namespace, name))
            self._condition.notify_all()

    def until(self, true: Callable[[], object]) -> Any:
        with self._condition:
            result = self._condition.wait_for(true, PATIENCE)
        assert result, f"it never became true; heard: {self.heard[-20:]}"
        return result


def observing_again(changes: Changes, write: Callable[[], object]) -> None:
    """Repeats a write that met somebody else's (a controller's status), as managers do."""

    def done() -> bool:
        try:
            write()
        except Conflict:
            return False
        return True

    changes.until(done)


class Said(io.StringIO):
    """A log's stream; a test waits for a sentence."""

    def __init__(self) -> None:
        super().__init__()
        self._condition = threading.Condition()

    def write(self, text: str) -> int:
        with self._condition:
            self._condition.notify_all()
            return super().write(text)

    def until(self, sentence: str) -> None:
        with self._condition:
            assert self._condition.wait_for(lambda: sentence in self.getvalue(), PATIENCE), self.getvalue()


@contextlib.contextmanager
def watching(connection: Connection, *kinds: tuple[str, str], **options: Any) -> Iterator[tuple[KubernetesCluster, Changes]]:
    """A started cluster with these kinds watched; `said` is its log."""
    log = make_log(stream=options.pop("said", io.StringIO()))
    cluster, changes = KubernetesCluster(connection, log, observed=kinds, **options), Changes()
    cluster.subscribe(changes)
    assert cluster.start(PATIENCE) == []
    try:
        yield cluster, changes
    finally:
        cluster.close()


def connect(kubeconfig: Path, limits: Limits | None = None) -> Connection:
    return from_kubeconfig(str(kubeconfig), limits=limits)


def through(proxy: "Proxy", kubeconfig: Path, folder: Path) -> Path:
    """The same kubeconfig, by way of the proxy."""
    config = orjson.loads(kubeconfig.read_bytes())
    config["clusters"][0]["cluster"]["server"] = proxy.url
    path = folder / "proxied.kubeconfig"
    path.write_bytes(orjson.dumps(config))
    return path


def server_of(kubeconfig: Path) -> str:
    return str(orjson.loads(kubeconfig.read_bytes())["clusters"][0]["cluster"]["server"])


def config_map(namespace: str, name: str = "settings", **data: str) -> Doc:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


def deployment(namespace: str, name: str = "web", image: str = "podinfo:1", replicas: int | None = None) -> Doc:
    labels = {"app": name}
    container = {"name": "app", "image": image, "ports": [{"containerPort": 80, "name": "http"}], "env": [{"name": "A", "value": "1"}]}
    spec: Doc = {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }
    if replicas is not None:
        spec["replicas"] = replicas
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": spec,
    }


def ref(doc: Doc) -> Ref:
    return Ref(doc["apiVersion"], doc["kind"], doc["metadata"].get("namespace", ""), doc["metadata"]["name"])


class Proxy:
    """A TCP proxy on loopback. `freeze` stops forwarding on the open connections without closing them, as a lost NAT entry does."""

    def __init__(self, target: str) -> None:
        parts = urlsplit(target)
        self._target = (parts.hostname or "", parts.port or 443)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{parts.scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._frozen: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Ends every connection and each new one at once, until `mend`."""
        self._cut = True
        with self._lock:
            for one in (one for pair in self._pairs for one in pair):
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
            self._pairs.clear()

    def mend(self) -> None:
        self._cut = False

    def freeze(self) -> int:
        """Returns how many connections are dead now; new ones work."""
        with self._lock:
            self._frozen = {one for pair in self._pairs for one in pair}
            return len(self._pairs)

    def close(self) -> None:
        self.cut()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self._cut:
                    client.close()
                    continue
                server = socket.create_connection(self._target)
                with self._lock:
                    self._pairs.append((client, server))
                threading.Thread(target=self._forward, args=(client, server), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        with client, server, contextlib.suppress(OSError, ValueError), selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in ready.select():
                    source = key.fileobj
                    assert isinstance(source, socket.socket)
                    data = source.recv(2**16)
                    if not data:
                        return
                    if source in self._frozen:
                        continue
                    key.data.sendall(data)
