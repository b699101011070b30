"""A sheet of promises, for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..catalogue import Promise

WIDEST = 10
"""Characters of a value beside which its text stands."""


def show_promises(promises: Sequence[Promise]) -> None:
    """Each with its value, what that means, and what it is where the config says something else."""
    width = max(len(promise.name) for promise in promises)
    for promise in promises:
        _show(promise.name.ljust(width), _plain(promise.value), promise.doc)
        for said, value in promise.changes.items():
            _show(" " * width, _plain(value), f"with {said}")


def _show(name: str, value: str, text: str) -> None:
    """A line; the text has one of its own where the value is long."""
    if len(value) > WIDEST:
        click.echo(f"    {name}  {value}")
        name, value = " " * len(name), ""
    click.echo(f"    {name}  {value:<{WIDEST}}  {text}".rstrip())


def _plain(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case list() | tuple():
            return ", ".join(map(str, value)) or "none"
        case float():
            return f"{value:g}"
    return str(value)
