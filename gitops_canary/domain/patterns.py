"""Globs and regular expressions for tags, in linear time whatever the pattern (RE2, as in Flux); no policies here."""

import re
from dataclasses import dataclass
from typing import Any

import re2

from gitops_canary.domain.errors import UserError

MAX_PATTERN = 256
MAX_TAG = 128
_MEMORY = 1 << 20
"""Bytes one compiled pattern may take."""


@dataclass(frozen=True)
class Pattern:
    """A compiled pattern; `whole` = it must match the whole tag."""

    compiled: Any
    whole: bool

    def matches(self, tag: str) -> bool:
        if len(tag) > MAX_TAG:
            return False
        return bool(self.compiled.fullmatch(tag) if self.whole else self.compiled.search(tag))


def glob_pattern(text: str) -> Pattern:
    """Only `*` is special, as in Flux v1; `?` and `[` mean themselves."""
    return Pattern(_compile(".*".join(re.escape(part) for part in re.split(r"\*+", text))), whole=True)


def regexp_pattern(text: str) -> Pattern:
    """Unanchored, in RE2's syntax: no back-references and no look-arounds."""
    return Pattern(_compile(text), whole=False)


def _compile(text: str) -> Any:
    if len(text) > MAX_PATTERN * 4:
        raise UserError(f"the pattern is longer than {MAX_PATTERN} letters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    try:
        return re2.compile(text, options)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise UserError(f"it is not a regular expression: {reason}") from error
