"""The command group: sub-commands are imported when they are called, so that `status` is quick.

Exit codes are those of sysexits; a wrong call is 64, since `status` says critical with click's 2.
"""

from __future__ import annotations

import os
import sys
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NoReturn

import click

from .screen import show_json
from .stopped import BUG, GONE, INTERRUPTED, TRY_AGAIN, UNAVAILABLE, USAGE, Stopped, tell

TRACE = "DATASYNCD_TRACE"
"""Environment variable: show where a bug is."""

COMMANDS = {
    "init": ("init", "init", "Writes a commented config."),
    "plan": ("plan", "plan", "What sync would do, on real data; writes nothing."),
    "apply": ("plan", "apply", "Carries out exactly a plan that was looked at."),
    "run": ("work", "run", "The daemon: keeps the systems in step until it is stopped."),
    "sync": ("work", "sync", "Cycles until nothing is left to do, then exits."),
    "check": ("work", "check", "Validates the config, then looks at each system."),
    "status": ("status", "status", "Health: exits 0 ok, 1 warning, 2 critical, 3 unknown."),
    "conflicts": ("conflicts", "conflicts", "What waits for a person, or was settled by a policy."),
    "resolve": ("conflicts", "resolve", "Settles conflicts, one or a class of them."),
    "explain": ("explain", "explain", "Why a field has the value that it has."),
    "history": ("history", "history", "All changes of a record, or the record as it was."),
    "guard": ("guard", "guard", "Mass changes that are held."),
    "quarantine": ("quarantine", "quarantine", "Records and fields that could not be read or written."),
    "identity": ("identity", "identity", "Merges two records that are one, and splits what is not."),
    "docs": ("docs", "docs", "The field dictionary: what each field means, and where it stands."),
    "backup": ("backup", "backup", "A consistent copy of the state, while the daemon runs."),
    "restore": ("backup", "restore", "Puts a backup in the place of the state."),
    "adapters": ("adapters", "adapters", "The kinds of system that a config can name."),
    "schema": ("schema", "schema", "The grammar of the config file, as a JSON Schema for editors."),
    "simulate": ("simulate", "simulate", "Random histories of people, faults and crashes, to test what is promised."),
    "demo": ("demo", "demo", "A tour: three stories on six small systems in a temporary folder."),
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
        given = args[0] if args else kwargs.pop("args", None)
        words = list(sys.argv[1:] if given is None else given)
        sys.exit(self._run(words, {**kwargs, "standalone_mode": False}))

    def _run(self, words: list[str], kwargs: dict[str, Any]) -> int:
        as_json = "--json" in words
        try:
            code = super().main(words, **kwargs)
        except click.UsageError as error:
            return _misused(error, as_json)
        except Stopped as stopped:
            tell(stopped, as_json)
            return stopped.exit_code
        except (click.Abort, KeyboardInterrupt):
            return INTERRUPTED
        except Exception as error:
            return _unexpected(error, as_json)
        return code if isinstance(code, int) else 0


def _misused(error: click.UsageError, as_json: bool) -> int:
    """A wrong call, with what was probably meant."""
    error.show()
    at_top = error.ctx is not None and error.ctx.parent is None
    if at_top and isinstance(error, click.NoSuchOption) and error.option_name in ("--json", "--config"):
        click.echo("Flags come after the command.", err=True)
    if as_json:
        show_json({"error": {"text": error.format_message(), "exit_code": USAGE, "details": None}})
    return USAGE


def _unexpected(error: BaseException, as_json: bool) -> int:
    """Trouble with the state or of the machine, or a bug, whose text may hold a person's data."""
    from datasyncd.state.errors import LockGone, StateError, StateGone

    while isinstance(error, BaseExceptionGroup):
        # Trouble with the state meets several tasks at once.
        of_state = error.subgroup(StateError)
        if of_state is None and len(error.exceptions) > 1:
            break
        error = (of_state or error).exceptions[0]
    if isinstance(error, StateGone):
        stopped = Stopped(str(error), GONE)
    elif isinstance(error, StateError):
        stopped = Stopped(str(error), TRY_AGAIN if error.passes or isinstance(error, LockGone) else UNAVAILABLE)
    elif isinstance(error, OSError):
        stopped = Stopped(str(error), UNAVAILABLE)
    else:
        stopped = Stopped(f"a bug: {type(error).__name__}; with {TRACE}=1 it shows where", BUG)
    tell(stopped, as_json)
    if os.environ.get(TRACE):
        import traceback

        traceback.print_exception(error)
    return stopped.exit_code


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
def group() -> None:
    """Keeps customer data the same in every system that uses it, in both directions, per field."""
