"""What our server-side applies left behind, so that one which would change nothing is not sent; asks nobody."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from gitops_canary.adapters.cluster import ownership
from gitops_canary.adapters.cluster.store import Entry
from gitops_canary.domain.resources import Doc, Ref

LIMIT = 4096
"""Applies remembered; beyond it a repetition may cost one request that changes nothing."""


@dataclass(frozen=True)
class Applied:
    """What was sent and what stood afterwards: `held` = the owned live values, `version` for kinds cached without their data."""

    sent: bytes
    held: Any
    version: int


class Applies:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[object, ...], Applied] = OrderedDict()

    def stands(self, ref: Ref, doc: Doc, manager: str, entry: Entry) -> bool:
        """Whether the cached object already has what this apply would make of it; a precondition on another version is never met here."""
        asked = (doc.get("metadata") or {}).get("resourceVersion")
        if asked and int(asked) != entry.version:
            return False
        with self._lock:
            known = self._known.get((ref.identity, manager))
        if known is not None and known.sent != _digest(doc):
            known = None
        if not entry.whole:
            return known is not None and known.version == entry.version
        owned = entry.owned.get(manager)
        if owned is None:
            return False
        if known is not None and known.held == ownership.held(entry.doc, owned):
            return True
        return ownership.stands(doc, entry.doc, owned)

    def remember(self, ref: Ref, doc: Doc, manager: str, answer: Doc) -> None:
        entries = answer["metadata"].get("managedFields") or ()
        mine = (one["fieldsV1"] for one in entries if one.get("manager") == manager and one.get("operation") == "Apply")
        owned: Mapping[str, Any] = next(mine, {})
        version = int(answer["metadata"]["resourceVersion"])
        with self._lock:
            self._known[(ref.identity, manager)] = Applied(_digest(doc), ownership.held(answer, owned), version)
            self._known.move_to_end((ref.identity, manager))
            if len(self._known) > LIMIT:
                self._known.popitem(last=False)


def _digest(doc: Doc) -> bytes:
    return hashlib.sha256(orjson.dumps(ownership.applied(doc), option=orjson.OPT_SORT_KEYS)).digest()
