"""`guard`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .asking import answer, common
from .conflicts import Default
from .screen import moment, show_json, table


@click.group(cls=Default)
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
        ("id", "link", "class", "count", "of", "since"),
        [(g["id"], g["link"], g["class"], g["count"], g["of"], moment(g["since"])) for g in found],
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
    for name, value in found.items():
        if name != "samples":
            click.echo(f"{name}: {value}")
    samples: list[dict[str, Any]] = found["samples"]
    if samples:
        table(list(samples[0]), [list(sample.values()) for sample in samples], indent="    ")
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
    click.echo("approved: " + ", ".join(f"{name} {value}" for name, value in found.items()))
    return None
