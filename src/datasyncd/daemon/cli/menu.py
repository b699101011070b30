"""Menu: a command with sub-commands, of which `list` is meant when none is named."""

from __future__ import annotations

import click


class Menu(click.Group):
    """`conflicts`, `conflicts --all` and `conflicts list --all`; an unknown word is no option of `list`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or (args[0].startswith("-") and args[0] not in ("-h", "--help")):
            args = ["list", *args]
        return super().parse_args(ctx, args)
