"""The apps on a stage: what people do with one, what is seen of it, and all apps of a file of stories together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from gitops_canary.sandbox.world import REPOSITORY
from tests.conformance.product.log import Said
from tests.conformance.product.scripts import FIRST, Script
from tests.conformance.product.seen import Doc, Mark
from tests.conformance.product.stage import Stage


@dataclass
class App:
    """One app on the stage: what people do with it, and what is seen of it."""

    stage: Stage
    script: Script
    digests: dict[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of its namespace."""
        return self.script.name

    def push(self, tag: str, behaviour: str = "good") -> None:
        self.digests[tag] = self.stage.world.push(self.script.image, tag, behaviour=behaviour)

    def edit(self, old: str, new: str, message: str = "A person's change") -> str:
        """Replace text in its file, as a person, and push; the revision."""
        return self.stage.person.edit(self.script.path, old, new, message)

    @property
    def file(self) -> str:
        return self.stage.person.read(self.script.path)

    @property
    def results(self) -> Doc:
        """The result file as Git has it."""
        found: Doc = yaml.safe_load(self.stage.person.read(f".gitops-canary/default/{self.name}/{self.script.deployment}.yaml"))
        return found

    def results_at(self, revision: str) -> Doc:
        """The result file as that commit left it: the next run may have been recorded since."""
        path = f".gitops-canary/default/{self.name}/{self.script.deployment}.yaml"
        found: Doc = yaml.safe_load(self.stage.world.git.repository(REPOSITORY).read(path, revision))
        return found

    def get(self, kind: str, name: str = "") -> Doc:
        """The live object; it must be there."""
        found = self.find(kind, name)
        assert found is not None, f"no {kind} {self.name}/{name or self.script.deployment}"
        return found

    def find(self, kind: str, name: str = "") -> Doc | None:
        return self.stage.get(kind, name or self.script.deployment, self.name)

    def history(self) -> list[Doc]:
        """Of its Helm release, oldest first."""
        found: list[Doc] = yaml.safe_load(self.stage.helm("-n", self.name, "history", "app", "-o", "json"))
        return found

    def patch(self, kind: str, body: Doc, name: str = "") -> None:
        """`kubectl patch`, as a person."""
        self.stage.patch(kind, name or self.script.deployment, self.name, body)

    @property
    def status(self) -> Doc:
        return (self.find("canary") or {}).get("status") or {}

    @property
    def phase(self) -> str:
        return str(self.status.get("phase", ""))

    @property
    def weight(self) -> int:
        """What the route sends to the canary."""
        route = self.get("virtualservice")["spec"]["http"][0]["route"]
        target = f"{self.script.deployment}-canary"
        return next((int(one.get("weight", 100)) for one in route if one["destination"]["host"].split(".")[0] == target), 0)

    def image(self, name: str = "") -> str:
        """The tag that a Deployment (the primary when none is named) is to run."""
        doc = self.get("deployment", name or f"{self.script.deployment}-primary")
        image = str(doc["spec"]["template"]["spec"]["containers"][0]["image"])
        return image.partition("@")[0].rpartition(":")[2]

    def replicas(self, name: str = "") -> int:
        return int(self.get("deployment", name)["spec"]["replicas"])

    def wait(self, what: str, condition: Callable[[], Any]) -> Any:
        return self.stage.wait(f"{self.name}: {what}", condition)

    def wait_phase(self, *phases: str) -> str:
        """One of them."""
        found: str = self.wait(f"phase {' or '.join(phases)}", lambda: self.phase if self.phase in phases else "")
        return found

    def wait_weight(self, least: int) -> None:
        """The analysis is under way and this much traffic goes to the canary."""
        self.wait(f"weight {least}", lambda: self.phase == "Progressing" and self.status.get("canaryWeight", 0) >= least)

    def wait_commit(self, subject: str, since: Mark | None = None) -> str:
        return self.stage.wait_commit(subject, since)

    def wait_said(self, *words: str, since: Mark | None = None) -> Said:
        return self.stage.wait_said(self.name, *words, since=since)

    def wait_promoted(self, tag: str) -> None:
        """Recorded, and at rest."""
        self.wait_commit(f"Promote {self.script.deployment}.{self.name} {tag}")
        self.wait("the end of the promotion", lambda: self.phase == "Succeeded" and self.image() == tag)

    def subjects(self, since: Mark | None = None) -> list[str]:
        """Of the operator's commits about it, oldest first."""
        own = f"{self.script.deployment}.{self.name} "
        return [one.subject for one in self.stage.commits(since) if own in f"{one.subject} " or f"{self.script.image}:" in one.subject]


class Cast:
    """The apps of one file of stories: committed at once, each initialised when it is asked for."""

    def __init__(self, stage: Stage, scripts: Sequence[Script]) -> None:
        self._apps = {script.name: App(stage, script) for script in scripts}
        for app in self._apps.values():
            app.push(FIRST)
        before = [doc for script in scripts for doc in script.before]
        if before:
            stage.kubectl("apply", "-f", "-", docs=before)
        stage.person.commit({path: text for script in scripts for path, text in script.files.items()}, f"Apps {', '.join(self._apps)}")

    def __getitem__(self, name: str) -> App:
        app = self._apps[name]
        if app.script.canary and app.script.initialises:
            app.wait("a phase at rest", lambda: app.phase in ("Initialized", "Succeeded", "Failed"))
        return app
