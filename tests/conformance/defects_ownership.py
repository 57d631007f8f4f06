"""Defects of who owns which field that made-up sequences have found; of the rest of server-side apply `defects_objects.py` has them."""

from typing import Any

from gitops_canary.sandbox.apiserver import objects, ownership
from gitops_canary.sandbox.apiserver.structure import Structure
from tests.conformance.planting import Defect, around, instead


def _without_status(original: Any, kind: Any, new: Any, old: Any, options: Any, now: str) -> Any:
    entries = original(kind, new, old, options, now)
    return entries if old is None or options.subresource else [one for one in entries if one.get("subresource") != "status"]


def _items_stay(original: Any, doc: Any, gone: set[ownership.Path], kept: set[ownership.Path]) -> Any:
    return original(doc, gone, kept | ownership.containers(kept))


# fmt: off
DEFECTS = (
    Defect("an item in which another owns something stays", around(ownership, "pruned", _items_stay), (
        r"test_an_item_that_its_applier_leaves_out_goes_with_what_a_plain_writer_changed_in_it\[.*\]",
    )),
    Defect("an applier owns no map that the schema does not name", instead(Structure, "undeclared", lambda *_: False), (
        "test_a_map_that_the_schema_does_not_name_stays_its_applier_s_when_all_in_it_was_taken",
    )),
    Defect("an applied null is nothing", instead(Structure, "keeps_null", lambda *_: False), (
        r"test_an_apply_keeps_the_nulls_of_a_custom_object\[.*\]",
    )),
    Defect("a plain write takes the status from its writer", around(objects, "managed", _without_status), (
        r"test_a_status_stays_its_writer_s_when_others_write_the_object\[.*\]",
    )),
    Defect("a forced apply takes the maps that its fields stand in", instead(ownership, "containers", lambda *_: set()), (
        "test_a_map_that_the_schema_does_not_name_stays_its_writer_s_when_all_in_it_was_forced",
    )),
)
# fmt: on
