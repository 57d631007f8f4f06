"""Charts in Git: branches, tags and commits of many repositories, each asked for no more than needed."""

import shutil
from pathlib import Path

import pytest

from gitops_canary.adapters.git import GitOptions, GitRepository, Mirrors, Transport
from gitops_canary.domain.errors import UserError
from gitops_canary.sandbox.gitd import BareRepository
from tests.adapters.git.hosts import Host, made_by
from tests.adapters.git.http_host import HttpGit

CHART = {"charts/podinfo/Chart.yaml": b"name: podinfo\n", "charts/podinfo/templates/x.yaml": b"x\n", "other": b"1"}


def test_a_chart_is_had_by_branch_tag_and_commit(host: Host) -> None:
    served = host.create(CHART, "charts")
    first = served.head()
    repository = host.repository("charts")
    repository.fetch()
    repository.mark("v1.0.0", made_by(first))
    second = served.commit({"charts/podinfo/Chart.yaml": b"name: podinfo\nversion: 2\n"}, "two")
    mirrors = Mirrors(repository.mirror.transport)
    by_branch, by_tag, by_commit = (mirrors.export(host.url("charts"), ref, "charts/podinfo") for ref in ("main", "v1.0.0", second))
    assert (by_branch.revision, by_tag.revision, by_commit.revision) == (second, first, second)
    assert by_branch.path == by_commit.path != by_tag.path
    assert (by_tag.path / "templates" / "x.yaml").read_bytes() == b"x\n"
    mirrors.close()


def test_an_annotated_tag_stands_for_its_commit(host: Host) -> None:
    served = host.create(CHART, "charts")
    served._git("-c", "user.name=x", "-c", "user.email=x@x", "tag", "-a", "-m", "one", "v1", "main")
    mirrors = Mirrors(host.transport())
    if host.name == "http":
        mirrors._transport.trust(mirrors._transport.url(host.url("charts")))
    assert mirrors.export(host.url("charts"), "v1", "charts/podinfo").revision == served.head()
    mirrors.close()
    mirrors._transport.close()


@pytest.fixture
def mirrors(tmp_path: Path) -> Mirrors:
    return Mirrors(Transport(GitOptions(state=tmp_path / "s", allow_file_urls=True)))


def test_a_commit_that_is_there_costs_no_request(tmp_path: Path, mirrors: Mirrors) -> None:
    served = BareRepository.create(tmp_path / "c.git", CHART)
    first = mirrors.export(str(served.path), "main", "charts/podinfo")
    shutil.rmtree(served.path)
    assert mirrors.export(str(served.path), first.revision, "charts/podinfo") == first
    mirrors.close()


@pytest.mark.parametrize("ref", ["nothing", "0" * 40])
def test_a_ref_that_is_not_there_is_named(tmp_path: Path, mirrors: Mirrors, ref: str) -> None:
    served = BareRepository.create(tmp_path / "c.git", CHART)
    with pytest.raises(UserError, match=ref):
        mirrors.export(str(served.path), ref, "charts/podinfo")
    mirrors.close()


def test_few_of_many_mirrors_keep_a_process(tmp_path: Path, mirrors: Mirrors) -> None:
    for number in range(20):
        served = BareRepository.create(tmp_path / f"c{number}.git", CHART)
        mirrors.export(str(served.path), "main", "charts/podinfo")
    running = [mirror for mirror in mirrors._mirrors.values() if mirror.objects._process is not None]
    assert len(running) == 16
    assert mirrors.export(str(tmp_path / "c0.git"), "main", "charts/podinfo").path.is_dir()
    mirrors.close()


def test_the_cluster_repositorys_password_goes_to_its_host_alone(tmp_path: Path) -> None:
    BareRepository.create(tmp_path / "cluster.git", {"a": b"1"})
    ours, theirs = HttpGit(tmp_path), HttpGit(tmp_path)
    for server in (ours, theirs):
        server.add_user("robot", "s3cret-t0ken", write=True)
        server.start()
    transport = Transport(GitOptions(state=tmp_path / "s", username="robot", password="s3cret-t0ken"))
    repository = GitRepository(ours.url("cluster"), "main", transport)
    repository.fetch()
    charts = Mirrors(transport)
    assert charts.export(ours.url("cluster"), "main", "").revision == repository.head()
    with pytest.raises(UserError, match="does not accept user and password"):
        charts.export(theirs.url("cluster"), "main", "")
    for closable in (charts, repository, transport):
        closable.close()
    for server in (ours, theirs):
        server.stop()
