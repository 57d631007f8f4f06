"""Which kinds the server knows and where they live; asked once a group and version, again for a kind it did not know."""

import threading
import time
from dataclasses import dataclass
from urllib.parse import quote

from gitops_canary.adapters.cluster.connection import Connection
from gitops_canary.domain.errors import UserError

UNKNOWN_SECONDS = 2.0
"""How long a kind stays unknown without asking again: a definition that was just applied is served within a second or so."""
ASK_AGAIN_SECONDS = 0.1


@dataclass(frozen=True)
class Kind:
    """One served kind; `namespaced` says whether its objects live in namespaces."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The path of a collection, an object or its subresource."""
        prefix = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        where = f"/namespaces/{quote(namespace, safe='')}" if self.namespaced and namespace else ""
        rest = "".join(f"/{quote(part, safe='')}" for part in (self.plural, name, subresource) if part)
        return prefix + where + rest


class Discovery:
    """Thread-safe; what is known stays known until `forget`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._kinds: dict[str, dict[str, Kind]] = {}
        self._asked: dict[str, float] = {}

    def find(self, api_version: str, kind: str) -> Kind | None:
        """None when the server does not know it."""
        known = self._kinds.get(api_version, {}).get(kind)
        if known is not None:
            # Without the lock: whoever asks the server about another kind may have to wait long.
            return known
        with self._lock:
            known = self._kinds.get(api_version, {}).get(kind)
            now = time.monotonic()
            if known is not None or now - self._asked.get(api_version, -UNKNOWN_SECONDS) < UNKNOWN_SECONDS:
                return known
            self._kinds[api_version] = self._ask(api_version)
            self._asked[api_version] = now
            return self._kinds[api_version].get(kind)

    def need(self, api_version: str, kind: str) -> Kind:
        """UserError when the server does not know it."""
        found = self.find(api_version, kind)
        if found is None:
            raise UserError(
                f"cannot use {kind} of {api_version}: the cluster does not know it", hint="is its CustomResourceDefinition installed?"
            )
        return found

    def wait_for(self, api_version: str, kind: str, seconds: float) -> bool:
        """Asks until the server serves the kind; False when it still does not."""
        deadline = time.monotonic() + seconds
        pause = threading.Event()
        while True:
            self.forget(api_version)
            if self.find(api_version, kind) is not None:
                return True
            if time.monotonic() > deadline:
                return False
            pause.wait(ASK_AGAIN_SECONDS)

    def forget(self, api_version: str) -> None:
        """Ask again next time about one group and version."""
        with self._lock:
            self._kinds.pop(api_version, None)
            self._asked.pop(api_version, None)

    def _ask(self, api_version: str) -> dict[str, Kind]:
        path = Kind(api_version, "", "", False).path()
        answer = self._connection.request("GET", path, doing=f"ask which kinds {api_version} has", missing_ok=True)
        if answer.status == 404:
            return {}
        served = (one for one in answer.doc()["resources"] if "/" not in one["name"])
        return {one["kind"]: Kind(api_version, one["kind"], one["name"], one["namespaced"]) for one in served}
