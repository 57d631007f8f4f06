"""Which chart a release uses now: when its source is asked again; how it is fetched is the Charts port's."""

from dataclasses import dataclass

from gitops_canary.domain.errors import UserError
from gitops_canary.domain.helmrelease import HelmReleaseSpec
from gitops_canary.ports import Chart, Charts, ChartSource, Moment


class NoChart(UserError):
    """The chart cannot be had."""


@dataclass
class Fetched:
    """The chart of one release, where it came from, and when to ask again (monotonic seconds)."""

    chart: Chart | None = None
    source: tuple[ChartSource, str] | None = None
    due: float = 0.0


class ReleaseCharts:
    """`interval`: seconds between two looks at a source on the network; `default_ref`: the branch when a HelmRelease names none."""

    def __init__(self, charts: Charts, *, interval: float = 180.0, default_ref: str = "master") -> None:
        self._charts, self._interval, self._default_ref = charts, interval, default_ref

    def current(self, spec: HelmReleaseSpec, known: Fetched, now: Moment) -> Chart:
        """A chart of the cluster repository is looked at every time: that costs no request. Raises NoChart and Unavailable."""
        ref = spec.ref or (self._default_ref if spec.git else "")
        source = (ChartSource(spec.git, ref, spec.path, spec.repository, spec.chart, spec.version, spec.skip_dependencies), spec.secret)
        local = not spec.git and not spec.repository
        if known.chart is None or known.source != source or local or now.mono >= known.due:
            try:
                known.chart = self._charts.fetch(source[0], namespace=spec.namespace, secret=spec.secret)
            except UserError as error:
                raise NoChart(error.message, hint=error.hint) from error
            known.source, known.due = source, now.mono + self._interval
        return known.chart
