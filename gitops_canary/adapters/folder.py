"""A folder of this machine as a tree of files, for checks without a cluster; Git's own trees are the git adapter's."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

from gitops_canary.domain.errors import UserError
from gitops_canary.manifests.loading import MAX_BYTES

GIT_SECONDS = 60


class Folder:
    """Implements manifests.tree.Files. In a Git work tree the files that Git would commit are listed (tracked, or new and not ignored),
    elsewhere all but hidden folders. Symlinks are left out, as the operator leaves them out."""

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise UserError(f"cannot read {root}: there is no such folder", hint="give the folder of a cluster repository")
        self.root = root
        names = _from_git(root)
        found = _walked(root) if names is None else names
        self._paths = tuple(sorted(name for name in found if self._is_file(name)))
        self._known = frozenset(self._paths)

    def paths(self, prefix: str = "") -> Sequence[str]:
        return [path for path in self._paths if path.startswith(prefix)]

    def has(self, path: str) -> bool:
        return path in self._known

    def read(self, path: str) -> bytes | None:
        """At most one byte more than a manifest may have; None of a folder."""
        if (self.root / path).is_dir():
            return None
        try:
            with (self.root / path).open("rb") as file:
                return file.read(MAX_BYTES + 1)
        except OSError as error:
            raise UserError(f"cannot read {self.root / path}: {error.strerror}") from error

    def blob_id(self, path: str) -> str | None:
        return None

    def write(self, path: str, data: bytes) -> None:
        """Whole or not at all, with the file's own mode."""
        file = self.root / path
        part = file.with_name(f".{file.name}.part")
        try:
            part.write_bytes(data)
            part.chmod(file.stat().st_mode & 0o7777)
            part.replace(file)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise UserError(f"cannot write {file}: {error.strerror}") from error

    def _is_file(self, name: str) -> bool:
        """Below the root without a symlink on the way."""
        path = self.root
        for part in name.split("/"):
            path = path / part
            if path.is_symlink():
                return False
        return path.is_file()


def _from_git(root: Path) -> list[str] | None:
    """None when this is no work tree or there is no git. The repository's own settings may start no program."""
    command = ["git", "-c", "core.fsmonitor=false", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        said = subprocess.run(command, capture_output=True, timeout=GIT_SECONDS, check=False, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    if said.returncode != 0:
        return None
    return list({name for name in os.fsdecode(said.stdout).split("\0") if name and ".git" not in name.lower().split("/")})


def _walked(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".") or name == ".gitops-canary"]
        for name in files:
            yield (Path(folder) / name).relative_to(root).as_posix()
