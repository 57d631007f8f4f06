"""Version ranges in the grammar and dialect of Masterminds/semver from 3.4 on, over `semver.Version`; no tags and no policies.

Operators = != > < >= => <= =< ~ ~> ^, AND by comma or blank, OR by ||, hyphen ranges with blanks, wildcards x X *, a leading v. A version
with a pre-release fits an AND group only when one of the group's own terms names a pre-release (before 3.4 each term had to).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from semver import Version

from gitops_canary.domain.errors import UserError

MAX_LENGTH = 256
_LOOSE = re.compile(
    r"v?(?P<major>[0-9]+)(?:\.(?P<minor>[0-9]+))?(?:\.(?P<patch>[0-9]+))?"
    r"(?:-(?P<pre>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?(?:\+(?P<build>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?",
    re.ASCII,
)
_NUMBER = r"[0-9]+|[xX*]"
_DOTTED = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
_VERSION = rf"v?(?:{_NUMBER})(?:\.(?:{_NUMBER}))?(?:\.(?:{_NUMBER}))?(?:-{_DOTTED})?(?:\+{_DOTTED})?"
_OPERATOR = r"=>|>=|=<|<=|!=|~>|=|>|<|~|\^"
_TERM = re.compile(rf"\s*(?P<op>{_OPERATOR})?\s*(?P<version>{_VERSION})\s*", re.ASCII)
_HYPHEN = re.compile(rf"\s*({_VERSION})\s+-\s+({_VERSION})\s*", re.ASCII)
_PARTS = re.compile(
    rf"v?(?P<major>{_NUMBER})(?:\.(?P<minor>{_NUMBER}))?(?:\.(?P<patch>{_NUMBER}))?(?:-(?P<pre>{_DOTTED}))?(?:\+{_DOTTED})?", re.ASCII
)
_UINT64 = 2**64


def loose_version(text: str) -> Version | None:
    """A tag as a version: `v` allowed, missing parts are 0, leading zeros accepted; None when it is none."""
    found = _LOOSE.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if not found:
        return None
    numbers = [int(found[name] or 0) for name in ("major", "minor", "patch")]
    pre = found["pre"]
    if any(number >= _UINT64 for number in numbers) or (pre and any(_padded(part) for part in pre.split("."))):
        return None
    return Version(numbers[0], numbers[1], numbers[2], prerelease=pre, build=found["build"])


def _padded(part: str) -> bool:
    """semver forbids numbers with leading zeros in a pre-release."""
    return part.isdigit() and len(part) > 1 and part[0] == "0"


@dataclass(frozen=True)
class _Term:
    operator: str
    low: Version
    dirty: str
    """The first part that is missing or a wildcard: major, minor, patch or ""."""

    @property
    def names_prerelease(self) -> bool:
        return bool(self.low.prerelease)

    def fits(self, version: Version) -> bool:
        return _CHECKS[self.operator](version, self)


@dataclass(frozen=True)
class Range:
    """A parsed constraint; `fits` tells whether a version is in it."""

    text: str
    groups: tuple[tuple[_Term, ...], ...]

    def fits(self, version: Version) -> bool:
        return any(_group_fits(group, version) for group in self.groups)


def parse_range(text: str) -> Range:
    """UserError names the constraint when it is not one."""
    if len(text) > MAX_LENGTH:
        raise UserError(f"cannot read version range {text[:40]!r}…: it is longer than {MAX_LENGTH} letters")
    return Range(text, tuple(_group(part, text) for part in text.split("||")))


def _group(part: str, whole: str) -> tuple[_Term, ...]:
    part = _HYPHEN.sub(r" >=\1 <=\2 ", part)
    terms: list[_Term] = []
    at = 0
    while at < len(part):
        found = _TERM.match(part, at)
        if not found or found.end() == at:
            raise UserError(f"cannot read version range {whole!r}: {part[at:].strip() or 'nothing'!r} is no comparison", hint="e.g. ~3.1")
        terms.append(_term(found["op"] or "", found["version"]))
        at = _past_comma(part, found.end(), whole)
    if not terms:
        raise UserError(f"cannot read version range {whole!r}: a part of it is empty", hint="e.g. ~3.1")
    return tuple(terms)


def _past_comma(part: str, at: int, whole: str) -> int:
    if part[at : at + 1] != ",":
        return at
    if not part[at + 1 :].strip():
        raise UserError(f"cannot read version range {whole!r}: it ends with a comma", hint="e.g. >=3.1, <4")
    return at + 1


def _term(operator: str, text: str) -> _Term:
    found = _PARTS.fullmatch(text)
    assert found
    dirty, numbers = "", []
    for name in ("major", "minor", "patch"):
        if not dirty and (found[name] is None or found[name] in "xX*"):
            dirty = name
        numbers.append(0 if dirty else int(found[name]))
    if max(numbers) >= _UINT64:
        raise UserError(f"cannot read version range: {text[:40]!r} has a number that is too large")
    names = {"": "=" if not dirty else "~", "=": "=" if not dirty else "~", "=>": ">=", "=<": "<=", "~>": "~"}
    low = Version(numbers[0], numbers[1], numbers[2], prerelease=found["pre"])
    return _Term(names.get(operator, operator), low, dirty)


def _group_fits(group: tuple[_Term, ...], version: Version) -> bool:
    if version.prerelease and not any(term.names_prerelease for term in group):
        return False
    return all(term.fits(version) for term in group)


def _compare(one: Version, other: Version) -> int:
    return int(one.compare(other))


def _equal(version: Version, term: _Term) -> bool:
    return _compare(version, term.low) == 0


def _different(version: Version, term: _Term) -> bool:
    if term.dirty == "minor":
        return version.major != term.low.major
    if term.dirty == "patch":
        head = (version.major, version.minor) != (term.low.major, term.low.minor)
        return head or (version.prerelease or "") != (term.low.prerelease or "")
    return _compare(version, term.low) != 0


def _greater(version: Version, term: _Term) -> bool:
    """`>3.1` skips all of 3.1.x."""
    if not term.dirty or (version.major == term.low.major and term.dirty == "major"):
        return _compare(version, term.low) > 0
    if version.major != term.low.major or term.dirty == "minor":
        return bool(version.major > term.low.major)
    return bool(version.minor > term.low.minor)


def _at_least(version: Version, term: _Term) -> bool:
    return _compare(version, term.low) >= 0


def _less(version: Version, term: _Term) -> bool:
    return _compare(version, term.low) < 0


def _at_most(version: Version, term: _Term) -> bool:
    """`<=3.1` includes all of 3.1.x; `<=x` means 0.0.x there, odd as it is."""
    if not term.dirty:
        return _compare(version, term.low) <= 0
    if version.major != term.low.major:
        return bool(version.major < term.low.major)
    return term.dirty == "minor" or bool(version.minor <= term.low.minor)


def _tilde(version: Version, term: _Term) -> bool:
    """Masterminds reads ~0.0.0 (and a wildcard alone) as every version from there on."""
    low = term.low
    if _compare(version, low) < 0:
        return False
    if (low.major, low.minor, low.patch) == (0, 0, 0) and term.dirty in ("", "major"):
        return True
    return bool(version.major == low.major and (version.minor == low.minor or term.dirty == "minor"))


def _caret(version: Version, term: _Term) -> bool:
    """The left-most number that is not zero stays."""
    low = term.low
    if _compare(version, low) < 0:
        return False
    if low.major > 0 or term.dirty == "minor":
        return bool(version.major == low.major)
    if version.major > 0:
        return False
    if low.minor > 0 or term.dirty == "patch":
        return bool(version.minor == low.minor)
    return bool(version.minor == 0 and version.patch == low.patch)


_CHECKS: dict[str, Callable[[Version, _Term], bool]] = {
    "=": _equal, "!=": _different, ">": _greater, ">=": _at_least, "<": _less, "<=": _at_most, "~": _tilde, "^": _caret,
}  # fmt: skip
