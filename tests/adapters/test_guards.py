"""Where others' words may lead."""

import socket

import pytest

from gitops_canary.adapters.guards import check_address, proxy_of
from gitops_canary.domain.errors import UserError


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
