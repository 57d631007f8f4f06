"""A person with a clone: commits and pushes over SSH with a key of their own, as anybody who works on the cluster repository does."""

import os
import shlex
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from gitops_canary.adapters.git.deploy_key import generate
from gitops_canary.sandbox.gitd.bare import environment
from gitops_canary.sandbox.gitd.server import GitServer

TRIES = 10
"""A push that the operator was quicker than is made again on its commit."""


class Person:
    def __init__(self, server: GitServer, repository: str, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._clone = folder / "clone"
        key, hosts = folder / "key", folder / "known_hosts"
        made = generate()
        server.add_key(made.public, write=True)
        key.touch(mode=0o600)
        key.write_text(made.private)
        hosts.write_text(server.known_hosts + "\n")
        ssh = [
            "ssh",
            "-F",
            os.devnull,
            "-i",
            str(key),
            "-o",
            "IdentitiesOnly=yes",
            "-o",
            f"UserKnownHostsFile={hosts}",
            "-o",
            "BatchMode=yes",
        ]
        self._environ = {**environment(folder), "GIT_SSH_COMMAND": shlex.join(ssh)}
        for role in ("AUTHOR", "COMMITTER"):
            self._environ |= {f"GIT_{role}_NAME": "Jo Human", f"GIT_{role}_EMAIL": "jo@example.com"}
        self._run("clone", "--quiet", server.url(repository), str(self._clone), cwd=folder)

    def commit(self, files: Mapping[str, str | None], message: str) -> str:
        """Whole new contents, None deletes; the pushed revision."""
        return self.change(lambda: files, message)

    def edit(self, path: str, old: str, new: str, message: str) -> str:
        """Replace text that stands in the file at the branch's newest commit."""
        return self.change(lambda: {path: self._replaced(path, old, new)}, message)

    def change(self, files: Callable[[], Mapping[str, str | None]], message: str) -> str:
        """`files` is asked on the newest commit, again when somebody else pushed meanwhile."""
        for _ in range(TRIES):
            self._git("fetch", "--quiet", "origin")
            self._git("reset", "--quiet", "--hard", "origin/main")
            for path, text in files().items():
                self._write(self._clone / path, text)
            self._git("add", "--all")
            self._git("commit", "--quiet", "--allow-empty", f"--message={message}")
            if self._try("push", "--quiet", "origin", "HEAD:main").returncode == 0:
                return self._git("rev-parse", "HEAD").strip()
        raise AssertionError(f"could not push {message!r} in {TRIES} tries")

    def force(self, revision: str) -> None:
        """Rewind the branch to that revision."""
        self._git("fetch", "--quiet", "origin")
        self._git("push", "--quiet", "--force", "origin", f"{revision}:refs/heads/main")

    def read(self, path: str) -> str:
        """The file at the branch's newest commit."""
        self._git("fetch", "--quiet", "origin")
        return self._git("show", f"origin/main:{path}")

    def _replaced(self, path: str, old: str, new: str) -> str:
        text = (self._clone / path).read_text()
        assert old in text, f"{old!r} does not stand in {path}:\n{text}"
        return text.replace(old, new)

    def _write(self, file: Path, text: str | None) -> None:
        if text is None:
            file.unlink()
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def _git(self, *words: str) -> str:
        return self._run(*words, cwd=self._clone)

    def _run(self, *words: str, cwd: Path) -> str:
        ended = self._try(*words, cwd=cwd)
        assert ended.returncode == 0, f"git {shlex.join(words)}: {ended.stderr}"
        return ended.stdout

    def _try(self, *words: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
        command = ["git", *words]
        return subprocess.run(command, cwd=cwd or self._clone, env=self._environ, capture_output=True, text=True, timeout=60, check=False)
