"""Makes the cluster equal to the head of the cluster repository: fetch, plan, apply in order, prune by the inventory."""

from collections.abc import Callable, Iterable, Set
from dataclasses import dataclass, replace

from gitops_canary.domain.errors import Conflict, GitopsCanaryError, Unavailable, UserError
from gitops_canary.domain.resources import Ref, Resource
from gitops_canary.domain.sync import Entry, Identity, Inventory, Plan, Skipped, by_kind, count_kinds, digest, plan_sync, scaled_targets
from gitops_canary.managers.applier import Applier
from gitops_canary.managers.base import Backoff, earliest
from gitops_canary.managers.inventory import InventoryStore
from gitops_canary.manifests.tree import Loaded
from gitops_canary.ports import Cluster, Log, Moment, Repository, Tree, Turn, Wake

FETCH = "fetch"
"""The wake key of a push webhook: ask the remote now."""
OBJECT = "object:"
"""A wake key `object:<ref>` says that a watched object changed."""
LANES = {"HelmRelease": "releases", "Canary": "canaries"}


@dataclass(frozen=True)
class SyncRules:
    """The settings sync needs; seconds."""

    poll_interval: float = 60.0
    interval: float = 300.0
    retry: float = 10.0
    prune: bool = True
    default_namespace: str = "default"
    namespaces: tuple[str, ...] = ()
    tag: str = ""
    """Tag to move to the synced revision (`--sync-state=git`), "" = none."""


@dataclass(frozen=True)
class SyncState:
    """What others may know: the head that was looked at, the newest revision at which nothing was skipped, and what was left out."""

    head: str = ""
    synced: str = ""
    ready: bool = False
    skipped: tuple[Skipped, ...] = ()


class SyncManager:
    name = "sync"

    def __init__(
        self,
        repository: Repository,
        cluster: Cluster,
        load: Callable[[Tree], Loaded],
        store: InventoryStore,
        applier: Applier,
        rules: SyncRules,
        log: Log,
        *,
        prepare: Callable[[], None] = lambda: None,
    ) -> None:
        """`prepare` is called before the remote is asked, until it may be written (the deploy key is loaded or made there)."""
        self._repository = repository
        self._cluster = cluster
        self._load = load
        self._store = store
        self._applier = applier
        self._rules = rules
        self._log = log
        self._prepare = prepare
        self._backoff = Backoff(first=rules.retry, most=rules.interval)
        self._fetch_due = 0.0
        self._compare_due = 0.0
        self._said: set[str] = set()
        self._placed: dict[str, Resource] = {}
        self._scaled: frozenset[tuple[str, str, str]] = frozenset()
        self.state = SyncState()

    def ensure(self, now: Moment, keys: frozenset[str]) -> Turn:
        """One turn; keys: "fetch" asks the remote, anything else compares the known head with the cluster."""
        try:
            moved = self._fetch(now, FETCH in keys)
            head = self._repository.head()
            if head is None:
                return Turn("waiting for the first fetch", not_before=self._fetch_due)
            if moved or self._due(now, keys, head):
                return self._sync(now, head)
            return self._put_right(keys)
        except GitopsCanaryError as error:
            return self._failed(now, error)

    def placed(self) -> tuple[Resource, ...]:
        """The objects of the head, as they were last compared."""
        return tuple(self._placed.values())

    def _fetch(self, now: Moment, asked: bool) -> bool:
        """Ask the remote when the poll is due; True when the head moved since the last sync."""
        if asked or self._fetch_due <= now.mono:
            if not self.state.ready:
                self._prepare()
                self._repository.check_access()
                self._log.info(f"The deploy key may read and write {self._repository.url}", branch=self._repository.branch)
            self._repository.fetch()
            self._fetch_due = now.mono + self._rules.poll_interval
            self.state = replace(self.state, ready=True)
        return self._repository.head() != self.state.head

    def _due(self, now: Moment, keys: frozenset[str], head: str) -> bool:
        asked = any(key != FETCH and not key.startswith(OBJECT) for key in keys)
        return asked or now.mono >= self._compare_due or head != self.state.head or self._retry_due(now)

    def _put_right(self, keys: frozenset[str]) -> Turn:
        """What others changed in the cluster is put right at once, without looking at the rest (rule O2)."""
        touched = [self._placed[key.removeprefix(OBJECT)] for key in keys if key.removeprefix(OBJECT) in self._placed]
        drifted = [r for r in touched if not self._applier.in_place(r, self._scaled)]
        applied: list[Resource] = []
        skipped: list[Skipped] = []
        for resource in drifted:
            self._apply_one(resource, self._scaled, applied, skipped)
            self._log.info(f"Put {resource.ref} right: it had been changed by others than {resource.place}", object=str(resource.ref))
        if skipped:
            self._compare_due = 0.0
        return Turn(self._says(), self._wakes(applied, moved=False), self._next())

    def _retry_due(self, now: Moment) -> bool:
        until = self._backoff.next()
        return until is not None and until <= now.mono

    def _failed(self, now: Moment, error: GitopsCanaryError) -> Turn:
        """The plain sentence at every poll until it works: no write access yet, a missing branch, a server that is away."""
        wait = error.retry_after if isinstance(error, Unavailable) and error.retry_after else self._rules.retry
        self._fetch_due = max(self._fetch_due, now.mono + wait) if not self.state.ready else now.mono + wait
        # What this turn was to put right or to compare is not known to be right: the next turn that can looks at everything.
        self._compare_due = now.mono
        self._store.forget()
        self._log.warning(str(error), manager=self.name)
        return Turn(str(error), not_before=now.mono + wait)

    def _sync(self, now: Moment, head: str) -> Turn:
        self._compare_due = now.mono + self._rules.interval
        loaded = self._load(self._repository.tree(head))
        inventory = self._store.load()
        resources, strangers = self._resolve(loaded.resources, inventory)
        unreadable = tuple(Skipped(p.place, p.sentence) for p in loaded.problems)
        rewritten = bool(inventory.revision) and not self._repository.contains(inventory.revision)
        plan = plan_sync(resources, unreadable, inventory, rewritten=rewritten, prune=self._rules.prune)
        scaled = scaled_targets([*self._scalers(), *(resource.doc for resource in resources)])
        strange = {skip.identity for skip in strangers}
        # The namespace of a stranger is a guess until its kind is known: recorded so, its entry would be pruned with the object.
        plan = replace(plan, applies=_without(plan.applies, strange), unchanged=_without(plan.unchanged, strange))
        self._cluster.observe({(r.ref.api_version, r.ref.kind) for r in _without(resources, strange)})
        self._placed, self._scaled = {str(r.ref): r for r in plan.unchanged + plan.applies}, scaled
        drifted = tuple(r for r in plan.unchanged if not self._applier.in_place(r, scaled))
        inventory, applied, skipped = self._apply(inventory, plan, drifted, scaled)
        if self._learned(resources, strange):
            self._compare_due = now.mono
        inventory, kept = self._prune(inventory, plan)
        return self._finish(now, head, inventory, applied, (*plan.skipped, *strangers, *skipped, *kept), plan.held)

    def _resolve(self, resources: Iterable[Resource], inventory: Inventory) -> tuple[tuple[Resource, ...], tuple[Skipped, ...]]:
        """Give every object its namespace; objects of unknown kinds stay in the list so that they are never pruned, under the namespace
        that they were applied with."""
        found, strangers = [], []
        for resource in resources:
            namespaced = self._cluster.serves(resource.ref.api_version, resource.ref.kind)
            ref = resource.ref
            outside = replace(ref, namespace="").identity in inventory.entries if namespaced is None else not namespaced
            namespace = "" if outside else ref.namespace or self._rules.default_namespace
            found.append(replace(resource, ref=replace(ref, namespace=namespace)))
            if namespaced is None:
                sentence = f"cannot apply {ref} ({resource.place}): the cluster does not know {ref.api_version} {ref.kind} (yet)"
                strangers.append(Skipped(resource.place, sentence, found[-1].ref.identity))
        return tuple(found), tuple(strangers)

    def _learned(self, resources: Iterable[Resource], strange: Set[Identity | None]) -> bool:
        """Whether a definition that was applied a moment ago made a stranger's kind known."""
        return any(r.ref.identity in strange and self._cluster.serves(r.ref.api_version, r.ref.kind) is not None for r in resources)

    def _scalers(self) -> list[dict[str, object]]:
        canaries = self._cluster.list("flagger.app/v1beta1", "Canary")
        return [*canaries, *self._cluster.list("autoscaling/v2", "HorizontalPodAutoscaler")]

    def _apply(
        self, inventory: Inventory, plan: Plan, drifted: tuple[Resource, ...], scaled: frozenset[tuple[str, str, str]]
    ) -> tuple[Inventory, list[Resource], list[Skipped]]:
        """Grow the inventory, apply in order, record what worked. Unavailable ends the turn; a refused object delays no other."""
        fresh = [r for r in plan.applies if r.ref.identity not in inventory.entries]
        if fresh or plan.orphans:
            grown = [Entry(r.ref, r.file, "") for r in fresh]
            inventory = inventory.with_entries([*grown, *plan.orphans])
            self._store.save(inventory)
        applied: list[Resource] = []
        skipped: list[Skipped] = []
        for resource in (*plan.applies, *drifted):
            self._apply_one(resource, scaled, applied, skipped)
        done = [Entry(r.ref, r.file, digest(r.doc)) for r in applied]
        return inventory.with_entries(done), applied, skipped

    def _apply_one(
        self, resource: Resource, scaled: frozenset[tuple[str, str, str]], applied: list[Resource], skipped: list[Skipped]
    ) -> None:
        ref = resource.ref
        if self._rules.namespaces and ref.namespace not in self._rules.namespaces:
            sentence = f"cannot apply {ref} ({resource.place}): its namespace is not allowed by --k8s-allow-namespace"
            skipped.append(Skipped(resource.place, sentence, ref.identity))
            return
        if self._cluster.serves(ref.api_version, ref.kind) is None:
            return  # its definition went since this turn, or the last one, looked: the next says so
        try:
            self._applier.apply(resource, scaled)
            applied.append(resource)
        except (UserError, Conflict) as error:
            skipped.append(Skipped(resource.place, f"cannot apply {ref} ({resource.place}): {error}", ref.identity))

    def _prune(self, inventory: Inventory, plan: Plan) -> tuple[Inventory, list[Skipped]]:
        gone, kept = [], []
        for entry in plan.prunes:
            try:
                pruned = self._applier.prune(entry)
                gone.append(entry.ref.identity)
                left = f"Left {entry.ref}, which {entry.file} does not say any more: an annotation or its owner keeps it"
                self._log.info(f"Pruned {entry.ref}: {entry.file} does not say it any more" if pruned else left, object=str(entry.ref))
            except (UserError, Conflict) as error:
                kept.append(Skipped(entry.file, f"cannot prune {entry.ref} (was in {entry.file}): {error}", entry.ref.identity))
        return inventory.without(gone), kept

    def _finish(
        self, now: Moment, head: str, inventory: Inventory, applied: list[Resource], skipped: tuple[Skipped, ...], held: str
    ) -> Turn:
        if not skipped:
            inventory = replace(inventory, revision=head)
            self._backoff.worked("sync")
        else:
            self._backoff.failed("sync", now.mono)
        if inventory != self._store.load():
            self._store.save(inventory)
        if self._rules.tag and not skipped and inventory.revision != self.state.synced:
            self._repository.mark(self._rules.tag, head)
        moved, first = head != self.state.head, not self.state.head
        self.state = SyncState(head, inventory.revision, True, skipped)
        self._tell(head, applied, skipped, held)
        # Only now is it known which run numbers Git holds (rule G2).
        known = (Wake("canaries"),) if first else ()
        return Turn(self._says(), (*self._wakes(applied, moved), *known), self._next())

    def _tell(self, head: str, applied: list[Resource], skipped: tuple[Skipped, ...], held: str) -> None:
        if applied:
            self._log.info(f"Applied {count_kinds(applied)} at {head[:7]}", revision=head)
        sentences = {skip.sentence for skip in skipped} | ({held} if held else set())
        for sentence in sorted(sentences - self._said):
            self._log.warning(sentence, revision=head)
        self._said = sentences

    def _wakes(self, applied: list[Resource], moved: bool) -> tuple[Wake, ...]:
        wakes = [Wake(LANES[r.ref.kind], key_of(r.ref)) for r in applied if r.ref.kind in LANES]
        if moved:
            wakes += [Wake("releases"), Wake("images"), Wake("results")]
        return tuple(wakes)

    def _says(self) -> str:
        at = f"synced {self.state.synced[:7]}" if self.state.synced else "nothing synced completely yet"
        left = by_kind(self.state.skipped)
        return f"{at}, head {self.state.head[:7]}" + (f"; {left}" if left else "")

    def _next(self) -> float | None:
        return earliest((self._fetch_due, self._compare_due, self._backoff.next()))


def _without(resources: Iterable[Resource], strange: Set[Identity | None]) -> tuple[Resource, ...]:
    return tuple(resource for resource in resources if resource.ref.identity not in strange)


def key_of(ref: Ref) -> str:
    return f"{ref.namespace}/{ref.name}"
