"""How findings are shown: sentences with colour on a terminal, plain lines off it, JSON, SARIF 2.1.0."""

import json
import sys
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import quote

from rich.console import Console
from rich.text import Text

from gitops_canary import __version__
from gitops_canary.commands.validation.checking import Report
from gitops_canary.domain.validation.findings import CODES, Finding

STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}
MENDED_LINES = 6
"""Lines of a mended text that are shown to a person; JSON has them all."""
SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def show(form: str, report: Report, mended: Sequence[Finding]) -> None:
    shown: dict[str, Callable[[Report, Sequence[Finding]], None]] = {"text": _text, "json": _json, "sarif": _sarif}
    shown[form](report, mended)


def summary(report: Report) -> str:
    """One line: what was looked at and what was found."""
    charts = "no charts rendered" if report.rendered is None else f"{_count(report.rendered, 'chart')} rendered"
    elsewhere = f", {_count(report.elsewhere, 'chart')} elsewhere" if report.elsewhere else ""
    found = ", ".join(_count(report.count(level), level) for level in STYLES if report.count(level))
    return f"{_count(report.files, 'file')}, {_count(report.objects, 'object')}, {charts}{elsewhere}: {found or 'nothing to mend'}"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'' if number == 1 else 's'}"


def _text(report: Report, mended: Sequence[Finding]) -> None:
    """Findings go to standard output, the summary to standard error unless a person reads both."""
    console = Console(soft_wrap=True, highlight=False, markup=False, emoji=False)
    for finding in mended:
        console.print(_line(finding, "mended", "green"))
    for finding in report.findings:
        console.print(_line(finding, finding.level, STYLES[finding.level]))
        for line in _mended_lines(finding):
            console.print(Text(f"    {line}", style="green"))
    last = Text(summary(report), style="bold red" if report.count("error") else "bold green")
    (console if sys.stdout.isatty() else Console(stderr=True, soft_wrap=True, highlight=False)).print(last)


def _line(finding: Finding, word: str, style: str) -> Text:
    return Text.assemble(
        (f"{printable(finding.file)}:{finding.line}", "bold"),
        ": ",
        (word, style),
        f": {printable(finding.sentence)} ",
        (f"[{finding.code}]", "dim"),
    )


def _mended_lines(finding: Finding) -> list[str]:
    lines = [printable(line) for line in finding.mended.split("\n")] if finding.mended else []
    more = len(lines) - MENDED_LINES
    return lines if more <= 1 else [*lines[:MENDED_LINES], f"… and {more} lines more"]


def printable(text: str) -> str:
    """Names come from files: what would steer a terminal is written out."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def _json(report: Report, mended: Sequence[Finding]) -> None:
    counts = {level: report.count(level) for level in STYLES}
    looked = {"files": report.files, "objects": report.objects, "chartsRendered": report.rendered, "chartsElsewhere": report.elsewhere}
    findings = [_plain(one) for one in report.findings]
    print(json.dumps({"version": 1, "findings": findings, "mended": [_plain(one) for one in mended], "counts": counts, **looked}, indent=2))


def _plain(finding: Finding) -> dict[str, Any]:
    path = ".".join(str(step) for step in finding.path)
    return {
        "file": finding.file,
        "line": finding.line,
        "level": finding.level,
        "code": finding.code,
        "sentence": finding.sentence,
        "path": path,
        "fixable": finding.mend is not None,
        "mended": finding.mended,
    }


def _sarif(report: Report, _: Sequence[Finding]) -> None:
    rules = [{"id": code, "shortDescription": {"text": text}} for code, text in CODES.items()]
    driver = {"name": "gitops-canary", "version": __version__, "rules": rules}
    results = [_result(finding, list(CODES).index(finding.code)) for finding in report.findings]
    print(json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}, indent=2))


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    text = f"{finding.sentence}\n\nmended:\n{finding.mended}" if finding.mended else finding.sentence
    place = {"artifactLocation": {"uri": quote(finding.file, errors="surrogateescape")}, "region": {"startLine": max(finding.line, 1)}}
    return {
        "ruleId": finding.code,
        "ruleIndex": rule,
        "level": finding.level,
        "message": {"text": text},
        "locations": [{"physicalLocation": place}],
    }
