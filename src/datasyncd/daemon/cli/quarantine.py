"""`quarantine`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .asking import answer, common
from .conflicts import Default
from .screen import show_json, table, text_of


@click.group(cls=Default)
def quarantine() -> None:
    """Records and fields that could not be read or written, by cause. Without a sub-command: list."""


@quarantine.command("list")
@common
def list_(config: Path | None, as_json: bool) -> None:
    """Grouped by cause."""
    found = answer(config, "quarantine", {})
    if as_json:
        return show_json(found)
    if not found:
        click.echo("nothing is in quarantine")
    for cause in found:
        _show(cause)
    return None


@quarantine.command()
@common
@click.argument("id")
def show(config: Path | None, as_json: bool, id: str) -> None:
    """One row, with the raw value."""
    found = answer(config, "quarantine.show", {"id": id})
    show_json(found) if as_json else _show(found)


@quarantine.command()
@common
@click.argument("ids", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Everything.")
def retry(config: Path | None, as_json: bool, ids: tuple[str, ...], every: bool) -> None:
    """Reads and merges them afresh, and sends again what was refused."""
    _done(answer(config, "quarantine.retry", {"ids": ids, "every": every}), as_json)


@quarantine.command()
@common
@click.argument("ids", nargs=-1)
@click.option("--all", "every", is_flag=True, help="Everything.")
def drop(config: Path | None, as_json: bool, ids: tuple[str, ...], every: bool) -> None:
    """Forgets them until the raw value changes."""
    _done(answer(config, "quarantine.drop", {"ids": ids, "every": every}), as_json)


def _done(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(found)
    else:
        click.echo(", ".join(f"{name}: {text_of(value)}" for name, value in found.items()))


def _show(cause: dict[str, Any]) -> None:
    rows: list[dict[str, Any]] = next((value for value in cause.values() if isinstance(value, list)), [])
    click.echo(", ".join(text_of(value) for value in cause.values() if not isinstance(value, list) and value))
    if rows and isinstance(rows[0], dict):
        heads = [name for name in rows[0] if any(row[name] not in (None, "") for row in rows)]
        table(heads, [[row[name] for name in heads] for row in rows], indent="    ")
