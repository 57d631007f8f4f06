"""The demo's story, from an empty machine to three tags; what people do is done here, the rest happens."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from gitops_canary.domain.errors import UserError
from gitops_canary.sandbox.demo.costs import place_of, rows
from gitops_canary.sandbox.demo.hops import Hops, hops_of
from gitops_canary.sandbox.demo.logs import OperatorLog
from gitops_canary.sandbox.demo.sentences import Line, public_key, told
from gitops_canary.sandbox.demo.show import Show
from gitops_canary.sandbox.gitd.sessions import Push
from gitops_canary.sandbox.world import PODINFO, REPOSITORY, World

PATIENCE = 90.0
"""Seconds that one hop of the story may take before it counts as not happening."""
IMPATIENCE = 30.0
"""The same when the story is meant to fail."""
IDLE = 4.0
LOOK = 0.05
INTERVAL = "1s"
OUTCOMES = (("3.1.1", "promoted"), ("3.1.2", "rolled-back"), ("3.1.3", "promoted"))
BROKEN = "errors=0.5"


@dataclass
class Tale:
    """What was seen: pushes to the cluster repository with their times, log lines, and when each tag was pushed (Unix seconds)."""

    pushes: list[tuple[float, str]] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    tags: dict[str, float] = field(default_factory=dict)


class Story:
    def __init__(self, world: World, show: Show, *, break_rollback: bool = False) -> None:
        self._world, self._show, self._break_rollback = world, show, break_rollback
        self.tale = Tale()
        self._changed = threading.Condition()
        self._log: OperatorLog | None = None

    def run(self) -> bool:
        """Whether the story really happened, by the witness' word."""
        self._begin()
        self._install()
        self._initialized()
        witness = self._call_witness()
        self._began = place_of(self._world)
        try:
            self._release("3.1.1", "good", "Promote frontend.test 3.1.1")
            self._release("3.1.2", BROKEN, "Roll back frontend.test 3.1.2")
            self._release("3.1.3", "good", "Promote frontend.test 3.1.3")
            self._wait("the last promotion to finish", self._finished)
        except UserError as error:
            self._show.note(str(error), "bold red")
        return self._verdict(witness)

    def close(self) -> None:
        if self._log is not None:
            self._log.stop()

    # ------------------------------------------------------------ chapters

    def _begin(self) -> None:
        self._show.chapter("A cluster, a registry and a Git server on this machine")
        for step in self._world.steps():
            self._show.step(step.title, step.start)
        self._world.create_repository(_with_demo_values)
        self._world.git.on_push(self._pushed)
        kinds = f"{self._world.mesh.kind} splits the traffic, {self._world.metrics.kind} measures it"
        self._show.note(f"The cluster repository is {self._world.git.url(REPOSITORY)}; {kinds}", "dim")
        for sentence in self._world.instead():
            self._show.note(f"Note: {sentence}", "yellow")

    def _install(self) -> None:
        self._show.chapter("Install gitops-canary and give its key write access")
        settings: dict[str, Any] = {
            "analysis-interval-floor": INTERVAL,
            "git-poll-interval": "1s",
            "registry-poll-interval": "30s",
            "disable-rollback": self._break_rollback,
        }
        self._world.install(settings)
        self._wait("the operator's pod", lambda: self._world.operator_pod() is not None)
        pod = self._world.operator_pod()
        assert pod is not None
        self._log = OperatorLog(self._world.kubeconfig, pod["metadata"]["name"], self._heard)
        self._log.start()
        key = self._wait("the deploy key in the log", lambda: next(filter(None, map(public_key, self.tale.lines)), ""))
        self._show.note(f"$ kubectl -n gitops-canary logs deployment/gitops-canary | grep identity.pub | cut -d '\"' -f2\n  {key}", "cyan")
        self._world.git.add_key(str(key), write=True)
        self._world.connect_webhooks(f"http://{pod['status']['podIP']}:8080")

    def _initialized(self) -> None:
        self._show.chapter("Namespaces and releases come from Git; canaries are initialized")
        self._wait("both canaries to be Initialized", lambda: all(self._phase(name) == "Initialized" for name in ("frontend", "backend")))
        for name in ("frontend", "backend"):
            self._wait_said(f"Initialization done! {name}.test")

    def _release(self, tag: str, behaviour: str, ending: str) -> None:
        how = "" if behaviour == "good" else " — it answers 500 to every second request"
        self._show.chapter(f"CI pushes {PODINFO}:{tag}{how}")
        self.tale.tags[tag] = time.time()
        self._world.push(PODINFO, tag, behaviour=behaviour)
        self._wait(f"the commit {ending!r}", lambda: any(subject.startswith(ending) for _, subject in self.tale.pushes))
        self._wait_said(ending)

    def _wait_said(self, beginning: str) -> None:
        """A chapter ends with its last sentence: the log is read a moment after what it tells of."""
        self._wait(f"the operator to say {beginning!r}", lambda: any(line.text.startswith(beginning) for line in list(self.tale.lines)))

    def _finished(self) -> bool:
        return self._phase("frontend") == "Succeeded"

    def _phase(self, name: str) -> str:
        return str(((self._world.canary(name) or {}).get("status") or {}).get("phase", ""))

    # ------------------------------------------------------------ the witness

    def _call_witness(self) -> "subprocess.Popen[str]":
        place = {
            "kubeconfig": str(self._world.kubeconfig),
            "repository": str(self._world.git.root / f"{REPOSITORY}.git"),
            "proxy": self._world.mesh.proxy_for("test", "witness"),
        }
        arguments = self._world.folder / "witness.json"
        arguments.write_text(json.dumps({"place": place, "canary": "frontend.test", "outcomes": OUTCOMES}))
        command = [sys.executable, "-m", "gitops_canary.sandbox.demo.witness", str(arguments)]
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def _verdict(self, witness: "subprocess.Popen[str]") -> bool:
        self._show.chapter("Did it really happen? A witness looked at Git, the cluster and the pods' own counters")
        try:
            said, _ = witness.communicate(timeout=30)
            seen = json.loads(said)
        except (subprocess.TimeoutExpired, ValueError):
            witness.kill()
            self._show.note("the witness did not answer", "bold red")
            return False
        canary, total = sum(p[2] for p in seen["plateaus"]), sum(p[1] + p[2] for p in seen["plateaus"])
        expected = sum((p[1] + p[2]) * p[0] / 100 for p in seen["plateaus"])
        self._show.note(
            f"while traffic was split, {canary:.0f} of {total:.0f} requests reached canary pods; the weights say {expected:.0f}"
        )
        for doubt in seen["doubts"]:
            self._show.note(f"✖ {doubt}", "bold red")
        if witness.returncode == 0:
            self._show.note("✔ it did: three outcomes, three result commits, traffic as the weights said", "green")
        return witness.returncode == 0

    # ------------------------------------------------------------ hearing and waiting

    def _heard(self, line: Line) -> None:
        with self._changed:
            self.tale.lines.append(line)
            if told(line):
                self._show.said(line)
            self._changed.notify_all()

    def _pushed(self, push: Push) -> None:
        if push.new is None or not push.ref.endswith("/main"):
            return
        now, repository = time.time(), self._world.git.repository(REPOSITORY)
        with self._changed:
            for commit in repository.log(f"{push.old}..{push.new}" if push.old else push.new):
                self.tale.pushes.append((now, commit.subject))
                self._show.note(f"{self._show.elapsed():6.1f} s  ● {push.new[:7]} {commit.subject}", "bold cyan")
            self._changed.notify_all()

    def _wait(self, what: str, condition: Callable[[], Any]) -> Any:
        patience = IMPATIENCE if self._break_rollback else PATIENCE
        end = time.monotonic() + patience
        while time.monotonic() < end:
            found = condition()
            if found:
                return found
            with self._changed:
                self._changed.wait(LOOK)
        raise UserError(f"cannot go on with the story: waited {patience:.0f} s for {what}")

    def costs(self) -> list[list[str]]:
        """The table of what it cost, after a few idle seconds."""
        self._show.note(f"watching the operator idle for {IDLE:.0f} s …", "dim")
        idle = place_of(self._world)
        threading.Event().wait(IDLE)
        return rows(self._world, self._began, idle, IDLE)

    def hops(self) -> list[Hops]:
        """The time of each hop for each tag."""
        return [hops_of(tag, self.tale.tags[tag], self.tale.pushes, self.tale.lines) for tag, _ in OUTCOMES if tag in self.tale.tags]


DEMO_VALUES = """      analysis:
        interval: 1s
        threshold: 3
        window: 4s
        successRate: 99
        stepWeight: 5
        maxWeight: 50
"""


def _with_demo_values(path: str, content: bytes) -> bytes:
    """The template's releases with one-second ticks and a busy load test; nothing else differs from what a user copies."""
    if not path.startswith("releases/test/") or b"canary:\n      enabled: true\n" not in content:
        return content
    text = content.decode().replace("canary:\n      enabled: true\n", f"canary:\n      enabled: true\n{DEMO_VALUES}", 1)
    return text.replace(
        "loadtest:\n        enabled: true\n", "loadtest:\n        enabled: true\n        rate: 50\n        workers: 4\n", 1
    ).encode()
