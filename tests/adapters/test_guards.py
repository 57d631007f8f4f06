"""Where others' words may lead."""

import socket
import ssl

import pytest
import trustme

from gitops_canary.adapters import guards
from gitops_canary.adapters.exchange import Exchange, NoAnswer
from gitops_canary.adapters.guards import check_address, proxy_of
from gitops_canary.domain.errors import UserError
from tests.adapters.peer import Peer, rebind


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/", "http://[fe80::1%25eth0]/", "http://[fd00:ec2::254]/", "http://0.0.0.0/", "http://224.0.0.1/"]
)
def test_no_word_leads_to_a_metadata_service(url: str) -> None:
    with pytest.raises(UserError, match="link-local or metadata"):
        check_address(url, "hook")


def test_a_name_that_a_proxy_resolves_is_not_looked_up_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("looked up")

    monkeypatch.setenv("http_proxy", "http://127.0.0.1:3128")
    monkeypatch.setenv("no_proxy", "direct.test")
    monkeypatch.setattr(socket, "getaddrinfo", never)
    assert (proxy_of("http://frontend.test"), proxy_of("http://direct.test")) == ("http://127.0.0.1:3128", "")
    check_address("http://frontend.test/", "hook")
    with pytest.raises(UserError):
        check_address("http://169.254.169.254/", "hook")


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_means_another_address_after_it_was_checked_gets_no_word(monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    """DNS rebinding: harmless for the check, a metadata service for the request."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if scheme == "https" else None
    if tls is not None:
        trustme.CA().issue_cert("hook.test").configure_cert(tls)
    rebind(monkeypatch, "hook.test")
    exchange = Exchange()
    with Peer(tls=tls) as peer:
        port = int(peer.url.rpartition(":")[2])
        with pytest.raises(NoAnswer, match=f"hook.test:{port}: it leads to 127.0.0.1, a link-local or metadata address"):
            exchange.post(f"{scheme}://hook.test:{port}/", {}, 5.0, disable_tls=True)
        assert peer.asked == []
        monkeypatch.setattr(guards, "METADATA", frozenset())
        assert exchange.post(f"{scheme}://hook.test:{port}/", {}, 5.0, disable_tls=True).status == 200
        exchange.close()
