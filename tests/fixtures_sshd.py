"""A real OpenSSH server with restricted keys, on a free port and in a temporary folder; what is left out where there is none."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops_canary.sandbox.gitd.openssh import Sshd, absence, program

__all__ = ["Sshd", "absence"]
REQUIRED = "GITOPS_CANARY_REQUIRE_REAL"
"""Set to 1 in CI: there a missing sshd fails, so that nothing is left out silently."""


def require_sshd() -> str:
    """The reason to leave sshd out; fails instead where it is required."""
    reason = absence()
    if reason and os.environ.get(REQUIRED) == "1":
        pytest.fail(f"{REQUIRED}=1, but {reason}", pytrace=False)
    return reason


def pytest_report_header() -> str:
    return f"left out: Git over OpenSSH, {absence()}" if absence() else f"Git over OpenSSH: {program()}"


@pytest.fixture(scope="session")
def sshd() -> Iterator[Sshd]:
    """A running OpenSSH server; no key is let in yet."""
    with tempfile.TemporaryDirectory(prefix="sshd-") as folder:
        server = Sshd(Path(folder))
        server.start()
        yield server
        server.stop()
