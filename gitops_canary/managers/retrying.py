"""The one commit of `gitops-canary retry`: a quarantined tag is lifted and set again (rule G8); who asks for it is the command's."""

from dataclasses import replace

from gitops_canary.domain.automation import ImageKey, image_keys
from gitops_canary.domain.commits import line
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.quarantine import Quarantined
from gitops_canary.managers.reading import Reader, edited
from gitops_canary.manifests.ledgers import Ledger, ledger_text
from gitops_canary.ports import Change, Edit, Tree


def retry_edit(reader: Reader, namespace: str, canary: str, tag: str = "") -> Edit:
    """The edit that lifts `tag` ("" = the newest entry) and puts it into its file. UserError names what is not there."""

    def edit(tree: Tree) -> Change:
        ledger = reader.ledger(tree, namespace, canary)
        entry = _entry(ledger, tag)
        key = _key(reader, tree, entry)
        rest = tuple(one for one in ledger.quarantine if one.tag != entry.tag)
        files = edited(tree, {ledger.path: ledger_text(replace(ledger, quarantine=rest))}, key, key.text_for(entry.tag))
        reason = f"It was quarantined: {line(entry.reason)}\n\n" if entry.reason else ""
        return Change(files, f"Retry {canary}.{namespace} {entry.tag}\n\n{reason}Canary: {canary}.{namespace}\n")

    return edit


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
