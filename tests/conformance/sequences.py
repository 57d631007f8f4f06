"""Made-up sequences of operations; playing them is `playing.py`'s, comparing the servers `test_differential.py`'s."""

from typing import Any

from hypothesis import strategies as st

from tests.conformance.client import Doc
from tests.conformance.objects import WIDGETS, container

Operation = tuple[str, str, str, Any]
"""(verb, plural, name, body)."""
CANARIES, RELEASES = "canaries.flagger.app/v1beta1", "helmreleases.helm.fluxcd.io/v1"
LEAST, MOST = 10, 16
"""Operations of a sequence."""
WIDE = 5
"""Kinds that every sequence touches."""

texts = st.sampled_from(["1", "2", "3"])
labels = st.dictionaries(st.sampled_from(["app", "tier"]), texts, min_size=1, max_size=2)
data = st.dictionaries(st.sampled_from(["a", "b", "c"]), texts, min_size=1, max_size=3)
names = st.sampled_from(["x", "x", "x", "y"])
managers = st.sampled_from(["helm", "human", "operator"])


@st.composite
def containers(draw: st.DrawFn) -> list[Doc]:
    made = []
    for name in draw(st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=2, unique=True)):
        env = [{"name": key, "value": value} for key, value in draw(data).items()]
        made.append(container(name, draw(st.sampled_from(["app:1", "app:2"])), **({"env": env} if env else {})))
    return made


def _config_maps(draw: st.DrawFn) -> Doc:
    return {"data": draw(data)}


def _secrets(draw: st.DrawFn) -> Doc:
    return {"stringData": draw(data)}


def _services(draw: st.DrawFn) -> Doc:
    ports = draw(st.lists(st.sampled_from([80, 81]), min_size=1, max_size=2, unique=True))
    return {"spec": {"selector": draw(labels), "ports": [{"name": f"p{port}", "port": port} for port in ports]}}


def _leases(draw: st.DrawFn) -> Doc:
    return {"spec": {"holderIdentity": draw(st.sampled_from(["me", "you"])), "leaseDurationSeconds": draw(st.sampled_from([15, 30]))}}


def _cron_jobs(draw: st.DrawFn) -> Doc:
    return cron_job(draw(containers()))


def cron_job(pods: list[Doc]) -> Doc:
    template = {"spec": {"restartPolicy": "Never", "containers": pods}}
    return {"spec": {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": {"spec": {"template": template}}}}


def _widgets(draw: st.DrawFn) -> Doc:
    spec: Doc = {"size": draw(st.integers(0, 12))}
    tags = st.lists(texts, min_size=1, max_size=2, unique=True)
    for key, values in (("color", st.sampled_from(["red", "green", "blue"])), ("odd", texts), ("tags", tags)):
        if draw(st.booleans()):
            spec[key] = draw(values)
    return {"spec": spec}


def _canaries(draw: st.DrawFn) -> Doc:
    steps: Doc = draw(st.sampled_from([{"stepWeight": 10}, {"stepWeights": [1, 5]}, {"iterations": 3}, {}]))
    spec = canary(draw(st.sampled_from(["10s", "1m", "soon"])), {"threshold": draw(st.integers(1, 3)), **steps})["spec"]
    if draw(st.booleans()):
        spec["service"] = {"port": 80, "targetPort": draw(st.sampled_from([8080, "http"]))}
    return {"spec": spec}


def canary(interval: str, more: Doc) -> Doc:
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    return {"spec": {"targetRef": target, "analysis": {"interval": interval, **more}}}


def _releases(draw: st.DrawFn) -> Doc:
    made = release(draw(texts))
    made["spec"]["values"] = {"image": {"tag": draw(texts)}, "replicas": draw(st.integers(0, 2))}
    return made


def release(version: str) -> Doc:
    return {"spec": {"chart": {"repository": "https://charts.example", "name": "web", "version": version}}}


SPECS = {
    "configmaps": _config_maps,
    "secrets": _secrets,
    "services": _services,
    "leases": _leases,
    "cronjobs": _cron_jobs,
    WIDGETS: _widgets,
    CANARIES: _canaries,
    RELEASES: _releases,
}
"""What stands beside the metadata, by kind: whole and valid for nearly all draws."""
KINDS = {
    "configmaps": ("v1", "ConfigMap"),
    "secrets": ("v1", "Secret"),
    "services": ("v1", "Service"),
    "leases": ("coordination.k8s.io/v1", "Lease"),
    "cronjobs": ("batch/v1", "CronJob"),
    WIDGETS: ("conformance.gitops-canary.dev/v1", "Widget"),
    CANARIES: ("flagger.app/v1beta1", "Canary"),
    RELEASES: ("helm.fluxcd.io/v1", "HelmRelease"),
}
VERBS = ("create", "create", "apply", "apply", "merge", "strategic", "json", "replace", "delete", "get", "list", "status")
FIRST = ("create", "create", "apply", "apply", *VERBS)
"""Verbs of a kind's first operation: what was never made can only be refused."""
SELECTORS = ("app=1", "app!=1", "tier", "!tier", "app in (1,2)", "")
POINTERS = ("/metadata/labels/app", "/data/a", "/spec/size", "/spec/chart/version", "/spec/analysis/threshold", "/metadata/annotations")


@st.composite
def sequences(draw: st.DrawFn) -> list[Operation]:
    """The first operations touch a kind each, the others come back to these."""
    plurals = draw(st.permutations(sorted(KINDS)))[:WIDE]
    more = draw(st.lists(st.sampled_from(plurals), min_size=LEAST - WIDE, max_size=MOST - WIDE))
    return [*(draw(operations(plural, FIRST)) for plural in plurals), *(draw(operations(plural, VERBS)) for plural in more)]


@st.composite
def operations(draw: st.DrawFn, plural: str, verbs: tuple[str, ...]) -> Operation:
    verb, name = draw(st.sampled_from(verbs)), draw(names)
    if verb == "status":
        return verb, plural, name, {"status": {"phase": draw(st.sampled_from(["Ready", "Failed", "Succeeded"]))}}
    doc = {**SPECS[plural](draw), "metadata": {"labels": draw(labels)}}
    if verb == "apply":
        doc.pop("stringData", None)
        return verb, plural, name, (draw(managers), draw(st.booleans()), doc)
    if verb == "json":
        key = draw(st.sampled_from(POINTERS))
        operation = draw(st.sampled_from(["add", "replace", "remove", "test"]))
        return verb, plural, name, [{"op": operation, "path": key, "value": {"k": "v"} if key.endswith("ions") else draw(texts)}]
    if verb == "list":
        return verb, plural, name, draw(st.sampled_from(SELECTORS))
    return verb, plural, name, doc
