"""Inbound webhooks: who is believed, and what their messages wake."""

import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_canary.ports import Wake
from gitops_canary.web.hooks import EVERY_IMAGE, FETCH, SOURCES, Message, Refused, read_hook

SECRET = b"s3cret"
HUB_PODINFO = Wake("images", "index.docker.io/stefanprodan/podinfo")


def signature(body: bytes, kind: str = "sha256", secret: bytes = SECRET) -> str:
    return f"{kind}={hmac.new(secret, body, getattr(hashlib, kind)).hexdigest()}"


def proof(source: str, body: bytes) -> tuple[dict[str, str], str]:
    """Headers and path token of somebody who knows the secret."""
    return {
        "github": ({"x-hub-signature-256": signature(body)}, ""),
        "generic": ({"x-signature": signature(body)}, ""),
        "gitlab": ({"x-gitlab-token": SECRET.decode()}, ""),
        "registry": ({"authorization": f"Bearer {SECRET.decode()}"}, ""),
        "harbor": ({"authorization": SECRET.decode()}, ""),
        "dockerhub": ({}, SECRET.decode()),
    }[source]


def sent(source: str, document: object, **headers: str) -> tuple[Wake, ...]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    known, token = proof(source, body)
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    return read_hook(source, Message(known | more, token, body, {"127.0.0.1:5000": "docker.io"}), SECRET)


def pushed(repository: str = "stefanprodan/podinfo", tag: str = "3.1.1", host: str = "ghcr.io", action: str = "push") -> dict[str, object]:
    return {"action": action, "target": {"repository": repository, "tag": tag}, "request": {"host": host}}


WAKES: dict[str, tuple[str, object, dict[str, str], tuple[Wake, ...]]] = {
    "github push": ("github", {"ref": "refs/heads/main"}, {"x_github_event": "push"}, (FETCH,)),
    "github ping": ("github", {"zen": "…"}, {"x_github_event": "ping"}, ()),
    "ghcr": (
        "github",
        {"registry_package": {"name": "podinfo", "namespace": "Team"}},
        {"x_github_event": "registry_package"},
        (Wake("images", "ghcr.io/team/podinfo"),),
    ),
    "gitlab push": ("gitlab", {"ref": "x"}, {"x_gitlab_event": "Push Hook"}, (FETCH,)),
    "gitlab issue": ("gitlab", {}, {"x_gitlab_event": "Issue Hook"}, ()),
    "docker hub": ("dockerhub", {"push_data": {"tag": "3.1.1"}, "repository": {"repo_name": "stefanprodan/podinfo"}}, {}, (HUB_PODINFO,)),
    "docker hub official": (
        "dockerhub",
        {"repository": {"repo_name": "library/nginx"}},
        {},
        (Wake("images", "index.docker.io/library/nginx"),),
    ),
    "registry": ("registry", {"events": [pushed()]}, {}, (Wake("images", "ghcr.io/stefanprodan/podinfo"),)),
    "registry as a mirror": ("registry", {"events": [pushed(host="127.0.0.1:5000")]}, {}, (HUB_PODINFO,)),
    "registry twice": ("registry", {"events": [pushed(), pushed()]}, {}, (Wake("images", "ghcr.io/stefanprodan/podinfo"),)),
    "registry pull": ("registry", {"events": [pushed(action="pull")]}, {}, ()),
    "registry blob": ("registry", {"events": [pushed(tag="")]}, {}, ()),
    "harbor": (
        "harbor",
        {"type": "PUSH_ARTIFACT", "event_data": {"resources": [{"resource_url": "harbor.io:8443/team/app:1.0.0"}]}},
        {},
        (Wake("images", "harbor.io:8443/team/app"),),
    ),
    "generic image": ("generic", {"image": "ghcr.io/a/b"}, {}, (Wake("images", "ghcr.io/a/b"),)),
    "generic ref": ("generic", {"ref": "refs/heads/main"}, {}, (FETCH,)),
    "generic empty": ("generic", b"", {}, (FETCH, EVERY_IMAGE)),
    "B71 script": ("generic", {"image": "<script>"}, {}, ()),
    "B72 line ends": ("dockerhub", {"repository": {"repo_name": "a\r\nb"}}, {}, ()),
    "B73 escapes": ("dockerhub", {"repository": {"repo_name": "a\x1b[31m"}}, {}, ()),
    "dots": ("dockerhub", {"repository": {"repo_name": "a/../b"}}, {}, ()),
    "a list": ("dockerhub", [1, 2], {}, ()),
    "odd shapes": ("registry", {"events": [1, None, {"action": "push", "target": []}]}, {}, ()),
}


@pytest.mark.parametrize(("source", "document", "headers", "expected"), WAKES.values(), ids=WAKES)
def test_a_message_wakes_whom_it_concerns(source: str, document: object, headers: dict[str, str], expected: tuple[Wake, ...]) -> None:
    assert sent(source, document, **headers) == expected


@pytest.mark.parametrize("source", SOURCES)
def test_b65_b66_who_does_not_know_the_secret_is_refused(source: str) -> None:
    body = b'{"image": "a"}'
    headers, token = proof(source, b"another body")
    forged = {name: value.replace("s3cret", "guess") for name, value in headers.items()}
    for message in (
        Message({}, "", body),
        Message(forged, "guess" if token else "", body),
        Message(dict.fromkeys(headers, "é"), "é", body),
    ):
        with pytest.raises(Refused) as caught:
            read_hook(source, message, SECRET)
        assert caught.value.status == 401


@pytest.mark.parametrize("source", SOURCES)
def test_without_a_secret_a_source_is_off(source: str) -> None:
    """An empty secret must never match an empty header."""
    with pytest.raises(Refused) as caught:
        read_hook(source, Message({"authorization": "", "x-gitlab-token": ""}, "", b"{}"), b"")
    assert caught.value.status == 403


def test_b67_sha1_alone_is_not_enough() -> None:
    body = b"{}"
    with pytest.raises(Refused):
        read_hook("github", Message({"x-hub-signature": signature(body, "sha1"), "x-github-event": "push"}, "", body), SECRET)
    with pytest.raises(Refused):
        read_hook("generic", Message({"x-signature": signature(body, "sha1")}, "", body), SECRET)


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[" * 100_000], ids=["cut", "bytes", "B70 deep"])
def test_a_body_that_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(Refused) as caught:
        sent("generic", body)
    assert caught.value.status == 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(
                ["events", "action", "target", "tag", "repository", "repo_name", "type", "event_data", "resources", "package", "x"]
            ),
            inner,
        )
    ),
    max_leaves=12,
)


@given(st.sampled_from(sorted(SOURCES)), JSON)
def test_any_document_of_a_known_sender_is_taken(source: str, document: object) -> None:
    for event in ("push", "package", "registry_package"):
        assert all(wake.lane in ("sync", "images") for wake in sent(source, document, x_github_event=event))
