"""Hooks and queries against real servers: started, never waited for."""

import json
import queue
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest

from gitops_canary.adapters.checks import HttpChecks
from gitops_canary.ports import Answer, Ask, HookAsk, QueryAsk
from gitops_canary.sandbox.certificates import server_files
from tests.adapters.peer import Asked, Peer, Reply

Woken = queue.Queue[str]


class World:
    """Checks whose wakes can be waited for."""

    def __init__(self, **settings: int) -> None:
        self.woken: Woken = queue.Queue()
        self.second = 1000.0
        self.checks = HttpChecks(self.woken.put, pauses=(0.0,), wall=lambda: self.second, **settings)

    def answer(self, ask: Ask, owner: str = "test/frontend") -> Answer:
        self.checks.start(owner, ask)
        assert self.woken.get(timeout=10) == owner
        return self.checks.answers(owner)[ask.key]


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.checks.close()


def hook(url: str, key: str = "run 1 tick 1 hook", **more: object) -> HookAsk:
    return HookAsk(key, url, {"name": "frontend", "metadata": {"cmd": "hey"}}, **more)  # type: ignore[arg-type]


def success_rate(url: str, workload: str, key: str = "k", window: float = 60.0) -> QueryAsk:
    return QueryAsk(key, url, window, "request-success-rate", "test", workload)


def vector(**values: str) -> bytes:
    rows = [
        {"metric": {"destination_workload_namespace": "test", "destination_workload": name}, "value": [0, value]}
        for name, value in values.items()
    ]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": rows}}).encode()


HOOKS = {
    "200": (Reply(200, b"ok"), "passed", "ok"),
    "202": (Reply(202), "passed", ""),
    "203": (Reply(203, b"not quite"), "failed", "not quite"),
    "redirect": (Reply(307, headers={"Location": "/elsewhere"}), "failed", "it answered 307 without a word"),
    "403": (Reply(403, b"Forbidden"), "failed", "Forbidden"),
    "500 shows its body": (Reply(500, b"helm test failed:\n\x1b[31mno"), "failed", "helm test failed: [31mno"),
    "endless": (Reply(500, b"x" * 1_000_000), "failed", "x" * 499 + "…"),
}


@pytest.mark.parametrize(("reply", "kind", "message"), HOOKS.values(), ids=HOOKS)
def test_a_hook_passes_up_to_202_and_its_words_are_kept(world: World, reply: Reply, kind: str, message: str) -> None:
    with Peer(lambda asked, number: reply) as peer:
        answer = world.answer(hook(peer.url))
        assert (answer.kind, answer.message, len(peer.asked)) == (kind, message, 1)
        asked = peer.asked[0]
    assert (asked.method, asked.headers["Content-Type"]) == ("POST", "application/json")
    assert json.loads(asked.body) == {"name": "frontend", "metadata": {"cmd": "hey"}}


def test_a_busy_hook_is_tried_again_as_often_as_asked(world: World) -> None:
    replies = {1: Reply(500), 2: Reply(429), 3: Reply(200, b"done")}
    with Peer(lambda asked, number: replies[number]) as peer:
        assert world.answer(hook(peer.url, retries=5)) == Answer("run 1 tick 1 hook", "passed", message="done")
        assert len(peer.asked) == 3


def test_the_last_attempts_body_is_shown(world: World) -> None:
    with Peer(lambda asked, number: Reply(503, f"busy {number}".encode())) as peer:
        assert world.answer(hook(peer.url, retries=2)).message == "busy 3"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1/secret?token=1", "127.0.0.1:1: Connection refused"),
        ("http://none.invalid/secret", "none.invalid: Failed to resolve 'none.invalid' ("),
        ("http://169.254.169.254/secret", "metadata address"),
        ("ftp://host/secret", "no HTTP address"),
        ("http://[broken", "no URL"),
    ],
    ids=["refused", "no such host", "metadata", "scheme", "broken"],
)
def test_a_hook_that_cannot_be_reached_fails_in_words(world: World, url: str, words: str) -> None:
    answer = world.answer(hook(url, retries=1))
    assert answer.kind == "failed"
    assert words in answer.message
    assert "token" not in answer.message


def test_a_hanging_hook_fails_after_its_time(world: World) -> None:
    hanging = threading.Event()
    with Peer(lambda asked, number: Reply()) as peer:
        peer.hold = hanging
        answer = world.answer(hook(peer.url, timeout=0.2))
        hanging.set()
    assert (answer.kind, answer.message) == ("failed", f"{peer.url.removeprefix('http://')}: no answer in time")


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize(("disable_tls", "kind"), [(True, "passed"), (False, "failed")])
def test_tls_is_verified_unless_it_is_turned_off(
    world: World, tmp_path_factory: pytest.TempPathFactory, disable_tls: bool, kind: str
) -> None:
    tls = server_files(tmp_path_factory.mktemp("tls")).context()
    with Peer(tls=tls) as peer:
        assert world.answer(hook(peer.url, disable_tls=disable_tls)).kind == kind


def test_equal_keys_are_asked_once(world: World) -> None:
    with Peer() as peer:
        ask = hook(peer.url)
        world.answer(ask)
        world.checks.start("test/frontend", ask)
        world.answer(hook(peer.url, "another"))
        assert len(peer.asked) == 2


def test_r1_a_forgotten_checks_late_answer_vanishes(world: World) -> None:
    hanging = threading.Event()
    with Peer(lambda asked, number: Reply(200, str(number).encode())) as peer:
        peer.hold = hanging
        world.checks.start("test/frontend", hook(peer.url, "old"))
        peer.arrived.get(timeout=10)
        world.checks.forget("test/frontend")
        world.checks.start("test/frontend", hook(peer.url, "new"))
        hanging.set()
        assert world.woken.get(timeout=10) == "test/frontend"
        assert list(world.checks.answers("test/frontend")) == ["new"]
        world.checks.forget("test/frontend", keep=["new"])
        assert list(world.checks.answers("test/frontend")) == ["new"]


def test_r1_a_key_that_is_started_anew_takes_no_answer_of_its_first_start(world: World) -> None:
    old, new = threading.Event(), threading.Event()
    with Peer(lambda asked, number: Reply(200, b"old")) as first, Peer(lambda asked, number: Reply(200, b"new")) as second:
        first.hold, second.hold = old, new
        world.checks.start("test/frontend", hook(first.url, "k"))
        first.arrived.get(timeout=10)
        world.checks.forget("test/frontend")
        world.checks.start("test/frontend", hook(second.url, "k"))
        second.arrived.get(timeout=10)
        old.set()
        first.next()
        world.answer(hook(first.url, "another"), "test/other")
        assert world.checks.answers("test/frontend") == {}
        new.set()
        assert world.woken.get(timeout=10) == "test/frontend"
        assert world.checks.answers("test/frontend")["k"].message == "new"


def test_a_hanging_owner_and_a_hanging_host_hold_up_nobody_else() -> None:
    world = World(workers=6, per_host=2, per_owner=1)
    hanging = threading.Event()
    with Peer() as slow, Peer() as quick:
        slow.hold = hanging
        for number in range(6):
            world.checks.start(f"test/{number}", hook(slow.url, timeout=30.0))
        for _ in range(2):
            slow.arrived.get(timeout=10)
        for number in range(3):
            world.checks.start("test/busy", hook(slow.url, f"{number}", timeout=30.0))
        assert world.answer(hook(quick.url), "test/other").kind == "passed"
        assert slow.arrived.empty(), "no more than two at once"
        hanging.set()
        assert sorted(world.woken.get(timeout=10) for _ in range(9)) == sorted([f"test/{n}" for n in range(6)] + ["test/busy"] * 3)
    world.checks.close()


def test_one_query_serves_the_whole_fleet(world: World) -> None:
    hanging = threading.Event()
    with Peer(lambda asked, number: Reply(200, vector(frontend="98.5", backend="NaN"))) as peer:
        peer.hold = hanging
        for owner in ("frontend", "backend", "other"):
            world.checks.start(f"test/{owner}", success_rate(peer.url, owner))
        peer.arrived.get(timeout=10)
        hanging.set()
        assert sorted(world.woken.get(timeout=10) for _ in range(3)) == ["test/backend", "test/frontend", "test/other"]
        assert world.checks.answers("test/frontend")["k"] == Answer("k", "value", 98.5)
        assert world.checks.answers("test/backend")["k"].kind == "no-data"
        assert world.checks.answers("test/other")["k"].kind == "no-data"
        assert world.answer(success_rate(peer.url, "frontend", "late")).value == 98.5
        assert len(peer.asked) == 1
        assert "istio_requests_total" in parse_qs(peer.asked[0].query)["query"][0]
        world.answer(success_rate(peer.url, "frontend", "other window", 30.0))
        world.second += 1
        world.answer(success_rate(peer.url, "frontend", "next second"))
        assert len(peer.asked) == 3


def test_an_expression_of_ones_own_is_asked_as_it_stands(world: World) -> None:
    body = b'{"status":"success","data":{"resultType":"scalar","result":[0,"4.5"]}}'
    with Peer(lambda asked, number: Reply(200, body)) as peer:
        assert world.answer(QueryAsk("k", peer.url, 60.0, expression="sum(up)")) == Answer("k", "value", 4.5)
        assert parse_qs(peer.asked[0].query) == {"query": ["sum(up)"]}


UNREACHABLE = {
    "500": (Reply(500, b"overloaded"), "500: overloaded"),
    "HTML": (Reply(200, b"<html>"), "its answer is not JSON"),
    "too long": (Reply(200, b" " * (16 * 1024 * 1024 + 1)), "longer than 16 MiB"),
}


@pytest.mark.parametrize("grouped", [True, False], ids=["grouped", "own"])
@pytest.mark.parametrize(("reply", "words"), UNREACHABLE.values(), ids=UNREACHABLE)
def test_r10_a_server_that_gives_no_numbers_is_unreachable_in_its_own_words(world: World, reply: Reply, words: str, grouped: bool) -> None:
    with Peer(lambda asked, number: reply) as peer:
        ask = success_rate(peer.url, "frontend") if grouped else QueryAsk("k", peer.url, 60.0, expression="up")
        answer = world.answer(ask)
    assert answer.kind == "unreachable"
    assert words in answer.message


def test_r10_a_server_that_is_away_is_unreachable(world: World) -> None:
    answer = world.answer(success_rate("http://ann:hunter2@127.0.0.1:1", "frontend"))
    assert answer.kind == "unreachable"
    assert "127.0.0.1:1" in answer.message
    assert "hunter2" not in answer.message


def test_a_login_in_the_address_becomes_a_header(world: World) -> None:
    with Peer(lambda asked, number: Reply(200, vector())) as peer:
        world.answer(success_rate(peer.url.replace("http://", "http://ann:secret@"), "frontend"))
        assert peer.asked[0].headers["Authorization"] == "Basic YW5uOnNlY3JldA=="


def test_names_that_only_a_proxy_knows_are_asked_through_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def seen(asked: Asked, number: int) -> Reply:
        return Reply(200, asked.headers["Host"].encode())

    with Peer(seen) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        assert world.answer(hook("http://loadtester.test/gate/check")).message == "loadtester.test"
