"""The pure checks: what counts as a slip, whose values a template's text names, what a canary owns."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_canary.domain.helmrelease import parse_helmrelease
from gitops_canary.domain.resources import Doc, Resource, ref_of
from gitops_canary.domain.validation.findings import CODES, Finding
from gitops_canary.domain.validation.objects import validate
from gitops_canary.domain.validation.releases import Charts
from gitops_canary.domain.validation.rendered import Rendered, rendered_findings
from gitops_canary.domain.validation.spelling import meant, nearly


def resource(doc: Doc, file: str = "a.yaml", line: int = 1) -> Resource:
    return Resource(ref_of(doc), doc, file, 0, line)


def release(name: str = "web", *, values: Doc | None = None, spec: Doc | None = None) -> Doc:
    body: Doc = {"chart": {"path": "charts/web"}, "values": values or {}, **(spec or {})}
    return {"apiVersion": "helm.fluxcd.io/v1", "kind": "HelmRelease", "metadata": {"name": name, "namespace": "test"}, "spec": body}


def canary(name: str = "web", *, service: str = "") -> Doc:
    ports: Doc = {"port": 9898, **({"name": service} if service else {})}
    spec: Doc = {"targetRef": {"kind": "Deployment", "name": name}, "service": ports, "analysis": {"stepWeight": 5}}
    return {"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "metadata": {"name": name, "namespace": "test"}, "spec": spec}


# ---------------------------------------------------------------- spelling

WORDS = [
    pytest.param("weaveowrks", "weaveworks", True, id="the seed's slip: neighbours swapped"),
    pytest.param("weaveworks", "weaveworks", False, id="the word itself"),
    pytest.param("weavework", "weaveworks", True, id="one letter less"),
    pytest.param("weaveworkss", "weaveworks", True, id="one letter more"),
    pytest.param("weaveworjs", "weaveworks", True, id="one letter wrong"),
    pytest.param("weaveworjt", "weaveworks", False, id="two letters wrong"),
    pytest.param("skrowevaew", "weaveworks", False, id="the same letters, shuffled"),
    pytest.param("abc", "abd", False, id="short words are never alike"),
    pytest.param("", "weaveworks", False, id="nothing"),
]


@pytest.mark.parametrize(("one", "other", "alike"), WORDS)
def test_a_slip_of_one_letter_is_recognised(one: str, other: str, alike: bool) -> None:
    assert nearly(one, other) is alike
    assert nearly(other, one) is alike


@settings(max_examples=200, deadline=None)
@given(st.text("abcd", min_size=4, max_size=8), st.data())
def test_any_two_neighbours_swapped_are_a_slip(word: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(word) - 2))
    swapped = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    assert nearly(word, swapped) is (swapped != word)


def test_a_word_that_is_known_is_never_another_one_misspelt() -> None:
    assert meant("gitlab.com", ("github.com", "gitlab.com")) == ""
    assert meant("gitlab.con", ("github.com", "gitlab.com")) == "gitlab.com"


# ---------------------------------------------------------------- addresses

ADDRESSES = [
    pytest.param("https://github.com/weaveowrks/flagger", "https://github.com/weaveworks/flagger", id="https, owner"),
    pytest.param("git@github.com:weaveowrks/flagger", "git@github.com:weaveworks/flagger", id="ssh, owner"),
    pytest.param("ssh://git@gihtub.com/acme/charts", "ssh://git@github.com/acme/charts", id="ssh URL, host"),
    pytest.param("https://github.com/acme/weaveowrks", "", id="only host and owner are asked"),
    pytest.param("https://git.example.com/acme/charts", "", id="another host"),
]


@pytest.mark.parametrize(("url", "mended"), ADDRESSES)
def test_a_misspelt_address_is_mended_where_it_is_wrong(url: str, mended: str) -> None:
    doc = release(spec={"chart": {"git": url, "path": "charts/web"}})
    found = [one for one in validate((resource(doc),), Charts()) if one.code == "chart-url"]
    assert [getattr(one.mend, "text", "") for one in found] == ([mended] if mended else [])


def test_a_password_in_an_address_is_not_repeated_in_the_sentence() -> None:
    doc = release(spec={"chart": {"git": "https://me:hunter2@github.com/weaveowrks/x", "path": "c"}})
    (found,) = [one for one in validate((resource(doc),), Charts()) if one.code == "chart-url"]
    assert "hunter2" not in found.sentence


# ---------------------------------------------------------------- backends

BACKENDS = [
    pytest.param("http://backend-web:9898/echo", "http://backend:9898/echo", id="the chart's default name"),
    pytest.param("http://bakcend:9898/echo", "http://backend:9898/echo", id="a slip"),
    pytest.param("http://bakcend.test:9898/echo", "http://backend.test:9898/echo", id="with its namespace"),
    pytest.param("http://backend.test:9898/echo", "", id="right"),
    pytest.param("http://bakcend.other:9898/", "", id="another namespace's"),
    pytest.param("http://payments:9898/", "", id="nobody's: it may be made elsewhere"),
    pytest.param("http://[::1", "", id="no address"),
    pytest.param("", "", id="none"),
]


@pytest.mark.parametrize(("url", "mended"), BACKENDS)
def test_a_backend_is_mended_when_it_is_plain_who_was_meant(url: str, mended: str) -> None:
    both = (resource(release(values={"backend": url})), resource(release("backend", spec={"releaseName": "backend"}), "b.yaml"))
    found = [one for one in validate(both, Charts({"charts/web": {}})) if one.code == "backend"]
    assert [getattr(one.mend, "text", "") for one in found] == ([mended] if mended else [])


# ---------------------------------------------------------------- what a canary owns

DEPLOYMENT: Doc = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": 2}}
SERVICE: Doc = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {}}
SOURCES = [
    pytest.param(DEPLOYMENT, "kind: Deployment\nspec:\n  replicas: {{ .Values.replicaCount }}\n", "value replicaCount", id="a value"),
    pytest.param(DEPLOYMENT, "kind: Deployment\nspec:\n  replicas: 2\n", "", id="a number"),
    pytest.param(
        DEPLOYMENT,
        "spec:\n{{- if not .Values.hpa.enabled }}\n  replicas: {{ .Values.n }}\n{{- end }}\n",
        "values n, hpa.enabled",
        id="a condition around the field",
    ),
    pytest.param(
        SERVICE, "{{- if .Values.service.enabled -}}\nkind: Service\n{{- end }}\n", "value service.enabled", id="a condition around it"
    ),
    pytest.param(SERVICE, "{{ if .Values.a }}{{ end }}\nkind: Service\n", "", id="a condition that is over"),
    pytest.param(SERVICE, "{{ if .Values.a }}\n{{ else if .Values.b }}\nkind: Service\n{{ end }}\n", "values a, b", id="else if"),
    pytest.param(SERVICE, "{{ end }}{{ else }}\nkind: Service\n", "", id="a template that is no template"),
    pytest.param(SERVICE, "", "", id="a template whose text is not at hand"),
]


@pytest.mark.parametrize(("doc", "source", "names"), SOURCES)
def test_the_value_behind_a_rendered_object_is_named(doc: Doc, source: str, names: str) -> None:
    home = resource(release())
    rendered = Rendered(home, parse_helmrelease(home.doc), "templates/x.yaml", source, doc)
    (found,) = rendered_findings([rendered], [resource(canary())])
    assert (f"({names})" in found.sentence) if names else ("(value" not in found.sentence)
    assert (found.code, found.level) == ("owner", "warning" if doc is DEPLOYMENT else "error")


NAMES = [
    pytest.param("Service", "web", True, id="apex"),
    pytest.param("Service", "web-primary", True, id="primary"),
    pytest.param("Service", "web-canary", True, id="canary"),
    pytest.param("Service", "web-headless", False, id="another"),
    pytest.param("VirtualService", "web", True, id="route"),
    pytest.param("VirtualService", "web-primary", False, id="a route of another name"),
    pytest.param("DestinationRule", "web-canary", True, id="rule"),
    pytest.param("ConfigMap", "web", False, id="another kind"),
]


@pytest.mark.parametrize(("kind", "name", "owned"), NAMES)
@pytest.mark.parametrize("service", ["", "front"])
def test_exactly_the_names_that_the_canary_manager_makes_are_owned(kind: str, name: str, owned: bool, service: str) -> None:
    home = resource(release())
    doc: Doc = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name.replace("web", service or "web")}}
    other: Doc = {**doc, "metadata": {**doc["metadata"], "namespace": "elsewhere"}}
    others: Doc = {**doc, "metadata": {"name": name.replace("web", "other")}}
    rendered = [Rendered(home, parse_helmrelease(home.doc), "templates/x.yaml", "", one) for one in (doc, other, others)]
    elsewhere = {**canary("other"), "metadata": {"name": "other", "namespace": "third"}}
    found = rendered_findings(rendered, [resource(canary(service=service)), resource(elsewhere)])
    assert [one.code for one in found] == (["owner"] if owned else [])


def test_a_canary_that_cannot_be_read_owns_nothing_and_stops_nothing() -> None:
    home = resource(release())
    rendered = Rendered(home, parse_helmrelease(home.doc), "templates/x.yaml", "", SERVICE)
    odd: tuple[Any, ...] = (None, [], {"analysis": 1}, {"targetRef": "web"}, {"targetRef": {}, "service": [1]})
    for spec in odd:
        broken: Doc = {**canary(), "spec": spec}
        assert rendered_findings([rendered], [resource(broken)]) == []
        assert [one.code for one in validate((resource(broken),), Charts())] == ["canary"]
        made = Rendered(home, parse_helmrelease(home.doc), "templates/canary.yaml", "", broken)
        assert [one.code for one in rendered_findings([made, rendered], [])] == ["canary"]


# ---------------------------------------------------------------- the whole


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=6))
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3), max_leaves=8
)
KEYS = st.sampled_from(
    [
        "chart",
        "values",
        "image",
        "repository",
        "path",
        "git",
        "canary",
        "backend",
        "releaseName",
        "targetNamespace",
        "tag",
        "targetRef",
        "service",
        "analysis",
    ]
)
SPECS = st.dictionaries(KEYS, st.recursive(ANYTHING, lambda inner: st.dictionaries(KEYS, inner, max_size=3), max_leaves=6), max_size=5)


@settings(max_examples=300, deadline=None)
@given(
    SPECS | ANYTHING,
    st.sampled_from(["helm.fluxcd.io/v1", "flux.weave.works/v1beta1", "apps/v1", "flagger.app/v1beta1"]),
    st.sampled_from(["HelmRelease", "Deployment", "CronJob", "Canary"]),
)
def test_no_shape_of_an_object_breaks_the_check(spec: object, version: str, kind: str) -> None:
    doc: Doc = {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": "web", "namespace": "test", "annotations": {"fluxcd.io/automated": "true"}},
        "spec": spec,
    }
    found: list[Finding] = validate((resource(doc),), Charts({"charts/web": {"image": {}}}))
    assert {one.code for one in found} <= set(CODES)
