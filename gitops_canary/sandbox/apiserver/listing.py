"""Lists with paging and watches with bookmarks; which objects there are is the store's."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

import orjson

from gitops_canary.sandbox.apiserver.objects import Objects
from gitops_canary.sandbox.apiserver.problems import Problem, bad_request, gone, invalid, too_large
from gitops_canary.sandbox.apiserver.requests import Meant
from gitops_canary.sandbox.apiserver.selectors import Test, field_test, label_test
from gitops_canary.sandbox.apiserver.store import Change, Doc, name_of

BOOKMARK_SECONDS = 30.0
DEFAULT_SECONDS = 1800.0


def tests_of(meant: Meant, query: Mapping[str, str]) -> Test:
    labels, fields = label_test(query.get("labelSelector", "")), field_test(query.get("fieldSelector", ""), meant.kind.plural)
    return lambda doc: labels(doc) and fields(doc)


def listed(objects: Objects, meant: Meant, query: Mapping[str, str]) -> tuple[list[Doc], dict[str, Any]]:
    """One page of objects and the list's metadata; later pages show the moment of the first."""
    test, store = tests_of(meant, query), objects.store
    after, version = _start(query.get("continue", ""), store.version)
    asked = query.get("resourceVersion", "")
    if not asked.isdigit() and asked:
        raise bad_request(f"invalid resource version: {asked!r}")
    if asked and int(asked) > store.version:
        raise too_large(int(asked), store.version)
    every = store.all(meant.kind.storage, meant.namespace) if version == store.version else None
    every = store.at(meant.kind.storage, version, meant.namespace) if every is None else every
    if every is None:
        raise gone("The provided continue parameter is too old to display a consistent list result.")
    left = [objects.shown(meant.kind, doc) for doc in every if list(name_of(doc)) > after and test(doc)]
    limit = int(query.get("limit") or 0) or len(left)
    meta: dict[str, Any] = {"resourceVersion": str(version)}
    if len(left) > limit:
        meta["continue"] = base64.urlsafe_b64encode(orjson.dumps([list(name_of(left[limit - 1])), version])).decode()
        if not query.get("labelSelector") and not query.get("fieldSelector"):
            meta["remainingItemCount"] = len(left) - limit
    return left[:limit], meta


def _start(token: str, version: int) -> tuple[list[str], int]:
    """The name that the page comes after, and the version it shows."""
    if not token:
        return [], version
    try:
        (namespace, name), at = orjson.loads(base64.urlsafe_b64decode(token))
        return [str(namespace), str(name)], int(at)
    except (ValueError, TypeError) as error:
        raise bad_request("continue key is not valid") from error


class Watch:
    """One watch: what it sends is `events()`, each a line of JSON."""

    def __init__(self, objects: Objects, meant: Meant, query: Mapping[str, str]) -> None:
        self._objects, self._meant = objects, meant
        self._test = tests_of(meant, query)
        self._bookmarks = query.get("allowWatchBookmarks", "").lower() in ("true", "1")
        self._initial = query.get("sendInitialEvents", "").lower() in ("true", "1")
        if self._initial and query.get("resourceVersionMatch") != "NotOlderThan":
            why = "Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
            raise invalid("meta.k8s.io", "ListOptions", "", [("resourceVersionMatch", why)])
        self._version = query.get("resourceVersion", "")
        try:
            self._seconds = float(query.get("timeoutSeconds") or DEFAULT_SECONDS)
            self._from = int(self._version or 0)
        except ValueError as error:
            raise bad_request(f"invalid resource version or timeout: {error}") from error

    async def events(self) -> AsyncIterator[tuple[str, Doc]]:
        store, storage = self._objects.store, self._meant.kind.storage
        queue = store.subscribe(storage)
        try:
            if self._from == 0 or self._initial:
                for doc in store.all(storage, self._meant.namespace):
                    if self._test(doc):
                        yield "ADDED", doc
                if self._initial and self._bookmarks:
                    yield "BOOKMARK", self._bookmark({"k8s.io/initial-events-end": "true"})
            else:
                missed = store.since(storage, self._from)
                if missed is None:
                    yield "ERROR", _expired(self._from, store.version)
                    return
                for change in missed:
                    if (event := self._event(change)) is not None:
                        yield event
            async for event in self._live(queue):
                yield event
        finally:
            store.unsubscribe(storage, queue)

    async def _live(self, queue: "asyncio.Queue[Change | None]") -> AsyncIterator[tuple[str, Doc]]:
        loop = asyncio.get_running_loop()
        end = loop.time() + self._seconds
        while (left := end - loop.time()) > 0:
            change = None
            with contextlib.suppress(TimeoutError):
                change = await asyncio.wait_for(queue.get(), min(left, BOOKMARK_SECONDS))
                if change is None:
                    return
            if change is None:
                if self._bookmarks:
                    yield "BOOKMARK", self._bookmark({})
                continue
            event = self._event(change)
            if event is not None:
                yield event

    def _event(self, change: Change) -> tuple[str, Doc] | None:
        """An object that begins to fit a selector is ADDED, one that ceases to is DELETED."""
        namespace = self._meant.namespace
        if namespace and change.doc["metadata"].get("namespace") != namespace:
            return None
        fits = self._test(change.doc)
        fitted = change.before is not None and self._test(change.before)
        if change.kind == "DELETED":
            return ("DELETED", change.doc) if fits or fitted else None
        if fits:
            return ("MODIFIED" if fitted else "ADDED", change.doc)
        if fitted and change.before is not None:
            # As it was when it still fitted, under the version at which it left.
            meta = {**change.before["metadata"], "resourceVersion": change.doc["metadata"]["resourceVersion"]}
            return "DELETED", {**change.before, "metadata": meta}
        return None

    def _bookmark(self, annotations: dict[str, str]) -> Doc:
        kind = self._meant.kind
        meta: Doc = {"resourceVersion": str(self._objects.store.version)}
        if annotations:
            meta["annotations"] = annotations
        return {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": meta}


def _expired(asked: int, now: int) -> Doc:
    problem: Problem = gone(f"too old resource version: {asked} ({now})")
    return problem.status()
