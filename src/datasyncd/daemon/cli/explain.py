"""`explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .asking import answer, common
from .screen import moment, plain, show_json, table, text_of


@click.command()
@common
@click.argument("entity")
@click.argument("key")
@click.argument("field", required=False)
def explain(config: Path | None, as_json: bool, entity: str, key: str, field: str | None) -> None:
    """Why a field has the value that it has: versions, the rule that chose, what lost, who has acknowledged.

    KEY is any identify value, SYSTEM:ID for a record's own id, or our id.
    """
    found = answer(config, "explain", {"entity": entity, "key": key, "field": field})
    show_json(found) if as_json else _show(found)


def _show(found: dict[str, Any]) -> None:
    records = ", ".join(f"{system}:{record}" for system, record in found["records"].items())
    click.echo(f"{found['entity']} {found['id']}   records: {records or 'none'}")
    for name, field in found["fields"].items():
        value = text_of(field["value"]) if field["decided"] else "(undecided)"
        click.echo(f"\n{name} = {value}   ({field['policy']})")
        click.echo(f"    {plain(field['because'])}")
        rows = [
            (v["origin"], v["value"], v["status"], moment(v["edited_at"]), moment(v["seen_at"]), v["dot"] or "-")
            for v in field["versions"]
        ]
        if rows:
            table(("origin", "value", "", "edited", "seen", "version"), rows, indent="    ")
        held = ", ".join(f"{system}: {state}" for system, state in field["held_by"].items())
        if held:
            click.echo(f"    {held}")
        for system, note in field["notes"].items():
            click.echo(f"    {system}: {note}")
