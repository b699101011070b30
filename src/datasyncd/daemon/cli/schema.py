"""`schema`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .asking import common
from .screen import show_json


@click.command()
@common
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="A file; default: the screen.")
def schema(config: Path | None, as_json: bool, output: Path | None) -> None:
    """The grammar of the config file, as a JSON Schema: with it an editor completes and checks the file.

    It knows the adapters that are installed here.
    """
    from datasyncd.adapters import registry

    from ..config.schema import schema as made

    document = made(registry.names(), registry.find)
    if output is not None:
        output.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        if as_json:
            show_json({"file": str(output)})
        else:
            click.echo(f"{output}: for the first line of a config: #:schema {output.name}")
    elif as_json:
        show_json(document)
    else:
        click.echo(json.dumps(document, ensure_ascii=False, indent=2))
