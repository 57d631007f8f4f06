"""Image references: the user's spelling stays, one canonical name for one repository, bad names refused (gitops.md §10.1)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_canary.domain.errors import UserError
from gitops_canary.domain.images import ImageRef, parse_image

SHA = "sha256:" + "a" * 64
SHA512 = "sha512:" + "b" * 128

CANONICAL = [
    ("alpine", "index.docker.io/library/alpine"),
    ("library/alpine", "index.docker.io/library/alpine"),
    ("docker.io/library/alpine", "index.docker.io/library/alpine"),
    ("docker.io/alpine", "index.docker.io/library/alpine"),
    ("index.docker.io/alpine", "index.docker.io/library/alpine"),
    ("stefanprodan/podinfo:3.1.0", "index.docker.io/stefanprodan/podinfo"),
    ("localhost/hello:v1.1", "localhost/hello"),
    ("localhost:5000/path/to/repo/alpine:mytag", "localhost:5000/path/to/repo/alpine"),
    ("example.com/hello:v1.1", "example.com/hello"),
    ("quay.io/library/alpine:latest", "quay.io/library/alpine"),
    ("ghcr.io/a/b/c", "ghcr.io/a/b/c"),
    (f"kennethreitz/httpbin@{SHA}", "index.docker.io/kennethreitz/httpbin"),
    ("myhost/hello:v1", "index.docker.io/myhost/hello"),
    ("registry:5000/hello:v1", "registry:5000/hello"),
    ("registry:5000/org/hello:v1", "registry:5000/org/hello"),
    ("mylocalhost/x:1", "index.docker.io/mylocalhost/x"),
]


@pytest.mark.parametrize(("text", "canonical"), CANONICAL, ids=[text[:40] for text, _ in CANONICAL])
def test_one_repository_has_one_canonical_name_and_the_text_stays(text: str, canonical: str) -> None:
    image = parse_image(text)
    assert image.canonical == canonical
    assert str(image) == text


PARTS = [
    pytest.param(f"img:tag@{SHA}", ImageRef("img", "tag", SHA), id="tag and digest"),
    pytest.param(f"img@{SHA512}", ImageRef("img", "", SHA512), id="sha512"),
    pytest.param("registry:5000/hello", ImageRef("registry:5000/hello"), id="port without a tag"),
    pytest.param("a/b__c/d-e.f:X_1", ImageRef("a/b__c/d-e.f", "X_1"), id="separators"),
    pytest.param(f"x:{'t' * 128}", ImageRef("x", "t" * 128), id="longest tag"),
]


@pytest.mark.parametrize(("text", "image"), PARTS)
def test_name_tag_and_digest_are_told_apart(text: str, image: ImageRef) -> None:
    assert parse_image(text) == image


BAD = [
    "",
    ":tag",
    "/leading/slash",
    "trailing/slash/",
    "img:",
    "a:b:c",
    "a//b",
    "UPPER/Case:Tag",
    "docker.io/",
    "docker.io/UPPER",
    "foo bar:1",
    " alpine",
    "alpine\n",
    "alpine:3\n",
    "alpine:３.1",
    "alpine:-x",
    "img@sha256:abc",
    f"img@{SHA}x",
    f"img@{SHA}\n",
    f"img@{SHA.upper()}",
    "img@",
    "a_/b",
    "-a",
    "../x",
    "x:" + "t" * 129,
    "x" * 256,
    "host:99999999/x",
    "é/x",
]


@pytest.mark.parametrize("text", BAD, ids=[repr(text[:20]) for text in BAD])
def test_a_bad_reference_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(UserError, match=r"^cannot read image "):
        parse_image(text)


def test_a_new_tag_drops_the_old_digest_and_keeps_the_spelling() -> None:
    image = parse_image(f"docker.io/alpine:3.1@{SHA}")
    assert str(image.with_tag("3.2")) == "docker.io/alpine:3.2"
    assert str(image.with_tag("3.2", SHA)) == f"docker.io/alpine:3.2@{SHA}"


@given(st.text(max_size=40))
def test_law_any_text_is_read_back_as_it_is_or_refused(text: str) -> None:
    try:
        image = parse_image(text)
    except UserError:
        return
    assert str(image) == text
    assert parse_image(str(image.with_tag("1.2.3"))).canonical == image.canonical
