"""Label and field selectors: parsed, refused when odd, matched."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from gitops_canary.sandbox.apiserver.problems import bad_request

Test = Callable[[Mapping[str, Any]], bool]
_KEY = r"[A-Za-z0-9]([-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_EQUAL = re.compile(rf"({_KEY})\s*(==|=|!=)\s*({_VALUE})")
_SET = re.compile(rf"({_KEY})\s+(in|notin)\s+\(([^)]*)\)")
_EXISTS = re.compile(rf"(!?)\s*({_KEY})")
FIELDS = {
    "pods": ("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName", "status.phase", "status.podIP"),
    "events": (
        "involvedObject.kind", "involvedObject.namespace", "involvedObject.name", "involvedObject.uid", "involvedObject.apiVersion",
        "involvedObject.resourceVersion", "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type",
    ),
    "secrets": ("type",),
    "namespaces": ("status.phase",),
    "nodes": ("spec.unschedulable",),
    "jobs": ("status.successful",),
}  # fmt: skip


def label_test(text: str) -> Test:
    """400 with the selector's text when it cannot be parsed."""
    tests = [_label_term(part.strip(), text) for part in _terms(text)] if text.strip() else []
    return lambda doc: all(test((doc["metadata"].get("labels")) or {}) for test in tests)


def _terms(text: str) -> list[str]:
    return re.split(r",(?![^(]*\))", text)


def _label_term(part: str, whole: str) -> Test:
    if found := _SET.fullmatch(part):
        key, negated = found[1], found[3] == "notin"
        values = {value.strip() for value in found[4].split(",")}
        return lambda labels: (labels.get(key) in values) is not negated if key in labels else negated
    if found := _EQUAL.fullmatch(part):
        key, operator, value = found[1], found[3], found[4] or ""
        if operator == "!=":
            return lambda labels: labels.get(key) != value
        return lambda labels: labels.get(key) == value
    if found := _EXISTS.fullmatch(part):
        key, absent = found[2], bool(found[1])
        return lambda labels: (key in labels) is not absent
    raise bad_request(f"unable to parse requirement: {part!r} of label selector {whole!r}")


def field_test(text: str, plural: str) -> Test:
    """Only the fields that a real server supports; any other is a 400 that names it."""
    if not text.strip():
        return lambda _: True
    tests = []
    known = ("metadata.name", "metadata.namespace", *FIELDS.get(plural, ()))
    for part in text.split(","):
        found = re.fullmatch(r"\s*([\w./-]+)\s*(==|=|!=)\s*(.*?)\s*", part)
        if not found:
            raise bad_request(f"invalid field selector: {part!r}; can't understand it")
        if found[1] not in known:
            raise bad_request(f"field label not supported: {found[1]}")
        tests.append((tuple(found[1].split(".")), found[2] == "!=", found[3]))
    return lambda doc: all((_text_at(doc, path) == value) is not negated for path, negated, value in tests)


def _text_at(doc: Any, path: tuple[str, ...]) -> str:
    for step in path:
        doc = doc.get(step) if isinstance(doc, Mapping) else None
    if isinstance(doc, bool):
        return "true" if doc else "false"
    return "" if doc is None else str(doc.get("component", "")) if isinstance(doc, Mapping) else str(doc)


def selector_text(selector: Any) -> str:
    """A LabelSelector (or a plain map) as /scale's status and tables show it: its terms by their keys."""
    if isinstance(selector, str):
        return selector
    if not isinstance(selector, Mapping):
        return ""
    whole = "matchLabels" in selector or "matchExpressions" in selector
    labels = (selector.get("matchLabels") or {}) if whole else selector
    terms = [(key, f"{key}={value}") for key, value in labels.items()]
    terms += [(one["key"], _term_text(one)) for one in (selector.get("matchExpressions") or () if whole else ())]
    return ",".join(text for _, text in sorted(terms, key=lambda term: term[0]))


def _term_text(one: Mapping[str, Any]) -> str:
    key, values = one["key"], ",".join(sorted(one.get("values") or ()))
    forms = {"In": f"{key} in ({values})", "NotIn": f"{key} notin ({values})", "Exists": key, "DoesNotExist": f"!{key}"}
    return str(forms[one["operator"]])
