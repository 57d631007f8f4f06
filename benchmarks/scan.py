"""How long a look at every image takes: 100 images of 1,000 tags in a real registry's protocol, and the newest of 10,000 tags:
`python benchmarks/scan.py`. The registry is the sandbox's, in a process of its own."""

import argparse
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.figures.apart import apart
from benchmarks.figures.counting import counting
from benchmarks.figures.table import Figure, machine, show
from gitops_canary.adapters.registry.images import OciRegistry, Options
from gitops_canary.domain.images import parse_image
from gitops_canary.domain.tags import newest, parse_policy
from gitops_canary.sandbox.registryd.server import RegistryServer
from gitops_canary.sandbox.registryd.store import Repository

IMAGES = 100
TAGS = 1000
UNHURRIED = 1e9
"""Requests a second that no limit slows down."""
RANGE = "semver:~3.1"


@contextmanager
def serving() -> Iterator[str]:
    server = RegistryServer(etags=True)
    for image in range(IMAGES):
        server.store.repositories[f"team/app{image}"] = Repository(tags=dict.fromkeys(tags(TAGS), "sha256:" + "0" * 64))
    with server:
        yield server.url


def tags(count: int) -> list[str]:
    """Versions, as CI pushes them, in an order that is not theirs."""
    return [f"3.{number % 10}.{number * 7919 % count}" for number in range(count)]


def scan(registry: OciRegistry) -> tuple[float, float]:
    """Seconds for all images, and CPU seconds of this process; the newest tag of each is decided too."""
    began, used, policy = time.monotonic(), time.process_time(), parse_policy(RANGE, "the benchmark")
    for number in range(IMAGES):
        found = registry.tags(parse_image(f"team/app{number}:3.1.0"))
        assert len(found) == TAGS
        assert newest(found, policy)
    return time.monotonic() - began, time.process_time() - used


def options(url: str, rps: float = UNHURRIED) -> Options:
    return Options(rps=rps, mirrors=(f"docker.io={url}",))


def requests(url: str) -> int:
    with counting() as proxy:
        registry = OciRegistry(options(proxy.through(url)))
        scan(registry)
        registry.close()
        return proxy.count


def decision() -> Figure:
    """The median of nine."""
    policy, many = parse_policy(RANGE, "the benchmark"), tags(10_000)
    took = []
    for _ in range(9):
        began = time.perf_counter()
        assert newest(many, policy)
        took.append((time.perf_counter() - began) * 1000)
    return Figure(f"newest of 10,000 tags by {RANGE}", statistics.median(took), "ms")


def main() -> int:
    argparse.ArgumentParser(description=__doc__).parse_args()
    print(machine())
    with apart(serving) as (url, _):
        registry = OciRegistry(options(url))
        (cold, cold_cpu), (warm, warm_cpu) = scan(registry), scan(registry)
        registry.close()
        paced = OciRegistry(Options(mirrors=(f"docker.io={url}",)))
        slow, _cpu = scan(paced)
        paced.close()
        figures = [
            Figure("requests", requests(url), "", IMAGES),
            Figure("first look", cold, "s"),
            Figure("its CPU, decisions with it", cold_cpu, "s"),
            Figure("second look (ETags: nothing has changed)", warm, "s"),
            Figure("its CPU, decisions with it", warm_cpu, "s"),
            Figure(f"a look at the default pace of {Options().rps:.0f} requests a second", slow, "s"),
        ]
    show(f"A look at {IMAGES} images of {TAGS:,} tags", figures)
    show("The decision alone", [decision()])
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
