"""podinfo in the sandbox: the guide's paths, behaviours that images ask for, and calls that carry the trace on."""

import asyncio
import contextlib
import json
import socket
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from gitops_canary.domain.errors import UserError
from gitops_canary.sandbox.programs.behaviour import Behaviour, read_behaviour
from gitops_canary.sandbox.programs.podinfo import Podinfo, Settings, read_arguments

ADDRESS = "127.66.20."
Ask = Callable[..., Awaitable[tuple[int, str, aiohttp.ClientResponse]]]


def serve(story: Callable[[Ask], Awaitable[None]], *apps: Settings) -> list[str]:
    """Runs podinfo with these settings, the n-th on address n; returns what they logged."""
    said: list[str] = []

    async def tell() -> None:
        running = [Podinfo(settings, f"{ADDRESS}{number}", settings.port, said.append) for number, settings in enumerate(apps, start=1)]
        for app in running:
            await app.start()
        async with aiohttp.ClientSession() as client:

            async def ask(path: str, method: str = "GET", app: int = 1, **options: object) -> tuple[int, str, aiohttp.ClientResponse]:
                async with client.request(method, f"http://{ADDRESS}{app}:9898{path}", **options) as answer:  # type: ignore[arg-type]
                    return answer.status, await answer.text(), answer

            await story(ask)
        for app in running:
            await app.stop()

    asyncio.run(tell())
    return said


PATHS = {
    "/healthz": (200, '{"status": "OK"}'),
    "/readyz": (200, '{"status": "OK"}'),
    "/version": (200, '{"version": "3.1.1", "commit": "sandbox"}'),
    "/status/503": (503, '{"status": 503}'),
    "/status/999": (400, '{"status": 999}'),
    "/delay/0.01": (200, '{"delay": 0.01}'),
    "/delay/1.2.3": (400, '{"message": "the delay is a number of seconds"}'),
    "/configs": (200, "{}"),
    "/nothing": (404, "404: Not Found"),
}


@pytest.mark.parametrize("turns", range(5))
def test_a_connection_that_comes_while_the_pod_ends_is_closed(turns: int) -> None:
    """`turns` of the loop lie between it and the end: in one of them it is taken but has no protocol yet."""

    async def tell() -> None:
        app = Podinfo(Settings("frontend-1", "3.1.1"), f"{ADDRESS}9", 9898, lambda line: None)
        await app.start()
        with socket.create_connection((f"{ADDRESS}9", 9898), timeout=5) as late:
            for _ in range(turns):
                await asyncio.sleep(0)
            await app.stop()
            late.setblocking(False)
            end = None
            with contextlib.suppress(ConnectionResetError):
                end = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(late, 1), 5)
            assert not end

    asyncio.run(tell())


def test_every_path_of_the_guide_answers() -> None:
    async def story(ask: Ask) -> None:
        for path, expected in PATHS.items():
            assert (await ask(path))[:2] == expected
        _, text, _ = await ask("/")
        assert json.loads(text) == {"hostname": "frontend-1", "version": "3.1.1", "message": "greetings from podinfo"}

    serve(story, Settings("frontend-1", "3.1.1"))


def test_a_browser_gets_a_page_with_a_ping_button_that_posts_echo() -> None:
    async def story(ask: Ask) -> None:
        _, text, answer = await ask("/", headers={"Accept": "text/html,*/*"})
        assert answer.content_type == "text/html"
        assert '<button id="ping">' in text
        assert 'fetch("/echo", {method: "POST"' in text
        assert "hello &lt;b&gt;" in text

    serve(story, Settings("frontend-1", "3.1.1", message="hello <b>"))


def test_readiness_can_be_switched() -> None:
    async def story(ask: Ask) -> None:
        assert (await ask("/readyz/disable", "POST"))[0] == 202
        assert (await ask("/readyz"))[0] == 503
        await ask("/readyz/enable", "POST")
        assert (await ask("/readyz"))[0] == 200

    serve(story, Settings("frontend-1", "3.1.1"))


def test_four_of_ten_requests_fail_and_probes_never() -> None:
    async def story(ask: Ask) -> None:
        assert [(await ask("/version"))[0] for _ in range(10)].count(500) == 4
        assert {(await ask("/readyz"))[0] for _ in range(10)} == {200}
        _, metrics, _ = await ask("/metrics")
        assert 'http_requests_total{status="500"} 4.0' in metrics
        assert 'http_request_duration_seconds_count{method="GET",path="/version",status="200"} 6.0' in metrics

    serve(story, Settings("frontend-1", "3.1.2", behaviour=read_behaviour("errors=0.4")))


def test_echo_calls_its_backends_and_passes_the_trace_on() -> None:
    trace = {"X-Request-Id": "abc", "X-B3-TraceId": "1", "traceparent": "00-1-2-01"}

    async def story(ask: Ask) -> None:
        status, text, _ = await ask("/echo", "POST", data='"hi"', headers=trace)
        assert (status, json.loads(text)) == (200, ['"hi"', f"backend http://{ADDRESS}2:9898/status/500 response status code 500"])
        assert (await ask("/echo", "POST", app=2, data='"hi"'))[:2] == (202, '"hi"')

    backends = (f"http://{ADDRESS}2:9898/echo", f"http://{ADDRESS}2:9898/status/500")
    serve(story, Settings("frontend-1", "3.1.1", backends=backends), Settings("backend-1", "3.1.0"))


def test_a_backend_that_is_gone_is_named_and_logged() -> None:
    async def story(ask: Ask) -> None:
        status, text, _ = await ask("/echo", "POST", data="x")
        assert status == 200
        assert "http://127.66.20.99:1/echo call failed" in text

    assert any("backend call failed" in line for line in serve(story, Settings("f", "1", backends=("http://127.66.20.99:1/echo",))))


@pytest.mark.parametrize(("behaviour", "code"), [(Behaviour(crash=0.01), 1), (Behaviour(), 0)], ids=["crash", "good"])
def test_a_crashing_version_exits_by_itself(behaviour: Behaviour, code: int) -> None:
    async def tell() -> int:
        stopping = asyncio.Event()
        app = Podinfo(Settings("f", "1", behaviour=behaviour), f"{ADDRESS}9", 9898, lambda line: None)
        running = asyncio.create_task(app.run(stopping))
        if behaviour.crash is None:
            stopping.set()
        return await running

    assert asyncio.run(tell()) == code


def test_a_taken_port_is_an_exit_code_and_a_sentence() -> None:
    said: list[str] = []

    async def story(ask: Ask) -> None:
        assert await Podinfo(Settings("g", "1"), f"{ADDRESS}1", 9898, said.append).run(asyncio.Event()) == 1

    serve(story, Settings("f", "1"))
    assert "HTTP server crashed" in said[-1]


def test_the_charts_flags_are_understood() -> None:
    words = ["--port=9999", "--level=info", "--backend-url=http://backend.test:9898/echo", "--config-path=/x"]
    settings = read_arguments(words, {"PODINFO_UI_MESSAGE": "hi", "http_proxy": "http://mesh"}, "f", "1", Behaviour())
    assert (settings.port, settings.message, settings.backends, settings.proxy) == (
        9999,
        "hi",
        ("http://backend.test:9898/echo",),
        "http://mesh",
    )


BEHAVIOURS = {
    "": Behaviour(),
    "good": Behaviour(),
    "errors=0.4": Behaviour(errors=0.4),
    "errors=1, slow=250ms": Behaviour(errors=1.0, delay=0.25),
    "slow=2s": Behaviour(delay=2.0),
    "crash": Behaviour(crash=0.0),
    "crash=5s": Behaviour(crash=5.0),
    "unready": Behaviour(ready=False),
}


@pytest.mark.parametrize(("text", "behaviour"), BEHAVIOURS.items(), ids=BEHAVIOURS)
def test_a_label_says_how_an_image_behaves(text: str, behaviour: Behaviour) -> None:
    assert read_behaviour(text) == behaviour


@pytest.mark.parametrize("text", ["bad", "errors", "errors=40%", "errors=2", "slow=2", "crash=now", "unready=1"])
def test_a_label_that_says_nothing_known_is_refused(text: str) -> None:
    with pytest.raises(UserError, match="cannot run an image whose behaviour is"):
        read_behaviour(text)


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.3, 0.4, 0.5, 0.9, 1.0])
def test_errors_are_spread_evenly(rate: float) -> None:
    behaviour = Behaviour(errors=rate)
    failed = 0
    for number in range(1, 501):
        failed += behaviour.fails(number)
        assert abs(failed - number * rate) < 1.001


def test_a_sender_that_goes_in_the_middle_of_its_request_is_counted_and_no_error(caplog: pytest.LogCaptureFixture) -> None:
    async def story(ask: Ask) -> None:
        _, writer = await asyncio.open_connection(f"{ADDRESS}1", 9898)
        writer.write(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
        await writer.drain()
        await ask("/healthz")
        writer.transport.abort()
        while 'status="499"' not in (await ask("/metrics"))[1]:
            await asyncio.sleep(0)

    serve(story, Settings("frontend-1", "3.1.1"))
    assert caplog.records == []
