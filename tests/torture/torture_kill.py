"""The daemon is killed at every kind of step, by name: nothing is lost, nothing is doubled, nobody is asked.

Each test takes stores that are in step, lets people work, and runs the real daemon until it dies at one point: the
first time that it comes there, and in its next life the third time. People go on while it is dead. Then it is started
as always.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end_to_end.postgres_store import STREAMED, PostgresPrefs, config
from tests.end_to_end.test_kill import attempts
from tests.end_to_end.three_stores import Stores
from tests.servers.postgres import Database
from tests.torture import launcher
from tests.torture.load import Load, everybody
from tests.torture.processes import killed_at, nothing_was_logged_of_a_bug, settled

TIMES = (1, 3)
"""Of coming to a point, the one at which it dies, in one life after another."""
RARE = ("what a crash left", "a search before a create", "a record read before it is written")
"""Steps that not every run comes to."""


@pytest.mark.parametrize("point", [p for p in launcher.points() if not any(name in p for name in RARE)])
def test_killed(stores: Stores, point: str) -> None:
    load = Load(stores)

    for nth in TIMES:
        killed_at(stores, load, point, nth)
    load.round()

    load.check()
    assert attempts(stores) == {"open": 0, "unknown": 0}
    nothing_was_logged_of_a_bug(stores)


@pytest.mark.parametrize("side", ["before", "after"])
def test_killed_again_while_it_takes_up_what_a_crash_left(stores: Stores, side: str) -> None:
    load = Load(stores)

    killed_at(stores, load, "crm: after its commit")
    killed_at(stores, load, f"{side} the commit of what a crash left")
    killed_at(stores, load, "mail: the new file is renamed and its folder not on the disk")
    killed_at(stores, load, f"{side} the commit of a record read before it is written")
    load.round()

    load.check()
    assert attempts(stores) == {"open": 0, "unknown": 0}
    nothing_was_logged_of_a_bug(stores)


@pytest.mark.parametrize("side", ["before", "after"])
def test_killed_at_the_search_before_a_create(stores: Stores, side: str) -> None:
    load = Load(stores)

    killed_at(stores, load, f"{side} the commit of a search before a create")
    load.round()

    load.check()
    nothing_was_logged_of_a_bug(stores)


@pytest.fixture
def with_postgres(tmp_path: Path, database: Database) -> Iterator[Stores]:
    """The same stores, one of which is a PostgreSQL server."""
    with PostgresPrefs.of(database) as prefs:
        stores = Stores.of(tmp_path, everybody(), config(database.dsn()), prefs=prefs)
        assert stores.sync().code == 0
        yield stores


@pytest.mark.parametrize("point", launcher.POSTGRES_POINTS)
def test_killed_at_an_edit_of_postgres(with_postgres: Stores, point: str) -> None:
    load = Load(with_postgres, comes=False)

    killed_at(with_postgres, load, point)
    load.round()

    load.check()
    nothing_was_logged_of_a_bug(with_postgres)


@pytest.fixture
def with_a_slot(tmp_path: Path, database: Database) -> Iterator[Stores]:
    """The same, and a slot tells what is changed there."""
    with PostgresPrefs.of(database, STREAMED) as prefs:
        stores = Stores.of(tmp_path, everybody(), config(database.dsn(), STREAMED), prefs=prefs)
        assert stores.sync().code == 0
        yield stores


@pytest.mark.parametrize("point", [*launcher.POSTGRES_POINTS, *launcher.SLOT_POINTS])
def test_killed_between_what_a_slot_tells_and_the_word_that_it_is_needed_no_more(
    with_a_slot: Stores, point: str
) -> None:
    load = Load(with_a_slot, comes=False)

    for nth in TIMES:
        killed_at(with_a_slot, load, point, nth)
    load.round()

    load.check()
    nothing_was_logged_of_a_bug(with_a_slot)


@pytest.mark.timeout(240)
def test_killed_again_and_again_while_postgres_is_to_make_records(with_postgres: Stores) -> None:
    load = Load(with_postgres)

    for point in launcher.POSTGRES_POINTS:
        killed_at(with_postgres, load, point)
    load.round()

    settled(with_postgres)
    load.check()
    nothing_was_logged_of_a_bug(with_postgres)
