"""The world's Git host and image registry: which of them is real and which is the sandbox's own; the servers live elsewhere."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, Protocol

from gitops_canary.sandbox.gitd import openssh
from gitops_canary.sandbox.gitd.bare import BareRepository
from gitops_canary.sandbox.gitd.server import GitServer
from gitops_canary.sandbox.gitd.sessions import Push
from gitops_canary.sandbox.registryd import real
from gitops_canary.sandbox.registryd.notifications import Webhook
from gitops_canary.sandbox.registryd.server import RegistryServer


class ImageHost(Protocol):
    """`url` is known after `start`; `kind` is `distribution` or `sandbox`."""

    kind: str

    @property
    def url(self) -> str: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def notify(self, webhook: Webhook) -> None: ...


class GitHost(Protocol):
    """Bare repositories below `root` over SSH; `kind` is `sshd` or `sandbox`."""

    kind: str
    root: Path

    @property
    def known_hosts(self) -> str: ...
    def start(self) -> None: ...
    def stop(self) -> None: ...
    def create(self, name: str, files: Mapping[str, bytes] | None = None, branch: str = "main") -> BareRepository: ...
    def repository(self, name: str) -> BareRepository: ...
    def url(self, name: str) -> str: ...
    def add_key(self, public: str, *, write: bool) -> None: ...
    def on_push(self, listener: Callable[[Push], None]) -> None: ...


def git_host(kind: Literal["auto", "sandbox", "sshd"], root: Path) -> GitHost:
    """UserError when `sshd` is asked for and absent."""
    if kind == "sshd" or (kind == "auto" and not openssh.absence()):
        return openssh.OpenSshGit(root)
    return GitServer(root)


def image_host(kind: Literal["auto", "sandbox", "distribution"], folder: Path) -> ImageHost:
    """UserError when `distribution` is asked for and absent."""
    if kind == "distribution" or (kind == "auto" and not real.absence()):
        return real.RealRegistry(folder)
    return RegistryServer()


def git_instead(git: GitHost) -> list[str]:
    """Why the real one is not here and what does its work: one sentence, or none."""
    return [f"{openssh.absence()}: the sandbox's own SSH server serves Git instead"] if git.kind == "sandbox" else []


def image_instead(registry: ImageHost) -> list[str]:
    return [f"{real.absence()}: the sandbox's own registry is used instead"] if registry.kind == "sandbox" else []
