"""`guard`."""

from __future__ import annotations

from pathlib import Path

import click

from .asking import answer, common
from .menu import Menu
from .screen import coloured, count, moment, show_json, table


@click.group(cls=Menu)
def guard() -> None:
    """Mass changes that are held until a person approves them. Without a sub-command: list."""


@guard.command("list")
@common
@click.option("--all", "every", is_flag=True, help="Approved ones and those that are over, too.")
def list_(config: Path | None, as_json: bool, every: bool) -> None:
    """The held sets, oldest first."""
    found = answer(config, "guard", {"every": every})
    if as_json:
        return show_json(found)
    if not found:
        click.echo("nothing is held")
        return None
    table(
        ("id", "link", "class", "records", "of", "writes", "since"),
        [(g["id"], g["link"], g["class"], g["records"], g["of"], g["count"], moment(g["since"])) for g in found],
    )
    return None


@guard.command()
@common
@click.argument("id")
def show(config: Path | None, as_json: bool, id: str) -> None:
    """One held set, with samples."""
    found = answer(config, "guard.show", {"id": id})
    if as_json:
        return show_json(found)
    click.echo(f"{found['id']}  {found['link']}  {found['class']}  {coloured(found['state'])}")
    click.echo(f"    {found['text']}, since {moment(found['since'])}")
    click.echo(f"    digest: {found['digest']}")
    rows = [(s["key"], s["field"] or "(the record)", s["value"]) for s in found["samples"]]
    if rows:
        table(("key", "field", "value"), rows, indent="    ")
    return None


@guard.command()
@common
@click.argument("id")
@click.option("--digest", help="Only if the set is still this one (from `guard show`).")
def approve(config: Path | None, as_json: bool, id: str, digest: str | None) -> None:
    """Lets exactly that set pass, once."""
    found = answer(config, "guard.approve", {"id": id, "digest": digest})
    if as_json:
        return show_json(found)
    writes = f"{count(found['count'], 'write')} to {count(found['records'], 'record')}"
    click.echo(f"approved: {writes} ({found['class']}) of {found['link']}; again: {', '.join(found['links'])}")
    return None
