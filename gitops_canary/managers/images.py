"""Bumps image tags: lists tags of the images that automation may touch, decides, and commits all bumps of a scan at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from fnmatch import fnmatchcase

from gitops_canary.domain.bumps import Around, Automated, Bump, Left, Offer, automated, candidate, needs_dates, plan_bumps
from gitops_canary.domain.canary.model import holds_bumps
from gitops_canary.domain.commits import bump_message, image_of, line
from gitops_canary.domain.counting import counted
from gitops_canary.domain.errors import GitopsCanaryError, Unavailable, UserError
from gitops_canary.domain.images import EVERY, ImageRef
from gitops_canary.domain.resources import Resource
from gitops_canary.domain.tags import candidates
from gitops_canary.managers.base import Backoff, NoFigures, earliest
from gitops_canary.managers.reading import CANARY, Reader, edited, images_of, keys_behind, primary_of
from gitops_canary.managers.taken_back import TakenBack
from gitops_canary.manifests.tree import Loaded
from gitops_canary.ports import Change, Cluster, Edit, Figures, Log, Moment, Registry, Repository, Tree, Turn, Wake

MOST_ASKED = 1000
"""Images of webhooks that wait for a turn that lists them; what is more is found by its poll."""


@dataclass(frozen=True)
class ImageRules:
    """Settings; seconds. `include` and `exclude` are globs of canonical image names, `marker` the CI-skip text ("" = none)."""

    poll_interval: float = 300.0
    retry: float = 10.0
    hold_during_run: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    marker: str = ""
    cluster_name: str = "default"
    default_namespace: str = "default"
    adopt_results: bool = False

    def scans(self, canonical: str) -> bool:
        wanted = not self.include or any(fnmatchcase(canonical, glob) for glob in self.include)
        return wanted and not any(fnmatchcase(canonical, glob) for glob in self.exclude)


@dataclass
class _Scan:
    """What is known of one repository: its offer, and when to ask again (monotonic)."""

    offer: Offer | None = None
    due: float = 0.0
    dates: dict[str, datetime | None] = field(default_factory=dict)


class ImagesManager:
    name = "images"

    def __init__(
        self,
        repository: Repository,
        registry: Registry,
        cluster: Cluster,
        load: Callable[[Tree], Loaded],
        rules: ImageRules,
        log: Log,
        figures: Figures | None = None,
    ) -> None:
        self._figures = figures or NoFigures()
        self._repository = repository
        self._registry = registry
        self._cluster = cluster
        self._reader = Reader(load, rules.cluster_name, rules.default_namespace)
        self._rules = rules
        self._log = log
        self._scans: dict[str, _Scan] = {}
        self._backoff = Backoff(first=rules.retry, most=rules.poll_interval)
        self._taken_back = TakenBack(repository, self._reader, rules.marker)
        self._said: set[str] = set()
        self._asked: set[str] = set()

    def ensure(self, now: Moment, keys: frozenset[str]) -> Turn:
        """One turn. Keys are image names in any spelling (registry webhooks), or `*`: those are listed at once, others when their poll is
        due. What a turn could not look at is listed by the next."""
        named = {image.canonical for key in keys if (image := image_of(key)) is not None} | (keys & {EVERY})
        self._asked = self._asked | named if len(self._asked) < MOST_ASKED else named
        head = self._repository.head()
        if head is None:
            return Turn("waiting for the first fetch")
        try:
            tree = self._repository.tree(head)
            foreign = "" if self._rules.adopt_results else self._reader.foreign(tree, self._cluster.cluster_id())
            if foreign:
                self._log.warning(foreign, manager=self.name)
                return Turn(foreign, not_before=now.mono + self._rules.poll_interval)
            return self._turn(now, tree)
        except GitopsCanaryError as error:
            until = self._backoff.failed("", now.mono, at_least=_retry_after(error))
            self._log.warning(str(error), manager=self.name)
            return Turn(str(error), not_before=until)

    def _turn(self, now: Moment, tree: Tree) -> Turn:
        resources = self._reader.resources(tree)
        autos, problems = automated(resources)
        autos = tuple(auto for auto in autos if self._rules.scans(auto.key.image.canonical))
        failures = self._scan(now, autos)
        sentences = [*problems, *(problem.sentence for problem in self._reader.ledgers(tree)[1]), *failures]
        revision: str | None = None
        left: tuple[Left, ...] = ()
        if not self._reader.ledgers(tree)[1]:
            revision, left = self._commit(tree, resources)
        self._backoff.worked("")
        self._tell([*sentences, *(one.sentence for one in left)])
        wakes = (Wake("sync"),) if revision else ()
        return Turn(self._says(autos, sentences, left), wakes, self._next())

    # ------------------------------------------------------------ what registries have

    def _scan(self, now: Moment, autos: Sequence[Automated]) -> list[str]:
        """List tags where it is due or asked for; a repository that fails keeps nothing of its half answer and delays no other."""
        asked, self._asked = self._asked, set()
        images = {auto.key.image.canonical: auto.key.image for auto in autos}
        self._scans = {name: self._scans.get(name) or _Scan() for name in images}
        failures = []
        for name, scan in self._scans.items():
            self._figures.scanned(name)
            mine = [auto for auto in autos if auto.key.image.canonical == name]
            due = bool(asked & {name, EVERY}) or (scan.due <= now.mono and self._backoff.ready(name, now.mono))
            try:
                if due:
                    scan.offer = None
                    scan.offer = Offer(tuple(self._registry.tags(images[name])))
                    scan.due = now.mono + self._rules.poll_interval
                    self._backoff.worked(name)
                if scan.offer is not None:
                    scan.offer = self._completed(scan, images[name], mine)
            except GitopsCanaryError as error:
                scan.offer = None
                scan.due = self._backoff.failed(name, now.mono, at_least=_retry_after(error))
                failures.append(str(error))
        return failures

    def _completed(self, scan: _Scan, image: ImageRef, mine: Sequence[Automated]) -> Offer:
        """With the dates that policies order by, and the digests of the tags that they choose; nothing else is asked."""
        offer = scan.offer
        assert offer is not None
        dated = {tag for auto in mine if needs_dates(auto) for tag in (*candidates(offer.tags, auto.policy), auto.key.image.tag)}
        odd = {tag for tag in sorted(dated & set(offer.tags)) if not self._dated(scan, image, tag)}
        offer = replace(offer, tags=tuple(tag for tag in offer.tags if tag not in odd), created=dict(scan.dates))
        newest = [(candidate(auto, offer), auto.key.image.tag) for auto in mine]
        chosen = {tag for tag, current in newest if tag is not None and tag != current}
        fresh = {tag: self._registry.digest(image, tag) for tag in chosen if tag not in offer.digests}
        return replace(offer, digests={**offer.digests, **fresh})

    def _dated(self, scan: _Scan, image: ImageRef, tag: str) -> bool:
        """False for a tag that the registry lists and cannot show: one odd tag never blocks its repository."""
        if tag not in scan.dates:
            try:
                scan.dates[tag] = self._registry.created(image, tag)
            except UserError:
                return False
        return True

    # ------------------------------------------------------------ deciding and committing

    def _commit(self, tree: Tree, resources: Sequence[Resource]) -> tuple[str | None, tuple[Left, ...]]:
        """The new revision, if any, and what was left; nothing is pushed when the known head needs nothing."""
        serving, held = self._cluster_says(resources)
        offers = {name: scan.offer for name, scan in self._scans.items() if scan.offer is not None}
        edits = list(self._taken_back.edits(tree, resources))
        around = Around(self._reader.quarantine(tree), serving, held)
        bumps, left = plan_bumps(resources, offers, around)
        if bumps:
            edits.append(self._edit(offers, serving, held, frozenset(bump.key.id for bump in bumps)))
        made: list[str] = [one for one in self._repository.changes(edits) if one] if edits else []
        self._taken_back.recorded(tree)
        for revision in made:
            self._log.info(self._subject(revision), revision=revision)
        for bump in bumps if made else ():
            self._figures.bumped(bump.key.image.canonical)
        return (made[-1] if made else None), left

    def _edit(self, offers: Mapping[str, Offer], serving: Mapping[str, str], held: Mapping[str, str], chosen: frozenset[str]) -> Edit:
        """Decides on the tree it is committed onto: policy, current tag and quarantine are read there (rule B2). Keys that were not chosen
        before stay out: what a person took back in the meantime has to be seen first."""

        def edit(tree: Tree) -> Change | None:
            around = Around(self._reader.quarantine(tree), serving, held)
            bumps, _ = plan_bumps(self._reader.resources(tree), offers, around)
            files: dict[str, bytes | None] = {}
            done: list[Bump] = []
            for bump in (one for one in bumps if one.key.id in chosen):
                try:
                    files = edited(tree, files, bump.key, bump.text)
                    done.append(bump)
                except UserError as error:
                    self._tell([*self._said, str(error)])
            return Change(files, bump_message(done, self._rules.marker)) if done else None

        return edit

    def _cluster_says(self, resources: Sequence[Resource]) -> tuple[dict[str, str], dict[str, str]]:
        """By key id: the image that serves (the primary's), and why the key is held (rules B1, B3)."""
        serving: dict[str, str] = {}
        held: dict[str, str] = {}
        for canary in self._cluster.list(*CANARY):
            why = self._held(canary.get("status") or {})
            primary = images_of(primary_of(canary, self._cluster))
            for key_id, (key, container) in keys_behind(canary, self._cluster, resources).items():
                image = next((image for name, image in primary if name in (container, f"{container}-primary")), "")
                found = image_of(image)
                if found is not None and found.canonical == key.image.canonical:
                    serving[key_id] = image
                if why:
                    held[key_id] = f"{canary['metadata']['name']}.{canary['metadata']['namespace']}: {why}"
        return serving, held

    def _held(self, status: Mapping[str, object]) -> str:
        run = status.get("run")
        under_way = isinstance(run, Mapping) and not run.get("outcome")
        if self._rules.hold_during_run and under_way:
            return "its run has not ended (--hold-bumps-during-run)"
        return holds_bumps(status)

    # ------------------------------------------------------------ telling

    def _subject(self, revision: str) -> str:
        found = self._repository.commits(None, revision, 1)
        return found[0].message.partition("\n")[0] if found else f"Committed {revision[:7]}"

    def _tell(self, sentences: Sequence[str]) -> None:
        for sentence in sentences:
            if sentence not in self._said:
                self._log.warning(sentence, manager=self.name)
        self._said = set(sentences)

    def _says(self, autos: Sequence[Automated], sentences: Sequence[str], left: Sequence[Left]) -> str:
        wrong = [*sentences, *(one.sentence for one in left)]
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        images, places = counted(len(autos), "automated image", "automated images"), counted(len(self._scans), "repository", "repositories")
        return f"{images} in {places}" + (f"; {line(wrong[0])}{more}" if wrong else "")

    def _next(self) -> float | None:
        return earliest([*(scan.due for scan in self._scans.values()), self._backoff.until("")])


def _retry_after(error: GitopsCanaryError) -> float:
    return (error.retry_after or 0.0) if isinstance(error, Unavailable) else 0.0
