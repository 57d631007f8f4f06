"""`gitops-canary version`."""

import argparse

from gitops_canary import __version__


def arguments(parser: argparse.ArgumentParser) -> None:
    del parser


def run(args: argparse.Namespace) -> int:
    del args
    print(f"gitops-canary {__version__}")
    return 0
