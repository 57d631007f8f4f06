"""Both servers of a differential test, side by side in a namespace that is left behind before its lists grow long."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from ruamel.yaml import YAML

from tests.conformance.client import Api, Doc
from tests.conformance.conftest import define
from tests.conformance.objects import crd
from tests.conformance.playing import Played, Side
from tests.conformance.sequences import Operation


def playing(count: int) -> settings:
    """So many sequences, up to the first that tells the servers apart. It is not made smaller, which would play it for minutes again with
    other outcomes each time: what is told of a difference leaves out what did not lead to it."""
    return settings(max_examples=count, phases=[Phase.generate], database=None, deadline=None, suppress_health_check=list(HealthCheck))


PER_NAMESPACE = 50
DEFINITIONS = Path(__file__).parents[2] / "deploy" / "crds"


class Sides:
    """Both servers, in a namespace that is left behind before its lists grow long."""

    def __init__(self, ours: Path, real: Path) -> None:
        self.pair = Side(Api(ours)), Side(Api(real))
        self.pool = ThreadPoolExecutor(2)
        for side in self.pair:
            for definition in (crd(), *_our_definitions()):
                define(side.api, definition)

    def play(self, number: int, sequence: list[Operation]) -> tuple[Played, Played]:
        if number % PER_NAMESPACE == 0:
            for side in self.pair:
                side.enter(f"differential-{number}")
        ours, real = (self.pool.submit(side.play, f"{number}", sequence) for side in self.pair)
        return ours.result(), real.result()

    def close(self) -> None:
        self.pool.shutdown()
        for side in self.pair:
            side.leave()
            side.api.close()


def _our_definitions() -> list[Doc]:
    names = ("canaries.flagger.app", "helmreleases.helm.fluxcd.io")
    return [YAML(typ="safe", pure=True).load(DEFINITIONS / f"{name}.yaml") for name in names]
