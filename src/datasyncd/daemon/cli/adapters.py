"""`adapters`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .asking import common
from .screen import coloured, show_json, table
from .stopped import UNAVAILABLE, USAGE, stop


@click.command()
@common
@click.argument("name", required=False)
def adapters(config: Path | None, as_json: bool, name: str | None) -> None:
    """The kinds of system that a config can name: built in, and brought by installed packages.

    NAME: one of them, with its options and what it promises.
    """
    import msgspec

    from ..catalogue import catalogue

    if name is not None:
        found = _sheet(name)
        return show_json(found) if as_json else _show(found)
    listed = msgspec.to_builtins(catalogue())
    if as_json:
        return show_json(listed)
    table(("name", "title", "from"), [(each["name"], each["title"], each["package"] or "built in") for each in listed])
    for each in listed:
        if each["problem"]:
            click.echo(f"{coloured('error')}: {each['name']} {each['problem']}")
    return None


def _sheet(name: str) -> Any:
    """Leaves with 64 for what is not there, and with 69 for what cannot be loaded."""
    import anyio
    import msgspec

    from datasyncd.adapters.registry import UnknownAdapter

    from ..catalogue import sheet

    try:
        return msgspec.to_builtins(anyio.run(sheet, name))
    except UnknownAdapter as unknown:
        stop(str(unknown), USAGE)
    except Exception as error:  # of whatever package brings the adapter
        stop(f'the adapter "{name}" cannot be loaded: {type(error).__name__}: {error}', UNAVAILABLE)


def _show(found: dict[str, Any]) -> None:
    origin = found["package"] or "built in"
    click.echo(f"{found['name']}   {found['title']} ({origin})\n\n{found['summary']}")
    click.echo(f"serves: {', '.join(found['serves'])}")
    click.echo("\noptions, beside `adapter`:")
    for option in found["options"]:
        default = "required" if option["required"] else f"default {_toml(option['default'])}"
        click.echo(f"    {option['name']}   {option['type']}; {default}")
        if option["doc"]:
            click.echo(_wrapped(option["doc"], "        "))
    if not found["capabilities"]:
        click.echo("\nwhat it promises is known once it is configured: datasyncd check")
        return
    click.echo("\npromises:")
    width = max(len(promise["name"]) for promise in found["capabilities"])
    for promise in found["capabilities"]:
        click.echo(f"    {promise['name'].ljust(width)}  {_plain(promise['value']):<10}  {promise['doc']}".rstrip())
        for said, value in promise["changes"].items():
            click.echo(f"    {'':{width}}  {_plain(value):<10}  with {said}")


def _plain(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(map(str, value)) or "none"
        case float():
            return f"{value:g}"
    return str(value)


def _toml(value: Any) -> str:
    """A default as the config would write it."""
    return "none" if value is None else json.dumps(value, ensure_ascii=False)


def _wrapped(text: str, indent: str) -> str:
    return click.wrap_text(text, width=100, initial_indent=indent, subsequent_indent=indent)
