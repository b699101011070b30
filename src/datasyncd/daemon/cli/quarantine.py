"""`quarantine`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from .asking import answer, common
from .menu import Menu
from .screen import coloured, moment, show_json, table


@click.group(cls=Menu)
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
    """A row with its raw value, or all rows of a cause."""
    found = answer(config, "quarantine.show", {"id": id})
    show_json(found) if as_json else _show(found, whole=True)


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
        click.echo(f"{len(found['done'])} done" + (f"; again: {', '.join(found['links'])}" if found["links"] else ""))
        for id, why in found["refused"]:
            click.echo(f"{id}  {coloured('error')}: {why}")
    sys.exit(1 if found["refused"] else 0)


def _record(row: dict[str, Any]) -> str:
    """Its own id, and its place where it could not be read; a row without an id has its place alone."""
    if not row["place"]:
        return str(row["ext_id"])
    return str(row["place"]) if row["ext_id"].startswith("#") else f"{row['ext_id']} ({row['place']})"


def _show(cause: dict[str, Any], *, whole: bool = False) -> None:
    place = f"{cause['system']}.{cause['entity']}" + (f" {cause['field']}" if cause["field"] else "")
    click.echo(f"{cause['id']}  {cause['kind']}  {place}  {cause['count']} since {moment(cause['since'])}")
    click.echo(f"    {cause['reason']}")
    raw = ["raw"] if whole else []
    heads = ("id", "record", "key", "last", "tries", *raw)
    rows = [
        (
            r["id"],
            _record(r),
            r["key"] or "-",
            moment(r["last"]),
            r["tries"],
            *["(not kept)" if r[name] is None else r[name] for name in raw],
        )
        for r in cause["records"]
    ]
    table(heads, rows, indent="    ")
    if len(rows) < cause["count"]:
        click.echo(f"    and {cause['count'] - len(rows)} more")
    click.echo(f"    accepts: {', '.join(cause['accepts'])}")
