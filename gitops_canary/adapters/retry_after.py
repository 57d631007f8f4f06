"""What a `Retry-After` header asks for, read the same way for every server we ask; whether to wait is the caller's."""

LONGEST = 3600.0
"""Seconds: nobody is left alone for longer, whatever a wrong or hostile server asks for."""


def asked_pause(header: str | None) -> float | None:
    """Seconds, at most `LONGEST`; None when there is none, or a date (no server that we ask sends one)."""
    text = (header or "").strip()
    return min(float(text), LONGEST) if text.isascii() and text.isdigit() else None
