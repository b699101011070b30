"""`init`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..setup import examples
from .asking import common
from .screen import show_json, table
from .stopped import USAGE, stop

if TYPE_CHECKING:
    from ..setup.propose import Proposal
    from ..setup.survey import Store

FILE = "config.toml"


@click.command()
@common
@click.argument("folder", metavar="[DIR]", default=".", type=click.Path(path_type=Path, file_okay=False))
@click.option("--example", type=click.Choice(examples.names()), help="Write this one and ask nothing.")
def init(config: Path | None, as_json: bool, folder: Path, example: str | None) -> None:
    """Writes a commented config.toml into DIR, the current folder by default. It never writes over one.

    On a terminal it asks for two stores, finds out what they have in common and proposes the map.
    """
    path = config if config is not None else folder / FILE
    if path.exists():
        stop(f"{path} is there already; it is not written over", USAGE)
    asked = example is None and not as_json and sys.stdin.isatty() and sys.stdout.isatty()
    text, variables = _asked(path.parent) if asked else (examples.example(example or examples.DEFAULT), [])
    _write(path, text)
    if as_json:
        show_json({"file": str(path), "example": None if asked else example or examples.DEFAULT})
    else:
        click.echo(f"{path} is written")
        for variable in variables:
            click.echo(f"  next: export {variable}=...   (the address with its password, which is not in the file)")
        click.echo(f"  next: datasyncd check --config {path}")


def _write(path: Path, text: str) -> None:
    """A new file, or none: another one of this name is never touched."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        stop(f"{path} is there already; it is not written over", USAGE)
    with open(descriptor, "w", encoding="utf-8") as out:
        out.write(text)


def _asked(folder: Path) -> tuple[str, list[str]]:
    """The config that the answers make, and the environment variables that it needs."""
    from ..config.credentials import variable_of
    from ..setup.document import credential_of, document, holds_password
    from ..setup.propose import propose

    click.echo("Which two stores hold the same people? Each is an SQLite database, a .csv or a .jsonl file,")
    click.echo(
        "or a database of PostgreSQL, MariaDB or MySQL: postgresql://USER:PASSWORD@HOST:PORT/DATABASE, mysql://..."
    )
    first, second = _store("First"), _store("Second")
    found = propose(first, second)
    if found.wants_region:
        region = click.prompt(
            "Country of phone numbers that are written without one (such as US; empty: leave them as texts)",
            default="",
            show_default=False,
        ).strip()
        found = propose(first, second, region.upper() or None)
    if not found.identify:
        known = ", ".join(field.name for field in found.fields) or "nothing"
        stop(
            f"nothing in both tells who is who (they have in common: {known}); begin with an example: "
            "datasyncd init --example " + examples.DEFAULT,
            USAGE,
        )
    _show(found)
    authorised = _authorised(found)
    click.confirm("Write it?", default=True, abort=True)
    addresses = {name: store.place for name, store in found.stores.items() if isinstance(store.place, str)}
    secret = [variable_of(credential_of(name)) for name, address in addresses.items() if holds_password(address)]
    return document(found, folder, authorised), secret


def _store(which: str) -> Store:
    """Asks for a store until there is one, and for a table where there are several."""
    from ..setup.survey import SERVER, Unknown, objects, survey

    while True:
        text = click.prompt(f"{which} file or address").strip()
        path = text if text.startswith(SERVER) else Path(text).expanduser()
        try:
            names = objects(path)
            name = names[0]
            if len(names) > 1:
                name = click.prompt("Table", type=click.Choice(names), default=name)
            return survey(path, name)
        except Unknown as reason:
            click.echo(str(reason))


def _show(found: Proposal) -> None:
    """What was found."""
    names = list(found.stores)
    click.echo()
    table(("field", "type", *names), [(f.name, f.type, *(f.columns[name] for name in names)) for f in found.fields])
    left = {
        name: sorted(
            set(store.columns)
            - {field.columns[name] for field in found.fields}
            - {found.keys[name], found.edited_at.get(name)}
        )
        for name, store in found.stores.items()
    }
    for name, columns in left.items():
        if columns:
            click.echo(f"not mapped in {name}: {', '.join(columns)}")
    click.echo(f"records are matched by {', '.join(found.identify)}\n")


def _authorised(found: Proposal) -> list[str]:
    """The systems that may collect an opt-in, where there are consents."""
    if not any(field.type == "consent" for field in found.fields):
        return []
    names = ", ".join(found.stores)
    while True:
        text = click.prompt(f"Where do people opt in ({names}; empty: nowhere)", default="", show_default=False)
        chosen = [name for name in text.replace(",", " ").split() if name]
        if all(name in found.stores for name in chosen):
            return chosen
        click.echo(f"expected some of {names}")
