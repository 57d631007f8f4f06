"""The stage that the product's stories are played on: a world on one kind of server with the operator installed in it by kubectl.

How a story is written (`scripts.py` and `apps.py` have the rest; both servers come by themselves, `[real]` is marked `control_plane`):

    APPS = [plain("r5", step=5), chart("hpa")]                   # each in a namespace of its own, with an image of its own

    @pytest.fixture(scope="module")
    def cast(stage: Stage) -> Cast:                              # all of the file's apps are committed and initialised at once
        return Cast(stage, APPS)

    def test_R5_a_newer_tag_mid_run_supersedes_it(cast: Cast) -> None:
        app = cast["r5"]
        app.push("1.0.1")                                        # a tag; behaviour="errors=0.5" or "unready" makes it a bad one
        app.wait_phase("Progressing")
        app.wait_commit("Promote app.r5 1.0.1")
        app.edit("replicas: 1", "replicas: 2", "Two of them")    # a person's commit, over SSH

Of the stage itself: `wait(what, condition)`, `wait_said(…)`, `wait_commit(…)`, `kubectl(…)`, `get(…)`, `patch(…)` as the cluster's admin,
`person` (Git), `mark()` and `since(mark)` (log lines, commits, the operator's requests), `events(namespace)`, `git_away()`, `freeze()`,
`kill_operator()`, `restart_operator()`.
A story that freezes the operator or takes Git away gives it back before it ends: the next one is played on the same stage.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from gitops_canary.adapters.cluster.leadership import LEADER_LABEL
from gitops_canary.adapters.cluster.stories import COMPONENT
from gitops_canary.domain.resources import Ref
from gitops_canary.managers.inventory import InventoryStore
from gitops_canary.sandbox.data import template_files
from gitops_canary.sandbox.gitd.bare import Logged
from gitops_canary.sandbox.world import NAMESPACE, REPOSITORY, Shape, World
from tests.conformance.product.installing import overlay
from tests.conformance.product.log import Log, Said
from tests.conformance.product.person import Person
from tests.conformance.product.programs import KINDS, program
from tests.conformance.product.seen import ACCOUNT, APPLIER, Asked, Doc, Mark, Since

T = TypeVar("T")
Server = Literal["sandbox", "real"]
PATIENCE = 90.0
LOOK = 0.03
SETTINGS = {"analysis-interval-floor": "1s", "git-poll-interval": "1s", "registry-poll-interval": "2s", "deleted-canary-patience": "8s"}
BASE = ("namespaces/test.yaml", "releases/test/loadtester.yaml", "charts/")
"""What of the template stands in the cluster repository from the start: the load tester that all apps share, and the charts."""


class Stage:
    """Entered when the operator leads, its key may write and the load tester runs."""

    def __init__(self, folder: Path, server: Server, settings: Mapping[str, Any] | None = None) -> None:
        self.server, self.settings = server, {**SETTINGS, **(settings or {})}
        self.world = World(folder, Shape(control_plane=server))
        self._folder, self._ends = folder, contextlib.ExitStack()
        self._kubectl = [program("kubectl"), "--kubeconfig", str(self.world.kubeconfig)]
        self.log = Log(self._kubectl, NAMESPACE)

    def __enter__(self) -> "Stage":
        with contextlib.ExitStack() as ends:
            ends.callback(self.world.stop)
            self.world.start()
            ends.callback(self.log.stop)
            self._play()
            self._ends = ends.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.close()

    # ------------------------------------------------------------ what a person does

    def kubectl(self, *words: str, docs: Sequence[Doc] = (), refused: str = "") -> str:
        """What kubectl prints; `docs` go to `-f -`. With `refused` it must fail with those words, which come back."""
        text = "\n---\n".join(map(json.dumps, docs)) if docs else None
        ended = subprocess.run([*self._kubectl, *words], input=text, capture_output=True, text=True, timeout=120, check=False)
        assert (ended.returncode != 0) == bool(refused), f"kubectl {' '.join(words)}: {ended.stdout}{ended.stderr}"
        assert refused in ended.stderr, ended.stderr
        return ended.stderr if refused else ended.stdout

    def helm(self, *words: str) -> str:
        """What helm prints."""
        command = [program("helm"), "--kubeconfig", str(self.world.kubeconfig), *words]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode == 0, f"helm {' '.join(words)}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    def command(self, *words: str) -> str:
        """What `gitops-canary` prints for a person with the cluster's kubeconfig."""
        hosts = self._folder / "known_hosts"
        hosts.write_text(self.world.git.known_hosts + "\n")
        own = [f"--kubeconfig={self.world.kubeconfig}", f"--git-url={self.world.git.url(REPOSITORY)}", f"--git-known-hosts={hosts}"]
        command = [sys.executable, "-m", "gitops_canary", *words, *own, f"--operator-namespace={NAMESPACE}"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode == 0, f"gitops-canary {' '.join(words)}: {ended.stdout}{ended.stderr}"
        return ended.stdout

    def get(self, kind: str, name: str, namespace: str = "") -> Doc | None:
        """The live object; `kind` is one of `KINDS` or `apiVersion/Kind` in full."""
        api, _, short = KINDS.get(kind, kind).rpartition("/")
        found = self.world.cluster.live(Ref(api, short, namespace, name))
        return dict(found) if found is not None else None

    def patch(self, kind: str, name: str, namespace: str, body: Doc) -> None:
        """`kubectl patch --type merge`."""
        self.kubectl("-n", namespace, "patch", kind, name, "--type=merge", f"--patch={json.dumps(body)}")

    def events(self, namespace: str) -> list[str]:
        """The sentences of the operator's Events there, oldest first."""
        found = json.loads(self.kubectl("-n", namespace, "get", "events", "-o", "json"))["items"]
        own = [one for one in found if one.get("reportingComponent") == COMPONENT]
        return [one["message"] for one in sorted(own, key=lambda one: one["metadata"]["creationTimestamp"])]

    @contextlib.contextmanager
    def git_away(self) -> Iterator[None]:
        """The Git host does not answer; it is back, on the same port with the same keys, afterwards."""
        self.world.git.stop()
        try:
            yield
        finally:
            self.world.git.start()

    def polls(self, count: int) -> None:
        """Returns when the operator has asked Git so often from now on, each poll ended; the registry is asked half as often."""
        git = self.world.git.commands
        before = len(git)
        self.wait(f"{count} polls of Git", lambda: sum("upload-pack" in one for one in git[before:]) > count)

    # ------------------------------------------------------------ the operator's process

    def operator_pods(self) -> list[Doc]:
        """Those that are not on their way out."""
        pods = self.world.cluster.list("v1", "Pod", NAMESPACE, {"app.kubernetes.io/name": "gitops-canary"})
        return [dict(pod) for pod in pods if not pod["metadata"].get("deletionTimestamp")]

    def pid(self, pod: Doc | None = None) -> int:
        """The process of that (or the only) operator pod."""
        uid = (pod or self.operator_pods()[0])["metadata"]["uid"].encode()
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                if b"run" in words and any(uid in word for word in words):
                    return int(folder.name)
        raise AssertionError(f"no process of pod {uid.decode()}")

    def helm_workers(self) -> dict[int, str]:
        """The processes, by id, that run Helm for the operator, each with its command line."""
        own, found = self.pid(), {}
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                words, line = (folder / "stat").read_text().rpartition(")")[2].split(), (folder / "cmdline").read_text()
                if int(words[1]) == own and "adapters.helm.worker" in line:
                    found[int(folder.name)] = line
        return found

    @contextlib.contextmanager
    def freeze(self, pod: Doc | None = None) -> Iterator[None]:
        """SIGSTOP, and SIGCONT at the end."""
        pid = self.pid(pod)
        os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def kill_operator(self) -> None:
        """SIGKILL, as the kernel out of memory does; the kubelet starts the container again in the same pod."""
        pod = self.operator_pods()[0]
        os.kill(self.pid(pod), signal.SIGKILL)

    def restart_operator(self) -> None:
        """`kubectl rollout restart`; returns when the new pod leads."""
        old = {pod["metadata"]["name"] for pod in self.operator_pods()}
        self.kubectl("-n", NAMESPACE, "rollout", "restart", "deployment/gitops-canary")
        self.wait("a new operator pod", lambda: [pod for pod in self.operator_pods() if pod["metadata"]["name"] not in old and _ready(pod)])
        self.attach(but=old)

    def scale_operator(self, count: int) -> None:
        """Returns when so many are ready, no other is left, and, if there is one at all, one of them leads."""
        self.kubectl("-n", NAMESPACE, "scale", "deployment/gitops-canary", f"--replicas={count}")

        def settled() -> bool:
            pods = self.operator_pods()
            return (
                len(pods) == count
                and all(map(_ready, pods))
                and (not count or any(LEADER_LABEL in pod["metadata"]["labels"] for pod in pods))
            )

        self.wait(f"{count} operators", settled)
        self.attach()

    def attach(self, but: frozenset[str] | set[str] = frozenset()) -> None:
        """Follow the operator's ready pods and lead the registry's webhook to the newest."""
        for pod in self.operator_pods():
            if _ready(pod) and pod["metadata"]["name"] not in but:
                self.log.follow(pod["metadata"]["name"])
                self.world.registry.webhooks.clear()
                self.world.connect_webhooks(f"http://{pod['status']['podIP']}:8080")

    # ------------------------------------------------------------ looking and waiting

    def wait(self, what: str, condition: Callable[[], T], patience: float = PATIENCE) -> T:
        """What the condition says once it is true (or not empty)."""
        end = time.monotonic() + patience
        while not (found := condition()):
            if time.monotonic() > end:
                last = "\n".join(line.text for line in self.log.lines[-12:])
                raise TimeoutError(f"waited {patience:.0f} s for {what}; the operator's last words:\n{last}")
            threading.Event().wait(LOOK)
        return found

    def wait_said(self, *words: str, since: Mark | None = None) -> Said:
        """The first line (after the mark) that holds all these words."""

        def heard() -> list[Said]:
            return [one for one in self.log.lines[since.lines if since else 0 :] if all(word in one.line for word in words)]

        return self.wait(f"the sentence {' … '.join(words)!r}", heard)[0]

    def wait_commit(self, subject: str, since: Mark | None = None) -> str:
        """The revision of the first commit (after the mark) whose subject begins so."""
        found = self.wait(
            f"the commit {subject!r}", lambda: [one.revision for one in self.commits(since) if one.subject.startswith(subject)]
        )
        return found[0]

    def wait_synced(self, revision: str) -> None:
        """Git's commit, or a later one, is in the cluster."""
        repository, inventory = self.world.git.repository(REPOSITORY), InventoryStore(self.world.cluster, NAMESPACE)

        def contained() -> bool:
            inventory.forget()
            synced = inventory.load().revision
            return bool(synced) and not repository.log(f"{synced}..{revision}")

        self.wait(f"{revision[:7]} to be synced", contained)

    def commits(self, since: Mark | None = None) -> list[Logged]:
        """Oldest first."""
        repository = self.world.git.repository(REPOSITORY)
        return repository.log(f"{since.head}..main" if since else "main")[::-1]

    def mark(self) -> Mark:
        head = self.world.git.repository(REPOSITORY).head()
        return Mark(len(self.log.lines), head or "", self._audit_length())

    def since(self, mark: Mark) -> Since:
        return Since(self.log.lines[mark.lines :], self.commits(mark), self.asked(mark.asked))

    def asked(self, place: int = 0) -> list[Asked]:
        """What the operator and its applier asked, from the beginning or from a mark's `asked` on."""
        plane = self.world.plane
        if plane is not None:
            seen = [(one.impersonated or one.user, one) for one in plane.audit(place)]
        else:
            seen = [(one.user, one) for one in list(self._sandbox_audit)[place:]]
        return [Asked(user, one.verb, one.resource, one.namespace, one.name, one.code) for user, one in seen if user in (ACCOUNT, APPLIER)]

    # ------------------------------------------------------------ inside

    def _play(self) -> None:
        world = self.world
        world.git.create(REPOSITORY, {path: text for path, text in template_files().items() if path.startswith(BASE)})
        self.person = Person(world.git, REPOSITORY, self._folder / "person")
        self.overlay = overlay(world, self._folder / "overlay", self.settings)
        self.installed = self.kubectl("apply", "-k", str(self.overlay))
        self.wait("the operator's pod", lambda: any(map(_ready, self.operator_pods())))
        self.attach()
        world.git.add_key(world.deploy_key(), write=True)
        self.wait("the load tester", lambda: _at(self.get("deployment", "flagger-loadtester", "test"), "status", "readyReplicas"))

    def _audit_length(self) -> int:
        return self.world.plane.audit_mark() if self.world.plane is not None else len(self._sandbox_audit)

    @property
    def _sandbox_audit(self) -> Sequence[Any]:
        assert self.world.api is not None
        return self.world.api.audit


def _ready(pod: Doc) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _at(doc: Doc | None, *path: str) -> Any:
    found: Any = doc
    for step in path:
        found = (found or {}).get(step)
    return found
