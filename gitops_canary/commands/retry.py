"""`gitops-canary retry`: lifts a quarantined tag and sets it again, in one commit; the canary then analyses it anew."""

import argparse
import tempfile
from pathlib import Path

from gitops_canary.commands.flags import add_settings, given_settings
from gitops_canary.domain.errors import UserError
from gitops_canary.settings import load_settings


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "gitops-canary retry NAMESPACE/NAME [TAG] [--config FILE] [--git-url URL] [any other setting, see --help]"
    parser.add_argument("canary", metavar="NAMESPACE/NAME", help="the canary whose tag failed")
    parser.add_argument("tag", nargs="?", default="", help="the tag to try again (default: the last that was quarantined)")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    from gitops_canary.wiring.commands import repository_of

    namespace, slash, name = args.canary.partition("/")
    if not (namespace and slash and name):
        raise UserError(
            f"cannot retry {args.canary!r}: it is no NAMESPACE/NAME", hint="e.g. test/frontend, as `kubectl get canaries -A` lists them"
        )
    settings, _ = load_settings(given_settings(args), file=args.config)
    with tempfile.TemporaryDirectory(prefix="gitops-canary-") as folder, repository_of(settings, Path(folder)) as (repository, edit_for):
        repository.fetch()
        revision = repository.change(edit_for(namespace, name, args.tag))
    print(f"{(revision or '')[:7]} pushed to {settings.git_branch} of {settings.git_url}" if revision else "nothing to change")
    return 0
