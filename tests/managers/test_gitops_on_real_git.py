"""The repository template on real git: a tag is bumped, fails, is put back, and its canary's file stays readable to git's own tools."""

import subprocess
from pathlib import Path

from gitops_canary.managers.images import ImageRules, ImagesManager
from gitops_canary.managers.results import ResultRules, ResultsManager
from gitops_canary.manifests.tree import ParseCache, read_tree
from tests.adapters.git.hosts import Host
from tests.managers.gitops_world import PODINFO, World
from tests.managers.test_results import Inbox, result

TEMPLATE = Path(__file__).parents[2] / "repo-template"


def test_a_tag_is_bumped_and_put_back_in_the_template(tmp_path: Path) -> None:
    world = World()
    files = {str(path.relative_to(TEMPLATE)): path.read_bytes() for path in TEMPLATE.rglob("*") if path.is_file()}
    host = Host("file", None, tmp_path, tmp_path)
    host.create(files)
    repository = host.repository()
    cache = ParseCache()
    images = ImagesManager(repository, world.registry, world.cluster, lambda tree: read_tree(tree, (), cache), ImageRules(), world.log)
    results = ResultsManager(repository, world.cluster, lambda tree: read_tree(tree, (), cache), Inbox(), ResultRules(), world.log)
    world.registry.push(PODINFO, "3.1.1")
    repository.fetch()
    images.ensure(world.clock.now(), frozenset())
    pending = [{**result().to_dict(), "outcome": "rolled-back"}]
    world.canary(status={"pendingResults": pending}, image=f"{PODINFO}:3.1.1", primary=f"{PODINFO}:3.1.0")
    results.ensure(world.clock.now(), frozenset())

    def git(*words: str) -> str:
        return subprocess.run(["git", *words], cwd=host.folder / "cluster.git", capture_output=True, text=True, check=True).stdout

    subjects = git("log", "--format=%s", "main").splitlines()
    assert subjects[0] == "Roll back frontend.test 3.1.1 to 3.1.0: success rate 62.50% < 99%"
    assert subjects[1] == f"Auto-release {PODINFO}:3.1.1"
    assert git("log", "-1", "--format=%(trailers:key=Canary-Run-Id,valueonly)", "main").strip() == "test.frontend-1"
    bump = git("rev-parse", "main~1").strip()
    assert git("log", "-1", "--format=%(trailers:key=Bump-Commit,valueonly)", "main").strip() == bump
    counts = git("show", "--numstat", "--format=", "main~1").split("\n")
    assert {line.split("\t")[0:2] == ["1", "1"] for line in counts if line} == {True}
    assert git("show", "--numstat", "--format=", "main", "--", "releases").split() == ["1", "1", "releases/test/frontend.yaml"]
    host.close()
