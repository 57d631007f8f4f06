"""What an API server's refusal means for us: the server's sentence and who must act; sends nothing."""

from typing import Any

import orjson

from gitops_canary.adapters.retry_after import asked_pause
from gitops_canary.domain.errors import Conflict, GitopsCanaryError, Unavailable, UserError

QUOTED = 600
"""Characters of the server's sentence in an error: validation messages repeat the object they complain about."""


def refusal(doing: str, status: int, body: bytes, retry_after: str | None = None) -> GitopsCanaryError:
    """The error for an answer from 400 on; `doing` completes "cannot …".

    409, a precondition's 412 and a 404 of an object being written are Conflict; 401, 408, 429 and 5xx are Unavailable, and so is a
    namespace that is being deleted; the rest (403, 422 …) is UserError.
    """
    answer = _status(body)
    sentence = f"cannot {doing}: {_sentence(answer, body)} ({status})"
    if status in (404, 409, 410, 412):
        return Conflict(sentence)
    if status == 500 and "failed to create typed patch object" in sentence:
        # A field that the kind does not have: server-side apply answers 500 where a create answers 400.
        return UserError(sentence)
    if status in (401, 408, 429) or status >= 500 or _has_cause(answer, "NamespaceTerminating"):
        return Unavailable(sentence, retry_after=_seconds(retry_after, answer))
    return UserError(sentence)


def _status(body: bytes) -> dict[str, Any]:
    try:
        answer = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _sentence(answer: dict[str, Any], body: bytes) -> str:
    said = str(answer.get("message") or body.decode(errors="replace").strip() or "no reason given")
    return said if len(said) <= QUOTED else said[:QUOTED] + "…"


def _has_cause(answer: dict[str, Any], reason: str) -> bool:
    causes = (answer.get("details") or {}).get("causes") or []
    return any(cause.get("reason") == reason for cause in causes)


def _seconds(header: str | None, answer: dict[str, Any]) -> float | None:
    """The header's, or else what the Status object says; None when neither asks for a pause."""
    said = (answer.get("details") or {}).get("retryAfterSeconds")
    return asked_pause(header or str(said or "")) or None
