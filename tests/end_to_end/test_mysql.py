"""MariaDB beside SQLite and CSV: connections that are killed, a table that changes, rights that go: nothing is lost."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.accounts import lost
from tests.end_to_end.arrivals import PERSON, arrives, link
from tests.end_to_end.mysql_store import MysqlPrefs, config
from tests.end_to_end.three_stores import Change, Edit, Stores, person_named, until
from tests.end_to_end.typists import Typists
from tests.servers.mysql import Database

OTHER = "C00004"


@pytest.fixture
def prefs(mysql: Database) -> Iterator[MysqlPrefs]:
    with MysqlPrefs.of(mysql) as prefs:
        yield prefs


def in_step(folder: Path, prefs: MysqlPrefs, *, live: bool = True, count: int = 12) -> tuple[Stores, str]:
    """Stores that have been synchronised, and the user that the daemon is there."""
    people = [person_named(n) for n in range(count)]
    prefs.create(people)
    user = prefs.user()
    stores = Stores(folder, config(prefs, user, live=live), prefs=prefs)
    for store in (stores.crm, stores.mail):
        store.create(people)
    done = stores.sync()
    assert (done.code, done.document["failed"]) == (0, {})
    return stores, user


@contextmanager
def running(stores: Stores) -> Iterator[Any]:
    """A daemon that is in step."""
    with stores.daemon() as daemon:
        until(lambda: arrives(stores, "crm", "prefs", "city", "in step"))
        yield daemon


def alike(stores: Stores, but: str = "") -> bool:
    """Everybody shows the same, but in one field."""
    rows = [
        {person: {**row, but: None} for person, row in shown.items()} if but else shown
        for shown in stores.rows().values()
    ]
    return rows[0] == rows[1] == rows[2]


def written(stores: Stores) -> int:
    return sum(sum(counts.values()) for counts in stores.sync().written.values())


@pytest.mark.parametrize("live", [True, False], ids=["live", "pulled now and then"])
def test_edits_arrive_both_ways(tmp_path: Path, prefs: MysqlPrefs, live: bool) -> None:
    stores, _ = in_step(tmp_path, prefs, live=live)
    with running(stores):
        prefs.edit([Change(PERSON, "first_name", "Zoë 🎉"), Change(PERSON, "tags", ("a", "b c"))])
        stores.crm.edit([Change(PERSON, "last_name", "Łukasiewicz")])
        prefs.add([person_named(50)])
        stores.crm.add([person_named(51)])
        prefs.delete([OTHER])
        stores.crm.delete(["C00005"])
        until(lambda: {"C00050", "C00051"} <= prefs.rows().keys() & stores.crm.rows().keys())
        until(lambda: alike(stores) and not {OTHER, "C00005"} & prefs.rows().keys())
        assert stores.crm.rows()[PERSON]["first_name"] == "Zoë 🎉"

    assert written(stores) == 0


@pytest.mark.timeout(120)
def test_nothing_is_lost_while_connections_are_killed_all_the_time(tmp_path: Path, prefs: MysqlPrefs) -> None:
    """A commit whose answer is lost may be reported as a conflict with what was typed over it: nobody knows better."""
    stores, _ = in_step(tmp_path, prefs, count=40)
    typists, edits, killed = Typists(3), list[Edit](), 0
    over = threading.Event()

    def kill() -> None:
        nonlocal killed
        while not over.wait(0.05):
            killed += prefs.kill()

    with running(stores) as daemon:
        killer = threading.Thread(target=kill)
        killer.start()
        try:
            end = time.monotonic() + 12
            while time.monotonic() < end:
                for system, store in stores.by_name.items():
                    edits += store.edit(typists.changes(store.rows(), system, 3))
                time.sleep(0.1)
        finally:
            over.set()
            killer.join()
        until(lambda: alike(stores, but="note"), 40)
        assert daemon.process.poll() is None

    assert killed > 20
    assert stores.sync().document["failed"] == {}
    stores.json("resolve", "--where", "field == 'note'", "--newest")
    stores.sync()
    final = stores.rows()
    reports = stores.json("conflicts", "list", "--all")
    assert final["crm"] == final["mail"] == final["prefs"]
    assert lost(edits, final["crm"], reports) == []
    assert written(stores) == 0


Harm = Callable[[MysqlPrefs, str], None]


def running_sql(*statements: str) -> Harm:
    def run(prefs: MysqlPrefs, user: str) -> None:
        prefs.run(*(statement.replace("DAEMON", f"{user}@'%'") for statement in statements))
        prefs.kill()

    return run


WAITS: list[tuple[str, Harm, Harm, str]] = [
    (
        "a server that refuses the user",
        running_sql("ALTER USER DAEMON ACCOUNT LOCK"),
        running_sql("ALTER USER DAEMON ACCOUNT UNLOCK"),
        "does not take connections now|does not let this user in",
    ),
    (
        "a right that was taken away",
        running_sql("REVOKE SELECT ON people FROM DAEMON", "GRANT SELECT (id) ON people TO DAEMON"),
        running_sql("GRANT SELECT ON people TO DAEMON"),
        r"GRANT SELECT \([^)]*\) ON \w+\.people TO",
    ),
    (
        "a column that was dropped",
        running_sql("ALTER TABLE people RENAME COLUMN city TO town"),
        running_sql("ALTER TABLE people RENAME COLUMN town TO city"),
        "people has no column 'city'|Unknown column 't.city'",
    ),
    (
        "a column of a type that cannot hold the field",
        running_sql("ALTER TABLE people RENAME COLUMN score TO points", "ALTER TABLE people ADD score boolean"),
        running_sql("ALTER TABLE people DROP score", "ALTER TABLE people RENAME COLUMN points TO score"),
        "score: a column of kind boolean cannot hold the type integer",
    ),
    (
        "a table that is not there",
        running_sql("RENAME TABLE people TO persons"),
        running_sql("RENAME TABLE persons TO people"),
        "people",
    ),
]


@pytest.mark.parametrize(("harm", "heal", "reason"), [pytest.param(*case[1:], id=case[0]) for case in WAITS])
@pytest.mark.timeout(90)
def test_what_a_server_does_stops_its_own_link_alone_and_says_so(
    tmp_path: Path, prefs: MysqlPrefs, harm: Harm, heal: Harm, reason: str
) -> None:
    stores, user = in_step(tmp_path, prefs)
    with running(stores) as daemon:
        harm(prefs, user)
        try:
            stores.crm.edit([Change(PERSON, "first_name", "Ada")])
            until(lambda: re.search(reason, link(stores, "prefs")["last_error"] or "") is not None, 30)
            until(lambda: arrives(stores, "crm", "mail", "last_name", "Byron"))
            stores.crm.add([person_named(50)])
            stores.crm.delete([OTHER])
            until(lambda: "C00050" in stores.mail.rows() and OTHER not in stores.mail.rows())
            assert link(stores, "prefs")["state"] == "failing"
        finally:
            heal(prefs, user)
        assert daemon.process.poll() is None
    done = stores.sync()

    assert (done.code, done.document["failed"]) == (0, {})
    assert alike(stores)
    assert stores.crm.rows()[PERSON]["last_name"] == "Byron"
    assert written(stores) == 0
