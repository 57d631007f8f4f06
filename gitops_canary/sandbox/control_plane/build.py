"""Builds the missing programs into the cache folder: one builder at a time, each program put in place whole, so it can be interrupted."""

import fcntl
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from gitops_canary.domain.errors import Unavailable, UserError
from gitops_canary.sandbox.control_plane import recipe, toolchain
from gitops_canary.sandbox.control_plane.binaries import SERVERS, cache_folder, runnable

Say = Callable[[str], None]
HEARTBEAT_SECONDS = 30.0
"""A CI log that stands still for minutes looks hung."""
QUOTED = 2000
"""Characters of Go's own output in an error: its last lines name the cause."""


def build(say: Say, environ: Mapping[str, str] = os.environ) -> Path:
    """Puts every missing program into its folder and returns it; says one line per step.

    UserError: no Go that can build it, or KUBEBUILDER_ASSETS names a folder without the servers (nothing is ever built into that one).
    Unavailable: Go said no (mostly: no network).
    """
    assets = environ.get("KUBEBUILDER_ASSETS", "")
    if assets:
        return _given(Path(assets), say)
    target = cache_folder(environ)
    if not _missing(target):
        say(f"control plane is there: {target}")
        return target
    go = _go(environ)
    target.mkdir(parents=True, exist_ok=True)
    with _alone(target, say):
        for step in _missing(target):
            _make(step, go, target, say)
    say(f"control plane is ready: {target}")
    return target


def can_build(environ: Mapping[str, str] = os.environ, installed: str | None = None) -> bool:
    """Whether `build` would find a Go, or needs none; `installed` as in `toolchain.find`."""
    if environ.get("KUBEBUILDER_ASSETS") or not _missing(cache_folder(environ)):
        return True
    try:
        toolchain.find(environ, installed)
    except UserError:
        return False
    return True


def _given(folder: Path, say: Say) -> Path:
    missing = [name for name in SERVERS if not runnable(folder / name)]
    if missing:
        raise UserError(
            f"cannot use KUBEBUILDER_ASSETS={folder}: it lacks {', '.join(missing)}",
            hint="unset it to have the control plane built from its Go modules",
        )
    say(f"control plane is given by KUBEBUILDER_ASSETS: {folder}")
    return folder


def _missing(target: Path) -> list[recipe.Step]:
    return [step for step in recipe.steps() if not runnable(target / step.name)]


def _make(step: recipe.Step, go: recipe.Go, target: Path, say: Say) -> None:
    say(f"building {step.name} {step.version} (about {step.minutes:g} min on two cores, seconds when Go has it in its cache)")
    unfinished = target / f".{step.name}.unfinished"
    started = time.monotonic()
    with _heartbeat(step.name, say):
        step.make(go, target / "modules", unfinished)
    unfinished.replace(target / step.name)
    say(f"built {step.name} in {time.monotonic() - started:.0f} s")


def _go(environ: Mapping[str, str]) -> recipe.Go:
    program = toolchain.find(environ)

    def run(arguments: Sequence[str], folder: Path, extra: Mapping[str, str]) -> str:
        # CGO off: the programs then need no C compiler and run on any libc; -buildvcs=false: the folder is no repository.
        settings = {**environ, "CGO_ENABLED": "0", "GOFLAGS": "-buildvcs=false", "GOWORK": "off", **extra}
        done = subprocess.run(
            [program, *arguments], cwd=folder, env=settings, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise Unavailable(f"cannot build the control plane: `go {arguments[0]}` in {folder} failed: …{done.stderr.strip()[-QUOTED:]}")
        return done.stdout

    return run


@contextmanager
def _alone(target: Path, say: Say) -> Iterator[None]:
    """The kernel drops the lock with its holder, so a killed builder blocks nobody."""
    with (target / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"waiting for another build in {target}")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _heartbeat(name: str, say: Say) -> Iterator[None]:
    done = threading.Event()
    started = time.monotonic()

    def beat() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            say(f"still building {name} ({time.monotonic() - started:.0f} s)")

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
