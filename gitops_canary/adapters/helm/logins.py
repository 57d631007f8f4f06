"""User and password of a chart's source, from the Secret that its HelmRelease names."""

import base64
import json
from typing import Any, Protocol
from urllib.parse import urlsplit

from gitops_canary.adapters.helm.downloads import Login
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.resources import Doc, Ref


class Reader(Protocol):
    """The part of ports.Cluster that is needed."""

    def live(self, ref: Ref) -> Doc | None: ...


class SecretLogins:
    """`username` and `password`, or a docker config (`.dockerconfigjson`) with the host in it."""

    def __init__(self, cluster: Reader) -> None:
        self._cluster = cluster

    def of(self, namespace: str, name: str, url: str) -> Login | None:
        """None without a name; UserError when the Secret is missing or says nothing about the URL's host."""
        if not name:
            return None
        ref = Ref("v1", "Secret", namespace, name)
        secret = self._cluster.live(ref)
        if secret is None:
            raise UserError(f"cannot fetch a chart from {urlsplit(url).hostname}: there is no {ref}")
        data = {key: base64.b64decode(value).decode("utf-8", "replace") for key, value in (secret.get("data") or {}).items()}
        if "username" in data and "password" in data:
            return Login(data["username"], data["password"])
        found = _in_docker_config(data.get(".dockerconfigjson", ""), urlsplit(url).netloc.rpartition("@")[2])
        if found is None:
            raise UserError(
                f"cannot use {ref} for {urlsplit(url).hostname}: it has neither username and password nor a login for that host"
            )
        return found


def _in_docker_config(text: str, host: str) -> Login | None:
    try:
        auths: Any = json.loads(text or "{}")["auths"]
        entry = next(value for key, value in auths.items() if key.removeprefix("https://").split("/")[0] == host)
        user, _, password = base64.b64decode(entry.get("auth", "")).decode().partition(":")
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration):
        return None
    return Login(str(entry.get("username") or user), str(entry.get("password") or password))
