"""Folders and files that a command line names for writing, looked at before minutes are spent; what is written is not known here."""

from pathlib import Path

from gitops_canary.domain.errors import UserError


def made(path: str, flag: str) -> Path:
    """The folder, which is there then."""
    try:
        folder = Path(path).resolve()
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot use the folder {path}: {error.strerror}", hint=f"name one with {flag} that you may write into") from error
    return folder


def placed(path: str, flag: str) -> Path | None:
    """Where a file goes; its folder is there."""
    if path and not Path(path).resolve().parent.is_dir():
        raise UserError(
            f"cannot write {path}: there is no folder {Path(path).resolve().parent}", hint=f"name a file with {flag} in one that is"
        )
    return Path(path) if path else None
