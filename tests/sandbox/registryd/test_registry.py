"""The sandbox's registry as its clients see it."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
import urllib3

from gitops_canary.domain.errors import UserError
from gitops_canary.sandbox.certificates import server_files
from gitops_canary.sandbox.registryd.access import Basic, Tokens
from gitops_canary.sandbox.registryd.images import (
    BEHAVIOUR,
    DOCKER,
    OCI,
    PROGRAM,
    Target,
    push_image,
    push_index,
    read_image,
)
from gitops_canary.sandbox.registryd.notifications import Webhook
from gitops_canary.sandbox.registryd.server import RegistryServer
from gitops_canary.sandbox.registryd.store import INDEXES
from tests.adapters.peer import Asked, Peer, Reply

HTTP = urllib3.PoolManager(retries=False)


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    with RegistryServer() as server:
        yield server


def ask(method: str, url: str, body: bytes | None = None, **headers: str) -> urllib3.BaseHTTPResponse:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HTTP.request(method, url, body=body, headers=named, redirect=False)


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


@pytest.mark.parametrize("media_type", [DOCKER, OCI])
def test_a_pushed_image_can_be_pulled_with_its_labels(registry: RegistryServer, media_type: str) -> None:
    built = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    labels = {PROGRAM: "podinfo", BEHAVIOUR: "errors=0.4"}
    target = Target(registry.url)
    digest = push_image(target, "stefanprodan/podinfo", "3.1.1", labels=labels, created=built, media_type=media_type)
    seen, config = read_image(target, "stefanprodan/podinfo", "3.1.1")
    assert seen == digest
    assert config["created"] == "2026-01-02T03:04:05Z"
    assert labels.items() <= config["config"]["Labels"].items()
    manifest = json.loads(ask("GET", f"{registry.url}/v2/stefanprodan/podinfo/manifests/3.1.1").data)
    layer = ask("GET", f"{registry.url}/v2/stefanprodan/podinfo/blobs/{manifest['layers'][0]['digest']}").data
    assert digest_of(gzip.decompress(layer)) == config["rootfs"]["diff_ids"][0]
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        assert archive.getnames() == ["about.json"]


@pytest.mark.parametrize("media_type", INDEXES)
def test_an_index_is_kept_beside_its_images(registry: RegistryServer, media_type: str) -> None:
    digest = push_index(Target(registry.url), "app", "1.0.0", labels={PROGRAM: "podinfo"}, media_type=media_type)
    seen, config = read_image(Target(registry.url), "app", "1.0.0")
    assert (seen, config["config"]["Labels"][PROGRAM]) == (digest, "podinfo")
    head = ask("HEAD", f"{registry.url}/v2/app/manifests/1.0.0", Accept=media_type)
    assert (head.status, head.headers["Content-Type"], head.headers["Docker-Content-Digest"]) == (200, media_type, digest)


def test_a_manifest_whose_type_is_not_accepted_is_not_there(registry: RegistryServer) -> None:
    registry.push_image("app", "1.0.0")
    assert ask("GET", f"{registry.url}/v2/app/manifests/1.0.0", Accept=OCI).status == 404


def test_tags_come_in_pages(registry: RegistryServer) -> None:
    for number in range(5):
        registry.push_image("app", f"1.0.{number}")
    first = ask("GET", f"{registry.url}/v2/app/tags/list?n=2")
    assert json.loads(first.data)["tags"] == ["1.0.0", "1.0.1"]
    assert first.headers["Link"] == '</v2/app/tags/list?n=2&last=1.0.1>; rel="next"'
    last = ask("GET", f"{registry.url}/v2/app/tags/list?n=2&last=1.0.3")
    assert json.loads(last.data)["tags"] == ["1.0.4"]
    assert "Link" not in last.headers


def test_a_blob_can_be_sent_in_chunks(registry: RegistryServer) -> None:
    place = registry.url + ask("POST", f"{registry.url}/v2/app/blobs/uploads/").headers["Location"]
    assert ask("PATCH", place, b"hello ", Content_Range="0-5").headers["Range"] == "0-5"
    assert ask("PATCH", place, b"there", Content_Range="3-7").status == 416
    assert ask("GET", place).headers["Range"] == "0-5"
    assert ask("PUT", f"{place}?digest={digest_of(b'other')}", b"world").status == 400
    done = ask("PUT", f"{place}?digest={digest_of(b'hello world')}", b"world")
    assert (done.status, ask("GET", registry.url + done.headers["Location"]).data) == (201, b"hello world")


def test_a_blob_can_be_mounted_from_another_repository(registry: RegistryServer) -> None:
    registry.store.put_blob("one", b"layer", digest_of(b"layer"))
    query = f"mount={digest_of(b'layer')}&from=one"
    assert ask("POST", f"{registry.url}/v2/two/blobs/uploads/?{query}").status == 201
    assert ask("POST", f"{registry.url}/v2/two/blobs/uploads/?{query.replace('one', 'none')}").status == 202
    assert ask("GET", f"{registry.url}/v2/two/blobs/{digest_of(b'layer')}").data == b"layer"


REFUSED = {
    "unknown name": ("GET", "/v2/none/tags/list", b"", {}, 404, "NAME_UNKNOWN"),
    "bad name": ("PUT", "/v2/Bad/manifests/1", b'{"schemaVersion":2}', {"Content-Type": OCI}, 400, "NAME_INVALID"),
    "bad tag": ("PUT", "/v2/app/manifests/-x", b'{"schemaVersion":2}', {"Content-Type": OCI}, 400, "TAG_INVALID"),
    "not JSON": ("PUT", "/v2/app/manifests/1", b"<html>", {"Content-Type": OCI}, 400, "MANIFEST_INVALID"),
    "schema 1": ("PUT", "/v2/app/manifests/1", b'{"schemaVersion":1}', {"Content-Type": OCI}, 400, "MANIFEST_INVALID"),
    "other type": ("PUT", "/v2/app/manifests/1", b'{"schemaVersion":2}', {"Content-Type": "text/plain"}, 415, "MANIFEST_INVALID"),
    "page size": ("GET", "/v2/app/tags/list?n=-1", b"", {}, 400, "PAGINATION_NUMBER_INVALID"),
    "unknown path": ("GET", "/v2/app/nothing", b"", {}, 404, "UNSUPPORTED"),
    "unknown verb": ("PATCH", "/v2/app/manifests/1.0.0", b"", {}, 405, "UNSUPPORTED"),
    "unknown blob": ("GET", f"/v2/app/blobs/{digest_of(b'x')}", b"", {}, 404, "BLOB_UNKNOWN"),
    "unknown upload": ("PUT", "/v2/app/blobs/uploads/none", b"", {}, 404, "BLOB_UPLOAD_UNKNOWN"),
}


@pytest.mark.parametrize(("method", "path", "body", "headers", "status", "code"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_served_is_refused_with_its_code(
    registry: RegistryServer, method: str, path: str, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    registry.push_image("app", "1.0.0")
    answer = HTTP.request(method, registry.url + path, body=body, headers=headers)
    assert (answer.status, json.loads(answer.data)["errors"][0]["code"]) == (status, code)


def test_a_manifest_needs_its_blobs(registry: RegistryServer) -> None:
    body = json.dumps({"schemaVersion": 2, "config": {"digest": digest_of(b"x")}, "layers": []}).encode()
    answer = ask("PUT", f"{registry.url}/v2/app/manifests/1", body, Content_Type=OCI)
    assert json.loads(answer.data)["errors"][0]["code"] == "MANIFEST_BLOB_UNKNOWN"


def test_a_deleted_digest_takes_its_tags_along(registry: RegistryServer) -> None:
    digest = registry.push_image("app", "1.0.0")
    assert ask("DELETE", f"{registry.url}/v2/app/manifests/{digest}").status == 202
    assert json.loads(ask("GET", f"{registry.url}/v2/app/tags/list").data)["tags"] == []


def test_an_unchanged_tag_list_is_not_sent_again_where_etags_are_on() -> None:
    with RegistryServer(etags=True) as registry:
        registry.push_image("app", "1.0.0")
        tag = ask("GET", f"{registry.url}/v2/app/tags/list").headers["ETag"]
        assert ask("GET", f"{registry.url}/v2/app/tags/list", If_None_Match=tag).status == 304


@pytest.mark.parametrize("access", [Basic({"ann": "secret"}), Tokens({"ann": "secret"})], ids=["basic", "token"])
def test_a_closed_registry_lets_in_who_it_knows(access: Basic | Tokens) -> None:
    with RegistryServer(access=access) as registry:
        push_image(Target(registry.url, user="ann", password="secret"), "app", "1.0.0")
        with pytest.raises(UserError, match="401"):
            push_image(Target(registry.url, user="ann", password="wrong"), "app", "1.0.0")
        with pytest.raises(UserError, match="401"):
            read_image(Target(registry.url), "app", "1.0.0")


def test_a_token_is_good_for_its_own_repository_only() -> None:
    tokens = Tokens({"ann": "secret"})
    status, answer = tokens.answer("sandbox-registry", ["repository:one:pull"], "Basic YW5uOnNlY3JldA==")
    header = f"Bearer {answer['token']}"
    assert status == 200
    assert tokens.permits(header, ("one", "pull"))
    assert not tokens.permits(header, ("one", "push"))
    assert not tokens.permits(header, ("two", "pull"))
    assert not tokens.permits(header[:-3] + "AAA", ("one", "pull"))
    assert not Tokens({}).permits(header, ("one", "pull")), "another endpoint's key"


def test_a_registry_with_a_private_ca_is_trusted_by_that_ca_alone(tmp_path: object) -> None:
    from pathlib import Path

    files = server_files(Path(str(tmp_path)))
    with RegistryServer(tls=files.context()) as registry:
        push_image(Target(registry.url, ca=str(files.ca)), "app", "1.0.0")
        with pytest.raises(Exception, match="cannot reach registry"):
            push_image(Target(registry.url), "app", "1.0.0")


def test_a_push_is_told_in_distributions_envelope_until_it_is_taken() -> None:
    def busy_at_first(asked: Asked, number: int) -> Reply:
        return Reply(503, headers={"Retry-After": "0"}) if number == 1 else Reply(202)

    with Peer(busy_at_first) as peer, RegistryServer(webhooks=[Webhook(f"{peer.url}/hook", {"Authorization": "Bearer s"})]) as registry:
        digest = registry.push_image("stefanprodan/podinfo", "3.1.1")
        peer.next()
        told = peer.next()
    event = json.loads(told.body)["events"][0]
    assert told.headers["Authorization"] == "Bearer s"
    assert told.headers["Content-Type"] == "application/vnd.docker.distribution.events.v1+json"
    assert (event["action"], event["target"]["repository"], event["target"]["tag"]) == ("push", "stefanprodan/podinfo", "3.1.1")
    assert event["target"]["digest"] == digest


def test_a_push_is_told_as_docker_hub_does() -> None:
    with Peer() as peer, RegistryServer(webhooks=[Webhook(f"{peer.url}/hook", style="dockerhub")]) as registry:
        registry.push_image("stefanprodan/podinfo", "3.1.1")
        told = json.loads(peer.next().body)
    assert (told["push_data"]["tag"], told["repository"]["repo_name"]) == ("3.1.1", "stefanprodan/podinfo")
