"""`adapters certify`."""

from __future__ import annotations

import signal
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .asking import common, load_config
from .screen import coloured, count, show_json
from .sheet import show_promises
from .stopped import INTERRUPTED, TRY_AGAIN, UNAVAILABLE, USAGE, Stopped, stop

if TYPE_CHECKING:
    from ..certificate import Certificate, Certified

BROKEN = 1


@click.command(short_help="Tries what a configured system promises.")
@common
@click.argument("name")
def certify(config: Path | None, as_json: bool, name: str) -> None:
    """Tries what the adapter of a configured system promises, on an object that is made there and removed again.

    NAME: a system of the config. No record that is there already is touched. 0 all that is promised was held; 1 a
    promise was broken; 75 the system is out of reach.
    """
    import anyio
    import msgspec

    settings = load_config(config)
    if name not in settings.systems:
        near = get_close_matches(name, settings.systems, n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"there are: {', '.join(settings.systems)}"
        stop(f'no system "{name}" in the config; {hint}', USAGE)
    found = anyio.run(_certified, settings, name, as_json)
    if isinstance(found, Stopped):
        raise found
    if as_json:
        show_json(msgspec.to_builtins(found))
    else:
        _show_rest(found)
    sys.exit(0 if found.held else BROKEN)


async def _certified(settings: Any, name: str, as_json: bool) -> Certificate | Stopped:
    """Until it is told to stop. A second signal ends the removal of what was made, too."""
    import anyio

    found: Certificate | Stopped = Stopped("stopped; what was made for the case that ran is removed", INTERRUPTED)

    async def until_told() -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            async for _ in signals:
                tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(until_told)
        found = await _tried(settings, name, as_json)
        tasks.cancel_scope.cancel()
    return found


async def _tried(settings: Any, name: str, as_json: bool) -> Certificate | Stopped:
    """What was seen, or why nothing can be tried, or no more."""
    from datasyncd.adapters.errors import AdapterError, Transient
    from datasyncd.adapters.testing.promise import Broken, LeftBehind, Unwritten
    from datasyncd.adapters.testing.scratch import NoStage

    from ..certificate import certificate

    begun, told = (_nothing, _nothing) if as_json else (_show_begin, _show)
    try:
        return await certificate(settings, name, begun, told)
    except Transient as error:
        return Stopped(_text(error), TRY_AGAIN)
    except (AdapterError, NoStage, LeftBehind) as error:
        return Stopped(_text(error), UNAVAILABLE)
    except (Broken, Unwritten) as error:
        return Stopped(_text(error), BROKEN)


def _text(error: Exception) -> str:
    return "; ".join((str(error), *getattr(error, "__notes__", ())))


def _nothing(_: Any) -> None:
    """For scripts, all is told at the end."""


def _show_begin(found: Certificate) -> None:
    click.echo(f"{found.system}   {found.adapter} ({found.package or 'built in'})")
    click.echo(f"each case on an object of its own, made and removed again: {found.scratch}")
    click.echo(f"somebody else is {found.somebody}\n")


def _show(certified: Certified) -> None:
    """One promise, and what there is to say of its cases."""
    verdict = certified.verdict.value
    padding = " " * (12 - len(verdict))
    click.echo(f"{certified.promise:>2}  {coloured(verdict)}{padding}  {certified.text}")
    if certified.why:
        click.echo(f"        {certified.why}")
    for case in certified.cases:
        if case.verdict != "held":
            click.echo(f"        {case.verdict}: {case.name}: {case.why}")


def _show_rest(found: Certificate) -> None:
    click.echo("\nwhat the daemon obeys:")
    show_promises(found.capabilities)
    click.echo(f"nothing here tries {' and '.join(found.trusted)}: the adapter is taken at its word")
    click.echo("\nwhat follows:" if found.consequences else "\nnothing follows that somebody would have to know")
    for finding in found.consequences:
        click.echo(f"    {finding}")
    broken = sum(certified.verdict == "broken" for certified in found.promises)
    click.echo(
        f"\n{count(broken, 'promise is', 'promises are')} broken" if broken else "\nall that is promised was held"
    )
