"""The first sync of a store of contacts into an empty one, the second, and a bare copy of the same rows.

    python -m tests.benchmarks.bench_first_sync [N]      default: 100,000 contacts of 14 fields

The bare copy reads and inserts the rows with `sqlite3`, one transaction for 500 rows as the daemon writes them, and
remembers nothing. The ratio says what it costs to know versions, origins and conflicts.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from pathlib import Path

from tests.benchmarks.measured import TYPES, folder, make_store, run, show, size, write_config

BATCH = 500


def bare_copy(source: Path, target: Path) -> float:
    """Seconds for a loop that copies all rows."""
    names = ", ".join(TYPES)
    insert = f"INSERT INTO contacts ({names}) VALUES ({', '.join('?' for _ in TYPES)})"
    began = time.perf_counter()
    with (
        contextlib.closing(sqlite3.connect(source)) as reader,
        contextlib.closing(sqlite3.connect(target, isolation_level=None)) as writer,
    ):
        found = reader.execute(f"SELECT {names} FROM contacts ORDER BY id")
        while rows := found.fetchmany(BATCH):
            writer.execute("BEGIN")
            writer.executemany(insert, rows)
            writer.execute("COMMIT")
    return time.perf_counter() - began


def main() -> None:
    count = size(100_000)
    with folder() as at:
        make_store(at / "source.db", count)
        make_store(at / "target.db", 0)
        make_store(at / "copy.db", 0)
        config = write_config(at)
        bare = bare_copy(at / "source.db", at / "copy.db")
        show("bare copy", contacts=count, seconds=bare, rows_per_s=count / bare)
        for name in ("first sync", "second sync"):
            cost = run("sync", "--json", "--config", str(config))
            assert cost.code == 0, cost
            done = json.loads(cost.output)
            rows = sum(sum(ops.values()) for ops in done["written"].values())
            read = sum(done["read"].values())
            show(
                name, seconds=cost.seconds, read=read, written=rows, contacts_per_s=count / cost.seconds,
                rows_per_s=(read + rows) / cost.seconds, cpu_s=cost.cpu_s, rss_mb=cost.rss_mb,
                times_the_bare_copy=cost.seconds / bare,
            )  # fmt: skip
        show("state", bytes_per_contact=(at / "var" / "state.db").stat().st_size // count)


if __name__ == "__main__":
    main()
