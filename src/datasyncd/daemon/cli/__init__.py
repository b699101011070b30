"""The `datasyncd` command.

group       the command and its sub-commands, each imported only when it is called
asking      where a command's answer comes from: the running daemon, or the state itself
screen      text for people: tables, colours, JSON for scripts
"""

from __future__ import annotations


def main() -> None:
    """The console script."""
    import io
    import sys

    if sys.argv[1:2] == ["run"]:
        _end_well_when_told()

    from .group import group

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what the screen cannot show must not end a command

    group.main(prog_name="datasyncd")


def _end_well_when_told() -> None:
    """Until the daemon listens to signals itself it holds nothing that would have to be drained."""
    import os
    import signal

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: os._exit(0))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the config is about to be read
