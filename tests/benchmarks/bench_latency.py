"""How long until an edit in one live store is visible in the other.

python -m tests.benchmarks.bench_latency [N]         default: stores of 1,000 contacts; 50 edits
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
import time
from pathlib import Path

from tests.benchmarks.measured import daemon, folder, make_store, quantile, run, show, size, wait_for, write_config

EDITS = 50
LOOK_S = 0.002


def main() -> None:
    count, chance = size(1_000), random.Random(1)
    with folder() as at:
        make_store(at / "source.db", count)
        make_store(at / "target.db", 0)
        config = write_config(at, live=True)
        assert run("sync", "--config", str(config)).code == 0
        with daemon(config):
            took = []
            for n in range(EDITS):
                time.sleep(chance.uniform(0.2, 0.4))
                took.append(one_edit(at, chance.randrange(count) + 1, f"Edit {n}") * 1000)
        show("edit to the other store", contacts=count, edits=EDITS, median_ms=quantile(took, 0.5),
             p99_ms=quantile(took, 0.99), least_ms=min(took))  # fmt: skip


def one_edit(at: Path, id: int, value: str) -> float:
    """Seconds from the commit here until it can be read there."""
    with (
        contextlib.closing(sqlite3.connect(at / "source.db", timeout=10, isolation_level=None)) as source,
        contextlib.closing(sqlite3.connect(at / "target.db", timeout=10, isolation_level=None)) as target,
    ):
        (name,) = source.execute("SELECT customer_id FROM contacts WHERE id = ?", (id,)).fetchone()
        target.execute("CREATE INDEX IF NOT EXISTS by_customer ON contacts (customer_id)")
        source.execute("UPDATE contacts SET city = ? WHERE id = ?", (value, id))
        began = time.perf_counter()

        def arrived() -> bool:
            found = target.execute("SELECT city FROM contacts WHERE customer_id = ?", (name,)).fetchone()
            return bool(found[0] == value)

        wait_for(arrived, 30, LOOK_S)
        return time.perf_counter() - began


if __name__ == "__main__":
    main()
