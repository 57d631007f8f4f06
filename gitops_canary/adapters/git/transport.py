"""How git reaches remotes: ssh masters with the deploy key, https with credentials that stand in no argument list, time limits."""

import base64
import os
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from gitops_canary.adapters.git.commands import Commands, Result
from gitops_canary.adapters.git.deploy_key import DeployKey
from gitops_canary.adapters.git.hosts import write_known_hosts
from gitops_canary.adapters.git.options import GitOptions
from gitops_canary.adapters.git.redaction import register_secret
from gitops_canary.adapters.git.ssh import SshMaster, control_folder, remove_control_folder
from gitops_canary.adapters.git.urls import GitUrl, parse_url
from gitops_canary.domain.errors import UserError


class Transport:
    """Shared by the cluster repository and all chart mirrors of a process: one connection a host, one key."""

    def __init__(self, options: GitOptions, key: DeployKey | None = None) -> None:
        self.options = options
        self._folder = options.state / "ssh"
        self._known_hosts = self._folder / "known_hosts"
        try:
            self.commands = Commands(options.state, allow_file=options.allow_file_urls)
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_known_hosts(self._known_hosts, options.known_hosts)
        except OSError as error:
            raise UserError(
                f"cannot use the state folder {options.state}: {error.strerror}", hint="name a writable one with --state-dir"
            ) from error
        self._masters: dict[tuple[str, int | None], SshMaster] = {}
        self._lock = threading.Lock()
        self._trusted: set[str] = set()
        self.key: DeployKey | None = None
        if key:
            self.use_key(key)

    @property
    def public_key(self) -> str:
        """For hints: what must be added at the host; "" without a key."""
        return self.key.public if self.key else ""

    def url(self, raw: str) -> GitUrl:
        return parse_url(raw, allow_file=self.options.allow_file_urls)

    def use_key(self, key: DeployKey) -> None:
        """Use this key from now on; connections made with another end."""
        if self.key == key:
            return
        self.key = key
        _write_private(self._folder / "identity", key.private)
        self.close()

    def trust(self, url: GitUrl) -> None:
        """User and password of the options may be sent to this scheme, host and port; to no other, whatever a manifest names."""
        self._trusted.add(_origin(url))

    def close(self) -> None:
        """End every connection; the next use connects again."""
        with self._lock:
            masters, self._masters = list(self._masters.values()), {}
        for master in masters:
            master.stop()
        remove_control_folder(self.options.state)

    def drop(self, url: GitUrl) -> None:
        """End the connection to this URL's host: it may hang."""
        if url.is_ssh:
            self._master(url).stop()

    def run(self, url: GitUrl, args: Sequence[str], *, git_dir: Path | None, timeout: float) -> Result:
        """A git command that talks to `url`. `reached` is False in the result when no connection came about: nothing was asked there."""
        if not url.is_ssh:
            return self.commands.run(args, git_dir=git_dir, timeout=timeout, env=self._http(url))
        master, began = self._master(url), time.monotonic()
        with master.sessions:
            words = master.ensure(timeout)
            left = timeout - (time.monotonic() - began)
            if words or left <= 0:
                return Result(255, b"", words or "ssh: connection timed out", reached=False)
            env = {"GIT_SSH_COMMAND": master.command(), "GIT_SSH_VARIANT": "ssh"}
            return self.commands.run(args, git_dir=git_dir, timeout=left, env=env)

    def _master(self, url: GitUrl) -> SshMaster:
        with self._lock:
            place = (url.destination, url.port)
            if place not in self._masters:
                identity = self._folder / "identity" if self.key else None
                self._masters[place] = SshMaster(url, control_folder(self.options.state), identity, self._known_hosts)
            return self._masters[place]

    def _http(self, url: GitUrl) -> Mapping[str, str]:
        if not url.is_http:
            return {}
        env = {"GIT_SSL_CAINFO": self.options.ca_file} if self.options.ca_file else {}
        user, password = url.user, url.password
        if not password and _origin(url) in self._trusted:
            user, password = self.options.username, self.options.password
        if not (user or password):
            return env
        token = base64.b64encode(f"{user}:{password}".encode()).decode()
        register_secret(password)
        register_secret(token)
        # By environment: argument lists are readable by every user of the machine. Bound to this host.
        env |= {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{_origin(url)}/.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {token}",
        }
        return env


def _origin(url: GitUrl) -> str:
    return f"{url.scheme}://{urlsplit(url.text).netloc}"


def _write_private(path: Path, text: str) -> None:
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
