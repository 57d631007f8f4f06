"""A world with the operator in it, set up as a user would, and what the API server's audit says of it; tests and benchmarks share it."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from gitops_canary.adapters.git.deploy_key import generate
from gitops_canary.sandbox.apiserver.handling import Asked
from gitops_canary.sandbox.data import template_files
from gitops_canary.sandbox.demo.hops import Hops, hops_of
from gitops_canary.sandbox.demo.logs import OperatorLog
from gitops_canary.sandbox.demo.sentences import Line
from gitops_canary.sandbox.gitd.sessions import Push
from gitops_canary.sandbox.world import NAMESPACE, PODINFO, REPOSITORY, Shape, World

ACCOUNT = f"system:serviceaccount:{NAMESPACE}:gitops-canary"
"""The operator's user; the applier that it impersonates has this as its beginning."""
CANARIES = ("frontend", "backend")
PATIENCE = 90.0
LOOK = 0.02
READS = ("get", "list")

Request = tuple[str, str]
"""Verb and resource."""


@dataclass(frozen=True)
class Release:
    """One tag from push to result: its hops, and the operator's requests and log lines in between, in their order."""

    hops: Hops
    asked: Sequence[Asked]
    lines: Sequence[Line]

    def advances(self) -> list[Counter[Request]]:
        """What each advance asked, lease renewals apart: from the write of its weight to that of the next.

        Left out are the first, whose tick also tells that the analysis starts, the last, which the promotion follows, and those that a
        halt follows."""
        found, current = [], Counter[Request]()
        for one in (one for one in self.asked if one.resource != "leases" and one.verb != "watch"):
            if one.resource == "virtualservices" and one.verb not in READS:
                found.append(current)
                current = Counter()
            current[(one.verb, one.resource)] += 1
        return [asked for asked, halted in list(zip(found[1:], self._halted(), strict=False))[1:] if not halted]

    def _halted(self) -> list[bool]:
        """For each pair of neighbouring weights whether a tick between them did not advance."""
        words = [line.text.split()[0] for line in self.lines if line.text.startswith(("Advance ", "Halt "))]
        weights = [place for place, word in enumerate(words) if word == "Advance"]
        return [after - before > 1 for before, after in pairwise(weights)]


@dataclass
class Stage:
    """Entered when both canaries are initialized. `step`: the weight's step in percent; `through`: the way to the metrics server.

    A story of its own takes `begun()` for the world alone and `play()` for the operator: `files` are its cluster repository."""

    folder: Path
    step: int = 5
    settings: Mapping[str, Any] = field(default_factory=dict)
    through: Callable[[str], str] = str
    shape: Shape = field(default_factory=Shape)
    files: Mapping[str, bytes] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    pushes: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.world = World(self.folder, self.shape)
        self._ends = contextlib.ExitStack()
        self._log: OperatorLog | None = None

    def __enter__(self) -> "Stage":
        self._ends.enter_context(self.begun())
        try:
            self.play()
            self.wait("both canaries to be Initialized", lambda: all(self._phase(name) == "Initialized" for name in CANARIES))
        except BaseException:
            self._ends.close()
            raise
        return self

    @contextlib.contextmanager
    def begun(self) -> Iterator[None]:
        """The world without the operator; at its end everything stops."""
        with contextlib.ExitStack() as ends:
            ends.callback(self.world.stop)
            self.world.start()
            ends.callback(lambda: self._log.stop() if self._log else None)
            yield

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    def release(self, tag: str) -> Release:
        """Push a good tag and return when its result is committed and the canary is at rest."""
        asked, lines, began = len(self.audit), len(self.lines), time.time()
        self.world.push(PODINFO, tag)
        self.wait(f"the promotion of {tag}", lambda: any(subject.startswith(f"Promote frontend.test {tag}") for _, subject in self.pushes))
        self.wait("the canary's end", lambda: self._phase("frontend") == "Succeeded")
        hops = hops_of(tag, began, self.pushes, self.lines)
        return Release(hops, [one for one in list(self.audit)[asked:] if one.user.startswith(ACCOUNT)], self.lines[lines:])

    @property
    def audit(self) -> Sequence[Asked]:
        return self.world.asked()

    def asked_since(self, place: int) -> list[Asked]:
        """What the operator, or its applier, asked since the audit log had that length; watches stand there when they end."""
        return [one for one in list(self.audit)[place:] if one.user.startswith(ACCOUNT)]

    def wait(self, what: str, condition: Callable[[], bool], patience: float = PATIENCE) -> None:
        end = time.monotonic() + patience
        while not condition():
            if time.monotonic() > end:
                raise TimeoutError(f"waited {patience:.0f} s for {what}; the operator's last words: {[o.text for o in self.lines[-5:]]}")
            threading.Event().wait(LOOK)

    def play(self) -> None:
        """The cluster repository, the operator with a key that may write, and the registry's webhook."""
        if self.files:
            charts = {path: content for path, content in template_files().items() if path.startswith(("charts/", "namespaces/"))}
            self.world.git.create(REPOSITORY, {**charts, **self.files})
        else:
            self.world.create_repository(self._edited)
        self.world.git.on_push(self._pushed)
        self._give_key()
        self.world.install({"analysis-interval-floor": "1s", "metrics-server": self.through(self.world.metrics.url), **self.settings})
        self.wait("the operator's pod", lambda: self.world.operator_pod() is not None)
        pod = self.world.operator_pod()
        assert pod is not None
        self._log = OperatorLog(self.world.kubeconfig, pod["metadata"]["name"], self.lines.append)
        self._log.start()
        self.world.connect_webhooks(f"http://{pod['status']['podIP']}:8080")

    # ------------------------------------------------------------ inside

    def _give_key(self) -> None:
        """A key that may write from the start, so that the polls can stay as long as a user's."""
        key = generate()
        meta = {"name": "gitops-canary-git-deploy", "namespace": NAMESPACE}
        data = {"identity": key.private, "identity.pub": key.public + "\n"}
        self.world.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}, manager="sandbox")
        self.world.cluster.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": data}, manager="sandbox")
        self.world.git.add_key(key.public, write=True)

    def _edited(self, path: str, content: bytes) -> bytes:
        enabled = "canary:\n      enabled: true\n"
        analysis = f"interval: 1s\n        threshold: 10\n        window: 4s\n        stepWeight: {self.step}\n        maxWeight: 50"
        text = content.decode().replace(enabled, f"{enabled}      analysis:\n        {analysis}\n", 1)
        return text.replace("loadtest:\n        enabled: true\n", "loadtest:\n        enabled: true\n        rate: 50\n", 1).encode()

    def _pushed(self, push: Push) -> None:
        if push.new is None or not push.ref.endswith("/main"):
            return
        now, repository = time.time(), self.world.git.repository(REPOSITORY)
        self.pushes += [(now, one.subject) for one in repository.log(f"{push.old}..{push.new}" if push.old else push.new)]

    def _phase(self, name: str) -> str:
        return str(((self.world.canary(name) or {}).get("status") or {}).get("phase", ""))
