"""Version ranges mean what Masterminds/semver (inside Helm) says, row by row and on whatever Hypothesis thinks of."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gitops_canary.domain.errors import UserError
from gitops_canary.domain.semver_ranges import loose_version, parse_range

Oracle = Callable[[list[dict[str, str]]], list[str]]


@pytest.fixture(scope="module")
def oracle() -> Iterator[Oracle]:
    command = [sys.executable, "-m", "tests.domain.helm_semver"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout

        def ask(asks: list[dict[str, str]]) -> list[str]:
            assert process.stdin
            assert process.stdout
            print(json.dumps(asks), file=process.stdin, flush=True)
            answer: list[str] = json.loads(process.stdout.readline())
            return answer

        yield ask
        process.stdin.close()


def ours(constraint: str, text: str) -> str:
    try:
        within = parse_range(constraint)
    except UserError:
        return "error"
    version = loose_version(text)
    return "error" if version is None else str(within.fits(version)).lower()


RANGES = [
    "~3.1", "~3", "~3.1.4", "~3.1-0", "^0.2", "^0", "^0.0", "^0.0.3", "^1.2", "^0.2.3-beta.2", "3.1", "=3.1", "!=3.1", "!=3",
    "!=3.1.0", ">3.1", ">3", "<=3.1", "<=3", "<3.1", ">=3.1", "*", "x", "X", "*-0", ">=*", ">x", "<x", "!=x", "~x", "^x", "1.x",
    "1.2.x", "1.x.3", "=>1.2", "=<1.2", "~>1.2", "1.2 - 3.4.5", "1.2 - 3.4", "1 - 2", ">=1.0.0-rc.0, <1.0.1",
    ">=1.0.0-rc.0 <1.0.1", ">=1 <2 || >=3", "||", ">=1,", ",>=1", "v1.2", "~v1.2.3", "> 1.2.3", ">=1.2.3-alpha <2",
    "2.0.1-alpha.1", "~1.2-beta", "1.2.3+build", ">=1.2.3 , <2.0.0", ">1,<3,!=2.1.0", "invalid", "1.2.3.4", "", " ", "~0.0.0",
    "~0", "<0.0.1-0", "=1.2.3 =1.2.3", ">=1.2.3-0", "1.2.3 || 1.2.4 || ~2", "~1.2 ^1.2", "01.2", ">=01.2.3",
]  # fmt: skip
VERSIONS = [
    "0.0.0", "0.0.3", "0.2.0", "0.2.9", "0.3.0", "1.0.0", "1.0.0-rc.1", "1.0.1", "1.2.0", "1.2.3", "1.2.3-alpha.1",
    "1.2.3-beta.2", "1.2.4", "2.0.0", "2.0.1-alpha.1", "2.1.0", "3.0.0", "3.1.0", "3.1.0-alpha", "3.1.5", "3.1.5-debian-9-r3",
    "3.2.0-rc.1", "3.2.0", "3", "3.1", "v3.1.5", "3.1.5+b", "20200101", "4.0.0", "latest", "1.2.3.4",
]  # fmt: skip


@pytest.mark.parametrize("constraint", RANGES, ids=[text or "empty" for text in RANGES])
def test_a_range_fits_exactly_the_versions_that_masterminds_says(oracle: Oracle, constraint: str) -> None:
    theirs = dict(zip(VERSIONS, oracle([{"range": constraint, "version": version} for version in VERSIONS]), strict=True))
    mine = {version: ours(constraint, version) for version in VERSIONS}
    assert mine == theirs


NUMBERS = st.sampled_from(["0", "1", "2", "3", "10", "01"])
PRES = st.sampled_from(["", "", "", "-0", "-rc.1", "-alpha", "-rc.10", "+b"])
DOTTED = st.builds(
    lambda v, parts, pre: v + ".".join(parts) + pre, st.sampled_from(["", "v"]), st.lists(NUMBERS, min_size=1, max_size=3), PRES
)
WILD = st.lists(st.one_of(NUMBERS, st.sampled_from(["x", "*", "X"])), min_size=1, max_size=3).map(".".join)
TERMS = st.builds(
    lambda op, blank, version: op + blank + version,
    st.sampled_from(["", "=", "!=", ">", "<", ">=", "=>", "<=", "=<", "~", "~>", "^"]),
    st.sampled_from(["", "", " "]),
    st.one_of(DOTTED, WILD),
)
GROUPS = st.one_of(
    st.lists(TERMS, min_size=1, max_size=3).flatmap(lambda terms: st.sampled_from([", ", ",", " "]).map(lambda by: by.join(terms))),
    st.builds("{} - {}".format, DOTTED, DOTTED),
)
CONSTRAINTS = st.lists(GROUPS, min_size=1, max_size=2).map(" || ".join)


@settings(max_examples=60, deadline=None)
@given(constraint=CONSTRAINTS, versions=st.lists(DOTTED, min_size=1, max_size=10))
def test_law_any_range_fits_what_masterminds_says(oracle: Oracle, constraint: str, versions: list[str]) -> None:
    theirs = oracle([{"range": constraint, "version": version} for version in versions])
    assert [ours(constraint, version) for version in versions] == theirs
