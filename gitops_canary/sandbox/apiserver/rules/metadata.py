"""Names, labels, annotations, owners and finalizers of every kind."""

from collections.abc import Iterator

from gitops_canary.sandbox.apiserver.rules.words import Cause, Doc, invalid, labels, qualified, subdomain
from gitops_canary.sandbox.apiserver.rules.words import label as dns_label

PATH_NAMES = frozenset({"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"})
LABEL_NAMES = frozenset({"Service", "Namespace"})
ANNOTATION_BYTES = 256 * 2**10


def checked(doc: Doc, old: Doc | None) -> Iterator[Cause]:
    meta = doc["metadata"]
    yield from _name(doc["kind"], str(meta.get("name", "")))
    yield from labels("metadata.labels", meta.get("labels"))
    for key, value in (meta.get("annotations") or {}).items():
        yield from qualified("metadata.annotations", key)
        if not isinstance(value, str):
            yield "metadata.annotations", f"Invalid value: {key} must be of type string"
    if sum(len(str(key)) + len(str(value)) for key, value in (meta.get("annotations") or {}).items()) > ANNOTATION_BYTES:
        yield "metadata.annotations", f"Too long: may not be more than {ANNOTATION_BYTES} bytes"
    yield from _owners(meta)
    yield from _late_finalizers(doc, old)


def _name(kind: str, name: str) -> Iterator[Cause]:
    if kind in PATH_NAMES:
        if wrong := next((one for one in ("/", "%") if one in name), None):
            yield invalid("metadata.name", name, f"may not contain '{wrong}'")
    elif kind in LABEL_NAMES:
        yield from dns_label("metadata.name", name)
    else:
        yield from subdomain("metadata.name", name)


def _owners(meta: Doc) -> Iterator[Cause]:
    at = "metadata.ownerReferences"
    for owner in meta.get("ownerReferences") or ():
        if not owner.get("apiVersion"):
            yield invalid(f"{at}.apiVersion", "", "version must not be empty")
        for name in ("kind", "name", "uid"):
            if not owner.get(name):
                yield invalid(f"{at}.{name}", "", "must not be empty")


def _late_finalizers(doc: Doc, old: Doc | None) -> Iterator[Cause]:
    if old is not None and old["metadata"].get("deletionTimestamp"):
        late = [one for one in doc["metadata"].get("finalizers") or () if one not in (old["metadata"].get("finalizers") or ())]
        if late:
            shown = ", ".join(f'"{one}"' for one in late)
            why = f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{shown}}}"
            yield "metadata.finalizers", f"Forbidden: {why}"
