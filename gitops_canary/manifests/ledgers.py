"""The result files `.gitops-canary/<cluster>/<namespace>/<canary>.yaml` as values and as text (rule G9); when to write is the managers'."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import yaml

from gitops_canary.domain.quarantine import Quarantined
from gitops_canary.domain.results import Outcome, Result
from gitops_canary.manifests.composing import Unreadable
from gitops_canary.manifests.loading import decode, documents, resolve
from gitops_canary.manifests.tree import OURS, Files, Problem

HEAD = "# Written by gitops-canary. Deleting an entry of the quarantine lets automation bump to that tag again.\n"
RETRIED = "retried"
"""Set in a run whose promotion failed: a person lets its release go on (rule R11)."""
KEPT = 50
"""Entries of the quarantine: the newest ones; older tags are older than these and stay out anyway (rule B1)."""


@dataclass(frozen=True)
class Ledger:
    """One canary's file: the newest run as it was recorded, how often each outcome came, and the quarantine."""

    cluster: str
    namespace: str
    canary: str
    cluster_id: str = ""
    number: int = 0
    outcome: str = ""
    image: str = ""
    run: Mapping[str, Any] = field(default_factory=dict, hash=False)
    counts: Mapping[str, int] = field(default_factory=dict, hash=False)
    quarantine: tuple[Quarantined, ...] = ()

    @property
    def path(self) -> str:
        return ledger_path(self.cluster, self.namespace, self.canary)


@dataclass
class LedgerCache:
    """Read files by path and content."""

    entries: dict[tuple[str, str], Ledger | Problem] = field(default_factory=dict)


def ledger_path(cluster: str, namespace: str, canary: str) -> str:
    return f"{OURS}{cluster}/{namespace}/{canary}.yaml"


def read_ledgers(tree: Files, cache: LedgerCache | None = None) -> tuple[tuple[Ledger, ...], tuple[Problem, ...]]:
    """The files of all clusters. One that cannot be read is a problem: nothing is bumped while a quarantine may hide in it."""
    known = cache if cache is not None else LedgerCache()
    fresh: dict[tuple[str, str], Ledger | Problem] = {}
    for path in tree.paths(OURS.rstrip("/")):
        if path.endswith(".yaml") and path.count("/") == 3:
            key = (path, tree.blob_id(path) or "")
            fresh[key] = known.entries.get(key) or read_ledger(path, tree.read(path) or b"")
    known.entries = fresh
    found = fresh.values()
    return tuple(one for one in found if isinstance(one, Ledger)), tuple(one for one in found if isinstance(one, Problem))


def read_ledger(path: str, data: bytes) -> Ledger | Problem:
    try:
        value: Any = next((document.value for document in documents(decode(data))), {})
        return _ledger(path, value)
    except Unreadable as error:
        return Problem(path, error.line, f"cannot read {path}:{error.line}: {error.sentence}")
    except (TypeError, ValueError, AttributeError, KeyError):
        return Problem(path, 1, f"cannot read {path}: it is not a result file of gitops-canary; take the last commit that changed it back")


def _ledger(path: str, value: Mapping[str, Any]) -> Ledger:
    _, cluster, namespace, name = path.split("/")
    run = dict(value.get("run") or {})
    return Ledger(
        cluster,
        namespace,
        name.removesuffix(".yaml"),
        cluster_id=str(value.get("clusterId") or ""),
        number=int(run.get("number") or 0),
        outcome=str(run.get("outcome") or ""),
        image=str((run.get("to") or {}).get("image") or ""),
        run=run,
        counts={str(key): int(count) for key, count in (value.get("counts") or {}).items()},
        quarantine=tuple(_quarantined(entry) for entry in value.get("quarantine") or ()),
    )


def _quarantined(entry: Mapping[str, Any]) -> Quarantined:
    known = {name: str(entry[name]) for name in Quarantined.__dataclass_fields__ if entry.get(name)}
    return Quarantined(**known)


def with_result(ledger: Ledger, result: Result, *, edited: bool, says: str, file: str, differs: bool, barred: Quarantined | None) -> Ledger:
    """The file after this run: its record replaces the older one, whose history is the file's `git log`."""
    counts = {**ledger.counts, result.outcome.value: ledger.counts.get(result.outcome.value, 0) + 1}
    updated = replace(
        ledger,
        number=result.number,
        outcome=result.outcome.value,
        image=result.now.image,
        run=_run(result, edited=edited, says=says, file=file, differs=differs),
        counts=counts,
    )
    return with_quarantined(updated, [barred] if barred else [])


def with_quarantined(ledger: Ledger, entries: Sequence[Quarantined]) -> Ledger:
    """One entry a tag, digest and key: the newer one stays."""
    kept = [old for old in ledger.quarantine if not any(_same(old, new) for new in entries)]
    return replace(ledger, quarantine=(*kept, *entries)[-KEPT:])


def _same(one: Quarantined, other: Quarantined) -> bool:
    return (one.image, one.tag, one.digest, one.owner, one.container) == (
        other.image,
        other.tag,
        other.digest,
        other.owner,
        other.container,
    )


def _run(result: Result, *, edited: bool, says: str, file: str, differs: bool) -> dict[str, Any]:
    raw = {
        "number": result.number,
        "id": result.run_id,
        "outcome": result.outcome.value,
        "reason": result.reason,
        "started": result.started,
        "ended": result.ended,
        "from": _revision(asdict(result.was)),
        "to": _revision(asdict(result.now)),
        "changed": result.changed,
        "highestWeight": result.weight,
        "failedChecks": result.failed_checks,
        "checks": [_sparse(asdict(check)) for check in result.checks],
        "file": file,
        "says": says,
    }
    flags = {"edited": edited} if edited or result.outcome is Outcome.ROLLED_BACK else {}
    return {**_sparse(raw), **flags, **({"differs": True} if differs else {})}


def _revision(raw: dict[str, Any]) -> dict[str, Any]:
    return _sparse({**raw, "configs": dict(raw["configs"])})


def _sparse(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if value not in ("", [], {}, (), None)}


class _Dumper(yaml.CSafeDumper):  # type: ignore[misc]
    """Quotes every text that would be read back as something else by the rules of `loading.py` (`N`, `1e3`), which are not PyYAML's."""


def _text(dumper: yaml.CSafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if isinstance(resolve(value), str) else "'")


_Dumper.add_representer(str, _text)


def ledger_text(ledger: Ledger) -> bytes:
    """The whole file; equal values make equal bytes."""
    raw = {
        "cluster": ledger.cluster,
        "clusterId": ledger.cluster_id,
        "canary": f"{ledger.namespace}/{ledger.canary}",
        "run": dict(ledger.run),
        "counts": dict(ledger.counts),
        "quarantine": [_sparse(asdict(entry)) for entry in ledger.quarantine],
    }
    text: str = yaml.dump(_sparse(raw), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=140)
    return (HEAD + text).encode()
