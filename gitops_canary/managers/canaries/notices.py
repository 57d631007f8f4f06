"""A canary's notices: what a step says as they stand in its status, and as the receivers get them."""

from collections.abc import Iterable
from dataclasses import replace

from gitops_canary.domain.canary.model import Effect, Notify
from gitops_canary.domain.canary.spec import CanarySpec
from gitops_canary.domain.canary.status import CanaryStatus
from gitops_canary.domain.canary.story import canary as canary_name
from gitops_canary.managers.outbox import Outbox, Raw, fields_of, raw, severity_of
from gitops_canary.ports import Notice, Notifier


class Notices:
    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier
        self._outbox = Outbox(notifier)

    def delivered(self, id_: str) -> None:
        """Thread-safe."""
        self._outbox.delivered(id_)

    def kept(self, spec: CanarySpec, before: CanaryStatus, after: CanaryStatus, effects: Iterable[Effect]) -> CanaryStatus:
        """`after` with what is still to be sent: what waited before, but what was delivered, and what this step says."""
        said = [_raw(spec, after.number, one) for one in effects if isinstance(one, Notify)]
        new = said if said and self._notifier.takes(spec.alerts) else []
        return replace(after, notices=self._outbox.kept(before.notices, new))

    def send(self, spec: CanarySpec, status: CanaryStatus) -> None:
        self._outbox.send(status.notices, lambda one: _notice(spec, one))


def _raw(spec: CanarySpec, number: int, said: Notify) -> Raw:
    return raw(f"{spec.namespace}.{spec.name}-{number}/{said.kind}", said.severity, said.text, said.fields)


def _notice(spec: CanarySpec, one: Raw) -> Notice:
    return Notice(str(one["id"]), severity_of(one), canary_name(spec), str(one.get("text")), fields_of(one), alerts=spec.alerts)


def key_of(id_: str) -> str:
    """`test.frontend-7/result` is of canary `test/frontend`."""
    namespace, _, rest = id_.partition(".")
    return f"{namespace}/{rest.rpartition('/')[0].rpartition('-')[0]}"
