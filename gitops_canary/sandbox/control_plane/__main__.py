"""`python -m gitops_canary.sandbox.control_plane build|can-build|run`: build the programs; say by the exit code whether that would find a
Go; run a plane until Ctrl-C and say how to reach it."""

import argparse
import sys

from gitops_canary.adapters.ending import told_to_end
from gitops_canary.domain.errors import GitopsCanaryError
from gitops_canary.sandbox.control_plane.build import build, can_build
from gitops_canary.sandbox.control_plane.plane import USERS, ControlPlane


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, or 1 with one sentence on stderr."""
    parser = argparse.ArgumentParser(prog="python -m gitops_canary.sandbox.control_plane", description=__doc__)
    parser.add_argument("what", choices=("build", "can-build", "run"))
    chosen = parser.parse_args(arguments)
    if chosen.what == "can-build":
        return int(not can_build())
    try:
        build(_say) if chosen.what == "build" else _run()
    except GitopsCanaryError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        # What was built stays; the next build goes on from there.
        return 130
    return 0


def _run() -> None:
    until_told = told_to_end()
    with ControlPlane() as plane:
        _say(f"control plane is ready at {plane.url}")
        for user in USERS:
            _say(f"  {user.name}: KUBECONFIG={plane.kubeconfig(user.name)}")
        until_told()


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
