"""The command group: sub-commands are imported when they are called, so that `status` is quick.

Exit codes are those of sysexits; a wrong call is 64, since `status` says critical with click's 2.
"""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NoReturn

import click

USAGE = 64

COMMANDS = {
    "run": ("work", "run", "The daemon: keeps the systems in step until it is stopped."),
    "sync": ("work", "sync", "Cycles until nothing is left to do, then exits."),
    "check": ("work", "check", "Validates the config, then looks at each system."),
    "status": ("status", "status", "Health: exits 0 ok, 1 warning, 2 critical, 3 unknown."),
    "conflicts": ("conflicts", "conflicts", "What waits for a person, or was settled by a policy."),
    "resolve": ("conflicts", "resolve", "Settles conflicts, one or a class of them."),
    "explain": ("explain", "explain", "Why a field has the value that it has."),
    "guard": ("guard", "guard", "Mass changes that are held."),
    "quarantine": ("quarantine", "quarantine", "Records and fields that could not be read or written."),
    "version": ("status", "version", "The version."),
}
"""Sub-command -> module of this folder, name in it, short help."""


class Group(click.Group):
    """Imports a sub-command when it is called; suggests the nearest name for an unknown one."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name, _help = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"{__package__}.{module}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = get_close_matches(args[0], COMMANDS, n=1)
            hint = f'; did you mean "{near[0]}"?' if near else ""
            raise click.UsageError(f'no command "{args[0]}"{hint}', ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_module, _name, text) in COMMANDS.items()])

    def main(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Run, and leave with the exit code that says what happened."""
        kwargs["standalone_mode"] = False
        try:
            code = super().main(*args, **kwargs)
        except click.ClickException as error:
            error.show()
            sys.exit(USAGE if isinstance(error, click.UsageError) else error.exit_code)
        except click.Abort:
            sys.exit(130)
        sys.exit(code if isinstance(code, int) else 0)


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
def group() -> None:
    """Keeps customer data the same in every system that uses it, in both directions, per field."""
