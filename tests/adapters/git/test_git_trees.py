"""What a tree shows of odd, hostile and large repositories, and what is written over them."""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops_canary.adapters.git import GitOptions, GitRepository, Transport
from gitops_canary.adapters.git.names import is_plain_name
from gitops_canary.domain.errors import Unavailable, UserError
from gitops_canary.ports import Change
from gitops_canary.ports.git import Edit
from gitops_canary.sandbox.gitd import BareRepository
from tests.adapters.git.hosts import made_by, put


@pytest.fixture
def served(tmp_path: Path) -> BareRepository:
    return BareRepository.create(tmp_path / "served.git", {"a.yaml": b"1\n", "dir/b.yaml": b"2\n", "dir-old/c.yaml": b"3\n"})


@pytest.fixture
def repository(served: BareRepository, tmp_path: Path) -> Iterator[GitRepository]:
    made = GitRepository(str(served.path), "main", Transport(GitOptions(state=tmp_path / "state", allow_file_urls=True, max_files=2000)))
    yield made
    made.close()


def raw_tree(served: BareRepository, entries: list[tuple[bytes, bytes, bytes]]) -> str:
    """A tree object of exactly these (mode, name, id) lines, as a hostile client would push it."""
    content = b"".join(mode + b" " + name + b"\0" + bytes.fromhex(id.decode()) for mode, name, id in entries)
    return _git(served, "hash-object", "-w", "-t", "tree", "--literally", "--stdin", given=content)


def commit_tree(served: BareRepository, tree: str) -> str:
    made = _git(served, "-c", "user.name=x", "-c", "user.email=x@x", "commit-tree", "-m", "odd", tree)
    served.rewind(made)
    return made


def blob(served: BareRepository, content: bytes) -> bytes:
    return _git(served, "hash-object", "-w", "--stdin", given=content).encode()


def _git(served: BareRepository, *args: str, given: bytes = b"") -> str:
    return subprocess.run(["git", f"--git-dir={served.path}", *args], input=given, capture_output=True, check=True).stdout.decode().strip()


def test_a_prefix_is_a_folder_or_one_file(repository: GitRepository) -> None:
    tree = repository.tree(repository.fetch())
    assert list(tree.paths("dir")) == list(tree.paths("./dir/")) == ["dir/b.yaml"]
    assert list(tree.paths("a.yaml")) == ["a.yaml"]
    assert list(tree.paths("nothing")) == []
    assert list(tree.paths()) == ["a.yaml", "dir-old/c.yaml", "dir/b.yaml"]


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../a", "dir/../a.yaml", "dir//b.yaml", "dir", "a.yaml/x", ".git/config", "dir\0"])
def test_b54_reading_what_is_no_file_gives_nothing(repository: GitRepository, path: str) -> None:
    tree = repository.tree(repository.fetch())
    assert tree.read(path) is None
    assert tree.blob_id(path) is None


def test_b45_b46_b48_symlinks_and_submodules_are_not_there(served: BareRepository, repository: GitRepository) -> None:
    served.commit(
        {"shadow": b"/etc/shadow", "loop": b"loop", "up": b"..", "sub": b"1" * 40, "real": b"x"},
        "odd",
        modes={"shadow": "120000", "loop": "120000", "up": "120000", "sub": "160000"},
    )
    tree = repository.tree(repository.fetch())
    assert set(tree.paths()) == {"a.yaml", "dir/b.yaml", "dir-old/c.yaml", "real"}
    for name in ("shadow", "loop", "up", "sub", "up/a.yaml"):
        assert tree.read(name) is None
    for name in ("shadow", "sub"):
        with pytest.raises(UserError, match=f"cannot write {name}: in the repository it is a symbolic link or submodule"):
            repository.change(put({name: b"x"}))


def test_symlinks_and_submodules_survive_our_commits(served: BareRepository, repository: GitRepository) -> None:
    served.commit({"dir/link": b"b.yaml", "dir/sub": b"1" * 40}, "odd", modes={"dir/link": "120000", "dir/sub": "160000"})
    repository.fetch()
    repository.change(lambda tree: Change({"dir/b.yaml": b"new\n"}, "bump"))
    lines = _git(served, "ls-tree", "main", "dir/").splitlines()
    assert sorted(line.split()[0] for line in lines) == ["100644", "120000", "160000"]


def test_b47_git_folders_in_a_tree_are_never_listed_or_written(served: BareRepository, repository: GitRepository) -> None:
    one = blob(served, b"x")
    inner = raw_tree(served, [(b"100644", b"config", one)]).encode()
    names = [b".", b"..", b".GIT", b".git", b".git ", b".g\xe2\x80\x8cit", b"a/b", b"git~1", b"ok"]
    commit_tree(served, raw_tree(served, [(b"40000", name, inner) for name in names]))
    tree = repository.tree(repository.fetch())
    assert list(tree.paths()) == ["ok/config"]
    exported = repository.mirror.export(tree.revision, "").path
    assert sorted(str(path.relative_to(exported)) for path in exported.rglob("*")) == ["ok", "ok/config"]
    for path in (".git/config", "x/.GIT/y", "../x", "/x", "a//b", ".", "\udce9"):
        with pytest.raises(UserError, match="must be relative and stay inside the repository"):
            repository.change(put({path: b"x"}))


def test_F18_b49_odd_names_are_read_and_written_as_they_are(served: BareRepository, repository: GitRepository) -> None:
    odd = ["-rf", "new\nline.yaml", 'quo"te', "tab\t", "ünï", "--upload-pack=touch x", "space end ", "*", "\\x", "\x1b[31m"]
    latin = os.fsdecode(b"caf\xe9.yaml")
    served.commit(dict.fromkeys([*odd, latin, "caf\\xe9.yaml"], b"old"), "odd names")
    tree = repository.tree(repository.fetch())
    assert set(odd) <= set(tree.paths())
    assert "caf\\xe9.yaml" in tree.paths()
    "".join(tree.paths()).encode()  # every name can be logged
    repository.change(lambda tree: Change({**dict.fromkeys(odd, b"new"), "caf\\xe9.yaml": b"new"}, "all of them"))
    assert all(served.read(name) == b"new" for name in odd)
    names = subprocess.run(
        ["git", f"--git-dir={served.path}", "ls-tree", "-z", "--name-only", "main"], capture_output=True, check=True
    ).stdout
    assert {b"caf\xe9.yaml", b"caf\\xe9.yaml"} <= set(names.split(b"\0")), "two names that look alike are both kept"


def test_b52_names_that_differ_in_case_are_two_files(served: BareRepository, repository: GitRepository) -> None:
    served.commit({"A.yaml": b"upper"}, "case")
    tree = repository.tree(repository.fetch())
    assert (tree.read("a.yaml"), tree.read("A.yaml")) == (b"1\n", b"upper")


def test_b50_a_tree_that_unfolds_to_too_many_files_is_refused(served: BareRepository, repository: GitRepository) -> None:
    tree = raw_tree(served, [(b"100644", b"f%d" % n, blob(served, b"x")) for n in range(10)])
    for _ in range(9):
        tree = raw_tree(served, [(b"40000", b"d%d" % n, tree.encode()) for n in range(10)])
    commit_tree(served, tree)
    head = repository.fetch()
    with pytest.raises(UserError, match="more than 2,000 files"):
        repository.tree(head).paths()
    assert repository.tree(head).read("/".join(["d0"] * 9 + ["f0"])) == b"x"


def test_folders_nested_without_end_are_refused(served: BareRepository, repository: GitRepository) -> None:
    served.commit({"/".join("d" * 80) + "/f": b"x"}, "deep")
    head = repository.fetch()
    with pytest.raises(UserError, match="nested deeper than 64"):
        repository.tree(head).paths()


def test_a_file_over_the_limit_is_refused_by_name_and_the_rest_is_read(served: BareRepository, tmp_path: Path) -> None:
    served.commit({"big.yaml": b"x" * 100_000}, "big")
    repository = GitRepository(
        str(served.path), "main", Transport(GitOptions(state=tmp_path / "s", allow_file_urls=True, max_file_bytes=50_000))
    )
    tree = repository.tree(repository.fetch())
    with pytest.raises(UserError, match=r"cannot read big.yaml of .*: it has 100,000 bytes, more than the 50,000 allowed"):
        tree.read("big.yaml")
    assert tree.read("a.yaml") == b"1\n"
    repository.close()


def test_equal_contents_have_equal_ids(served: BareRepository, repository: GitRepository) -> None:
    first = repository.mirror.tree(repository.fetch())
    served.commit({"other": b"x"}, "unrelated")
    second = repository.mirror.tree(repository.fetch())
    assert first.blob_id("a.yaml") == second.blob_id("a.yaml") is not None
    assert first.folder_id("dir") == second.folder_id("dir") != second.folder_id("")


def test_a_chart_is_exported_once_for_all_commits_that_leave_it_alone(served: BareRepository, repository: GitRepository) -> None:
    first = repository.mirror.export(repository.fetch(), "dir")
    served.commit({"other": b"x"}, "unrelated")
    second = repository.mirror.export(repository.fetch(), "./dir/")
    assert (first.id, first.path) == (second.id, second.path)
    assert {path.name: path.read_bytes() for path in first.path.iterdir()} == {"b.yaml": b"2\n"}
    served.commit({"dir/b.yaml": b"22\n"}, "related")
    third = repository.mirror.export(repository.fetch(), "dir")
    assert (third.path / "b.yaml").read_bytes() == b"22\n"
    assert (first.path / "b.yaml").read_bytes() == b"2\n"


def test_exports_leave_out_symlinks_and_are_limited(served: BareRepository, repository: GitRepository, tmp_path: Path) -> None:
    served.commit({"chart/values.yaml": b"/etc/passwd", "chart/Chart.yaml": b"name: c\n"}, "cve", modes={"chart/values.yaml": "120000"})
    made = repository.mirror.export(repository.fetch(), "chart")
    assert [path.name for path in made.path.iterdir()] == ["Chart.yaml"]
    with pytest.raises(UserError, match="there is no such folder"):
        repository.mirror.export(made.revision, "nothing")
    small = GitRepository(str(served.path), "main", Transport(GitOptions(state=tmp_path / "s", allow_file_urls=True, max_export_bytes=600)))
    with pytest.raises(UserError, match="larger than 600 bytes"):
        small.mirror.export(small.fetch(), "")
    assert not any((tmp_path / "s/exports").iterdir())
    small.close()


def set_a(content: bytes) -> Edit:
    return lambda tree: Change({"a.yaml": content}, "bump")


@pytest.mark.parametrize("harm", ["gone", "half", "emptied objects", "corrupt blob", "broken ref", "stale locks"])
def test_f15_a_damaged_mirror_is_made_again(served: BareRepository, repository: GitRepository, harm: str) -> None:
    repository.fetch()
    repository.change(set_a(b"2\n"))
    head = repository.fetch()
    _damage(repository.mirror.git_dir, harm)
    assert repository.tree(head).read("a.yaml") == b"2\n"
    assert repository.change(set_a(b"3\n")) == served.head()
    person = served.commit({"new": b"b"}, "a person's")
    assert repository.fetch() == person
    assert list(repository.tree(person).paths()) == ["a.yaml", "dir-old/c.yaml", "dir/b.yaml", "new"]


def test_f15_whichever_object_the_mirror_loses_a_commit_lands(served: BareRepository, repository: GitRepository) -> None:
    repository.fetch()
    for number in range(30):
        repository.change(set_a(b"%d\n" % number))
        repository.fetch()
        lost = _objects(repository.mirror.git_dir)
        if number >= len(lost):
            break
        lost[number].unlink()
        assert repository.change(set_a(b"after %d\n" % number)) == served.head(), lost[number]
        repository.mark("seen", made_by(repository.head()))
    assert number >= 10


def _objects(mirror: Path) -> list[Path]:
    return sorted(file for file in (mirror / "objects").rglob("*") if file.is_file())


def _damage(mirror: Path, harm: str) -> None:
    objects = _objects(mirror)
    if harm == "gone":
        shutil.rmtree(mirror)
    elif harm == "half":
        shutil.rmtree(mirror / "refs")
        for file in objects[::2]:
            file.unlink()
    elif harm == "emptied objects":
        for file in objects:
            file.chmod(0o600)
            file.write_bytes(b"")
    elif harm == "corrupt blob":
        for file in objects:
            file.chmod(0o600)
            file.write_bytes(file.read_bytes()[:-4] + b"junk")
    elif harm == "broken ref":
        for file in (mirror / "refs").rglob("*"):
            if file.is_file():
                file.write_bytes(b"")
    else:
        for name in ("packed-refs.lock", "config.lock", "shallow.lock", "refs/gitops-canary/x.lock"):
            (mirror / name).write_text("")
        for file in (mirror / "refs/gitops-canary").glob("[0-9a-f]*"):
            file.with_name(f"{file.name}.lock").write_text("")


def test_f15_a_disk_that_takes_no_more_says_so_and_nothing_is_pushed(served: BareRepository, repository: GitRepository) -> None:
    head = repository.fetch()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # the kernel refuses the write, as it does on a full disk
    try:
        with pytest.raises(Unavailable, match=r"cannot write to the mirror of .*: File too large"):
            repository.change(lambda tree: Change({"a.yaml": os.urandom(100_000)}, "bump"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert served.head() == head == repository.head()
    assert repository.change(lambda tree: Change({"a.yaml": b"2\n"}, "bump")) == served.head()


def test_an_executable_stays_one(served: BareRepository, repository: GitRepository) -> None:
    served.commit({"run.sh": b"1"}, "script", modes={"run.sh": "100755"})
    repository.fetch()
    repository.change(lambda tree: Change({"run.sh": b"2"}, "edit"))
    assert _git(served, "ls-tree", "main", "run.sh").startswith("100755")


@pytest.mark.parametrize("files", [{"a.yaml/b": b"x"}, {"dir": b"x"}, {"new": b"x", "new/b": b"x"}, {"new/b": b"x", "new": b"x"}])
def test_a_file_cannot_be_a_folder_too(repository: GitRepository, files: dict[str, bytes]) -> None:
    repository.fetch()
    with pytest.raises(UserError, match="cannot write"):
        repository.change(lambda tree: Change(files, "both"))


def test_a_folder_that_became_empty_is_gone(served: BareRepository, repository: GitRepository) -> None:
    repository.fetch()
    repository.change(lambda tree: Change({"dir/b.yaml": None}, "delete"))
    assert served.paths() == ["a.yaml", "dir-old/c.yaml"]
    repository.change(lambda tree: Change(dict.fromkeys(tree.paths()), "delete all"))
    assert served.paths() == []


def test_b72_names_and_messages_cannot_forge_a_commit(served: BareRepository, tmp_path: Path) -> None:
    options = GitOptions(
        state=tmp_path / "s", allow_file_urls=True, author_name="evil\nauthor x <y@z> 1 +0000", author_email="a@b>\nparent " + "1" * 40
    )
    repository = GitRepository(str(served.path), "main", Transport(options))
    start = repository.fetch()
    made = made_by(repository.change(lambda tree: Change({"a.yaml": b"2\n"}, "subject\0\n\nbody \ud800")))
    (commit,) = repository.commits(start, made)
    assert commit.parents == (start,)
    assert commit.message.startswith("subject\n\nbody")
    _git(served, "fsck", "--strict")
    repository.close()


def test_tidying_up_keeps_everything_that_is_read(served: BareRepository, repository: GitRepository) -> None:
    repository.fetch()
    made = [made_by(repository.change(set_a(b"%d\n" % number))) for number in range(5)]
    repository.mirror.tidy()  # the last commits are on no ref of the mirror yet
    assert [repository.tree(revision).read("a.yaml") for revision in made] == [b"%d\n" % number for number in range(5)]
    repository.fetch()
    repository.mirror.tidy()
    assert repository.tree(made[0]).read("a.yaml") == b"0\n"
    assert repository.change(set_a(b"x\n")) == served.head()


def test_a_commit_without_message_is_refused(repository: GitRepository) -> None:
    repository.fetch()
    with pytest.raises(UserError, match="without a message"):
        repository.change(lambda tree: Change({"a.yaml": b"2\n"}, " \n"))


def test_F18_commits_list_merged_ones_newest_first(served: BareRepository, repository: GitRepository) -> None:
    start = repository.fetch()
    side = served.commit({"s": b"1"}, "side\n\nwith body", branch="side")
    served.commit({"m": b"1"}, "main")
    tree = _git(served, "rev-parse", "main^{tree}")
    merged = _git(served, "-c", "user.name=x", "-c", "user.email=x@x", "commit-tree", "-m", "merge", "-p", "main", "-p", side, tree)
    served.rewind(merged)
    commits = repository.commits(start, repository.fetch())
    assert commits[0].revision == merged
    assert sorted(commit.message for commit in commits) == ["main", "merge", "side\n\nwith body"]
    assert commits[0].at.tzinfo is not None
    assert len(repository.commits(None, merged, limit=2)) == 2
    assert len(repository.commits("1" * 40, merged)) == 4


names = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=8).filter(is_plain_name)
paths = st.lists(names, min_size=1, max_size=3).map("/".join)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changes=st.lists(st.dictionaries(paths, st.one_of(st.none(), st.binary(max_size=20)), min_size=1, max_size=4), min_size=1, max_size=3)
)
def test_any_sequence_of_changes_leaves_what_git_itself_reads(
    repository: GitRepository, served: BareRepository, changes: list[dict[str, bytes | None]]
) -> None:
    """Law: the tree after each commit is the model's, git's fsck accepts it, and no change at all makes no commit."""
    head = repository.fetch()
    tree = repository.tree(head)
    model: dict[str, bytes | None] = {path: tree.read(path) for path in tree.paths()}
    for number, files in enumerate(changes):
        after = {path: content for path, content in (model | files).items() if content is not None}
        if any(other.startswith(path + "/") for path in after | files for other in after | files):
            continue
        made = repository.change(put(files, f"change {number}"))
        assert (made is None) == (after == model)
        model = dict(after)
    tree = repository.tree(made_by(repository.head()))
    assert {path: tree.read(path) for path in tree.paths()} == model
    assert set(served.paths()) == set(model)
    _git(served, "fsck", "--strict")
