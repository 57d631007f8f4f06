"""Image names, registry addresses and logins; nothing is asked."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_canary.adapters.guards import check_address, check_way
from gitops_canary.adapters.registry.addresses import Place, mirrors_of, place_of, split_name
from gitops_canary.adapters.registry.challenges import Challenge, read_challenge
from gitops_canary.adapters.registry.credentials import Login, login_from, read_config, secret_config
from gitops_canary.domain.errors import GitopsCanaryError, UserError

NAMES = {
    "nginx": ("docker.io", "library/nginx"),
    "stefanprodan/podinfo": ("docker.io", "stefanprodan/podinfo"),
    "docker.io/nginx": ("docker.io", "library/nginx"),
    "index.docker.io/library/nginx": ("docker.io", "library/nginx"),
    "ghcr.io/stefanprodan/podinfo": ("ghcr.io", "stefanprodan/podinfo"),
    "localhost/app": ("localhost", "app"),
    "localhost:5000/app": ("localhost:5000", "app"),
    "registry.example.com/a/b__c/d-e.f": ("registry.example.com", "a/b__c/d-e.f"),
}


@pytest.mark.parametrize(("name", "expected"), NAMES.items(), ids=list(NAMES))
def test_a_name_leads_to_host_and_repository(name: str, expected: tuple[str, str]) -> None:
    assert split_name(name) == expected


@pytest.mark.parametrize(
    "name", ["", "Upper", "a//b", "a/../b", "ex.com/", "-a", "a b", "a" * 300, "http://x.io/a", "x.io:99999999/a", "😀"]
)
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(UserError, match="cannot read image"):
        split_name(name)


@given(st.text(max_size=60))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    try:
        host, repository = split_name(text)
    except GitopsCanaryError:
        return
    assert "/" not in host
    assert repository
    assert ".." not in repository


PLACES: dict[str, tuple[Place, dict[str, Any]]] = {
    "nginx": (Place("docker.io", "library/nginx", ("https://registry-1.docker.io",)), {}),
    "r.io/a": (Place("r.io", "a", ("https://r.io", "http://r.io"), False), {"insecure": ("r.io",)}),
    "docker.io/x/y": (Place("127.0.0.1:5", "x/y", ("http://127.0.0.1:5",)), {"mirrors": {"docker.io": "http://127.0.0.1:5/"}}),
    "ghcr.io/x/y": (Place("m.io", "x/y", ("https://m.io",)), {"mirrors": {"ghcr.io": "m.io"}}),
}


@pytest.mark.parametrize(("name", "expected", "settings"), [(n, *p) for n, p in PLACES.items()], ids=list(PLACES))
def test_settings_decide_where_a_registry_is_asked(name: str, expected: Place, settings: dict[str, Any]) -> None:
    assert place_of(name, **settings) == expected


def test_a_mirror_without_an_address_is_refused() -> None:
    assert mirrors_of(["index.docker.io=m.io"]) == {"docker.io": "m.io"}
    with pytest.raises(UserError, match="no host=address pair"):
        mirrors_of(["docker.io"])


CHALLENGES = {
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="a:b:c,d"': Challenge(
        "bearer", "https://auth.docker.io/token", "registry.docker.io"
    ),
    'Basic realm="x", Bearer realm="https://t/",service=s': Challenge("bearer", "https://t/", "s"),
    "BASIC realm=plain": Challenge("basic", "plain", ""),
    "Negotiate": None,
    "": None,
}


@pytest.mark.parametrize(("header", "expected"), CHALLENGES.items(), ids=["hub", "both", "upper", "other", "none"])
def test_a_challenge_is_read(header: str, expected: Challenge | None) -> None:
    assert read_challenge(header) == expected


def auths(**entries: dict[str, str]) -> dict[str, Any]:
    return {"auths": entries}


def place(host: str, repository: str = "team/app") -> Place:
    return Place(host, repository, ())


ENCODED = {"auth": base64.b64encode(b"ann:se:cret").decode()}
LOGINS: dict[str, tuple[dict[str, Any], str, Login | None]] = {
    "auth": (auths(**{"ghcr.io": ENCODED}), "ghcr.io", Login("ann", "se:cret")),
    "hub's old key": (auths(**{"https://index.docker.io/v1/": ENCODED}), "docker.io", Login("ann", "se:cret")),
    "user and password": (auths(**{"r.io": {"username": "ann", "password": "p"}}), "r.io", Login("ann", "p")),
    "identity token": (auths(**{"r.io": {"identitytoken": "t"}}), "r.io", Login("", identity_token="t")),
    "other host": (auths(**{"ghcr.io": ENCODED}), "r.io", None),
    "host that ends alike": (auths(**{"r.io": ENCODED}), "evil-r.io", None),
    "path": (auths(**{"r.io": ENCODED, "r.io/team": {"username": "team", "password": ""}}), "r.io", Login("team", "")),
    "other path": (auths(**{"r.io/te": ENCODED}), "r.io", None),
    "star": (auths(**{"*.r.io": ENCODED}), "a.r.io", Login("ann", "se:cret")),
    "star too deep": (auths(**{"*.r.io": ENCODED}), "a.b.r.io", None),
    "helper for another": ({"credHelpers": {"x.io": "ecr-login"}}, "r.io", None),
    "nothing": ({}, "r.io", None),
}


@pytest.mark.parametrize(("document", "host", "expected"), LOGINS.values(), ids=LOGINS)
def test_a_login_is_found_by_host_and_path(document: dict[str, Any], host: str, expected: Login | None) -> None:
    assert login_from([("config.json", document)], place(host)) == expected


@pytest.mark.parametrize("document", [{"credHelpers": {"r.io": "gcr"}}, {"credsStore": "gcr", "auths": {"r.io": {}}}])
def test_credential_helpers_are_refused_by_name(document: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="docker-credential-gcr"):
        login_from([("config.json", document)], place("r.io"))


def test_both_types_of_pull_secret_are_read() -> None:
    old = secret_config("Secret a/b", {".dockercfg": json.dumps({"r.io": ENCODED}).encode()})
    new = secret_config("Secret a/b", {".dockerconfigjson": json.dumps(auths(**{"r.io": ENCODED})).encode()})
    assert old == new
    assert secret_config("Secret a/c", {"token": b"x"}) is None


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff", b" " * 2_000_000], ids=["empty", "list", "cut", "bytes", "huge"])
def test_a_broken_login_document_is_named_not_shown(raw: bytes) -> None:
    with pytest.raises(UserError, match="cannot read registry logins in Secret a/b"):
        secret_config("Secret a/b", {".dockerconfigjson": raw})


@pytest.mark.parametrize("auth", ["***", base64.b64encode(b"nocolon").decode()])
def test_a_broken_auth_is_named_not_shown(auth: str) -> None:
    with pytest.raises(UserError, match="not base64 of user:password") as caught:
        login_from([("Secret a/b", auths(**{"r.io": {"auth": auth}}))], place("r.io"))
    assert auth not in str(caught.value)


def test_a_docker_config_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read docker config"):
        read_config(str(tmp_path / "none.json"))


def test_a_login_is_never_shown() -> None:
    assert "secret" not in repr(Login("ann", "secret", "secret"))


WAYS = {
    "metadata": ("http://169.254.169.254/latest", "https://8.8.8.8", "not encrypted"),
    "metadata over tls": ("https://169.254.169.254/latest", "https://8.8.8.8", "metadata"),
    "mapped": ("https://[::ffff:169.254.169.254]/", "https://8.8.8.8", "metadata"),
    "inside": ("https://10.0.0.1/token", "https://8.8.8.8", "lies inside this network"),
    "loopback": ("https://127.0.0.1/token", "https://8.8.8.8", "lies inside this network"),
    "scheme": ("ftp://8.8.4.4/", "https://8.8.8.8", "no HTTP address"),
}


@pytest.mark.parametrize(("url", "registry", "words"), WAYS.values(), ids=WAYS)
def test_b21_a_registry_leads_nowhere_it_must_not(url: str, registry: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        check_way(url, registry, "the token service")


@pytest.mark.parametrize("url", ["https://8.8.4.4/token", "https://8.8.8.8/token"])
def test_a_token_service_outside_may_be_asked(url: str) -> None:
    check_way(url, "https://8.8.8.8", "the token service")
    check_way("http://127.0.0.1:5/token", "http://127.0.0.1:6", "the token service")


def test_a_metadata_service_is_no_registry() -> None:
    with pytest.raises(UserError, match="metadata"):
        check_address("http://169.254.169.254", "registry")
