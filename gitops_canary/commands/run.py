"""`gitops-canary run`: the operator, until it is told to stop or loses its lease."""

import argparse

from gitops_canary import __version__
from gitops_canary.adapters.ending import when_told
from gitops_canary.adapters.log import make_log
from gitops_canary.commands.flags import add_settings, given_settings
from gitops_canary.settings import load_settings


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.usage = "gitops-canary run [--config FILE] [--git-url URL] [any other setting, see --help]"
    add_settings(parser)


def run(args: argparse.Namespace) -> int:
    """0 after a graceful stop, 1 when the lease was lost: the pod is started again and asks for it anew."""
    from gitops_canary.wiring.application import build

    settings, _ = load_settings(given_settings(args), file=args.config)
    log = make_log(settings.log_level, settings.log_format)
    log.info("gitops-canary starts", version=__version__, git_url=settings.git_url, branch=settings.git_branch)
    application = build(settings, log)
    asked = when_told(application.stop)
    application.run()
    if asked.is_set():
        log.info("gitops-canary has stopped: it was asked to")
        return 0
    log.error("gitops-canary ends: the lease is held by another process")
    return 1
