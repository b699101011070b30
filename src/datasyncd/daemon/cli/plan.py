"""`plan` and `apply`."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from itertools import groupby
from pathlib import Path
from typing import Any, TypeVar

import click

from .asking import common, input_file, load_config
from .screen import coloured, count, show_json, table, text_of
from .stopped import TRY_AGAIN, USAGE, stop, stop_for_config
from .work import show_sync

T = TypeVar("T")

COUNTS = ("create", "update", "clear", "opt_out", "opt_in", "delete", "merged", "held", "quarantined")
HEADS = ("system", "entity", "create", "update", "clear", "opt out", "opt in", "delete", "merged", "held", "kept out")


@click.command()
@common
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="A file of every write, to `apply`."
)
@click.option(
    "--samples", type=click.IntRange(0, 1_000), default=3, show_default=True, help="Examples of each kind and system."
)
def plan(config: Path | None, as_json: bool, output: Path | None, samples: int) -> None:
    """What `sync` would do now, on real data; writes nothing to any system, nor to the state.

    Exits as that `sync` would: 0; 1 something would need a person; 75 a system was out of reach.
    """
    from ..plan.look import plan as look
    from ..plan.look import plan_to
    from .progress import progress

    settings = load_config(config)

    async def work() -> Any:
        with progress("to write") as note:
            if output is not None:
                return await plan_to(settings, output, samples=samples, progress=note)
            return await look(settings, samples=samples, progress=note)

    found = _run(settings, work)
    if as_json:
        show_json(_builtins(found))
    else:
        _show_plan(_builtins(found))
        if output is not None:
            click.echo(f"every write is in {output}; carry it out: datasyncd apply {output}")
    sys.exit(found.exit_code)


@click.command()
@common
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--strict", is_flag=True, help="Only if all of it still stands and nothing else is due.")
def apply(config: Path | None, as_json: bool, file: Path, strict: bool) -> None:
    """Carries out exactly the plan in FILE (from `plan -o`): what is no longer so is left out, and listed.

    Exits as `sync`, and with 1 also when something was left out; 64 for a plan of another config.
    """
    from ..plan.carry_out import apply as carry_out
    from .progress import progress

    input_file(file)
    settings = load_config(config)

    async def work() -> Any:
        with progress() as note:
            return await carry_out(settings, file, strict=strict, progress=note)

    found = _run(settings, work)
    if as_json:
        show_json(_builtins(found))
    else:
        _show_applied(_builtins(found))
    sys.exit(found.exit_code)


def _run(settings: Any, work: Callable[[], Awaitable[T]]) -> T:
    """Leaves with the exit code that says why it could not be done."""
    import anyio

    from datasyncd.state.errors import StateLocked

    from ..check import refuse_inconsistent
    from ..config.problems import ConfigInvalid
    from ..logs import set_up
    from ..plan.document import NoPlan

    set_up()

    async def checked() -> T:
        await refuse_inconsistent(settings)
        return await work()

    try:
        return anyio.run(checked)
    except ConfigInvalid as invalid:
        stop_for_config(invalid.problems)
    except NoPlan as error:
        stop(str(error), USAGE)
    except StateLocked:
        stop("a daemon works on this state, and sends what is due by itself; stop it to apply a plan", TRY_AGAIN)


def _builtins(found: Any) -> Any:
    import msgspec

    return msgspec.to_builtins(found)


def _show_plan(found: dict[str, Any]) -> None:
    rows = [
        (system, entity, *(counted[name] for name in COUNTS))
        for system, entities in found["systems"].items()
        for entity, counted in entities.items()
    ]
    click.echo(f"a sync now would do this ({found['seconds']:.2f} s to find out, nothing was written)")
    table(HEADS, rows)
    consents = [example for example in found["examples"] if example["kind"] in ("opt_out", "opt_in")]
    _show_examples("changes of consent", consents)
    _show_examples("examples", [example for example in found["examples"] if example not in consents])
    for name, reason in found["failed"].items():
        click.echo(f"{coloured('error')}: {name}: {reason}")
    for n, one, many, what in (
        (found["conflicts"], "conflict", "conflicts", "would wait for a person"),
        (found["quarantined"], "record or field", "records or fields", "would be in quarantine"),
        (found["held"], "mass change", "mass changes", "would be held until somebody approves"),
    ):
        if n:
            click.echo(f"{count(n, one, many)} {what}")


def _show_applied(found: dict[str, Any]) -> None:
    left = found["left_out"]
    if found["refused"]:
        click.echo(f"nothing was sent: {len(left)} of what is due or planned is not the same in both")
    else:
        show_sync(found)
        click.echo(f"{found['sent']} of {found['planned']} planned writes are done")
        if left:
            click.echo(f"{len(left)} left out; what is due of it waits for the next sync")
    if left:
        rows = [(f"{e['system']}.{e['entity']}", e["key"], e["op"], e["field"] or "", e["why"]) for e in left]
        table(("link", "key", "write", "field", "why"), rows)
    if found["refused"]:
        for name, reason in found["failed"].items():
            click.echo(f"{coloured('error')}: {name}: {reason}")


def _show_examples(title: str, examples: list[dict[str, Any]]) -> None:
    """By system and what is done; why stands below each write, once where it is the same for all its fields."""
    if not examples:
        return
    click.echo(f"\n{title}")
    for (system, entity, action), several in groupby(examples, lambda e: (e["system"], e["entity"], e["action"])):
        for example in several:
            click.echo(f"  {system}.{entity}  {coloured(action)}  {example['key']}")
            reasons = dict.fromkeys(change["because"] for change in example["fields"].values())
            table(
                ("", "", "", ""),
                [
                    (name, text_of(change["from"]), "->", text_of(change["to"]))
                    for name, change in example["fields"].items()
                ],
                indent="      ",
            )
            for reason in reasons:
                names = [name for name, change in example["fields"].items() if change["because"] == reason]
                click.echo(f"      {reason}" if len(reasons) == 1 else f"      {', '.join(names)}: {reason}")
    click.echo()
