"""Whether one word is another one misspelt; what words are known is the callers'."""

from collections.abc import Iterable


def meant(word: str, known: Iterable[str]) -> str:
    """The known word that this one is a slip away from, "" when it is known itself or like none of them."""
    words = tuple(known)
    return "" if word in words else next((one for one in words if nearly(word, one)), "")


def nearly(one: str, other: str) -> bool:
    """One letter too many, too few or wrong, or two neighbours swapped; short words are never alike."""
    if one == other or min(len(one), len(other)) < 4 or abs(len(one) - len(other)) > 1:
        return False
    while one and other and one[0] == other[0]:
        one, other = one[1:], other[1:]
    while one and other and one[-1] == other[-1]:
        one, other = one[:-1], other[:-1]
    return max(len(one), len(other)) == 1 or (len(one) == 2 and one == other[::-1])
