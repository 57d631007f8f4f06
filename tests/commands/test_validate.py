"""`gitops-canary validate` names each thing that is wrong on its own line, and mends what one-line edits can mend."""
# ruff: noqa: E501 (tables: one row a line)

import json
import subprocess
from pathlib import Path

import pytest

from gitops_canary.cli import main
from gitops_canary.domain.automation import policies_of
from gitops_canary.domain.helmrelease import parse_helmrelease
from gitops_canary.domain.helmrelease_images import image_slots
from gitops_canary.domain.validation.findings import CODES
from gitops_canary.manifests.tree import read_file
from tests.commands.repositories import CANARY, DEPLOYMENT, RELEASE, ROOT, SAMPLE, Validated, repository, template

Capture = pytest.CaptureFixture[str]


# ---------------------------------------------------------------- the template and the seed's sample


def test_the_template_has_nothing_to_mend_and_all_its_charts_render(capsys: Capture) -> None:
    seen = Validated(capsys, ROOT / "repo-template")
    assert (seen.status, seen.findings) == (0, [])
    assert (seen.said["files"], seen.said["objects"], seen.said["chartsRendered"]) == (5, 5, 4)


def test_the_seeds_sample_is_accepted_by_the_operator_as_it_stands() -> None:
    loaded = read_file("releases/test/frontend.yaml", SAMPLE.encode())
    (resource,) = loaded.resources
    spec = parse_helmrelease(resource.doc)
    assert (spec.release, spec.git) == ("frontend", "https://github.com/weaveowrks/flagger")
    assert [(slot.container, slot.image.tag) for slot in image_slots(resource.doc)] == [("chart-image", "3.1.0")]
    assert policies_of(resource).active
    assert not loaded.problems


FOUR = [(12, "error", "chart-url"), (19, "error", "backend"), (19, "error", "nested"), (24, "note", "gateway")]


@pytest.mark.parametrize("around", ["in the template", "alone"])
def test_the_seeds_sample_has_exactly_its_four_defects(around: str, tmp_path: Path, capsys: Capture) -> None:
    root = template(tmp_path) if around == "in the template" else tmp_path
    file = "releases/test/frontend.yaml" if around == "in the template" else "frontend.yaml"
    (root / file).write_text(SAMPLE)
    seen = Validated(capsys, root)
    assert seen.status == 1
    assert seen.short == [(f"{file}:{line}", level, code) for line, level, code in FOUR]
    mended = {one["code"]: one["mended"].strip().split("\n")[0] for one in seen.findings}
    assert mended["chart-url"] == "git: https://github.com/weaveworks/flagger"
    assert mended["backend"] == "backend: http://backend:9898/echo"
    assert mended["nested"] == "backend: http://backend-podinfo:9898/echo"
    assert "gateways: [public-gateway.istio-system.svc.cluster.local, mesh]" in seen.findings[3]["sentence"]


def test_fix_mends_the_seeds_sample_and_touches_no_other_line(tmp_path: Path, capsys: Capture) -> None:
    root = template(tmp_path)
    file = root / "releases/test/frontend.yaml"
    file.write_text("# ours\n" + SAMPLE.replace("    ref: master", "    ref: master  # for now"))
    file.chmod(0o640)
    seen = Validated(capsys, root, "--fix")
    assert (seen.status, [code for _, _, code in seen.short]) == (0, ["gateway"])
    assert sorted(one["code"] for one in seen.said["mended"]) == ["backend", "chart-url", "nested"]
    kept, moved = SAMPLE.split("      backend: ")
    expected = kept.replace("weaveowrks", "weaveworks").replace("    ref: master", "    ref: master  # for now")
    expected += "".join(line[2:] + "\n" for line in ("      backend: " + moved.replace("backend-podinfo", "backend")).splitlines())
    assert file.read_text() == "# ours\n" + expected
    assert file.stat().st_mode & 0o777 == 0o640
    assert [path.name for path in file.parent.iterdir() if path.name.startswith(".")] == []


def test_fix_a_second_time_changes_nothing(tmp_path: Path, capsys: Capture) -> None:
    root = repository(tmp_path, {"frontend.yaml": SAMPLE})
    Validated(capsys, root, "--fix", "--no-render")
    once = (root / "frontend.yaml").read_bytes()
    again = Validated(capsys, root, "--fix", "--no-render")
    assert (again.said["mended"], (root / "frontend.yaml").read_bytes()) == ([], once)


# ---------------------------------------------------------------- bad input, one thing wrong each

NAMESPACE = "apiVersion: v1\nkind: Namespace\nmetadata: {name: other}\n"
BAD = [
    pytest.param({"a.yaml": "a: 1\n b: [\n"}, "a.yaml:2", "error", "unreadable", "not YAML", id="no YAML"),
    pytest.param({"a.yaml": "x: &a [1,1]\n" + "".join(f"{n}: &{n} [*{c},*{c},*{c},*{c},*{c},*{c},*{c},*{c}]\n" for c, n in zip("abcdefgh", "bcdefghi", strict=True))}, None, "error", "unreadable", "", id="B22 billion laughs"),
    pytest.param({"a.yaml": "apiVersion: v1\nx: !!python/object:os.system {}\n"}, "a.yaml:2", "error", "unreadable", "tag", id="B23 a tag"),
    pytest.param({"a.yaml": "x: " + "[" * 10_000}, "a.yaml:1", "error", "unreadable", "deeper than", id="B24 nested"),
    pytest.param({"a.yaml": "#" * (5 * 2**20)}, "a.yaml:1", "error", "unreadable", "more than 4194304 bytes", id="B25 too large"),
    pytest.param({"a.yaml": RELEASE.encode("utf-16")}, "a.yaml:1", "error", "unreadable", "not UTF-8", id="B26 UTF-16"),
    pytest.param({"a.yaml": "a: 1\nb: \0\n"}, "a.yaml:2", "error", "unreadable", "NUL", id="B26 NUL"),
    pytest.param({"a.yaml": "a:\n\tb: 1\n"}, "a.yaml:2", "error", "unreadable", "", id="B27 tab"),
    pytest.param({"a.yaml": "a: 1\nb: 2\na: 3\n"}, "a.yaml:3", "error", "unreadable", "twice", id="B29 duplicate key"),
    pytest.param({"a.yaml": RELEASE.replace("tag: 1.0.0", "tag: 3.10")}, "a.yaml:15", "warning", "image", "a number", id="B30 3.10"),
    pytest.param({"a.yaml": RELEASE.replace("tag: 1.0.0", "tag: NO")}, "a.yaml:15", "warning", "image", "a truth value", id="B30 NO"),
    pytest.param({"a.yaml": RELEASE.replace("tag: 1.0.0", "tag: 1e3")}, "a.yaml:15", "warning", "image", "quotes", id="B30 1e3"),
    pytest.param({"a.yaml": RELEASE.replace("tag: 1.0.0", "tag: 0o7")}, "a.yaml:15", "warning", "image", "quotes", id="B30 0o7"),
    pytest.param({"a.yaml": RELEASE.replace("tag: 1.0.0", "tag: [1]")}, "a.yaml:15", "warning", "image", "no text", id="a list as tag"),
    pytest.param({"a.yaml": RELEASE.replace("tag: 1.0.0", "tag: a b")}, "a.yaml:15", "error", "image", "'a b'", id="no tag can be this"),
    pytest.param({"a.yaml": "# two\n---\n" + RELEASE.replace("example/web", "Example/Web")}, "a.yaml:16", "error", "image", "lower-case", id="B32 second document, image"),
    pytest.param({"a.yaml": "apiVersion: v1\nkind: List\nitems:\n  - apiVersion: v1\n    kind: Service\n    metadata:\n      name: UPPER\n"}, "a.yaml:7", "error", "name", "UPPER", id="B33 in a List"),
    pytest.param({"a.yaml": RELEASE, "b.yaml": RELEASE}, "b.yaml:1", "error", "duplicate", "a.yaml:1 and b.yaml:1", id="B34 in two files"),
    pytest.param({"a.yaml": RELEASE, "b.yaml": RELEASE.replace("name: web\n  n", "name: other\n  n").replace("spec:", "spec:\n  releaseName: test-web")}, "b.yaml:8", "error", "duplicate", "both drive Helm release test-web", id="one Helm release, two names"),
    pytest.param({"a.yaml": RELEASE, "b.yaml": RELEASE.replace("helm.fluxcd.io/v1", "flux.weave.works/v1beta1")}, "b.yaml:1", "error", "two-groups", "neither", id="two API groups"),
    pytest.param({"a.yaml": RELEASE.replace("helm.fluxcd.io/v1", "helm.toolkit.fluxcd.io/v2")}, "a.yaml:1", "error", "api-version", "helm.fluxcd.io/v1", id="B37 unknown apiVersion"),
    pytest.param({"a.yaml": CANARY.replace("v1beta1", "v1alpha3")}, "a.yaml:1", "error", "api-version", "flagger.app/v1beta1", id="B37 old Canary"),
    pytest.param({"a.yaml": RELEASE.replace("name: web\n  n", "name: ../x\n  n")}, "a.yaml:4", "error", "name", "'../x'", id="B38 path as name"),
    pytest.param({"a.yaml": DEPLOYMENT.replace("name: web\n  n", f"name: {'a' * 254}\n  n")}, "a.yaml:4", "error", "name", "longer than 253", id="B38 254 letters"),
    pytest.param({"a.yaml": DEPLOYMENT.replace("name: web\n  n", "name: 'web😀'\n  n")}, "a.yaml:4", "error", "name", "😀", id="B38 emoji"),
    pytest.param({"a.yaml": DEPLOYMENT.replace("namespace: test", "namespace: Test")}, "a.yaml:5", "error", "name", "'Test'", id="B38 upper case"),
    pytest.param({"a.yaml": RELEASE.replace("name: web\n  n", f"name: {'a' * 52}\n  n")}, "a.yaml:4", "error", "name", "at most 53", id="release name too long"),
    pytest.param({"a.yaml": CANARY.replace("interval: 15s", "interval: -1m")}, "a.yaml:14", "error", "schema", "interval", id="B39 negative interval"),
    pytest.param({"a.yaml": CANARY.replace("stepWeight: 5", "stepWeight: 101")}, None, "error", "*", "101", id="B40 stepWeight 101"),
    pytest.param({"a.yaml": CANARY.replace("stepWeight: 5", "stepWeight: 5%")}, "a.yaml:16", "error", "schema", "stepWeight", id="B40 stepWeight 5%"),
    pytest.param({"a.yaml": CANARY.replace("port: 9898", "port: 9898\n    prot: 1")}, "a.yaml:13", "warning", "schema", "spec.service.prot is no field", id="unknown field"),
    pytest.param({"a.yaml": CANARY.replace("port: 9898", "port: 9898\n    targetPort: [1]")}, "a.yaml:13", "error", "schema", "spec.service.targetPort", id="neither number nor text"),
    pytest.param({"a.yaml": CANARY.replace("    port: 9898\n", "    name: web\n")}, "a.yaml:11", "error", "*", "port", id="a field is missing"),
    pytest.param({"a.yaml": CANARY.replace("maxWeight: 50", "maxWeight: 50\n    metrics: [{name: request-success-rate, interval: 1m, thresholdRange: {min: 99, mim: 1}}]")}, "a.yaml:18", "warning", "schema", "spec.analysis.metrics[0].thresholdRange.mim", id="unknown field in a list"),
    pytest.param({"a.yaml": CANARY.replace("    stepWeight: 5\n", "    iterations: 5\n")}, "a.yaml:16", "error", "canary", "blue/green", id="Canary, not supported"),
    pytest.param({"a.yaml": RELEASE.replace("{}", "{filter.fluxcd.io/chart-image: 'semver:>='}")}, "a.yaml:6", "error", "filter", "semver:>=", id="B19 filter"),
    pytest.param({"a.yaml": RELEASE.replace("{}", "\n    fluxcd.io/tag.chart-image: 'regexp:('")}, "a.yaml:7", "error", "filter", "regexp:(", id="legacy filter"),
    pytest.param({"a.yaml": RELEASE.replace("{}", "{filter.fluxcd.io/chart-imgae: 'semver:~1'}")}, "a.yaml:6", "warning", "filter", "it has chart-image", id="filter for no image"),
    pytest.param({"a.yaml": RELEASE.replace("{}", "{fluxcd.io/automatde: 'true'}")}, "a.yaml:6", "warning", "annotation", "automated is", id="annotation misspelt"),
    pytest.param({"a.yaml": RELEASE.replace("{}", "{fluxcd.io/automated: 'yes'}")}, "a.yaml:6", "warning", "annotation", "only the word true", id="not the word true"),
    pytest.param({"a.yaml": RELEASE.replace("{}", "{fluxcd.io/automated: true}")}, "a.yaml:6", "error", "unreadable", "without quotes", id="annotation no text"),
    pytest.param({"a.yaml": DEPLOYMENT.replace("example/web:1.0.0", "example/web:a:b")}, "a.yaml:13", "error", "image", "example/web:a:b", id="container's image"),
    pytest.param({"a.yaml": RELEASE, "n.yaml": NAMESPACE}, "a.yaml:5", "warning", "namespace", "namespace test", id="namespace not made"),
    pytest.param({"a.yaml": RELEASE, "n.yaml": NAMESPACE.replace("{name: other}", "{name: test, annotations: {fluxcd.io/ignore: 'true'}}") + "---\n" + NAMESPACE}, "a.yaml:5", "warning", "namespace", "namespace test", id="namespace ignored"),
    pytest.param({"a.yaml": RELEASE.replace("    version: 1.0.0\n", "")}, "a.yaml:8", "error", "release", "chart.version", id="chart without version"),
    pytest.param({"a.yaml": RELEASE.replace("  values:", "  timeout: long\n  values:")}, "a.yaml:12", "error", "schema", "timeout", id="field of another type"),
    pytest.param({"a.yaml": "a: 1\n"}, "a.yaml:1", "error", "unreadable", "no apiVersion", id="no object"),
    pytest.param({".gitops-canary/default/test/web.yaml": "a: [\n"}, ".gitops-canary/default/test/web.yaml:1", "error", "unreadable", "", id="result file"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "place", "level", "code", "words"), BAD)
def test_each_thing_wrong_is_named_once_with_file_and_line(
    files: dict[str, str | bytes], place: str | None, level: str, code: str, words: str, tmp_path: Path, capsys: Capture
) -> None:
    seen = Validated(capsys, repository(tmp_path, files), "--no-render")
    found = [one for one in seen.findings if code in ("*", one["code"]) and words in one["sentence"]]
    assert found, seen.findings
    assert {one["level"] for one in found} == {level}
    if place:
        assert place in {f"{one['file']}:{one['line']}" for one in found}
    assert {one["code"] for one in seen.findings} == {found[0]["code"]}
    assert seen.status == (1 if level == "error" else 0)


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"a.yaml": "\ufeff" + RELEASE.replace("\n", "\r\n")}, id="B26 B28 BOM and CRLF"),
        pytest.param({"a.yaml": RELEASE.replace("tag: 1.0.0", "tag: &t 1.0.0\n    other: *t")}, id="B31 anchor"),
        pytest.param({"a.yaml": RELEASE.replace("tag: 1.0.0", "tag: '3.10'")}, id="B30 quoted"),
        pytest.param({"a.yaml": RELEASE.replace("      tag: 1.0.0\n", "")}, id="B35 no tag"),
        pytest.param({"a.yaml": CANARY.replace("port: 9898", "port: 9898\n    targetPort: http")}, id="number or text"),
        pytest.param({"a.yaml": CANARY, "b.yaml": DEPLOYMENT}, id="Canary and its target"),
        pytest.param({"a.yaml": RELEASE.replace("tag: 1.0.0", "tag: 1.0.0\n      init: {repository: a/b, tag: '1'}")}, id="image in image"),
        pytest.param({"a.yaml": RELEASE.replace("values:", "values:\n    backend: http://payments.example.com/x")}, id="a backend elsewhere"),
        pytest.param({"a.yaml": RELEASE, "README.md": "a: [", "charts/x/Chart.yaml": "name: x", "charts/x/values.yaml": "", "charts/x/t.yaml": "{{"}, id="charts are no manifests"),
        pytest.param({".git/HEAD": "ref: refs/heads/main"}, id="B53 empty"),
    ],
)  # fmt: skip
def test_what_is_right_is_left_alone(files: dict[str, str], tmp_path: Path, capsys: Capture) -> None:
    seen = Validated(capsys, repository(tmp_path, files), "--no-render")
    assert (seen.status, seen.findings) == (0, [])


@pytest.mark.parametrize(
    ("before", "line"),
    [
        pytest.param(RELEASE.replace("tag: 1.0.0", "tag: 3.10 # the tenth"), '      tag: "3.10" # the tenth', id="number"),
        pytest.param(RELEASE.replace("tag: 1.0.0", "tag: on"), '      tag: "on"', id="truth value"),
        pytest.param(RELEASE.replace("{}", "\n    fluxcd.io/automated: true"), '    fluxcd.io/automated: "true"', id="annotation"),
        pytest.param(RELEASE.replace("repository: https://charts.example.com\n", "git: git@gihtub.com:weavework/x\n    path: c\n").replace("    name: web\n    version: 1.0.0\n", ""), "    git: git@github.com:weaveworks/x", id="host and owner of one address"),
        pytest.param(RELEASE.replace("tag: 1.0.0", "tag: 3.10").replace("\n", "\r\n"), '      tag: "3.10"\r', id="B28 CRLF"),
    ],
)  # fmt: skip
def test_fix_edits_one_line(before: str, line: str, tmp_path: Path, capsys: Capture) -> None:
    root = repository(tmp_path, {"a.yaml": before.encode()})
    seen = Validated(capsys, root, "--fix", "--no-render")
    assert (seen.status, seen.findings) == (0, [])
    after = (root / "a.yaml").read_bytes().decode()
    changed = [new for old, new in zip(before.split("\n"), after.split("\n"), strict=True) if old != new]
    assert changed == [line]


# ---------------------------------------------------------------- charts

CHART = {
    "charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "charts/web/values.yaml": "replicaCount: 2\nservice: {enabled: true}\nimage: {repository: example/web, tag: '1'}\nbackend: ''\ngateway: ''\n",
    "charts/web/templates/canary.yaml": CANARY.replace("  namespace: test\n", "").replace(
        "port: 9898", "port: 9898\n    {{- with .Values.gateway }}\n    gateways: [{{ . }}]\n    {{- end }}"
    ),
    "web.yaml": RELEASE.replace("repository: https://charts.example.com\n    name: web\n    version: 1.0.0", "path: charts/web"),
}
WORKLOAD = DEPLOYMENT.replace("  namespace: test\n", "")
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {ports: [{port: 9898}]}\n"
ROUTE = "apiVersion: networking.istio.io/v1beta1\nkind: VirtualService\nmetadata: {name: web}\nspec: {hosts: [web]}\n"
OWNED = [
    pytest.param("deployment.yaml", WORKLOAD.replace("spec:\n  s", "spec:\n  replicas: {{ .Values.replicaCount }}\n  s"), "warning", "owner", "templates/deployment.yaml renders spec.replicas of Deployment test/web (value replicaCount), which canary test/web scales", id="O1 replicas"),
    pytest.param("service.yaml", "{{ if .Values.service.enabled }}\n" + SERVICE + "{{ end }}\n", "error", "owner", "templates/service.yaml renders Service test/web (value service.enabled), which canary test/web makes itself: the canary would not start; turn it off with service.enabled", id="O1 Service"),
    pytest.param("service.yaml", SERVICE.replace("name: web", "name: web-primary"), "error", "owner", "wrap the template in `if not .Values.canary.enabled`", id="O1 primary Service without a value"),
    pytest.param("route.yaml", ROUTE, "error", "owner", "templates/route.yaml renders VirtualService test/web", id="O1 VirtualService"),
    pytest.param("more.yaml", CANARY.replace("name: web\n  n", "name: w2\n  n").replace("stepWeight: 5", "stepWeight: x"), "error", "schema", "Canary test/w2 (chart charts/web, templates/more.yaml) has spec.analysis.stepWeight", id="rendered Canary, misshapen"),
    pytest.param("more.yaml", CANARY.replace("name: web\n  n", "name: w2\n  n").replace("port: 9898", "port: 9898\n  provider: linkerd"), "error", "canary", "provider linkerd", id="rendered Canary, not supported"),
    pytest.param("bad.yaml", "{{ .Values.no.such.thing }}", "error", "render", "templates/bad.yaml", id="does not render"),
    pytest.param("bad.yaml", "a: [\n", "error", "render", "renders templates/bad.yaml that cannot be read", id="B64 renders no YAML"),
    pytest.param("bad.yaml", "{{ define \"x\" }}{{ include \"x\" . }}{{ end }}{{ include \"x\" . }}", "error", "render", "cannot render chart web", id="B59 B44 endless include"),
    pytest.param("namespace.yaml", "apiVersion: v1\nkind: Namespace\nmetadata: {name: test}\n", "warning", "namespace", "makes, after the sync", id="namespace comes too late"),
]  # fmt: skip


@pytest.mark.parametrize(("template_name", "text", "level", "code", "words"), OWNED)
def test_what_a_chart_renders_is_judged_at_its_release(
    template_name: str, text: str, level: str, code: str, words: str, tmp_path: Path, capsys: Capture
) -> None:
    seen = Validated(capsys, repository(tmp_path, {**CHART, f"charts/web/templates/{template_name}": text}))
    found = [(one["level"], one["code"]) for one in seen.findings if words in one["sentence"]]
    assert found == [(level, code)], seen.findings
    assert len(seen.findings) == 1
    assert str(tmp_path) not in json.dumps(seen.said)


def test_a_chart_without_owners_quarrel_is_clean_and_its_gateway_gets_a_note_only_without_mesh(tmp_path: Path, capsys: Capture) -> None:
    root = repository(tmp_path, CHART)
    assert Validated(capsys, root).findings == []
    repository(tmp_path, {"web.yaml": CHART["web.yaml"].replace("values:", "values:\n    gateway: 'public'")})
    assert [(one["level"], one["code"]) for one in Validated(capsys, root).findings] == [("note", "gateway")]
    repository(tmp_path, {"web.yaml": CHART["web.yaml"].replace("values:", "values:\n    gateway: 'public, mesh'")})
    assert Validated(capsys, root).findings == []


def test_values_below_image_are_told_by_the_charts_own_values(tmp_path: Path, capsys: Capture) -> None:
    root = repository(
        tmp_path, {**CHART, "web.yaml": CHART["web.yaml"].replace("tag: 1.0.0", "tag: 1.0.0\n      replicaCount: 3\n      own: {}")}
    )
    seen = Validated(capsys, root, "--no-render")
    assert [one["path"] for one in seen.findings] == ["spec.values.image.replicaCount"]


MORE_CHARTS = [
    pytest.param({"web.yaml": RELEASE.replace("repository: https://charts.example.com\n    name: web\n    version: 1.0.0", "path: charts/none")}, "web.yaml:9", "chart", "no chart there", id="no such chart"),
    pytest.param({**CHART, "charts/web/Chart.yaml": CHART["charts/web/Chart.yaml"] + "dependencies: [{name: db, version: 1.0.0, repository: 'https://x.example'}]\n"}, "web.yaml:8", "render", "dependencies are not in its folder charts: db", id="dependency not there"),
    pytest.param({**CHART, "charts/web/values.schema.json": '{"properties": {"replicaCount": {"type": "string"}}}'}, "web.yaml:8", "render", "replicaCount", id="B61 values against the chart's schema"),
    pytest.param({**CHART, "charts/web/Chart.yaml": "name: web\n"}, "web.yaml:8", "render", "cannot render chart", id="Chart.yaml incomplete"),
    pytest.param({**CHART, "charts/web/values.yaml": "a: [\n"}, "charts/web/values.yaml:1", "unreadable", "", id="values.yaml unreadable"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "place", "code", "words"), MORE_CHARTS)
def test_a_chart_that_cannot_be_used_is_an_error(
    files: dict[str, str], place: str, code: str, words: str, tmp_path: Path, capsys: Capture
) -> None:
    seen = Validated(capsys, repository(tmp_path, files))
    assert seen.status == 1
    assert (place, "error", code) in [short for short, one in zip(seen.short, seen.findings, strict=True) if words in one["sentence"]]


def test_B45_symlinks_are_neither_read_nor_rendered(tmp_path: Path, capsys: Capture) -> None:
    secret = tmp_path / "secret.yaml"
    secret.write_text("password: hunter2\n")
    root = repository(tmp_path, CHART)
    (root / "link.yaml").symlink_to(secret)
    (root / "charts/web/templates/link.yaml").symlink_to(secret)
    seen = Validated(capsys, root)
    assert [one["code"] for one in seen.findings] == ["render"]
    assert "link.yaml is a symlink" in seen.findings[0]["sentence"]
    assert "hunter2" not in json.dumps(seen.said)


def test_values_that_only_the_cluster_knows_make_a_failed_render_a_warning(tmp_path: Path, capsys: Capture) -> None:
    needs = {"charts/web/templates/x.yaml": '{{ required "give it" .Values.given }}'}
    root = repository(tmp_path, {**CHART, **needs})
    assert [one["level"] for one in Validated(capsys, root).findings] == ["error"]
    repository(tmp_path, {"web.yaml": CHART["web.yaml"].replace("  values:", "  valuesFrom: [{configMapKeyRef: {name: x}}]\n  values:")})
    assert [one["level"] for one in Validated(capsys, root).findings] == ["warning"]
    given = "  valuesFrom: [{chartFileRef: {path: prod.yaml}}]\n  values:"
    repository(tmp_path, {"web.yaml": CHART["web.yaml"].replace("  values:", given), "charts/web/prod.yaml": "given: '# yes'\n"})
    assert Validated(capsys, root).findings == []


# ---------------------------------------------------------------- how it is asked and shown


def test_text_off_a_terminal_is_plain_and_the_summary_goes_to_standard_error(tmp_path: Path, capsys: Capture) -> None:
    root = repository(tmp_path, {"a.yaml": RELEASE.replace("{}", '{filter.fluxcd.io/chart-image: "semver:\\e[31m"}')})
    assert main(["validate", str(root), "--no-render"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("a.yaml:6: error: cannot")
    assert out.endswith(" [filter]\n")
    assert "\x1b" not in out + err
    assert err == "1 file, 1 object, no charts rendered: 1 error\n"


def test_B73_a_file_name_cannot_steer_the_terminal(tmp_path: Path, capsys: Capture) -> None:
    assert main(["validate", str(repository(tmp_path, {"a\x1b[31m.yaml": "a: ["})), "--no-render"]) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.startswith("a\\x1b[31m.yaml:1: error")


def test_sarif_names_rule_file_line_and_mended_text(tmp_path: Path, capsys: Capture) -> None:
    root = repository(tmp_path, {"rel eases/a.yaml": SAMPLE})
    assert main(["validate", str(root), "-o", "sarif", "--no-render"]) == 1
    said = json.loads(capsys.readouterr().out)
    run = said["runs"][0]
    assert (said["version"], run["tool"]["driver"]["name"]) == ("2.1.0", "gitops-canary")
    first = run["results"][0]
    assert run["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == first["ruleId"] == "chart-url"
    place = first["locations"][0]["physicalLocation"]
    assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("rel%20eases/a.yaml", 12)
    assert "git: https://github.com/weaveworks/flagger" in first["message"]["text"]
    assert [one["level"] for one in run["results"]] == ["error", "error", "error", "note"]


def test_one_file_can_be_checked_alone_and_git_path_limits_the_manifests(tmp_path: Path, capsys: Capture) -> None:
    root = repository(tmp_path, {"good/a.yaml": RELEASE, "bad/b.yaml": "a: ["})
    assert Validated(capsys, root, "--no-render").status == 1
    assert Validated(capsys, root, "--no-render", "--git-path", "good").status == 0
    assert Validated(capsys, root, "--no-render", "--git-path", "./good/").status == 0
    (root / "empty").mkdir()
    seen = Validated(capsys, root, "--no-render", "--git-path", "empty")
    assert (seen.status, [one["sentence"] for one in seen.findings]) == (
        1,
        ["cannot read empty: the repository has no file there; correct --git-path"],
    )
    assert Validated(capsys, root / "good/a.yaml").status == 0
    assert Validated(capsys, root / "bad/b.yaml").status == 1


def test_a_git_work_tree_is_read_without_what_git_ignores(tmp_path: Path, capsys: Capture) -> None:
    root = repository(tmp_path, {"a.yaml": RELEASE, ".gitignore": "cache/\n", "cache/b.yaml": "a: [", ".hidden/c.yaml": RELEASE})
    assert [code for _, _, code in Validated(capsys, root, "--no-render").short] == ["unreadable"]
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    subprocess.run(["git", "-C", str(root), "add", "a.yaml"], check=True)
    seen = Validated(capsys, root, "--no-render")
    assert [place for place, _, _ in seen.short] == [".hidden/c.yaml:1", "a.yaml:1"]


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["/no/such/folder"], id="no folder"),
        pytest.param([".", "--git-path", "no-such"], id="no such git-path"),
    ],
)
def test_a_check_that_cannot_be_made_exits_with_two(words: list[str], capsys: Capture) -> None:
    assert main(["validate", *words]) == 2
    assert "cannot read" in capsys.readouterr().err


def test_the_charts_values_are_checked_without_helm_in_this_process(tmp_path: Path, capsys: Capture) -> None:
    import sys

    loaded = "helm_python" in sys.modules
    Validated(capsys, repository(tmp_path, CHART))
    assert ("helm_python" in sys.modules) == loaded


def test_the_documentation_names_every_code_flag_and_exit_status() -> None:
    text = (ROOT / "docs" / "validate.md").read_text()
    missing = [word for word in (*CODES, "--fix", "--git-path", "--default-namespace", "--no-render", "-o") if f"`{word}" not in text]
    assert missing == []
    assert all(f"| {status} |" in text for status in (0, 1, 2))


def test_one_file_that_is_no_manifest_is_refused_instead_of_found_right(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "README.md").write_text("# words\n")
    assert main(["validate", str(tmp_path / "README.md")]) == 2
    assert "README.md: it is no manifest; give a folder, or one file ending in .yaml or .yml" in capsys.readouterr().err
