"""`simulate`."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .asking import common
from .screen import show_json
from .stopped import BUG, USAGE, stop

if TYPE_CHECKING:
    from ..simulation.story import Line


@click.command()
@common
@click.option("--seeds", type=click.IntRange(min=1), default=200, show_default=True, help="How many histories.")
@click.option("--seed", type=click.IntRange(min=0), help="This one alone.")
@click.option("--trace", is_flag=True, help="With --seed: tell all that happens in it.")
def simulate(config: Path | None, as_json: bool, seeds: int, seed: int | None, trace: bool) -> None:
    """Random histories of people, faults and crashes, to test what is promised.

    Everything is simulated, time too: no config and no system is touched. The same seed gives the same history.
    Exits 70 if something did not hold; then the seed replays alone.
    """
    if trace and seed is None:
        stop("--trace tells of one history: name it with --seed", USAGE)
    told: list[Line] = []
    tell: Callable[[Line], None] | None = (told.append if as_json else _show) if trace else None
    found = _run(range(seeds) if seed is None else [seed], tell)
    if as_json:
        story = [{"at_s": line.at_s, "who": line.who, "what": line.what} for line in told]
        show_json({**found, **({"trace": story} if trace else {})})
    else:
        for situation, count in found["seen"].items():
            click.echo(f"{count:8}  {situation}")
        for each in found["broken"]:
            click.echo(each["text"])
        rate = found["histories"] / max(found["seconds"], 0.001)
        click.echo(f"{found['histories']} histories, {rate:.0f} a second, {len(found['broken'])} broken")
        if found["broken"] and not trace:
            click.echo(f"to look at one: datasyncd simulate --seed {found['broken'][0]['seed']} --trace")
    sys.exit(BUG if found["broken"] else 0)


def _show(line: Line) -> None:
    click.echo(str(line))


def _run(seeds: range | list[int], tell: Callable[[Line], None] | None) -> dict[str, Any]:
    from ..simulation.history import run
    from ..simulation.oracle import Broken

    began, seen, broken = time.monotonic(), Counter[str](), []
    looked_at = sys.stderr.isatty() and len(seeds) > 1
    with click.progressbar(seeds, label="histories", file=sys.stderr, hidden=not looked_at) as chosen:
        for number in chosen:
            try:
                seen.update(run(number, tell).seen)
            except Broken as error:
                broken.append({"seed": number, "text": str(error)})
            except Exception as error:  # whatever else goes wrong in a history is what we look for, too
                broken.append({"seed": number, "text": f"seed {number}: {type(error).__name__}: {error}"})
    return {
        "histories": len(seeds),
        "broken": broken,
        "seconds": round(time.monotonic() - began, 3),
        "seen": dict(sorted(seen.items())),
    }
