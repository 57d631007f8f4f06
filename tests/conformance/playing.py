"""How a sequence of operations is played on one server, and what its watches tell of it; nothing is compared here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.conformance.client import APPLY, JSON_PATCH, MERGE, STRATEGIC, Answer, Api, Doc
from tests.conformance.objects import WIDGETS, container
from tests.conformance.sequences import CANARIES, KINDS, RELEASES, Operation, canary, cron_job, release

SELECTORS: dict[str, tuple[str, Doc]] = {
    "configmaps": ("app=1", {"app": "1"}),
    "secrets": ("app!=1", {}),
    "services": ("tier", {"tier": "1"}),
    "leases": ("!tier", {}),
    "cronjobs": ("app in (1,2)", {"app": "2"}),
    WIDGETS: ("app notin (2),tier", {"app": "1", "tier": "1"}),
    CANARIES: ("app=1", {"app": "1"}),
    RELEASES: ("tier!=2", {}),
}
"""What a second watch of the kind selects, and labels that it selects."""
LEAST_SPECS: dict[str, Doc] = {
    "services": {"spec": {"ports": [{"port": 80}]}},
    "cronjobs": cron_job([container()]),
    WIDGETS: {"spec": {"size": 1}},
    CANARIES: canary("10s", {"threshold": 1, "stepWeight": 10}),
    RELEASES: release("1"),
}


def play(api: Api, mark: str, operation: Operation) -> Answer:
    verb, plural, name, body = operation
    full = f"{name}-{mark}"
    path = api.path(plural, full)
    if verb in ("get", "delete"):
        return api.request(verb.upper(), path)
    if verb == "list":
        return api.list(plural, labelSelector=",".join(part for part in (body, f"mark={mark}") if part))
    if verb == "json":
        return api.request("PATCH", path, body, JSON_PATCH)
    if verb == "status":
        return api.request("PATCH", f"{path}/status", body, MERGE)
    manager, force, body = body if verb == "apply" else (None, False, body)
    doc = _document(plural, full, {"mark": mark, **body["metadata"]["labels"]}, body)
    if verb == "apply":
        return api.request("PATCH", path, doc, APPLY, fieldManager=manager, force=str(force).lower())
    if verb in ("merge", "strategic"):
        return api.request("PATCH", path, doc, MERGE if verb == "merge" else STRATEGIC)
    return api.request(*(("POST", api.path(plural)) if verb == "create" else ("PUT", path)), doc)


def _document(plural: str, name: str, labels: Doc, body: Doc) -> Doc:
    version, kind = KINDS[plural]
    return {"apiVersion": version, "kind": kind, **body, "metadata": {"name": name, "labels": labels}}


@dataclass
class Played:
    """What one server answered, and what each watch told of it."""

    answers: list[Answer] = field(default_factory=list)
    told: dict[str, list[Doc]] = field(default_factory=dict)


class Side:
    """One server, in one namespace at a time.

    Two watches of each kind stay open as long as the namespace, of all and of a selection; a third, of what was, is of one kind a sequence.
    """

    def __init__(self, api: Api) -> None:
        self.api = api
        self._watches: dict[str, Iterator[Doc]] = {}

    def enter(self, namespace: str) -> None:
        self.leave()
        self.api.ns = namespace
        made = self.api.create("namespaces", {"metadata": {"name": namespace}})
        assert made.code == 201, made.body
        for plural, (selector, _) in SELECTORS.items():
            version = self._version(plural)
            self._watches[plural] = self.api.watch(plural, 1800, resourceVersion=version)
            self._watches[f"{plural} {selector}"] = self.api.watch(plural, 1800, resourceVersion=version, labelSelector=selector)

    def leave(self) -> None:
        for watch in self._watches.values():
            watch.close()  # type: ignore[attr-defined]
        self._watches = {}
        if self.api.ns:
            self.api.delete("namespaces", self.api.ns)

    def play(self, mark: str, sequence: Sequence[Operation]) -> Played:
        plurals = sorted({plural for _, plural, *_ in sequence})
        past = sequence[0][1]
        version = self._version(past)
        played = Played([play(self.api, mark, operation) for operation in sequence])
        for plural in plurals:
            self._end(plural, mark)
            for what in (plural, f"{plural} {SELECTORS[plural][0]}"):
                played.told[what] = _told(self._watches[what], mark)
        selector = f"{SELECTORS[past][0]},mark={mark}"
        watch = self.api.watch(past, 20, resourceVersion=version, labelSelector=selector)
        played.told[f"{past} {selector} from the past"] = _told(watch, mark)
        return played

    def _version(self, plural: str) -> str:
        return str(self.api.list(plural, limit=1).meta["resourceVersion"])

    def _end(self, plural: str, mark: str) -> None:
        """An object that every watch of the kind tells of: what came before it is what the sequence did."""
        labels = {"mark": mark, **SELECTORS[plural][1]}
        made = self.api.create(plural, _document(plural, f"end-{mark}", labels, LEAST_SPECS.get(plural, {})))
        assert made.code == 201, made.body


def _told(watch: Iterator[Doc], mark: str) -> list[Doc]:
    """The events of the sequence's objects; others (what controllers put into a namespace) are left out."""
    events: list[Any] = []
    for event in watch:
        name = event["object"]["metadata"].get("name", "")
        if name == f"end-{mark}":
            return events
        if name.endswith(f"-{mark}"):
            events.append(event)
        else:
            assert event["type"] != "ERROR", event
    raise AssertionError(f"the watch ended before it told of end-{mark}; it told of {events}")
