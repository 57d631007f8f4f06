"""Stories of an operator that is killed at the worst moment: a result not recorded, Helm in the middle of an upgrade (G2, H2, H3)."""

import json
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.conformance.product.apps import Cast
from tests.conformance.product.programs import program
from tests.conformance.product.scripts import Script, namespace, plain
from tests.conformance.product.stage import Stage

GATED = {
    "Chart.yaml": "apiVersion: v2\nname: gated\nversion: 1.0.0\n",
    "values.yaml": "text: one\n",
    "templates/text.yaml": """apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  text: {{ .Values.text }}
""",
    "templates/gate.yaml": """apiVersion: batch/v1
kind: Job
metadata:
  name: {{ .Release.Name }}-gate
  annotations:
    helm.sh/hook: pre-upgrade
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  template:
    spec:
      restartPolicy: Never
      containers:
        - name: gate
          image: shop/gate:1
          command: [sh, -c, exit 0]
""",
}
"""An upgrade waits for a Job whose image nobody has pushed yet."""


def gated(name: str) -> str:
    doc = {
        "apiVersion": "flux.weave.works/v1beta1",
        "kind": "HelmRelease",
        "metadata": {"name": name, "namespace": "gated"},
        "spec": {"releaseName": name, "chart": {"path": "charts/gated"}, "values": {"text": "one"}},
    }
    return str(yaml.safe_dump(doc, sort_keys=False))


def releases() -> Script:
    files = {f"charts/gated/{path}": text for path, text in GATED.items()}
    files |= {"apps/gated.yaml": namespace("gated"), "apps/ours.yaml": gated("ours"), "apps/theirs.yaml": gated("theirs")}
    return Script("gated", files, "shop/none", "apps/ours.yaml", canary=False)


APPS = [plain("killed", step=10), releases()]


@dataclass(frozen=True)
class Scene:
    """What was there before: the apps, and the Helm workers of the killed process."""

    cast: Cast
    workers: Mapping[int, str]


@pytest.fixture(scope="module")
def scene(stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """One kill for all: Git is away with a result pending, `ours` is being upgraded, `theirs` was left pending by a person's helm."""
    cast = Cast(stage, APPS)
    stage.wait("both releases", lambda: settled(stage, "ours") and settled(stage, "theirs"))
    app = cast["killed"]
    leave_pending(stage, tmp_path_factory.mktemp("gated"))
    stage.person.edit("apps/ours.yaml", "text: one", "text: two", "Another text")
    stage.wait("Helm at work", lambda: stage.get("batch/v1/Job", "ours-gate", "gated"))
    app.push("1.0.1")
    app.wait_phase("Progressing")
    with stage.git_away():
        app.wait("a result that waits", lambda: [one["outcome"] for one in app.status.get("pendingResults") or ()] == ["promoted"])
        scene = Scene(cast, stage.helm_workers())
        stage.kill_operator()
    stage.world.push("shop/gate", "1", program="chart-test")
    return scene


def settled(stage: Stage, name: str) -> bool:
    return ((stage.get("helmrelease", name, "gated") or {}).get("status") or {}).get("phase") == "Succeeded"


def leave_pending(stage: Stage, folder: Path) -> None:
    """A person's `helm upgrade` that is killed while it waits for its hook."""
    for path, text in GATED.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    words = ["--kubeconfig", str(stage.world.kubeconfig), "-n", "gated", "upgrade", "theirs", str(folder), "--set", "text=theirs"]
    with subprocess.Popen([program("helm"), *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as person:
        stage.wait("a person's helm at work", lambda: stage.get("batch/v1/Job", "theirs-gate", "gated"))
        person.send_signal(signal.SIGKILL)


def told(stage: Stage, first: str, last: str) -> None:
    """An Event of the operator's says so."""
    stage.wait(f"the Event {first!r}", lambda: [text for text in stage.events("gated") if text.startswith(first) and text.endswith(last)])


def history(stage: Stage, name: str) -> list[tuple[int, str]]:
    found = json.loads(stage.helm("-n", "gated", "history", name, "-o", "json"))
    return [(one["revision"], one["status"]) for one in found]


def test_H3_no_helm_worker_outlives_the_operator(scene: Scene, stage: Stage) -> None:
    assert scene.workers, "the operator had workers"
    stage.wait("the workers' end", lambda: not [pid for pid in scene.workers if Path(f"/proc/{pid}/cmdline").exists() and alive(pid)])


def alive(pid: int) -> bool:
    """A process that nobody has waited for yet is dead all the same."""
    return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()


def test_G2_a_result_that_was_decided_but_not_recorded_becomes_exactly_one_commit(scene: Scene) -> None:
    app = scene.cast["killed"]
    app.wait_promoted("1.0.1")
    app.wait("nothing pending", lambda: not app.status.get("pendingResults"))
    app.push("1.0.2")
    app.wait_promoted("1.0.2")
    assert app.subjects() == [
        "Auto-release shop/killed:1.0.1",
        "Promote app.killed 1.0.1",
        "Auto-release shop/killed:1.0.2",
        "Promote app.killed 1.0.2",
    ]
    assert app.results["run"]["number"] == 2


def test_H2_an_upgrade_of_ours_that_was_cut_off_is_marked_failed_and_goes_forward(scene: Scene, stage: Stage) -> None:
    stage.wait("the upgrade", lambda: history(stage, "ours") == [(1, "superseded"), (2, "failed"), (3, "deployed")])
    assert (stage.get("configmap", "ours", "gated") or {})["data"] == {"text": "two"}
    told(stage, "ours: revision 2 was left pending-upgrade by", "; it is marked failed")


def test_H2_an_upgrade_that_a_person_left_pending_is_reported_and_not_touched(scene: Scene, stage: Stage) -> None:
    told(stage, "revision 2 of theirs is pending-upgrade, and it was not this operator that left it so", "frees it")
    assert history(stage, "theirs") == [(1, "deployed"), (2, "pending-upgrade")]
    assert (stage.get("configmap", "theirs", "gated") or {})["data"] == {"text": "one"}
    stage.helm("-n", "gated", "rollback", "theirs", "1")
    stage.wait("the release at rest", lambda: history(stage, "theirs")[-1] == (3, "deployed"))
