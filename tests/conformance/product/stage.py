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
Each story has a defect in `defects_*.py` that it must see, with the words that it fails with (`sleeping.py`, `planted.py`).
A story that freezes the operator or takes Git away gives it back before it ends: the next one is played on the same stage.
"""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gitops_canary.sandbox.data import template_files
from gitops_canary.sandbox.world import NAMESPACE, REPOSITORY
from tests.conformance.product.installing import overlay
from tests.conformance.product.onlooker import Server
from tests.conformance.product.operated import Operated, ready
from tests.conformance.product.person import Person
from tests.conformance.product.programs import program
from tests.conformance.product.seen import Doc

SETTINGS = {"analysis-interval-floor": "1s", "git-poll-interval": "1s", "registry-poll-interval": "2s", "deleted-canary-patience": "8s"}
BASE = ("namespaces/test.yaml", "releases/test/loadtester.yaml", "charts/")
"""What of the template stands in the cluster repository from the start: the load tester that all apps share, and the charts."""


class Stage(Operated):
    """Entered when the operator leads, its key may write and the load tester runs."""

    def __init__(self, folder: Path, server: Server, settings: Mapping[str, Any] | None = None) -> None:
        super().__init__(folder, server)
        self.settings = {**SETTINGS, **(settings or {})}
        self._folder, self._ends = folder, contextlib.ExitStack()

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

    def patch(self, kind: str, name: str, namespace: str, body: Doc) -> None:
        """`kubectl patch --type merge`."""
        self.kubectl("-n", namespace, "patch", kind, name, "--type=merge", f"--patch={json.dumps(body)}")

    @contextlib.contextmanager
    def git_away(self) -> Iterator[None]:
        """The Git host does not answer; it is back, on the same port with the same keys, afterwards."""
        try:
            self.world.git.stop()
            yield
        finally:
            self.world.git.start()

    # ------------------------------------------------------------ inside

    def _play(self) -> None:
        world = self.world
        world.git.create(REPOSITORY, {path: text for path, text in template_files().items() if path.startswith(BASE)})
        self.person = Person(self.git, REPOSITORY, self._folder / "person")
        self.overlay = overlay(world, self._folder / "overlay", self.settings)
        self.installed = self.kubectl("apply", "-k", str(self.overlay))
        self.wait("the operator's pod", lambda: any(map(ready, self.operator_pods())))
        self.attach()
        world.git.add_key(world.deploy_key(), write=True)
        self.wait("the load tester", lambda: _at(self.get("deployment", "flagger-loadtester", "test"), "status", "readyReplicas"))


def _at(doc: Doc | None, *path: str) -> Any:
    found: Any = doc
    for step in path:
        found = (found or {}).get(step)
    return found
