"""Made-up sequences of operations and how they are played on one server; comparing the servers is `test_differential.py`'s."""

import itertools
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.conformance.client import APPLY, JSON_PATCH, MERGE, STRATEGIC, Answer, Api, Doc
from tests.conformance.objects import WIDGETS, container

Operation = tuple[str, str, str, Any]

texts = st.sampled_from(["1", "2", "3"])
labels = st.dictionaries(st.sampled_from(["app", "tier"]), texts, min_size=1, max_size=2)
data = st.dictionaries(st.sampled_from(["a", "b", "c"]), texts, min_size=1, max_size=3)
names = st.sampled_from(["x", "y"])
managers = st.sampled_from(["helm", "human", "operator"])


@st.composite
def containers(draw: st.DrawFn) -> list[Doc]:
    made = []
    for name in draw(st.lists(st.sampled_from(["a", "b"]), min_size=1, max_size=2, unique=True)):
        env = [{"name": key, "value": value} for key, value in draw(data).items()]
        made.append(container(name, draw(st.sampled_from(["app:1", "app:2"])), **({"env": env} if env else {})))
    return made


@st.composite
def specs(draw: st.DrawFn, plural: str) -> Doc:
    """What stands beside the metadata, whole and valid for nearly all draws."""
    if plural == "configmaps":
        return {"data": draw(data)}
    if plural == "secrets":
        return {"stringData": draw(data)}
    if plural == "services":
        ports = draw(st.lists(st.sampled_from([80, 81]), min_size=1, max_size=2, unique=True))
        return {"spec": {"selector": draw(labels), "ports": [{"name": f"p{port}", "port": port} for port in ports]}}
    if plural == "leases":
        return {"spec": {"holderIdentity": draw(st.sampled_from(["me", "you"])), "leaseDurationSeconds": draw(st.sampled_from([15, 30]))}}
    if plural == "cronjobs":
        pod = {"restartPolicy": "Never", "containers": draw(containers())}
        return {"spec": {"schedule": "0 0 1 1 *", "suspend": True, "jobTemplate": {"spec": {"template": {"spec": pod}}}}}
    spec: Doc = {"size": draw(st.integers(0, 12))}
    tags = st.lists(texts, min_size=1, max_size=2, unique=True)
    for key, values in (("color", st.sampled_from(["red", "green", "blue"])), ("odd", texts), ("tags", tags)):
        if draw(st.booleans()):
            spec[key] = draw(values)
    return {"spec": spec}


KINDS = {
    "configmaps": ("v1", "ConfigMap"),
    "secrets": ("v1", "Secret"),
    "services": ("v1", "Service"),
    "leases": ("coordination.k8s.io/v1", "Lease"),
    "cronjobs": ("batch/v1", "CronJob"),
    WIDGETS: ("conformance.gitops-canary.dev/v1", "Widget"),
}


CRON: Doc = {
    "schedule": "0 0 1 1 *",
    "suspend": True,
    "jobTemplate": {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [container()]}}}},
}


@st.composite
def operations(draw: st.DrawFn) -> Operation:
    """(verb, plural, name, body)."""
    plural, name = draw(st.sampled_from(sorted(KINDS))), draw(names)
    verb = draw(st.sampled_from(["create", "create", "apply", "apply", "merge", "strategic", "json", "replace", "delete", "get", "list"]))
    doc = {**draw(specs(plural)), "metadata": {"labels": draw(labels)}}
    if verb == "apply":
        doc.pop("stringData", None)
        return "apply", plural, name, (draw(managers), draw(st.booleans()), doc)
    if verb == "json":
        key = draw(st.sampled_from(["/metadata/labels/app", "/data/a", "/spec/size", "/metadata/annotations"]))
        operation = draw(st.sampled_from(["add", "replace", "remove", "test"]))
        return "json", plural, name, [{"op": operation, "path": key, "value": {"k": "v"} if key.endswith("ions") else draw(texts)}]
    if verb == "list":
        return "list", plural, name, draw(st.sampled_from(["app=1", "app!=1", "tier", "!tier", "app in (1,2)", ""]))
    return verb, plural, name, doc


def play(api: Api, mark: str, operation: Operation) -> Answer:
    verb, plural, name, body = operation
    path, full = api.path(plural, f"{name}-{mark}"), f"{name}-{mark}"
    if verb in ("get", "delete"):
        return api.request(verb.upper(), path)
    if verb == "list":
        selector = ",".join(part for part in (body, f"mark={mark}") if part)
        return api.list(plural, labelSelector=selector)
    if verb == "json":
        return api.request("PATCH", path, body, JSON_PATCH)
    version, kind = KINDS[plural]
    force, manager = False, None
    if verb == "apply":
        manager, force, body = body
    meta = {"name": full, "labels": {**body["metadata"]["labels"], "mark": mark}}
    doc = {"apiVersion": version, "kind": kind, **body, "metadata": meta}
    if verb == "apply":
        return api.request("PATCH", path, doc, APPLY, fieldManager=manager, force=str(force).lower())
    if verb in ("merge", "strategic"):
        return api.request("PATCH", path, doc, MERGE if verb == "merge" else STRATEGIC)
    return api.request(*(("POST", api.path(plural)) if verb == "create" else ("PUT", path)), doc)


@dataclass
class Played:
    """What one server answered, and what watches of the kinds that were written told of it."""

    answers: list[Answer] = field(default_factory=list)
    told: dict[str, list[Doc]] = field(default_factory=dict)


def play_all(api: Api, mark: str, sequence: list[Operation]) -> Played:
    plurals = sorted({plural for verb, plural, *_ in sequence if verb not in ("get", "list")})[:1]
    versions = {plural: api.list(plural, limit=1).meta["resourceVersion"] for plural in plurals}
    played = Played([play(api, mark, operation) for operation in sequence])
    for plural, version in versions.items():
        played.told[plural] = _told_since(api, plural, mark, version)
    return played


def _told_since(api: Api, plural: str, mark: str, version: str) -> list[Doc]:
    """Every event of the sequence's objects; the last object, made here, ends the watch."""
    api_version, kind = KINDS[plural]
    spec = {"services": {"ports": [{"port": 80}]}, "cronjobs": CRON}.get(plural, {})
    end = {"metadata": {"name": f"end-{mark}", "labels": {"mark": mark}}, "apiVersion": api_version, "kind": kind}
    made = api.create(plural, {**end, "spec": spec} if spec else end)
    assert made.code == 201, made.body
    events = api.watch(plural, 10, resourceVersion=version, labelSelector=f"mark={mark}")
    return list(itertools.takewhile(lambda event: event["object"]["metadata"]["name"] != f"end-{mark}", events))
