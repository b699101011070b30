"""PostgreSQL: `version = { TABLE = "xmin" }`: the transaction that saved a row last is its version."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasyncd.adapters.contract import Condition, ObjectSpec, Stale, Version, VersionOrder, Write, Written
from datasyncd.adapters.errors import Unsupported
from datasyncd.adapters.testing.desk import one, opened
from tests.servers.postgres import Database

HERE = Path()
PEOPLE = ObjectSpec("people", "id", ("name",))
XMIN = {"people": "xmin"}


@pytest.fixture
async def people(database: Database) -> Database:
    await database.run(
        "CREATE TABLE people (id integer PRIMARY KEY, name text, note text)",
        "INSERT INTO people VALUES (1, 'Ann', 'n'), (2, 'Bob', 'n')",
    )
    return database


async def version(database: Database, key: str = "1") -> Version:
    """As a daemon sees it that has just come."""
    async with opened("postgres", HERE, PEOPLE, dsn=database.dsn(), version=XMIN) as desk:
        return (await one(desk, "people", key)).version


@pytest.mark.parametrize(
    "statements",
    [
        ["UPDATE people SET note = 'other' WHERE id = 1"],
        ["UPDATE people SET name = name WHERE id = 1"],
        ["UPDATE people SET name = 'X' WHERE id = 1", "UPDATE people SET name = 'Ann' WHERE id = 1"],
        ["DELETE FROM people WHERE id = 1", "INSERT INTO people VALUES (1, 'Ann', 'n')"],
    ],
)
async def test_every_save_counts_whatever_it_left(people: Database, statements: list[str]) -> None:
    async with opened("postgres", HERE, PEOPLE, dsn=people.dsn(), version=XMIN) as desk:
        promised = desk.capabilities("people")
        before = (await one(desk, "people", "1")).version
        await people.run(*statements)

        outcomes = await desk.push("people", [Write("update", "1", {"name": "Eve"}, before)])

        assert (promised.condition, promised.version_order) == (Condition.ENFORCED, VersionOrder.UNIQUE)
        assert list(outcomes) == [Stale()]
        assert (await one(desk, "people", "1")).fields == {"id": 1, "name": "Ann"}


async def test_our_own_write_is_answered_with_the_version_that_it_made(people: Database) -> None:
    async with opened("postgres", HERE, PEOPLE, dsn=people.dsn(), version=XMIN) as desk:
        first = (await one(desk, "people", "1")).version
        (written,) = await desk.push("people", [Write("update", "1", {"name": "Eve"}, first)])

        assert written == Written("1", await one(desk, "people", "1"), alone=True)
        assert (await one(desk, "people", "1")).version != first
        assert (await one(desk, "people", "2")).version == await version(people, "2")


async def test_housekeeping_is_no_save(people: Database) -> None:
    before = await version(people)
    await people.run("VACUUM FREEZE people", "VACUUM FULL people", "CLUSTER people USING people_pkey", "ANALYZE people")

    assert await version(people) == before


@pytest.mark.parametrize(
    "statements",
    [
        ["ALTER TABLE people ADD born date DEFAULT (clock_timestamp()::date)"],
        [
            "ALTER TABLE people RENAME TO old",
            "CREATE TABLE people AS TABLE old",
            "ALTER TABLE people ADD PRIMARY KEY (id)",
        ],
    ],
)
async def test_rows_that_are_written_anew_are_saved(people: Database, statements: list[str]) -> None:
    before = await version(people)
    await people.run(*statements)

    assert await version(people) != before


async def test_parts_of_a_table_have_stamps_and_a_view_has_none(database: Database) -> None:
    await database.run(
        "CREATE TABLE people (id integer PRIMARY KEY, name text) PARTITION BY LIST (id)",
        "CREATE TABLE one PARTITION OF people FOR VALUES IN (1)",
        "CREATE TABLE others PARTITION OF people DEFAULT",
        "INSERT INTO people VALUES (1, 'Ann'), (2, 'Bob')",
        "CREATE VIEW seen AS SELECT * FROM people",
    )
    async with opened("postgres", HERE, PEOPLE, dsn=database.dsn(), version=XMIN) as desk:
        known = [(await one(desk, "people", key)).version for key in ("1", "2")]
        outcomes = await desk.push(
            "people", [Write("update", key, {"name": "X"}, told) for key, told in zip("12", known, strict=True)]
        )
        assert [type(outcome) for outcome in outcomes] == [Written, Written]

    spec = ObjectSpec("seen", "id", ("name",))
    async with opened("postgres", HERE, spec, dsn=database.dsn(), version={"seen": "xmin"}) as desk:
        with pytest.raises(Unsupported, match="a view, whose rows have no xmin"):
            await desk.describe("seen")
