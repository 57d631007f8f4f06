"""The lane of HelmReleases: whose turn it is, and what waits; what becomes of one is release_life.py's."""

from collections.abc import Callable, Mapping, Sequence

from gitops_canary.domain.errors import Conflict, GitopsCanaryError, Unavailable, UserError
from gitops_canary.domain.helmrelease import GROUPS, KIND, parse_helmrelease
from gitops_canary.domain.releases_status import record_of, status_sample
from gitops_canary.domain.resources import Doc, Ref, ref_of
from gitops_canary.managers.base import Backoff, earliest
from gitops_canary.managers.definition import Definition, OtherDefinition
from gitops_canary.managers.release_cases import Case, Known, asked_for, owners_of, situations
from gitops_canary.managers.release_charts import NoChart, ReleaseCharts
from gitops_canary.managers.release_life import ReleaseLife, ReleaseRules
from gitops_canary.managers.release_status import DIFFERS, ReleaseStatus, name_of
from gitops_canary.managers.release_values import ReleaseValues
from gitops_canary.ports import Cluster, Helm, Log, Moment, Turn, Wake


class ReleasesManager:
    name = "releases"

    def __init__(
        self,
        cluster: Cluster,
        charts: ReleaseCharts,
        helm: Helm,
        values: ReleaseValues,
        status: ReleaseStatus,
        rules: ReleaseRules,
        log: Log,
        *,
        holder: Callable[[], str] = lambda: "gitops-canary#0",
        refusal: Callable[[Case], str] = lambda case: "",
        place: Callable[[Ref], str] = lambda ref: "",
    ) -> None:
        """`holder`: how this process signs, `<lease holder>#<lease transition>` (rule H2). `refusal`: why this release must not be upgraded
        now, "" = it may (rule R11). `place`: the file that an object was applied from, "" = unknown."""
        self._cluster, self._helm, self._status, self._rules, self._log, self._place = cluster, helm, status, rules, log, place
        self._life = ReleaseLife(charts, helm, values, status, rules, log, holder, refusal)
        self._definitions = {
            group: Definition(cluster, f"helmreleases.{group.partition('/')[0]}", status_sample(), "release") for group in GROUPS
        }
        self._known: dict[str, Known] = {}
        self._backoff = Backoff(first=10.0, most=300.0)

    def delivered(self, id_: str) -> None:
        """Receivers have taken the notice: the next look, whoever it is at, takes it out of its status. Thread-safe."""
        self._status.delivered(id_)

    def ensure(self, now: Moment, keys: frozenset[str]) -> Turn:
        """Keys: `namespace/name` of a HelmRelease; anything else (a changed ConfigMap, nothing) looks at all of them."""
        found = self._found()
        self._deliver(found)
        self._known = {key: self._known.get(key) or Known() for key in found}
        owners = owners_of(found)
        chosen = keys if keys and keys <= found.keys() else found.keys()
        ready = [key for key in sorted(chosen) if self._ready(key, found[key], now, woken=key in keys)]
        self._life.made_something = False
        due = [self._guarded(key, found[key], owners, now) for key in ready]
        wakes = (Wake("canaries"),) if self._life.made_something else ()
        return Turn(situations(self._known.values()), wakes, earliest([*due, self._backoff.next()]))

    def _found(self) -> dict[str, list[Doc]]:
        found: dict[str, list[Doc]] = {}
        for group in GROUPS:
            for doc in self._cluster.list(group, KIND, self._rules.namespace):
                found.setdefault(name_of(doc), []).append({**doc, "apiVersion": group, "kind": KIND})
        return found

    def _ready(self, key: str, docs: Sequence[Doc], now: Moment, *, woken: bool) -> bool:
        """One that failed waits, unless somebody changed it: our own words in its status do not hurry it."""
        return self._backoff.ready(key, now.mono) or (woken and self._known[key].refused != asked_for(docs))

    def _deliver(self, found: Mapping[str, list[Doc]]) -> None:
        """Apart from the releases' own looks, so that what receivers take hurries no release that waits."""
        for docs in found.values():
            try:
                docs[:] = [self._status.deliver(doc) for doc in docs]
            except (Conflict, Unavailable) as error:
                self._log.info(f"{error}; its notices are looked at again", manager=self.name)

    # ------------------------------------------------------------ one release

    def _guarded(self, key: str, docs: list[Doc], owners: Mapping[tuple[str, str], str], now: Moment) -> float | None:
        """One failing release delays no other. Returns when to look again (monotonic)."""
        known = self._known[key]
        try:
            until = self._one(docs, known, owners, now)
        except Conflict:
            known.refused = None
            return self._backoff.failed(key, now.mono)
        except GitopsCanaryError as error:
            known.situation, known.refused = "waiting", asked_for(docs)
            self._refused(docs, error, now)
            if isinstance(error, OtherDefinition):
                self._backoff.worked(key)
            return self._backoff.failed(key, now.mono, at_least=(error.retry_after or 0.0) if isinstance(error, Unavailable) else 0.0)
        self._backoff.worked(key)
        return until

    def _refused(self, docs: list[Doc], error: GitopsCanaryError, now: Moment) -> None:
        """Something before Helm: a spec, a chart or values that cannot be had. A person must act: alert; a server is away: wait."""
        for doc in docs:
            phase = "ChartFetchFailed" if isinstance(error, NoChart) else "Failed"
            try:
                if isinstance(error, UserError):
                    alert = self._status.alert(doc, None, str(error), now)
                    record = record_of(doc.get("status") or {})
                    self._status.write(doc, record, [(phase, f"{error}; {DIFFERS}")], now, differs=True, alert=alert)
                self._status.say(doc, str(error), now, key=f"refused/{str(error)[:200]}", warning=True)
            except (Conflict, Unavailable) as again:
                self._log.warning(str(again), manager=self.name)

    def _one(self, docs: list[Doc], known: Known, owners: Mapping[tuple[str, str], str], now: Moment) -> float | None:
        if len(docs) > 1:
            raise UserError(f"cannot release {name_of(docs[0])}: it is in both API groups", hint=f"keep one of {self._places(docs)}")
        spec = parse_helmrelease(docs[0])
        if action := self._helm.running(spec.key):
            known.situation = f"running helm {action}"
            return None
        known.done = known.done or self._helm.done(spec.key)
        if docs[0]["metadata"].get("deletionTimestamp"):
            return self._life.remove(docs[0], spec, known)
        owner = owners.get((spec.target_namespace, spec.release), spec.key)
        if owner != spec.key:
            raise UserError(f"cannot release {spec.key}: {spec.release} in {spec.target_namespace} is HelmRelease {owner}'s")
        self._definitions[docs[0]["apiVersion"]].check(docs[0])
        docs[0] = self._status.hold(docs[0])
        case = Case(docs[0], spec, record_of(docs[0].get("status") or {}), known, now)
        if known.done is not None:
            self._life.ended(case, known.done)
            docs[0] = case.doc
        return self._life.advance(case)

    def _places(self, docs: Sequence[Doc]) -> str:
        places = [(self._place(ref_of(doc)), doc["apiVersion"]) for doc in docs]
        return " and ".join(f"{file} ({group})" if file else str(group) for file, group in places)
