"""HTTP bodies, forms and options of API requests as values, and answers as HTTP; what they mean is `handling.py`'s."""

from typing import Any

import orjson
from aiohttp import web
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from gitops_canary.sandbox.apiserver import protobuf
from gitops_canary.sandbox.apiserver.managing import Options
from gitops_canary.sandbox.apiserver.patches import APPLY
from gitops_canary.sandbox.apiserver.problems import bad_request, invalid, unsupported
from gitops_canary.sandbox.apiserver.requests import Meant

Doc = dict[str, Any]


def json_answer(doc: Any, code: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(doc), status=code, content_type="application/json")


def partial(doc: Doc) -> Doc:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": doc["metadata"]}


def form_of(request: web.Request) -> str:
    """What the client asked to have the answer as: the first form it accepts that is served."""
    for accepted in request.headers.get("Accept", "").split(","):
        parameters = dict(part.strip().split("=", 1) for part in accepted.split(";")[1:] if "=" in part)
        asked = parameters.get("as", "")
        if asked in ("Table", "PartialObjectMetadata", "PartialObjectMetadataList"):
            return asked
        if not asked and accepted.split(";")[0].strip() in ("application/json", "*/*"):
            return ""
    return ""


def options_of(request: web.Request, meant: Meant) -> Options:
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


async def body_of(request: web.Request) -> Any:
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
