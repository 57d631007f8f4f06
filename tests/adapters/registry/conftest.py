"""What the registry tests share: whether the real registry takes part is said at the end."""

import os

import pytest

from tests.adapters.registry.servers import REAL, REQUIRED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not REAL and os.environ.get(REQUIRED) != "1":
        terminalreporter.write_line("the registry's contract was not tried on docker-registry: it is not installed", yellow=True)
