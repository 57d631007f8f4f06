"""Events of our own: one sentence about one object under a name made of both, so that a replay adds none; pure.

A list of Events, and within a second `kubectl describe`, is in the order of the names: the story's order stands before the digest."""

import hashlib
import re
from datetime import datetime

from gitops_canary.domain.conditions import stamp
from gitops_canary.domain.resources import Doc
from gitops_canary.ports import Sentence

COMPONENT = "gitops-canary"
REASON = "Synced"
"""Flagger's reason for every event about a canary; dashboards select by it."""
LONGEST = 1024
"""Characters of an Event's message that the API takes."""


def event(about: Doc, sentence: Sentence, key: str, now: datetime) -> Doc:
    """A core/v1 Event; `about` needs apiVersion, kind and metadata. `now` is aware."""
    meta = about["metadata"]
    namespace = meta.get("namespace") or "default"
    when = stamp(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": _name(about, key, sentence.order), "namespace": namespace},
        "involvedObject": _reference(about),
        "reason": REASON,
        "message": sentence.text if len(sentence.text) <= LONGEST else sentence.text[: LONGEST - 1] + "…",
        "type": "Warning" if sentence.warning else "Normal",
        "source": {"component": COMPONENT},
        "reportingComponent": COMPONENT,
        "firstTimestamp": when,
        "lastTimestamp": when,
        "count": 1,
    }


def _name(about: Doc, key: str, order: str) -> str:
    meta = about["metadata"]
    told = "\0".join((str(about["kind"]), str(meta.get("uid") or meta["name"]), key))
    # An Event's name is a DNS subdomain of at most 253 characters, RBAC's objects have freer ones; the digest alone tells apart.
    readable = re.sub(r"[^a-z0-9.-]", "-", str(meta["name"]).lower())[:200].strip(".-")
    digest = hashlib.sha256(told.encode()).hexdigest()[:20]
    return ".".join(part for part in (readable, order, digest) if part)


def _reference(about: Doc) -> dict[str, str]:
    meta = about["metadata"]
    given = {
        "apiVersion": about["apiVersion"],
        "kind": about["kind"],
        "name": meta["name"],
        "namespace": meta.get("namespace"),
        "uid": meta.get("uid"),
        "resourceVersion": meta.get("resourceVersion"),
    }
    return {key: str(value) for key, value in given.items() if value}
