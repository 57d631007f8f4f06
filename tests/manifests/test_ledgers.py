"""Result files are read back as they were written, whatever stands in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_canary.domain.quarantine import Quarantined
from gitops_canary.domain.results import CheckRecord, Outcome, Result, Revision
from gitops_canary.manifests.ledgers import KEPT, Ledger, ledger_text, read_ledger, with_quarantined, with_result
from gitops_canary.manifests.tree import Problem

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=30)
WORDS = TEXTS.filter(bool)
ENTRIES = st.builds(Quarantined, WORDS, WORDS, *[TEXTS] * 5)


@given(st.integers(1, 10**6), TEXTS, TEXTS, st.lists(ENTRIES, max_size=4))
def test_law_a_file_reads_back_as_it_was_written(number: int, reason: str, image: str, entries: list[Quarantined]) -> None:
    result = Result("test", "frontend", number, Outcome.PROMOTED, reason, "s", "e", Revision(), Revision(image, configs={"a": "b"}))
    ledger = with_result(Ledger("default", "test", "frontend"), result, edited=False, says=reason, file="f", differs=False, barred=None)
    ledger = with_quarantined(ledger, entries)
    found = read_ledger(ledger.path, ledger_text(ledger))
    assert isinstance(found, Ledger)
    assert (found.number, found.outcome, found.image, found.quarantine) == (number, "promoted", image, ledger.quarantine)
    assert ledger_text(found) == ledger_text(ledger)


def test_counts_and_checks_are_kept() -> None:
    checks = (CheckRecord("request-success-rate", "62.50%", "99%", 3, 2),)
    result = Result("test", "f", 2, Outcome.ROLLED_BACK, "r", "s", "e", Revision("a:1"), Revision("a:2"), checks=checks)
    ledger = Ledger("c", "test", "f", number=1, counts={"promoted": 1})
    text = ledger_text(with_result(ledger, result, edited=True, says="", file="f.yaml", differs=False, barred=None)).decode()
    for part in ("value: 62.50%", "promoted: 1", "rolled-back: 1", "edited: true"):
        assert part in text


def test_the_quarantine_does_not_grow_for_ever_and_an_entry_stands_once() -> None:
    entries = [Quarantined("a/b", f"1.0.{n}") for n in range(80)]
    ledger = with_quarantined(with_quarantined(Ledger("c", "n", "x"), entries), entries[-1:])
    assert len(ledger.quarantine) == KEPT
    assert ledger.quarantine[-1].tag == "1.0.79"


@pytest.mark.parametrize("text", ["run: [", "run: 5", "[]", "- a", "quarantine: [{}]", "run: {number: x}", "quarantine: 5", "just text"])
def test_what_is_no_result_file_is_a_problem_with_its_place(text: str) -> None:
    found = read_ledger(".gitops-canary/c/n/x.yaml", text.encode())
    assert isinstance(found, Problem)
    assert found.sentence.startswith("cannot read .gitops-canary/c/n/x.yaml")


def test_an_empty_file_says_nothing() -> None:
    assert read_ledger(".gitops-canary/c/n/x.yaml", b"") == Ledger("c", "n", "x")
