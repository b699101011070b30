"""Lost updates under a hot test, by what a system promises: the table of `docs/explanation/what-is-promised.md`.

    python -m tests.benchmarks.hot_edits [--write]      minutes; --write: put the table into the page

Two systems of one class hold the same people, and each person is edited once in both within one second, in the same
field. An edit is lost if it neither stands nor is in the journal or a report.
"""

from __future__ import annotations

import argparse
import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from datasyncd.adapters.contract import Capabilities, Condition, VersionOrder
from tests.benchmarks import hot_stores, hot_streams, hot_virtual
from tests.benchmarks.hot_count import Counted
from tests.servers import nats, radicale, redis
from tests.servers.postgres import Server, running
from tests.simulation.mutants import MUTANTS, living

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "what-is-promised.md"
BEGIN, END = "<!-- made by python -m tests.benchmarks.hot_edits -->", "<!-- end -->"
HEAD = "| class | edits | lost | of these reported | conflicts reported | our writes | echoes taken for edits |"
PERSONS = 250
NO_PRE_FLIGHT = 5
"""The number of the mutant that writes without looking first."""

Measured = Callable[[range, int, Server], Counted]
"""Runs the hot test once for each seed, with so many people; a server for stores that need one."""


class HotClass(NamedTuple):
    """A class of systems, and how many times 250 people are edited in each of its two."""

    name: str
    conditional: bool
    """Writes that expect an older version are refused."""
    worlds: int
    measured: Measured


def in_memory(condition: Condition, order: VersionOrder, *, timed: bool = False, blind: bool = False) -> Measured:
    """Systems in memory. `timed`: they say when a record was edited; `blind`: nobody looks before a write."""
    promised = Capabilities(
        condition=condition, version_order=order, returns_image=True, assigns_key=True, late_s=0, search_lag_s=0
    )

    def measured(seeds: range, persons: int, _server: Server | None = None) -> Counted:
        mutant = next(mutant for mutant in MUTANTS if mutant.number == NO_PRE_FLIGHT)
        with living(mutant) if blind else contextlib.nullcontext():
            return hot_virtual.hot(promised, seeds, persons, timed=timed)

    return measured


def real(kind_of: Callable[[Server], hot_stores.Kind]) -> Measured:
    """Stores of one kind, with the real daemon."""

    def measured(seeds: range, persons: int, server: Server) -> Counted:
        return hot_stores.hot(kind_of(server), seeds, persons)

    return measured


def on_radicale(seeds: range, persons: int, _server: Server | None = None) -> Counted:
    """Address books on two CardDAV servers, with the real daemon."""
    with radicale.running() as a, radicale.running() as b:
        return hot_stores.hot(hot_stores.carddav({"a": a, "b": b}), seeds, persons)


def on_nats(seeds: range, persons: int, _server: Server | None = None) -> Counted:
    """Streams of a NATS server, with the real daemon."""
    with nats.running() as server:
        return hot_stores.hot(hot_streams.on_nats(server), seeds, persons)


def on_redis(seeds: range, persons: int, _server: Server | None = None) -> Counted:
    """Streams of a Redis server, with the real daemon."""
    with redis.running() as server:
        return hot_stores.hot(hot_streams.on_redis(server), seeds, persons)


def on_rabbitmq(seeds: range, persons: int, _server: Server | None = None) -> Counted:
    """Streams of the RabbitMQ server of this machine, with the real daemon."""
    return hot_stores.hot(hot_streams.Rabbit, seeds, persons)


IN_MEMORY = [
    HotClass(
        "in memory, stale writes are refused, versions count", True, 20,
        in_memory(Condition.ENFORCED, VersionOrder.COUNTER),
    ),
    HotClass(
        "in memory, stale writes are refused, versions are tags (ETag)", True, 20,
        in_memory(Condition.ENFORCED, VersionOrder.UNIQUE),
    ),
    HotClass(
        "in memory, stale writes are refused, versions are digests", True, 20,
        in_memory(Condition.ENFORCED, VersionOrder.DIGEST),
    ),
    HotClass(
        "in memory, `visible`: a counter is shown, nothing is refused", False, 20,
        in_memory(Condition.VISIBLE, VersionOrder.COUNTER),
    ),
    HotClass(
        "in memory, `none`: nothing is refused, the time of an edit is told", False, 20,
        in_memory(Condition.NONE, VersionOrder.DIGEST, timed=True),
    ),
    HotClass(
        "in memory, `none`: nothing is refused", False, 20,
        in_memory(Condition.NONE, VersionOrder.DIGEST),
    ),
    HotClass(
        "the same, written without looking first (this daemon always looks)", False, 20,
        in_memory(Condition.NONE, VersionOrder.DIGEST, blind=True),
    ),
]  # fmt: skip
STORES = [
    HotClass("SQLite", True, 4, real(lambda _: hot_stores.Sqlite)),
    HotClass("PostgreSQL, rows compared", True, 4, real(lambda server: hot_stores.postgres(server, counts=False))),
    HotClass("PostgreSQL, a `version` column", True, 4, real(lambda server: hot_stores.postgres(server, counts=True))),
    HotClass("CardDAV (Radicale)", True, 4, on_radicale),
    HotClass("NATS JetStream", True, 4, on_nats),
    HotClass("Redis streams", True, 2, on_redis),
    HotClass("CSV with `lock = true`", True, 4, real(lambda _: hot_stores.in_a_folder("csv", lock=True))),
    HotClass("JSONL with `lock = true`", True, 4, real(lambda _: hot_stores.in_a_folder("jsonl", lock=True))),
    HotClass("RabbitMQ streams", False, 2, on_rabbitmq),
    HotClass("CSV without a lock", False, 8, real(lambda _: hot_stores.in_a_folder("csv", lock=False))),
    HotClass("JSONL without a lock", False, 8, real(lambda _: hot_stores.in_a_folder("jsonl", lock=False))),
]


def row(name: str, counted: Counted) -> str:
    """One line of the table."""
    lost = counted.unseen + counted.told
    share = f"{lost:,} ({counted.share:.1%})" if lost else "0"
    figures = (counted.conflicts, counted.writes, counted.mistaken)
    cells = (name, f"{counted.edits:,}", share, f"{counted.told:,}", *(f"{figure:,}" for figure in figures))
    return f"| {' | '.join(cells)} |"


class Shown(NamedTuple):
    """One line of the table as it stands in the page."""

    edits: int
    lost: int
    told: int


def rows_of(page: str) -> Iterator[tuple[str, Shown]]:
    """Name and figures of each line of the table in a page."""
    table = page.partition(BEGIN)[2].partition(END)[0]
    for line in table.strip().splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        edits, lost, told = (int(re.sub(r",| .*", "", cell)) for cell in cells[1:4])
        yield cells[0], Shown(edits, lost, told)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--write", action="store_true", help="put the table into the page")
    given = words.parse_args()
    lines = [HEAD, "|---" + "|---:" * 6 + "|"]
    print("\n".join(lines))
    with running() as server:
        for each in [*IN_MEMORY, *STORES]:
            counted = each.measured(range(each.worlds), PERSONS, server)
            lines.append(row(each.name, counted))
            print(lines[-1], flush=True)
    if given.write:
        page = PAGE.read_text()
        before, _, rest = page.partition(BEGIN)
        after = rest.partition(END)[2]
        PAGE.write_text(f"{before}{BEGIN}\n{chr(10).join(lines)}\n{END}{after}")


if __name__ == "__main__":
    main()
