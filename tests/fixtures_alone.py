"""The second chance of what failed beside others: `--last-failed --alone` names at its end what passed only then."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--alone", action="store_true", help="with --last-failed: name at the end what passes now, so that a weak test is seen"
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not config.getoption("--alone"):
        return
    passed = [report.nodeid for report in terminalreporter.stats.get("passed", []) if report.when == "call"]
    if passed:
        terminalreporter.write_line(f"these passed only alone, beside others they failed ({len(passed)}):", yellow=True)
    for nodeid in passed:
        terminalreporter.write_line(f"  {nodeid}", yellow=True)
