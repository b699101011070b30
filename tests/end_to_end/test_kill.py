"""The daemon is killed at random moments while people edit all three stores: nothing is lost or doubled."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.accounts import lost
from tests.end_to_end.postgres_store import LIVE, STREAMED, PostgresPrefs, config
from tests.end_to_end.three_stores import Edit, Row, Stores, person_named
from tests.end_to_end.typists import Typists

PEOPLE = 60
KILLS = {"files": 50, "PostgreSQL": 30, "PostgreSQL, by a slot": 30}
GAP_S = (0.25, 1.4)
"""Between a start and the kill: from before the first reading to well into the live work."""
PAUSE_S = 0.04


class Load:
    """People who edit the stores all the time, one after another, and now and then enter a new person."""

    def __init__(self, stores: Stores, seed: int) -> None:
        self.stores = stores
        self.edits: list[Edit] = []
        self.people: list[Row] = []
        self.failure: BaseException | None = None
        self._chance = random.Random(seed)
        self._typists = Typists(seed, removes=False)
        self._over = threading.Event()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        thread = threading.Thread(target=self._work)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()
        if self.failure is not None:
            raise self.failure

    def _work(self) -> None:
        try:
            while not self._over.wait(PAUSE_S):
                self._edit()
        except BaseException as error:
            self.failure = error

    def _edit(self) -> None:
        name, store = self._chance.choice(list(self.stores.by_name.items()))
        if self._chance.random() < 0.1:
            person = person_named(PEOPLE + len(self.people))
            store.add([person])
            self.people.append(person)
            return
        self.edits += store.edit(self._typists.changes(store.rows(), name, self._chance.randint(1, 4)))


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", list(KILLS))
def test_many_kills_during_a_two_way_load(tmp_path: Path, kind: str, request: pytest.FixtureRequest) -> None:
    people = [person_named(n) for n in range(PEOPLE)]
    if kind == "files":
        torture(Stores.of(tmp_path, people), KILLS[kind])
        return
    mode = STREAMED if "slot" in kind else LIVE
    with PostgresPrefs.of(request.getfixturevalue("database"), mode) as prefs:
        torture(Stores.of(tmp_path, people, config(prefs.database.dsn(), mode), prefs=prefs), KILLS[kind])


def torture(stores: Stores, kills: int) -> None:
    """Kill the daemon again and again while people are at work, and look for what was lost or doubled."""
    stores.sync()
    load, chance = Load(stores, seed=11), random.Random(12)

    with load.running():
        for _ in range(kills):
            with stores.daemon():
                time.sleep(chance.uniform(*GAP_S))

    stores.sync()
    reports = stores.json("conflicts", "list", "--all")
    stores.json("resolve", "--where", "field == 'note'", "--newest")
    done = stores.sync()
    for _ in range(6):
        if not any(attempts(stores).values()):
            break
        # A record that was being made when the process died may still come: until it no longer can, none is made anew.
        time.sleep(10)
        done = stores.sync()
    rows = stores.rows()
    reports += stores.json("conflicts", "list", "--all")
    assert rows["crm"] == rows["mail"] == rows["prefs"]
    assert rows["crm"].keys() == {person["customer_id"] for person in load.people} | {f"C{n:05}" for n in range(PEOPLE)}
    assert lost(load.edits, rows["crm"], reports) == []
    assert tags_that_are_missing(load.edits, rows["crm"]) == []
    assert attempts(stores) == {"open": 0, "unknown": 0}
    assert done.document["failed"] == {}
    assert done.document["quarantined"] == done.document["held"] == 0
    assert sum(stores.sync().written[system][op] for system in rows for op in ("create", "update", "delete")) == 0
    assert "task_crashed" not in {event.get("event") for event in stores.log()}


def tags_that_are_missing(edits: list[Edit], final: dict[str, Row]) -> list[Edit]:
    """Nobody took a tag away, but who typed over tags that had come since they looked."""
    tags = [edit for edit in edits if edit.field == "tags"]
    taken = {(edit.person, tag) for edit in tags for tag in set(edit.replaced) - set(edit.value)}
    return [
        edit
        for edit in tags
        if any(tag not in final[edit.person]["tags"] and (edit.person, tag) not in taken for tag in edit.value)
    ]


def attempts(stores: Stores) -> dict[str, int]:
    """Writes whose outcome the state does not know."""
    state = sqlite3.connect(f"file:{stores.folder / 'var' / 'state.db'}?mode=ro", uri=True)
    try:
        found = dict(state.execute("SELECT status, count(*) FROM attempt GROUP BY status").fetchall())
    finally:
        state.close()
    return {"open": 0, "unknown": 0, **found}
