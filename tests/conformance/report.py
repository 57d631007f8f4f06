"""A pytest plugin (`make conformance`, CI): prints what each case came to on each server, and ends the run as failed when a row differs."""

import re

import pytest

SERVERS = ("sandbox", "real")
PASSED, FAILED, ABSENT = "passed", "FAILED", "-"


class Rows:
    """Case by case what came of it, by server, of the tests below a folder."""

    def __init__(self, below: str = "") -> None:
        self._below = below
        self._rows: dict[str, dict[str, str]] = {}

    def take(self, nodeid: str, outcome: str) -> None:
        """A case fails when its preparation, itself or its end does; what runs on no server of its own is no row."""
        found = re.search(r"\[(?:(.*)-)?(sandbox|real|given)(?:-(.*))?\]$", nodeid)
        if found is None or not nodeid.startswith(self._below):
            return
        parameters = "-".join(part for part in (found[1], found[3]) if part)
        case = nodeid[: found.start()].rpartition("/")[2] + (f"[{parameters}]" if parameters else "")
        row = self._rows.setdefault(case, {})
        row[found[2]] = FAILED if outcome != PASSED or row.get(found[2]) == FAILED else PASSED

    @property
    def servers(self) -> tuple[str, ...]:
        """The given one alone when one was given."""
        return ("given",) if any("given" in row for row in self._rows.values()) else SERVERS

    def differing(self) -> list[str]:
        return [case for case, row in sorted(self._rows.items()) if len({row.get(server, ABSENT) for server in self.servers}) > 1]

    def lines(self) -> list[str]:
        """The table, with a mark at each row that differs."""
        width = max(map(len, self._rows), default=4)
        head = "  ".join(["case".ljust(width), *(server.ljust(7) for server in self.servers)]).rstrip()
        differing = set(self.differing())
        made = [head]
        for case, row in sorted(self._rows.items()):
            cells = "  ".join(row.get(server, ABSENT).ljust(7) for server in self.servers)
            made.append(f"{case.ljust(width)}  {cells}{'  differs' if case in differing else ''}".rstrip())
        return made

    def __len__(self) -> int:
        return len(self._rows)


_rows = pytest.StashKey[Rows]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rows-below", default="", metavar="FOLDER", help="only the tests below that folder are rows of the table")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_rows] = Rows(config.getoption("--rows-below"))
    config.pluginmanager.register(Listener(config.stash[_rows]))


class Listener:
    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.outcome != PASSED:
            self._rows.take(report.nodeid, report.outcome)


def pytest_sessionfinish(session: pytest.Session) -> None:
    if session.config.stash[_rows].differing() and not session.exitstatus:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    rows = config.stash[_rows]
    terminalreporter.section("conformance")
    for line in rows.lines():
        terminalreporter.write_line(line)
    differing = len(rows.differing())
    verdict = f"{differing} rows differ" if differing else "no row differs"
    terminalreporter.write_line(f"{len(rows)} cases on {' and '.join(rows.servers)}: {verdict}", red=bool(differing))
