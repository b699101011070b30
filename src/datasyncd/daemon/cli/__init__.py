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

    from .group import group

    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # what the screen cannot show must not end a command

    group.main(prog_name="datasyncd")
