"""What the pool and a worker say to each other, one JSON line each way; no processes and no Helm."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from gitops_canary.ports import HelmDone, HelmJob, HelmRevision

MESSAGE_LIMIT = 4_000
"""Characters of Helm's sentence that are kept: it ends up in a status and in alerts."""


@dataclass(frozen=True)
class Work:
    """A job as the worker sees it: the chart is a path on its disk; `timeout` in seconds is Helm's own, for each thing it waits for."""

    action: str
    release: str
    namespace: str
    chart: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)
    wait: bool = False
    timeout: float = 300.0
    max_history: int = 10
    options: Mapping[str, Any] = field(default_factory=dict)
    as_user: str = ""


@dataclass(frozen=True)
class Reply:
    """How it ended; revisions as plain mappings, oldest first; `texts` = what a chart renders, by template."""

    ok: bool
    message: str = ""
    revision: Mapping[str, Any] | None = None
    history: Sequence[Mapping[str, Any]] = ()
    texts: Mapping[str, str] = field(default_factory=dict)


class Backend(Protocol):
    """One way to run Helm. `run` never raises for what Helm says; `cancel` comes from another thread and ends what `run` waits for."""

    def run(self, work: Work) -> Reply: ...
    def cancel(self) -> None: ...


def work_of(job: HelmJob) -> Work:
    return Work(
        job.action,
        job.release,
        job.namespace,
        job.chart.path if job.chart else "",
        dict(job.values),
        job.wait,
        job.timeout,
        job.max_history,
        dict(job.options),
        job.as_user,
    )


def work_from(data: Mapping[str, Any]) -> Work:
    return Work(**data)


def to_dict(message: Work | Reply) -> dict[str, Any]:
    return asdict(message)


def done_of(job: HelmJob, reply: Reply) -> HelmDone:
    history = tuple(_revision(entry) for entry in reply.history)
    last = _revision(reply.revision) if reply.revision else None
    return HelmDone(job.key, job.action, reply.ok, reply.message, last or (history[-1] if history else None), history)


def reply_from(data: Mapping[str, Any]) -> Reply:
    return Reply(bool(data["ok"]), str(data.get("message", "")), data.get("revision"), data.get("history") or (), data.get("texts") or {})


def revision(number: Any, status: Any, chart: Any, *, values: Any = None, description: Any = "", updated: Any = "") -> dict[str, Any]:
    """One revision as both backends describe it; `chart` is name-version."""
    return {
        "number": int(number),
        "status": str(status),
        "chart": str(chart),
        "values": values if isinstance(values, Mapping) else {},
        "description": str(description or ""),
        "updated": str(updated or ""),
    }


def capped(text: str) -> str:
    """Helm's sentence on one line, with its end cut off when it is endless (a rejected manifest may be quoted whole)."""
    line = " ".join(text.split())
    return line if len(line) <= MESSAGE_LIMIT else line[:MESSAGE_LIMIT] + " …"


def _revision(entry: Mapping[str, Any]) -> HelmRevision:
    return HelmRevision(**entry)
