"""The last step of every write: fields of the server kept, defaults filled, unknown fields dropped or refused, what is wrong refused."""

import base64
from collections.abc import Callable, Mapping
from typing import Any

from gitops_canary.sandbox.apiserver import builtin, defaults, fields, problems, schemas
from gitops_canary.sandbox.apiserver.kinds import Kind
from gitops_canary.sandbox.apiserver.managing import Options
from gitops_canary.sandbox.apiserver.rules import metadata
from gitops_canary.sandbox.apiserver.store import Doc

SERVERS_OWN = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation", "resourceVersion")


class Finisher:
    """`warnings` are those of the last write; the server sends and forgets them."""

    def __init__(self, now: Callable[[], str]) -> None:
        self._now = now
        self._next_ip = 0
        self.warnings: list[str] = []

    def finished(self, kind: Kind, doc: Doc, old: Doc | None, options: Options) -> Doc:
        """Server fields kept, defaults filled, validated, generation counted."""
        if old is not None:
            for key in SERVERS_OWN:
                doc["metadata"].pop(key, None)
                if key in old["metadata"]:
                    doc["metadata"][key] = old["metadata"][key]
        doc = self._custom(kind, doc, old, options) if kind.custom else self._built_in(kind, doc, old, options)
        _tidy(doc["metadata"])
        if old is not None and kind.counts_generations and _spec(doc) != _spec(old):
            doc["metadata"]["generation"] = int(old["metadata"].get("generation", 1)) + 1
        return doc

    def _custom(self, kind: Kind, doc: Doc, old: Doc | None, options: Options) -> Doc:
        schema = kind.schema or {}
        dropped: list[str] = []
        doc = schemas.defaulted(schemas.pruned(doc, schema, dropped=dropped), schema)
        self._dropped(kind, dropped, options)
        found = [*metadata.checked(doc, old), *schemas.causes(doc, schema)]
        if found:
            raise problems.invalid(kind.group, kind.kind, str(doc["metadata"].get("name", "")), found)
        return doc

    def check_typed(self, kind: Kind, config: Doc, name: str) -> None:
        """What is applied may have no field that its kind has not, and none of a wrong type."""
        try:
            if kind.custom:
                unknown: list[str] = []
                schemas.pruned(config, kind.schema or {}, dropped=unknown)
            else:
                unknown = fields.decoded(config, kind.kind)[1]
        except fields.Mistyped as error:
            raise problems.untyped(name, kind.api_version, kind.kind, str(error)) from error
        if unknown:
            raise problems.untyped(name, kind.api_version, kind.kind, f".{unknown[0]}: field not declared in schema")

    def _dropped(self, kind: Kind, dropped: list[str], options: Options) -> None:
        told = [f'unknown field "{field}"' for field in dropped]
        if dropped and options.strict:
            raise problems.undecodable(kind.kind, kind.version, f"strict decoding error: {', '.join(told)}")
        self.warnings = [] if options.quiet else told

    def _built_in(self, kind: Kind, doc: Doc, old: Doc | None, options: Options) -> Doc:
        try:
            doc, unknown = fields.decoded(doc, kind.kind)
        except fields.Mistyped as error:
            if options.patched:
                raise problems.invalid("", "", "", [("patch", f"Invalid value: {error}")]) from error
            raise problems.undecodable(kind.kind, kind.version, str(error)) from error
        self._dropped(kind, unknown, options)
        if kind.kind == "Secret" and isinstance(doc.get("stringData"), dict):
            texts = doc.pop("stringData")
            doc["data"] = {**(doc.get("data") or {}), **{key: base64.b64encode(str(text).encode()).decode() for key, text in texts.items()}}
        try:
            defaults.fill(doc)
            found = builtin.causes(doc, old)
        except (AttributeError, TypeError, KeyError) as error:
            raise problems.undecodable(kind.kind, kind.version, str(error)) from error
        if found:
            raise problems.invalid(kind.group, kind.kind, str(doc["metadata"].get("name", "")), found)
        if kind.kind == "Service":
            self._give_address(doc, old)
        if kind.kind == "CustomResourceDefinition":
            _established(doc, self._now())
        return doc

    def _give_address(self, doc: Doc, old: Doc | None) -> None:
        spec = doc["spec"]
        kept = (old or {}).get("spec", {}).get("clusterIP")
        if spec["type"] == "ExternalName":
            return
        if kept:
            spec["clusterIP"] = kept
        elif not spec.get("clusterIP"):
            self._next_ip += 1
            spec["clusterIP"] = f"10.96.{self._next_ip // 250}.{self._next_ip % 250 + 1}"
        spec["clusterIPs"] = [spec["clusterIP"]]


def _spec(doc: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in doc.items() if key not in ("metadata", "status")}


def _tidy(meta: Doc) -> None:
    for key in ("labels", "annotations", "finalizers", "ownerReferences"):
        if key in meta and not meta[key]:
            del meta[key]


def _established(doc: Doc, now: str) -> None:
    """The answer of the definition's own controllers, given at once."""
    spec = doc["spec"]
    names = {**spec["names"], "singular": spec["names"].get("singular") or spec["names"]["kind"].lower()}
    names.setdefault("listKind", f"{names['kind']}List")
    spec["names"] = names
    spec.setdefault("conversion", {"strategy": "None"})
    stored = [version["name"] for version in spec["versions"] if version.get("storage")]
    conditions = [
        {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts", "message": "no conflicts found", "lastTransitionTime": now},
        {
            "type": "Established",
            "status": "True",
            "reason": "InitialNamesAccepted",
            "message": "the initial names have been accepted",
            "lastTransitionTime": now,
        },
    ]
    old = doc.get("status") or {}
    doc["status"] = {"conditions": old.get("conditions") or conditions, "acceptedNames": names, "storedVersions": stored}
