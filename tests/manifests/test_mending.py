"""A mend changes the lines it must and no other byte, and is refused when the text does not allow it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_canary.domain.errors import UserError
from gitops_canary.domain.validation.findings import Finding, Mend, MoveOut, Quote, SetText
from gitops_canary.manifests.loading import decode, documents
from gitops_canary.manifests.mending import located, mend, mend_all

PLACE = "a.yaml:1"
OUT = MoveOut(("image",), ("backend", "canary"))


def mended(text: str, edit: Mend = OUT, document: int = 0) -> str:
    return mend(text.encode(), document, edit, place=PLACE).decode()


MOVES = [
    pytest.param(
        "image:\n  tag: a\n  backend: b\n  canary:\n    on: x\n", "image:\n  tag: a\nbackend: b\ncanary:\n  on: x\n", id="two columns"
    ),
    pytest.param(
        "image:\n    tag: a\n    backend: b\n    canary:\n        on: x\n",
        "image:\n    tag: a\nbackend: b\ncanary:\n    on: x\n",
        id="four columns",
    ),
    pytest.param(
        "image:\n  tag: a\n  backend: b # why\n\n  # the canary\n  canary:\n    # on\n    on: x\nz: 1\n",
        "image:\n  tag: a\nbackend: b # why\n\n  # the canary\ncanary:\n  # on\n  on: x\nz: 1\n",
        id="comments and blank lines",
    ),
    pytest.param(
        "image:\r\n  tag: a\r\n  backend: b\r\n  canary:\r\n    on: x\r\n",
        "image:\r\n  tag: a\r\nbackend: b\r\ncanary:\r\n  on: x\r\n",
        id="B28 CRLF",
    ),
    pytest.param(
        "image:\n  tag: a\n  backend: b\n  canary:\n  - x\n  - y: |\n      text\n        more\n",
        "image:\n  tag: a\nbackend: b\ncanary:\n- x\n- y: |\n    text\n      more\n",
        id="lists and blocks",
    ),
    pytest.param(
        "\ufeffimage:\n  tag: a\n  backend: b\n  canary: c", "\ufeffimage:\n  tag: a\nbackend: b\ncanary: c", id="B26 BOM, no last newline"
    ),
    pytest.param(
        "image:\n  tag: a\n  backend: 'b\n\n  b'\n  canary: c\n", "image:\n  tag: a\nbackend: 'b\n\n  b'\ncanary: c\n", id="text over lines"
    ),
]


@pytest.mark.parametrize(("before", "after"), MOVES)
def test_keys_are_moved_out_by_their_indentation_alone(before: str, after: str) -> None:
    assert mended(before) == after
    assert [line.strip() for line in before.split("\n")] == [line.strip() for line in after.split("\n")]


def test_the_right_document_of_a_file_is_edited() -> None:
    one = "image:\n  tag: a\n  backend: b\n  canary: c\n"
    assert mended(f"{one}---\n{one}", document=1) == f"{one}---\nimage:\n  tag: a\nbackend: b\ncanary: c\n"


REFUSED = [
    pytest.param("image: {tag: a, backend: b, canary: c}\n", OUT, "no block of lines", id="flow style"),
    pytest.param("x: &i\n  tag: a\n  backend: b\n  canary: c\nimage: *i\n", OUT, "no block of lines", id="B31 alias"),
    pytest.param("image: &i\n  tag: a\n  backend: b\n  canary: c\nx: *i\n", OUT, "would change more", id="B31 anchor that others use"),
    pytest.param("image:\n  backend: b\n  canary: c\n  tag: a\n", OUT, "", id="others follow"),
    pytest.param("image:\n  tag: a\n  backend: b\n  canary: c\nbackend: d\n", OUT, "", id="the key stands there already"),
    pytest.param("image:\n  backend: b\n  canary: c\n", OUT, "would change more", id="nothing would stay"),
    pytest.param("image:\n  tag: a\n", OUT, "", id="no such key"),
    pytest.param("x: 1\n", OUT, "it has no image", id="no such mapping"),
    pytest.param("image: text\n", OUT, "no block of lines", id="no mapping"),
    pytest.param("a: {b: [1]}\n", Quote(("a", "b")), "no single value", id="a list cannot be quoted"),
    pytest.param("a: 1\n", Quote(("a", "b")), "it has no a.b", id="nothing to quote"),
    pytest.param("a: |\n  1\n", SetText(("a",), "2"), "block of text", id="a block"),
]


@pytest.mark.parametrize(("text", "edit", "why"), REFUSED)
def test_what_the_text_does_not_allow_is_refused_and_the_finding_stays(text: str, edit: Mend, why: str) -> None:
    with pytest.raises(UserError, match=f"^cannot edit {PLACE}: .*{why}"):
        mended(text, edit)
    finding = Finding("a.yaml", 1, "error", "nested", "says", 0, ("image",), edit)
    (seen,) = located([finding], text.encode())
    assert (seen.mend, seen.mended) == (None, "")
    assert mend_all(text.encode(), [finding]) == (text.encode(), [])


def test_a_scalar_below_what_is_moved_is_mended_before_it_moves() -> None:
    text = "image:\n  tag: 3.10\n  backend: b\n  canary: c\n"
    edits: list[Mend] = [OUT, SetText(("image", "backend"), "bb"), Quote(("image", "tag"))]
    after, done = mend_all(text.encode(), [Finding("a.yaml", 1, "error", "nested", "says", 0, (), edit) for edit in edits])
    assert after.decode() == 'image:\n  tag: "3.10"\nbackend: bb\ncanary: c\n'
    assert len(done) == 3


LINES = [
    pytest.param(("spec", "b", 1, "c"), 6, id="in a list"),
    pytest.param(("spec", "b"), 4, id="a key"),
    pytest.param(("spec", "missing", "more"), 2, id="a missing field is at its parent"),
    pytest.param(("spec", "b", 7), 4, id="a missing item is at its list"),
    pytest.param(("other",), 2, id="nothing of it"),
]


@pytest.mark.parametrize(("path", "line"), LINES)
def test_a_finding_stands_on_the_line_of_its_very_field(path: tuple[str | int, ...], line: int) -> None:
    text = "# first\nspec:\n  a: 1\n  b:\n  - c: 1\n  - c: 2\n"
    (seen,) = located([Finding("a.yaml", 1, "error", "schema", "says", 0, path)], text.encode())
    assert seen.line == line


def test_a_file_that_cannot_be_read_keeps_the_lines_its_findings_have() -> None:
    finding = Finding("a.yaml", 3, "error", "unreadable", "says", 0, ("a",))
    assert located([finding], b"a: [") == [finding]


WORDS = st.sampled_from(["a", "b", "c", "d"])
TREES = st.recursive(
    WORDS, lambda inner: st.lists(inner, min_size=1, max_size=3) | st.dictionaries(WORDS, inner, min_size=1, max_size=3), max_leaves=8
)


def block(value: object, indent: int) -> str:
    """A value as block YAML below a key."""
    pad = " " * indent
    if isinstance(value, dict):
        return "\n" + "".join(f"{pad}{key}:{block(one, indent + 2)}" for key, one in value.items())
    if isinstance(value, list):
        return "\n" + "".join(f"{pad}-{block(one, indent + 2)}" for one in value)
    return f" {value}\n"


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(WORDS, TREES, min_size=1, max_size=3), st.dictionaries(st.sampled_from(["x", "y"]), TREES, min_size=1), TREES)
def test_moving_out_means_what_it_says_for_any_tree(kept: dict[str, object], moved: dict[str, object], after: object) -> None:
    """One law: the values below the keys are the same, one level higher, and what follows is untouched."""
    text = f"spec:\n  image:{block({**kept, **moved}, 4)}  z:{block(after, 4)}"
    new = mended(text, MoveOut(("spec", "image"), tuple(moved)))
    (document,) = documents(decode(new.encode()))
    assert document.value == {"spec": {"image": kept, **moved, "z": after}}
    assert new.split("  z:")[-1] == text.split("  z:")[-1]
