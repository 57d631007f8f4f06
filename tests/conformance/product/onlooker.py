"""What is seen of a stage: live objects, log lines, commits, requests and Events, and how they are waited for; it changes nothing."""

import json
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from gitops_canary.adapters.cluster.stories import COMPONENT
from gitops_canary.domain.resources import Ref
from gitops_canary.managers.inventory import InventoryStore
from gitops_canary.sandbox.gitd import GitServer
from gitops_canary.sandbox.gitd.bare import Logged
from gitops_canary.sandbox.registryd.server import RegistryServer
from gitops_canary.sandbox.world import NAMESPACE, REPOSITORY, Shape, World
from tests.conformance.product.log import Log, Said
from tests.conformance.product.programs import KINDS, program
from tests.conformance.product.seen import ACCOUNT, APPLIER, Asked, Doc, Mark, Since

T = TypeVar("T")
Server = Literal["sandbox", "real"]
PATIENCE = 90.0
LOOK = 0.03


class Onlooker:
    """`met`: whether a defect that was planted for this story has changed anything yet; then no wait lasts longer than `haste` seconds."""

    met: Callable[[], bool] = staticmethod(lambda: False)
    haste = PATIENCE

    def __init__(self, folder: Path, server: Server) -> None:
        self.server, self.world = server, World(folder, Shape(control_plane=server))
        self._kubectl = [program("kubectl"), "--kubeconfig", str(self.world.kubeconfig)]
        self.log = Log(self._kubectl, NAMESPACE)

    @property
    def git(self) -> GitServer:
        """Our own: the stories ask it for faults and for what it was asked."""
        assert isinstance(self.world.git, GitServer)
        return self.world.git

    @property
    def registry(self) -> RegistryServer:
        assert isinstance(self.world.registry, RegistryServer)
        return self.world.registry

    def kubectl(self, *words: str, docs: Sequence[Doc] = (), refused: str = "") -> str:
        """What kubectl prints; `docs` go to `-f -`. With `refused` it must fail with those words, which come back."""
        text = "\n---\n".join(map(json.dumps, docs)) if docs else None
        ended = subprocess.run([*self._kubectl, *words], input=text, capture_output=True, text=True, timeout=120, check=False)
        assert (ended.returncode != 0) == bool(refused), f"kubectl {' '.join(words)}: {ended.stdout}{ended.stderr}"
        assert refused in ended.stderr, ended.stderr
        return ended.stderr if refused else ended.stdout

    def get(self, kind: str, name: str, namespace: str = "") -> Doc | None:
        """The live object; `kind` is one of `KINDS` or `apiVersion/Kind` in full."""
        api, _, short = KINDS.get(kind, kind).rpartition("/")
        found = self.world.cluster.live(Ref(api, short, namespace, name))
        return dict(found) if found is not None else None

    def events(self, namespace: str) -> list[str]:
        """The sentences of the operator's Events there, oldest first."""
        found = json.loads(self.kubectl("-n", namespace, "get", "events", "-o", "json"))["items"]
        own = [one for one in found if one.get("reportingComponent") == COMPONENT]
        return [one["message"] for one in sorted(own, key=lambda one: one["metadata"]["creationTimestamp"])]

    def wait(self, what: str, condition: Callable[[], T], patience: float = PATIENCE) -> T:
        """What the condition says once it is true (or not empty)."""
        started, hurried = time.monotonic(), False
        end = started + patience
        while not (found := condition()):
            if not hurried and self.met():
                end, hurried = min(end, time.monotonic() + self.haste), True
            if time.monotonic() > end:
                last = "\n".join(line.text for line in self.log.lines[-12:])
                raise TimeoutError(f"waited {end - started:.0f} s for {what}; the operator's last words:\n{last}")
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

    def polls(self, count: int) -> None:
        """Returns when the operator has asked Git so often from now on, each poll ended; the registry is asked half as often."""
        git = self.git.commands
        before = len(git)
        self.wait(f"{count} polls of Git", lambda: sum("upload-pack" in one for one in git[before:]) > count)

    def _audit_length(self) -> int:
        return self.world.plane.audit_mark() if self.world.plane is not None else len(self._sandbox_audit)

    @property
    def _sandbox_audit(self) -> Sequence[Any]:
        assert self.world.api is not None
        return self.world.api.audit
