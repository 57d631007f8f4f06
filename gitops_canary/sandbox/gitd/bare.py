"""A bare repository on disk and what people do to it: commit, read, look at the log, rewind, set a hook. No network."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PERSON = "Jo Human <jo@example.com>"


def environment(home: Path) -> dict[str, str]:
    """For every git of the sandbox: nothing of the user's own configuration acts in it."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_TERMINAL_PROMPT": "0",
        "LC_ALL": "C",
    }


@dataclass(frozen=True)
class Logged:
    """One commit of a log."""

    revision: str
    author: str
    subject: str


class BareRepository:
    """What the host has on disk; every method acts at once and raises CalledProcessError when git refuses."""

    def __init__(self, path: Path, branch: str = "main") -> None:
        self.path, self.branch = path, branch

    @classmethod
    def create(
        cls, path: Path, files: Mapping[str, bytes] | None = None, *, branch: str = "main", message: str = "Initial commit"
    ) -> "BareRepository":
        """A new repository with one commit of `files`; without files it is empty."""
        path.parent.mkdir(parents=True, exist_ok=True)
        made = cls(path, branch)
        made._git("init", "--quiet", "--bare", f"--initial-branch={branch}", str(path), git_dir=False)
        made._git("config", "gc.auto", "0")
        made._git("config", "receive.autogc", "false")
        if files:
            made.commit(files, message)
        return made

    def head(self, ref: str = "") -> str | None:
        """The commit a branch (ours when not given) or other ref stands at; None when there is none."""
        found = self._git("for-each-ref", "--format=%(objectname)", ref or f"refs/heads/{self.branch}").decode().split()
        return found[0] if found else None

    def refs(self) -> dict[str, str]:
        """Every ref and where it stands."""
        lines = self._git("for-each-ref", "--format=%(refname) %(objectname)").decode().splitlines()
        return dict(line.split(" ") for line in lines)

    def commit(
        self,
        files: Mapping[str, bytes | None],
        message: str,
        *,
        author: str = PERSON,
        modes: Mapping[str, str] | None = None,
        branch: str = "",
    ) -> str:
        """What a person's push does: whole new contents, None deletes. `modes` makes symlinks (120000) and the like. The new revision."""
        ref = f"refs/heads/{branch or self.branch}"
        text = message.encode()
        stream = [b"commit %s\ncommitter %s now\ndata %d\n%s\n" % (ref.encode(), author.encode(), len(text), text)]
        if head := self.head(ref):
            stream.append(b"from %s\n" % head.encode())
        for path, content in files.items():
            stream.append(_file_line(path, content, (modes or {}).get(path, "100644")))
        self._git("fast-import", "--quiet", "--date-format=now", given=b"".join(stream))
        revision = self.head(ref)
        assert revision is not None
        return revision

    def read(self, path: str, revision: str = "") -> bytes:
        return self._git("show", f"{revision or self.branch}:{path}")

    def paths(self, revision: str = "") -> list[str]:
        return [
            path.decode("utf-8", "backslashreplace")
            for path in self._git("ls-tree", "-rz", "--name-only", revision or self.branch).split(b"\0")
            if path
        ]

    def log(self, revision: str = "") -> list[Logged]:
        """Newest first."""
        out = self._git("log", "--format=%H%x00%an%x00%s", revision or self.branch).decode("utf-8", "replace")
        return [Logged(*line.split("\0")) for line in out.splitlines()]

    def message(self, revision: str = "") -> str:
        """The whole message of one commit, trailers included."""
        return self._git("log", "-1", "--format=%B", revision or self.branch).decode("utf-8", "replace").strip()

    def rewind(self, revision: str) -> None:
        """What a forced push does: the branch stands at `revision` now."""
        self._git("update-ref", f"refs/heads/{self.branch}", revision)

    def hook(self, name: str, script: str | None) -> None:
        """Set or (None) remove a hook such as `pre-receive`; `script` is for sh."""
        file = self.path / "hooks" / name
        file.unlink(missing_ok=True)
        if script is not None:
            file.parent.mkdir(exist_ok=True)
            file.write_text("#!/bin/sh\n" + script, encoding="utf-8")
            file.chmod(0o755)

    def _git(self, *args: str, given: bytes | None = None, git_dir: bool = True) -> bytes:
        where = [f"--git-dir={self.path}"] if git_dir else []
        done = subprocess.run(
            ["git", *where, *args], input=given, capture_output=True, check=True, timeout=60, env=environment(self.path.parent)
        )
        return done.stdout


def _file_line(path: str, content: bytes | None, mode: str) -> bytes:
    quoted = (
        b'"'
        + b"".join(b"\\%03o" % byte if byte < 32 or byte > 126 or byte in b'"\\' else bytes([byte]) for byte in os.fsencode(path))
        + b'"'
    )
    if content is None:
        return b"D %s\n" % quoted
    if mode == "160000":  # a submodule: the content is the commit id it names
        return b"M 160000 %s %s\n" % (content, quoted)
    return b"M %s inline %s\ndata %d\n%s\n" % (mode.encode(), quoted, len(content), content)
