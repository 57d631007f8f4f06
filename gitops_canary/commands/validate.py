"""`gitops-canary validate`: an offline check of a cluster repository; with --fix it mends what one-line edits can mend."""

import argparse
from contextlib import ExitStack
from pathlib import Path

from gitops_canary.domain.errors import UserError

EPILOG = """examples:
  gitops-canary validate                       check the folder you are in
  gitops-canary validate ~/cluster --fix       mend what one-line edits can mend, report the rest
  gitops-canary validate -o sarif > out.sarif  for a code host's annotations

exit status: 0 no error (warnings and notes do not count), 1 at least one error, 2 the check itself could not be made"""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = EPILOG
    parser.add_argument("path", nargs="?", default=".", metavar="PATH", help="the cluster repository's folder (default: here), or one file")
    parser.add_argument(
        "-o", "--output", choices=("text", "json", "sarif"), default="text", help="default: text, with colour on a terminal"
    )
    parser.add_argument("--fix", action="store_true", help="mend by one-line edits; nothing else in a file changes")
    parser.add_argument(
        "--git-path", default="", metavar="PATHS", help="folders with manifests, comma-separated, as `run --git-path` has them"
    )
    parser.add_argument("--default-namespace", default="default", help="namespace of objects that name none (default: default)")
    parser.add_argument("--no-render", action="store_true", help="leave the charts out, for instance where there is no Helm")


def run(args: argparse.Namespace) -> int:
    """0 without errors, 1 with; UserError when the check itself cannot be made."""
    from gitops_canary.adapters.folder import Folder
    from gitops_canary.adapters.helm.rendering import Renderer
    from gitops_canary.commands.validation.checking import Scope, check, check_and_mend
    from gitops_canary.commands.validation.showing import show

    root, paths = _root(Path(args.path), tuple(word.strip() for word in args.git_path.split(",") if word.strip()))
    scope = Scope(paths, args.default_namespace)
    with ExitStack() as closing:
        helm = None if args.no_render else closing.enter_context(Renderer())
        folder = Folder(root)
        report, mended = check_and_mend(folder, scope, helm) if args.fix else (check(folder, scope, helm), [])
    # A repository that begins is empty and right; any other folder without a manifest is a slip.
    if not (report.files or report.findings or (root / ".git").exists()):
        raise UserError(f"cannot check {args.path}: there is no manifest in it", hint="give the folder of the cluster repository")
    show(args.output, report, mended)
    return 1 if report.count("error") else 0


def _root(path: Path, paths: tuple[str, ...]) -> tuple[Path, tuple[str, ...]]:
    if path.is_file():
        from gitops_canary.manifests.tree import ENDINGS

        if path.suffix not in ENDINGS:
            raise UserError(f"cannot check {path}: it is no manifest", hint=f"give a folder, or one file ending in {' or '.join(ENDINGS)}")
        return path.parent, (path.name,)
    for one in paths:
        if not (path / one).exists():
            raise UserError(f"cannot read {path / one}: there is no such file or folder", hint="--git-path is relative to PATH")
    return path, paths
