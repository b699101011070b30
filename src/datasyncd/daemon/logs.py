"""Logs: one event a line on standard error, for people on a terminal and as JSON elsewhere.

Events name systems, links, places and kinds of error. They never hold a record's values or a secret.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TextIO

import stamina
import structlog


def set_up(as_json: bool = False) -> None:
    """Once, before anything is logged."""
    # What is tried again has not failed yet; what has is told by the command, or as the state of its link.
    stamina.instrumentation.set_on_retry_hooks([])
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s", stream=sys.stderr)
    if as_json or not sys.stderr.isatty():
        last: structlog.typing.Processor = structlog.processors.JSONRenderer()
    else:
        last = structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _without_values,
            last,
        ],
        logger_factory=structlog.PrintLoggerFactory(_Patient(sys.stderr)),  # type: ignore[arg-type]
        cache_logger_on_first_use=True,
    )


class _Patient:
    """A stream that loses what it cannot write: a full disk of the log stops no work."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


def _without_values(_logger: object, _name: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """An exception's text may hold a person's data: the log gets its kind and the places it went through."""
    import traceback

    if event.pop("exc_info", None):
        kind, _error, trace = sys.exc_info()
        event["kind"] = kind.__name__ if kind else None
        event["place"] = [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(trace)]
    return event
