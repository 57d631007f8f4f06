"""Keeps the store of one kind like the server: streamed list, watch, bookmarks, all anew after 410 or a gap; one thread a kind."""

import random
import threading
from collections.abc import Callable
from typing import Any

from gitops_canary.adapters.cluster.connection import Connection, Stream
from gitops_canary.adapters.cluster.discovery import Discovery, Kind
from gitops_canary.adapters.cluster.projections import FIELD_SELECTORS, METADATA_ONLY, projection_of
from gitops_canary.adapters.cluster.store import Name, Store, name_of, version_of
from gitops_canary.domain.errors import Conflict, Unavailable, UserError
from gitops_canary.domain.resources import Doc
from gitops_canary.ports import Log

Changed = Callable[[str, str, str], None]
"""Kind, namespace, name of an object that was made, changed or deleted; called on the watch's thread, so it must be quick."""

WATCH_SECONDS = (240, 480)
"""How long one watch lasts, at random, so that many watches do not end together."""
PAGE = 500
FIRST_DELAY = 0.05
OUTAGE_DELAY = 2.0
"""Longest wait while the server does not answer: informers shall live within 2.5 s after it is back."""
REFUSED_DELAY = 30.0
"""Longest wait when we may not watch: a person must grant it."""
UNKNOWN_DELAY = 60.0
"""Longest wait for a kind to be installed; an apply of a definition by ourselves ends it at once."""
METADATA = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1,application/json"
STREAMED = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
LIST_END = "k8s.io/initial-events-end"


class Reflector:
    """`store` is complete once `synced` is set; during an outage it goes on holding what was last known. `settled` is set then too, or
    when there is nothing to wait for: a cluster-scoped kind is not watched by an installation for one namespace."""

    def __init__(
        self, connection: Connection, discovery: Discovery, log: Log, changed: Changed, *, api_version: str, kind: str, namespace: str
    ) -> None:
        self._connection, self._discovery, self._log, self._changed = connection, discovery, log, changed
        self._api_version, self._kind, self._namespace = api_version, kind, namespace
        self._metadata_only = (api_version, kind) in METADATA_ONLY
        self.store = Store(api_version, kind, projection_of(api_version, kind), metadata_only=self._metadata_only)
        self.synced = threading.Event()
        self.settled = threading.Event()
        self._version = ""
        self._streams_lists = True
        self._failures = 0
        self._said = ""
        self._stopping, self._anew = threading.Event(), threading.Event()
        self._kick = threading.Event()
        self._stream: Stream | None = None
        self._random = random.Random()
        self._thread = threading.Thread(target=self._run, name=f"watch-{kind}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def retry_now(self) -> None:
        """Ends a wait: a definition was applied, or the server is known to be back."""
        self._kick.set()

    def begin_anew(self) -> None:
        """What was read is doubted: a definition has changed, and the server goes on telling an old watch what the old one kept. Until the
        new list is complete reads go to the server."""
        self.synced.clear()
        self._anew.set()
        self._kick.set()
        if self._stream is not None:
            self._stream.close()

    def stop(self) -> None:
        self._stopping.set()
        self._kick.set()
        if self._stream is not None:
            self._stream.close()

    def join(self, seconds: float) -> None:
        self._thread.join(seconds)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._round()
            except Unavailable as error:
                self._failed(str(error), max(OUTAGE_DELAY, min(error.retry_after or 0.0, REFUSED_DELAY)))
            except UserError as error:
                self._failed(str(error), REFUSED_DELAY)
            except Conflict:
                # 410: the server no longer has the history since our version. 404: the kind is gone, or served in another version.
                self._version = ""
                self._discovery.forget(self._api_version)
                self._wait(OUTAGE_DELAY)
            except Exception as error:
                # A bug here must not end the watch for ever; the sentence is what a report needs.
                self._version = ""
                self._failed(f"watch of {self._kind} failed: {error!r}", REFUSED_DELAY)

    def _round(self) -> None:
        if self._anew.is_set():
            self._anew.clear()
            self._version = ""
            self.store.doubt()
        kind = self._discovery.find(self._api_version, self._kind)
        if kind is None:
            self._wait(UNKNOWN_DELAY)
        elif self._namespace and not kind.namespaced:
            self._stopping.set()
            self.settled.set()
        elif not self._version and not self._streams_lists:
            self._list(kind)
        elif not self._version:
            self._stream_list(kind)
        else:
            self._watch(kind, {"resourceVersion": self._version}, None)

    def _stream_list(self, kind: Kind) -> None:
        """WatchList: one object at a time, so that the whole list is never in memory; older servers refuse it."""
        try:
            self._watch(kind, dict(STREAMED), set())
        except UserError:
            self._list(kind)
            self._streams_lists = False

    def _list(self, kind: Kind) -> None:
        listed: set[Name] = set()
        query = self._selectors() | {"limit": str(PAGE)}
        while True:
            page = self._connection.request(
                "GET", kind.path(self._namespace), doing=f"list {self._kind}", query=query, accept=self._accept("List")
            ).doc()
            for item in page.get("items") or ():
                listed.add(name_of(item))
                self._tell(self.store.watched(item))
            if not page["metadata"].get("continue"):
                break
            query["continue"] = page["metadata"]["continue"]
        self._complete(listed, page["metadata"]["resourceVersion"])

    def _watch(self, kind: Kind, query: dict[str, str], listing: set[Name] | None) -> None:
        """Until the server ends it. `listing` collects the names of a streamed list and is None afterwards."""
        seconds = str(self._random.randint(*WATCH_SECONDS))
        query = {"watch": "true", "allowWatchBookmarks": "true", "timeoutSeconds": seconds} | self._selectors() | query
        stream = self._connection.stream(kind.path(self._namespace), doing=f"watch {self._kind}", query=query, accept=self._accept())
        self._stream = stream
        if self._stopping.is_set() or self._anew.is_set():
            stream.close()
        heard = False
        for event in stream:
            heard, self._failures, self._said = True, 0, ""
            listing = self._take(event["type"], event["object"], listing)
            if self._stopping.is_set() or self._anew.is_set():
                return
        if not heard:
            self._wait(OUTAGE_DELAY)

    def _take(self, what: str, doc: Doc, listing: set[Name] | None) -> set[Name] | None:
        if what == "ERROR":
            raise _watch_error(self._kind, doc)
        if what == "BOOKMARK":
            return self._bookmark(doc, listing)
        self._tell(self.store.deleted(doc) if what == "DELETED" else self.store.watched(doc))
        if listing is None:
            self._version = str(doc["metadata"]["resourceVersion"])
        elif what == "DELETED":
            listing.discard(name_of(doc))
        else:
            listing.add(name_of(doc))
        return listing

    def _bookmark(self, doc: Doc, listing: set[Name] | None) -> set[Name] | None:
        ends_list = (doc["metadata"].get("annotations") or {}).get(LIST_END) == "true"
        if listing is not None and not ends_list:
            return listing
        if listing is not None:
            self._complete(listing, str(doc["metadata"]["resourceVersion"]))
        self._version = str(doc["metadata"]["resourceVersion"])
        return None

    def _complete(self, listed: set[Name], version: str) -> None:
        for name in self.store.keep_only(listed, version_of({"metadata": {"resourceVersion": version}})):
            self._tell(name)
        self._version = version
        self._failures, self._said = 0, ""
        self.synced.set()
        self.settled.set()

    def _tell(self, name: Name | None) -> None:
        if name is not None:
            self._changed(self._kind, *name)

    def _selectors(self) -> dict[str, str]:
        selector = FIELD_SELECTORS.get((self._api_version, self._kind))
        return {"fieldSelector": selector} if selector else {}

    def _accept(self, suffix: str = "") -> str:
        return METADATA.replace("{}", suffix) if self._metadata_only else "application/json"

    def _failed(self, sentence: str, longest: float) -> None:
        # The first failure is what a restarted server or a recycled connection looks like; only the second one is worth a line.
        if self._failures == 1 and sentence != self._said and not self._stopping.is_set():
            self._said = sentence
            self._log.warning(sentence, kind=self._kind)
        self._wait(longest)

    def _wait(self, longest: float) -> None:
        delay = min(FIRST_DELAY * 2**self._failures, longest) * self._random.uniform(0.5, 1.0)
        self._failures = min(self._failures + 1, 20)
        self._kick.wait(delay)
        if not self._stopping.is_set():
            self._kick.clear()


def _watch_error(kind: str, status: dict[str, Any]) -> Exception:
    sentence = f"cannot go on watching {kind}: {status.get('message')}"
    if status.get("code") == 410:
        return Conflict(sentence)
    return Unavailable(sentence, retry_after=(status.get("details") or {}).get("retryAfterSeconds"))
