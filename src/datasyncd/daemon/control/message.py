"""Message: what goes over the control socket.

    request    {"command": "conflicts", "arguments": {"every": true}}
    answer     {"ok": ...}  or  {"error": {"text": ..., "exit_code": 64, "details": ...}}

Each is one JSON document on one line of UTF-8 text.
"""

from __future__ import annotations

from typing import Any

LARGEST = 16 * 1024 * 1024
"""Bytes of one message, its line end included."""

UNAVAILABLE = 69
BUG = 70
TRY_AGAIN = 75
NOT_ALLOWED = 77


class Failure(Exception):
    """A command that was not carried out: why, the exit code that says so, and what scripts may need."""

    def __init__(self, text: str, exit_code: int, details: Any = None) -> None:
        super().__init__(text)
        self.text = text
        self.exit_code = exit_code
        self.details = details
