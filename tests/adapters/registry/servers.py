"""Registries for the contract tests: the sandbox's and Debian's `docker-registry` (CNCF distribution), in the four ways they are run."""

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gitops_canary.sandbox.certificates import server_files
from gitops_canary.sandbox.registryd import real
from gitops_canary.sandbox.registryd.access import Access, Basic, Tokens
from gitops_canary.sandbox.registryd.images import Target
from gitops_canary.sandbox.registryd.real import RealRegistry
from gitops_canary.sandbox.registryd.server import RegistryServer

WAYS = ("none", "basic", "token", "tls")
USERS = {"ann": "secret"}
HTPASSWD = "ann:$2b$04$tN5QcHPrHZJOF6o/HvjosOJrhVnPG6aXZJH7tfKzUegpbY9Tgce6a\n"
REQUIRED = "GITOPS_CANARY_REQUIRE_REAL"
REAL = real.program()


@dataclass(frozen=True)
class Running:
    """A registry under test: `host` as image names carry it, `target` to push with, `docker_config` and `ca` for the adapter."""

    host: str
    target: Target
    docker_config: str
    ca: str

    @property
    def insecure(self) -> tuple[str, ...]:
        return () if self.ca else (self.host,)


def kinds() -> list[str]:
    """The kinds to test; the real one is left out where it is not installed, unless it must be there."""
    return ["sandbox", "distribution"] if REAL or os.environ.get(REQUIRED) == "1" else ["sandbox"]


@contextmanager
def running(kind: str, way: str, folder: Path) -> Iterator[Running]:
    with ExitStack() as stack:
        files = server_files(folder) if way == "tls" else None
        if kind == "sandbox":
            ways: dict[str, Access] = {"basic": Basic(USERS), "token": Tokens(USERS)}
            access = ways.get(way)
            server = stack.enter_context(RegistryServer(access=access, tls=files.context() if files else None))
            url = server.url
        else:
            url = stack.enter_context(_distribution(way, folder))
        ca = str(files.ca) if files else ""
        known = way in ("basic", "token")
        config = _docker_config(folder, url.partition("://")[2]) if known else ""
        target = Target(url, ca, *(("ann", "secret") if known else ()))
        yield Running(url.partition("://")[2], target, config, ca)


def _docker_config(folder: Path, host: str) -> str:
    path = folder / "config.json"
    path.write_text(json.dumps({"auths": {host: {"username": "ann", "password": "secret"}}}))
    return str(path)


@contextmanager
def _distribution(way: str, folder: Path) -> Iterator[str]:
    with ExitStack() as stack:
        server = stack.enter_context(RealRegistry(folder / "distribution", _settings(way, folder, stack)))
        yield server.url


def _settings(way: str, folder: Path, stack: ExitStack) -> dict[str, Any]:
    if way == "tls":
        return {"http": {"tls": {"certificate": str(folder / "server.crt"), "key": str(folder / "server.key")}}}
    if way == "basic":
        (folder / "htpasswd").write_text(HTPASSWD)
        return {"auth": {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}}
    if way == "token":
        tokens = Tokens(USERS)
        service = stack.enter_context(RegistryServer(access=tokens))
        (folder / "roots.pem").write_bytes(tokens.certificate)
        known = {"service": tokens.service, "issuer": tokens.issuer, "rootcertbundle": str(folder / "roots.pem")}
        return {"auth": {"token": {"realm": f"{service.url}/token", **known}}}
    return {}
