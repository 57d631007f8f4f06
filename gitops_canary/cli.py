"""The command line's tree: each subcommand is one function in a file of commands/, imported only when it is called."""

import argparse
import difflib
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from gitops_canary import __version__
from gitops_canary.domain.errors import GitopsCanaryError, Unavailable, UserError

EXIT_USER, EXIT_UNAVAILABLE, EXIT_BUG = 2, 5, 10


@dataclass(frozen=True)
class Command:
    """A subcommand: `module` in commands/ has `arguments(parser)` and `run(args) -> exit status`."""

    name: str
    module: str
    help: str


COMMANDS = (
    Command("run", "run", "run the operator"),
    Command("demo", "demo", "the whole story on this machine: tag, commit, upgrade, canary, promotion, rollback"),
    Command("sandbox", "sandbox", "a cluster, registry and Git server on this machine, to try and to rehearse"),
    Command("settings", "settings", "print every setting in force and where it came from"),
    Command("identity", "identity", "print the deploy key's public half and fingerprint"),
    Command("retry", "retry", "lift a quarantined tag and set it again, in one commit"),
    Command("validate", "validate", "check a cluster repository without a cluster"),
    Command("loadtester", "loadtester", "the load tester and helm tester service that canary webhooks call"),
    Command("control-plane", "control_plane", "build or run a real Kubernetes control plane for tests"),
    Command("version", "version", "print the version"),
)


def parser_for(argv: Sequence[str]) -> argparse.ArgumentParser:
    """The parser; only the named subcommand's module is imported, so that `--help` stays quick."""
    parser = argparse.ArgumentParser(prog="gitops-canary", description="GitOps canaries: every result is a Git commit.")
    parser.add_argument("--version", action="version", version=f"gitops-canary {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    named = next((word for word in argv if not word.startswith("-")), "")
    for command in COMMANDS:
        one = commands.add_parser(command.name, help=command.help, description=command.help)
        if command.name == named:
            module = importlib.import_module(f"gitops_canary.commands.{command.module}")
            module.arguments(one)
            one.set_defaults(run=module.run, parser=one)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 fine, 1 a negative answer, 2 the person must change something, 5 something outside is away, 130 interrupted."""
    words = list(sys.argv[1:] if argv is None else argv)
    args, unknown = parser_for(words).parse_known_args(words)
    if unknown:
        _refuse(args.parser, unknown)
    try:
        return int(args.run(args))
    except UserError as error:
        return _fail(error, EXIT_USER)
    except Unavailable as error:
        return _fail(error, EXIT_UNAVAILABLE)
    except GitopsCanaryError as error:
        return _fail(error, EXIT_BUG)
    except KeyboardInterrupt:
        return 130


def _refuse(parser: argparse.ArgumentParser, unknown: Sequence[str]) -> None:
    """In one line: the operator's usage is longer than a screen."""
    known = [option for action in parser._actions for option in action.option_strings]
    near = difflib.get_close_matches(unknown[0].partition("=")[0], known, n=1)
    meant = f" (did you mean {near[0]}?)" if near else ""
    parser.exit(EXIT_USER, f"{parser.prog}: cannot take {' '.join(unknown)}{meant}; {parser.prog} --help lists what it takes\n")


def _fail(error: Exception, status: int) -> int:
    print(f"gitops-canary: {error}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main())
