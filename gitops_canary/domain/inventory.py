"""The inventory as text for ConfigMaps of bounded size, and back; reading and writing the ConfigMaps is the sync manager's."""

import json
from collections.abc import Iterable, Mapping

from gitops_canary.domain.errors import UserError
from gitops_canary.domain.resources import Ref
from gitops_canary.domain.sync import Entry, Inventory

LIMIT = 512 * 1024
"""Bytes of one ConfigMap's data; the server refuses objects over about 1.5 MiB (rule O2)."""


def encode(inventory: Inventory, limit: int = LIMIT) -> list[dict[str, str]]:
    """The data of each ConfigMap, the first one with the synced revision; at least one."""
    shards: list[list[str]] = [[]]
    size = 0
    for entry in sorted(inventory.entries.values(), key=lambda entry: entry.ref):
        line = _line(entry)
        if shards[-1] and size + len(line) + 1 > limit:
            shards.append([])
            size = 0
        shards[-1].append(line)
        size += len(line) + 1
    return [{"revision": inventory.revision, "objects": "\n".join(lines)} for lines in shards]


def decode(datas: Iterable[Mapping[str, str]]) -> Inventory:
    """The inverse of `encode`; UserError when somebody edited it into something else."""
    entries = {}
    revision = ""
    for number, data in enumerate(datas):
        revision = revision or data.get("revision", "")
        for line in data.get("objects", "").splitlines():
            entry = _entry(line, number)
            entries[entry.ref.identity] = entry
    return Inventory(revision, entries)


def _line(entry: Entry) -> str:
    ref = entry.ref
    return json.dumps([ref.api_version, ref.kind, ref.namespace, ref.name, entry.file, entry.digest, int(entry.orphaned)])


def _entry(line: str, number: int) -> Entry:
    try:
        api_version, kind, namespace, name, file, digest, orphaned = json.loads(line)
    except (ValueError, TypeError) as error:
        raise UserError(
            f"cannot read the inventory: ConfigMap gitops-canary-inventory-{number} holds a line that is not ours",
            hint="delete the inventory ConfigMaps to have everything in Git applied and recorded again; nothing is pruned then",
        ) from error
    return Entry(Ref(api_version, kind, namespace, name), file, digest, bool(orphaned))
