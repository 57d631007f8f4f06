"""The OCI distribution API over a Store: routes, headers and error bodies; who may do what is `access.py`'s."""

import re
from collections.abc import Awaitable, Callable
from urllib.parse import urlencode

from aiohttp import web

from gitops_canary.sandbox.registryd.access import Access, Tokens
from gitops_canary.sandbox.registryd.notifications import Push
from gitops_canary.sandbox.registryd.store import DIGEST, MANIFESTS, Manifest, Refused, Store, page

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
NAME = "{name:[^?#]+}"
ACTIONS = {"GET": "pull", "HEAD": "pull", "DELETE": "delete"}
MANIFEST_LIMIT = 4 * 1024 * 1024
API = {"Docker-Distribution-API-Version": "registry/2.0"}


class Distribution:
    """`told` is called after each manifest push. `page_size` is the largest page of tags, as hosted registries have one; `etags` answers
    conditional tag lists, which the specification leaves open."""

    def __init__(
        self,
        store: Store,
        access: Access,
        told: Callable[[Push], None],
        *,
        page_size: int | None = None,
        etags: bool = False,
        blob_limit: int = 256 * 1024 * 1024,
    ) -> None:
        self._store, self._access, self._told = store, access, told
        self._page_size, self._etags, self._limit = page_size, etags, blob_limit

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=self._limit)
        add = app.router.add_route
        app.router.add_get("/v2/", self._root)
        app.router.add_get("/v2/_catalog", self._catalog)
        app.router.add_get(f"/v2/{NAME}/tags/list", self._tags)
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            add(method, f"/v2/{NAME}/manifests/{{reference}}", getattr(self, f"_{method.lower()}_manifest"))
        add("POST", f"/v2/{NAME}/blobs/uploads/", self._begin)
        for method in ("GET", "PATCH", "PUT", "DELETE"):
            add(method, f"/v2/{NAME}/blobs/uploads/{{upload}}", getattr(self, f"_{method.lower()}_upload"))
        for method in ("GET", "HEAD", "DELETE"):
            add(method, f"/v2/{NAME}/blobs/{{digest}}", getattr(self, f"_{method.lower()}_blob"))
        if isinstance(self._access, Tokens):
            app.router.add_get("/token", self._token)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            if request.path != "/token":
                self._authorize(request)
            answer = await handler(request)
        except Refused as error:
            return _failure(error)
        except web.HTTPRequestEntityTooLarge:
            return _failure(Refused(413, "SIZE_INVALID", f"the body is larger than {self._limit} bytes"))
        except web.HTTPNotFound:
            return _failure(Refused(404, "UNSUPPORTED", f"the sandbox's registry has no {request.method} {request.path}"))
        except web.HTTPMethodNotAllowed:
            return _failure(Refused(405, "UNSUPPORTED", f"the sandbox's registry has no {request.method} {request.path}"))
        answer.headers.update(API)
        return answer

    def _authorize(self, request: web.Request) -> None:
        scope = (request.match_info.get("name", ""), ACTIONS.get(request.method, "push"))
        if not self._access.permits(request.headers.get("Authorization", ""), scope):
            raise _Unauthorized(self._access.challenge(f"{request.scheme}://{request.host}", scope))

    async def _token(self, request: web.Request) -> web.Response:
        assert isinstance(self._access, Tokens)
        query = request.query
        scopes = [scope for value in query.getall("scope", []) for scope in value.split(" ")]
        status, body = self._access.answer(query.get("service", ""), scopes, request.headers.get("Authorization", ""))
        return web.json_response(body, status=status)

    async def _root(self, request: web.Request) -> web.Response:
        return web.json_response({})

    # ------------------------------------------------------------ listings

    async def _catalog(self, request: web.Request) -> web.Response:
        names, more = page(self._store.repositories, self._size(request), request.query.get("last", ""))
        return web.json_response({"repositories": names}, headers=self._link(request, "/v2/_catalog", names, more))

    async def _tags(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        tags, more = self._store.tags(name, self._size(request), request.query.get("last", ""))
        answer = web.json_response({"name": name, "tags": tags}, headers=self._link(request, f"/v2/{name}/tags/list", tags, more))
        if self._etags:
            answer.headers["ETag"] = f'"{hash(tuple(tags)) & 0xFFFFFFFFFFFF:x}"'
            if request.headers.get("If-None-Match") == answer.headers["ETag"]:
                return web.Response(status=304, headers={"ETag": answer.headers["ETag"]})
        return answer

    def _size(self, request: web.Request) -> int | None:
        asked = request.query.get("n")
        if asked is not None and not re.fullmatch(r"\d{1,9}", asked):
            raise Refused(400, "PAGINATION_NUMBER_INVALID", f"invalid number of results requested: {asked[:20]}")
        sizes = [int(asked)] if asked is not None else []
        return min(sizes + ([self._page_size] if self._page_size else []), default=None)

    def _link(self, request: web.Request, path: str, names: list[str], more: bool) -> dict[str, str]:
        if not more:
            return {}
        last = names[-1] if names else ""
        return {"Link": f'<{path}?{urlencode({"n": self._size(request), "last": last})}>; rel="next"'}

    # ------------------------------------------------------------ manifests

    async def _get_manifest(self, request: web.Request) -> web.Response:
        found = self._found(request)
        headers = _manifest_headers(found)
        if request.headers.get("If-None-Match") == headers["ETag"]:
            return web.Response(status=304, headers=headers)
        return web.Response(body=found.body, headers=headers)

    async def _head_manifest(self, request: web.Request) -> web.Response:
        found = self._found(request)
        return web.Response(headers=_manifest_headers(found) | {"Content-Length": str(len(found.body))})

    def _found(self, request: web.Request) -> Manifest:
        """Distribution answers 404, not 406, where the Accept header leaves the manifest's type out."""
        found = self._store.manifest(request.match_info["name"], request.match_info["reference"])
        accepted = ",".join(request.headers.getall("Accept", []))
        if accepted and "*/*" not in accepted and found.media_type not in accepted:
            raise Refused(404, "MANIFEST_UNKNOWN", f"manifest found, but the Accept header does not name {found.media_type}")
        return found

    async def _put_manifest(self, request: web.Request) -> web.Response:
        name, reference = request.match_info["name"], request.match_info["reference"]
        body = await request.read()
        if len(body) > MANIFEST_LIMIT:
            raise Refused(413, "MANIFEST_INVALID", f"the manifest is larger than {MANIFEST_LIMIT} bytes")
        made = self._store.put_manifest(name, reference, request.content_type or MANIFESTS[0], body)
        tag = "" if DIGEST.fullmatch(reference) else reference
        self._told(Push(f"{request.scheme}://{request.host}", name, tag, made, request.headers.get("User-Agent", "")))
        headers = {"Location": f"/v2/{name}/manifests/{made.digest}", "Docker-Content-Digest": made.digest}
        return web.Response(status=201, headers=headers)

    async def _delete_manifest(self, request: web.Request) -> web.Response:
        self._store.drop_manifest(request.match_info["name"], request.match_info["reference"])
        return web.Response(status=202)

    # ------------------------------------------------------------ blobs

    async def _get_blob(self, request: web.Request) -> web.Response:
        data = self._store.blob(request.match_info["name"], request.match_info["digest"])
        headers = {"Docker-Content-Digest": request.match_info["digest"], "Content-Type": "application/octet-stream"}
        return web.Response(body=data, headers=headers)

    async def _head_blob(self, request: web.Request) -> web.Response:
        return await self._get_blob(request)

    async def _delete_blob(self, request: web.Request) -> web.Response:
        self._store.drop_blob(request.match_info["name"], request.match_info["digest"])
        return web.Response(status=202)

    async def _begin(self, request: web.Request) -> web.Response:
        name, query = request.match_info["name"], request.query
        if "mount" in query and self._store.mount(name, query["mount"], query.get("from", "")):
            return _created(name, query["mount"])
        if "digest" in query:
            self._store.put_blob(name, await request.read(), query["digest"])
            return _created(name, query["digest"])
        return _uploading(name, self._store.begin(name), 0)

    async def _get_upload(self, request: web.Request) -> web.Response:
        name, upload = request.match_info["name"], request.match_info["upload"]
        return _uploading(name, upload, len(self._store.upload(name, upload)), status=204)

    async def _patch_upload(self, request: web.Request) -> web.Response:
        name, upload = request.match_info["name"], request.match_info["upload"]
        span = re.match(r"(?:bytes )?(\d+)-\d+", request.headers.get("Content-Range", ""))
        size = self._store.append(name, upload, await request.read(), int(span[1]) if span else None)
        return _uploading(name, upload, size)

    async def _put_upload(self, request: web.Request) -> web.Response:
        name, digest = request.match_info["name"], request.query.get("digest", "")
        self._store.finish(name, request.match_info["upload"], await request.read(), digest)
        return _created(name, digest)

    async def _delete_upload(self, request: web.Request) -> web.Response:
        self._store.cancel(request.match_info["name"], request.match_info["upload"])
        return web.Response(status=204)


class _Unauthorized(Refused):
    def __init__(self, challenge: str) -> None:
        super().__init__(401, "UNAUTHORIZED", "authentication required")
        self.challenge = challenge


def _failure(error: Refused) -> web.Response:
    headers = API | ({"WWW-Authenticate": error.challenge} if isinstance(error, _Unauthorized) else {})
    body = {"errors": [{"code": error.code, "message": error.message, "detail": None}]}
    return web.json_response(body, status=error.status, headers=headers)


def _manifest_headers(found: Manifest) -> dict[str, str]:
    return {"Docker-Content-Digest": found.digest, "ETag": f'"{found.digest}"', "Content-Type": found.media_type}


def _created(name: str, digest: str) -> web.Response:
    return web.Response(status=201, headers={"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest})


def _uploading(name: str, upload: str, size: int, status: int = 202) -> web.Response:
    headers = {"Location": f"/v2/{name}/blobs/uploads/{upload}", "Docker-Upload-UUID": upload, "Range": f"0-{max(0, size - 1)}"}
    return web.Response(status=status, headers=headers)
