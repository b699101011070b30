"""`identity`."""

from __future__ import annotations

from pathlib import Path

import click

from .asking import answer, common
from .screen import show_json


@click.group()
def identity() -> None:
    """Which records are the same person or thing: merges and splits by hand."""


@identity.command()
@common
@click.argument("entity")
@click.argument("key")
@click.argument("other")
def merge(config: Path | None, as_json: bool, entity: str, key: str, other: str) -> None:
    """Two that are one: OTHER's records join those of KEY. What differs is settled by each field's policy."""
    found = answer(config, "identity.merge", {"entity": entity, "key": key, "other": other})
    if as_json:
        return show_json(found)
    click.echo(f"#{found['id']} is {', '.join(found['records'])} now")
    if found["conflicts"]:
        click.echo(f"{found['conflicts']} conflicts wait for a choice; see `datasyncd conflicts`")
    return None


@identity.command()
@common
@click.argument("entity")
@click.argument("record")
def split(config: Path | None, as_json: bool, entity: str, record: str) -> None:
    """One that is not: RECORD, as SYSTEM:ID, stands alone. Nothing is made for either part any more."""
    found = answer(config, "identity.split", {"entity": entity, "record": record})
    if as_json:
        return show_json(found)
    click.echo(f"{found['record']} is #{found['id']} now, alone; {', '.join(found['left'])} stay together")
    return None
