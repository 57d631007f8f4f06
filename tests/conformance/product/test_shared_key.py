"""Stories of one image location in Git with more than one canary behind it, or more than one result pending for it (rules G4, G6)."""

import pytest
import yaml

from tests.conformance.product.apps import Cast
from tests.conformance.product.scripts import LOADTESTER, Script, canary, chart, deployment, namespace
from tests.conformance.product.stage import Stage

HALTS = {"name": "halts", "type": "rollout", "url": f"{LOADTESTER}gate/halt", "timeout": "5s"}


def pair() -> Script:
    """One HelmRelease whose chart makes two workloads from one image; the canary `app` always fails, `twin` takes its time."""
    image = "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
    workloads = [deployment("pair", "IMAGE", app=name, automated=False).replace("IMAGE:1.0.0", f'"{image}"') for name in ("app", "twin")]
    first, second = canary("pair", hooks=[HALTS]), canary("pair", step=1, app="twin")
    templates = "---\n".join([*workloads, first]) + "---\n{{- if .Values.twin }}\n" + second + "{{- end }}\n"
    annotations = {"fluxcd.io/automated": "true", "filter.fluxcd.io/chart-image": "semver:>=1"}
    release = {
        "apiVersion": "flux.weave.works/v1beta1",
        "kind": "HelmRelease",
        "metadata": {"name": "pair", "namespace": "pair", "annotations": annotations},
        "spec": {
            "releaseName": "pair",
            "chart": {"path": "charts/pair"},
            "values": {"image": {"repository": "shop/pair", "tag": "1.0.0"}, "twin": True},
        },
    }
    files = {
        "charts/pair/Chart.yaml": "apiVersion: v2\nname: pair\nversion: 1.0.0\n",
        "charts/pair/templates/all.yaml": templates,
        "apps/pair.yaml": namespace("pair") + "---\n" + yaml.safe_dump(release, sort_keys=False),
    }
    return Script("pair", files, "shop/pair", "apps/pair.yaml")


APPS = [pair(), chart("twice")]


@pytest.fixture(scope="module")
def cast(stage: Stage) -> Cast:
    return Cast(stage, APPS)


def test_G6_of_two_canaries_on_one_key_the_last_to_end_puts_the_image_back(cast: Cast, stage: Stage) -> None:
    app = cast["pair"]
    app.wait("the twin", lambda: ((app.find("canary", "twin") or {}).get("status") or {}).get("phase") == "Initialized")
    app.push("1.0.1")
    app.wait_commit("Roll back app.pair 1.0.1 to 1.0.0: ")
    assert "tag: 1.0.1\n" in app.file
    assert (app.results["run"]["edited"], "still analysed by twin.pair" in app.results["run"]["says"]) == (False, True)
    app.edit("twin: true", "twin: false", "No canary of the twin any more")
    stage.wait_commit("Abort twin.pair 1.0.1: canary deleted")
    assert "tag: 1.0.0\n" in app.file
    app.wait("the targets to go back", lambda: (app.image("app"), app.image("twin")) == ("1.0.0", "1.0.0"))


def test_G4_of_two_results_that_wait_only_the_newer_may_edit_and_both_are_recorded(cast: Cast, stage: Stage) -> None:
    app = cast["twice"]
    app.push("1.0.1", "errors=0.5")
    app.push("0.9.9")
    app.wait_weight(25)
    with stage.git_away():
        app.wait("the rollback", lambda: [one["outcome"] for one in app.status.get("pendingResults") or ()] == ["rolled-back"])
        stage.kubectl("-n", "twice", "set", "image", "deployment/app", "podinfo=shop/twice:0.9.9")
        app.wait("both", lambda: [one["outcome"] for one in app.status.get("pendingResults") or ()] == ["rolled-back", "promoted"])
    app.wait_commit("Promote app.twice 0.9.9")
    own = [subject.partition(":")[0] for subject in app.subjects()]
    assert own == ["Auto-release shop/twice", "Roll back app.twice 1.0.1 to 1.0.0", "Promote app.twice 0.9.9"]
    assert "tag: 1.0.1\n" in app.file, "the older result left the file alone"
    assert [one["tag"] for one in app.results["quarantine"]] == ["1.0.1"]
