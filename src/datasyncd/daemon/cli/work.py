"""`run`, `sync` and `check`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from ..control.client import NotRunning
from .asking import ask_daemon, common, load_config
from .screen import coloured, count, show_json, table
from .stopped import CONFIG, TRY_AGAIN, USAGE, stop, stop_for_config


@click.command()
@common
def run(config: Path | None, as_json: bool) -> None:
    """The daemon, in the foreground. SIGTERM drains, SIGHUP reloads the config if it is valid."""
    import anyio

    from .. import app
    from ..config.load import find
    from ..config.problems import ConfigInvalid
    from ..control.server import AlreadyServed
    from ..logs import set_up

    set_up(as_json)
    try:
        anyio.run(app.run, find(config))
    except ConfigInvalid as invalid:
        stop_for_config(invalid.problems)
    except ExceptionGroup as several:
        if several.subgroup(AlreadyServed) is None:
            raise
        stop("another daemon answers at the control socket of this state", TRY_AGAIN)


@click.command()
@common
@click.option("--link", metavar="SYSTEM.ENTITY", help="Read only this link; what it changes is written everywhere.")
@click.option("--full", is_flag=True, help="Read everything, not what changed since the last time.")
def sync(config: Path | None, as_json: bool, link: str | None, full: bool) -> None:
    """Cycles until nothing is left to do, then exits.

    0 done; 1 something needs a person; 75 a system was out of reach.
    """
    try:
        found = ask_daemon(config, "sync", {"link": link, "full": full}, None)
    except NotRunning:
        found = _sync_here(config, link, full)
    code = found.pop("exit_code")
    if as_json:
        show_json(found)
    else:
        show_sync(found)
    sys.exit(code)


def _sync_here(config: Path | None, link: str | None, full: bool) -> dict[str, Any]:
    import anyio
    import msgspec

    from .. import cycle
    from ..check import refuse_inconsistent
    from ..config.problems import ConfigInvalid
    from ..engine import Engine
    from ..logs import set_up
    from .progress import progress

    set_up()
    settings = load_config(config)
    names = [f"{system}.{entity}" for system, links in settings.links.items() for entity in links]
    if link is not None and link not in names:
        stop(f'no link "{link}"; there are: {", ".join(names)}', USAGE)

    async def work() -> cycle.SyncResult:
        await refuse_inconsistent(settings)
        with progress() as note:
            async with Engine.open(settings, "sync") as engine:
                return await cycle.sync(engine, link=link, full=full, progress=note)

    try:
        result = anyio.run(work)
    except ConfigInvalid as invalid:
        stop_for_config(invalid.problems)
    return {**msgspec.to_builtins(result), "exit_code": result.exit_code}


def show_sync(found: dict[str, Any]) -> None:
    """What a run did, and what it leaves to a person."""
    cycles, echoes = count(found["cycles"], "cycle"), count(found["echoes"], "own write")
    click.echo(f"{cycles} in {found['seconds']:.2f} s, {echoes} recognised")
    names = dict.fromkeys([*found["read"], *found["written"]])
    rows = []
    for name in names:
        written = found["written"].get(name, {"create": 0, "update": 0, "delete": 0})
        rows.append((name, found["read"].get(name, 0), written["create"], written["update"], written["delete"]))
    table(("system", "read", "created", "updated", "deleted"), rows)
    for name, reason in found["failed"].items():
        click.echo(f"{coloured('error')}: {name}: {reason}")
    for n, one, many, command in (
        (found["conflicts"], "conflict waits for a person", "conflicts wait for a person", "conflicts"),
        (found["quarantined"], "record or field is in quarantine", "records or fields are in quarantine", "quarantine"),
        (found["held"], "mass change is held", "mass changes are held", "guard"),
    ):
        if n:
            click.echo(f"{count(n, one, many)}: datasyncd {command}")


@click.command()
@common
def check(config: Path | None, as_json: bool) -> None:
    """Validates the config, then each system: reach, credentials, schema against map, promises."""
    import anyio
    import msgspec

    from ..check import check as checked
    from ..check import of_problems
    from ..config.load import find, load
    from ..config.problems import ConfigInvalid

    try:
        findings = anyio.run(checked, load(find(config)))
    except ConfigInvalid as invalid:
        findings = of_problems(invalid.problems)
    wrong = any(finding.severity == "error" for finding in findings)
    if as_json:
        show_json({"valid": not wrong, "findings": msgspec.to_builtins(findings)})
    else:
        for finding in findings:
            click.echo(str(finding))
        click.echo("not valid" if wrong else "the config can run")
    sys.exit(CONFIG if wrong else 0)
