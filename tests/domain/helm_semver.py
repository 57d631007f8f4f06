"""Masterminds' own verdict on version ranges, out of Helm's template function `semverCompare`; a process of its own, never forked."""

import json
import sys
import tempfile
from pathlib import Path

from helm_python import Chart, HelmError

TEMPLATE = "{{- range .Values.asks }}{{ semverCompare .range .version }},{{ end }}"


def verdicts(folder: Path, asks: list[dict[str, str]]) -> list[str]:
    """For each range and version "true", "false" or "error"; one render when no ask is refused, one each otherwise."""
    with Chart.load(str(folder)) as chart:
        try:
            rendered = chart.render({"asks": asks})
            return next(iter(rendered.values())).strip(",").split(",")
        except HelmError:
            return ["error"] if len(asks) == 1 else [verdict for ask in asks for verdict in verdicts(folder, [ask])]


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "templates").mkdir()
        (folder / "Chart.yaml").write_text("apiVersion: v2\nname: oracle\nversion: 0.1.0\n")
        (folder / "templates" / "answer.yaml").write_text(TEMPLATE)
        for line in sys.stdin:
            print(json.dumps(verdicts(folder, json.loads(line))), flush=True)


main()
