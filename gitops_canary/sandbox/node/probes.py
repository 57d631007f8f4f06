"""Probes and lifecycle hooks as a pod's spec asks for them: real HTTP, TCP connections, commands."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import aiohttp

from gitops_canary.sandbox.kube import Doc
from gitops_canary.sandbox.node.addresses import Place

Execute = Callable[[Sequence[str], float], Awaitable[int]]
"""Runs a command in the container, within seconds: its exit code."""


@dataclass(frozen=True)
class Prober:
    """Asks the container's probes. `eager`: until the first success a probe is repeated at this pace (seconds) rather than at its period,
    so that nobody waits for the clock; None = exactly as the spec says. `complain` hears why an attempt failed, once a
    period."""

    container: Doc
    place: Place
    execute: Execute
    eager: float | None = 0.2
    complain: Callable[[str, str], object] = lambda probe, trouble: None

    async def follow(self, name: str, tell: Callable[[bool], object]) -> None:
        """Runs probe `name` for ever and tells each change of its verdict, by its thresholds; a probe that is absent holds at once."""
        probe = self.container.get(name)
        if not probe:
            tell(True)
            return
        await asyncio.sleep(probe.get("initialDelaySeconds", 0))
        period, verdict, streak, last = float(probe.get("periodSeconds", 10)), None, 0, None
        quiet_until = 0.0
        while True:
            trouble = await self.trouble(probe)
            outcome, at = not trouble, asyncio.get_running_loop().time()
            if trouble and at >= quiet_until:
                quiet_until = at + period
                self.complain(name, trouble)
            streak = streak + 1 if outcome == last else 1
            last = outcome
            needed = probe.get("successThreshold", 1) if outcome else probe.get("failureThreshold", 3)
            if outcome != verdict and streak >= needed:
                verdict = outcome
                tell(outcome)
            eager = self.eager is not None and not verdict
            await asyncio.sleep(min(period, self.eager or period) if eager and name != "livenessProbe" else period)

    async def once(self, hook: Doc, seconds: float) -> bool:
        """A lifecycle hook: a request, a command, or a sleep."""
        if "sleep" in hook:
            await asyncio.sleep(min(float(hook["sleep"]["seconds"]), seconds))
            return True
        return not await self.trouble({**hook, "timeoutSeconds": seconds})

    async def trouble(self, probe: Doc) -> str:
        """One attempt: why it failed, "" when it passed."""
        timeout = float(probe.get("timeoutSeconds", 1))
        try:
            async with asyncio.timeout(timeout):
                if "httpGet" in probe:
                    return await self._get(probe["httpGet"])
                if "tcpSocket" in probe:
                    return await self._connect(probe["tcpSocket"])
                if "exec" in probe:
                    code = await self.execute(probe["exec"]["command"], timeout)
                    return f"command ended with exit code {code}" if code else ""
        except TimeoutError:
            return f"no answer within {timeout:g} s"
        except (OSError, aiohttp.ClientError) as error:
            return str(error) or type(error).__name__
        return "the sandbox's node knows httpGet, tcpSocket and exec only"

    async def _get(self, given: Doc) -> str:
        scheme, host = str(given.get("scheme", "http")).lower(), given.get("host") or self.place.address
        headers = {header["name"]: header["value"] for header in given.get("httpHeaders") or ()}
        url = f"{scheme}://{host}:{self._port(given['port'])}{given.get('path', '/')}"
        connector = aiohttp.TCPConnector(ssl=False)
        async with (
            aiohttp.ClientSession(connector=connector, trust_env=False) as session,
            session.get(url, headers={"User-Agent": "kube-probe/sandbox", **headers}, allow_redirects=False) as answer,
        ):
            return "" if 200 <= answer.status < 400 else f"HTTP probe failed with statuscode: {answer.status}"

    async def _connect(self, given: Doc) -> str:
        _, writer = await asyncio.open_connection(given.get("host") or self.place.address, self._port(given["port"]))
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        return ""

    def _port(self, wanted: int | str) -> int:
        """A port's real number; names are looked up in the container's ports."""
        declared = {port.get("name"): int(port["containerPort"]) for port in self.container.get("ports") or ()}
        return self.place.port(int(wanted) if str(wanted).isdigit() else declared.get(str(wanted), 0))
