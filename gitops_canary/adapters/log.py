"""Log lines: one event, one line, the sentence in `msg`; JSON for machines, columns for people. What is said is the callers'."""

import logging
import sys
from typing import TextIO, cast

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from gitops_canary.ports import Log

LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def make_log(level: str = "info", form: str = "json", stream: TextIO | None = None) -> Log:
    """A logger that writes to `stream` (standard output when not given, as the seed's `kubectl logs … | jq .msg` expects)."""
    people = structlog.processors.TimeStamper("%H:%M:%S", utc=False)
    console: list[Processor] = [structlog.dev.set_exc_info, people, structlog.dev.ConsoleRenderer()]
    machine: list[Processor] = [structlog.processors.format_exc_info, structlog.processors.TimeStamper("iso", utc=True), _named, _render]
    log = structlog.wrap_logger(
        structlog.PrintLogger(stream or sys.stdout),
        processors=[structlog.processors.add_log_level, *(machine if form == "json" else console)],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        cache_logger_on_first_use=True,
    )
    return cast(Log, log)


def _named(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """`level`, `ts` and `msg` first, as zap writes them for Flagger; `first` (the deploy key's line) goes before everything."""
    first = event.pop("first", {})
    return {**first, "level": event.pop("level"), "ts": event.pop("timestamp"), "msg": event.pop("event"), **event}


def _render(_: WrappedLogger, __: str, event: EventDict) -> str:
    return orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode()
