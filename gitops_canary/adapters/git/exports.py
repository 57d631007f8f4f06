"""Folders of a commit as folders on disk, by tree id: plain files only, made in one step, old ones removed."""

import os
import shutil
import tempfile
import time
from pathlib import Path

from gitops_canary.adapters.git.objects import Objects
from gitops_canary.adapters.git.trees import walk
from gitops_canary.domain.errors import Unavailable, UserError

_KEPT = 256
_KEPT_SECONDS = 24 * 3600.0


def export_tree(objects: Objects, tree_id: str, into: Path, *, max_file_bytes: int, max_bytes: int, what: str) -> Path:
    """`into/<tree id>` with the files of that tree; made once, then found. Symlinks, submodules and `.git` are left out, no file is
    executable. UserError when it is too large, Unavailable when the disk does not take it."""
    target = into / tree_id
    if target.is_dir():
        os.utime(target)
        return target
    try:
        into.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix="new-", dir=into))
        try:
            _fill(objects, tree_id, fresh, max_file_bytes, max_bytes, what)
            fresh.chmod(0o755)
            _rename(fresh, target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        _forget_old(into)
    except OSError as error:
        raise Unavailable(f"cannot export {what} to {target}: {error.strerror}") from error
    return target


def _fill(objects: Objects, tree_id: str, fresh: Path, max_file_bytes: int, max_bytes: int, what: str) -> None:
    left = max_bytes
    for path, entry in walk(objects, tree_id):
        content = objects.blob(entry.id, max_file_bytes, f"{path} of {what}")
        left -= len(content) + 512  # an empty file costs something too
        if left < 0:
            raise UserError(f"cannot export {what}: it is larger than {max_bytes:,} bytes")
        file = fresh / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def _rename(fresh: Path, target: Path) -> None:
    try:
        fresh.rename(target)
    except OSError:
        if not target.is_dir():  # made by another thread meanwhile: the same contents
            raise


def _forget_old(into: Path) -> None:
    found = sorted((path for path in into.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in found[_KEPT:]:
        if time.time() - path.stat().st_mtime > _KEPT_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
