"""Tag filters: what they allow, which tag is newest, and that a filter nobody can read is refused (gitops.md §10.2, §10.4)."""

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops_canary.domain.errors import UserError
from gitops_canary.domain.tags import candidates, is_newer, newest, parse_policy

PLACE = "HelmRelease test/frontend (releases/frontend.yaml:1)"
T0 = datetime(2026, 1, 1, tzinfo=UTC)

MATCHES = [
    ("*", "1 foo 3.1.1", "latest LATEST Latest"),
    ("glob:*", "1 foo", "latest"),
    ("latest", "latest", "foo"),
    ("glob:latest", "latest", "LATESTX"),
    ("master-*", "master- master-foo", "foo-master Master-foo"),
    ("master-v1.*.*", "master-v1.2.3", "master-v1.2 master-v1x2.3"),
    ("a?c", "a?c", "abc"),
    ("[ab]", "[ab]", "a"),
    ("semver:*", "1 1.0 v1.0.3", "latest 2.0.1-alpha.1 1.2.3.4"),
    ("semver:~1", "v1 1 1.2 1.2.3", "2.0.0 latest"),
    ("semver:~3.1", "3.1 3.1.0 v3.1.5 3.1.5+b 3.01.5", "3 3.2.0 3.1.0-alpha 3.1.5-debian-9-r3 latest"),
    ("semver:~3.1-0", "3.1.5-rc.1 3.1.0-alpha 3.1.5-debian-9-r3 3.1.5", "3.2.0-rc.1 3"),
    ("semver:2.0.1-alpha.1", "2.0.1-alpha.1", "2.0.1"),
    ("semver:>=1.0.0 <2.0.0 || >=3.0.0", "1.0.0 1.2.3 3.1.5", "2.0.1 0.3.0"),
    ("semver:>=1.0.0-rc.0, <1.0.1", "1.0.0-rc.1 1.0.0", "1.0.1"),
    ("semver:^0.2", "0.2.0 0.2.9", "0.3.0"),
    ("semver:>3.1", "3.2.0", "3.1.5"),
    ("semver:<=3.1", "3.1.5 3.0.0", "3.2.0"),
    ("regexp:^([a-zA-Z]+)$", "foo fooBAR", "1 foo-1"),
    (r"regex:^\w{7}(?:\w)?$", "af14eb2 946427ff", "foo 946427ff-foo"),
    ("regexp:rc", "3.1-rc1", "3.1"),
    ("glob:*", "a", "sha256-abc.sig sha256-abc.att sha256-abc.sbom"),
]


@pytest.mark.parametrize(("filter_text", "allowed", "refused"), MATCHES, ids=[f"{text}-{n}" for n, (text, _, _) in enumerate(MATCHES)])
def test_a_filter_allows_what_flux_allowed(filter_text: str, allowed: str, refused: str) -> None:
    policy = parse_policy(filter_text, PLACE)
    assert [tag for tag in allowed.split() if not policy.allows(tag)] == []
    assert [tag for tag in refused.split() if policy.allows(tag)] == []


BAD = [
    "semver:invalid",
    "semver:",
    "semver:>=",
    "semver:~3.x.y",
    "semver:1.2.3,",
    "semver:||",
    "semver:>1 2 banana",
    "semver:" + "1" * 500,
    "semver:99999999999999999999.0.0",
    "regexp:(",
    "regex:[",
    "regexp:(?=x)",
    "regexp:" + "(" * 3000,
    "regexp:" + "a{1000}" * 100,
    "numeric:asc",
]


@pytest.mark.parametrize("text", BAD, ids=[text[:24] for text in BAD])
def test_a_filter_that_cannot_be_read_is_refused_with_object_and_place(text: str) -> None:
    with pytest.raises(UserError, match=r"^cannot use filter .*frontend\.yaml:1"):
        parse_policy(text, PLACE)


def test_B20_brackets_in_a_glob_are_letters() -> None:
    assert parse_policy("glob:[", PLACE).allows("[")


@pytest.mark.parametrize("pattern", ["regexp:(a+)+$", "glob:" + "*a" * 100, "regexp:(a|aa)+b", "regexp:(.*)*(.*)*x$"])
def test_B18_no_filter_takes_long_on_any_tag(pattern: str) -> None:
    policy = parse_policy(pattern, PLACE)
    started = time.process_time()
    for _ in range(20):
        policy.allows("a" * 127 + "!")
    assert time.process_time() - started < 1


ODD = ["v3.1.1", "3.1", "03.1.1", "3.1.1-rc.1", "3.1.1+build", "3.1.1_1", "99999999999999999999.0.0", "", "３.1.1", "3.1.1\n", "x" * 500]


def test_B1_to_B17_odd_tags_neither_stop_a_scan_nor_win_it() -> None:
    tags = [*ODD, "3.1.2", "3.1.2"]
    assert newest(tags, parse_policy("semver:~3.1", PLACE)) == "3.1.2"
    assert newest(tags, parse_policy("semver:*", PLACE)) == "3.1.2"


def test_B9_a_hundred_thousand_tags_are_ranked_quickly() -> None:
    tags = [f"{n % 7}.{n % 1000}.{n}" for n in range(100_000)]
    started = time.process_time()
    assert newest(tags, parse_policy("semver:~3.1", PLACE)) is not None
    assert time.process_time() - started < 5


ORDERED = [
    "20200101 3.10.0 3.9.0 v3.1.0 3.1.0 3.1 3.1.0-rc.1",
    "3 1.10.0 1.10 1.2.30 v1",
]


@pytest.mark.parametrize("order", ORDERED)
def test_versions_are_ordered_as_flux_orders_them(order: str) -> None:
    tags = order.split()
    policy = parse_policy("semver:*-0", PLACE)
    while tags:
        assert newest(reversed(tags), policy) == tags[0]
        tags.pop(0)


def test_by_date_the_youngest_wins_and_of_equal_dates_the_lowest_name() -> None:
    policy = parse_policy("glob:*", PLACE)
    dates = {"b": T0, "a": T0, "old": T0 - timedelta(days=1)}
    assert newest(dates, policy, dates) == "a"
    assert is_newer("a", "old", policy, dates)
    assert not is_newer("old", "a", policy, dates)
    assert not is_newer("b", "a", policy, dates)


def test_F17_a_tag_without_a_date_decides_nothing() -> None:
    policy = parse_policy("glob:*", PLACE)
    assert newest(["a", "b"], policy, {"a": T0, "b": None}) is None
    assert newest(["a", "b"], policy, {"a": T0}) is None
    assert not is_newer("b", "a", policy, {"a": T0})


V2 = [
    pytest.param("~1.0", "1.0.0 1.0.0.1 1.0.0p 1.0.1 1.2.0 0.1.0", "1.0.1", id="1.0.x"),
    pytest.param("1.0.x", "v1.2.3 v1.0.0 v0.1.0", "v1.0.0", id="with v"),
    pytest.param("1.0.x", "b1.2.3", None, id="none"),
    pytest.param("1.0.x", "", None, id="empty"),
    pytest.param("*", "0.1 0.5.1 0.9 1.0 1.0.1 1.1.2 2.0.3", "2.0.3", id="no constraint"),
    pytest.param("^1.0", "0.1 0.5.1 0.9 1.0 1.0.1 1.1.2 2.0.3", "1.1.2", id="caret"),
    pytest.param("~1.0", "0.1 0.5.1 0.9 1.0 1.0.1 1.1.2 2.0.3", "1.0.1", id="tilde"),
    pytest.param("*", "v2.2.0 v2.3.0-rc.0.18.g1abb7b5dd-ppc64le", "v2.2.0", id="pre-release"),
]


@pytest.mark.parametrize(("constraint", "tags", "expected"), V2)
def test_the_newest_allowed_tag_is_found(constraint: str, tags: str, expected: str | None) -> None:
    assert newest(tags.split(), parse_policy(f"semver:{constraint}", PLACE)) == expected


VERSIONS = st.builds(
    lambda v, numbers, pre: v + ".".join(map(str, numbers)) + pre,
    st.sampled_from(["", "v"]),
    st.lists(st.integers(0, 12), min_size=1, max_size=3),
    st.sampled_from(["", "-rc.1", "-0", "-debian-9-r3"]),
)
FILTERS = st.sampled_from(["semver:*", "semver:~3.1", "semver:^2 || >=5", "semver:>=1.0.0-0", "semver:*-0"])
ANY_TAGS = st.lists(st.one_of(VERSIONS, st.text(max_size=10)), max_size=20)


@given(ANY_TAGS, FILTERS, st.randoms(use_true_random=False))
def test_law_the_newest_is_allowed_unbeaten_and_independent_of_the_list_order(tags: list[str], text: str, chance: object) -> None:
    policy = parse_policy(text, PLACE)
    best = newest(tags, policy)
    allowed = candidates(tags, policy)
    assert (best is None) == (not allowed)
    assert best is None or best in allowed
    assert not [tag for tag in allowed if best and is_newer(tag, best, policy)]
    chance.shuffle(tags)  # type: ignore[attr-defined]
    assert newest(tags, policy) == best


@given(VERSIONS, VERSIONS, VERSIONS, FILTERS)
def test_law_newer_is_a_strict_order(one: str, two: str, three: str, text: str) -> None:
    policy = parse_policy(text, PLACE)
    assert not is_newer(one, one, policy)
    assert not (is_newer(one, two, policy) and is_newer(two, one, policy))
    if is_newer(one, two, policy) and is_newer(two, three, policy):
        assert is_newer(one, three, policy)
