"""`gitops-canary validate` on what nobody should write: a sentence with its place for each, never a traceback, and SARIF by its schema."""
# ruff: noqa: E501 (tables: one row a line)

import json
import string
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Sarif

from gitops_canary.adapters.folder import Folder
from gitops_canary.cli import main
from gitops_canary.commands.validation.checking import Scope, check, check_and_mend
from tests.commands.repositories import CANARY, DEPLOYMENT, RELEASE, SAMPLE, Validated, repository
from tests.commands.test_validate import BAD

Capture = pytest.CaptureFixture[str]
SOURCE = "repository: https://charts.example.com\n    name: web\n    version: 1.0.0"


def git(url: str, ref: str = "main") -> str:
    return RELEASE.replace(SOURCE, f"git: {url}\n    ref: {ref}\n    path: charts/web")


WILD = [
    pytest.param(git("'--upload-pack=touch x'"), 9, "chart", "cannot use the Git URL '--upload-pack=touch x'", id="B55 an option"),
    pytest.param(git("ssh://-oProxyCommand=x/y"), 9, "chart", "cannot use the Git URL", id="B55 an option of ssh"),
    pytest.param(git("'ext::sh -c x'"), 9, "chart", "cannot use the Git URL", id="B55 ext"),
    pytest.param(git("file:///etc"), 9, "chart", "local repositories are not allowed here", id="B55 a file"),
    pytest.param(git("'https://me:hunter2@exa mple.com/a'"), 9, "chart", "https://***@exa mple.com/a", id="a login in a wrong URL"),
    pytest.param(git("https://github.com/a/b", "refs/heads/../x"), 10, "chart", "not a valid Git ref name", id="B56 a ref upwards"),
    pytest.param(git("https://github.com/a/b", "--exec=x"), 10, "chart", "not a valid Git ref name", id="B56 an option as ref"),
    pytest.param(RELEASE.replace("https://charts", "ftp://charts"), 9, "chart", "write https://, http:// or oci://", id="a repository by FTP"),
    pytest.param(RELEASE.replace(SOURCE, "path: ../../etc"), 8, "release", "leaves its repository", id="B54 a path upwards"),
    pytest.param(RELEASE.replace(SOURCE, "path: /etc"), 8, "release", "leaves its repository", id="B54 an absolute path"),
    pytest.param(RELEASE.replace("annotations: {}", "annotations: [1]"), 1, "unreadable", "annotations of HelmRelease web are no mapping", id="annotations as a list"),
    pytest.param(RELEASE.replace("annotations: {}", "labels: {a: 1}"), 1, "unreadable", "label a of HelmRelease web is not text", id="a label as number"),
    pytest.param(RELEASE.replace("namespace: test", "namespace: [a]"), 1, "unreadable", "the namespace of HelmRelease web is not text", id="a namespace as list"),
    pytest.param(RELEASE.replace("tag: 1.0.0", "tag: 1.0.0\n      x: [1, .nan]"), 1, "unreadable", "spec.values.image.x.1 of HelmRelease web is not a finite number", id="B40 NaN among the values"),
    pytest.param(CANARY.replace("stepWeight: 5", "stepWeight: .inf"), 1, "unreadable", "spec.analysis.stepWeight of Canary web is not a finite", id="B40 infinity"),
    pytest.param(CANARY.replace("interval: 15s", f"interval: {'9' * 30}m"), 14, "canary", "is not a duration", id="B39 huge interval"),
    pytest.param(CANARY.replace("threshold: 10", "threshold: -1"), 15, "canary", "threshold -1 is below 0", id="B41 threshold below 0"),
    pytest.param(CANARY.replace("stepWeight: 5", "stepWeights: [50, 20]"), 16, "canary", "do not rise", id="weights that fall"),
    pytest.param(CANARY + "    webhooks: [{name: a, url: 'not a url'}]\n", 18, "canary", "write http:// or https://", id="a hook without URL"),
    pytest.param(CANARY.replace("  service:", "  provider: nginx\n  service:"), 11, "canary", "provider nginx is not supported", id="another mesh"),
    pytest.param(CANARY.replace("stepWeight: 5", "mirror: true\n    stepWeight: 5"), 16, "canary", "(analysis.mirror) is not supported", id="mirroring"),
    pytest.param(CANARY.replace("port: 9898", "port: 0"), 12, "canary", "service.port is missing", id="port 0"),
    pytest.param(CANARY.replace("    stepWeight: 5\n", "    stepWeight: 0\n"), 13, "canary", "analysis has neither", id="B40 stepWeight 0"),
    pytest.param(CANARY.replace("name: web\n  n", "name: 'a\"} or up'\n  n", 1), 4, "name", "which Kubernetes refuses", id="B43 PromQL in a name"),
    pytest.param(RELEASE.partition("spec:")[0] + "spec:\n", 7, "schema", "spec: null is not of type object", id="an empty spec"),
    pytest.param("version https://git-lfs.github.com/spec/v1\nsize 1\n", 1, "unreadable", "no Kubernetes object", id="B51 a pointer of Git LFS"),
    pytest.param("apiVersion: v1\nkind: List\nitems: [1]\n", 3, "unreadable", "no Kubernetes object", id="B33 a List of numbers"),
    pytest.param("a: &a\n  b: *a\n", 1, "unreadable", "nested deeper", id="an alias of itself"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "code", "words"), WILD)
def test_what_nobody_should_write_is_an_error_with_its_place(
    text: str, line: int, code: str, words: str, tmp_path: Path, capsys: Capture
) -> None:
    seen = Validated(capsys, repository(tmp_path, {"a.yaml": text}), "--no-render")
    assert [(one["line"], one["level"], one["code"]) for one in seen.findings] == [(line, "error", code)], seen.findings
    assert words in seen.findings[0]["sentence"]
    assert "hunter2" not in json.dumps(seen.said)
    assert seen.status == 1


def test_B42_two_metrics_of_one_name_get_a_warning(tmp_path: Path, capsys: Capture) -> None:
    metric = "{name: a, interval: 1m, query: up, thresholdRange: {min: 1}}"
    root = repository(tmp_path, {"a.yaml": CANARY + f"    metrics:\n    - {metric}\n    - {metric}\n"})
    seen = Validated(capsys, root, "--no-render")
    assert (seen.status, seen.short) == (0, [("a.yaml:20", "warning", "canary")])
    assert "two metrics are called a" in seen.findings[0]["sentence"]


TEMPLATE = """apiVersion: flagger.app/v1beta1
kind: MetricTemplate
metadata: {name: own, namespace: test}
spec: {provider: {type: prometheus, address: 'http://p:9090'}, query: 'up{app="{{ target }}", ns="{{ namespace }}"}[{{ interval }}]'}
"""
QUERIES = {
    "inline": ("{name: a, query: 'up{app=\"{{ target }}\"}'}", "", ""),
    "B44 an unknown word inline": ("{name: a, query: 'up{{ bogus }}'}", "", "it has no value for bogus"),
    "B44 a loop": ("{name: a, query: 'up{{ range . }}'}", "", "only plain functions such as {{ target }} are supported"),
    "a template": ("{name: a, templateRef: {name: own}}", TEMPLATE, ""),
    "a template that is elsewhere": ("{name: a, templateRef: {name: none}}", TEMPLATE, ""),
    "a variable": ("{name: a, templateRef: {name: own}, templateVariables: {x: web}}", TEMPLATE.replace("target", "variables.x"), ""),
    "a variable that is not given": ("{name: a, templateRef: {name: own}}", TEMPLATE.replace("target", "variables.x"), "no value for variables.x"),
    "another provider": ("{name: a, templateRef: {name: own}}", TEMPLATE.replace("type: prometheus", "type: datadog"), "provider type datadog is not supported"),
}  # fmt: skip


@pytest.mark.parametrize(("metric", "template", "words"), QUERIES.values(), ids=QUERIES)
def test_a_query_that_the_operator_could_not_put_is_an_error(
    metric: str, template: str, words: str, tmp_path: Path, capsys: Capture
) -> None:
    seen = Validated(capsys, repository(tmp_path, {"a.yaml": CANARY + f"    metrics: [{metric}]\n", "t.yaml": template}), "--no-render")
    assert seen.short == ([("a.yaml:18", "error", "canary")] if words else []), seen.findings
    assert all(words in one["sentence"] for one in seen.findings)


CHART = {
    "charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 0.1.0\n",
    "charts/web/templates/a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
    "web.yaml": RELEASE.replace(SOURCE, "path: charts/web"),
}


def test_a_chart_needs_no_values_of_its_own_and_its_templates_are_no_manifests(tmp_path: Path, capsys: Capture) -> None:
    files = {
        **CHART,
        "charts/web/templates/b.yaml": "{{ range until 3 }}\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b{{ . }}}\n---\n{{ end }}",
    }
    seen = Validated(capsys, repository(tmp_path, files))
    assert (seen.findings, seen.said["files"], seen.said["chartsRendered"]) == ([], 1, 1)


def test_B60_a_chart_asks_neither_cluster_nor_names(tmp_path: Path, capsys: Capture) -> None:
    text = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: {{ lookup "v1" "Secret" "x" "y" | len | quote }}, y: {{ getHostByName "localhost" | quote }}}\n'
    assert Validated(capsys, repository(tmp_path, {**CHART, "charts/web/templates/a.yaml": text})).findings == []


def test_B61_a_schema_elsewhere_is_not_fetched(tmp_path: Path, capsys: Capture) -> None:
    schema = '{"properties": {"a": {"$ref": "https://example.invalid/a.json"}}}'
    seen = Validated(capsys, repository(tmp_path, {**CHART, "charts/web/values.schema.json": schema}))
    assert [(one["level"], one["code"]) for one in seen.findings] == [("warning", "render")]
    assert "its values.schema.json refers to https://example.invalid/a.json, which Helm would fetch" in seen.findings[0]["sentence"]


@pytest.mark.parametrize(("name", "data"), [("charts/web/values.schema.json", b"{"), ("charts/web/charts/evil.tgz", b"none")], ids=["B61 half a schema", "B57 no archive"])  # fmt: skip
def test_a_chart_that_helm_cannot_load_is_an_error_with_helms_words(name: str, data: bytes, tmp_path: Path, capsys: Capture) -> None:
    seen = Validated(capsys, repository(tmp_path, {**CHART, name: data}))
    assert [(one["file"], one["level"], one["code"]) for one in seen.findings] == [("web.yaml", "error", "render")]
    assert "unexpected EOF" in seen.findings[0]["sentence"]


# ---------------------------------------------------------------- SARIF by its published schema


@pytest.mark.parametrize("files", [pytest.param({"rel eases/a.yaml": SAMPLE}, id="the guide's sample"), *(pytest.param(one.values[0], id=str(one.id)) for one in BAD)])  # fmt: skip
def test_sarif_fits_its_published_schema(files: dict[str, str | bytes], tmp_path: Path, capsys: Capture) -> None:
    main(["validate", str(repository(tmp_path, files)), "-o", "sarif", "--no-render"])
    said = Sarif.model_validate_json(capsys.readouterr().out)
    assert said.runs[0].results


@pytest.mark.parametrize("wrong", [{"version": "2.2.0"}, {"runs": [{"results": []}]}, {"odd": 1}], ids=str)
def test_the_schema_of_sarif_refuses_what_is_none(wrong: dict[str, object], tmp_path: Path, capsys: Capture) -> None:
    main(["validate", str(repository(tmp_path, {"a.yaml": SAMPLE})), "-o", "sarif", "--no-render"])
    said = json.loads(capsys.readouterr().out)
    with pytest.raises(ValidationError):
        Sarif.model_validate({**said, **wrong})


# ---------------------------------------------------------------- anything at all

BASES = (RELEASE, CANARY, DEPLOYMENT, SAMPLE)
PIECES = st.sampled_from(
    [
        "null",
        "[]",
        "{}",
        ".nan",
        "-1",
        "''",
        "true",
        "1e400",
        "*a",
        "&a",
        "<<: {a: b}",
        "!!binary x",
        "|",
        "- ",
        "? ",
        "\t",
        "\r",
        "\0",
        "---\n",
        "...",
    ]
)
TEXTS = st.one_of(PIECES, st.text(alphabet=string.printable, max_size=12), st.text(max_size=4))


@st.composite
def broken(draw: st.DrawFn) -> str:
    """A manifest with up to three places cut out, doubled or replaced; a scalar is often replaced as a whole."""
    text = draw(st.sampled_from(BASES))
    for _ in range(draw(st.integers(1, 3))):
        lines = text.split("\n")
        at = draw(st.integers(0, len(lines) - 1))
        way = draw(st.sampled_from(["value", "cut", "line", "double", "indent"]))
        if way == "value" and ":" in lines[at]:
            lines[at] = lines[at].partition(":")[0] + ": " + draw(TEXTS)
        elif way == "cut":
            lines[at] = lines[at][: draw(st.integers(0, len(lines[at])))]
        elif way == "line":
            lines[at] = draw(TEXTS)
        elif way == "double":
            lines.insert(at, lines[at])
        else:
            lines[at] = "  " + lines[at]
        text = "\n".join(lines)
    return text


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@example(text=CANARY.replace("stepWeight: 5", "stepWeight: .inf"))
@example(text=RELEASE.replace("annotations: {}", "annotations: [1]"))
@given(text=broken())
def test_any_text_is_checked_and_mended_without_an_exception(text: str, tmp_path: Path) -> None:
    """And each finding has a line of the file."""
    root = repository(tmp_path, {"a.yaml": text.encode("utf-8", "surrogatepass")})
    report = check(Folder(root), Scope(), None)
    assert all(1 <= one.line <= text.count("\n") + text.count("\r") + 2 for one in report.findings), report.findings
    assert all(one.sentence and one.sentence.isprintable() is not None for one in report.findings)
    check_and_mend(Folder(root), Scope(), None)
    again = check_and_mend(Folder(root), Scope(), None)[1]
    assert again == []
