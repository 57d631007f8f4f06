"""`GitServer`: an SSH server on loopback that runs the real git-receive-pack and git-upload-pack; keys come and go while it runs."""

import asyncio
import shlex
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

from gitops_canary.sandbox.gitd.bare import BareRepository
from gitops_canary.sandbox.gitd.faults import Faults
from gitops_canary.sandbox.gitd.sessions import Push, serve_command

_START_SECONDS = 20.0


@dataclass
class Key:
    """A deploy key: one line of public key, and whether it may write."""

    public: str
    write: bool


class GitServer:
    """Git over SSH at `ssh://git@host:port/name.git`. Keys hold for all repositories. `start` and `stop` may follow each other: host key
    and repositories stay in `root`, the port too."""

    kind = "sandbox"

    def __init__(self, root: Path, host: str = "127.0.0.1", port: int = 0) -> None:
        self.root, self.host, self.port = root, host, port
        self.faults = Faults()
        self.commands: list[str] = []
        self._keys: dict[str, Key] = {}
        self._listeners: list[Callable[[Push], None]] = []
        self._connections: set[Any] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._acceptor: Any = None
        for name in ("home", "deploy-keys"):
            (root / name).mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> "GitServer":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ------------------------------------------------------------ life

    def start(self) -> None:
        """Listens when it returns."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="gitd", daemon=True)
        self._thread.start()
        self._acceptor = self._call(self._listen())
        self.port = self._acceptor.get_port()

    def stop(self) -> None:
        """Ends listener, connections and their git processes."""
        if self._loop is None or self._thread is None:
            return
        self._call(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_START_SECONDS)
        self._loop.close()
        self._loop = self._thread = None

    def drop_connections(self) -> None:
        """Break every connection, as a network fault does."""
        for connection in list(self._connections):
            self._soon(connection.abort)

    # ------------------------------------------------------------ keys and repositories

    def add_key(self, public: str, *, write: bool) -> None:
        """Let this key in, or change what it may do; at once, on open connections too."""
        self._keys[_body(public)] = Key(public, write)

    def remove_key(self, public: str) -> None:
        """Open connections of the key end."""
        self._keys.pop(_body(public), None)
        for connection in list(self._connections):
            if connection.get_extra_info("gitd_key") == _body(public):
                self._soon(connection.abort)

    def keys(self) -> list[Key]:
        return list(self._keys.values())

    def key(self, body: str) -> Key | None:
        return self._keys.get(body) or self._dropped(body)

    def _dropped(self, body: str) -> Key | None:
        """Keys that a person has put as `*.pub` into the folder `deploy-keys` may write: the hosting service's settings page."""
        for path in sorted((self.root / "deploy-keys").glob("*.pub")):
            public = path.read_text().strip()
            if public and _body(public) == body:
                return Key(public, True)
        return None

    def create(self, name: str, files: Mapping[str, bytes] | None = None, branch: str = "main") -> BareRepository:
        return BareRepository.create(self.root / f"{name}.git", files, branch=branch)

    def repository(self, name: str) -> BareRepository:
        return BareRepository(self.root / f"{name}.git")

    def url(self, name: str) -> str:
        return f"ssh://git@{self.host}:{self.port}/{name}.git"

    @property
    def known_hosts(self) -> str:
        """The line for a client's known_hosts."""
        public = self._host_key().export_public_key().decode().strip()
        return f"[{self.host}]:{self.port} {' '.join(public.split()[:2])}"

    def new_host_key(self) -> None:
        """From the next start on the host shows another key."""
        (self.root / "host_key").unlink(missing_ok=True)

    def on_push(self, listener: Callable[[Push], None]) -> None:
        """Called (in the server's thread) for each ref that a push moved, after it moved: a hosting service's webhook."""
        self._listeners.append(listener)

    def pushed(self, push: Push) -> None:
        for listener in self._listeners:
            listener(push)

    @property
    def listens_to_pushes(self) -> bool:
        return bool(self._listeners)

    # ------------------------------------------------------------ inside

    def _run(self) -> None:
        assert self._loop is not None
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _call(self, coroutine: Any) -> Any:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_START_SECONDS)

    def _soon(self, action: Callable[[], object]) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(action)

    def _host_key(self) -> Any:
        file = self.root / "host_key"
        if not file.exists():
            asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(file))
        return asyncssh.read_private_key(str(file))

    async def _listen(self) -> Any:
        return await asyncssh.listen(
            self.host,
            self.port,
            server_host_keys=[self._host_key()],
            server_factory=lambda: _Door(self),
            process_factory=self._serve,
            encoding=None,
            line_editor=False,
            allow_pty=False,
            agent_forwarding=False,
            keepalive_interval=15,
        )

    async def _close(self) -> None:
        self._acceptor.close()
        for connection in list(self._connections):
            connection.abort()
        await self._acceptor.wait_closed()
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, process: Any) -> None:
        self.commands.append(process.command or "")
        await serve_command(self, process, _words(process.command or ""))


class _Door(asyncssh.SSHServer):
    """Who may come in: the user `git` with a known key."""

    def __init__(self, server: GitServer) -> None:
        self._server = server
        self._connection: Any = None

    def connection_made(self, connection: Any) -> None:
        self._connection = connection
        self._server._connections.add(connection)

    def connection_lost(self, error: Exception | None) -> None:
        self._server._connections.discard(self._connection)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: Any) -> bool:
        body = _body(key.export_public_key().decode())
        self._connection.set_extra_info(gitd_key=body)
        return username == "git" and self._server.key(body) is not None


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # an open quote: no command of ours
        return []


def _body(public: str) -> str:
    return public.split()[1]
