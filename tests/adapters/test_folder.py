"""A folder as a tree of files: what Git would commit, nothing through symlinks, and writing whole files."""

import os
import subprocess
from pathlib import Path

import pytest

from gitops_canary.adapters.folder import Folder
from gitops_canary.domain.errors import UserError
from gitops_canary.manifests.loading import MAX_BYTES


def fill(root: Path) -> Path:
    for name in ("a.yaml", "sub/b.yaml", ".hidden/c.yaml", ".gitops-canary/default/test/web.yaml", "cache/d.yaml"):
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    (root / ".gitignore").write_text("cache/\n")
    return root


def git(root: Path, *words: str) -> None:
    subprocess.run(["git", "-C", str(root), *words], check=True, capture_output=True)


def test_a_plain_folder_is_read_without_hidden_folders_but_with_the_result_files(tmp_path: Path) -> None:
    assert list(Folder(fill(tmp_path)).paths()) == [
        ".gitignore",
        ".gitops-canary/default/test/web.yaml",
        "a.yaml",
        "cache/d.yaml",
        "sub/b.yaml",
    ]


def test_a_work_tree_is_read_as_git_would_commit_it(tmp_path: Path) -> None:
    git(fill(tmp_path), "init", "-q")
    git(tmp_path, "add", "a.yaml", "sub/b.yaml")
    (tmp_path / "sub/b.yaml").unlink()
    assert list(Folder(tmp_path).paths()) == [".gitignore", ".gitops-canary/default/test/web.yaml", ".hidden/c.yaml", "a.yaml"]
    assert list(Folder(tmp_path / ".hidden").paths()) == ["c.yaml"]


def test_a_program_that_the_repository_names_is_not_run(tmp_path: Path) -> None:
    git(fill(tmp_path), "init", "-q")
    program = tmp_path / "monitor"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    git(tmp_path, "config", "core.fsmonitor", str(program))
    Folder(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_B45_B46_nothing_is_read_through_a_symlink(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "x.yaml").write_text("secret")
    root = fill(tmp_path / "root")
    (root / "link.yaml").symlink_to(outside / "x.yaml")
    (root / "folder").symlink_to(outside)
    (root / "loop").symlink_to(root)
    git(root, "init", "-q")
    assert not {"link.yaml", "folder/x.yaml", "loop"} & set(Folder(root).paths())


def test_B49_odd_names_are_read_as_they_are(tmp_path: Path) -> None:
    names = [b"-rf.yaml", b"new\nline.yaml", b"\xff.yaml"]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(name)
    git(tmp_path, "init", "-q")
    folder = Folder(tmp_path)
    assert sorted(os.fsencode(path) for path in folder.paths()) == sorted(names)
    assert [folder.read(path) for path in folder.paths()] == [os.fsencode(path) for path in folder.paths()]


def test_B25_a_large_file_is_not_read_whole(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"#" * (MAX_BYTES + 1000))
    assert len(Folder(tmp_path).read("a.yaml") or b"") == MAX_BYTES + 1


def test_writing_keeps_the_mode_and_leaves_no_part_behind(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("old")
    (tmp_path / "a.yaml").chmod(0o600)
    folder = Folder(tmp_path)
    folder.write("a.yaml", b"new")
    assert (tmp_path / "a.yaml").read_text() == "new"
    assert (tmp_path / "a.yaml").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["a.yaml"]


def test_what_cannot_be_read_or_written_is_said_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no such folder"):
        Folder(tmp_path / "none")
    folder = Folder(tmp_path)
    with pytest.raises(UserError, match=r"cannot read .*gone\.yaml: No such file"):
        folder.read("gone.yaml")
    with pytest.raises(UserError, match=r"cannot write .*gone/a\.yaml: No such file"):
        folder.write("gone/a.yaml", b"")
