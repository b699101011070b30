"""`adapters new`."""

from __future__ import annotations

from pathlib import Path

import click

from .asking import common
from .screen import show_json
from .stopped import USAGE, stop


@click.command(short_help="Makes the package of an adapter that is yet to be written.")
@common
@click.argument("name")
@click.argument("folder", metavar="[DIR]", required=False, type=click.Path(path_type=Path))
def new(config: Path | None, as_json: bool, name: str, folder: Path | None) -> None:
    """Makes the package of an adapter that is yet to be written, with its tests, which say what to write.

    NAME: what a config will say, such as petshop. DIR: a new folder; default: datasyncd-NAME.
    """
    from datasyncd.adapters.testing.scaffold import Refused, scaffold

    place = folder or Path(f"datasyncd-{name.replace('_', '-')}")
    try:
        made = scaffold(name, place)
    except Refused as refused:
        stop(str(refused), USAGE)
    if as_json:
        return show_json({"folder": str(place), "files": [str(path) for path in made]})
    for path in made:
        click.echo(place / path)
    click.echo(f"\nnext: cd {place}; pip install -e '.[tests]'; pytest -x    (each failure says what to write)")
    return None
