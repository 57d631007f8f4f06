"""Both data planes, real Envoy and the Python proxy, split and measure real traffic the same way."""

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from gitops_canary.sandbox.mesh.envoy import EnvoyProxy
from gitops_canary.sandbox.mesh.identity import Source, authorization_prefix, proxy_url, source_of
from gitops_canary.sandbox.mesh.mesh import DataPlane
from gitops_canary.sandbox.mesh.planning import plan_table
from gitops_canary.sandbox.mesh.python_proxy import PythonProxy
from gitops_canary.sandbox.mesh.table import Destination
from gitops_canary.sandbox.mesh.telemetry import Reading, exposition
from tests.sandbox.mesh.objects import Doc, canary_services, pod, route, service, split, virtual_service

KINDS: dict[str, Callable[[], DataPlane]] = {"envoy": lambda: EnvoyProxy(flush=0.1), "python": PythonProxy}
APP_PORT = 9898


@dataclass
class App:
    """A pod's server: answers `?status=N` with that status, `?wait=S` later, and counts."""

    name: str
    address: str
    seen: Counter[str] = field(default_factory=Counter)
    headers: list[dict[str, str]] = field(default_factory=list)

    async def serve(self, request: web.BaseRequest) -> web.Response:
        self.seen[request.path] += 1
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        await asyncio.sleep(float(request.query.get("wait", "0")))
        body = await request.read()
        return web.Response(status=int(request.query.get("status", "200")), body=body or self.name.encode(), headers={"X-App": self.name})


@dataclass
class World:
    plane: DataPlane
    client: aiohttp.ClientSession
    primary: App
    canary: App

    def pods(self) -> list[Doc]:
        return [pod("p1", "frontend-primary", self.primary.address), pod("c1", "frontend", self.canary.address)]

    async def serve(self, *virtual_services: Doc, pods: list[Doc] | None = None, services: list[Doc] | None = None) -> None:
        await self.plane.apply(plan_table(services or canary_services(), self.pods() if pods is None else pods, virtual_services, []))

    async def ask(self, url: str, *, namespace: str = "test", method: str = "GET", **options: object) -> tuple[int, str]:
        proxy = proxy_url(self.plane.address, namespace, "loadtester") if namespace else self.plane.address
        async with self.client.request(method, url, proxy=proxy, **options) as answer:  # type: ignore[arg-type]
            return answer.status, await answer.text()

    async def ask_often(self, url: str, count: int) -> Counter[tuple[int, str]]:
        seen: Counter[tuple[int, str]] = Counter()

        async def some(times: int) -> None:
            for _ in range(times):
                seen[await self.ask(url)] += 1

        await asyncio.gather(*(some(count // 16) for _ in range(16)))
        return seen


@asynccontextmanager
async def world(kind: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        apps = [App(name, f"127.66.{1 + list(KINDS).index(kind)}.{number}") for number, name in enumerate(("primary", "canary"), start=1)]
        for app in apps:
            runner = web.ServerRunner(web.Server(app.serve), shutdown_timeout=0.1)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, app.address, APP_PORT).start()
        plane = KINDS[kind]()
        stack.push_async_callback(plane.stop)
        await plane.start()
        client = await stack.enter_async_context(aiohttp.ClientSession())
        yield World(plane, client, *apps)


def run(kind: str, story: Callable[[World], Awaitable[None]]) -> None:
    async def tell() -> None:
        async with world(kind) as made:
            await story(made)

    asyncio.run(tell())


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await holds():
            await asyncio.sleep(0.02)


def total(reading: Reading, workload: str, *, reached: bool = True) -> dict[str, float]:
    codes: Counter[str] = Counter()
    for (flow, code), count in reading.requests.items():
        if flow.destination.workload == workload and flow.reached == reached and count:
            codes[code] += int(count)
    return dict(codes)


@pytest.fixture(params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_two_thousand_requests_follow_the_weights_within_three_sigma(kind: str) -> None:
    async def story(world: World) -> None:
        for weight in (5, 25, 50):
            await world.serve(split(weight))
            seen = await world.ask_often("http://frontend.test:9898/", 2000)
            sigma = math.sqrt(2000 * weight / 100 * (1 - weight / 100))
            assert set(seen) == {(200, "primary"), (200, "canary")}
            assert abs(seen[200, "canary"] - 20 * weight) <= 3 * sigma
        sent = {"frontend-primary": world.primary.seen["/"], "frontend": world.canary.seen["/"]}
        reading = await world.plane.reading()
        assert {name: total(reading, name) for name in sent} == {name: {"200": count} for name, count in sent.items()}

    run(kind, story)


def test_a_new_weight_holds_from_the_moment_that_apply_returns(kind: str) -> None:
    async def story(world: World) -> None:
        for weight, expected in ((100, "canary"), (0, "primary"), (100, "canary"), (0, "primary")):
            await world.serve(split(weight))
            assert set(await world.ask_often("http://frontend.test:9898/", 32)) == {(200, expected)}

    run(kind, story)


def test_names_are_as_long_as_one_likes_and_short_ones_mean_the_senders_namespace(kind: str) -> None:
    async def story(world: World) -> None:
        services = [*canary_services(), service("frontend", "frontend", namespace="prod")]
        elsewhere = [pod("x", "frontend", world.canary.address, namespace="prod")]
        await world.serve(split(0), services=services, pods=[*world.pods(), *elsewhere])
        for name in ("frontend", "frontend.test", "frontend.test.svc", "frontend.test.svc.cluster.local"):
            assert await world.ask(f"http://{name}:9898/") == (200, "primary")
        assert await world.ask("http://frontend:9898/", namespace="prod") == (200, "canary")
        for stranger in ("http://frontend:9898/", "http://nowhere.test:9898/"):
            status, text = await world.ask(stranger, namespace="")
            assert status == 404
            assert "the mesh knows no such host" in text

    run(kind, story)


def test_only_ready_pods_get_traffic_and_none_is_a_503_that_says_so(kind: str) -> None:
    async def story(world: World) -> None:
        unready = [pod("p1", "frontend-primary", world.primary.address, ready=False), world.pods()[1]]
        await world.serve(split(50), pods=unready)
        seen = await world.ask_often("http://frontend.test:9898/", 160)
        assert {(status, text.strip()) for status, text in seen} == {(503, "no healthy upstream"), (200, "canary")}
        assert not world.primary.seen
        refused = sum(count for (status, _), count in seen.items() if status == 503)
        reading = await world.plane.reading()
        assert total(reading, "frontend-primary") == {}
        assert total(reading, "frontend-primary", reached=False) == {"503": refused}

    run(kind, story)


def test_errors_and_durations_are_measured_at_the_pods(kind: str) -> None:
    async def story(world: World) -> None:
        await world.serve(split(100))
        for status in (200, 404, 500, 500):
            await world.ask(f"http://frontend.test:9898/?status={status}")
        await world.ask("http://frontend-canary.test:9898/?wait=0.12")
        reading = await world.plane.reading()
        assert total(reading, "frontend") == {"200": 2, "404": 1, "500": 2}

        async def flushed() -> bool:
            text = exposition(await world.plane.reading()).decode()
            slow = [line for line in text.splitlines() if 'le="250"' in line and "frontend-canary" in line]
            quick = [line for line in text.splitlines() if 'le="100"' in line and "frontend-canary" in line]
            return [line.split()[-1] for line in slow] != [line.split()[-1] for line in quick]

        await until(flushed)

    run(kind, story)


def test_headers_choose_the_route_and_are_changed_on_the_way(kind: str) -> None:
    async def story(world: World) -> None:
        insider = route(("frontend-canary", 100), match=[{"headers": {"x-user": {"exact": "insider"}}}, {"uri": {"prefix": "/new"}}])
        rest = route(
            ("frontend-primary", 100), headers={"request": {"set": {"x-set": "50%"}, "remove": ["x-secret"]}}, rewrite={"uri": "/there"}
        )
        await world.serve(virtual_service("frontend", insider, rest))
        assert await world.ask("http://frontend.test:9898/", headers={"X-User": "insider"}) == (200, "canary")
        assert await world.ask("http://frontend.test:9898/new/thing") == (200, "canary")
        assert await world.ask("http://frontend.test:9898/old?a=b", headers={"x-secret": "s", "traceparent": "00-1-2-01"}) == (
            200,
            "primary",
        )
        seen = world.primary.headers[-1]
        assert (seen["x-set"], seen["traceparent"], "x-secret" in seen) == ("50%", "00-1-2-01", False)
        assert world.primary.seen["/there"] == 1
        assert seen["x-request-id"]
        assert "proxy-authorization" not in seen

    run(kind, story)


def test_bodies_arrive_whole_and_timeouts_are_504(kind: str) -> None:
    async def story(world: World) -> None:
        await world.serve(split(0, timeout="200ms"))
        body = b"x" * 300_000
        assert await world.ask("http://frontend.test:9898/echo", method="POST", data=body) == (200, body.decode())
        status, text = await world.ask("http://frontend.test:9898/?wait=5")
        assert (status, text.strip()) == (504, "upstream request timeout")

    run(kind, story)


def test_a_pod_that_is_gone_costs_no_request_while_another_lives(kind: str) -> None:
    async def story(world: World) -> None:
        gone = pod("p0", "frontend-primary", "127.66.9.9")
        await world.serve(split(0), pods=[*world.pods(), gone])
        assert set(await world.ask_often("http://frontend.test:9898/", 64)) == {(200, "primary")}

    run(kind, story)


def test_counters_live_on_when_pods_come_and_go(kind: str) -> None:
    async def story(world: World) -> None:
        counts = []
        for pods in ([world.pods()[1]], world.pods(), [world.pods()[0]], world.pods()):
            await world.serve(split(50), pods=pods)
            await world.ask_often("http://frontend.test:9898/", 32)
            counts.append(total(await world.plane.reading(), "frontend-primary").get("200", 0))
        assert counts == sorted(counts)
        assert counts[-1] == world.primary.seen["/"] > 0

    run(kind, story)


def test_a_fleet_of_two_hundred_canaries_is_served(kind: str) -> None:
    async def story(world: World) -> None:
        names = [f"app-{number}" for number in range(200)]
        services = [made for name in names for made in canary_services(name)]
        pods = [pod(name, app, world.primary.address) for name in names for app in (name, f"{name}-primary")]
        await world.serve(*(split(50, name) for name in names), services=services, pods=pods)
        for name in names[::40]:
            assert await world.ask(f"http://{name}:9898/") == (200, "primary")

    run(kind, story)


def test_what_is_not_supported_is_answered_with_its_sentence(kind: str) -> None:
    async def story(world: World) -> None:
        await world.serve(virtual_service("frontend", route(("frontend-primary", 100), mirror={"host": "x"})))
        status, text = await world.ask("http://frontend.test:9898/")
        assert (status, text) == (503, "VirtualService test/frontend: http.mirror is not supported by the sandbox's mesh\n")
        await world.serve(virtual_service("frontend", route(("frontend-primary", 100), match=[{"uri": {"exact": "/only"}}])))
        status, text = await world.ask("http://frontend.test:9898/else")
        assert status == 404
        assert "no route of its VirtualService matches" in text

    run(kind, story)


def test_the_python_proxy_knows_who_asked() -> None:
    async def story(world: World) -> None:
        await world.serve(split(0))
        await world.ask("http://frontend:9898/")
        text = exposition(await world.plane.reading()).decode()
        assert 'source_workload="loadtester",source_workload_namespace="test"' in text

    run("python", story)


@pytest.mark.parametrize("namespace", ["a", "ab", "abc", "test", "kube-system"])
def test_a_source_survives_its_way_through_a_url(namespace: str) -> None:
    url = URL(proxy_url("http://127.0.0.1:1", namespace, "front.end-1"))
    header = aiohttp.encode_basic_auth(url.user or "", url.password or "")
    assert source_of(header) == Source(namespace, "front.end-1")
    assert header.startswith(authorization_prefix(namespace))


@pytest.mark.parametrize("header", [None, "", "Bearer x", "Basic !!!", "Basic " + "4pyT" * 3])
def test_other_authorizations_are_an_unknown_source(header: str | None) -> None:
    assert source_of(header) == Source()


def test_destinations_have_istios_full_host() -> None:
    assert Destination("test", "frontend", "frontend-canary", 9898).host == "frontend-canary.test.svc.cluster.local"
