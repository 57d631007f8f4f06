"""What the registry holds: blobs by digest, and per repository its manifests, tags and uploads, in memory; no HTTP."""

import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

NAME = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
INDEXES = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
MANIFESTS = ("application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json")


class Refused(Exception):
    """An answer of the distribution API's error form: HTTP status, its code, a sentence."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass(frozen=True)
class Manifest:
    digest: str
    media_type: str
    body: bytes


@dataclass
class Repository:
    """`seen` holds the digests of the blobs that this repository may serve (pushed or mounted)."""

    tags: dict[str, str] = field(default_factory=dict)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    seen: set[str] = field(default_factory=set)
    uploads: dict[str, bytearray] = field(default_factory=dict)


class Store:
    """Every method raises Refused as the distribution API words it."""

    def __init__(self) -> None:
        self._blobs: dict[str, bytes] = {}
        self.repositories: dict[str, Repository] = {}

    def known(self, name: str) -> Repository:
        if name not in self.repositories:
            raise Refused(404, "NAME_UNKNOWN", f"repository name not known to registry: {name}")
        return self.repositories[name]

    def opened(self, name: str) -> Repository:
        """The repository, made when it is new."""
        if not NAME.fullmatch(name):
            raise Refused(400, "NAME_INVALID", f"invalid repository name: {name}")
        return self.repositories.setdefault(name, Repository())

    # ------------------------------------------------------------ blobs

    def blob(self, name: str, digest: str) -> bytes:
        if digest not in self.known(name).seen:
            raise Refused(404, "BLOB_UNKNOWN", f"blob unknown to registry: {digest}")
        return self._blobs[digest]

    def put_blob(self, name: str, data: bytes, digest: str) -> None:
        if digest != digest_of(data):
            raise Refused(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        self._blobs[digest] = data
        self.opened(name).seen.add(digest)

    def mount(self, name: str, digest: str, source: str) -> bool:
        """Make another repository's blob this one's too; False when there is none."""
        other = self.repositories.get(source)
        if other is None or digest not in other.seen:
            return False
        self.opened(name).seen.add(digest)
        return True

    def drop_blob(self, name: str, digest: str) -> None:
        self.blob(name, digest)
        self.known(name).seen.discard(digest)

    # ------------------------------------------------------------ uploads

    def begin(self, name: str) -> str:
        upload = secrets.token_hex(16)
        self.opened(name).uploads[upload] = bytearray()
        return upload

    def upload(self, name: str, upload: str) -> bytearray:
        uploads = self.known(name).uploads
        if upload not in uploads:
            raise Refused(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry")
        return uploads[upload]

    def append(self, name: str, upload: str, data: bytes, start: int | None) -> int:
        """Add a chunk; `start` is where its Content-Range begins. Returns the size so far."""
        held = self.upload(name, upload)
        if start is not None and start != len(held):
            raise Refused(416, "BLOB_UPLOAD_INVALID", f"the chunk begins at {start}, the upload holds {len(held)} bytes")
        held += data
        return len(held)

    def finish(self, name: str, upload: str, rest: bytes, digest: str) -> None:
        data = bytes(self.upload(name, upload)) + rest
        self.put_blob(name, data, digest)
        self.cancel(name, upload)

    def cancel(self, name: str, upload: str) -> None:
        self.upload(name, upload)
        del self.known(name).uploads[upload]

    # ------------------------------------------------------------ manifests and tags

    def manifest(self, name: str, reference: str) -> Manifest:
        repository = self.known(name)
        found = repository.manifests.get(repository.tags.get(reference, reference))
        if found is None:
            raise Refused(404, "MANIFEST_UNKNOWN", f"manifest unknown: {reference}")
        return found

    def put_manifest(self, name: str, reference: str, media_type: str, body: bytes) -> Manifest:
        digest = digest_of(body)
        if DIGEST.fullmatch(reference) and reference != digest:
            raise Refused(400, "DIGEST_INVALID", "provided digest did not match uploaded content")
        if not DIGEST.fullmatch(reference) and not TAG.fullmatch(reference):
            raise Refused(400, "TAG_INVALID", f"manifest tag did not match URI: {reference[:140]}")
        self._check_parts(name, media_type, body)
        repository = self.opened(name)
        repository.manifests[digest] = Manifest(digest, media_type, body)
        if reference != digest:
            repository.tags[reference] = digest
        return repository.manifests[digest]

    def drop_manifest(self, name: str, reference: str) -> None:
        """A tag alone is untagged; a digest goes with every tag that points to it."""
        repository = self.known(name)
        if reference in repository.tags:
            del repository.tags[reference]
            return
        found = self.manifest(name, reference)
        del repository.manifests[found.digest]
        repository.tags = {tag: digest for tag, digest in repository.tags.items() if digest != found.digest}

    def tags(self, name: str, size: int | None, last: str) -> tuple[list[str], bool]:
        """At most `size` tags in lexical order after `last`, and whether there are more."""
        return page(self.known(name).tags, size, last)

    def _check_parts(self, name: str, media_type: str, body: bytes) -> None:
        document = _document(media_type, body)
        repository = self.opened(name)
        if media_type in INDEXES:
            missing = [part for part in _digests(document.get("manifests")) if part not in repository.manifests]
        else:
            missing = [part for part in _digests([document.get("config"), *_rows(document.get("layers"))]) if part not in repository.seen]
        if missing:
            raise Refused(400, "MANIFEST_BLOB_UNKNOWN", f"blob unknown to registry: {', '.join(missing)}")


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def page(names: Iterable[str], size: int | None, last: str) -> tuple[list[str], bool]:
    """One page of names in lexical order."""
    rest = sorted(name for name in names if name > last)
    return (rest, False) if size is None else (rest[:size], len(rest) > size)


def _document(media_type: str, body: bytes) -> Mapping[str, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, "MANIFEST_INVALID", f"manifest is not JSON: {error}") from error
    if media_type not in INDEXES + MANIFESTS:
        raise Refused(415, "MANIFEST_INVALID", f"manifest type {media_type} is not supported, only OCI and Docker v2")
    if not isinstance(document, dict) or document.get("schemaVersion") != 2:
        raise Refused(400, "MANIFEST_INVALID", "manifest has no schemaVersion 2")
    return document


def _rows(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _digests(parts: object) -> list[str]:
    return [str(part.get("digest")) for part in _rows(parts) if isinstance(part, dict)]
