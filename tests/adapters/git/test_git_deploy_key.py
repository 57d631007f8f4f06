"""The deploy key: made once, found again, taken over from Flux, and readable in the log with the seed's commands."""

import subprocess
from collections.abc import Mapping
from io import StringIO

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gitops_canary.adapters.git import ensure_key, identity_line, identity_log
from gitops_canary.adapters.git.deploy_key import generate, load
from gitops_canary.adapters.log import make_log
from gitops_canary.domain.errors import Conflict, UserError


class Secret:
    """A KeyStore in memory; `rival` writes first when it is set."""

    def __init__(self, data: Mapping[str, bytes] | None = None, rival: Mapping[str, bytes] | None = None) -> None:
        self.data, self.rival = data, rival

    def get(self) -> Mapping[str, bytes] | None:
        return self.data

    def put(self, data: Mapping[str, bytes]) -> None:
        if self.rival:
            self.data = self.rival
            raise Conflict("written since")
        self.data = data


def test_F13_without_a_key_in_the_secret_one_is_made_once_and_found_again() -> None:
    secret = Secret()
    first = ensure_key(secret)
    assert secret.data is not None
    assert secret.data.keys() == {"identity", "identity.pub"}
    assert secret.data["identity.pub"].decode() == first.public + "\n"
    assert ensure_key(secret) == first
    assert first.public.startswith("ssh-ed25519 ")


@pytest.mark.parametrize("data", [{}, {"identity": b""}, {"identity": b"\n"}, {"other": b"x"}])
def test_an_empty_secret_gets_a_key_as_with_flux(data: dict[str, bytes]) -> None:
    assert ensure_key(Secret(data)).private.startswith("-----BEGIN OPENSSH PRIVATE KEY-----")


def test_regenerate_makes_another_and_stores_it() -> None:
    secret = Secret()
    first = ensure_key(secret)
    second = ensure_key(secret, regenerate=True)
    assert second.fingerprint != first.fingerprint
    assert ensure_key(secret) == second


def test_of_two_processes_that_start_at_once_one_key_wins() -> None:
    theirs = generate()
    secret = Secret(rival={"identity": theirs.private.encode()})
    assert ensure_key(secret) == theirs


@pytest.mark.parametrize("form", ["OpenSSH", "TraditionalOpenSSL", "PKCS8"])
def test_fluxs_secret_with_an_rsa_identity_alone_is_taken_over(form: str) -> None:
    key = rsa.generate_private_key(65537, 2048)
    text = key.private_bytes(serialization.Encoding.PEM, getattr(serialization.PrivateFormat, form), serialization.NoEncryption())
    loaded = ensure_key(Secret({"identity": text}))
    assert loaded.public.startswith("ssh-rsa AAAA")
    assert loaded.fingerprint.startswith("SHA256:")


@pytest.mark.parametrize("text", ["garbage", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----"])
def test_a_broken_key_names_the_secret_and_shows_nothing_of_it(text: str) -> None:
    with pytest.raises(UserError, match="cannot read the deploy key in Secret gitops-canary-git-deploy") as caught:
        ensure_key(Secret({"identity": text.encode()}))
    assert "AAAA" not in str(caught.value)
    assert "--regenerate" in caught.value.hint


def test_a_key_with_a_passphrase_is_refused() -> None:
    encrypted = rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )
    with pytest.raises(UserError, match="has a passphrase"):
        load(encrypted.decode(), "a file")


SENTENCE = "The deploy key needs write access to ssh://git@host/repo.git"


@pytest.fixture
def real_log() -> tuple[str, str]:
    """The public key and a log that holds its line among others."""
    key, stream = generate(), StringIO()
    log = make_log(stream=stream)
    log.info("starting", version="1")
    log.warning(SENTENCE, **identity_log(key.public), fingerprint=key.fingerprint)
    log.info("waiting")
    return key.public, stream.getvalue()


def shell(command: str, given: str) -> str:
    return subprocess.run(["bash", "-o", "pipefail", "-c", command], input=given, capture_output=True, text=True, check=True).stdout


def test_grep_and_cut_print_the_public_key_from_the_real_log(real_log: tuple[str, str]) -> None:
    public, log = real_log
    assert shell("""grep identity.pub | cut -d '"' -f2""", log) == public + "\n"


@pytest.mark.tools("jq")
def test_jq_reads_every_line_of_the_same_log(real_log: tuple[str, str]) -> None:
    _, log = real_log
    assert shell("jq -r .msg", log).splitlines() == ["starting", SENTENCE, "waiting"]


@pytest.mark.tools("jq")
def test_the_single_line_reads_the_same() -> None:
    public = generate().public
    line = identity_line(public, SENTENCE)
    assert shell("""grep identity.pub | cut -d '"' -f2""", line + "\n") == public + "\n"
    assert shell("jq -r .msg", line) == SENTENCE + "\n"
