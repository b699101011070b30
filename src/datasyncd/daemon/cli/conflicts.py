"""`conflicts` and `resolve`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from .asking import answer, answer_of, common
from .menu import Menu
from .screen import coloured, count, moment, show_json, table, text_of

PAGE = 2000
"""Reports of one answer, which holds 16 MiB."""
FORMS = ["md", "markdown", "html", "csv"]
WAYS = {
    "VALUE": "--use VALUE, --from SYSTEM, --newest",
    "delete": "--use delete",
    "keep": "--use keep",
    "release": "--release",
    "dismiss": "--dismiss",
}
"""What a report accepts, as options of `resolve`."""
DONE = {"choose": "chosen", "delete": "deleted", "keep": "kept", "release": "released", "dismiss": "dismissed"}


@click.group(cls=Menu)
def conflicts() -> None:
    """What waits for a person, or was settled by a policy. Without a sub-command: list."""


@conflicts.command("list")
@common
@click.option("--all", "every", is_flag=True, help="Settled and resolved ones too.")
@click.option("--group", "group", is_flag=True, help="By cause.")
@click.option("--limit", type=click.IntRange(min=1), help="No more than so many, the oldest.")
def list_(config: Path | None, as_json: bool, every: bool, group: bool, limit: int | None) -> None:
    """The open ones, oldest first."""
    if group:
        found = answer(config, "conflicts", {"every": every, "group": True})
    else:
        found = _pages(config, every=every, limit=limit)
    if as_json:
        return show_json(found)
    if not found:
        click.echo("no open conflicts" if not every else "no reports")
    elif group:
        heads = [name for name in ("count", "kind", "entity", "field", "systems", "policy") if name in found[0]]
        table(heads, [[row[name] for name in heads] for row in found])
    else:
        for report in found:
            _show(report)
    return None


@conflicts.command()
@common
@click.argument("id")
def show(config: Path | None, as_json: bool, id: str) -> None:
    """One report, whole."""
    found = answer(config, "conflicts.show", {"id": id})
    show_json(found) if as_json else _show(found, whole=True)


@conflicts.command()
@common
@click.option("--all", "every", is_flag=True, help="Settled and resolved ones too.")
@click.option("--format", "form", type=click.Choice(FORMS), help="Default: by the file's ending, else md.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="A file; default: the screen.")
def report(config: Path | None, as_json: bool, every: bool, form: str | None, output: Path | None) -> None:
    """The conflicts as a document to hand on: Markdown, HTML or CSV. It holds values in full."""
    from .document import document, write

    found = _pages(config, every=every, limit=None)
    if as_json:
        return show_json(found)
    if form is None:
        ending = output.suffix[1:].lower() if output is not None else ""
        form = ending if ending in FORMS else "md"
    text = document(found, form)
    if output is None:
        click.echo(text, nl=False)
    else:
        write(output, text)
        click.echo(f"{output}: {count(len(found), 'report')}")
    return None


@click.command()
@common
@click.argument("ids", nargs=-1)
@click.option("--where", metavar="EXPR", help="Open reports by entity, key, field, policy, cause, system, value.")
@click.option("--use", metavar="VALUE", help="This value; for a held delete: delete or keep.")
@click.option("--from", "source", metavar="SYSTEM", help="The value that this system has.")
@click.option("--newest", is_flag=True, help="The value that was edited last.")
@click.option("--dismiss", is_flag=True, help="It needs no decision.")
@click.option("--release", is_flag=True, help="Try again what was refused; thaw what is frozen.")
@click.option("--if", "digest", metavar="DIGEST", help="Only if the versions are still these (from `conflicts show`).")
@click.option("--preview", is_flag=True, help="Say what would be done.")
def resolve(
    config: Path | None,
    as_json: bool,
    ids: tuple[str, ...],
    where: str | None,
    use: str | None,
    source: str | None,
    newest: bool,
    dismiss: bool,
    release: bool,
    digest: str | None,
    preview: bool,
) -> None:
    """Settles one conflict or a class of them. It never returns unless a new concurrent edit comes.

    A choice never raises a consent. What a report accepts, `conflicts` says.
    """
    if bool(ids) == (where is not None):
        raise click.UsageError("ids or --where expected, and not both")
    if [use is not None, source is not None, newest, dismiss, release].count(True) != 1:
        raise click.UsageError("exactly one of --use, --from, --newest, --dismiss and --release expected")
    found, by_daemon = answer_of(
        config,
        "resolve",
        {
            "ids": ids, "where": where, "use": use, "source": source, "newest": newest, "dismiss": dismiss,
            "release": release, "digest": digest, "preview": preview,
        },
    )  # fmt: skip
    found = {**found, "daemon": by_daemon}
    if as_json:
        show_json(found)
    else:
        _show_resolution(found)
    sys.exit(1 if found["refused"] else 0)


def _pages(config: Path | None, *, every: bool, limit: int | None) -> list[dict[str, Any]]:
    """The whole list, asked for in parts that fit an answer."""
    found: list[dict[str, Any]] = []
    while limit is None or len(found) < limit:
        size = PAGE if limit is None else min(PAGE, limit - len(found))
        page = answer(config, "conflicts", {"every": every, "after": found[-1]["id"] if found else None, "limit": size})
        found += page
        if len(page) < size:
            break
    return found


def _show(report: dict[str, Any], *, whole: bool = False) -> None:
    state = coloured(report["state"])
    click.echo(f"{report['id']}  {report['kind']}  {_subject(report)}  {state}")
    rows = [
        [c["field"] or "", c["system"] or "a person", c["value"], moment(c["edited_at"]), moment(c["seen_at"])]
        for c in report["candidates"]
    ]
    if rows:
        heads = ["field", "system", "value", "edited", "seen"]
        skipped = 0 if any(row[0] for row in rows) else 1
        table(heads[skipped:], [row[skipped:] for row in rows], indent="    ")
    if report["decided"]:
        click.echo(f"    chosen: {text_of(report['chosen'])}")
    if report["state"] == "settled" and report["decided_by"]:
        click.echo(f"    {report['decided_by']}")
    for name in ("reason", "text", "undecidable"):
        if report.get(name):
            click.echo(f"    {name}: {report[name]}")
    if report["accepts"]:
        click.echo(f"    accepts: {', '.join(WAYS[way] for way in report['accepts'])}")
    if whole:
        shown = {"id", "kind", "entity", "key", "field", "state", "candidates", "chosen", "decided", "reason", "text"}
        shown |= {"accepts", "decided_by"} if report["state"] == "settled" else {"accepts"}
        for name, value in report.items():
            if name not in shown and value not in (None, "", []):
                click.echo(f"    {name}: {value}")


def _subject(report: dict[str, Any]) -> str:
    """What it is about: entity, record and field, as far as it is about one."""
    return " ".join(str(report[name]) for name in ("entity", "key", "field") if report.get(name) is not None)


def _writes(row: dict[str, Any], would: str, *, daemon: bool) -> Iterator[str]:
    """What becomes of the writes that a decision makes due. A daemon of an older version says nothing of guards."""
    held = row.get("held", [])
    passing = [system for system in row["writes"] if system not in held]
    if passing and would:
        yield f"would be written to {', '.join(passing)}"
    elif passing and daemon:
        yield f"the daemon writes it to {', '.join(passing)}"
    elif passing:
        yield f"will be written to {', '.join(passing)} by the next sync (no daemon runs)"
    if held:
        yield f"a guard {'would hold' if would else 'holds'} it back from {', '.join(held)}, until it is approved"


def _show_resolution(found: dict[str, Any]) -> None:
    would = "would be " if found["preview"] else ""
    for row in found["resolved"]:
        what = _subject(row)
        to = f" -> {text_of(row['chosen'])}" if row["action"] == "choose" else ""
        writes = "".join(f"; {text}" for text in _writes(row, would, daemon=found["daemon"]))
        verb = "has" if len(row["have"]) == 1 else "have"
        have = f"; {', '.join(row['have'])} {verb} it already" if row["have"] else ""
        click.echo(f"{row['id']}  {would}{DONE[row['action']]}  {what}{to}{writes}{have}")
    for row in found["refused"]:
        click.echo(f"{row['id']}  {coloured('error')}: {row['reason']}")
    if not found["resolved"] and not found["refused"]:
        click.echo("nothing matches")
