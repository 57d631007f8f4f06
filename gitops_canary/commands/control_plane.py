"""`gitops-canary control-plane`: builds a real kube-apiserver, kube-controller-manager and etcd once, or runs them."""

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what",
        choices=("build", "run"),
        metavar="build|run",
        help="build: into the cache (needs Go, which the extra `control-plane` brings; about 11 minutes once); run: until Ctrl-C",
    )


def run(args: argparse.Namespace) -> int:
    from gitops_canary.sandbox.control_plane.__main__ import main

    return main([args.what])
