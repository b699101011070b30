"""The `datasyncd` command.

group       the command and its sub-commands, each imported only when it is called
asking      where a command's answer comes from: the running daemon, or the state itself
screen      text for people: tables, colours, JSON for scripts
"""

from __future__ import annotations


def main() -> None:
    """The console script."""
    from .group import group

    group.main(prog_name="datasyncd")
