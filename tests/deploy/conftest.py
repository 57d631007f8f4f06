"""Where promtool is not installed the alert rules' own tests are left out, and the summary says so."""

import shutil

import pytest

PRESENT = shutil.which("promtool") is not None
collect_ignore = [] if PRESENT else ["test_alerts.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not PRESENT:
        terminalreporter.write_line("the alert rules' own tests were left out: there is no `promtool` on PATH", yellow=True)
