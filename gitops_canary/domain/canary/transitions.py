"""The phases of a canary and which may follow which; the README's diagram is made from this table.

Theory of operation. A canary rests in Initialized, Succeeded or Failed: users are served by the primary, the target has no pods. A new
revision (hash of the target's pod template and of the configs it uses) starts a run: the target is scaled up, and on every interval tick
the checks are asked; a good tick moves the weight one step on, a bad one is counted. Enough bad ticks end in Failed, the last judged
step in Promoting. Promoting is the point of no return and is written before the copy: from there on a restart only copies again. Then all
traffic goes back to the primary (Finalising), the target goes to zero, and the run ends in Succeeded. Waiting and WaitingPromotion are
Progressing with a closed gate. The weight always comes from the status, never from the mesh, and the status is written last, so that a
step which was cut off anywhere is simply taken again.
"""

from collections.abc import Mapping
from enum import StrEnum


class Phase(StrEnum):
    NEW = ""
    INITIALIZING = "Initializing"
    INITIALIZED = "Initialized"
    WAITING = "Waiting"
    PROGRESSING = "Progressing"
    WAITING_PROMOTION = "WaitingPromotion"
    PROMOTING = "Promoting"
    FINALISING = "Finalising"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    TERMINATING = "Terminating"


RESTING = frozenset({Phase.INITIALIZED, Phase.SUCCEEDED, Phase.FAILED})
ANALYSING = frozenset({Phase.PROGRESSING, Phase.WAITING_PROMOTION})
RUNNING = ANALYSING | {Phase.WAITING, Phase.PROMOTING, Phase.FINALISING}
STARTED = frozenset({Phase.WAITING, Phase.PROGRESSING})
_ENDED = frozenset({Phase.SUCCEEDED, Phase.FAILED, Phase.TERMINATING})

TRANSITIONS: Mapping[Phase, frozenset[Phase]] = {
    Phase.NEW: frozenset({Phase.INITIALIZING, Phase.INITIALIZED}),
    Phase.INITIALIZING: frozenset({Phase.INITIALIZED}),
    Phase.INITIALIZED: STARTED,
    Phase.WAITING: _ENDED | STARTED,
    Phase.PROGRESSING: _ENDED | STARTED | {Phase.WAITING_PROMOTION, Phase.PROMOTING},
    Phase.WAITING_PROMOTION: _ENDED | STARTED | {Phase.PROMOTING},
    Phase.PROMOTING: _ENDED | STARTED | {Phase.FINALISING},
    Phase.FINALISING: frozenset({Phase.SUCCEEDED, Phase.TERMINATING}),
    Phase.SUCCEEDED: STARTED,
    Phase.FAILED: STARTED | {Phase.SUCCEEDED},
    Phase.TERMINATING: frozenset(),
}
"""Legal changes of phase; staying is always legal. Failed becomes Succeeded when a promotion whose primary did not come up heals (R11)."""

MEANINGS: Mapping[Phase, tuple[str, str]] = {
    Phase.INITIALIZING: ("Unknown", "New {kind} detected, starting initialization."),
    Phase.INITIALIZED: ("True", "{kind} initialization completed."),
    Phase.WAITING: ("Unknown", "Waiting for approval."),
    Phase.PROGRESSING: ("Unknown", "New revision detected, progressing canary analysis."),
    Phase.WAITING_PROMOTION: ("Unknown", "Waiting for approval."),
    Phase.PROMOTING: ("Unknown", "Canary analysis completed, starting primary rolling update."),
    Phase.FINALISING: ("Unknown", "Canary analysis completed, routing all traffic to primary."),
    Phase.SUCCEEDED: ("True", "Canary analysis completed successfully, promotion finished."),
    Phase.FAILED: ("False", "Canary analysis failed, {kind} scaled to zero."),
    Phase.TERMINATING: ("Unknown", "The Canary is being deleted."),
}
"""Status and message of the condition `Promoted` in each phase, Flagger's words; its reason is the phase."""


def mermaid() -> str:
    """The table as a mermaid state diagram."""
    lines = ["stateDiagram-v2"]
    for phase, nexts in TRANSITIONS.items():
        start = "[*]" if phase is Phase.NEW else phase.value
        lines += [f"    {start} --> {after.value}" for after in Phase if after in nexts and after is not phase]
    return "\n".join(lines)
