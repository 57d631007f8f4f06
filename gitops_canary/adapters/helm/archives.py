"""Chart archives: opened without trusting their names, sizes or links, and kept by content; where they come from is elsewhere."""

import gzip
import hashlib
import io
import os
import shutil
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from gitops_canary.domain.errors import Unavailable, UserError

ARCHIVE_LIMIT = 20 * 2**20
"""Bytes of an archive; Helm refuses larger ones too."""
UNPACKED_LIMIT = 100 * 2**20
FILES_LIMIT = 10_000
REST_LIMIT = 2**20
KEPT = 256
KEPT_SECONDS = 24 * 3600.0


class ChartCache:
    """Folders by content id below `root`; everything in it can be made again."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def keep(self, content_id: str, fill: Callable[[Path], None]) -> Path:
        """`root/<id>`, made once by `fill` in one step. Unavailable when the disk does not take it."""
        target = self._root / content_id
        if target.is_dir():
            os.utime(target)
            return target
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            fresh = Path(tempfile.mkdtemp(prefix="new-", dir=self._root))
            try:
                fill(fresh)
                fresh.chmod(0o755)
                fresh.rename(target)
            except OSError:
                if not target.is_dir():  # otherwise another thread was faster: the same contents
                    raise
            finally:
                shutil.rmtree(fresh, ignore_errors=True)
            self._forget_old()
        except OSError as error:
            raise Unavailable(f"cannot keep a chart in {self._root}: {error.strerror or error}") from error
        return target

    def unpacked(self, data: bytes, what: str) -> tuple[str, Path]:
        """Content id and the chart's folder (the one that has Chart.yaml)."""
        content_id = hashlib.sha256(data).hexdigest()
        kept = self.keep(content_id, lambda into: unpack(data, into, what))
        charts = sorted(kept.glob("*/Chart.yaml"))
        if len(charts) != 1:
            raise UserError(f"cannot use {what}: it holds {len(charts)} charts, not one")
        return content_id, charts[0].parent

    def _forget_old(self) -> None:
        found = sorted((path for path in self._root.iterdir() if path.is_dir()), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in found[KEPT:]:
            if time.time() - path.stat().st_mtime > KEPT_SECONDS:
                shutil.rmtree(path, ignore_errors=True)


def unpack(data: bytes, into: Path, what: str) -> None:
    """Plain files only, inside `into`, none executable. UserError for names that lead out, links, devices, bombs and what is no archive."""
    if len(data) > ARCHIVE_LIMIT:
        raise UserError(f"cannot open {what}: it is larger than {ARCHIVE_LIMIT:,} bytes")
    left, files = UNPACKED_LIMIT, 0
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as plain, tarfile.open(fileobj=plain, mode="r|") as archive:
            for entry in archive:
                files += 1
                left -= entry.size + 512
                if left < 0 or files > FILES_LIMIT:
                    raise UserError(f"cannot open {what}: it unpacks to more than {UNPACKED_LIMIT:,} bytes or {FILES_LIMIT:,} files")
                _place(archive, entry, into, what)
            if len(plain.read(REST_LIMIT)) == REST_LIMIT:  # reads to the checksum, so that a torn archive is noticed
                raise UserError(f"cannot open {what}: something follows the archive in it")
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise UserError(f"cannot open {what}: it is no chart archive ({error})") from error


def _place(archive: tarfile.TarFile, entry: tarfile.TarInfo, into: Path, what: str) -> None:
    name = PurePosixPath(entry.name)
    if name.is_absolute() or ".." in name.parts or "\\" in entry.name or "\0" in entry.name:
        raise UserError(f"cannot open {what}: {entry.name!r} leads out of it")
    if entry.isdir():
        return
    if not entry.isreg():
        raise UserError(f"cannot open {what}: {entry.name!r} is no plain file")
    content = archive.extractfile(entry)
    assert content is not None
    target = into / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content.read())
