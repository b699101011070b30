"""What 1,000 changes cost in a small and in a large installation: the cost follows what changed, not what exists.

    python -m tests.benchmarks.bench_scale [N]      default: 1,000,000 contacts of 14 fields, beside 10,000

Both stores are SQLite tables with a column that says when a row was changed, by which the links pull. Of each size the
median of five rounds is taken, and the most memory: 1,000 rows are changed in the source, then one `sync` brings them
to the target. A round before them is shown by itself: all rows have one stamp then, and rows with the stamp of the
cursor are read again.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import statistics
from pathlib import Path

from tests.benchmarks.measured import Cost, folder, make_store, run, show, size, write_config

CHANGES = 1_000
ROUNDS = 5
SMALL = 10_000


def make_installation(at: Path, contacts: int) -> Path:
    """Two stores in step, and the config that keeps them so."""
    make_store(at / "source.db", contacts)
    make_store(at / "target.db", 0)
    for name in ("source", "target"):
        with contextlib.closing(sqlite3.connect(at / f"{name}.db")) as store:
            store.execute("ALTER TABLE contacts ADD COLUMN changed TEXT")
            store.execute("UPDATE contacts SET changed = '2024-01-01T00:00:00Z'")
            store.execute("CREATE INDEX contacts_changed ON contacts (changed)")
            for event in ("INSERT", "UPDATE"):
                store.execute(
                    f"CREATE TRIGGER stamp_{event} AFTER {event} ON contacts WHEN NEW.changed IS OLD.changed BEGIN"
                    " UPDATE contacts SET changed = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = NEW.id; END"
                    if event == "UPDATE"
                    else f"CREATE TRIGGER stamp_{event} AFTER {event} ON contacts WHEN NEW.changed IS NULL BEGIN"
                    " UPDATE contacts SET changed = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE id = NEW.id; END"
                )
            store.commit()
    config = write_config(at)
    config.write_text(config.read_text().replace('key = "id"\n', 'key = "id"\ncursor = "changed"\n'))
    first = run("sync", "--json", "--config", str(config))
    assert first.code == 0, first
    show("first sync", contacts=contacts, seconds=first.seconds, rss_mb=first.rss_mb)
    for _ in range(2):  # what was written comes back once
        assert run("sync", "--json", "--config", str(config)).code == 0
    return config


def one_round(config: Path, contacts: int, turn: int) -> Cost:
    """Change rows that lie spread over the table, and bring them over."""
    step = contacts // CHANGES
    with contextlib.closing(sqlite3.connect(config.with_name("source.db"))) as store:
        store.execute(
            f"UPDATE contacts SET city = 'Town {turn}' WHERE id % {step} = {turn % step} AND id <= {contacts}"
        )
        store.commit()
    cost = run("sync", "--json", "--config", str(config))
    done = json.loads(cost.output)
    assert done["written"]["target"]["update"] == CHANGES, done
    return cost


def main() -> None:
    measured = {}
    for contacts in (SMALL, size(1_000_000)):
        with folder() as at:
            config = make_installation(at, contacts)
            before = one_round(config, contacts, ROUNDS)
            show("all with one stamp", contacts=contacts, seconds=before.seconds, rss_mb=before.rss_mb)
            rounds = [one_round(config, contacts, turn) for turn in range(ROUNDS)]
        seconds = statistics.median(cost.seconds for cost in rounds)
        cpu = statistics.median(cost.cpu_s for cost in rounds)
        memory = max(cost.rss_mb for cost in rounds)
        measured[contacts] = (seconds, cpu, memory)
        show("1,000 changes", contacts=contacts, seconds=seconds, cpu_s=cpu, rss_mb=memory)
    small, large = measured.values()
    show(
        "large to small", **{name: b / a for name, a, b in zip(("seconds", "cpu", "memory"), small, large, strict=True)}
    )


if __name__ == "__main__":
    main()
