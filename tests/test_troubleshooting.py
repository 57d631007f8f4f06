"""docs/troubleshooting.md quotes what the product really says: each fragment stands in its source."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "troubleshooting.md"


def quoted() -> list[str]:
    """The first cells of the tables of sentences, cut at what stands for names and reasons."""
    cells = re.findall(r"^\| `([^`]+)` \|", DOCUMENT.read_text(), re.M)
    return sorted({part.strip() for cell in cells for part in cell.split("…") if len(part.strip()) > 3})


SOURCE = "\n".join(path.read_text() for path in sorted((ROOT / "gitops_canary").rglob("*.py")) if "sandbox" not in path.parts)


@pytest.mark.parametrize("fragment", quoted())
def test_every_quoted_sentence_is_one_of_the_products(fragment: str) -> None:
    assert fragment in SOURCE


def test_it_has_something_to_say_about_every_lane() -> None:
    assert len(quoted()) >= 35
