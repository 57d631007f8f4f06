"""ConfigMaps and Secrets: keys, sizes, types, what is immutable."""

import base64
import json
import re
from collections.abc import Iterator

from gitops_canary.sandbox.apiserver.rules.words import Cause, Doc, invalid, required

KEY_WORDS = (
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.' "
    "(e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
)
MOST_BYTES = 2**20
NEEDED = {
    "kubernetes.io/dockerconfigjson": (".dockerconfigjson",),
    "kubernetes.io/dockercfg": (".dockercfg",),
    "kubernetes.io/ssh-auth": ("ssh-privatekey",),
    "kubernetes.io/tls": ("tls.crt", "tls.key"),
}
ACCOUNT = "kubernetes.io/service-account.name"


def config_map(doc: Doc, old: Doc | None) -> Iterator[Cause]:
    plain, binary = doc.get("data") or {}, doc.get("binaryData") or {}
    for key in plain:
        yield from _key("data", key)
        if key in binary:
            yield invalid(f"data[{key}]", key, "duplicate of key present in binaryData")
    for key in binary:
        yield from _key("binaryData", key)
    if sum(len(str(value).encode()) for value in plain.values()) + sum(map(_size, binary.values())) > MOST_BYTES:
        # A real server names no field here but an empty list of them.
        yield "[]", f"Too long: may not be more than {MOST_BYTES} bytes"
    yield from _immutable(doc, old)


def secret(doc: Doc, old: Doc | None) -> Iterator[Cause]:
    data = doc.get("data") or {}
    for key in data:
        yield from _key("data", key)
    if sum(map(_size, data.values())) > MOST_BYTES:
        yield "data", f"Too long: may not be more than {MOST_BYTES} bytes"
    yield from _typed(doc, data)
    yield from _immutable(doc, old)
    if old is not None and old.get("type") != doc.get("type"):
        yield invalid("type", doc.get("type"), "field is immutable")


def _typed(doc: Doc, data: Doc) -> Iterator[Cause]:
    kind = str(doc.get("type") or "")
    for key in NEEDED.get(kind, ()):
        if key not in data:
            yield required(f"data[{key}]")
        elif key.startswith(".docker"):
            yield from _json(f"data[{key}]", base64.b64decode(data[key]))
    if kind == "kubernetes.io/basic-auth" and not data.keys() & {"username", "password"}:
        yield required("data[username]")
        yield required("data[password]")
    if kind == "kubernetes.io/service-account-token" and not (doc["metadata"].get("annotations") or {}).get(ACCOUNT):
        yield required(f"metadata.annotations[{ACCOUNT}]")


def _json(at: str, content: bytes) -> Iterator[Cause]:
    try:
        found = json.loads(content)
    except ValueError:
        yield invalid(at, "<secret contents redacted>", "unexpected end of JSON input")
    else:
        if not isinstance(found, dict):
            yield invalid(at, "<secret contents redacted>", "json: cannot unmarshal it into Go value of type map[string]interface {}")


def _key(at: str, key: str) -> Iterator[Cause]:
    where = f"{at}[{key}]"
    if len(key) > 253:
        yield invalid(where, key, "must be no more than 253 characters")
    elif not re.fullmatch(r"[-._a-zA-Z0-9]+", key):
        yield invalid(where, key, KEY_WORDS)
    elif key in (".", ".."):
        yield invalid(where, key, f"must not be '{key}'")
    elif key.startswith(".."):
        yield invalid(where, key, "must not start with '..'")


def _size(text: str) -> int:
    return len(text) * 3 // 4 - text[-2:].count("=")


def _immutable(doc: Doc, old: Doc | None) -> Iterator[Cause]:
    if old is not None and old.get("immutable"):
        changed = [field for field in ("data", "binaryData") if (old.get(field) or {}) != (doc.get(field) or {})]
        for field in (*(() if doc.get("immutable") else ("immutable",)), *changed):
            yield field, "Forbidden: field is immutable when `immutable` is set"
