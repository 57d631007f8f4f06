"""Registry logins: Docker's config file and the cluster's pull Secrets; no network."""

import base64
import binascii
import fnmatch
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import orjson

from gitops_canary.adapters.registry.addresses import HUB, HUB_NAMES, Place
from gitops_canary.domain.errors import UserError
from gitops_canary.domain.images import ImageRef

LIMIT = 1024 * 1024
"""Bytes of a config document; a Secret holds no more."""


@dataclass(frozen=True)
class Login:
    """User and password, or an identity (refresh) token that the token service takes in their place."""

    user: str = ""
    password: str = field(default="", repr=False)
    identity_token: str = field(default="", repr=False)

    @property
    def basic(self) -> str:
        return f"Basic {base64.b64encode(f'{self.user}:{self.password}'.encode()).decode()}"


class PullSecrets(Protocol):
    def of(self, image: ImageRef) -> Sequence[tuple[str, Mapping[str, bytes]]]:
        """The pull Secrets of the workloads that use this image: name for messages (`Secret test/registry`) and decoded data."""
        ...

    def forget(self) -> bool:
        """A registry has refused: read anew what was remembered from earlier; False when there was nothing of the kind."""
        ...


class NoPullSecrets:
    """No cluster to ask."""

    def of(self, image: ImageRef) -> Sequence[tuple[str, Mapping[str, bytes]]]:
        return ()

    def forget(self) -> bool:
        return False


def login_from(sources: Sequence[tuple[str, Mapping[str, Any]]], place: Place) -> Login | None:
    """The first source that knows the place wins, as a kubelet tries them; in one source the longest matching key."""
    for where, document in sources:
        found = _login_in(where, document, place)
        if found is not None:
            return found
    return None


def read_config(path: str) -> tuple[str, Mapping[str, Any]]:
    """Docker's config.json, for `login_from`."""
    try:
        return path, _parse(Path(path).read_bytes(), path)
    except OSError as error:
        raise UserError(f"cannot read docker config {path}: {error.strerror}") from error


def secret_config(where: str, data: Mapping[str, bytes]) -> tuple[str, Mapping[str, Any]] | None:
    """A pull Secret of either type (kubernetes.io/dockerconfigjson, …/dockercfg); None when it is another kind of Secret."""
    if ".dockerconfigjson" in data:
        return where, _parse(data[".dockerconfigjson"], where)
    if ".dockercfg" in data:
        return where, {"auths": _parse(data[".dockercfg"], where)}
    return None


def _login_in(where: str, document: Mapping[str, Any], place: Place) -> Login | None:
    auths = document.get("auths")
    known = {_bare(str(key)): value for key, value in auths.items()} if isinstance(auths, Mapping) else {}
    fitting = [key for key in known if _fits(key, place)]
    entry = known[max(fitting, key=len)] if fitting else None
    login = _login_of(where, entry) if isinstance(entry, Mapping) else None
    if login is None:
        _refuse_helpers(where, document, place)
    return login


def _login_of(where: str, entry: Mapping[str, Any]) -> Login | None:
    if entry.get("identitytoken"):
        return Login(str(entry.get("username", "")), identity_token=str(entry["identitytoken"]))
    if entry.get("username"):
        return Login(str(entry["username"]), str(entry.get("password", "")))
    if not entry.get("auth"):
        return None
    try:
        user, colon, password = base64.b64decode(str(entry["auth"]), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise UserError(f"cannot read registry login in {where}: its auth is not base64 of user:password") from error
    if not colon:
        raise UserError(f"cannot read registry login in {where}: its auth is not base64 of user:password")
    return Login(user, password.rstrip("\0"))


def _refuse_helpers(where: str, document: Mapping[str, Any], place: Place) -> None:
    """Programs that hand out logins are not started: the operator runs no other program's code."""
    helpers = document.get("credHelpers")
    named = helpers.get(place.host) if isinstance(helpers, Mapping) else None
    helper = named or document.get("credsStore")
    if helper:
        raise UserError(
            f"cannot use {where} for {place.host}: it names the credential helper docker-credential-{helper}, and helpers are not run",
            hint="write the login itself into it (docker login without a credsStore), or use an imagePullSecret",
        )


def _bare(key: str) -> str:
    """`https://index.docker.io/v1/` and `docker.io` are one key."""
    bare = key.partition("://")[2] or key
    host, _, path = bare.rstrip("/").partition("/")
    path = "" if path in ("v1", "v2") else path
    return f"{HUB if host in HUB_NAMES else host}/{path}".rstrip("/")


def _fits(key: str, place: Place) -> bool:
    """A key is a host, with `*` for one of its labels as a kubelet allows, and perhaps a path that the repository begins with."""
    host, _, path = key.partition("/")
    same = host == place.host or (host.count(".") == place.host.count(".") and "*" in host and fnmatch.fnmatchcase(place.host, host))
    return same and (not path or f"{place.repository}/".startswith(f"{path}/"))


def _parse(raw: bytes, where: str) -> Mapping[str, Any]:
    if len(raw) > LIMIT:
        raise UserError(f"cannot read registry logins in {where}: it is larger than 1 MiB")
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise UserError(f"cannot read registry logins in {where}: it is not JSON") from error
    if not isinstance(document, dict):
        raise UserError(f"cannot read registry logins in {where}: it is not a JSON object")
    return document
