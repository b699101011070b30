"""`history`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .asking import answer, common
from .screen import moment, show_json, table, text_of


@click.command()
@common
@click.argument("entity")
@click.argument("key")
@click.option("--as-of", metavar="TIME", help="The record as it was: 2026-01-31T18:00:00Z, 2026-01-31 (UTC).")
def history(config: Path | None, as_json: bool, entity: str, key: str, as_of: str | None) -> None:
    """All changes of a record, oldest first, or the record as it was.

    KEY is any identify value, SYSTEM:ID for a record's own id, or our id.
    """
    found = answer(config, "history", {"entity": entity, "key": key, "as_of": as_of})
    if as_json:
        show_json(found)
    elif as_of is None:
        _show(found)
    else:
        _show_past(found)


def _show(found: dict[str, Any]) -> None:
    click.echo(f"{found['entity']} {found['id']}   records: {_records(found['records'])}")
    for change in found["changes"]:
        place = f" {change['system']}" if change["system"] else ""
        record = f":{change['record']}" if change["system"] and change["record"] else ""
        cause = f"  ({change['cause']})" if change["cause"] else ""
        click.echo(f"\n{moment(change['at'])}  {change['kind']}{place}{record}{cause}")
        for field in change["fields"]:
            click.echo(f"    {_told(change['kind'], field)}")


def _told(kind: str, field: dict[str, Any]) -> str:
    """One field of a change."""
    if kind in ("create", "write"):
        return f"{field['field']} = {_brought(field)}"
    if field["dot"] is None and kind != "overruled":
        return str(field["field"])
    edited = f", edited {moment(field['edited_at'])}" if field["edited_at"] else ""
    text = f"{field['field']}: {text_of(field['was'])} -> {text_of(field['value'])}{edited}"
    if kind == "overruled":
        return f"{text}; overruled"
    return f"{text}; conflict {field['report'][:8]}, now {_now(field)}" if field["report"] else text


def _brought(field: dict[str, Any]) -> str:
    """What a write of ours brought, and what counted by the time that it was accepted."""
    if field["dot"] is not None:
        return f"(what counted after {field['dot']})"
    if field["decided"] and field["now"] == field["value"]:
        return text_of(field["value"])
    return f"{text_of(field['value'])}; by then {_now(field)}"


def _now(field: dict[str, Any]) -> str:
    return text_of(field["now"]) if field["decided"] else "(undecided)"


def _show_past(found: dict[str, Any]) -> None:
    if found["state"] is None:
        return click.echo(f"{found['entity']} {found['id']} was not known at {moment(found['as_of'])}")
    click.echo(
        f"{found['entity']} {found['id']} at {moment(found['as_of'])}: {found['state']},"
        f" records: {_records(found['records'])}\n"
    )
    rows = [
        (
            name,
            text_of(field["value"]) if field["decided"] else "(undecided)",
            field["origin"] or "-",
            moment(field["seen_at"]) if field["seen_at"] else "-",
            "" if field["exact"] else "inferred",
        )
        for name, field in found["fields"].items()
    ]
    return table(("field", "value", "origin", "seen", ""), rows)


def _records(records: dict[str, str]) -> str:
    return ", ".join(f"{system}:{record}" for system, record in records.items()) or "none"
