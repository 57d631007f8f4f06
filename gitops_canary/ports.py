"""The small Protocols that managers need and adapters provide, with the values that cross them; no behaviour.

Every method raises `Unavailable` when the other side does not answer, `UserError` when a person must act, and
`Conflict` where it says so. Time is given as `Moment`; ports never hand out wall-clock sleeps.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from gitops_canary.domain.canary.spec import Alert
from gitops_canary.domain.images import ImageRef
from gitops_canary.domain.resources import Doc, Ref

# ---------------------------------------------------------------- time


@dataclass(frozen=True, order=True)
class Moment:
    """Now: `mono` seconds decide when (a stepped clock stops nothing), `wall` (aware, UTC) is what gets written down."""

    mono: float
    wall: datetime


class Clock(Protocol):
    def now(self) -> Moment: ...


# ---------------------------------------------------------------- managers


@dataclass(frozen=True)
class Wake:
    """Ask a lane to run now: `lane` is a manager's name, `key` one of its objects ("" = look at everything)."""

    lane: str
    key: str = ""


@dataclass(frozen=True)
class Turn:
    """What one `ensure` did: a sentence for the status page, who should run next, and when itself wants to (monotonic seconds)."""

    says: str
    wakes: tuple[Wake, ...] = ()
    not_before: float | None = None


class Manager(Protocol):
    name: str

    def ensure(self, now: Moment, keys: frozenset[str]) -> Turn:
        """Observe, decide, apply. `keys` are the objects it was woken for; empty means everything. Level-based, never blocks on a network
        answer longer than its ports' time limits, and one failing object delays no other."""
        ...


class Log(Protocol):
    """One line per event: the sentence a person would say, and keys for the rest (structlog's bound logger fits)."""

    def info(self, event: str, **keys: object) -> object: ...
    def warning(self, event: str, **keys: object) -> object: ...
    def error(self, event: str, **keys: object) -> object: ...


# ---------------------------------------------------------------- git


class Tree(Protocol):
    """The files of one commit, read lazily; paths are relative POSIX, symlinks and submodules are not listed."""

    revision: str

    def paths(self, prefix: str = "") -> Sequence[str]: ...
    def read(self, path: str) -> bytes | None: ...
    def blob_id(self, path: str) -> str | None:
        """The content's id: equal ids mean equal bytes, so callers cache parses by it."""
        ...


@dataclass(frozen=True)
class Change:
    """What an edit wants committed: whole new contents (None deletes) and the whole message, trailers included."""

    files: Mapping[str, bytes | None] = field(hash=False)
    message: str


Edit = Callable[[Tree], Change | None]
"""Pure: run again on the newer tree when a push was refused (rules B2, G3); None or no changed byte = no commit."""


@dataclass(frozen=True)
class Commit:
    revision: str
    parents: tuple[str, ...]
    author: str
    email: str
    at: datetime
    message: str


class Repository(Protocol):
    """The cluster repository; `change` is the only writer (design §3.3)."""

    url: str
    branch: str

    def head(self) -> str | None:
        """The last known head of the branch, without asking the remote; None before the first fetch or while there is no branch."""
        ...

    def fetch(self) -> str:
        """Ask the remote and return the branch's head; UserError when branch or access is missing (with what to do)."""
        ...

    def tree(self, revision: str) -> Tree: ...

    def change(self, edit: Edit) -> str | None:
        """Commit `edit` on the last known head and push it with the lease on that head, bounded retries; the new revision, or None when
        the edit wanted nothing."""
        ...

    def changes(self, edits: Sequence[Edit]) -> Sequence[str | None]:
        """Several commits in order, one push (rule G10)."""
        ...

    def contains(self, revision: str) -> bool:
        """Whether the last known head descends from (or is) that commit: False = the branch was rewritten (rule O2)."""
        ...

    def commits(self, since: str | None, until: str, limit: int = 200) -> Sequence[Commit]:
        """Newest first, first-parent and merged ones alike, not including `since`."""
        ...

    def mark(self, tag: str, revision: str) -> None:
        """Move a tag of ours on the remote to that revision (`--sync-state=git`, as Flux did)."""
        ...

    def check_access(self) -> None:
        """Raises UserError unless the deploy key may read and write, without leaving anything behind."""
        ...


# ---------------------------------------------------------------- registry


class Registry(Protocol):
    def tags(self, image: ImageRef) -> Sequence[str]:
        """All tags or an error: half a list decides nothing. Unordered, no duplicates, without cosign's .sig/.att/.sbom."""
        ...

    def digest(self, image: ImageRef, tag: str) -> str:
        """`sha256:…` of the tag's manifest, of the index when there is one (rule B5)."""
        ...

    def created(self, image: ImageRef, tag: str) -> datetime | None:
        """When the image was built (config blob); None when it does not say. Cached by digest for ever."""
        ...


# ---------------------------------------------------------------- cluster


@dataclass(frozen=True)
class Sentence:
    """One line of a story about an object, as it appears in log, Event and notifications. `order` sorts it among its object's Events;
    like the key it is told under it must be the same in a replay."""

    text: str
    warning: bool = False
    order: str = field(default="", compare=False)


class Cluster(Protocol):
    """The Kubernetes API with raw objects. Kinds that are watched are read from the cache (no request); `observed` kinds are given at
    construction. Writes carry the resourceVersion their decision came from (rule O3): Conflict = observe again."""

    def get(self, ref: Ref) -> Doc | None: ...

    def list(self, api_version: str, kind: str, namespace: str = "", labels: Mapping[str, str] | None = None) -> Sequence[Doc]:
        """Without `namespace` those of every namespace that the operator serves."""
        ...

    def live(self, ref: Ref) -> Doc | None:
        """One GET, past the cache (data of a tracked ConfigMap, an object before a destructive write)."""
        ...

    def serves(self, api_version: str, kind: str) -> bool | None:
        """True/False = namespaced or cluster-scoped kind that the server knows; None = unknown kind."""
        ...

    def apply(
        self,
        doc: Doc,
        *,
        manager: str = "gitops-canary",
        force: bool = True,
        dry_run: bool = False,
        as_user: str = "",
        create_only: bool = False,
    ) -> Doc:
        """Server-side apply; a `metadata.resourceVersion` in `doc` is a precondition. Skipped (no request) when the cache shows that the
        same fields were applied last by us and still stand. `as_user` impersonates the applier (rule O5)."""
        ...

    def observe(self, kinds: Iterable[tuple[str, str]]) -> None:
        """Watch these (apiVersion, kind) too, whole objects, from now on; a kind that the server does not know yet is tried again later."""
        ...

    def read_anew(self, api_version: str, kind: str) -> None:
        """Forget what the watch of this kind has told: its definition has changed, and an old watch goes on in the old one's words."""
        ...

    def patch(
        self, ref: Ref, patch: Doc, *, subresource: str = "", resource_version: str = "", as_user: str = "", dry_run: bool = False
    ) -> Doc:
        """Merge patch; `subresource` "status" for our CRs' status. Conflict when `resource_version` is given and stale. The object as it
        is then, or with `dry_run` would be."""
        ...

    def scale(self, ref: Ref, replicas: int) -> None:
        """Through /scale, so that Helm's fields stay Helm's (rule O1)."""
        ...

    def delete(self, ref: Ref, *, uid: str = "", resource_version: str = "", as_user: str = "") -> None:
        """Background propagation; gone already is fine."""
        ...

    def tell(self, about: Doc, sentence: Sentence, *, key: str, now: datetime) -> None:
        """An Event of our own under a deterministic name made of the object and `key`: a replay adds none."""
        ...

    def cluster_id(self) -> str:
        """The uid of namespace kube-system."""
        ...


# ---------------------------------------------------------------- checks


@dataclass(frozen=True)
class HookAsk:
    """POST `payload` as JSON; passes on status <= 202 as in Flagger. `key` names run, tick and check: equal keys are asked once."""

    key: str
    url: str
    payload: Mapping[str, object] = field(hash=False)
    timeout: float = 10.0
    retries: int = 0
    disable_tls: bool = False


@dataclass(frozen=True)
class QueryAsk:
    """Either a built-in (`builtin` = request-success-rate | request-duration of one workload) or a rendered PromQL `expression`."""

    key: str
    address: str
    window: float
    builtin: Literal["", "request-success-rate", "request-duration"] = ""
    namespace: str = ""
    workload: str = ""
    expression: str = ""


Ask = HookAsk | QueryAsk


@dataclass(frozen=True)
class Answer:
    """`passed`/`failed` for hooks, `value` (duration in ms) / `no-data` / `unreachable` for queries; `message`: the other side's words."""

    key: str
    kind: Literal["passed", "failed", "value", "no-data", "unreachable"]
    value: float | None = None
    message: str = ""


class Checks(Protocol):
    """Checks are started, never waited for: when an answer comes, the canaries lane is woken with the owner's key (rule R1)."""

    def start(self, owner: str, ask: Ask) -> None:
        """Does nothing when this key was started already. Bounded per host and per owner."""
        ...

    def answers(self, owner: str) -> Mapping[str, Answer]: ...

    def forget(self, owner: str, keep: Iterable[str] = ()) -> None:
        """Drop the owner's answers and asks but these keys; late answers of dropped ones vanish."""
        ...


# ---------------------------------------------------------------- helm


@dataclass(frozen=True)
class ChartSource:
    """A Git repository (`git`, `ref`, `path`), or an HTTP(S) chart repository or oci:// (`repository`, `name`, `version`).

    `path` alone = a folder of the cluster repository itself."""

    git: str = ""
    ref: str = ""
    path: str = ""
    repository: str = ""
    name: str = ""
    version: str = ""
    skip_dependencies: bool = False


@dataclass(frozen=True)
class Chart:
    """A chart on local disk, content-addressed: equal ids render alike. `revision` is the chart version or the Git commit."""

    id: str
    path: str
    revision: str


class Charts(Protocol):
    def fetch(self, source: ChartSource, *, namespace: str, secret: str = "") -> Chart:
        """Served from the cache when nothing moved; UserError names URL and ref when it cannot be had."""
        ...


@dataclass(frozen=True)
class HelmRevision:
    """One revision in Helm's storage."""

    number: int
    status: str
    chart: str
    values: Mapping[str, object] = field(hash=False)
    description: str = ""
    updated: str = ""


@dataclass(frozen=True)
class HelmJob:
    """One Helm action for a worker: `key` is namespace/name of the HelmRelease; `values` are complete."""

    key: str
    action: Literal["install", "upgrade", "rollback", "uninstall", "test", "history", "mark-failed"]
    release: str
    namespace: str
    chart: Chart | None = None
    values: Mapping[str, object] = field(default_factory=dict, hash=False)
    wait: bool = False
    timeout: float = 300.0
    max_history: int = 10
    options: Mapping[str, object] = field(default_factory=dict, hash=False)
    as_user: str = ""


@dataclass(frozen=True)
class HelmDone:
    """How a job ended: `ok`, Helm's sentence otherwise, and the revision it left (None = none)."""

    key: str
    action: str
    ok: bool
    message: str = ""
    revision: HelmRevision | None = None
    history: tuple[HelmRevision, ...] = ()


class Helm(Protocol):
    """Jobs run in child processes; the releases lane is woken with the key when one ends (rule H3)."""

    def start(self, job: HelmJob) -> bool:
        """False when a job of this key is running already."""
        ...

    def running(self, key: str) -> str:
        """The action under way for this key, or ""."""
        ...

    def done(self, key: str) -> HelmDone | None:
        """The ended job's outcome, handed out once."""
        ...


# ---------------------------------------------------------------- notifications


@dataclass(frozen=True)
class Notice:
    """One alert; `id` makes a repeated delivery recognisable. `alerts` empty = the global receivers."""

    id: str
    severity: Literal["info", "warn", "error"]
    title: str
    text: str
    fields: tuple[tuple[str, str], ...] = ()
    link: str = ""
    alerts: tuple[Alert, ...] = ()


class Notifier(Protocol):
    def takes(self, alerts: tuple[Alert, ...]) -> bool:
        """Whether there is anybody to tell."""
        ...

    def send(self, notice: Notice) -> None:
        """Queued and bounded: a dead receiver never delays a canary. Whoever was given at construction is told the id once every receiver
        has taken the notice or was given up."""
        ...


# ---------------------------------------------------------------- figures


class Figures(Protocol):
    """What is counted while it happens, for `/metrics`; all calls return at once."""

    def tick(self, namespace: str, name: str) -> AbstractContextManager[None]:
        """Around one canary's turn; `name` is its target's, as in Flagger's metrics."""
        ...

    def ended(self, namespace: str, name: str, outcome: str, *, skipped: bool, seconds: float) -> None:
        """A run is over; `seconds` from its start."""
        ...

    def scanned(self, image: str) -> None:
        """Its tags are followed: bumps of it may come."""
        ...

    def bumped(self, image: str) -> None: ...
