"""The notice itself as JSON, and the signature that proves who sent it."""

import hashlib
import hmac
from typing import Any

from gitops_canary.notifiers.targets import Target
from gitops_canary.ports import Notice

HEADER = "X-Signature"


def payload(notice: Notice, target: Target) -> dict[str, Any]:
    """`id` is the same when a notice is sent again: a receiver can tell."""
    return {
        "id": notice.id,
        "sender": target.username,
        "severity": notice.severity,
        "title": notice.title,
        "text": notice.text,
        "fields": dict(notice.fields),
        "link": notice.link,
    }


def signature(body: bytes, key: str) -> str:
    """`sha256=<hex>`, the HMAC of the body, as Flux's generic-hmac provider signs; our own /hook/generic takes it."""
    return f"sha256={hmac.new(key.encode(), body, hashlib.sha256).hexdigest()}"
