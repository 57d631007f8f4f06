"""The one commit of `gitops-canary retry`: a quarantined tag is set again (G8), or a failed promotion's release let go on (R11)."""

from dataclasses import replace

from gitops_canary.domain.automation import ImageKey, image_keys
from gitops_canary.domain.canary.ending import PROMOTION_FAILED
from gitops_canary.domain.commits import image_of, line
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.quarantine import Quarantined
from gitops_canary.domain.results import Outcome
from gitops_canary.managers.reading import Reader, edited
from gitops_canary.manifests.ledgers import RETRIED, Ledger, ledger_text
from gitops_canary.ports import Change, Edit, Tree


def retry_edit(reader: Reader, namespace: str, canary: str, tag: str = "") -> Edit:
    """The edit that lifts `tag` ("" = the newest entry) and puts it into its file. UserError names what is not there."""

    def edit(tree: Tree) -> Change:
        ledger = reader.ledger(tree, namespace, canary)
        if tag in ("", _tag(ledger)) and _promotion_failed(ledger):
            return _go_on(ledger)
        entry = _entry(ledger, tag)
        key = _key(reader, tree, entry)
        rest = tuple(one for one in ledger.quarantine if one.tag != entry.tag)
        files = edited(tree, {ledger.path: ledger_text(replace(ledger, quarantine=rest))}, key, key.text_for(entry.tag))
        reason = f"It was quarantined: {line(entry.reason)}\n\n" if entry.reason else ""
        return Change(files, f"Retry {canary}.{namespace} {entry.tag}\n\n{reason}Canary: {canary}.{namespace}\n")

    return edit


def _promotion_failed(ledger: Ledger) -> bool:
    """Its newest run did, and nobody let it go on yet."""
    failed = ledger.outcome == Outcome.ABORTED and str(ledger.run.get("reason") or "").startswith(PROMOTION_FAILED)
    return failed and not ledger.run.get(RETRIED)


def _go_on(ledger: Ledger) -> Change:
    canary = f"{ledger.canary}.{ledger.namespace}"
    text = ledger_text(replace(ledger, run={**ledger.run, RETRIED: True}))
    reason = f"Its promotion failed: {line(str(ledger.run['reason']))}. Its release may be upgraded all the same.\n\n"
    return Change({ledger.path: text}, f"Retry {canary} {_tag(ledger)}\n\n{reason}Canary: {canary}\n")


def _tag(ledger: Ledger) -> str:
    image = image_of(ledger.image)
    return image.tag if image is not None else ""


def _entry(ledger: Ledger, tag: str) -> Quarantined:
    fitting = [entry for entry in ledger.quarantine if tag in ("", entry.tag)]
    if not fitting:
        known = ", ".join(entry.tag for entry in ledger.quarantine) or "none"
        what = f"tag {tag} of" if tag else "any tag of"
        raise UserError(f"cannot retry {what} canary {ledger.namespace}/{ledger.canary}: its quarantine in {ledger.path} holds {known}")
    return fitting[-1]


def _key(reader: Reader, tree: Tree, entry: Quarantined) -> ImageKey:
    """The one image location that the entry is about."""
    keys = [key for resource in reader.resources(tree) for key in image_keys(resource) if entry.concerns(key)]
    if len(keys) != 1:
        found = " and ".join(key.resource.place for key in keys) or "nowhere"
        raise UserError(
            f"cannot set {entry.image}:{entry.tag} again: its image stands {found}",
            hint="delete the quarantine entry and set the tag by hand",
        )
    return keys[0]
