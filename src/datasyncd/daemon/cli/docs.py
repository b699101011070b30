"""`docs`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from .asking import common, load_config
from .screen import show_json


@click.command()
@common
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="A Markdown file; default: the screen."
)
def docs(config: Path | None, as_json: bool, output: Path | None) -> None:
    """The field dictionary: meaning, owner, type, allowed values, policy, where each is mapped and used.

    Made of the config alone; no system is asked.
    """
    import msgspec

    from ..dictionary import dictionary

    found = msgspec.to_builtins(dictionary(load_config(config)))
    if output is not None:
        output.write_text(markdown(found), encoding="utf-8")
        if as_json:
            show_json({"file": str(output)})
        else:
            click.echo(f"{output}: {sum(len(entity['fields']) for entity in found['entities'])} fields")
    elif as_json:
        show_json(found)
    else:
        _show(found)


def _show(found: dict[str, Any]) -> None:
    for entity in found["entities"]:
        click.echo(f"{entity['name']}   {_about(entity)}")
        for field in entity["fields"]:
            click.echo(f"\n  {field['name']}   {field['doc']}".rstrip())
            for head, text in _facts(field):
                click.echo(f"      {head}: {text}")
        click.echo()
    click.echo("functions of expressions")
    width = max(len(each["signature"]) for each in found["functions"])
    for each in found["functions"]:
        click.echo(f"  {each['signature'].ljust(width)}  {each['doc']}")


def markdown(found: dict[str, Any]) -> str:
    """The dictionary as a page."""
    lines = ["# Fields", ""]
    for entity in found["entities"]:
        lines += [f"## {_escaped(entity['name'])}", "", f"{_about(entity, code=True)}.", ""]
        rows: list[tuple[str, ...]] = [
            (f"`{field['name']}`", field["type"], field["policy"], _escaped(field["owner"]), _escaped(field["doc"]))
            for field in entity["fields"]
        ]
        lines += [*_rows(("field", "type", "policy", "owner", "meaning"), rows), ""]
        for field in entity["fields"]:
            lines += [f"### {_escaped(field['name'])}", "", *([_escaped(field["doc"]), ""] if field["doc"] else [])]
            lines += [*(f"- {head}: {text}" for head, text in _facts(field, code=True)), ""]
    lines += ["## Functions of expressions", ""]
    rows = [(f"`{each['signature']}`", _escaped(each["doc"])) for each in found["functions"]]
    return "\n".join([*lines, *_rows(("function", "gives"), rows)]) + "\n"


def _about(entity: dict[str, Any], code: bool = False) -> str:
    keys = ", ".join(" + ".join(_code(name, code) for name in key) for key in entity["identify"])
    return (
        f"{'Matched' if code else 'matched'} by {keys}; first contact: {_code(entity['first_contact'], code)};"
        f" on delete: {_code(entity['on_delete'], code)}"
    )


def _facts(field: dict[str, Any], code: bool = False) -> Iterator[tuple[str, str]]:
    """What there is to say of a field, with a name for each."""
    if field["owner"]:
        yield "owner", _escaped(field["owner"]) if code else field["owner"]
    marks = [word for word in ("required", "never_clear") if field[word]]
    yield "type", ", ".join([_code(field["type"], code), *marks])
    if field["values"]:
        yield "allowed", ", ".join(_code(value, code) for value in field["values"])
    for name, value in field["options"].items():
        yield name, _listed(value, code)
    authority = f" ({', '.join(field['authority'])})" if field["authority"] else ""
    yield "policy", f"{field['policy']}{authority}"
    if field["group"]:
        yield "group", _code(field["group"], code)
    if field["derive"]:
        yield "computed", _code(field["derive"], code)
    for place in field["mapped"]:
        words = "; ".join(f"{native} = {str(value).lower()}" for native, value in place["values"].items())
        native = _code(f"{place['object']}.{place['native']}", code)
        yield f"in {place['system']}", f"{native}, {place['direction']}" + (f" ({words})" if words else "")
    for use in field["used"]:
        expression = f": {_code(use['expression'], code)}" if use["expression"] else ""
        yield "used", f"{_code(use['place'], code)}: {use['text']}{expression}"


def _rows(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    yield "| " + " | ".join(heads) + " |"
    yield "|" + "---|" * len(heads)
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def _listed(value: Any, code: bool) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(_code(each, code) for each in value) or "none"
    return _code(value, code)


def _code(text: Any, code: bool) -> str:
    """Text as it is typed; in Markdown as code, with a fence that it does not contain."""
    if not code:
        return str(text)
    fence = "``" if "`" in str(text) else "`"
    return f"{fence}{text}{fence}".replace("|", "\\|").replace("\n", " ")


def _escaped(text: str) -> str:
    """Text that Markdown takes as it is."""
    return re.sub(r"([\\`*_\[\]|<>#])", r"\\\1", text).replace("\n", " ")
