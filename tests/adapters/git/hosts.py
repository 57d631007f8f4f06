"""The four ways to a repository on which the contract tests run: OpenSSH, our own server, `git http-backend`, a path."""

import itertools
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

from gitops_canary.adapters.git import DeployKey, GitOptions, GitRepository, Transport
from gitops_canary.adapters.git.deploy_key import generate
from gitops_canary.ports.git import Change, Edit
from gitops_canary.sandbox.gitd import BareRepository, GitServer

KEY = generate()  # one for the whole run: making it is not what is tested here


def made_by(change: str | None) -> str:
    """The commit, where one must have been made."""
    assert change is not None, "no commit was made"
    return change


def put(files: dict[str, bytes | None], message: str = "put") -> Edit:
    """The edit that wants these files, whatever was there."""
    return lambda tree: Change(files, message)


def process(repository: GitRepository) -> "subprocess.Popen[bytes]":
    """The process that reads objects for that client."""
    reader = repository.mirror.objects._process
    assert reader is not None
    assert isinstance(reader.proc, subprocess.Popen)
    return reader.proc


class Host:
    """A place with repositories, and a client that may write to them."""

    def __init__(self, name: str, server: Any, folder: Path, state: Path) -> None:
        self.name, self.server, self.folder, self._state = name, server, folder, state
        self._numbers = itertools.count()
        self._made: list[GitRepository] = []
        self.allow(write=True)

    @property
    def is_ssh(self) -> bool:
        return self.name in ("sshd", "gitd")

    def allow(self, *, write: bool, key: DeployKey = KEY) -> None:
        if self.is_ssh:
            self.server.add_key(key.public, write=write)
        elif self.name == "http":
            self.server.add_user("robot", "s3cret-t0ken", write=write)

    def create(self, files: dict[str, bytes] | None = None, name: str = "cluster") -> BareRepository:
        return BareRepository.create(self.folder / f"{name}.git", files)

    def url(self, name: str = "cluster") -> str:
        if self.name == "sshd":
            return str(self.server.url(self.folder / f"{name}.git"))
        return f"file://{self.folder}/{name}.git" if self.name == "file" else str(self.server.url(name))

    def options(self, **changes: Any) -> GitOptions:
        plain = GitOptions(state=self._state / f"state {next(self._numbers)} 100%h", allow_file_urls=self.name == "file")
        if self.is_ssh:
            plain = replace(plain, known_hosts=self.server.known_hosts)
        if self.name == "http":
            plain = replace(plain, username="robot", password="s3cret-t0ken")
        return replace(plain, **changes)

    def transport(self, key: DeployKey | None = KEY, **changes: Any) -> Transport:
        return Transport(self.options(**changes), key if self.is_ssh else None)

    def repository(
        self, name: str = "cluster", *, branch: str = "main", transport: Transport | None = None, **changes: Any
    ) -> GitRepository:
        """A client of its own: own mirror, own connection."""
        gate = changes.pop("gate", lambda: None)
        made = GitRepository(self.url(name), branch, transport or self.transport(**changes), gate=gate)
        self._made.append(made)
        return made

    def close(self) -> None:
        for repository in self._made:
            repository.close()
            repository.mirror.transport.close()


def gitd(folder: Path) -> GitServer:
    server = GitServer(folder)
    server.start()
    return server
