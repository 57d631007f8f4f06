"""Reads targets' `/metrics` at an interval into the storage, with stale markers as Prometheus sets them; finds the targets, too."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp
import orjson
from prometheus_client.parser import text_string_to_metric_families

from gitops_canary.sandbox.promql.storage import Labels, Storage

MAX_EXPOSITION = 32 * 1024 * 1024


@dataclass(frozen=True)
class Target:
    """A URL to scrape and the labels that its samples get."""

    url: str
    labels: Labels


@dataclass
class Scraper:
    """`fixed` are URLs of `/metrics` (job `mesh`); `discovery` are URLs that answer Prometheus' http_sd JSON (job `pods`).

    `interval` in seconds; a scrape takes at most that long, or a second."""

    storage: Storage
    fixed: Sequence[str]
    discovery: Sequence[str]
    interval: float
    _seen: dict[Target, set[Labels]] = field(default_factory=dict)

    async def run(self) -> None:
        """Scrapes until cancelled."""
        timeout = aiohttp.ClientTimeout(total=max(1.0, self.interval))
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as session:
            due = time.monotonic()
            while True:
                await self.round(session)
                due = max(due + self.interval, time.monotonic())
                await asyncio.sleep(due - time.monotonic())

    async def round(self, session: aiohttp.ClientSession) -> None:
        """One scrape of every target that there is now."""
        targets = [Target(url, _labels({"job": "mesh", "instance": urlsplit(url).netloc})) for url in self.fixed]
        for source in self.discovery:
            targets += await _discovered(session, source)
        now = _now()
        for gone in self._seen.keys() - set(targets):
            self._mark_stale(self._seen.pop(gone), now)
        await asyncio.gather(*(self._scrape(session, target) for target in targets))
        self.storage.forget_old(now)

    async def _scrape(self, session: aiohttp.ClientSession, target: Target) -> None:
        at = _now()
        try:
            async with session.get(target.url) as answer:
                answer.raise_for_status()
                text = (await answer.content.read(MAX_EXPOSITION)).decode()
            samples = read_exposition(text, target.labels)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            samples = {}
        samples[_labels({"__name__": "up", **dict(target.labels)})] = float(bool(samples))
        self._mark_stale(self._seen.get(target, set()) - samples.keys(), at)
        self._seen[target] = set(samples)
        for labels, value in samples.items():
            self.storage.add(labels, at, value)

    def _mark_stale(self, series: set[Labels], at: int) -> None:
        for labels in series:
            self.storage.add(labels, at, None)


def read_exposition(text: str, target: Labels) -> dict[Labels, float]:
    """The samples of a text exposition with the target's labels added; a sample's own label of that name becomes `exported_…`."""
    own = dict(target)
    samples: dict[Labels, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {f"exported_{name}" if name in own else name: value for name, value in sample.labels.items() if value}
            samples[_labels({"__name__": sample.name, **labels, **own})] = float(sample.value)
    return samples


async def _discovered(session: aiohttp.ClientSession, source: str) -> list[Target]:
    """The targets that an http_sd URL names; none while it does not answer."""
    try:
        async with session.get(source) as answer:
            answer.raise_for_status()
            groups = orjson.loads(await answer.read())
    except (aiohttp.ClientError, TimeoutError, OSError, orjson.JSONDecodeError):
        return []
    return [_target(address, group.get("labels", {})) for group in groups for address in group["targets"]]


def _target(address: str, given: Mapping[str, str]) -> Target:
    visible = {name: value for name, value in given.items() if not name.startswith("__")}
    return Target(f"http://{address}{given.get('__metrics_path__', '/metrics')}", _labels({"job": "pods", "instance": address, **visible}))


def _labels(labels: Mapping[str, str]) -> Labels:
    return tuple(sorted(labels.items()))


def _now() -> int:
    return int(time.time() * 1000)
