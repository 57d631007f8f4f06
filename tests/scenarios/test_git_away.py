"""Git is away for an hour of virtual time while two runs end: traffic goes on, the results wait and are said to, and none is lost."""

from gitops_canary.ports import Answer, Ask, QueryAsk
from gitops_canary.settings import Settings
from gitops_canary.status import Status
from tests.managers.gitops_world import FRONTEND, PODINFO, release
from tests.memory.checks import all_good
from tests.scenarios.world import NAMESPACE, World

HOUR = 3600.0
NAMES = ("frontend", "backend")
FILES = {"namespaces/test.yaml": NAMESPACE, FRONTEND: release(), "releases/backend.yaml": release("backend")}


def backend_fails(ask: Ask) -> Answer:
    """Half of its requests; the frontend's are all good."""
    if isinstance(ask, QueryAsk) and (ask.builtin, ask.workload) == ("request-success-rate", "backend"):
        return Answer(ask.key, "value", 50.0)
    return all_good(ask)


def in_mid_run() -> World:
    """Both canaries analyse the same tag."""
    world = World(FILES, backend_fails)
    world.drive()
    world.push_tag("3.1.1")
    world.run_until(lambda: all(world.status(name).get("canaryWeight", 0) > 0 for name in NAMES))
    return world


def pending(world: World) -> dict[str, list[str]]:
    return {name: [one["outcome"] for one in world.status(name).get("pendingResults") or ()] for name in NAMES}


def says(world: World) -> str:
    """The results lane, as the status page shows it."""
    return next(lane.says for lane in world.operator.view() if lane.name == "results")


def shown(world: World) -> dict[str, int]:
    """How many results the status page says to wait, by canary."""
    page = Status(Settings(), world.cluster, world.clock, world.operator.view, lambda: True).page()
    return {row["name"]: row["pending_results"] for row in page["canaries"]}


def test_G1_git_is_away_for_an_hour_while_two_runs_end_and_the_first_try_after_it_records_both() -> None:
    world = in_mid_run()
    commits, away = world.subjects(), world.clock.seconds
    world.faults.away.add("git:")
    world.run_until(lambda: all(pending(world).values()))
    assert pending(world) == {"frontend": ["promoted"], "backend": ["rolled-back"]}
    ends = {name: world.status(name)["pendingResults"][0]["ended"] for name in NAMES}
    assert ends["frontend"] < ends["backend"]
    world.run_for(5)
    assert [world.status(name)["phase"] for name in NAMES] == ["Succeeded", "Failed"], "traffic waits for nobody"
    assert [world.image_of(f"{name}-primary") for name in NAMES] == [f"{PODINFO}:3.1.1", f"{PODINFO}:3.1.0"]
    assert [world.replicas_of(name) for name in NAMES] == [0, 0]

    world.run_for((away + HOUR - world.clock.seconds) / 60)
    assert world.subjects() == commits
    assert pending(world) == {"frontend": ["promoted"], "backend": ["rolled-back"]}
    assert (says(world).startswith("2 results wait for Git"), shown(world)) == (True, {"frontend": 1, "backend": 1})
    assert world.said("2 results wait for Git: cannot git: ")
    tries = sum("results wait for Git" in sentence for sentence in world.log.said)
    assert 30 <= tries <= 70, "from five seconds to one try a minute, and never given up"

    pushes = len(world.repository.pushes)
    world.faults.away.clear()
    world.run_for(1.1)
    assert sum("results wait for Git" in sentence for sentence in world.log.said) == tries, "the first try does it"
    assert [subject.partition(":")[0] for subject in world.subjects()[len(commits) :]] == [
        "Promote frontend.test 3.1.1",
        "Roll back backend.test 3.1.1 to 3.1.0",
    ], "in the order in which they ended"
    assert len(world.repository.pushes) == pushes + 1
    assert (pending(world), says(world)) == ({"frontend": [], "backend": []}, "every result is recorded")
    assert (world.file_tag(), "tag: 3.1.0" in world.repository.text("releases/backend.yaml")) == ("3.1.1", True)


def test_G1_after_the_hour_nothing_more_happens_and_the_next_tag_runs_as_ever() -> None:
    world = in_mid_run()
    world.faults.away.add("git:")
    world.run_for(HOUR / 60)
    world.faults.away.clear()
    world.drive()
    commits, writes = world.subjects(), len(world.faults.effects)
    for _ in range(10):
        world.run_for(3)
    assert (world.subjects(), world.faults.effects[writes:]) == (commits, [])
    world.judge = all_good
    world.push_tag("3.1.2")
    world.drive()
    later = world.subjects()[len(commits) :]
    assert later[0] == f"Auto-release {PODINFO}:3.1.2"
    assert sorted(later[1:]) == ["Promote backend.test 3.1.2", "Promote frontend.test 3.1.2"]
