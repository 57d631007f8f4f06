"""AlertProvider objects and their Secrets as receivers: read on a thread of their own when a notice asks for them, never by a lane."""

import base64
import binascii
import queue
import threading
from collections.abc import Mapping
from dataclasses import replace

from gitops_canary.adapters.notify import HttpNotifier, Outcome
from gitops_canary.adapters.provider_health import ProviderHealth
from gitops_canary.domain.canary.spec import Alert
from gitops_canary.domain.errors import GitopsCanaryError, Unavailable, UserError
from gitops_canary.domain.resources import Ref
from gitops_canary.notifiers.targets import Severity, Target, target_of
from gitops_canary.ports import Cluster, Log, Notice

PROVIDER = ("flagger.app/v1beta1", "AlertProvider")
WAITING = 200
PAUSES = (1.0, 5.0, 20.0, 60.0)
"""Seconds between attempts to read while the API server is away; after the last a notice is given up, with a log line."""


class ProviderNotifier:
    """Implements `ports.Notifier`: a notice with alerts goes to those AlertProviders, every other one to the global receivers."""

    def __init__(
        self, inner: HttpNotifier, cluster: Cluster, health: ProviderHealth, log: Log, *, pauses: tuple[float, ...] = PAUSES
    ) -> None:
        self._inner, self._cluster, self._health, self._log, self._pauses = inner, cluster, health, log, pauses
        self._waiting: queue.Queue[Notice | None] = queue.Queue(WAITING)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def takes(self, alerts: tuple[Alert, ...]) -> bool:
        return bool(alerts) or self._inner.takes(alerts)

    def send(self, notice: Notice) -> None:
        if not notice.alerts:
            self._inner.send(notice)
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._serve, name="alert-providers", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(notice)
        except queue.Full:
            self._give_up(notice, f"{WAITING} others wait")

    def close(self) -> None:
        self._stopped.set()
        if self._thread is not None:
            try:
                self._waiting.put_nowait(None)
            except queue.Full:
                return
            self._thread.join(2.0)

    def _serve(self) -> None:
        while (notice := self._waiting.get()) is not None and not self._stopped.is_set():
            try:
                self._resolve(notice)
            except Exception as error:  # a bug in one provider must not end the thread
                self._log.error(f"Cannot send notice {notice.title!r}: {error}", exc_info=True)
                self._inner.done(notice.id)

    def _resolve(self, notice: Notice) -> None:
        for pause in (*self._pauses, None):
            try:
                targets = [target for alert in notice.alerts if (target := self._target(alert)) is not None]
            except Unavailable as error:
                if pause is None or self._stopped.wait(pause):
                    self._give_up(notice, str(error))
                    return
                continue
            self._inner.send_to(targets, notice)
            return

    def _give_up(self, notice: Notice, why: str) -> None:
        self._log.warning(f"Gave up notice {notice.title!r}: {why}", notice=notice.id)
        self._inner.done(notice.id)

    def _target(self, alert: Alert) -> Target | None:
        """None when a person must act first: said, and the other providers are told all the same."""
        ref = Ref(*PROVIDER, alert.namespace, alert.provider)
        try:
            return self._read(ref, alert)
        except Unavailable:
            raise
        except GitopsCanaryError as error:
            self._log.warning(str(error), provider=f"{alert.namespace}/{alert.provider}")
            self._health.says(ref, str(error))
            return None

    def _read(self, ref: Ref, alert: Alert) -> Target:
        name = f"AlertProvider {ref.namespace}/{ref.name}"
        provider = self._cluster.live(ref)
        if provider is None:
            raise UserError(f"cannot use {name}: it does not exist", hint="create it, or take it out of the Canary's analysis.alerts")
        self._health.saw(provider)
        spec = provider.get("spec") or {}
        target = target_of(name, spec, self._secret(name, alert.namespace, spec), _severity(alert.severity))
        return replace(target, provider=(ref.namespace, ref.name))

    def _secret(self, name: str, namespace: str, spec: Mapping[str, object]) -> dict[str, bytes]:
        ref = spec.get("secretRef")
        wanted = str(ref.get("name") or "") if isinstance(ref, Mapping) else ""
        if not wanted:
            return {}
        found = self._cluster.live(Ref("v1", "Secret", namespace, wanted))
        if found is None:
            raise UserError(f"cannot use {name}: its Secret {namespace}/{wanted} does not exist")
        try:
            return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items() if key in ("address", "token")}
        except binascii.Error as error:
            raise UserError(f"cannot use {name}: its Secret {namespace}/{wanted} is no base64") from error


def told_to(health: ProviderHealth) -> Outcome:
    """What the receivers of providers answered goes into the providers' conditions."""

    def outcome(notice: Notice, target: Target, words: str) -> None:
        if all(target.provider):
            health.says(Ref(*PROVIDER, *target.provider), f"{target.name} took no alert: {words}" if words else "")

    return outcome


def _severity(text: str) -> Severity:
    return "warn" if text == "warn" else "error" if text == "error" else "info"
