"""Claims about documents that are made from the code: they say what the code says."""

import re
import subprocess
import sys
from pathlib import Path

from gitops_canary.domain.canary.transitions import mermaid

ROOT = Path(__file__).resolve().parent.parent


def test_the_readme_draws_the_phases_of_the_table() -> None:
    assert mermaid().strip() in (ROOT / "README.md").read_text()


def test_the_settings_page_lists_every_setting_as_the_command_does() -> None:
    command = [sys.executable, "-m", "gitops_canary", "settings", "-o", "docs"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, env={"PATH": ""}).stdout
    assert printed.strip() in (ROOT / "docs" / "settings.md").read_text()


def test_every_page_that_the_readme_links_to_exists() -> None:
    linked = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / "README.md").read_text())
    assert linked
    assert [path for path in linked if not (ROOT / path).exists()] == []


def test_every_picture_of_a_page_exists_and_is_small() -> None:
    shown = {
        page.parent / path
        for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
        for path in re.findall(r'(?:src|srcset)="([^"]+)"|!\[[^]]*\]\(([^)]+)\)', page.read_text())
        for path in path
        if path and not path.startswith("http")
    }
    assert shown == set((ROOT / "docs" / "pictures").iterdir())
    assert all(picture.stat().st_size < 100_000 for picture in shown)
