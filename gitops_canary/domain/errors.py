"""Errors grouped by who must act; expected outcomes are values and do not live here."""


class GitopsCanaryError(Exception):
    """The common base: `str(error)` is a sentence that starts with "cannot …" and names object and place, never a secret."""


class UserError(GitopsCanaryError):
    """The person must change something (a manifest, a setting, a right); trying again alone does not help."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(f"{message}; {hint}" if hint else message)
        self.message = message
        self.hint = hint


class Unavailable(GitopsCanaryError):
    """Something outside does not answer as it should; trying again later may help (`retry_after` in seconds when it said so)."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Conflict(GitopsCanaryError):
    """Somebody else changed the thing since it was read: observe again and decide anew."""


class NotLeader(GitopsCanaryError):
    """The lease is not ours (any more), or its last renewal is too long ago: no effect may start."""
