"""`kubectl exec` over a WebSocket (v5.channel.k8s.io): a command in a container's environment, with pipes or a terminal."""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import struct
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path

from aiohttp import WSMsgType, web

STDIN, STDOUT, STDERR, STATUS, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
PROTOCOLS = ("v5.channel.k8s.io", "v4.channel.k8s.io")
PARAMETERS = frozenset({"command", "input", "stdin", "output", "stdout", "error", "stderr", "tty", "container"})


async def serve_exec(request: web.Request, command: Sequence[str], environment: Mapping[str, str], folder: Path) -> web.StreamResponse:
    """The whole session; 400 for a request that is no WebSocket of a known protocol, or asks for what is unknown."""
    offered = request.headers.get("Sec-WebSocket-Protocol", "").replace(" ", "").split(",")
    if request.headers.get("Upgrade", "").lower() != "websocket" or not set(offered) & set(PROTOCOLS):
        return web.Response(status=400, text=f"exec needs a WebSocket with one of the protocols {', '.join(PROTOCOLS)}\n")
    if strange := sorted(request.query.keys() - PARAMETERS):
        return web.Response(status=400, text=f"exec parameter {strange[0]!r} is not supported by the sandbox's node\n")
    socket = web.WebSocketResponse(protocols=PROTOCOLS, max_msg_size=1 << 20)
    await socket.prepare(request)
    session = _Session(socket, environment, folder, terminal=_asked(request, "tty"))
    await session.run(command, _asked(request, "input", "stdin"))
    return socket


def _asked(request: web.Request, *names: str) -> bool:
    return any(request.query.get(name) in ("1", "true") for name in names)


class _Session:
    def __init__(self, socket: web.WebSocketResponse, environment: Mapping[str, str], folder: Path, *, terminal: bool) -> None:
        self._socket, self._folder, self._terminal = socket, folder, terminal
        self._environment = {**environment, "PWD": str(folder), **({"TERM": "xterm", "PS1": "$ "} if terminal else {})}
        self._sending = asyncio.Lock()

    async def run(self, command: Sequence[str], wants_input: bool) -> None:
        try:
            started = await (self._start_terminal(command) if self._terminal else self._start_pipes(command, wants_input))
        except (OSError, IndexError) as error:
            name = command[0] if command else ""
            await self._finish(failure(f'error executing command: exec: "{name}": {getattr(error, "strerror", None) or "no command"}'))
            return
        process, readers = started
        listening = asyncio.create_task(self._listen(process))
        code = await process.wait()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*readers), 1.0)
        self._kill(process)
        listening.cancel()
        await asyncio.gather(listening, *readers, return_exceptions=True)
        self._close_terminal()
        await self._finish(exit_status(code if code >= 0 else 128 - code))

    async def _start_pipes(
        self, command: Sequence[str], wants_input: bool
    ) -> tuple[asyncio.subprocess.Process, list["asyncio.Task[None]"]]:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=pipe if wants_input else asyncio.subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
            env=self._environment,
            cwd=self._folder,
            start_new_session=True,
        )
        self._stdin = process.stdin
        assert process.stdout
        assert process.stderr
        return process, [asyncio.create_task(self._copy(process.stdout, STDOUT)), asyncio.create_task(self._copy(process.stderr, STDERR))]

    async def _start_terminal(self, command: Sequence[str]) -> tuple[asyncio.subprocess.Process, list["asyncio.Task[None]"]]:
        self._master, slave = os.openpty()
        # A shell of its own session takes the terminal as its controlling one by opening it; job control then works as on any console.
        wrapped = ("sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(slave), *command)
        try:
            process = await asyncio.create_subprocess_exec(
                *wrapped, stdin=slave, stdout=slave, stderr=slave, env=self._environment, cwd=self._folder, start_new_session=True
            )
        except BaseException:
            os.close(self._master)
            raise
        finally:
            os.close(slave)
        os.set_blocking(self._master, False)
        self._stdin = None
        return process, [asyncio.create_task(self._copy_terminal())]

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        """The client's frames, until it goes; a client that goes takes the command with it."""
        async for message in self._socket:
            if message.type == WSMsgType.BINARY and message.data:
                await self._take(message.data[0], message.data[1:])
        self._kill(process)

    async def _take(self, channel: int, data: bytes) -> None:
        if channel == STDIN and self._terminal:
            os.write(self._master, data)
        elif channel == STDIN and self._stdin:
            self._stdin.write(data)
            with contextlib.suppress(ConnectionError):
                await self._stdin.drain()
        elif channel == CLOSE and data[:1] == bytes([STDIN]) and self._stdin:
            self._stdin.close()
        elif channel == RESIZE and self._terminal:
            size = json.loads(data)
            fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", int(size["Height"]), int(size["Width"]), 0, 0))

    async def _copy(self, stream: asyncio.StreamReader, channel: int) -> None:
        while chunk := await stream.read(32768):
            await self._send(channel, chunk)

    async def _copy_terminal(self) -> None:
        """Until the last program closes it, which reads as an error on Linux."""
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self._master, readable.set)
        try:
            while True:
                await readable.wait()
                readable.clear()
                with contextlib.suppress(BlockingIOError):
                    while chunk := os.read(self._master, 32768):
                        await self._send(STDOUT, chunk)
                    return
        except OSError:
            return
        finally:
            loop.remove_reader(self._master)

    async def _send(self, channel: int, data: bytes) -> None:
        async with self._sending:
            with contextlib.suppress(ConnectionError):
                await self._socket.send_bytes(bytes([channel]) + data)

    async def _finish(self, status: Mapping[str, object]) -> None:
        await self._send(STATUS, json.dumps(status).encode())
        await self._socket.close()

    def _close_terminal(self) -> None:
        if self._terminal:
            os.close(self._master)

    def _kill(self, process: asyncio.subprocess.Process) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def exit_status(code: int) -> dict[str, object]:
    """The final `Status` that carries an exit code."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "reason": "NonZeroExitCode",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def failure(message: str) -> dict[str, object]:
    return {"metadata": {}, "status": "Failure", "reason": "InternalError", "message": message, "code": 500}
