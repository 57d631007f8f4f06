"""`gitops-canary settings`: the effective settings and where each came from; a table on a terminal, JSON or plain lines off it."""

import argparse
import json
import sys
from dataclasses import fields

from rich.console import Console
from rich.table import Table

from gitops_canary.commands.flags import add_settings, given_settings
from gitops_canary.settings import Settings, flag_of, load_settings, shown


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "-o", "--output", choices=("table", "plain", "json", "docs"), default="", help="default: table on a terminal, else plain"
    )
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    _, effective = load_settings(given_settings(args), file=args.config)
    rows = shown(effective)
    form = args.output or ("table" if sys.stdout.isatty() else "plain")
    {"table": _table, "plain": _plain, "json": _json, "docs": _docs}[form](rows)
    return 0


def _why() -> dict[str, tuple[str, str]]:
    return {flag_of(one.name): (str(one.metadata["unit"]), str(one.metadata["why"])) for one in fields(Settings)}


def _table(rows: list[tuple[str, str, str]]) -> None:
    table = Table("setting", "value", "from", "what it is for", box=None, header_style="bold", pad_edge=False)
    why = _why()
    for name, value, source in rows:
        table.add_row(name, value or "-", source, why[name][1], style="" if source == "default" else "bold")
    Console().print(table)


def _plain(rows: list[tuple[str, str, str]]) -> None:
    for name, value, source in rows:
        print(f"{name}={value}\t# {source}")


def _json(rows: list[tuple[str, str, str]]) -> None:
    why = _why()
    print(json.dumps([{"name": n, "value": v, "source": s, "unit": why[n][0], "why": why[n][1]} for n, v, s in rows], indent=2))


def _docs(rows: list[tuple[str, str, str]]) -> None:
    print("| setting | unit | default | reason |\n| --- | --- | --- | --- |")
    why = _why()
    for name, value, _ in rows:
        print(f"| `--{name}` | {why[name][0]} | {f'`{value}`' if value else ''} | {why[name][1]} |")
