"""Replacing one scalar changes one line, keeps every other byte and is proved by reading the file again."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_canary.domain.errors import UserError
from gitops_canary.manifests.loading import decode, documents
from gitops_canary.manifests.splice import get_text, set_scalar

PLACE = "releases/x.yaml:1"
IMAGE = ("spec", "image", "tag")


def edit(text: str, path: Sequence[str | int], value: str, document: int = 0) -> str:
    return set_scalar(text.encode(), document, path, value, place=PLACE).decode()


ONE_LINE = [
    pytest.param("spec: {image: {repository: a/b, tag: 3.1.0}} # why\n", "spec: {image: {repository: a/b, tag: 3.1.1}} # why\n", id="flow"),
    pytest.param("spec:\n  image:\n    tag:   3.1.0   # why\n", "spec:\n  image:\n    tag:   3.1.1   # why\n", id="comment and blanks"),
    pytest.param("spec:\n  image:\n    tag: '3.1.0'\n", "spec:\n  image:\n    tag: '3.1.1'\n", id="single quotes"),
    pytest.param('spec:\n  image:\n    tag: "3.1.0"\n', 'spec:\n  image:\n    tag: "3.1.1"\n', id="double quotes"),
    pytest.param("spec:\r\n  image:\r\n    tag: 3.1.0\r\nx: 1\r\n", "spec:\r\n  image:\r\n    tag: 3.1.1\r\nx: 1\r\n", id="B28 CRLF"),
    pytest.param("\ufeffspec:\n  image:\n    tag: 3.1.0\n", "\ufeffspec:\n  image:\n    tag: 3.1.1\n", id="B26 BOM"),
    pytest.param(
        "spec:\n  image:\n    tag: 3.1.0\t# tab\nx: y", "spec:\n  image:\n    tag: 3.1.1\t# tab\nx: y", id="B27 tab, no last newline"
    ),
    pytest.param("spec:\n  image:\n    tag: &t 3.1.0\n", "spec:\n  image:\n    tag: &t 3.1.1\n", id="B31 anchor nobody uses"),
    pytest.param("spec:\n  image:\n    tag: !!str 3.1.0\n", "spec:\n  image:\n    tag: !!str 3.1.1\n", id="tagged"),
    pytest.param(
        "# 😀 ü\nspec:\n  image:\n    note: '😀'\n    tag: 3.1.0\n", "# 😀 ü\nspec:\n  image:\n    note: '😀'\n    tag: 3.1.1\n", id="emoji"
    ),
    pytest.param(
        "%YAML 1.1\n---\nspec:\n  ? image\n  : tag: 3.1.0\n...\n",
        "%YAML 1.1\n---\nspec:\n  ? image\n  : tag: 3.1.1\n...\n",
        id="directive, ?",
    ),
    pytest.param(
        "spec:\n    image:\n          tag: 3.1.0\n    b:   [1,2,  3]\n",
        "spec:\n    image:\n          tag: 3.1.1\n    b:   [1,2,  3]\n",
        id="odd",
    ),
    pytest.param(
        "spec:\n  b: |\n    tag: 3.1.0\n  image:\n    tag: 3.1.0\n",
        "spec:\n  b: |\n    tag: 3.1.0\n  image:\n    tag: 3.1.1\n",
        id="a block before",
    ),
]


@pytest.mark.parametrize(("before", "after"), ONE_LINE)
def test_B32_one_scalar_changes_and_every_other_byte_stays(before: str, after: str) -> None:
    assert edit(before, IMAGE, "3.1.1") == after


QUOTED = [
    ("3.20", '"3.20"'),
    ("1e3", '"1e3"'),
    ("017", '"017"'),
    ("on", '"on"'),
    ("NO", '"NO"'),
    ("null", '"null"'),
    ("0x1F", '"0x1F"'),
    ("1_000", '"1_000"'),
    ("3.1.1", "3.1.1"),
    ("v3", "v3"),
    ("3.1.1@sha256:" + "0" * 64, "3.1.1@sha256:" + "0" * 64),
    ("2026-01-02", '"2026-01-02"'),
    ("12:30:45", '"12:30:45"'),
]


@pytest.mark.parametrize(("tag", "written"), QUOTED, ids=[tag[:12] for tag, _ in QUOTED])
def test_B30_a_tag_that_another_reader_takes_for_no_text_gets_quotes(tag: str, written: str) -> None:
    assert edit("spec:\n  image:\n    tag: 3.1.0\n", IMAGE, tag) == f"spec:\n  image:\n    tag: {written}\n"


def test_a_document_in_the_middle_is_edited_by_its_number() -> None:
    text = "tag: 1.0.0\n---\ntag: 1.0.0\n---\ntag: 1.0.0\n"
    assert edit(text, ("tag",), "1.0.1", document=1) == "tag: 1.0.0\n---\ntag: 1.0.1\n---\ntag: 1.0.0\n"


def test_an_empty_document_before_counts_as_in_the_tree() -> None:
    text = "# nothing\n---\n---\ntag: 1.0.0\n"
    number = documents(text)[0].number
    assert edit(text, ("tag",), "1.0.1", document=number) == "# nothing\n---\n---\ntag: 1.0.1\n"


def test_an_item_of_a_list_is_edited() -> None:
    text = "containers:\n- name: a\n  image: x/y:1.0.0\n- name: b\n  image: x/y:1.0.0\n"
    assert edit(text, ("containers", 1, "image"), "x/y:1.0.1") == text.replace("b\n  image: x/y:1.0.0", "b\n  image: x/y:1.0.1")


REFUSED = [
    pytest.param("spec:\n  image:\n    tag: |\n      3.1.0\n", "block of text", id="block"),
    pytest.param("spec:\n  image:\n    tag:\n", "is empty", id="empty"),
    pytest.param("spec:\n  image:\n    repository: x\n", "has no spec.image.tag", id="B35 no such key"),
    pytest.param("t: &t 3.1.0\nspec:\n  image:\n    tag: *t\n", "is an alias", id="B31 alias"),
    pytest.param("i: &i {tag: 3.1.0}\nspec:\n  image: *i\n", "is an alias", id="B31 alias above"),
    pytest.param("spec:\n  image:\n    tag: &t 3.1.0\nother: *t\n", "would change more", id="B31 anchor that others use"),
    pytest.param("spec:\n  image:\n    tag: 3.1.0\n    tag: 3.1.0\n", "stands twice", id="B29 twice"),
    pytest.param("spec:\n  image:\n    tag: {a: b}\n", "no single value", id="mapping"),
    pytest.param("spec: [\n", "not YAML", id="broken"),
    pytest.param("b: &b\n  tag: 3.1.0\nspec:\n  image:\n    <<: *b\n", "has no spec.image.tag", id="B31 merged in"),
]


@pytest.mark.parametrize(("text", "sentence"), REFUSED)
def test_what_has_no_single_text_is_refused_with_its_place(text: str, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as error:
        edit(text, IMAGE, "3.1.1")
    assert str(error.value).startswith(f"cannot edit {PLACE}")


def test_a_text_is_read_back_and_a_number_is_not_taken_for_one() -> None:
    assert get_text(b"spec: {image: {tag: 3.1.0}}", 0, IMAGE) == "3.1.0"
    assert get_text(b"spec: {image: {tag: 3.10}}", 0, IMAGE) is None
    assert get_text(b"spec: {}", 0, IMAGE) is None


# ---------------------------------------------------------------- the law

TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True)
WORDS = st.text(alphabet=st.sampled_from("abz019 _-.:#'\"\\{}[],&*!|>%@`~é😀"), max_size=12)
SPACES = st.sampled_from(["", " ", "   "])
COMMENTS = st.sampled_from(["", " # note: 'x'", "   # {tag: 1}"])
NEWLINES = st.sampled_from(["\n", "\r\n"])


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


@st.composite
def files(draw: st.DrawFn) -> tuple[str, str]:
    """A file with one tag among other things in some layout, and the text around the tag's value."""
    old = draw(TAGS)
    style = draw(st.sampled_from(["plain", "'", '"']))
    value = f'"{old}"' if style != "'" else f"'{old}'"
    if style == "plain" and documents(f"a: {old}\n")[0].value["a"] == old and not old.startswith("-"):
        value = old
    other, note, newline = draw(WORDS), draw(COMMENTS), draw(NEWLINES)
    indent = " " * draw(st.integers(1, 6))
    if draw(st.booleans()):
        body = [f"spec: {{a: {_quoted(other)}, image: {{tag: {value}, z: 1}}}}{note}"]
    else:
        body = [
            "spec:",
            f"{indent}a:{draw(SPACES)} {_quoted(other)}{note}",
            f"{indent}image:",
            f"{indent * 2}tag: {value}{note}",
            f"{indent}z: 1",
        ]
    lines = [
        *draw(st.sampled_from([[], ["# head"], ["---"], ["%YAML 1.1", "---"]])),
        *body,
        *draw(st.sampled_from([[], ["..."], ["---", "b: 2"]])),
    ]
    return newline.join(lines) + draw(st.sampled_from(["", newline])), old


@settings(max_examples=150, deadline=None)
@given(files(), TAGS)
def test_law_a_bump_is_a_one_line_diff_on_any_valid_file(made: tuple[str, str], tag: str) -> None:
    text, _ = made
    number = documents(text)[0].number
    after = edit(text, IMAGE, tag, document=number)
    before_lines, after_lines = text.splitlines(keepends=True), after.splitlines(keepends=True)
    assert len(before_lines) == len(after_lines)
    assert sum(one != other for one, other in zip(before_lines, after_lines, strict=True)) <= 1
    assert get_text(after.encode(), number, IMAGE) == tag
    assert edit(after, IMAGE, tag, document=number) == after
    wanted = [document.value for document in documents(decode(text.encode()))]
    wanted[0]["spec"]["image"]["tag"] = tag
    assert [document.value for document in documents(after)] == wanted
