"""`python -m datasyncd.daemon.simulation --seeds N`: run histories; a failing seed replays alone with `--seed S`."""

from __future__ import annotations

import sys
import time
from collections import Counter

import click

from .history import run
from .oracle import Broken


@click.command()
@click.option("--seeds", default=200, show_default=True, help="How many histories.")
@click.option("--seed", type=int, help="This one alone.")
def main(seeds: int, seed: int | None) -> None:
    """Simulated histories of people, faults and crashes; exits 1 if a property does not hold."""
    began, seen, broken = time.monotonic(), Counter[str](), 0
    chosen = range(seeds) if seed is None else [seed]
    for number in chosen:
        try:
            seen.update(run(number).seen)
        except Broken as error:
            broken += 1
            click.echo(str(error))
    rate = len(chosen) / (time.monotonic() - began)
    for situation, count in sorted(seen.items()):
        click.echo(f"{count:8}  {situation}")
    click.echo(f"{len(chosen)} histories, {rate:.0f} a second, {broken} broken")
    sys.exit(1 if broken else 0)


if __name__ == "__main__":
    main()
