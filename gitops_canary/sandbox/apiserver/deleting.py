"""What a deletion asks and what becomes of the object: preconditions, finalizers, time to end; nothing is stored here."""

from collections.abc import Mapping
from typing import Any

from gitops_canary.sandbox.apiserver import problems
from gitops_canary.sandbox.apiserver.kinds import Kind
from gitops_canary.sandbox.apiserver.store import Doc


def check_preconditions(kind: Kind, doc: Doc, options: Mapping[str, Any]) -> None:
    """409 when the object is not the one that was meant."""
    name = doc["metadata"]["name"]
    wanted = options.get("preconditions") or {}
    if wanted.get("uid") and wanted["uid"] != doc["metadata"]["uid"]:
        why = f"the UID in the precondition ({wanted['uid']}) does not match the UID in record ({doc['metadata']['uid']})"
        raise problems.conflict(kind.group, kind.plural, name, f"Precondition failed: {why}")
    if wanted.get("resourceVersion") and wanted["resourceVersion"] != doc["metadata"]["resourceVersion"]:
        raise problems.conflict(
            kind.group, kind.plural, name, "Precondition failed: the ResourceVersion in the precondition does not match"
        )


def finalizers_of(kind: Kind, doc: Doc, options: Mapping[str, Any]) -> list[str]:
    """With those that the propagation policy adds."""
    finalizers = list(doc["metadata"].get("finalizers") or ())
    usual = "Orphan" if options.get("orphanDependents") or kind.kind == "Job" else "Background"
    policy = str(options.get("propagationPolicy") or usual)
    if policy not in ("Background", "Foreground", "Orphan"):
        why = f'Unsupported value: "{policy}": supported values: "Foreground", "Background", "Orphan", "nil"'
        raise problems.invalid("meta.k8s.io", "DeleteOptions", "", [("propagationPolicy", why)])
    extra = {"Foreground": "foregroundDeletion", "Orphan": "orphan"}.get(policy)
    if extra and extra not in finalizers:
        finalizers.append(extra)
    return finalizers


def grace_of(kind: Kind, doc: Doc, options: Mapping[str, Any]) -> int:
    """Only pods on a node get time to end."""
    if kind.kind != "Pod" or not (doc.get("spec") or {}).get("nodeName"):
        return 0
    asked = options.get("gracePeriodSeconds")
    return int((doc["spec"].get("terminationGracePeriodSeconds", 30)) if asked is None else asked)


def terminating(kind: Kind, doc: Doc, finalizers: list[str], grace: int, now: str) -> Doc | None:
    """The object as it waits for its end; None when it waits already, and not longer than that."""
    meta = {**doc["metadata"], "finalizers": finalizers} if finalizers else {**doc["metadata"]}
    going = bool(doc["metadata"].get("deletionTimestamp"))
    if going and (not grace or grace >= int(doc["metadata"].get("deletionGracePeriodSeconds") or 0)):
        return None
    meta["deletionTimestamp"] = now
    if kind.kind != "Namespace":
        meta["deletionGracePeriodSeconds"] = grace
    if "generation" in meta and not going:
        meta["generation"] += 1
    new = {**doc, "metadata": meta}
    if kind.kind == "Namespace":
        new["status"] = {**(doc.get("status") or {}), "phase": "Terminating"}
    return new


def may_go(kind: Kind, doc: Doc) -> bool:
    """Whether nothing holds an object that is to end."""
    if kind.kind == "Namespace" and (doc.get("spec") or {}).get("finalizers"):
        return False
    waits = int(doc["metadata"].get("deletionGracePeriodSeconds") or 0) > 0
    return not doc["metadata"].get("finalizers") and not waits
