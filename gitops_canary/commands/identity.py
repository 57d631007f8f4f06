"""`gitops-canary identity`: prints the deploy key's public half, as it is pasted into the Git host, or makes a new one."""

import argparse
import sys
from pathlib import Path

from gitops_canary.adapters.git.deploy_key import ensure_key
from gitops_canary.adapters.secrets import FolderKeyStore
from gitops_canary.commands.flags import add_settings, given_settings
from gitops_canary.settings import load_settings


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--fingerprint", action="store_true", help="print the fingerprint instead, as the Git host shows it")
    parser.add_argument("--regenerate", action="store_true", help="make and store a new key; the old one stops working")
    parser.add_argument("--dir", default="", metavar="FOLDER", help="keep the key in a folder instead of the cluster's Secret")
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    settings, _ = load_settings(given_settings(args), file=args.config)
    if args.dir:
        key = ensure_key(FolderKeyStore(Path(args.dir)), where=f"folder {args.dir}", regenerate=args.regenerate)
    else:
        from gitops_canary.wiring.commands import installed_key

        key = installed_key(settings, regenerate=args.regenerate)
    print(key.fingerprint if args.fingerprint else key.public)
    if not args.fingerprint and sys.stdout.isatty():
        print(f"\n{key.fingerprint}\nAdd it to the cluster repository as a deploy key with write access.", file=sys.stderr)
    return 0
