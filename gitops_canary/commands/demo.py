"""`gitops-canary demo`: the whole story on this machine; exit status 0 only if it really happened."""

import argparse
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from gitops_canary.commands.folders import made, placed
from gitops_canary.domain.errors import UserError

if TYPE_CHECKING:
    from gitops_canary.sandbox.control_plane.plane import ControlPlane


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--keep", action="store_true", help="leave everything running at the end, until Ctrl-C, to look around")
    parser.add_argument(
        "--break-rollback", action="store_true", help="start the operator with its rollback off: the demo must notice and fail"
    )
    parser.add_argument("--control-plane", choices=("sandbox", "real"), default="sandbox", help="the API server: our own, or a real one")
    parser.add_argument("--proxy", choices=("auto", "envoy", "python"), default="auto", help="what splits the traffic")
    parser.add_argument("--metrics", choices=("auto", "prometheus", "embedded"), default="auto", help="what answers queries")
    parser.add_argument("--picture", default="", metavar="FILE", help="save the bad tag's story and its end as an SVG picture")
    parser.add_argument("--dir", default="", metavar="FOLDER", help="where to keep its files (default: a temporary folder)")


def run(args: argparse.Namespace) -> int:
    try:
        from gitops_canary.sandbox.demo.costs import COLUMNS as COST_COLUMNS
        from gitops_canary.sandbox.demo.hops import COLUMNS
        from gitops_canary.sandbox.demo.show import Show
        from gitops_canary.sandbox.demo.story import Story
        from gitops_canary.sandbox.world import REPOSITORY, Shape, World
    except ImportError as error:
        raise UserError(f"cannot run the demo: {error.name} is not installed", hint="pip install 'gitops-canary[demo]'") from error

    picture = placed(args.picture, "--picture")
    with tempfile.TemporaryDirectory(prefix="gitops-canary-demo-") as temporary:
        folder = made(args.dir or temporary, "--dir")
        # Where the API server is real, so is whatever else this machine has.
        hosts: Literal["auto", "sandbox"] = "auto" if args.control_plane == "real" else "sandbox"
        world = World(folder, Shape(args.control_plane, registry=hosts, git=hosts, proxy=args.proxy, metrics=args.metrics))
        show = Show(picture_from="answers 500" if picture else "")
        story = Story(world, show, break_rollback=args.break_rollback)
        try:
            happened = story.run()
            show.chapter("The cluster repository's log")
            show.print(_git_log(world.git.root / f"{REPOSITORY}.git"), markup=False)
            show.chapter("How long each hop took, from the push of the tag")
            show.table(COLUMNS, [hops.cells() for hops in story.hops()])
            if happened:
                show.chapter("What it cost")
                show.table(COST_COLUMNS, story.costs())
            show.note(f"\n{show.elapsed():.0f} s in all", "dim")
            if happened and world.plane is not None:
                show.chapter("What stock kubectl and helm say of it")
                show.console.print(_stock_tools(world.plane), markup=False)
            if picture:
                show.save(picture, "make demo")
            if args.keep:
                _look_around(show, world.kubeconfig, world.git.root / f"{REPOSITORY}.git")
        finally:
            story.close()
            world.stop()
    return 0 if happened else 1


def _git_log(repository: Path) -> str:
    shown = ["git", "--git-dir", str(repository), "log", "--format=%h %an  %s", "main"]
    return subprocess.run(shown, capture_output=True, text=True, check=True).stdout.rstrip()


def _stock_tools(plane: "ControlPlane") -> str:
    """Their own words, or that there are none."""
    asked = ((plane.kubectl, ["-n", "test", "get", "canaries"]), (plane.helm, ["-n", "test", "history", "frontend"]))
    kubeconfig = ["--kubeconfig", str(plane.kubeconfig())]
    said = []
    for program, words in asked:
        if program is None:
            said.append("(not installed)")
            continue
        answer = subprocess.run([program, *kubeconfig, *words], capture_output=True, text=True, check=True).stdout
        said.append(f"$ {program.name} {' '.join(words)}\n{answer.rstrip()}")
    return "\n".join(said)


def _look_around(show: object, kubeconfig: Path, repository: Path) -> None:
    import threading

    print(f"\nLook around:\n  export KUBECONFIG={kubeconfig}\n  kubectl get canaries -A\n  kubectl -n test describe canary frontend")
    print(f"  helm -n test history frontend\n  git clone {repository}\nCtrl-C ends it.", flush=True)
    threading.Event().wait()
