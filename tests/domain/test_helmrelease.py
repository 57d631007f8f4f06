"""HelmReleases of both groups: where their images stand (gitops.md §10.3) and what their spec asks for (§4.1)."""

from collections.abc import Mapping
from typing import Any

import pytest

from gitops_canary.domain.errors import UserError
from gitops_canary.domain.helmrelease import GROUPS, is_helmrelease, parse_helmrelease
from gitops_canary.domain.helmrelease_images import image_slots, rewritten
from gitops_canary.manifests.loading import documents

SHA = "sha256:" + "a" * 64


def release(spec: Mapping[str, Any], annotations: Mapping[str, str] | None = None, group: str = GROUPS[0]) -> dict[str, Any]:
    meta = {"name": "frontend", "namespace": "test", "annotations": dict(annotations or {})}
    return {"apiVersion": group, "kind": "HelmRelease", "metadata": meta, "spec": spec}


def slots(values: str, annotations: Mapping[str, str] | None = None) -> dict[str, str]:
    doc = release({"values": documents(values)[0].value}, annotations)
    return {slot.container: str(slot.image) for slot in image_slots(doc)}


GHOST = "bitnami/ghost:1.21.5-r0"
FORMS = [
    pytest.param("image: bitnami/ghost:1.21.5-r0", GHOST, id="ImageOnly"),
    pytest.param("image: bitnami/ghost\ntag: 1.21.5-r0", GHOST, id="ImageTag"),
    pytest.param("registry: registry.com\nimage: bitnami/ghost:1.21.5-r0", f"registry.com/{GHOST}", id="RegistryImage"),
    pytest.param("registry: registry.com\nimage: bitnami/ghost\ntag: 1.21.5-r0", f"registry.com/{GHOST}", id="RegistryImageTag"),
    pytest.param("image: {repository: bitnami/ghost, tag: 1.21.5-r0}", GHOST, id="ImageObject"),
    pytest.param(
        "image: {registry: registry.com, repository: bitnami/ghost, tag: 1.21.5-r0}", f"registry.com/{GHOST}", id="ImageObjectRegistry"
    ),
    pytest.param("image: {registry: registry.com, repository: 'bitnami/ghost:1.21.5-r0'}", f"registry.com/{GHOST}", id="WithoutTag"),
    pytest.param(
        "image: {repository: localhost:5000/path/to/alpine, tag: mytag}", "localhost:5000/path/to/alpine:mytag", id="MultiElement"
    ),
    pytest.param(f"image:\n  repository: bitnami/ghost\n  tag: 1.2@{SHA}", f"bitnami/ghost:1.2@{SHA}", id="digest in the tag"),
]


@pytest.mark.parametrize(("values", "image"), FORMS)
def test_each_form_is_found_at_the_top_and_one_level_down(values: str, image: str) -> None:
    assert slots(values) == {"chart-image": image}
    below = "\n".join(f"  {line}" for line in values.splitlines())
    assert slots(f"db:\n{below}\nother:\n  memory: 1Gi\n") == {"db": image}


@pytest.mark.parametrize(("values", "image"), FORMS)
def test_a_new_tag_reads_back_and_keeps_the_spelling(values: str, image: str) -> None:
    value: Any = documents(values)[0].value
    slot = image_slots(release({"values": value}))[0]
    at = value
    for step in slot.path[:-1]:
        at = at[step]
    at[slot.path[-1]] = rewritten(slot, "9.9.9")
    assert slots_of(value) == {"chart-image": image.partition("@")[0].rpartition(":")[0] + ":9.9.9"}


def slots_of(values: Any) -> dict[str, str]:
    return {slot.container: str(slot.image) for slot in image_slots(release({"values": values}))}


MAPPED = [
    pytest.param("customImage: bitnami/ghost:1.21.5-r0", "AAA", "customImage", "", "", GHOST, id="ImageOnly"),
    pytest.param("customImage: bitnami/ghost\ncustomTag: 1.21.5-r0", "AAA", "customImage", "customTag", "", GHOST, id="ImageTag"),
    pytest.param("r: registry.com\ni: bitnami/ghost:1.21.5-r0", "AAA", "i", "", "r", f"registry.com/{GHOST}", id="RegistryImage"),
    pytest.param("r: registry.com\ni: bitnami/ghost\nt: 1.21.5-r0", "AAA", "i", "t", "r", f"registry.com/{GHOST}", id="RegistryImageTag"),
    pytest.param(
        "N: {image: {customRepository: 'bitnami/ghost:1.21.5-r0'}}", "NNN", "N.image.customRepository", "", "", GHOST, id="nested"
    ),
    pytest.param("Z: {a: {b: {i: bitnami/ghost, t: 1.21.5-r0}}}", "ZZZ", "Z.a.b.i", "Z.a.b.t", "", GHOST, id="deep"),
]


@pytest.mark.parametrize(("values", "alias", "repository", "tag", "registry", "image"), MAPPED)
def test_annotations_map_other_places(values: str, alias: str, repository: str, tag: str, registry: str, image: str) -> None:
    given = {f"repository.fluxcd.io/{alias}": repository, f"tag.fluxcd.io/{alias}": tag, f"registry.fluxcd.io/{alias}": registry}
    assert slots(values, {key: place for key, place in given.items() if place}) == {alias: image}


def test_a_mapping_without_its_repository_finds_nothing() -> None:
    assert slots("customTag: 1.2.3", {"tag.fluxcd.io/AAA": "customTag"}) == {}
    assert slots("a: 1", {"repository.fluxcd.io/AAA": "b.c.d"}) == {}
    assert slots("a: x:1", {"repository.fluxcd.io/AAA": "a.b.c"}) == {}


def test_all_forms_come_sorted_with_the_chart_image_first() -> None:
    values = (
        "ZZZ: {image: z:1}\nAAA: {image: a, tag: '1'}\nimage: {repository: c, tag: '1'}\nFFF: {image: {repository: f, tag: '1'}}\nhh: h:1\n"
    )
    assert list(slots(values, {"repository.fluxcd.io/HHH": "hh"})) == ["chart-image", "AAA", "FFF", "HHH", "ZZZ"]


def test_B36_the_seeds_wrong_nesting_still_has_one_image() -> None:
    values = """
image:
  repository: stefanprodan/podinfo
  tag: 3.1.0
  backend: http://backend.test:9898/echo
  canary: {enabled: true, istioIngress: {enabled: true}}
"""
    assert slots(values) == {"chart-image": "stefanprodan/podinfo:3.1.0"}


UNREADABLE = [
    "image: {repository: UPPER/case, tag: '1'}",
    "image: [a, b]",
    "image: 5",
    "image: {tag: 1.0.0}",
    "fooImage: a:1",
    "a: {b: {image: x:1}}",
    "a: [{image: x:1}]",
    "image: {repository: {a: b}}",
]


@pytest.mark.parametrize("values", UNREADABLE)
def test_what_is_no_image_is_left_out(values: str) -> None:
    assert slots(values) == {}


@pytest.mark.parametrize("spec", [None, {}, {"values": None}, {"values": "text"}, {"values": [1]}, "text"])
def test_values_of_any_shape_do_no_harm(spec: Any) -> None:
    assert image_slots(release(spec)) == ()


def test_B30_a_tag_that_yaml_reads_as_a_number_is_not_guessed() -> None:
    (slot,) = image_slots(release({"values": documents("image: {repository: a/b, tag: 3.10}")[0].value}))
    assert (slot.written, slot.image.tag) == (None, "")


# ---------------------------------------------------------------- the spec

CHART = {"git": "ssh://x/y", "ref": "main", "path": "charts/podinfo"}


@pytest.mark.parametrize("group", GROUPS)
def test_both_groups_are_read_with_the_helm_operators_defaults(group: str) -> None:
    doc = release({"chart": CHART, "values": {"a": 1}}, group=group)
    spec = parse_helmrelease(doc)
    assert is_helmrelease(doc)
    assert (spec.key, spec.release, spec.target_namespace) == ("test/frontend", "test-frontend", "test")
    assert (spec.timeout, spec.max_history, spec.wait, spec.reset_values) == (300, 10, False, True)
    assert (spec.git, spec.ref, spec.path, spec.values) == ("ssh://x/y", "main", "charts/podinfo", {"a": 1})


@pytest.mark.parametrize("path", ["./charts/podinfo", "charts/podinfo/", "./charts//podinfo/.", "charts/podinfo"])
def test_a_charts_path_is_read_as_people_write_folders(path: str) -> None:
    assert parse_helmrelease(release({"chart": {"path": path}})).path == "charts/podinfo"
    assert parse_helmrelease(release({"chart": {"git": "ssh://x/y", "path": "./"}})).path == "."


def test_the_release_name_tells_another_target_namespace() -> None:
    assert parse_helmrelease(release({"chart": CHART, "targetNamespace": "prod"})).release == "test-prod-frontend"
    assert parse_helmrelease(release({"chart": CHART, "releaseName": "mine", "targetNamespace": "prod"})).release == "mine"


@pytest.mark.parametrize("what", ["rollback", "test"])
def test_a_rollback_or_a_test_implies_waiting(what: str) -> None:
    assert parse_helmrelease(release({"chart": CHART, what: {"enable": True}})).wait
    assert not parse_helmrelease(release({"chart": CHART, what: {"enable": True}, "wait": False})).wait


def test_old_value_secrets_come_before_values_from() -> None:
    spec = {"chart": CHART, "valueFileSecrets": [{"name": "old"}], "valuesFrom": [{"configMapKeyRef": {"name": "new"}}]}
    assert parse_helmrelease(release(spec)).values_from == ({"secretKeyRef": {"name": "old"}}, {"configMapKeyRef": {"name": "new"}})


WRONG = [
    pytest.param({}, "no spec.chart", id="no chart"),
    pytest.param({"chart": {"git": "x"}}, "neither a path nor a repository", id="no path"),
    pytest.param({"chart": {"repository": "https://x", "name": "y"}}, "needs chart.name and chart.version", id="no version"),
    pytest.param({"chart": {"path": "../../etc"}}, "leaves its repository", id="B54 path"),
    pytest.param({"chart": CHART, "timeout": "5m"}, "spec.timeout must be a number", id="timeout"),
    pytest.param({"chart": CHART, "timeout": -1}, "spec.timeout must be a number", id="B39 negative"),
    pytest.param({"chart": CHART, "wait": "yes"}, "spec.wait must be true or false", id="wait"),
    pytest.param({"chart": CHART, "values": []}, "spec.values must be a mapping", id="values"),
    pytest.param({"chart": CHART, "valuesFrom": ["x"]}, "spec.valuesFrom must be a list of mappings", id="valuesFrom"),
    pytest.param({"chart": "x"}, "spec.chart must be a mapping", id="chart"),
    pytest.param({"chart": CHART, "rollback": {"maxRetries": "x"}}, "spec.rollback.maxRetries", id="rollback"),
]


@pytest.mark.parametrize(("spec", "sentence"), WRONG)
def test_a_spec_that_cannot_be_used_names_object_and_field(spec: Mapping[str, Any], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as error:
        parse_helmrelease(release(spec))
    assert "HelmRelease test/frontend" in str(error.value)
