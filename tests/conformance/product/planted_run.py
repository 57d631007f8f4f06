"""The stories of some files, each with its defect awake, in a pytest of their own: what the tests of both halves ask and expect of it."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.conformance.product.sleeping import table

HERE = Path(__file__).parent
FIRST = ("test_killed.py", "test_taken_over.py", "test_runs.py", "test_owners.py")
"""What is prepared with a defect awake that lies in the operator's first seconds comes first."""
SECOND = ("test_install.py", "test_deleted.py", "test_promotion.py", "test_results.py", "test_shared_key.py", "test_sync.py")
LAST = ("test_two_operators.py",)
"""Ends with an operator too many."""

Entry = dict[str, object]


def planted_run(files: Sequence[str], folder: Path) -> dict[str, Entry]:
    """By case: the defect it met, whether it changed anything, whether the story failed, and how."""
    path = folder / "stories.json"
    plugin = ["-p", "tests.conformance.product.planted", "--planted", str(path), "-p", "no:cacheprovider"]
    command = [sys.executable, "-m", "pytest", *plugin, "-m", "not control_plane", "--tb=no", "-n0", *(str(HERE / file) for file in files)]
    ran = subprocess.run(command, cwd=HERE.parents[2], capture_output=True, text=True, timeout=870, check=False)
    assert path.exists(), ran.stdout + ran.stderr
    found: dict[str, Entry] = json.loads(path.read_text())
    return found


def without_a_defect(stories: dict[str, Entry]) -> list[str]:
    return [case for case, entry in stories.items() if not entry["defect"]]


def not_failed(stories: dict[str, Entry]) -> list[str]:
    """Those that a defective product passes, or that never met what is defective."""
    return [f"{case}: {entry}" for case, entry in stories.items() if not (entry["met"] and entry["failed"])]


def failed_otherwise(stories: dict[str, Entry]) -> list[str]:
    """Those that failed, but not by the line or sentence that is about the defect."""
    known = {defect.says: defect for defect in table()}
    wrong = []
    for case, entry in stories.items():
        words = known[str(entry["defect"])].words_for(case) if entry["defect"] else None
        if words is None or not re.search(words, str(entry["by"])):
            wrong.append(f"{case}: {entry['by']}")
    return wrong
