"""Roles, bindings and leases: who may do what, and who holds what."""

from collections.abc import Iterator

from gitops_canary.sandbox.apiserver.rules.words import Cause, Doc, at_least, invalid, required, unsupported

GROUP = "rbac.authorization.k8s.io"
SUBJECTS = {"ServiceAccount": "", "User": GROUP, "Group": GROUP}


def role(doc: Doc, old: Doc | None) -> Iterator[Cause]:
    for number, rule in enumerate(doc.get("rules") or ()):
        yield from _rule(rule, f"rules[{number}]", within=doc["kind"] == "Role")


def _rule(rule: Doc, at: str, *, within: bool) -> Iterator[Cause]:
    paths = rule.get("nonResourceURLs")
    if not rule.get("verbs"):
        yield required(f"{at}.verbs", "verbs must contain at least one value")
    if paths:
        if within:
            yield invalid(f"{at}.nonResourceURLs", paths, "namespaced rules cannot apply to non-resource URLs")
        if any(rule.get(name) for name in ("apiGroups", "resources", "resourceNames")):
            yield invalid(f"{at}.nonResourceURLs", paths, "rules cannot apply to both regular resources and non-resource URLs")
        return
    for name, words in (("apiGroups", "api group"), ("resources", "resource")):
        if not rule.get(name):
            yield required(f"{at}.{name}", f"resource rules must supply at least one {words}")


def binding(doc: Doc, old: Doc | None) -> Iterator[Cause]:
    ref = doc.get("roleRef") or {}
    kinds = ("Role", "ClusterRole") if doc["kind"] == "RoleBinding" else ("ClusterRole",)
    if ref.get("apiGroup", GROUP) != GROUP:
        yield unsupported("roleRef.apiGroup", ref["apiGroup"], GROUP)
    if ref.get("kind") not in kinds:
        yield unsupported("roleRef.kind", ref.get("kind"), *kinds)
    if not ref.get("name"):
        yield required("roleRef.name")
    elif wrong := next((one for one in ("/", "%") if one in ref["name"]), None):
        yield invalid("roleRef.name", ref["name"], f"may not contain '{wrong}'")
    for number, subject in enumerate(doc.get("subjects") or ()):
        yield from _subject(subject, f"subjects[{number}]", within=doc["kind"] == "RoleBinding")
    if old is not None and old.get("roleRef") != doc.get("roleRef"):
        yield invalid("roleRef", dict(ref), "cannot change roleRef")


def _subject(subject: Doc, at: str, *, within: bool) -> Iterator[Cause]:
    kind = str(subject.get("kind") or "")
    if not subject.get("name"):
        yield required(f"{at}.name")
    if kind not in SUBJECTS:
        yield unsupported(f"{at}.kind", kind, *SUBJECTS)
    elif subject.get("apiGroup", SUBJECTS[kind]) != SUBJECTS[kind]:
        yield unsupported(f"{at}.apiGroup", subject["apiGroup"], SUBJECTS[kind])
    if kind == "ServiceAccount" and not subject.get("namespace") and not within:
        yield required(f"{at}.namespace")


def lease(doc: Doc, old: Doc | None) -> Iterator[Cause]:
    spec = doc.get("spec") or {}
    yield from at_least(spec, "spec", ("leaseDurationSeconds",), 1)
    yield from at_least(spec, "spec", ("leaseTransitions",))
