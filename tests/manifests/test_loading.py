"""YAML is read as Kubernetes and Helm read it, and nothing in it can hurt the process."""

import math

import pytest

from gitops_canary.manifests.composing import Unreadable
from gitops_canary.manifests.loading import decode, documents

GO_TABLE = [
    ("yes", True),
    ("on", True),
    ("y", True),
    ("True", True),
    ("NO", False),
    ("off", False),
    ("n", False),
    ("~", None),
    ("null", None),
    ("", None),
    ("017", 15),
    ("0o17", 15),
    ("0x1F", 31),
    ("0b11", 3),
    ("1_000", 1000),
    ("+7", 7),
    ("-7", -7),
    ("1e3", 1000),
    ("3.10", 3.1),
    (".5", 0.5),
    (".inf", math.inf),
    ("2026-01-02", "2026-01-02"),
    ("12:30:45", "12:30:45"),
    ("3.1.1", "3.1.1"),
    ("08", 8),
    ("_1", "_1"),
    ("v1", "v1"),
    ('"yes"', "yes"),
    ("'3.10'", "3.10"),
    ("!!str 3.10", "3.10"),
    ("!!str yes", "yes"),
]


def value_of(text: str) -> object:
    return documents(f"a: {text}\n")[0].value["a"]


@pytest.mark.parametrize(("text", "value"), GO_TABLE, ids=[text or "empty" for text, _ in GO_TABLE])
def test_B30_a_scalar_means_what_go_says(text: str, value: object) -> None:
    found = value_of(text)
    assert found == value
    assert type(found) is type(value)


def test_a_key_stays_the_word_it_is() -> None:
    assert documents("on: 1\nyes: 2\n3.10: x\n")[0].value == {"on": 1, "yes": 2, "3.10": "x"}


def test_B31_anchors_and_merges_are_followed() -> None:
    text = "base: &b {tag: 3.1.0, pull: Always}\nimage:\n  <<: *b\n  tag: 3.1.1\nother: *b\n"
    assert documents(text)[0].value == {
        "base": {"tag": "3.1.0", "pull": "Always"},
        "image": {"pull": "Always", "tag": "3.1.1"},
        "other": {"tag": "3.1.0", "pull": "Always"},
    }


def test_colons_in_flow_text_and_an_anchor_set_twice_are_read_as_go_reads_them() -> None:
    text = "args: [--url=http://x:80/, a:b]\nimage: {name: x/y:1.0.0}\na: &n 1\nb: &n 2\nc: *n\n"
    assert documents(text)[0].value == {"args": ["--url=http://x:80/", "a:b"], "image": {"name": "x/y:1.0.0"}, "a": 1, "b": 2, "c": 2}


def test_documents_keep_their_number_and_line() -> None:
    found = documents("# only a comment\n---\na: 1\n---\n---\n\nb: 2\n")
    assert [(document.number, document.line, document.value) for document in found] == [(0, 3, {"a": 1}), (2, 7, {"b": 2})]


BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10))
BAD = [
    pytest.param(BOMB, "grows beyond", id="B22 billion laughs"),
    pytest.param("a: &a [*a]\n", "undefined alias|nested deeper|itself", id="an alias of itself"),
    pytest.param("a: !!python/object:os.system x\n", "tag|constructor", id="B23 python object"),
    pytest.param("a: !mine x\n", "the tag !mine is not allowed", id="B23 a tag of one's own"),
    pytest.param("[" * 10_000 + "]" * 10_000, "nested deeper than 64 levels", id="B24 brackets"),
    pytest.param("{a: " * 1_000_000, "nested deeper than 64 levels", id="B24 four megabytes of braces"),
    pytest.param("- " * 100_000 + "x\n", "nested deeper than 64 levels", id="B24 dashes"),
    pytest.param("---\na: 1\n" * 20_000, "more than 10000 documents", id="too many documents"),
    pytest.param("a: 1\nb: {\n", "it is not YAML", id="broken"),
    pytest.param("a: 1\n\tb: 2\n", "it is not YAML", id="B27 tab as indent"),
    pytest.param("a: 1\nb: 2\na: 3\n", "the key 'a' stands twice", id="B29 duplicate key"),
    pytest.param("a: 1\nb: *nowhere\n", "undefined alias", id="undefined alias"),
    pytest.param("? [a, b]\n: 1\n", "a key is not a plain word", id="key that is a list"),
    pytest.param("<<: 1\na: 2\n", "no mapping", id="merge of a number"),
]


@pytest.mark.parametrize(("text", "sentence"), BAD)
def test_hostile_text_is_refused_with_a_sentence(text: str, sentence: str) -> None:
    with pytest.raises(Unreadable, match=sentence) as error:
        documents(text)
    assert error.value.line >= 1


BYTES = [
    pytest.param(b"a" * (4 * 2**20 + 1), "more than .* bytes", 1, id="B25 too large"),
    pytest.param("a: 1\n".encode("utf-16"), "not UTF-8", 1, id="B26 UTF-16"),
    pytest.param(b"a: 1\nb: \0\n", "NUL", 2, id="B26 NUL"),
    pytest.param(b"a: 1\n\nb: \xff\n", "not UTF-8", 3, id="B26 Latin-1"),
]


@pytest.mark.parametrize(("data", "sentence", "line"), BYTES)
def test_bytes_that_are_no_manifest_are_refused_with_their_line(data: bytes, sentence: str, line: int) -> None:
    with pytest.raises(Unreadable, match=sentence) as error:
        decode(data)
    assert error.value.line == line


def test_B26_a_byte_order_mark_does_no_harm() -> None:
    assert documents(decode(b"\xef\xbb\xbfa: 1\n"))[0].value == {"a": 1}


def test_the_line_of_a_broken_place_is_told() -> None:
    with pytest.raises(Unreadable) as error:
        documents("a: 1\n---\nb: [1,\nc: 2\n")
    assert error.value.line in (3, 4)
