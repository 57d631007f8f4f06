"""The small Protocols that managers need and adapters provide, with the values that cross them; no behaviour.

Every method raises `Unavailable` when the other side does not answer, `UserError` when a person must act, and
`Conflict` where it says so. Time is given as `Moment`; ports never hand out wall-clock sleeps.
"""

from gitops_canary.ports.checks import Answer, Ask, Checks, HookAsk, QueryAsk
from gitops_canary.ports.cluster import Cluster, Sentence
from gitops_canary.ports.git import Change, Commit, Edit, Repository, Tree
from gitops_canary.ports.helm import Chart, Charts, ChartSource, Helm, HelmDone, HelmJob, HelmRevision
from gitops_canary.ports.lanes import Clock, Log, Manager, Moment, Turn, Wake
from gitops_canary.ports.registry import Registry
from gitops_canary.ports.telling import Figures, Notice, Notifier

__all__ = [
    "Answer",
    "Ask",
    "Change",
    "Chart",
    "ChartSource",
    "Charts",
    "Checks",
    "Clock",
    "Cluster",
    "Commit",
    "Edit",
    "Figures",
    "Helm",
    "HelmDone",
    "HelmJob",
    "HelmRevision",
    "HookAsk",
    "Log",
    "Manager",
    "Moment",
    "Notice",
    "Notifier",
    "QueryAsk",
    "Registry",
    "Repository",
    "Sentence",
    "Tree",
    "Turn",
    "Wake",
]
