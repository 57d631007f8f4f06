"""How an image behaves, as its label says: `good`, `errors=0.4`, `slow=2s`, `crash`, `unready`, or several with commas; pure."""

import re
from dataclasses import dataclass

from gitops_canary.domain.errors import UserError

UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}


@dataclass(frozen=True)
class Behaviour:
    """`errors`: the part of requests answered 500; `delay` seconds before an answer; `crash`: seconds after the start, None = never."""

    errors: float = 0.0
    delay: float = 0.0
    crash: float | None = None
    ready: bool = True

    def fails(self, number: int) -> bool:
        """Whether the n-th request (from 1) is one of the failing ones: spread evenly, so any few requests show the rate."""
        return int(number * self.errors + 1e-9) > int((number - 1) * self.errors + 1e-9)


def read_behaviour(text: str) -> Behaviour:
    """The label's meaning; an empty label is `good`. UserError names a word that is none."""
    values: dict[str, float | bool | None] = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        name, _, value = word.partition("=")
        match name:
            case "good":
                pass
            case "errors" if re.fullmatch(r"0?\.\d+|0|1|1\.0*|0\.", value):
                values["errors"] = float(value)
            case "slow" if (delay := _seconds(value)) is not None:
                values["delay"] = delay
            case "crash" if not value or _seconds(value) is not None:
                values["crash"] = _seconds(value) or 0.0
            case "unready" if not value:
                values["ready"] = False
            case _:
                hint = "use good, errors=0.4, slow=2s, crash, crash=5s, unready"
                raise UserError(f"cannot run an image whose behaviour is {word!r}", hint=hint)
    return Behaviour(**values)  # type: ignore[arg-type]


def _seconds(text: str) -> float | None:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m)", text)
    return float(match[1]) * UNITS[match[2]] if match else None
