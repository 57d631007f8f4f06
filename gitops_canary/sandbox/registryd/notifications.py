"""Webhooks of the registry: the distribution project's event envelope, or Docker Hub's payload; sent in the background with retries."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import aiohttp

from gitops_canary.sandbox.registryd.store import Manifest

ENVELOPE = "application/vnd.docker.distribution.events.v1+json"
ATTEMPTS = 8
PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
"""Seconds between the attempts; a receiver's Retry-After goes before them, up to the last."""
TIMEOUT = 5.0


@dataclass(frozen=True)
class Webhook:
    """Where pushes are told: `headers` carry the receiver's secret (distribution sends them as configured)."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    style: Literal["distribution", "dockerhub"] = "distribution"


@dataclass(frozen=True)
class Push:
    """A manifest that was pushed; `tag` is "" when it was pushed by digest."""

    base_url: str
    repository: str
    tag: str
    manifest: Manifest
    agent: str = ""


def envelope(push: Push) -> dict[str, object]:
    """The body that distribution's notification endpoint posts."""
    host = push.base_url.partition("://")[2]
    target = {
        "mediaType": push.manifest.media_type,
        "size": len(push.manifest.body),
        "digest": push.manifest.digest,
        "length": len(push.manifest.body),
        "repository": push.repository,
        "url": f"{push.base_url}/v2/{push.repository}/manifests/{push.manifest.digest}",
    } | ({"tag": push.tag} if push.tag else {})
    event = {
        "id": secrets.token_hex(16),
        "timestamp": datetime.now(UTC).isoformat(),
        "action": "push",
        "target": target,
        "request": {"id": secrets.token_hex(8), "addr": "127.0.0.1", "host": host, "method": "PUT", "useragent": push.agent},
        "actor": {},
        "source": {"addr": host, "instanceID": "gitops-canary-sandbox"},
    }
    return {"events": [event]}


def hub_payload(push: Push) -> dict[str, object]:
    """What Docker Hub posts when a tag was pushed."""
    namespace, _, name = push.repository.rpartition("/")
    return {
        "callback_url": "",
        "push_data": {"pushed_at": int(datetime.now(UTC).timestamp()), "pusher": "sandbox", "tag": push.tag, "images": []},
        "repository": {
            "name": name,
            "namespace": namespace or "library",
            "repo_name": push.repository if namespace else f"library/{name}",
            "repo_url": f"https://hub.docker.com/r/{push.repository}",
            "status": "Active",
        },
    }


async def deliver(session: aiohttp.ClientSession, hooks: Sequence[Webhook], push: Push) -> None:
    """Post to every receiver; one that stays away is given up after ATTEMPTS."""
    await asyncio.gather(*(_deliver(session, hook, push) for hook in hooks))


async def _deliver(session: aiohttp.ClientSession, hook: Webhook, push: Push) -> None:
    hub = hook.style == "dockerhub"
    body = hub_payload(push) if hub else envelope(push)
    headers = {"Content-Type": "application/json" if hub else ENVELOPE, **hook.headers}
    for attempt in range(ATTEMPTS):
        pause = await _post(session, hook.url, body, headers, PAUSES[min(attempt, len(PAUSES) - 1)])
        if pause is None:
            return
        await asyncio.sleep(pause)


async def _post(
    session: aiohttp.ClientSession, url: str, body: Mapping[str, object], headers: Mapping[str, str], pause: float
) -> float | None:
    """None when it is done (2xx, or a 4xx that another try would not mend), else seconds until the next try."""
    try:
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        async with session.post(url, json=body, headers=headers, timeout=timeout, allow_redirects=False) as answer:
            if answer.status < 500 and answer.status != 429:
                return None
            asked = answer.headers.get("Retry-After", "")
            return min(float(asked), PAUSES[-1]) if asked.isdigit() else pause
    except (aiohttp.ClientError, TimeoutError):
        return pause
