"""A chart is rendered by Helm in a child process, the same by the SDK and by the binary; what goes wrong is a sentence."""

import os
import signal
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gitops_canary.adapters.helm.rendering import Renderer
from gitops_canary.domain.errors import UserError
from tests.adapters.helm.conftest import BACKENDS

CONFIG = "kind: ConfigMap\napiVersion: v1\nmetadata:\n  name: {{ .Release.Name }}.{{ .Release.Namespace }}\n"
FILES = {
    "Chart.yaml": "apiVersion: v2\nname: app\nversion: 1.0.0\n",
    "values.yaml": "text: chart\n",
    "templates/one.yaml": CONFIG + "data: {text: {{ .Values.text }}}\n---\n" + CONFIG + "data: {second: x}\n",
    "templates/hook.yaml": CONFIG.replace(
        "metadata:", 'metadata:\n  annotations: {helm.sh/hook: test, x: "{{ lookup "v1" "Secret" "a" "b" }}"}'
    ),
    "templates/none.yaml": "{{ if .Values.never }}x: 1{{ end }}",
    "charts/below/Chart.yaml": "apiVersion: v2\nname: below\nversion: 1.0.0\n",
    "charts/below/templates/two.yaml": CONFIG,
}


def chart(folder: Path, more: Mapping[str, str] | None = None) -> Path:
    for name, text in {**FILES, **(more or {})}.items():
        file = folder / "app" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder / "app"


@pytest.fixture(params=BACKENDS, ids=lambda name: "sdk" if name == "sdk" else "binary")
def helm(request: pytest.FixtureRequest) -> Iterator[Renderer]:
    with Renderer(backend=request.param) as made:
        yield made


def test_a_chart_renders_by_template_with_hooks_and_charts_below(helm: Renderer, tmp_path: Path) -> None:
    seen = {name: text for name, text in helm.render(chart(tmp_path), "web", "test", {"text": "given"}).items() if text.strip()}
    assert sorted(seen) == ["charts/below/templates/two.yaml", "templates/hook.yaml", "templates/one.yaml"]
    assert "name: web.test" in seen["templates/one.yaml"]
    assert "data: {text: given}" in seen["templates/one.yaml"]
    assert "data: {second: x}" in seen["templates/one.yaml"]


WRONG = [
    pytest.param({"templates/x.yaml": '{{ fail "not like this" }}'}, "not like this", id="fail"),
    pytest.param({"templates/x.yaml": "{{ if }}"}, "templates/x.yaml", id="no template"),
    pytest.param({"values.schema.json": '{"required": ["size"]}'}, "size", id="values against the schema"),
    pytest.param({"Chart.yaml": "name: app\n"}, "cannot render chart app", id="no chart"),
]


@pytest.mark.parametrize(("more", "words"), WRONG)
def test_what_helm_refuses_is_its_own_sentence_without_this_machines_folders(
    more: dict[str, str], words: str, helm: Renderer, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=f"^cannot render chart app: .*{words}" if words != "cannot render chart app" else words) as refused:
        helm.render(chart(tmp_path, more), "web", "test", {})
    assert str(tmp_path) not in str(refused.value)
    chart(tmp_path / "good")
    assert helm.render(tmp_path / "good" / "app", "web", "test", {})


ENDLESS = '{{- range $i := until 100000 }}{{ range $j := until 100000 }}{{ sha256sum "x" }}{{ end }}{{ end }}'


def test_a_chart_that_never_ends_is_ended_and_the_next_one_renders(tmp_path: Path) -> None:
    endless, good = chart(tmp_path / "endless", {"templates/x.yaml": ENDLESS}), chart(tmp_path / "good")
    with Renderer(limit=0.5, backend="sdk") as helm:
        with pytest.raises(UserError, match="did not end within"):
            helm.render(endless, "web", "test", {})
        assert helm.render(good, "web", "test", {})


def test_a_worker_that_dies_is_a_sentence_and_a_new_one_is_started(tmp_path: Path) -> None:
    with Renderer(backend="sdk") as helm:
        helm.render(chart(tmp_path), "web", "test", {})
        assert helm._child is not None
        os.kill(helm._child.pid, signal.SIGKILL)
        with pytest.raises(UserError, match="Helm's worker died"):
            helm.render(chart(tmp_path), "web", "test", {})
        assert helm.render(chart(tmp_path), "web", "test", {})


def test_without_helm_the_absence_is_said_and_not_blamed_on_a_chart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.delenv("HELM_BIN", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with Renderer() as helm, pytest.raises(UserError, match="there is no `helm` on PATH"):
        helm.find()
