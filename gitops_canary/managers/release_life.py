"""What becomes of one release: its history, its situation, one Helm job and the job's end, status last. Whose turn it is, is the lane's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gitops_canary.domain.errors import Unavailable
from gitops_canary.domain.helmrelease import HelmReleaseSpec
from gitops_canary.domain.releases import Action, Situation, Verdict, action_for, classify
from gitops_canary.domain.releases_status import record_of
from gitops_canary.domain.releases_values import inputs_of
from gitops_canary.domain.resources import Doc
from gitops_canary.managers.base import earliest
from gitops_canary.managers.outbox import Raw
from gitops_canary.managers.release_cases import Case, Known
from gitops_canary.managers.release_charts import ReleaseCharts
from gitops_canary.managers.release_jobs import ACTING, Ended, deployed, ended, job_for, marked, stored
from gitops_canary.managers.release_status import DIFFERS, ReleaseStatus
from gitops_canary.managers.release_values import ReleaseValues
from gitops_canary.ports import Helm, HelmDone, HelmJob, HelmRevision, Log

MADE = ("install", "upgrade")
PENDING_INTERVAL = 60.0
"""Seconds between two looks at a release that somebody else left pending."""


@dataclass(frozen=True)
class ReleaseRules:
    """The settings releases need."""

    drift_interval: float = 3600.0
    """Seconds after which Helm's storage is read again although nothing has changed."""
    namespace: str = ""
    applier: str = ""
    """User that Helm acts as, "" = the operator's own identity (rule O5)."""


class ReleaseLife:
    """`made_something`: since the lane last looked, something was made that canaries may wait for."""

    made_something = False

    def __init__(
        self,
        charts: ReleaseCharts,
        helm: Helm,
        values: ReleaseValues,
        status: ReleaseStatus,
        rules: ReleaseRules,
        log: Log,
        holder: Callable[[], str],
        refusal: Callable[[Case], str],
    ) -> None:
        """See ReleasesManager."""
        self._charts, self._helm, self._values, self._status = charts, helm, values, status
        self._rules, self._log, self._holder, self._refusal = rules, log, holder, refusal

    def remove(self, doc: Doc, spec: HelmReleaseSpec, known: Known) -> float | None:
        """Uninstall what we made, then let the object go (rule H4)."""
        record = record_of(doc.get("status") or {})
        done, known.done = known.done, None
        if done is not None and done.action == "uninstall":
            if not done.ok:
                raise Unavailable(f"cannot uninstall {spec.release} of HelmRelease {spec.key}: {done.message}")
            self._log.info(f"Uninstalled {spec.release} from {spec.target_namespace}", helmrelease=spec.key)
        elif record.release or record.mark:
            known.situation = "being uninstalled"
            self._helm.start(job_for("uninstall", spec, None, {}, (), self._user(spec)))
            return None
        self._status.release(doc)
        return None

    def advance(self, case: Case) -> float | None:
        known, now, spec = case.known, case.now, case.spec
        chart = self._charts.current(spec, known.fetched, now)
        case.values = self._values.resolve(spec, chart)
        case.inputs = inputs_of(spec, chart.id, case.values)
        if known.history is None or now.mono >= known.read_at + known.fresh_for:
            known.situation = "being looked up in Helm's storage"
            self._helm.start(self._job("history", case))
            return None
        verdict = classify(spec, case.record, stored(known.history), case.inputs, now.wall, self._holder())
        known.situation = str(verdict.situation)
        if not self._held(case, action_for(verdict)):
            self._act(case, verdict)
        again = None if verdict.until is None else now.mono + max(0.0, verdict.until - now.wall.timestamp())
        return earliest([again, known.fetched.due, known.read_at + known.fresh_for])

    def _held(self, case: Case, action: Action) -> bool:
        """Rule R11; what was never deployed holds nothing back."""
        sentence = self._refusal(case) if action is Action.UPGRADE and case.record.inputs else ""
        if sentence:
            case.known.situation = "held back"
            text = f"{case.spec.release} is not upgraded yet: {sentence}"
            self._status.say(case.doc, text, case.now, key=f"held/{case.inputs}", warning=True)
        return bool(sentence)

    def _act(self, case: Case, verdict: Verdict) -> None:
        history = case.known.history or ()
        match action_for(verdict):
            case Action.NOTHING:
                self._settle(case, verdict)
            case Action.WAIT:
                pass
            case Action.REPORT:
                self._report(case, verdict)
            case Action.RECORD:
                self._record(case, deployed(case.spec, case.record, history[-1], history[:-1]))
            case Action.MARK_FAILED:
                sentence = f"{case.spec.release}: {verdict.reason}; it is marked failed"
                self._status.say(case.doc, sentence, case.now, key=f"lost/{history[-1].number}", warning=True)
                self._helm.start(self._job("mark-failed", case))
            case action:
                self._run(case, action, verdict)

    def _run(self, case: Case, action: Action, verdict: Verdict) -> None:
        """The mark first (rule H2), then Helm."""
        spec, known = case.spec, case.known
        job = self._job(action.value, case)
        case.record = marked(case.record, job, case.inputs, known.history or (), self._holder(), case.now.wall)
        phases, differs = [(ACTING[action.value], verdict.reason)], case.record.failure is not None
        self._write(case, phases, differs=differs, releaseName=spec.release, lastAttemptedRevision=case.chart.revision)
        sentence = f"Helm {action.value} of {spec.release} in {spec.target_namespace}: {verdict.reason}"
        self._log.info(sentence, helmrelease=spec.key, chart=case.chart.revision)
        known.situation = f"running helm {action.value}"
        self._helm.start(job)

    def _settle(self, case: Case, verdict: Verdict) -> None:
        """In sync (or rolled back and resting): the status says so about this generation; a failure of other inputs is over."""
        rests = verdict.situation is Situation.ROLLED_BACK
        if not rests:
            case.record = replace(case.record, failure=None, mark=None, rolled_back="", rollbacks=0)
        status, phases = case.doc.get("status") or {}, [] if rests else [("Succeeded", verdict.reason)]
        observed = status.get("observedGeneration") == case.doc["metadata"].get("generation", 0)
        settled = observed and status.get("phase") == ("RolledBack" if rests else "Succeeded") and bool(status.get("differs")) == rests
        if not settled or record_of(status) != case.record:
            self._write(case, phases, differs=rests)

    def _report(self, case: Case, verdict: Verdict) -> None:
        """Somebody else's doing: said, and left to people. A pending release is looked at again until it is free."""
        self._status.say(case.doc, verdict.reason, case.now, key=f"foreign/{verdict.reason[:100]}", warning=True)
        if verdict.situation is Situation.FOREIGN_REVISION:
            self._write(case, [], differs=True)
            return
        alert = self._status.alert(case.doc, case.spec, verdict.reason, case.now)
        self._write(case, [("Failed", f"{verdict.reason}; {DIFFERS}")], differs=True, alert=alert)
        case.known.fresh_for = PENDING_INTERVAL

    # ------------------------------------------------------------ ended jobs

    def ended(self, case: Case, done: HelmDone) -> None:
        """What was read or done goes into the status first; only then is it forgotten here."""
        known, spec = case.known, case.spec
        if case.record == known.written:
            known.done = known.written = None
            self.made_something = True
            return
        if done.action in ("history", "mark-failed"):
            known.done = None
            if not done.ok:
                raise Unavailable(f"cannot {done.action} {spec.release} of HelmRelease {spec.key}: {done.message}")
            self._remember(case, done.history if done.action == "history" else None)
            if done.action == "mark-failed":
                # The lost revision is failed now: nothing of ours is under way any more.
                case.record = replace(case.record, mark=None)
                self._write(case, [], differs=True)
            return
        outcome = ended(spec, case.record, done, known.history or (), case.now.wall)
        alert = self._status.failed(case.doc, spec, outcome.record, done, case.now) if outcome.failed else None
        known.written = outcome.record
        self._record(case, outcome, alert)
        known.done = known.written = None

    def _record(self, case: Case, outcome: Ended, alert: Raw | None = None) -> None:
        """Status last; then the canaries look at what was made."""
        known, mark, spec = case.known, case.record.mark, case.spec
        if outcome.history is not None or outcome.failed:
            self._remember(case, outcome.history)
        fields: dict[str, object] = {"releaseStatus": known.history[-1].status if known.history else None}
        if not outcome.failed and mark is not None and mark.action in MADE:
            fields["revision"] = (case.doc.get("status") or {}).get("lastAttemptedRevision")
            self._log.info(f"{spec.release} in {spec.target_namespace} is at {outcome.phases[0][1]}", helmrelease=spec.key)
        case.record = outcome.record
        self._write(case, outcome.phases, differs=outcome.failed or outcome.record.failure is not None, alert=alert, **fields)
        self.made_something = True

    def _remember(self, case: Case, history: tuple[HelmRevision, ...] | None) -> None:
        case.known.history, case.known.read_at, case.known.fresh_for = history, case.now.mono, self._rules.drift_interval

    def _write(self, case: Case, phases: Sequence[tuple[str, str]], *, differs: bool, alert: Raw | None = None, **fields: object) -> None:
        case.doc = self._status.write(case.doc, case.record, phases, case.now, differs=differs, alert=alert, **fields)

    def _job(self, action: str, case: Case) -> HelmJob:
        return job_for(action, case.spec, case.chart, case.values, case.known.history or (), self._user(case.spec))

    def _user(self, spec: HelmReleaseSpec) -> str:
        return f"system:serviceaccount:{spec.namespace}:{spec.service_account}" if spec.service_account else self._rules.applier
