"""Small real images: made, pushed and read back over the distribution API, as `docker push` and a kubelet would; any registry serves."""

import gzip
import io
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urljoin

import orjson
import urllib3

from gitops_canary.domain.errors import Unavailable, UserError
from gitops_canary.sandbox.registryd.store import INDEXES, MANIFESTS, digest_of

PROGRAM = "dev.gitops-canary.program"
"""Label that says which program of ours the image is: podinfo, loadtester, chart-test or operator."""
BEHAVIOUR = "dev.gitops-canary.behaviour"
"""Label that says how it behaves: `good`, `errors=0.4`, `slow=2s`, `crash`."""
OCI, DOCKER = MANIFESTS
TYPES = {
    OCI: ("application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar+gzip"),
    DOCKER: ("application/vnd.docker.container.image.v1+json", "application/vnd.docker.image.rootfs.diff.tar.gzip"),
}
ACCEPT = ", ".join((*INDEXES, *MANIFESTS))


@dataclass(frozen=True)
class Target:
    """A registry: base URL, its CA (path) and credentials when it asks for them."""

    url: str
    ca: str = ""
    user: str = ""
    password: str = field(default="", repr=False)


def push_image(
    target: Target,
    name: str,
    tag: str,
    *,
    labels: Mapping[str, str] | None = None,
    created: datetime | None = None,
    media_type: str = DOCKER,
) -> str:
    """Push one image of this machine's kind and return its digest. Labels say program and behaviour; `created` defaults to now."""
    with _Session(target, f"repository:{name}:pull,push") as session:
        made = _put_image(session, name, {"org.opencontainers.image.version": tag, **(labels or {})}, created, media_type)
        return session.put_manifest(name, tag, media_type, made)


def push_index(target: Target, name: str, tag: str, *, labels: Mapping[str, str] | None = None, media_type: str = INDEXES[0]) -> str:
    """Push an index (or Docker manifest list) with one image for two platforms and return the index's digest."""
    child = OCI if media_type == INDEXES[0] else DOCKER
    with _Session(target, f"repository:{name}:pull,push") as session:
        rows = []
        for architecture in ("amd64", "arm64"):
            body = _put_image(session, name, dict(labels or {}), None, child, architecture)
            digest = session.put_manifest(name, digest_of(body), child, body)
            platform = {"architecture": architecture, "os": "linux"}
            rows.append({"mediaType": child, "size": len(body), "digest": digest, "platform": platform})
        return session.put_manifest(name, tag, media_type, orjson.dumps({"schemaVersion": 2, "mediaType": media_type, "manifests": rows}))


def read_image(target: Target, name: str, reference: str) -> tuple[str, dict[str, Any]]:
    """The digest of a tag (or digest) and the image's config document; of an index, the config of its first image.

    UserError when the registry does not have it, Unavailable when it does not answer."""
    with _Session(target, f"repository:{name}:pull") as session:
        digest, manifest = session.get_manifest(name, reference)
        if "manifests" in manifest:
            _, manifest = session.get_manifest(name, str(manifest["manifests"][0]["digest"]))
        answer = session.ask("GET", f"/v2/{name}/blobs/{manifest['config']['digest']}", expected=(200,))
        document: dict[str, Any] = orjson.loads(answer.data)
        return digest, document


def _put_image(
    session: "_Session", name: str, labels: Mapping[str, str], created: datetime | None, media_type: str, architecture: str = "amd64"
) -> bytes:
    """Upload config and layer; returns the manifest's bytes."""
    layer, diff = _layer(labels)
    config = orjson.dumps(_config(labels, created or datetime.now(UTC), diff, architecture))
    config_type, layer_type = TYPES[media_type]
    for blob in (layer, config):
        session.put_blob(name, blob)
    return orjson.dumps(
        {
            "schemaVersion": 2,
            "mediaType": media_type,
            "config": {"mediaType": config_type, "size": len(config), "digest": digest_of(config)},
            "layers": [{"mediaType": layer_type, "size": len(layer), "digest": digest_of(layer)}],
        }
    )


def _config(labels: Mapping[str, str], created: datetime, diff: str, architecture: str) -> dict[str, object]:
    return {
        "architecture": architecture,
        "os": "linux",
        "created": created.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "config": {"Labels": dict(labels), "Cmd": [f"/{labels.get(PROGRAM, 'program')}"]},
        "rootfs": {"type": "layers", "diff_ids": [diff]},
        "history": [{"created_by": "gitops-canary sandbox push"}],
    }


def _layer(labels: Mapping[str, str]) -> tuple[bytes, str]:
    """A compressed tar with one file that says what the image is, and the digest of the tar itself."""
    content = orjson.dumps(dict(labels), option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2)
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        entry = tarfile.TarInfo("about.json")
        entry.size = len(content)
        archive.addfile(entry, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), mtime=0), digest_of(raw.getvalue())


class _Session:
    """One registry and one scope: answers the registry's challenge once, as docker does."""

    def __init__(self, target: Target, scope: str) -> None:
        self._target, self._scope = target, scope
        self._pool = urllib3.PoolManager(ca_certs=target.ca or None, retries=False, timeout=20.0)
        self._headers: dict[str, str] = {"User-Agent": "gitops-canary-sandbox"}

    def __enter__(self) -> "_Session":
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.clear()

    def put_blob(self, name: str, data: bytes) -> None:
        digest = digest_of(data)
        if self.ask("HEAD", f"/v2/{name}/blobs/{digest}", expected=(200, 404)).status == 200:
            return
        begun = self.ask("POST", f"/v2/{name}/blobs/uploads/", expected=(202,))
        place = urljoin(self._target.url, begun.headers["Location"])
        place += ("&" if "?" in place else "?") + urlencode({"digest": digest})
        self.ask("PUT", place, data, {"Content-Type": "application/octet-stream"}, expected=(201,))

    def put_manifest(self, name: str, reference: str, media_type: str, body: bytes) -> str:
        answer = self.ask("PUT", f"/v2/{name}/manifests/{reference}", body, {"Content-Type": media_type}, expected=(201,))
        return str(answer.headers["Docker-Content-Digest"])

    def get_manifest(self, name: str, reference: str) -> tuple[str, dict[str, Any]]:
        answer = self.ask("GET", f"/v2/{name}/manifests/{reference}", headers={"Accept": ACCEPT}, expected=(200,))
        document: dict[str, Any] = orjson.loads(answer.data)
        return digest_of(answer.data), document

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None, *, expected: Sequence[int]
    ) -> urllib3.BaseHTTPResponse:
        url = urljoin(self._target.url, path)
        answer = self._once(method, url, body, headers)
        if answer.status == 401 and "Authorization" not in self._headers:
            self._headers["Authorization"] = self._authorization(answer.headers.get("WWW-Authenticate", ""))
            answer = self._once(method, url, body, headers)
        if answer.status in expected:
            return answer
        words = answer.data[:300].decode(errors="replace").strip()
        message = f"cannot {method} {url.partition('?')[0]}: the registry answered {answer.status} {words}"
        raise Unavailable(message) if answer.status >= 500 else UserError(message)

    def _once(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str] | None) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool.request(method, url, body=body, headers={**self._headers, **(headers or {})}, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(f"cannot reach registry {self._target.url}: {error}") from error

    def _authorization(self, challenge: str) -> str:
        basic = urllib3.make_headers(basic_auth=f"{self._target.user}:{self._target.password}") if self._target.user else {}
        if challenge.lower().startswith("basic"):
            return str(basic.get("authorization", ""))
        asked = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        url = f"{asked.get('realm', '')}?{urlencode({'service': asked.get('service', ''), 'scope': self._scope})}"
        answer = self._once("GET", url, None, basic)
        if answer.status != 200:
            raise UserError(f"cannot log in to registry {self._target.url}: its token service answered {answer.status}")
        return f"Bearer {orjson.loads(answer.data)['token']}"
