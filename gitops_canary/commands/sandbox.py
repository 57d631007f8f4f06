"""`gitops-canary sandbox`: the world alone, its node or its mesh for any cluster, and pushing images into its registry."""

import argparse
import contextlib
import sys
import tempfile
from typing import TYPE_CHECKING

from gitops_canary.adapters.ending import told_to_end
from gitops_canary.commands.folders import made
from gitops_canary.domain.errors import UserError
from gitops_canary.sandbox.data import folder as data_folder

if TYPE_CHECKING:
    from gitops_canary.sandbox.world import World

REPOSITORY = "cluster"
VALUES = """\
# What this sandbox needs that a cluster of one's own does not: its own addresses, and steps of a second.
metricsServer: {metrics}
registry:
  pollInterval: 5s
  mirrors:
    - docker.io={registry}
git:
  pollInterval: 2s
settings:
  analysis-interval-floor: 1s
"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(what="world")
    parser.add_argument("--dir", default="", metavar="FOLDER", help="where to keep its files (default: a temporary folder)")
    parser.add_argument(
        "--operator", action="store_true", help="install the operator and a cluster repository made of the template as well"
    )
    parser.add_argument(
        "--control-plane", choices=("sandbox", "real"), default="sandbox", help="the API server and controllers: ours, or kube-apiserver"
    )
    parts = parser.add_subparsers(metavar="PART")
    node = parts.add_parser("node", help="a node for any cluster: runs its pods on this machine")
    node.set_defaults(what="node")
    _kubeconfig(node)
    node.add_argument("--registry", required=True, metavar="URL", help="the registry that says which images may run")
    node.add_argument("--mesh", default="", metavar="URL", help="the mesh's proxy address, printed by `sandbox mesh`")
    mesh = parts.add_parser("mesh", help="a mesh for any cluster: splits HTTP traffic by VirtualServices and measures it")
    mesh.set_defaults(what="mesh")
    _kubeconfig(mesh)
    mesh.add_argument("--proxy", choices=("auto", "envoy", "python"), default="auto", help="what splits the traffic")
    push = parts.add_parser("push", help="push a small image that the sandbox can run")
    push.set_defaults(what="push")
    push.add_argument("image", metavar="NAME:TAG")
    push.add_argument("--registry", required=True, metavar="URL")
    push.add_argument("--behaviour", default="good", help="good, errors=0.4, slow=2s or crash (default: good)")
    push.add_argument("--program", default="podinfo", choices=("podinfo", "loadtester", "chart-test", "operator"))


def _kubeconfig(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--kubeconfig", required=True, metavar="FILE")


def run(args: argparse.Namespace) -> int:
    try:
        import asyncssh  # noqa: F401
        import jsonpatch  # noqa: F401
    except ImportError as error:
        raise UserError(f"cannot run the sandbox: {error.name} is not installed", hint="pip install 'gitops-canary[demo]'") from error
    {"world": _world, "node": _node, "mesh": _mesh, "push": _push}[args.what](args)
    return 0


def _world(args: argparse.Namespace) -> None:
    from gitops_canary.sandbox.demo.show import Show
    from gitops_canary.sandbox.world import Shape, World

    show = Show()
    with tempfile.TemporaryDirectory(prefix="gitops-canary-sandbox-") as temporary:
        folder = made(args.dir or temporary, "--dir")
        world = World(folder, Shape(control_plane=args.control_plane))
        try:
            for step in world.steps():
                show.step(step.title, step.start)
            if args.operator:
                world.create_repository()
                show.step("The operator", lambda: world.install({}))
                _give_access(world)
            else:
                world.git.create(REPOSITORY)
            _tell(world)
            told_to_end()()
        finally:
            world.stop()


def _tell(world: "World") -> None:
    """The variables of the guide, on the terminal and in a file for other terminals."""
    known_hosts, values, env = (world.folder / name for name in ("known_hosts", "values.yaml", "env"))
    known_hosts.write_text(world.git.known_hosts + "\n")
    values.write_text(VALUES.format(metrics=world.metrics.url, registry=world.registry.url))
    variables = {
        "KUBECONFIG": world.kubeconfig,
        "REPO": world.charts.url,
        "REGISTRY": world.registry.url,
        "METRICS": world.metrics.url,
        "MESH": world.mesh.proxy,
        "GIT_URL": world.git.url(REPOSITORY),
        "CLONE": world.git.root / f"{REPOSITORY}.git",
        "KNOWN_HOSTS": known_hosts,
        "DEPLOY_KEYS": world.git.root / "deploy-keys",
        "TEMPLATE": data_folder("repo-template"),
        "VALUES": values,
        "INTERVAL": "1s",
        "WINDOW": "4s",
    }
    text = "".join(f"export {name}={value}\n" for name, value in variables.items())
    env.write_text(text)
    print(f"\n{text}\nFor another terminal: source {env}\nCtrl-C ends it.", flush=True)


def _give_access(world: "World") -> None:
    """What a person does on the Git host's page: look at the operator's key and let it write."""
    key = world.deploy_key()
    print(f"\nThe operator's deploy key:\n  {key}", flush=True)
    if sys.stdin.isatty():
        with contextlib.suppress(EOFError):  # Ctrl-D, or a terminal that went away
            input("Press Enter to give it write access to the cluster repository ")
    world.git.add_key(key, write=True)
    print(f"status page {world.await_operator()}")


def _node(args: argparse.Namespace) -> None:
    from gitops_canary.sandbox.mesh.identity import proxy_url
    from gitops_canary.sandbox.node.images import RegistryImages
    from gitops_canary.sandbox.node.node import Node
    from gitops_canary.sandbox.registryd.images import Target

    proxy = (lambda namespace, workload: proxy_url(args.mesh, namespace, workload)) if args.mesh else None
    node = Node(args.kubeconfig, RegistryImages({"": Target(args.registry)}), proxy=proxy)
    node.start()
    try:
        node.wait_ready()
        print(f"Node {node.name} is ready. Ctrl-C ends it and its pods.", flush=True)
        told_to_end()()
    finally:
        node.stop()


def _mesh(args: argparse.Namespace) -> None:
    from gitops_canary.sandbox.mesh.mesh import Mesh

    mesh = Mesh(args.kubeconfig, data_plane=args.proxy)
    mesh.start()
    try:
        mesh.wait_ready()
        print(f"proxy    {mesh.proxy}\nmetrics  {mesh.metrics}\ntargets  {mesh.targets}\nCtrl-C ends it.", flush=True)
        told_to_end()()
    finally:
        mesh.stop()


def _push(args: argparse.Namespace) -> None:
    from gitops_canary.sandbox.programs.behaviour import read_behaviour
    from gitops_canary.sandbox.registryd.images import BEHAVIOUR, PROGRAM, Target, push_image

    name, colon, tag = args.image.rpartition(":")
    if not (name and colon and tag) or "/" in tag:
        raise UserError(f"cannot push {args.image!r}: it is no NAME:TAG", hint="e.g. stefanprodan/podinfo:3.1.1")
    if not args.registry.startswith(("http://", "https://")):
        raise UserError(
            f"cannot push to {args.registry!r}: it is no URL", hint="--registry http://127.0.0.1:<port>, as the sandbox prints it"
        )
    read_behaviour(args.behaviour)
    print(push_image(Target(args.registry), name, tag, labels={PROGRAM: args.program, BEHAVIOUR: args.behaviour}))
