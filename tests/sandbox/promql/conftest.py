"""The comparison with real Prometheus runs where that is installed; elsewhere the summary says that it was left out."""

import shutil

import pytest

PRESENT = all(map(shutil.which, ("prometheus", "promtool")))
collect_ignore = [] if PRESENT else ["test_against_prometheus.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not PRESENT:
        terminalreporter.write_line(
            "the comparison with real Prometheus was left out: there is no `prometheus` and `promtool` on PATH", yellow=True
        )
