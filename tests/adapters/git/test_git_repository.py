"""The contract of ports.Repository, the same over OpenSSH, our own server, http-backend and a path."""

import shutil
import threading

import pytest

from gitops_canary.adapters.git import GitRepository
from gitops_canary.domain.errors import Conflict, NotLeader, Unavailable, UserError
from gitops_canary.ports import Change, Tree
from gitops_canary.ports.git import Edit
from tests.adapters.git.hosts import Host, made_by, process

FILES = {"releases/frontend.yaml": b"tag: 3.1.0\n", "namespaces/test.yaml": b"kind: Namespace\n"}


def bump(tag: str) -> Edit:
    """The edit of a bump: only the tag's line, only when the file is there."""

    def edit(tree: Tree) -> Change | None:
        old = tree.read("releases/frontend.yaml")
        if old is None:
            return None
        return Change(
            {"releases/frontend.yaml": b"tag: " + tag.encode() + b"\n" + old.split(b"\n", 1)[1]},
            f"Auto-release podinfo:{tag}\n\nImage: {tag}",
        )

    return edit


def test_a_bump_is_one_commit_of_ours_on_the_head(host: Host) -> None:
    served = host.create(FILES)
    repository = host.repository()
    before = repository.fetch()
    made = made_by(repository.change(bump("3.1.1")))
    assert served.head() == made == repository.head()
    assert served.read("releases/frontend.yaml") == b"tag: 3.1.1\n"
    assert served.message() == "Auto-release podinfo:3.1.1\n\nImage: 3.1.1"
    (commit,) = repository.commits(before, made)
    assert (commit.parents, commit.author, commit.email) == ((before,), "gitops-canary", "gitops-canary@localhost")
    assert commit.message.startswith("Auto-release podinfo:3.1.1\n")
    assert repository.tree(made).read("releases/frontend.yaml") == b"tag: 3.1.1\n"


def test_the_head_is_unknown_before_the_first_fetch_and_moves_with_the_remote(host: Host) -> None:
    served = host.create(FILES)
    repository = host.repository()
    assert repository.head() is None
    with pytest.raises(Unavailable, match="has not been read yet"):
        repository.contains(made_by(served.head()))
    repository.fetch()
    person = served.commit({"a": b"1"}, "a person's")
    assert repository.head() != person
    assert repository.fetch() == person == repository.head()


def test_an_edit_that_changes_no_byte_makes_no_commit(host: Host) -> None:
    served = host.create(FILES)
    repository = host.repository()
    head = repository.fetch()
    assert repository.change(bump("3.1.0")) is None
    assert repository.change(lambda tree: None) is None
    assert repository.change(lambda tree: Change({"not/there": None}, "delete nothing")) is None
    assert served.head() == head


def test_g10_several_commits_travel_in_one_push(host: Host) -> None:
    served = host.create(FILES)
    repository = host.repository()
    head = repository.fetch()
    first, nothing, second = repository.changes(
        [bump("3.1.1"), bump("3.1.1"), lambda tree: Change({"r": tree.read("releases/frontend.yaml")}, "Promote")]
    )
    assert nothing is None
    assert [commit.revision for commit in repository.commits(head, made_by(second))] == [second, first]
    assert served.read("r") == b"tag: 3.1.1\n", "the second edit saw what the first did"


def test_b2_g3_a_refused_push_runs_the_edit_again_on_the_persons_head_and_keeps_their_commit(host: Host) -> None:
    served = host.create(FILES)
    repository = host.repository()
    repository.fetch()
    persons = served.commit({"releases/frontend.yaml": b"tag: 3.1.0\nreplicas: 5\n"}, "more replicas")
    seen: list[str] = []

    def edit(tree: Tree) -> Change | None:
        seen.append(tree.revision)
        return bump("3.1.1")(tree)

    made = made_by(repository.change(edit))
    assert len(seen) == 2
    assert seen[1] == persons
    assert served.read("releases/frontend.yaml") == b"tag: 3.1.1\nreplicas: 5\n"
    assert repository.commits(persons, made)[0].parents == (persons,)


def test_b2_an_edit_that_the_newer_head_makes_needless_is_dropped(host: Host) -> None:
    served = host.create(FILES)
    repository = host.repository()
    repository.fetch()
    persons = served.commit({"releases/frontend.yaml": b"tag: 3.1.1\n"}, "by hand")
    assert repository.change(bump("3.1.1")) is None
    assert served.head() == persons


def test_g3_two_writers_at_once_lose_nothing(host: Host) -> None:
    served = host.create({"count": b"0"})

    def write(name: str, repository: GitRepository) -> None:
        def add_one(tree: Tree) -> Change:
            count = int(tree.read("count") or b"") + 1
            return Change({"count": b"%d" % count}, f"{count} by {name}")

        for _ in range(4):
            repository.change(add_one)

    writers = [threading.Thread(target=write, args=(name, host.repository())) for name in ("a", "b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert served.read("count") == b"8"
    assert len(served.log()) == 9


def test_g3_a_branch_that_a_person_rewound_is_not_brought_back(host: Host) -> None:
    served = host.create(FILES)
    start = served.head()
    removed = served.commit({"secret": b"oops"}, "to be removed")
    repository = host.repository()
    assert repository.fetch() == removed
    served.rewind(made_by(start))
    made = made_by(repository.change(bump("3.1.1")))
    assert [line.revision for line in served.log()] == [made, start]
    assert not repository.contains(removed)
    assert repository.contains(made_by(start))
    assert repository.contains(made)
    assert not repository.contains("0" * 40)


def test_pushing_is_given_up_after_ten_heads_in_a_row(host: Host) -> None:
    served = host.create(FILES)
    repository = host.repository(attempts=3)
    repository.fetch()
    runs = []

    def outrun(tree: Tree) -> Change | None:
        runs.append(tree.revision)
        served.commit({"n": b"%d" % len(runs)}, "quicker")
        return bump("3.1.1")(tree)

    with pytest.raises(Conflict, match="others pushed first 3 times"):
        repository.change(outrun)
    assert len(runs) == 3
    assert {line.author for line in served.log()} == {"Jo Human"}


def test_g3_a_hook_that_declines_is_said_in_its_own_words_and_nothing_is_kept(host: Host) -> None:
    served = host.create(FILES)
    served.hook("pre-receive", "echo 'no bumps on Fridays' >&2\nexit 1\n")
    repository = host.repository()
    head = repository.fetch()
    with pytest.raises(UserError, match="a hook there declined: no bumps on Fridays"):
        repository.change(bump("3.1.1"))
    assert served.head() == head == repository.head()
    served.hook("pre-receive", None)
    assert repository.change(bump("3.1.1")) == served.head()


def test_o3_no_push_starts_without_leave(host: Host) -> None:
    served = host.create(FILES)

    def gate() -> None:
        raise NotLeader("the lease is not ours")

    repository = host.repository(gate=gate)
    head = repository.fetch()
    with pytest.raises(NotLeader):
        repository.change(bump("3.1.1"))
    assert served.head() == head


def test_a_missing_branch_is_named_with_those_that_there_are(host: Host) -> None:
    host.create(FILES)
    repository = host.repository(branch="production")
    with pytest.raises(UserError, match="there is no branch production; its branches are main"):
        repository.fetch()
    assert repository.head() is None


def test_b53_an_empty_repository_says_so(host: Host) -> None:
    host.create()
    with pytest.raises(UserError, match="it is empty: push a first commit"):
        host.repository().fetch()


def test_f13_a_deleted_branch_stops_all_writing(host: Host) -> None:
    served = host.create(FILES)
    repository = host.repository()
    repository.fetch()
    (served.path / "refs/heads/main").unlink()
    with pytest.raises(UserError, match="no branch main"):
        repository.change(bump("3.1.1"))
    assert repository.head() is None
    assert served.refs() == {}


def test_a_missing_repository_says_what_to_check(host: Host) -> None:
    with pytest.raises(UserError, match=r"(?s)no such repository.*check the URL"):
        host.repository("nowhere").fetch()


def test_f15_a_mirror_that_is_gone_is_made_again(host: Host) -> None:
    served = host.create(FILES)
    repository = host.repository()
    head = repository.fetch()
    shutil.rmtree(repository.mirror.git_dir)
    assert repository.tree(head).read("releases/frontend.yaml") == b"tag: 3.1.0\n"
    shutil.rmtree(repository.mirror.git_dir)
    assert repository.change(bump("3.1.1")) == served.head()


def test_the_reader_process_is_started_again_when_it_dies(host: Host) -> None:
    host.create(FILES)
    repository = host.repository()
    head = repository.fetch()
    reader = process(repository)
    reader.kill()
    reader.wait()
    assert repository.tree(head).read("releases/frontend.yaml") == b"tag: 3.1.0\n"
    assert process(repository).pid != reader.pid


def test_a_thousand_files_are_committed_and_listed_at_once(host: Host) -> None:
    served = host.create(FILES)
    repository = host.repository()
    repository.fetch()
    files = {f"team{number % 20}/app{number}.yaml": b"n: %d\n" % number for number in range(1000)}
    made = made_by(repository.change(lambda tree: Change(files, "many")))
    assert set(served.paths()) == files.keys() | FILES.keys()
    assert list(repository.tree(made).paths()) == sorted(files.keys() | FILES.keys())
    assert len(repository.tree(made).paths("team7")) == 50
    assert served.read("team7/app7.yaml") == b"n: 7\n"


def test_check_access_leaves_nothing_behind(host: Host) -> None:
    served = host.create(FILES)
    repository = host.repository()
    before = (served.refs(), sorted(served.path.rglob("*")))
    repository.check_access()
    assert (served.refs(), sorted(served.path.rglob("*"))) == before


def test_a_mark_follows_the_synced_revision(host: Host) -> None:
    served = host.create(FILES)
    repository = host.repository()
    first = repository.fetch()
    repository.mark("flux-sync", first)
    second = made_by(repository.change(bump("3.1.1")))
    for revision in (second, first, first):
        repository.mark("flux-sync", revision)
        assert served.refs()["refs/tags/flux-sync"] == revision


def test_a_host_that_is_away_is_unavailable_and_its_return_is_seen(host: Host) -> None:
    served = host.create(FILES)
    repository = host.repository()
    head = repository.fetch()
    away = served.path.with_name("away.git")
    if host.name == "file":
        served.path.rename(away)
        with pytest.raises(UserError):
            repository.fetch()
        away.rename(served.path)
    elif host.name == "http":
        host.server.status = 503
        with pytest.raises(Unavailable, match="fault of its own"):
            repository.fetch()
        host.server.status = 0
    else:
        host.server.stop()
        repository.mirror.transport.close()
        with pytest.raises(Unavailable, match="cannot be reached"):
            repository.fetch()
        host.server.start()
    assert repository.fetch() == head
