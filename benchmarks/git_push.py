"""One bump, decided to acknowledged, over real OpenSSH: `python benchmarks/git_push.py`. Goal: a median of 80 ms or less."""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.figures.table import Figure, machine, show
from gitops_canary.adapters.git import GitOptions, GitRepository, Transport
from gitops_canary.adapters.git.deploy_key import generate
from gitops_canary.ports import Change, Tree
from gitops_canary.sandbox.gitd import BareRepository, GitServer
from tests.fixtures_sshd import Sshd, absence

GOAL_MS = 80.0


def bump_times(repository: GitRepository, rounds: int) -> list[float]:
    """Milliseconds from the edit's decision to the push's acknowledgement, objects and commit included."""
    decided = 0.0

    def edit(tree: Tree) -> Change:
        nonlocal decided
        old = tree.read("releases/app0.yaml") or b""
        decided = time.perf_counter()
        return Change({"releases/app0.yaml": old + b"#\n"}, "Auto-release podinfo:3.1.1")

    took = []
    for _ in range(rounds):
        repository.change(edit)
        took.append((time.perf_counter() - decided) * 1000)
    return took


def report(name: str, took: list[float]) -> float:
    median = statistics.median(took)
    print(f"{name:28} median {median:6.1f} ms   best {min(took):6.1f}   worst {max(took):6.1f}   n={len(took)}")
    return median


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    rounds = parser.parse_args().rounds
    key, worst = generate(), 0.0
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for files in (10, 5000):
            served = root / f"cluster{files}.git"
            BareRepository.create(served, {f"releases/app{number}.yaml": b"tag: 3.1.0\n" * 10 for number in range(files)})
        with GitServer(root) as gitd:
            gitd.add_key(key.public, write=True)
            hosts: list[tuple[str, str, Callable[[str], str]]] = [("our server", gitd.known_hosts, lambda name: gitd.url(name))]
            sshd = None
            if absence():
                print(f"left out: {absence()}")
            else:
                (root / "sshd").mkdir()
                sshd = Sshd(root / "sshd")
                sshd.add_key(key.public, write=True)
                sshd.start()
                hosts.insert(0, ("OpenSSH", sshd.known_hosts, lambda name: sshd.url(root / f"{name}.git")))
            for host, known, url in hosts:
                for files in (10, 5000):
                    options = GitOptions(state=root / f"state-{host}-{files}", known_hosts=known)
                    transport = Transport(options, key)
                    repository = GitRepository(url(f"cluster{files}"), "main", transport)
                    began = time.perf_counter()
                    repository.fetch()
                    print(f"{host}, {files} files: first fetch {(time.perf_counter() - began) * 1000:.0f} ms")
                    bump_times(repository, 3)
                    median = report(f"{host}, {files} files", bump_times(repository, rounds))
                    worst = max(worst, median if host == "OpenSSH" else 0.0)
                    repository.close()
                    transport.close()
            if sshd:
                sshd.stop()
    if worst:
        show(
            "The slower median over OpenSSH",
            [Figure("one bump, decided to acknowledged", worst, "ms", GOAL_MS, "Flux 2, scan and all: 770 ms")],
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
