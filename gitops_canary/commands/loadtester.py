"""`gitops-canary loadtester`: the service that canary hooks call for traffic, Helm tests and gates."""

import argparse

from gitops_canary.loadtester.service import LoadTesterSettings, serve
from gitops_canary.setting_values import seconds


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--listen", default=":8080", metavar="HOST:PORT", help="address of the service (default: every address, 8080)")
    parser.add_argument(
        "--timeout", type=seconds, default=3600.0, metavar="DURATION", help="time limit of one command or load (default: 1h, Flagger's)"
    )
    parser.add_argument(
        "--namespace-regexp", default="", metavar="REGEXP", help="serve only canaries whose namespace matches (default: all)"
    )
    parser.add_argument(
        "--allow-commands",
        action="store_true",
        help="let hooks run shells, kubectl and any helm command with this pod's rights; without it only hey-like loads and helm test run",
    )
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    parser.add_argument("--log-format", default="json", choices=("json", "console"))


def run(args: argparse.Namespace) -> int:
    return serve(LoadTesterSettings(args.listen, args.timeout, args.namespace_regexp, args.allow_commands, args.log_level, args.log_format))
