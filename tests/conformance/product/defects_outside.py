"""Defects of Helm releases, of leadership and webhooks, and of the API server that stories are played on."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from gitops_canary.adapters.cluster import lease
from gitops_canary.adapters.helm import child
from gitops_canary.domain import releases as situations
from gitops_canary.domain.releases import Action, Situation, Verdict
from gitops_canary.managers import release_life, release_refusal
from gitops_canary.managers.release_life import ReleaseLife
from gitops_canary.managers.release_status import ReleaseStatus
from gitops_canary.sandbox.apiserver.access import Access
from gitops_canary.sandbox.apiserver.handling import Handler
from gitops_canary.web.server import WebServer
from tests.conformance.product.sleeping import UNHURRIED, Defect, Part

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
KEEPER = """#!{python}
import os, subprocess, sys, time
subprocess.run(["{python}", *sys.argv[1:-1], str(os.getpid())])
time.sleep(20)
"""
"""Between the operator and its worker: outlives both for a while."""


def _as_if_serving(original: Any, self: Any, doc: Any, record: Any, phases: Any, now: Any, **fields: Any) -> Any:
    differs = bool(fields.get("differs"))
    return original(self, doc, record, phases, now, **({**fields, "differs": False} if differs else fields))


def _upgraded_all_the_same(original: Any, self: Any, case: Any, action: Any) -> bool:
    refused = action is Action.UPGRADE and case.record.inputs and self._refusal(case)
    return False if refused else bool(original(self, case, action))


def _never(original: Any, *arguments: Any) -> bool:
    return bool(original(*arguments) and False)


def _only_our_own(original: Any, verdict: Verdict) -> Action:
    found: Action = original(verdict)
    return Action.WAIT if verdict.reason == "it was not installed by us" else found


def _in_place_of(old: Situation, new: Situation) -> Any:
    def change(original: Any, *arguments: Any) -> Verdict:
        found: Verdict = original(*arguments)
        return replace(found, situation=new) if found.situation is old else found

    return change


def _kept_alive(original: Any, home: Path) -> Path:
    keeper = home / "bin" / "keeper"
    keeper.parent.mkdir(parents=True, exist_ok=True)
    keeper.write_text(KEEPER.format(python=original(home)))
    keeper.chmod(0o755)
    return keeper


def _never_ends(original: Any, standing: Any, *rest: Any) -> Any:
    found = original(standing, *rest)
    return standing if found.ended and not standing.ended else found


def _goes_on(original: Any, standing: Any, *rest: Any) -> bool:
    return bool(original(standing, *rest) or (standing.renewed is not None))


async def _taken_by_anybody(original: Any, self: Any, source: str, request: Any) -> Any:
    kept, self._is_leader = self._is_leader, lambda: True
    try:
        return await original(self, source, request)
    finally:
        self._is_leader = kept


# ------------------------------------------------------------ the sandbox's API server


def _everybody_may(original: Any, self: Any, *rest: Any) -> bool:
    return bool(original(self, *rest) or True)


def _without_what_was_applied(original: Any, self: Any, request: Any, meant: Any, doc: Any, *rest: Any) -> Any:
    annotations = (doc.get("metadata") or {}).get("annotations") or {}
    if meant.kind.kind != "Deployment" or LAST_APPLIED not in annotations:
        return original(self, request, meant, doc, *rest)
    kept = {key: value for key, value in annotations.items() if key != LAST_APPLIED}
    return original(self, request, meant, {**doc, "metadata": {**doc["metadata"], "annotations": kept}}, *rest)


DEFECTS = (
    Defect(
        "a failed release does not say that Git differs from what serves",
        (Part(ReleaseStatus, "write", _as_if_serving),),
        {"test_H1_a_release_that_fails_.*": "differs"},
    ),
    Defect(
        "a release is upgraded while a canary serves from its target",
        (Part(ReleaseLife, "_held", _upgraded_all_the_same),),
        {"test_R11_meanwhile_.*": "app is not upgraded yet"},
    ),
    Defect(
        "a release that goes back waits like any other",
        (Part(release_refusal, "goes_back", _never),),
        {"test_R11_a_release_that_goes_back_.*": "the primary to serve"},
    ),
    Defect(
        "a release that was installed by hand is left alone",
        (Part(release_life, "action_for", _only_our_own),),
        {"test_a_release_installed_by_hand_.*": "a phase at rest"},
    ),
    Defect(
        "an upgrade that was cut off counts as under way for ever",
        (Part(situations, "_pending", _in_place_of(Situation.LEFT_PENDING, Situation.UNDER_WAY)),),
        {"test_H2_an_upgrade_of_ours_.*": "the upgrade"},
        early=True,
    ),
    Defect(
        "a person's upgrade is taken for its own",
        (Part(situations, "_pending", _in_place_of(Situation.FOREIGN_PENDING, Situation.LEFT_PENDING)),),
        {"test_H2_an_upgrade_that_a_person_left_.*": "the Event|history"},
        early=True,
    ),
    Defect(
        "a Helm worker lives on without the operator",
        (Part(child, "_named_helm", _kept_alive),),
        {"test_H3_.*": "the workers' end"},
        early=True,
    ),
    Defect(
        "a leader that was silent for too long goes on",
        (Part(lease, "expired", _never_ends), Part(lease, "overtaken", _never_ends), Part(lease, "leads", _goes_on)),
        {"test_O3_.*": "the end of the frozen process"},
    ),
    Defect(
        "a follower takes webhooks",
        (Part(WebServer, "_answered", _taken_by_anybody),),
        {"test_O4_.*": "code == 503"},
        haste=UNHURRIED,
    ),
    Defect(
        "everybody may do everything",
        (Part(Access, "allows", _everybody_may),),
        {
            "test_O5_what_the_manifests_do_not_grant_.*": "OUTSIDE",
            "test_O5_the_operator_may_be_its_applier_.*": "cannot impersonate",
            "test_O5_a_right_that_is_missing_.*": "the sentence",
        },
    ),
    Defect(
        "what was applied is not remembered",
        (Part(Handler, "_shown", _without_what_was_applied),),
        {"test_the_manifests_applied_by_kubectl_.*": "unchanged"},
        haste=UNHURRIED,
    ),
)
