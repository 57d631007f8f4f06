"""Defects of what Git and the operator say to each other: bumps, results, the branch, and what sync applies from it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from gitops_canary.adapters.git import repository
from gitops_canary.adapters.git.pushing import Outcome, read_outcome
from gitops_canary.adapters.git.repository import GitRepository
from gitops_canary.domain import bumps, put_back, sync
from gitops_canary.domain.errors import GitopsCanaryError
from gitops_canary.domain.put_back import Others
from gitops_canary.domain.tags import candidates
from gitops_canary.managers import applier, images, result_commits
from gitops_canary.managers import sync as syncing
from gitops_canary.managers.applier import REPLICAS_MANAGER, Applier
from gitops_canary.managers.reading import Reader
from gitops_canary.managers.result_commits import ResultCommits
from gitops_canary.managers.results import ResultsManager
from gitops_canary.managers.sync import OBJECT, SyncManager
from gitops_canary.managers.taken_back import TakenBack
from gitops_canary.manifests import ledgers
from gitops_canary.ports import Turn
from tests.conformance.product.sleeping import UNHURRIED, Defect, Part


def _no_bumps(original: Any, *arguments: Any) -> Any:
    found = original(*arguments)
    return ((), found[1]) if found[0] else found


def _by_its_letters(original: Any, tags: Sequence[str], policy: Any, *rest: Any) -> Any:
    found = original(tags, policy, *rest)
    last = max(candidates(tags, policy), default=None)
    return found if last == found else last


def _walking_down(original: Any, one: Any, offer: Any, around: Any) -> Any:
    made, tag = original(one, offer, around), bumps.candidate(one, offer)
    if not isinstance(made, bumps.Left) or all(entry.tag != tag for entry in around.quarantine):
        return made
    older = tuple(other for other in offer.tags if other != tag)
    return original(one, replace(offer, tags=older), replace(around, quarantine=()))


def _not_held(original: Any, status: Any) -> str:
    return str(original(status) and "")


def _dropped(original: Any, self: Any, now: Any, pending: Any, soon: Any) -> Any:
    try:
        return original(self, now, pending, soon)
    except GitopsCanaryError as error:
        for one in pending:
            self._taken_off(one.canary)
        return Turn(str(error), not_before=now.mono + 1.0)


def _whatever_is_there_by_now(original: Any, *arguments: Any) -> Any:
    found = original(*arguments)
    return None if found is not None and found.says.endswith("by now") else found


def _alone(original: Any, self: Any, *rest: Any) -> Any:
    found = original(self, *rest)
    return found if found == Others() else Others()


def _all_newest(original: Any, result: Any, key: Any, *, newest: bool, others: Any) -> Any:
    return original(result, key, newest=True, others=others)


def _left_by_an_earlier_process(original: Any, self: Any) -> Any:
    found = original(self)
    left = self.__dict__.setdefault("_left", {one.result.run_id for one in found})
    kept = [one for one in found if one.result.run_id not in left]
    return found if len(kept) == len(found) else kept


def _pushed(mirror: Any, commit: str, branch: str, gate: Any, *how: str) -> Any:
    gate()
    words = ["push", "--porcelain", "--no-verify", *how, "--", mirror.remote.text, f"{commit}:refs/heads/{branch}"]
    done = mirror.remote_run(words, mirror.options.push_timeout)
    return Outcome.LANDED if done.status == 0 else read_outcome(mirror, done)


def _forced(original: Any, mirror: Any, commit: str, branch: str, head: str, gate: Any) -> Any:
    return _pushed(mirror, commit, branch, gate, "--force")


def _without_a_lease(original: Any, mirror: Any, commit: str, branch: str, head: str, gate: Any) -> Any:
    return _pushed(mirror, commit, branch, gate)


def _always_contained(original: Any, self: Any, revision: str) -> bool:
    return bool(original(self, revision) or True)


def _nothing_found(original: Any, self: Any, found: Any) -> Any:
    return lambda tree: None


def _once_and_for_all(original: Any, self: Any, tree: Any) -> Any:
    found = original(self, tree)
    ever = self.__dict__.setdefault("_ever", {})
    ever.update({(entry.owner, entry.container, entry.tag): entry for entry in found})
    return found if len(ever) == len(found) else tuple(ever.values())


def _nobody_else(original: Any, *arguments: Any) -> tuple[str, ...]:
    found: tuple[str, ...] = original(*arguments)
    return () if found else found


def _short(original: Any, result: Any, **how: Any) -> Any:
    return {key: value for key, value in original(result, **how).items() if key != "checks"}


def _of_this_cluster(original: Any, self: Any, tree: Any) -> Any:
    found = original(self, tree)
    own = tuple(entry for one in self.ledgers(tree)[0] if one.cluster == self.cluster_name for entry in one.quarantine)
    return found if own == found else own


def _everything_is_ours(original: Any, self: Any, *rest: Any) -> str:
    return str(original(self, *rest) and "")


# ------------------------------------------------------------ sync


def _nothing_pruned(original: Any, *arguments: Any, **named: Any) -> Any:
    plan = original(*arguments, **named)
    return replace(plan, prunes=()) if plan.prunes else plan


def _left_to_kubectl(original: Any, self: Any, resource: Any, scaled: Any) -> Any:
    live = self._cluster.live(resource.ref)
    managers = {one.get("manager") for one in ((live or {}).get("metadata") or {}).get("managedFields") or ()}
    return False if "kubectl-client-side-apply" in managers else original(self, resource, scaled)


def _not_put_right(original: Any, self: Any, keys: Any) -> Any:
    touched = [key for key in keys if key.removeprefix(OBJECT) in self._placed]
    return Turn(self._says(), (), self._next()) if touched else original(self, keys)


def _once_each(original: Any, resources: Any) -> Any:
    found = original(resources)
    return {} if found else found


def _simply_left_out(original: Any, self: Any, resource: Any, live: Any, doc: Any) -> Any:
    dropped = "replicas" in (resource.doc.get("spec") or {}) and "replicas" not in (doc.get("spec") or {})
    managers = {one.get("manager") for one in live["metadata"].get("managedFields") or ()}
    return live if dropped and REPLICAS_MANAGER not in managers else original(self, resource, live, doc)


def _nobody_took_it(original: Any, live: Any) -> bool:
    return bool(original(live) and False)


DEFECTS = (
    Defect("nothing is bumped", (Part(images, "plan_bumps", _no_bumps),), {"test_B1_a_pushed_tag_.*": "the commit 'Promote app.promote"}),
    Defect(
        "tags are compared letter by letter",
        (Part(bumps, "newest", _by_its_letters),),
        {"test_B1_of_many_tags_.*": "the commit 'Promote app.newest 1.10.0"},
    ),
    Defect(
        "in the place of a quarantined tag the next older one is bumped",
        (Part(bumps, "decide", _walking_down),),
        {"test_B1_after_a_failed_tag_.*": r"app\.subjects\(mark\) == \[\]"},
        haste=UNHURRIED,
    ),
    Defect("nothing holds a bump", (Part(images, "holds_bumps", _not_held),), {"test_B3_.*": r"app\.subjects\("}, haste=UNHURRIED),
    Defect(
        "a result that cannot be pushed is dropped",
        (Part(ResultsManager, "_record", _dropped),),
        {"test_G1_two_runs_.*": "the promotion's end|the rollback's end|the commit"},
        haste=30.0,
    ),
    Defect(
        "an image is put back whatever the file holds by now",
        (Part(put_back, "_against", _whatever_is_there_by_now),),
        {"test_G5_a_persons_newer_.*": "shop/late:0.9.0"},
        haste=UNHURRIED,
    ),
    Defect(
        "other canaries on the same key do not count",
        (Part(ResultCommits, "_others", _alone),),
        {"test_G6_.*": '"tag: 1.0.1'},
    ),
    Defect(
        "an older result edits the file like the newest",
        (Part(result_commits, "decide_put_back", _all_newest),),
        {"test_G4_.*": '"tag: 1.0.1'},
    ),
    Defect(
        "a result that a process before this one left is never recorded",
        (Part(ResultsManager, "_pending", _left_by_an_earlier_process),),
        {"test_G2_.*": "the commit 'Promote app.killed 1.0.1"},
        early=True,
    ),
    Defect("every push is forced", (Part(repository, "push", _forced),), {"test_G3_commits_that_land_.*": "Note 0"}, haste=UNHURRIED),
    Defect(
        "pushes name no head",
        (Part(repository, "push", _without_a_lease),),
        {"test_G3_what_a_person_removed_.*": "removed not in"},
        haste=UNHURRIED,
    ),
    Defect(
        "a rewritten branch is not noticed",
        (Part(GitRepository, "contains", _always_contained),),
        {"test_G3_O2_.*": "the branch was rewritten"},
    ),
    Defect(
        "a tag that a person took back is not noticed",
        (Part(TakenBack, "_edit", _nothing_found),),
        {"test_G8_a_tag_that_a_person_took_back_.*": "the quarantine"},
    ),
    Defect(
        "a quarantine that a person deletes goes on",
        (Part(Reader, "quarantine", _once_and_for_all),),
        {"test_G8_deleting_the_entry_.*": "the commit 'Auto-release shop/freed"},
    ),
    Defect(
        "what other clusters promoted does not count",
        (Part(result_commits, "held_by", _nobody_else),),
        {"test_G9_what_another_cluster_promoted_.*": "shop/shared:1.0.1"},
        haste=UNHURRIED,
    ),
    Defect(
        "the record leaves out what the checks measured",
        (Part(ledgers, "_run", _short),),
        {"test_G9_the_record_.*": "checks"},
        haste=UNHURRIED,
    ),
    Defect(
        "what other clusters quarantined does not count",
        (Part(Reader, "quarantine", _of_this_cluster),),
        {"test_G9_what_another_cluster_quarantined_.*": r"app\.subjects\(\) == \[\]"},
        haste=UNHURRIED,
    ),
    Defect(
        "a folder of another cluster's is taken for its own",
        (Part(Reader, "foreign", _everything_is_ours),),
        {"test_G9_a_foreign_id_.*": "cannot record results or bump"},
    ),
    Defect("nothing is pruned", (Part(syncing, "plan_sync", _nothing_pruned),), {"test_sync_prunes_.*": "the pruning"}),
    Defect(
        "what kubectl applied is left to kubectl",
        (Part(Applier, "apply", _left_to_kubectl),),
        {"test_a_workload_applied_client_side_.*": '"command"'},
        early=True,
    ),
    Defect(
        "what others change waits for the next comparison",
        (Part(SyncManager, "_put_right", _not_put_right),),
        {"test_O2_what_others_change_.*": "Git's text", "test_O1_an_image_that_a_person_sets_.*": "Git's image"},
    ),
    Defect(
        "of a duplicate the last one is applied",
        (Part(sync, "duplicates", _once_each),),
        {"test_O2_of_a_duplicate_.*": "apps/synced-a.yaml"},
        haste=UNHURRIED,
    ),
    Defect(
        "replicas are left out without handing them over",
        (Part(Applier, "_hand_over_replicas", _simply_left_out),),
        {"test_O1_five_replicas_in_git_.*": "was never so"},
    ),
    Defect(
        "sync applies a Service that a canary has taken",
        (Part(applier, "taken_by_canary", _nobody_took_it),),
        {"test_O1_a_service_in_git_.*": "services|selector"},
    ),
)
