"""Each request of the Kubernetes API from authentication to its answer; rules of objects are `objects.py`'s, sockets are `server.py`'s."""

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from aiohttp import web

from gitops_canary.sandbox.apiserver import openapi, openapi_v2, tables
from gitops_canary.sandbox.apiserver.access import Access, Attributes, Tokens, User, service_account
from gitops_canary.sandbox.apiserver.aggregating import Aggregator, Elsewhere
from gitops_canary.sandbox.apiserver.bodies import body_of, form_of, json_answer, options_of, partial
from gitops_canary.sandbox.apiserver.kinds import BUILT_IN, CREATE_ONLY, CREATED_BY_UPDATE, TOLD_WHEN_DELETED
from gitops_canary.sandbox.apiserver.listing import Watch, listed
from gitops_canary.sandbox.apiserver.managing import Options
from gitops_canary.sandbox.apiserver.objects import Objects
from gitops_canary.sandbox.apiserver.patches import APPLY
from gitops_canary.sandbox.apiserver.problems import Problem, forbidden, no_such_path
from gitops_canary.sandbox.apiserver.questions import answered
from gitops_canary.sandbox.apiserver.requests import Meant, meant_by
from gitops_canary.sandbox.apiserver.scaling import scale_of, scaled
from gitops_canary.sandbox.apiserver.store import Doc
from gitops_canary.sandbox.apiserver.streams import Streams


@dataclass(frozen=True)
class Asked:
    """One answered request, as an audit log would have it."""

    user: str
    verb: str
    resource: str
    namespace: str
    name: str
    code: int


class Handler:
    """`address` is what discovery tells clients; `audit` gets one entry a request."""

    def __init__(self, objects: Objects, access: Access, tokens: Tokens, clock: Callable[[], datetime], address: Callable[[], str]) -> None:
        self.objects, self.access, self.tokens = objects, access, tokens
        self.streams = Streams(objects)
        self.aggregator = Aggregator(objects.store, objects.kinds)
        self.audit: deque[Asked] = deque(maxlen=200_000)
        self._clock, self._address = clock, address

    # ------------------------------------------------------------ one request

    async def serve(self, request: web.Request) -> web.StreamResponse:
        user, meant, code = User("?"), None, 200
        try:
            user = (
                self.tokens.user(request.headers.get("Authorization", ""))
                if request.path not in ("/healthz", "/readyz", "/livez")
                else user
            )
            user = self.access.impersonated(user, request.headers, request.headers.getall("Impersonate-Group", []))
            far = self.aggregator.place(request.method, request.path)
            if far is not None:
                response = await self._passed_on(request, user, far)
                code = response.status
                return response
            special = await self._without_kind(request, user)
            if special is not None:
                return special
            meant = meant_by(self.objects.kinds, request.method, request.path, request.query)
            if not self.access.allows(user, meant.attributes):
                asked = meant.attributes
                raise forbidden(user.name, asked.verb, asked.resource, asked.group, asked.namespace, asked.name)
            response = await self._answer(request, user, meant)
            code = response.status
        except Problem as problem:
            code = problem.code
            return json_answer(problem.status(), problem.code)
        except ConnectionError:
            # The client went away in the middle of its own request: there is nobody to answer.
            code = 499
            return web.Response(status=code)
        else:
            return response
        finally:
            self.audit.append(_asked(user, meant, request, code))

    async def _passed_on(self, request: web.Request, user: User, far: Elsewhere) -> web.StreamResponse:
        asked = far.attributes
        if not self.access.allows(user, asked):
            raise forbidden(user.name, asked.verb, asked.resource, asked.group, asked.namespace, asked.name)
        return await self.streams.passed_on(request, far.url)

    async def _without_kind(self, request: web.Request, user: User) -> web.StreamResponse | None:
        """Health, discovery, OpenAPI, and kinds that are questions."""
        path = request.path.rstrip("/") or "/"
        parts = path.strip("/").split("/")
        if parts[:1] == ["apis"] and len(parts) == 4 and (parts[1], parts[2]) in CREATE_ONLY and request.method == "POST":
            return json_answer(answered(self.access, self.tokens, user, parts[3], await body_of(request)), 201)
        if parts[0] == "openapi" and len(parts) > 1:
            await self._prepare(parts)
        found = self._discovery(path, parts)
        if found is None:
            return None
        if request.method != "GET":
            raise Problem(405, "MethodNotAllowed", f"{request.method} is not supported on {request.path}")
        if user.name != "?" and not self.access.allows(user, Attributes("get", path=path)):
            raise Problem(403, "Forbidden", f'User "{user.name}" cannot get path "{path}"')
        if path == "/openapi/v2" and openapi_v2.ASKED in request.headers.get("Accept", ""):
            return web.Response(body=openapi_v2.encoded(openapi.VERSION, self.objects.kinds.all()), content_type=openapi_v2.ANSWERED)
        return web.Response(text="ok") if found == "ok" else json_answer(found)

    async def _prepare(self, parts: list[str]) -> None:
        """What OpenAPI tells of built-in kinds is read once, which takes a while: the others go on being answered."""
        group, version = (parts[3], parts[-1]) if parts[2:3] == ["apis"] and len(parts) == 5 else ("", parts[-1])
        kinds = list(BUILT_IN if parts[1] == "v2" else self.objects.kinds.in_version(group, version))
        await asyncio.to_thread(openapi.prepare, kinds)

    def _discovery(self, path: str, parts: list[str]) -> Any:
        plain: Mapping[str, Callable[[], Any]] = {
            "/healthz": lambda: "ok",
            "/readyz": lambda: "ok",
            "/livez": lambda: "ok",
            "/version": openapi.version,
            "/api": lambda: openapi.api_versions(self._address()),
            "/apis": lambda: openapi.group_list(self.objects.kinds, self.aggregator.groups()),
            "/openapi/v2": lambda: openapi_v2.document(openapi.VERSION, self.objects.kinds.all()),
            "/openapi/v3": lambda: openapi.index(self.objects.kinds),
            "/": lambda: {"paths": ["/api", "/apis", "/healthz", "/openapi/v2", "/openapi/v3", "/version"]},
        }
        if path in plain:
            return plain[path]()
        if parts[:2] == ["openapi", "v3"]:
            where = parts[3:] if parts[2] == "apis" else ["", parts[3]] if parts[2] == "api" and len(parts) == 4 else []
            document = openapi.document(self.objects.kinds, where[0], where[1]) if len(where) == 2 else None
            if document is None:
                raise no_such_path(path)
            return document
        if parts[0] == "api" and len(parts) == 2:
            return openapi.resource_list(self.objects.kinds, "", parts[1]) or _nowhere(path)
        if parts[0] == "apis" and len(parts) == 2:
            found = openapi.group(self.objects.kinds, parts[1])
            return {"kind": "APIGroup", "apiVersion": "v1", **found} if found else _nowhere(path)
        if parts[0] == "apis" and len(parts) == 3:
            return openapi.resource_list(self.objects.kinds, parts[1], parts[2]) or _nowhere(path)
        return None

    async def _answer(self, request: web.Request, user: User, meant: Meant) -> web.StreamResponse:
        if meant.subresource == "log":
            return await self.streams.log(request, meant.namespace, meant.name)
        if meant.subresource == "exec":
            return await self.streams.exec(request, meant.namespace, meant.name)
        if meant.verb == "watch":
            return await self._watch(request, meant)
        if meant.verb == "list":
            return self._list(request, meant)
        if meant.verb == "get":
            doc = self.objects.get(meant.kind, meant.namespace, meant.name)
            return self._shown(request, meant, scale_of(meant.kind, doc) if meant.subresource == "scale" else doc)
        return await self._write(request, user, meant)

    async def _write(self, request: web.Request, user: User, meant: Meant) -> web.StreamResponse:
        body, options = await body_of(request), options_of(request, meant)
        kind, namespace, name = meant.kind, meant.namespace, meant.name
        if meant.verb in ("delete", "deletecollection"):
            asked = {
                **{key: value for key, value in request.query.items() if key in ("propagationPolicy", "gracePeriodSeconds")},
                **(body or {}),
            }
            return self._delete(request, meant, asked, options)
        if meant.subresource in ("binding", "token", "eviction"):
            return json_answer(self._pod_or_account(meant, body), 201)
        if meant.subresource == "scale":
            doc = self.objects.get(kind, namespace, name)
            new = scaled(kind, doc, body, request.content_type if request.method == "PATCH" else "")
            made = self.objects.replace(kind, namespace, name, new, options)
            return json_answer(scale_of(kind, made))
        if meant.verb == "create":
            return self._shown(request, meant, self.objects.create(kind, namespace, body, options), 201)
        if meant.verb == "update":
            fresh = kind.kind in CREATED_BY_UPDATE and self.objects.store.get(kind.storage, (namespace, name)) is None
            made = (
                self.objects.create(kind, namespace, body, options) if fresh else self.objects.replace(kind, namespace, name, body, options)
            )
            return self._shown(request, meant, made, 201 if fresh else 200)
        if request.content_type in APPLY:
            made, fresh = self.objects.apply(kind, namespace, name, body, options)
            return self._shown(request, meant, made, 201 if fresh else 200)
        return self._shown(request, meant, self.objects.patch(kind, namespace, name, request.content_type, body, options))

    def _delete(self, request: web.Request, meant: Meant, asked: Doc, options: Options) -> web.StreamResponse:
        if meant.verb == "delete":
            doc = self.objects.delete(meant.kind, meant.namespace, meant.name, asked, options.dry_run)
            waits = doc["metadata"].get("deletionTimestamp") and self.objects.store.get(meant.kind.storage, (meant.namespace, meant.name))
            if waits or options.dry_run or meant.kind.kind in TOLD_WHEN_DELETED:
                return self._shown(request, meant, doc)
            details = {"name": meant.name, "kind": meant.kind.plural, "uid": doc["metadata"]["uid"]}
            details |= {"group": meant.kind.group} if meant.kind.group else {}
            return json_answer({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
        items, meta = listed(self.objects, meant, request.query)
        for doc in items:
            self.objects.delete(meant.kind, str(doc["metadata"].get("namespace") or ""), doc["metadata"]["name"], asked, options.dry_run)
        return self._shown_list(request, meant, items, meta)

    def _pod_or_account(self, meant: Meant, body: Doc) -> Doc:
        if meant.subresource == "token":
            self.objects.get(meant.kind, meant.namespace, meant.name)
            token = self.tokens.issue(service_account(meant.namespace, meant.name))
            status = {"token": token, "expirationTimestamp": "2036-01-01T00:00:00Z"}
            return {
                "kind": "TokenRequest",
                "apiVersion": "authentication.k8s.io/v1",
                "metadata": {},
                "spec": body.get("spec") or {},
                "status": status,
            }
        if meant.subresource == "eviction":
            self.objects.delete(meant.kind, meant.namespace, meant.name, body.get("deleteOptions") or {})
            return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
        pod = self.objects.get(meant.kind, meant.namespace, meant.name)
        if pod["spec"].get("nodeName"):
            raise Problem(409, "Conflict", f'pod {meant.name} is already assigned to node "{pod["spec"]["nodeName"]}"')
        node = str((body.get("target") or {}).get("name", ""))
        new = {**pod, "spec": {**pod["spec"], "nodeName": node}}
        self.objects.replace(meant.kind, meant.namespace, meant.name, new, Options(manager="scheduler"))
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}

    # ------------------------------------------------------------ answers

    def _list(self, request: web.Request, meant: Meant) -> web.StreamResponse:
        items, meta = listed(self.objects, meant, request.query)
        return self._shown_list(request, meant, items, meta)

    def _shown_list(self, request: web.Request, meant: Meant, items: list[Doc], meta: Doc) -> web.StreamResponse:
        form, kind = form_of(request), meant.kind
        if form == "Table":
            return json_answer(tables.table(kind, items, meta, self._clock(), request.query.get("includeObject", "Metadata")))
        if form == "PartialObjectMetadataList":
            shown = [partial(item) for item in items]
            return json_answer({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "items": shown})
        if kind.custom:
            meta = {"continue": "", **meta}
        else:
            # As a real server: the list's kind says what its built-in items are.
            items = [{key: value for key, value in item.items() if key not in ("kind", "apiVersion")} for item in items]
        return json_answer({"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": meta, "items": items})

    def _shown(self, request: web.Request, meant: Meant, doc: Doc, code: int = 200) -> web.StreamResponse:
        form = form_of(request)
        if form == "Table":
            meta = {"resourceVersion": doc["metadata"].get("resourceVersion", "")}
            return json_answer(tables.table(meant.kind, [doc], meta, self._clock(), request.query.get("includeObject", "Metadata")), code)
        response = json_answer(partial(doc) if form == "PartialObjectMetadata" else doc, code)
        warnings, self.objects.finisher.warnings = self.objects.finisher.warnings, []
        for warning in warnings:
            response.headers.add("Warning", f'299 - "{warning.replace(chr(34), chr(92) + chr(34))}"')
        return response

    async def _watch(self, request: web.Request, meant: Meant) -> web.StreamResponse:
        watch, form = Watch(self.objects, meant, request.query), form_of(request)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            async for type_, doc in watch.events():
                await response.write(orjson.dumps({"type": type_, "object": self._event_object(type_, doc, form, meant)}) + b"\n")
        except (ConnectionError, asyncio.CancelledError):
            return response
        return response

    def _event_object(self, type_: str, doc: Doc, form: str, meant: Meant) -> Doc:
        if type_ == "ERROR":
            return doc
        if form.startswith("PartialObjectMetadata"):
            return partial(doc)
        if form == "Table":
            items = [] if type_ == "BOOKMARK" else [doc]
            return tables.table(meant.kind, items, {"resourceVersion": doc["metadata"]["resourceVersion"]}, self._clock())
        return self.objects.shown(meant.kind, doc)


def _asked(user: User, meant: Meant | None, request: web.Request, code: int) -> Asked:
    """Requests that are about no object (discovery, OpenAPI, reviews) stand in the audit by their path."""
    if meant is None:
        return Asked(user.name, request.method.lower(), request.path, "", "", code)
    resource = f"{meant.kind.plural}/{meant.subresource}" if meant.subresource else meant.kind.plural
    return Asked(user.name, meant.verb, resource, meant.namespace, meant.name, code)


def _nowhere(path: str) -> Any:
    raise no_such_path(path)
