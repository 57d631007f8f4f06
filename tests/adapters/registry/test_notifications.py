"""Pushes that a registry tells of, the sandbox's and the distribution project's, as our receiver reads them."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gitops_canary.ports import Wake
from gitops_canary.sandbox.registryd.images import Target, push_image
from gitops_canary.sandbox.registryd.notifications import Webhook
from gitops_canary.sandbox.registryd.real import RealRegistry
from gitops_canary.sandbox.registryd.server import RegistryServer
from gitops_canary.web.hooks import Message, Refused, read_hook
from tests.adapters.peer import Asked, Peer, Reply
from tests.adapters.registry.servers import kinds

SECRET = "s3cret"


@pytest.fixture(params=kinds())
def telling(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, Peer]]:
    """A registry's URL, and the peer that it tells of pushes."""
    with ExitStack() as ends:
        peer = ends.enter_context(Peer())
        registry = RegistryServer() if request.param == "sandbox" else RealRegistry(tmp_path)
        ends.enter_context(registry)
        registry.notify(Webhook(f"{peer.url}/hook/registry", {"Authorization": f"Bearer {SECRET}"}))
        yield registry.url, peer


def read(told: Asked, secret: str = SECRET) -> tuple[Wake, ...]:
    headers = {name.lower(): value for name, value in told.headers.items()}
    return read_hook("registry", Message(headers, "", told.body), secret.encode())


def first_wakes(peer: Peer) -> tuple[Wake, ...]:
    """Of the first message that wakes anybody: registries tell of an image's parts, too."""
    return next(wakes for wakes in (read(peer.next()) for _ in range(10)) if wakes)


def test_a_push_wakes_the_scan_of_its_image(telling: tuple[str, Peer]) -> None:
    url, peer = telling
    push_image(Target(url), "team/app", "1.0.0")
    assert first_wakes(peer) == (Wake("images", f"{url.partition('://')[2]}/team/app"),)


def test_a_receiver_that_is_busy_is_told_the_same_again(telling: tuple[str, Peer]) -> None:
    url, peer = telling
    peer.script = lambda asked, number: Reply(503 if number == 1 else 202)
    push_image(Target(url), "team/app", "1.0.0")
    assert peer.next().body == peer.next().body


def test_a_message_with_another_secret_is_refused(telling: tuple[str, Peer]) -> None:
    url, peer = telling
    push_image(Target(url), "team/app", "1.0.0")
    with pytest.raises(Refused, match="secret is missing or wrong"):
        read(peer.next(), "another")
