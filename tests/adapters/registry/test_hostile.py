"""Registries that answer badly, slowly, twice or with intent; names B8-B21 are those of the bad-input corpus."""

import gzip
import hashlib
import json
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from gitops_canary.adapters import guards
from gitops_canary.adapters.registry.images import OciRegistry, Options
from gitops_canary.adapters.registry.transport import Limits
from gitops_canary.domain.errors import Unavailable, UserError
from gitops_canary.domain.images import ImageRef
from gitops_canary.sandbox.registryd.access import Tokens
from gitops_canary.sandbox.registryd.images import Target, push_image
from gitops_canary.sandbox.registryd.server import RegistryServer
from tests.adapters.peer import Asked, Peer, Reply, rebind

APP = ImageRef("docker.io/team/app")


class Pauses(list[float]):
    """Time that only pauses move."""

    now = 1000.0

    def pause(self, seconds: float) -> None:
        self.append(round(seconds, 3))
        self.now += seconds

    def clock(self) -> float:
        return self.now


def asking(url: str, pauses: Pauses | None = None, **more: Any) -> OciRegistry:
    """The Hub's place is taken by `url`; time stands still but for pauses."""
    pauses = pauses if pauses is not None else Pauses()
    return OciRegistry(Options(mirrors=(f"docker.io={url}",), **more), clock=pauses.clock, pause=pauses.pause)


def always(body: object, status: int = 200, **headers: str) -> Callable[[Asked, int], Reply]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda asked, number: Reply(status, raw, {name.replace("_", "-"): value for name, value in headers.items()})


LISTS: dict[str, tuple[object, tuple[str, ...]]] = {
    "B8 empty tag": ({"tags": ["", "1.0.0"]}, ("1.0.0",)),
    "B9 many tags": ({"tags": [f"1.0.{n}" for n in range(100_000)]}, tuple(f"1.0.{n}" for n in range(100_000))),
    "B10 null": ({"name": "app", "tags": None}, ()),
    "B15 unicode digits": ({"tags": ["３.1.1", "3.1.1"]}, ("3.1.1",)),
    "B16 duplicates": ({"tags": ["1.0.0", "1.0.0"]}, ("1.0.0",)),
    "B17 long": ({"tags": ["a" * 129, "a" * 128]}, ("a" * 128,)),
    "not text": ({"tags": [1, None, {}, "1.0.0"]}, ("1.0.0",)),
    "cosign": ({"tags": [f"sha256-{'0' * 64}{end}" for end in ("", ".sig", ".att", ".sbom")]}, ()),
}


@pytest.mark.parametrize(("body", "expected"), LISTS.values(), ids=LISTS)
def test_one_odd_tag_never_blocks_its_repository(body: object, expected: tuple[str, ...]) -> None:
    with Peer(always(body)) as peer:
        assert asking(peer.url).tags(APP) == expected


BAD: dict[str, tuple[Reply, str]] = {
    "B11 HTML": (Reply(body=b"<html>Login</html>"), "is not JSON but '<html>Login</html>'"),
    "no list": (Reply(body=b'{"tags": "1.0.0"}'), "without a list of tags"),
    "a list": (Reply(body=b"7"), "without a list of tags"),
    "B12 circle": (Reply(body=b'{"tags": []}', headers={"Link": '</v2/team/app/tags/list?n=1000>; rel="next"'}), "in a circle"),
    "B13 elsewhere": (Reply(body=b'{"tags": []}', headers={"Link": '<http://127.0.0.2:1/x>; rel="next"'}), "another host, 127.0.0.2:1"),
    "B14 gzip bomb": (
        Reply(body=gzip.compress(b"[" + b" " * 40_000_000), headers={"Content-Encoding": "gzip"}),
        "is larger than 32 MiB",
    ),
    "B21 realm": (Reply(401, headers={"WWW-Authenticate": 'Bearer realm="http://169.254.169.254/t",service="s"'}), "metadata address"),
    "realm scheme": (Reply(401, headers={"WWW-Authenticate": 'Bearer realm="file:///etc/passwd",service="s"'}), "is no HTTP address"),
    "redirect": (Reply(302, headers={"Location": "http://[fe80::1]/"}), "metadata address"),
    "redirects": (Reply(302, headers={"Location": "/v2/x"}), "more than 5 redirects"),
    "no challenge": (Reply(401), "it is refused"),
    "forbidden": (Reply(403, b'{"errors":[{"code":"DENIED"}]}'), "DENIED"),
    "teapot": (Reply(418), "answered 418"),
    "control letters": (Reply(403, b"no\x1b[31m\r\nX: y"), r"answered 403 no \[31m X: y"),
}


@pytest.mark.parametrize(("reply", "words"), BAD.values(), ids=BAD)
def test_a_bad_answer_decides_nothing(reply: Reply, words: str) -> None:
    with Peer(lambda asked, number: reply) as peer, pytest.raises((Unavailable, UserError), match=words):
        asking(peer.url).tags(APP)


def test_f21_a_second_page_that_fails_is_no_answer() -> None:
    def script(asked: Asked, number: int) -> Reply:
        more = {"Link": '</v2/team/app/tags/list?last=a>; rel="next"'}
        return Reply(body=b'{"tags": ["a"]}', headers=more) if "last" not in asked.query else Reply(500)

    with Peer(script) as peer, pytest.raises(Unavailable, match="answered 500"):
        asking(peer.url).tags(APP)


def test_pages_are_followed_to_their_end() -> None:
    with RegistryServer(page_size=2) as server:
        for number in range(5):
            server.push_image("team/app", f"1.0.{number}")
        assert len(asking(server.url).tags(APP)) == 5


def test_a_busy_registry_is_asked_again_when_it_said() -> None:
    pauses = Pauses()

    def script(asked: Asked, number: int) -> Reply:
        return Reply(429, headers={"Retry-After": "3"}) if number == 1 else Reply(503) if number == 2 else Reply(body=b'{"tags": []}')

    with Peer(script) as peer:
        assert asking(peer.url, pauses).tags(APP) == ()
    assert pauses == [3.0, 0.5]


def test_a_registry_that_wants_a_long_rest_gets_it() -> None:
    pauses = Pauses()
    with Peer(always(b"", 429, Retry_After="3600")) as peer:
        registry = asking(peer.url, pauses)
        with pytest.raises(Unavailable) as caught:
            registry.tags(APP)
        with pytest.raises(Unavailable, match="left alone for 3600 s"):
            registry.tags(ImageRef("team/other"))
        assert len(peer.asked) == 1
    assert (caught.value.retry_after, pauses) == (3600, [])


def test_a_dead_registry_is_given_up_after_four_attempts() -> None:
    pauses = Pauses()
    with pytest.raises(Unavailable, match=r"cannot reach http://127\.0\.0\.1:1/v2/team/app/tags/list"):
        asking("http://127.0.0.1:1", pauses).tags(APP)
    assert pauses == [0.25, 0.5, 1.0]


def test_a_registry_whose_name_means_another_address_after_it_was_checked_gets_no_word(monkeypatch: pytest.MonkeyPatch) -> None:
    rebind(monkeypatch, "registry.test")
    with Peer(always({"tags": ["1.0.0"]})) as peer:
        address = f"http://registry.test:{peer.url.rpartition(':')[2]}"
        with pytest.raises(
            Unavailable, match=r"cannot reach http://registry\.test.*it leads to 127\.0\.0\.1, a link-local or metadata address"
        ):
            asking(address).tags(APP)
        assert peer.asked == []
        monkeypatch.setattr(guards, "METADATA", frozenset())
        assert asking(address).tags(APP) == ("1.0.0",)


def test_requests_to_one_registry_are_paced() -> None:
    pauses = Pauses()
    with Peer(always({"tags": []})) as peer:
        registry = asking(peer.url, pauses, rps=10, burst=2)
        for _ in range(5):
            registry.tags(APP)
    assert pauses == [0.1, 0.1, 0.1]


def test_an_answer_that_takes_too_long_is_left() -> None:
    with Peer(always({"tags": []})) as peer:
        ticks = iter(range(0, 100_000, 100))
        registry = OciRegistry(Options(mirrors=(f"docker.io={peer.url}",), limits=Limits(whole=1)), clock=lambda: float(next(ticks)))
        with pytest.raises(Unavailable, match="takes longer than 1 s"):
            registry.tags(APP)


def test_an_unchanged_list_is_not_sent_again() -> None:
    def script(asked: Asked, number: int) -> Reply:
        headers = {"ETag": '"one"'}
        return Reply(304, headers=headers) if asked.headers.get("If-None-Match") == '"one"' else Reply(200, b'{"tags": ["1"]}', headers)

    with Peer(script) as peer:
        registry = asking(peer.url)
        assert [registry.tags(APP), registry.tags(APP)] == [("1",), ("1",)]
        assert "If-None-Match" in peer.asked[1].headers


def test_tokens_are_kept_until_they_age() -> None:
    tokens, pauses = Tokens({}, lifetime=300), Pauses()
    tokens.public = {"team/app", "team/other"}
    with RegistryServer() as store, RegistryServer(access=tokens) as server:
        server.store.repositories = store.store.repositories
        store.push_image("team/app", "1.0.0")
        store.push_image("team/other", "1.0.0")
        registry = asking(server.url, pauses, rps=1000)
        for _ in range(10):
            assert registry.tags(APP) == registry.tags(ImageRef("team/other")) == ("1.0.0",)
        assert tokens.issued == 2
        pauses.now += 280
        registry.tags(APP)
        assert tokens.issued == 3, "one that is nine tenths through its life is renewed before it is refused"


def test_a_login_never_follows_a_redirect_to_another_host() -> None:
    with Peer(always({"tags": ["1.0.0"]})) as store:
        stores = store.url.replace("127.0.0.1", "localhost")

        def script(asked: Asked, number: int) -> Reply:
            return Reply(307, headers={"Location": f"{stores}/blob"}) if "Authorization" in asked.headers else Reply(401, headers=basic)

        basic = {"WWW-Authenticate": 'Basic realm="x"'}
        with Peer(script) as peer:
            mirrors = (f"docker.io={peer.url}",)
            registry = OciRegistry(Options(mirrors=mirrors), _Known(peer.url.partition("://")[2]))
            assert registry.tags(APP) == ("1.0.0",)
        assert "Authorization" not in store.asked[0].headers


class _Known:
    """One pull Secret for everything."""

    def __init__(self, host: str) -> None:
        self._raw = json.dumps({host: {"username": "ann", "password": "secret"}}).encode()

    def of(self, image: ImageRef) -> list[tuple[str, dict[str, bytes]]]:
        return [("Secret test/pull", {".dockercfg": self._raw})]

    def forget(self) -> bool:
        return False


def test_a_manifest_that_is_not_what_its_digest_says_is_refused() -> None:
    with RegistryServer() as server:
        digest = push_image(Target(server.url), "team/app", "1", created=datetime(2026, 1, 1, tzinfo=UTC))
        repository = server.store.repositories["team/app"]
        repository.manifests[digest] = type(repository.manifests[digest])(digest, repository.manifests[digest].media_type, b"{}")
        with pytest.raises(Unavailable, match="does not have the digest"):
            asking(server.url).created(APP, "1")


def test_a_digest_that_the_registry_does_not_give_is_computed() -> None:
    body = b'{"schemaVersion": 2}'
    with Peer(lambda asked, number: Reply(body=body)) as peer:
        assert asking(peer.url).digest(APP, "1") == f"sha256:{hashlib.sha256(body).hexdigest()}"


def test_importing_the_adapter_leaves_the_warnings_filters_alone() -> None:
    with pytest.warns(UserWarning, match="still heard"):
        warnings.warn("still heard", UserWarning, stacklevel=1)
