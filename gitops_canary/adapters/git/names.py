"""Validation of what comes from data before git sees it: ref names and paths in a tree (B54, B56 of the bad-input corpus)."""

import re

from gitops_canary.domain.errors import UserError

_BAD_REF = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|$)|\.$|/$|^[-/.@]$|^[/.-]")
_SHA = re.compile(r"[0-9a-f]{40}")
_HEX = re.compile(r"[0-9a-fA-F]{7,40}")


def is_revision(text: str) -> bool:
    """A full, lower-case commit id."""
    return _SHA.fullmatch(text) is not None


def check_revision(text: str) -> str:
    if not is_revision(text):
        raise UserError(f"cannot use {text[:80]!r} as a revision: it is not a full commit id")
    return text


def check_ref(name: str, what: str = "branch") -> str:
    """The rules of git-check-ref-format, with no process. UserError quotes the name."""
    if not name or len(name) > 250 or _BAD_REF.search(name):
        raise UserError(f"cannot use {name[:80]!r} as a {what}: it is not a valid Git ref name", hint="write it as `git branch` prints it")
    return name


def is_dot_git(name: str) -> bool:
    """`.git` in any spelling a file system could fold to it; never listed, never written."""
    folded = "".join(char for char in name if char.isprintable()).rstrip(" .").lower()
    return folded in (".git", "git~1")


def is_plain_name(name: str) -> bool:
    """Whether one path component may be listed and written."""
    if not name or name in (".", "..") or "/" in name or "\0" in name:
        return False
    return not is_dot_git(name) and not any("\ud800" <= char <= "\udfff" for char in name)  # half a character cannot be written


def check_path(path: str) -> str:
    """A relative POSIX path inside the tree; UserError otherwise."""
    if len(path) > 4096 or not all(is_plain_name(part) for part in path.split("/")):
        raise UserError(f"cannot use the path {path[:120]!r}: it must be relative and stay inside the repository")
    return path


def clean_prefix(path: str) -> str:
    """A folder as users write it (`./charts/podinfo/`, `.` or "") as a plain relative path; "" is the root."""
    parts = [part for part in path.strip().split("/") if part not in ("", ".")]
    return check_path("/".join(parts)) if parts else ""
