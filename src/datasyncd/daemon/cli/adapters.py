"""`adapters`."""

from __future__ import annotations

import json
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .asking import common
from .certify import certify
from .menu import Menu
from .new_adapter import new
from .screen import coloured, show_json, table
from .sheet import show_promises
from .stopped import UNAVAILABLE, USAGE, stop

if TYPE_CHECKING:
    from ..catalogue import Sheet


class Kinds(Menu):
    """`adapters`, `adapters KIND`, and `adapters certify NAME`: what is no sub-command is a kind."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        word = args[0] if args else ""
        if word and not word.startswith("-") and word not in self.commands:
            near = get_close_matches(word, self.commands, n=1)
            if near and len([each for each in args if not each.startswith("-")]) > 1:
                raise click.UsageError(f'no command "adapters {word}"; did you mean "adapters {near[0]}"?', ctx)
            args = ["list", *args]
        return super().parse_args(ctx, args)


@click.group(cls=Kinds)
def adapters() -> None:
    """The kinds of system that a config can name. Without a sub-command: list; with the name of a kind: its sheet."""


@adapters.command("list", short_help="The kinds, or the sheet of one.")
@common
@click.argument("kind", required=False)
def list_(config: Path | None, as_json: bool, kind: str | None) -> None:
    """The kinds of system that a config can name: built in, and brought by installed packages.

    KIND: one of them, with its options and what it promises.
    """
    import msgspec

    from ..catalogue import catalogue

    if kind is not None:
        found = _sheet(kind)
        return show_json(msgspec.to_builtins(found)) if as_json else _show(found)
    listed = catalogue()
    if as_json:
        return show_json(msgspec.to_builtins(listed))
    table(("name", "title", "from"), [(each.name, each.title, each.package or "built in") for each in listed])
    for each in listed:
        if each.problem:
            click.echo(f"{coloured('error')}: {each.name} {each.problem}")
    return None


adapters.add_command(certify)
adapters.add_command(new)


def _sheet(name: str) -> Sheet:
    """Leaves with 64 for what is not there, and with 69 for what cannot be loaded."""
    import anyio

    from datasyncd.adapters.registry import UnknownAdapter

    from ..catalogue import sheet

    try:
        return anyio.run(sheet, name)
    except UnknownAdapter as unknown:
        near = [] if unknown.nearest else get_close_matches(name, adapters.commands, n=1)
        hint = f'; did you mean "adapters {near[0]}"?' if near else ""
        stop(f"{unknown}{hint}", USAGE)
    except Exception as error:  # of whatever package brings the adapter
        stop(f'the adapter "{name}" cannot be loaded: {type(error).__name__}: {error}', UNAVAILABLE)


def _show(found: Sheet) -> None:
    click.echo(f"{found.name}   {found.title} ({found.package or 'built in'})\n\n{found.summary}")
    click.echo(f"serves: {', '.join(found.serves)}")
    click.echo("\noptions, beside `adapter`:")
    for option in found.options:
        default = "required" if option.required else f"default {_toml(option.default)}"
        click.echo(f"    {option.name}   {option.type}; {default}")
        if option.doc:
            click.echo(_wrapped(option.doc, "        "))
    if not found.capabilities:
        click.echo("\nwhat it promises is known once it is configured: datasyncd check")
        return
    click.echo("\npromises:")
    show_promises(found.capabilities)


def _toml(value: Any) -> str:
    """A default as the config would write it."""
    return "none" if value is None else json.dumps(value, ensure_ascii=False)


def _wrapped(text: str, indent: str) -> str:
    return click.wrap_text(text, width=100, initial_indent=indent, subsequent_indent=indent)
