"""`ApiServer`: the HTTP face of the sandbox's Kubernetes API, on a thread and loop of its own."""

import asyncio
import base64
import ssl
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from aiohttp import web
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gitops_canary.sandbox.apiserver import openapi, protobuf, tables
from gitops_canary.sandbox.apiserver.access import AUTHENTICATED, MASTERS, Access, Attributes, Tokens, User, service_account, stock_roles
from gitops_canary.sandbox.apiserver.collecting import Collector
from gitops_canary.sandbox.apiserver.kinds import CREATE_ONLY, CREATED_BY_UPDATE, TOLD_WHEN_DELETED, Kinds
from gitops_canary.sandbox.apiserver.listing import Watch, listed
from gitops_canary.sandbox.apiserver.managing import Options
from gitops_canary.sandbox.apiserver.objects import Objects
from gitops_canary.sandbox.apiserver.patches import APPLY
from gitops_canary.sandbox.apiserver.problems import Problem, bad_request, forbidden, invalid, no_such_path, unsupported
from gitops_canary.sandbox.apiserver.questions import answered
from gitops_canary.sandbox.apiserver.requests import Meant, meant_by
from gitops_canary.sandbox.apiserver.scaling import scale_of, scaled
from gitops_canary.sandbox.apiserver.store import Doc, Store
from gitops_canary.sandbox.apiserver.streams import Streams
from gitops_canary.sandbox.registryd.certificates import server_files

MAX_BODY = 8 * 2**20
NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


@dataclass(frozen=True)
class Asked:
    """One answered request, as an audit log would have it."""

    user: str
    verb: str
    resource: str
    namespace: str
    name: str
    code: int


class ApiServer:
    """TLS by a CA of its own, made at construction: Go's clients send no token over plain HTTP. `clock` gives creation times."""

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        history: int = 5000,
    ) -> None:
        self.host, self.port = host, port
        self._clock = clock
        self._tls, self.ca = _certificates()
        self.store, self.kinds, self.tokens = Store(history), Kinds(), Tokens()
        self.objects = Objects(self.store, self.kinds, clock)
        self.access = Access(self.store)
        self.audit: deque[Asked] = deque(maxlen=200_000)
        self._streams = Streams(self.objects)
        self._admin = self.tokens.issue(User("admin", (MASTERS, AUTHENTICATED)))
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._runner: web.AppRunner | None = None

    # ------------------------------------------------------------ life

    @property
    def url(self) -> str:
        return f"https://{self.host}:{self.port}"

    def start(self) -> None:
        """Listens when it returns; the namespaces and stock roles are there."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="apiserver", daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(20)

    def stop(self) -> None:
        if self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(20)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()
        self._loop = self._thread = None

    def __enter__(self) -> "ApiServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def token(self, user: str, groups: tuple[str, ...] = ()) -> str:
        """A bearer token for a user of that name; "admin" may do everything."""
        return self._admin if user == "admin" else self.tokens.issue(User(user, (*groups, AUTHENTICATED)))

    def account_token(self, namespace: str, name: str) -> str:
        return self.tokens.issue(service_account(namespace, name))

    def kubeconfig(self, user: str = "admin", token: str = "") -> Doc:
        """For kubectl, Helm and the official client."""
        cluster: Doc = {"server": self.url, "certificate-authority-data": base64.b64encode(self.ca).decode()}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "sandbox", "cluster": cluster}],
            "users": [{"name": user, "user": {"token": token or self.token(user)}}],
            "contexts": [{"name": "sandbox", "context": {"cluster": "sandbox", "user": user}}],
            "current-context": "sandbox",
        }

    def compact(self) -> None:
        """Forget the history of changes: watches from before get 410."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self.store.compact)

    def _run(self) -> None:
        assert self._loop is not None
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    async def _listen(self) -> None:
        Collector(self.objects, self._defined)
        self._seed()
        await self._streams.open()
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self.host, self.port, ssl_context=self._tls)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _close(self) -> None:
        self.store.end_watches()
        assert self._runner is not None
        server = self._runner.server
        transports = [connection.transport for connection in server.connections if connection.transport] if server is not None else []
        await self._runner.cleanup()
        # A TLS connection says goodbye in its own time, which the loop does not have any more.
        for transport in transports:
            transport.abort()
        await asyncio.sleep(0)
        await self._streams.close()
        for task in asyncio.all_tasks():
            if task is not asyncio.current_task():
                task.cancel()

    def _seed(self) -> None:
        if self.store.version > 1:
            return
        options = Options(manager="sandbox")
        for name in NAMESPACES:
            self._create("v1", "Namespace", {"metadata": {"name": name}}, options)
        for role in stock_roles():
            self._create(role["apiVersion"], role["kind"], role, options)

    def _create(self, api_version: str, name: str, doc: Doc, options: Options) -> None:
        kind = self.kinds.named(api_version, name)
        assert kind is not None
        self.objects.create(kind, "", doc, options)

    def _defined(self, before: Doc | None, after: Doc | None) -> None:
        if after is not None and not after["metadata"].get("deletionTimestamp"):
            self.kinds.define(after)
        elif before is not None:
            group, plural = before["spec"]["group"], before["spec"]["names"]["plural"]
            for doc in self.store.all((group, plural)):
                self.store.remove((group, plural), (str(doc["metadata"].get("namespace") or ""), doc["metadata"]["name"]))
            self.store.end_watches((group, plural))
            self.kinds.forget(group, plural)

    # ------------------------------------------------------------ one request

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        user, meant, code = User("?"), None, 200
        try:
            user = (
                self.tokens.user(request.headers.get("Authorization", ""))
                if request.path not in ("/healthz", "/readyz", "/livez")
                else user
            )
            user = self.access.impersonated(user, request.headers, request.headers.getall("Impersonate-Group", []))
            special = await self._without_kind(request, user)
            if special is not None:
                return special
            meant = meant_by(self.kinds, request.method, request.path, request.query)
            if not self.access.allows(user, meant.attributes):
                asked = meant.attributes
                raise forbidden(user.name, asked.verb, asked.resource, asked.group, asked.namespace, asked.name)
            response = await self._answer(request, user, meant)
            code = response.status
        except Problem as problem:
            code = problem.code
            return _json(problem.status(), problem.code)
        except ConnectionError:
            # The client went away in the middle of its own request: there is nobody to answer.
            code = 499
            return web.Response(status=code)
        else:
            return response
        finally:
            if meant is not None:
                resource = f"{meant.kind.plural}/{meant.subresource}" if meant.subresource else meant.kind.plural
                self.audit.append(Asked(user.name, meant.verb, resource, meant.namespace, meant.name, code))

    async def _without_kind(self, request: web.Request, user: User) -> web.StreamResponse | None:
        """Health, discovery, OpenAPI, and kinds that are questions."""
        path = request.path.rstrip("/") or "/"
        parts = path.strip("/").split("/")
        if parts[:1] == ["apis"] and len(parts) == 4 and (parts[1], parts[2]) in CREATE_ONLY and request.method == "POST":
            return _json(answered(self.access, self.tokens, user, parts[3], await _body(request)), 201)
        found = self._discovery(path, parts)
        if found is None:
            return None
        if request.method != "GET":
            raise Problem(405, "MethodNotAllowed", f"{request.method} is not supported on {request.path}")
        if user.name != "?" and not self.access.allows(user, Attributes("get", path=path)):
            raise Problem(403, "Forbidden", f'User "{user.name}" cannot get path "{path}"')
        return web.Response(text="ok") if found == "ok" else _json(found)

    def _discovery(self, path: str, parts: list[str]) -> Any:
        plain: Mapping[str, Callable[[], Any]] = {
            "/healthz": lambda: "ok",
            "/readyz": lambda: "ok",
            "/livez": lambda: "ok",
            "/version": openapi.version,
            "/api": lambda: openapi.api_versions(f"{self.host}:{self.port}"),
            "/apis": lambda: openapi.group_list(self.kinds),
            "/openapi/v3": lambda: openapi.index(self.kinds),
            "/": lambda: {"paths": ["/api", "/apis", "/healthz", "/openapi/v3", "/version"]},
        }
        if path in plain:
            return plain[path]()
        if parts[:2] == ["openapi", "v3"]:
            where = parts[3:] if parts[2] == "apis" else ["", parts[3]] if parts[2] == "api" and len(parts) == 4 else []
            document = openapi.document(self.kinds, where[0], where[1]) if len(where) == 2 else None
            if document is None:
                raise no_such_path(path)
            return document
        if parts[0] == "api" and len(parts) == 2:
            return openapi.resource_list(self.kinds, "", parts[1]) or _nowhere(path)
        if parts[0] == "apis" and len(parts) == 2:
            found = openapi.group(self.kinds, parts[1])
            return {"kind": "APIGroup", "apiVersion": "v1", **found} if found else _nowhere(path)
        if parts[0] == "apis" and len(parts) == 3:
            return openapi.resource_list(self.kinds, parts[1], parts[2]) or _nowhere(path)
        return None

    async def _answer(self, request: web.Request, user: User, meant: Meant) -> web.StreamResponse:
        if meant.subresource == "log":
            return await self._streams.log(request, meant.namespace, meant.name)
        if meant.subresource == "exec":
            return await self._streams.exec(request, meant.namespace, meant.name)
        if meant.verb == "watch":
            return await self._watch(request, meant)
        if meant.verb == "list":
            return self._list(request, meant)
        if meant.verb == "get":
            doc = self.objects.get(meant.kind, meant.namespace, meant.name)
            return self._shown(request, meant, scale_of(meant.kind, doc) if meant.subresource == "scale" else doc)
        return await self._write(request, user, meant)

    async def _write(self, request: web.Request, user: User, meant: Meant) -> web.StreamResponse:
        body, options = await _body(request), _options(request, meant)
        kind, namespace, name = meant.kind, meant.namespace, meant.name
        if meant.verb in ("delete", "deletecollection"):
            asked = {
                **{key: value for key, value in request.query.items() if key in ("propagationPolicy", "gracePeriodSeconds")},
                **(body or {}),
            }
            return self._delete(request, meant, asked, options)
        if meant.subresource in ("binding", "token", "eviction"):
            return _json(self._pod_or_account(meant, body), 201)
        if meant.subresource == "scale":
            doc = self.objects.get(kind, namespace, name)
            new = scaled(kind, doc, body, request.content_type if request.method == "PATCH" else "")
            made = self.objects.replace(kind, namespace, name, new, options)
            return _json(scale_of(kind, made))
        if meant.verb == "create":
            return self._shown(request, meant, self.objects.create(kind, namespace, body, options), 201)
        if meant.verb == "update":
            fresh = kind.kind in CREATED_BY_UPDATE and self.store.get(kind.storage, (namespace, name)) is None
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
            waits = doc["metadata"].get("deletionTimestamp") and self.store.get(meant.kind.storage, (meant.namespace, meant.name))
            if waits or options.dry_run or meant.kind.kind in TOLD_WHEN_DELETED:
                return self._shown(request, meant, doc)
            details = {"name": meant.name, "kind": meant.kind.plural, "uid": doc["metadata"]["uid"]}
            details |= {"group": meant.kind.group} if meant.kind.group else {}
            return _json({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details})
        items, meta = listed(self.objects, meant, request.query)
        for doc in items:
            self.objects.delete(meant.kind, str(doc["metadata"].get("namespace") or ""), doc["metadata"]["name"], asked, options.dry_run)
        return self._shown_list(request, meant, items, meta)

    def _pod_or_account(self, meant: Meant, body: Doc) -> Doc:
        if meant.subresource == "token":
            self.objects.get(meant.kind, meant.namespace, meant.name)
            token = self.account_token(meant.namespace, meant.name)
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
        form, kind = _form(request), meant.kind
        if form == "Table":
            return _json(tables.table(kind, items, meta, self._clock(), request.query.get("includeObject", "Metadata")))
        if form == "PartialObjectMetadataList":
            shown = [_partial(item) for item in items]
            return _json({"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "items": shown})
        if kind.custom:
            meta = {"continue": "", **meta}
        else:
            # As a real server: the list's kind says what its built-in items are.
            items = [{key: value for key, value in item.items() if key not in ("kind", "apiVersion")} for item in items]
        return _json({"kind": f"{kind.kind}List", "apiVersion": kind.api_version, "metadata": meta, "items": items})

    def _shown(self, request: web.Request, meant: Meant, doc: Doc, code: int = 200) -> web.StreamResponse:
        form = _form(request)
        if form == "Table":
            meta = {"resourceVersion": doc["metadata"].get("resourceVersion", "")}
            return _json(tables.table(meant.kind, [doc], meta, self._clock(), request.query.get("includeObject", "Metadata")), code)
        response = _json(_partial(doc) if form == "PartialObjectMetadata" else doc, code)
        warnings, self.objects.finisher.warnings = self.objects.finisher.warnings, []
        for warning in warnings:
            response.headers.add("Warning", f'299 - "{warning.replace(chr(34), chr(92) + chr(34))}"')
        return response

    async def _watch(self, request: web.Request, meant: Meant) -> web.StreamResponse:
        watch, form = Watch(self.objects, meant, request.query), _form(request)
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
            return _partial(doc)
        if form == "Table":
            items = [] if type_ == "BOOKMARK" else [doc]
            return tables.table(meant.kind, items, {"resourceVersion": doc["metadata"]["resourceVersion"]}, self._clock())
        return self.objects.shown(meant.kind, doc)


def _certificates() -> tuple[ssl.SSLContext, bytes]:
    """The server's TLS context and the CA certificate (PEM) to trust it by."""
    with tempfile.TemporaryDirectory() as folder:
        files = server_files(Path(folder))
        return files.context(), files.ca.read_bytes()


def _nowhere(path: str) -> Any:
    raise no_such_path(path)


def _json(doc: Any, code: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(doc), status=code, content_type="application/json")


def _partial(doc: Doc) -> Doc:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": doc["metadata"]}


def _form(request: web.Request) -> str:
    """What the client asked to have the answer as: the first form it accepts that is served."""
    for accepted in request.headers.get("Accept", "").split(","):
        parameters = dict(part.strip().split("=", 1) for part in accepted.split(";")[1:] if "=" in part)
        asked = parameters.get("as", "")
        if asked in ("Table", "PartialObjectMetadata", "PartialObjectMetadataList"):
            return asked
        if not asked and accepted.split(";")[0].strip() in ("application/json", "*/*"):
            return ""
    return ""


def _options(request: web.Request, meant: Meant) -> Options:
    query = request.query
    kind = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions"}.get(request.method, "DeleteOptions")
    if query.get("dryRun") not in (None, "", "All"):
        raise invalid("meta.k8s.io", kind, "", [("dryRun", f'Unsupported value: ["{query["dryRun"]}"]: supported values: "All"')])
    if query.get("fieldValidation", "") not in ("", "Ignore", "Strict", "Warn"):
        why = f'Unsupported value: "{query["fieldValidation"]}": supported values: "", "Ignore", "Strict", "Warn"'
        raise invalid("meta.k8s.io", kind, "", [("fieldValidation", why)])
    agent = request.headers.get("User-Agent", "unknown").split("/")[0].split(" ")[0]
    manager = query.get("fieldManager") or ("unknown" if request.content_type in APPLY else agent)
    if len(manager) > 128:
        raise bad_request("fieldManager may not be longer than 128 letters")
    status = "status" if meant.subresource == "status" else meant.subresource if meant.subresource == "scale" else ""
    strict = query.get("fieldValidation", "") == "Strict"
    quiet = query.get("fieldValidation", "") == "Ignore"
    return Options(manager, query.get("dryRun") == "All", query.get("force", "").lower() in ("true", "1"), strict, quiet, status)


async def _body(request: web.Request) -> Any:
    data = await request.read()
    if not data:
        return {} if request.method == "DELETE" else None
    content = request.content_type
    if content == protobuf.CONTENT:
        return protobuf.decode(data)
    if content in ("application/apply-patch+yaml", "application/yaml"):
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError:
            pass
        try:
            return YAML(typ="safe", pure=False).load(data.decode())
        except (YAMLError, UnicodeDecodeError) as error:
            raise bad_request(f"error decoding YAML: {error}") from error
    if content in ("application/json", "application/octet-stream") or content.endswith("+json"):
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError as error:
            raise bad_request(f"error decoding the body: {error}") from error
    raise unsupported(f"the body of the request was in an unknown format: {content}")
