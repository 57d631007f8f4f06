"""Volume claims, storage and priority classes: a claim waits for ever here, and what a real server refuses of them is refused."""

from collections.abc import Iterator

from gitops_canary.sandbox.apiserver.rules.words import (
    Cause,
    Doc,
    amount,
    forbidden,
    invalid,
    one_of,
    qualified,
    required,
    selector,
    subdomain,
    unsupported,
)  # fmt: skip

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
LARGEST_PRIORITY = 1_000_000_000
SYSTEMS = ("system-node-critical", "system-cluster-critical")


def claim(doc: Doc, old: Doc | None) -> Iterator[Cause]:
    spec = doc.get("spec") or {}
    modes = spec.get("accessModes") or []
    if not modes:
        yield required("spec.accessModes", "at least 1 access mode is required")
    for mode in modes:
        if mode not in ACCESS_MODES:
            yield unsupported("spec.accessModes", mode, *ACCESS_MODES)
    if "ReadWriteOncePod" in modes and len(modes) > 1:
        yield forbidden("spec.accessModes", "may not use ReadWriteOncePod with other access modes")
    yield from selector("spec.selector", spec.get("selector"))
    size = ((spec.get("resources") or {}).get("requests") or {}).get("storage")
    if size is None:
        yield required("spec.resources[storage]")
    elif amount(size) <= 0:
        yield invalid("spec.resources[storage]", str(size), "must be greater than zero")
    if spec.get("storageClassName"):
        yield from subdomain("spec.storageClassName", spec["storageClassName"])
    yield from one_of(spec, "spec", "volumeMode", "Block", "Filesystem")


def volume(doc: Doc, old: Doc | None) -> Iterator[Cause]:
    """What would be stored and never bound is not taken."""
    yield forbidden("spec", "the sandbox has no volumes and binds no claims to them")


def storage_class(doc: Doc, old: Doc | None) -> Iterator[Cause]:
    provisioner = doc.get("provisioner") or ""
    if not provisioner:
        yield required("provisioner")
    else:
        yield from qualified("provisioner", provisioner.lower())
    if "" in (doc.get("parameters") or {}):
        yield invalid("parameters", "", "field can not be empty.")
    yield from one_of(doc, "", "reclaimPolicy", "Delete", "Retain")
    yield from one_of(doc, "", "volumeBindingMode", "Immediate", "WaitForFirstConsumer")
    for number, one in enumerate(doc.get("allowedTopologies") or ()):
        for place, rule in enumerate(one.get("matchLabelExpressions") or ()):
            if not rule.get("values"):
                yield required(f"allowedTopologies[{number}].matchLabelExpressions[{place}].values")


def priority_class(doc: Doc, old: Doc | None) -> Iterator[Cause]:
    name = str(doc["metadata"].get("name") or "")
    if name.startswith("system-") and name not in SYSTEMS:
        why = "priority class names with 'system-' prefix are reserved for system use only."
        yield forbidden("metadata.name", f"{why} error: {name} is not a known system priority class")
    elif (doc.get("value") or 0) > LARGEST_PRIORITY and name not in SYSTEMS:
        yield forbidden("value", f"maximum allowed value of a user defined priority is {LARGEST_PRIORITY}")
    yield from one_of(doc, "", "preemptionPolicy", "PreemptLowerPriority", "Never")
