"""`simulate`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .asking import common
from .screen import show_json
from .stopped import BUG, USAGE, stop

if TYPE_CHECKING:
    from ..simulation.runner import Ran
    from ..simulation.story import Line


@click.command()
@common
@click.option("--seeds", type=click.IntRange(min=1), default=200, show_default=True, help="How many histories.")
@click.option("--seed", type=click.IntRange(min=0), help="This one alone.")
@click.option("--trace", is_flag=True, help="With --seed: tell all that happens in it.")
@click.option("--processes", type=click.IntRange(min=1), help="How many at once.  [default: one a core]")
def simulate(
    config: Path | None, as_json: bool, seeds: int, seed: int | None, trace: bool, processes: int | None
) -> None:
    """Random histories of people, faults and crashes, to test what is promised.

    Everything is simulated, time too: no config and no system is touched. The same seed gives the same history.
    Exits 70 if something did not hold; then the seed replays alone. 5000 histories or more also have to meet every
    situation that they are to test.
    """
    if trace and seed is None:
        stop("--trace tells of one history: name it with --seed", USAGE)
    told: list[Line] = []
    tell: Callable[[Line], None] | None = (told.append if as_json else _show) if trace else None
    found = _run(range(seeds), processes) if seed is None else _one(seed, tell)
    smallest = _smallest(found["broken"][0]["seed"]) if found["broken"] and not trace else None
    if as_json:
        found["smallest"] = None if smallest is None else [_line(line) for line in smallest]
        show_json({**found, **({"trace": [_line(line) for line in told]} if trace else {})})
    else:
        for situation, count in found["seen"].items():
            click.echo(f"{count:8}  {situation}")
        for each in found["broken"]:
            click.echo(each["text"])
        for situation in found["missing"]:
            click.echo(f"never came up: {situation}; a run without it proves nothing")
        rate = found["histories"] / max(found["cpu_seconds"], 0.001)
        click.echo(f"{found['histories']} histories, {rate:.0f} a second and core, {len(found['broken'])} broken")
        if smallest is not None:
            click.echo(f"\nthe least of seed {found['broken'][0]['seed']} in which it does not hold, either:")
            for line in smallest:
                _show(line)
            click.echo(f"to look at all of it: datasyncd simulate --seed {found['broken'][0]['seed']} --trace")
    sys.exit(BUG if found["broken"] or found["missing"] else 0)


def _smallest(seed: int) -> list[Line] | None:
    from ..simulation.shrink import shrunk

    found = shrunk(seed)
    return None if found is None else found.story


def _line(line: Line) -> dict[str, Any]:
    return {"at_s": line.at_s, "who": line.who, "what": line.what}


def _show(line: Line) -> None:
    click.echo(str(line))


def _one(seed: int, tell: Callable[[Line], None] | None) -> dict[str, Any]:
    from ..simulation.runner import run_part

    began = time.monotonic()
    return _found(run_part([seed], tell), began)


def _run(seeds: range, processes: int | None) -> dict[str, Any]:
    from ..simulation.runner import run_all

    began = time.monotonic()
    looked_at = sys.stderr.isatty()
    with click.progressbar(length=len(seeds), label="histories", file=sys.stderr, hidden=not looked_at) as bar:
        return _found(run_all(seeds, processes or len(os.sched_getaffinity(0)), bar.update), began)


def _found(ran: Ran, began: float) -> dict[str, Any]:
    return {
        "histories": ran.histories,
        "broken": [{"seed": failure.seed, "text": failure.text} for failure in ran.broken],
        "missing": ran.missing,
        "seconds": round(time.monotonic() - began, 3),
        "cpu_seconds": round(ran.cpu_s, 3),
        "seen": {name: count for name, count in sorted(ran.seen.items()) if count},
    }
