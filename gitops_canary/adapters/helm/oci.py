"""Charts in OCI registries, pulled by Helm in a worker of its own; ranges are resolved by Helm."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from gitops_canary.adapters.helm.archives import ARCHIVE_LIMIT
from gitops_canary.adapters.helm.child import Child, Crashed, TimedOut
from gitops_canary.adapters.helm.downloads import Login
from gitops_canary.adapters.helm.messages import Reply, Work
from gitops_canary.domain.errors import Unavailable, UserError

PULL_SECONDS = 60.0
SERVED_SECONDS = 60.0
"""How long one answer of a registry serves all releases of a chart."""
LOOPBACK = ("localhost", "127.0.0.1", "::1")


class OciCharts:
    """`make` starts a worker; `plain_http` names registries (host:port) without TLS, besides those on loopback."""

    def __init__(self, make: Callable[[], Child], plain_http: tuple[str, ...] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._make, self._plain_http, self._clock = make, plain_http, clock
        self._served: dict[tuple[str, str, Login | None], tuple[float, str, bytes]] = {}

    def archive(self, repository: str, name: str, version: str, login: Login | None = None) -> tuple[str, bytes]:
        """Version and bytes; UserError with the registry's sentence."""
        reference = f"{repository.rstrip('/')}/{name}" if name else repository
        known = self._served.get((reference, version, login))
        if known is not None and self._clock() - known[0] < SERVED_SECONDS:
            return known[1], known[2]
        with tempfile.TemporaryDirectory() as folder:
            self._pull(reference, version, login, folder)
            archives = list(Path(folder).glob("*.tgz"))
            if len(archives) != 1 or archives[0].stat().st_size > ARCHIVE_LIMIT:
                raise UserError(f"cannot use {reference} {version}: the registry sent no chart, or one larger than {ARCHIVE_LIMIT:,} bytes")
            data, found = archives[0].read_bytes(), archives[0].stem.removeprefix(f"{reference.rpartition('/')[2]}-")
        self._served[(reference, version, login)] = (self._clock(), found, data)
        return found, data

    def _pull(self, reference: str, version: str, login: Login | None, folder: str) -> None:
        options: dict[str, object] = {"version": version, "into": folder, "plain_http": self._plain(reference)}
        if login is not None:
            options |= {"username": login.username, "password": login.password}
        child = self._make()
        try:
            reply = child.ask(Work("pull", "", "", reference, options=options), PULL_SECONDS)
        except (Crashed, TimedOut) as error:
            raise Unavailable(f"cannot pull {reference} {version}: {error or 'no answer in time'}") from error
        finally:
            child.kill()
        _check(reply, reference, version)

    def _plain(self, reference: str) -> bool:
        parts = urlsplit(reference)
        return parts.hostname in LOOPBACK or parts.netloc in self._plain_http


def _check(reply: Reply, reference: str, version: str) -> None:
    if reply.ok:
        return
    sentence = f"cannot pull {reference} {version}: {reply.message}"
    away = ("connection refused", "timeout", "no such host", "i/o", "EOF", " 50")
    raise Unavailable(sentence) if any(word in reply.message for word in away) else UserError(sentence)
