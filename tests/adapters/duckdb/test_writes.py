"""DuckDB: batches of writes: conditions, refusals, and new keys."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from datasyncd.adapters.contract import Adapter, Clash, Missing, ObjectSpec, Outcome, Rejected, Stale, Write, Written
from datasyncd.adapters.testing.desk import one, opened, records
from tests.adapters.sql.writes import CONTACTS, DatabaseWrites
from tests.servers.duckdb import Database


@pytest.fixture
async def shop(database: Database) -> Database:
    await database.run(
        "CREATE SEQUENCE ids START 10",
        "CREATE TABLE shops (id INTEGER PRIMARY KEY)",
        "INSERT INTO shops VALUES (1)",
        """CREATE TABLE contacts (id INTEGER PRIMARY KEY DEFAULT nextval('ids'), email VARCHAR UNIQUE,
           name VARCHAR NOT NULL DEFAULT '' CHECK (length(name) <= 10), age SMALLINT CHECK (age > 0),
           shop INTEGER REFERENCES shops (id), note VARCHAR, CHECK (name <> email))""",
        """INSERT INTO contacts (id, email, name, note) VALUES
           (1, 'ann@x.org', 'Ann', 'n1'), (2, 'bob@x.org', 'Bob', 'n2'), (3, 'cid@x.org', 'Cid', 'n3')""",
    )
    return database


class TestWrites(DatabaseWrites):
    kind = "duckdb"

    def desk(self, shop: Any, spec: ObjectSpec = CONTACTS, **more: Any) -> AbstractAsyncContextManager[Adapter]:
        return opened("duckdb", shop.path.parent, spec, path=shop.path.name, **more)

    async def test_a_version_column_is_compared_and_raised(self, shop: Any) -> None:
        await shop.run("ALTER TABLE shops ADD counter BIGINT DEFAULT 1", "INSERT INTO shops VALUES (2, 1), (3, NULL)")
        spec = ObjectSpec("shops", "id", ())
        async with self.desk(shop, spec, version={"shops": "counter"}) as desk:
            record = await one(desk, "shops", "1")
            assert (record.version, "counter" in record.fields) == (1, False)
            await shop.run("UPDATE shops SET counter = 2 WHERE id = 1")

            outcomes = await desk.push("shops", [Write("delete", "1", version=1), Write("delete", "2", version=1)])

            assert outcomes == [Stale(), Written("2")]
            assert await desk.read("shops", ["3"]) != []

    async def test_others_refer_to_what_is_to_be_deleted(self, shop: Any) -> None:
        await shop.run(
            "CREATE TABLE orders (who INTEGER REFERENCES contacts (id))",
            "INSERT INTO orders VALUES (1)",
        )
        async with self.desk(shop) as desk:
            outcomes = await desk.push("contacts", [Write("delete", "1"), Write("delete", "2")])

            assert outcomes == [Rejected("other rows refer to it (orders_who_id_fkey)"), Written("2")]


MAPPED = ObjectSpec("contacts", "id", ("email", "name", "age", "shop"))
REFUSED: list[tuple[Write, Outcome]] = [
    (Write("update", "1", {"name": None}), Rejected("name may not be NULL", ("name",))),
    (
        Write("update", "1", {"email": "z@x.org", "age": -1}),
        Rejected("the constraint contacts_age_check of contacts forbids it", ("age",)),
    ),
    (
        Write("update", "1", {"name": "same", "email": "same"}),
        Rejected("the constraint contacts_name_email_check of contacts forbids it", ("name", "email")),
    ),
    (
        Write("update", "1", {"shop": 77}),
        Rejected("shop: there is no row that it refers to (contacts_shop_id_fkey)", ("shop",)),
    ),
    (Write("update", "1", {"age": 2**40}), Rejected("age: a value of the type smallint expected", ("age",))),
    (Write("update", "1", {"age": "many"}), Rejected("age: a whole number expected", ("age",))),
    (Write("update", "1", {"email": "bob@x.org"}), Clash("email", "2")),
    (Write("update", "1", {"id": 2}), Clash("id", "2")),
    (Write("create", "1", {"name": "Again"}), Clash("id", "1")),
    (Write("create", None, {"email": "ann@x.org"}), Clash("email", "1")),
    (Write("create", "x", {"name": "X"}), Rejected("the key does not fit the type of its column", ("id",))),
    (Write("update", "99", {"name": "X"}), Missing()),
    (Write("update", "1", {"nothing": 1}), Rejected("nothing: the table contacts has no such column", ("nothing",))),
]


@pytest.mark.parametrize(("write", "outcome"), REFUSED)
async def test_a_refusal_says_why_and_names_the_fields_alone_and_among_others(
    shop: Database, write: Write, outcome: Outcome
) -> None:
    async with opened("duckdb", shop.path.parent, MAPPED, path=shop.path.name) as desk:
        before = await records(desk, "contacts")
        assert await desk.push("contacts", [write]) == [outcome]
        assert await records(desk, "contacts") == before

        others = [Write("update", "2", {"age": 5}), write, Write("update", "3", {"age": 6})]
        outcomes = await desk.push("contacts", others)
        assert [type(o) for o in outcomes] == [Written, type(outcome), Written]
        assert outcomes[1] == outcome
        held = await records(desk, "contacts")
        assert [held[key]["age"] for key in "123"] == [None, 5, 6]


async def test_new_rows_get_the_keys_that_the_database_makes_each_its_own(shop: Database) -> None:
    writes = [Write("create", None, {"email": f"p{n}@x.org", **({"age": 1} if n % 2 else {})}) for n in range(50)]
    async with opened("duckdb", shop.path.parent, MAPPED, path=shop.path.name) as desk:
        assert (await desk.describe("contacts")).key_assigned
        outcomes = await desk.push("contacts", writes)

        held = await records(desk, "contacts")
        for write, outcome in zip(writes, outcomes, strict=True):
            assert isinstance(outcome, Written)
            assert held[outcome.key]["email"] == write.fields["email"]
            assert outcome.image is not None
            assert outcome.image.fields == held[outcome.key]


async def test_two_records_trade_a_unique_value(shop: Database) -> None:
    """Whatever DuckDB makes of it, no write is lost or half made."""
    async with opened("duckdb", shop.path.parent, MAPPED, path=shop.path.name) as desk:
        outcomes = await desk.push(
            "contacts", [Write("update", "1", {"email": "bob@x.org"}), Write("update", "2", {"email": "ann@x.org"})]
        )

        held = await records(desk, "contacts")
        for key, outcome, new, old in zip(
            "12", outcomes, ("bob@x.org", "ann@x.org"), ("ann@x.org", "bob@x.org"), strict=True
        ):
            assert held[key]["email"] == (new if isinstance(outcome, Written) else old)
            assert isinstance(outcome, Written) or outcome == Clash("email", "2" if key == "1" else "1")


async def test_a_batch_is_one_transaction_with_a_statement_for_each_kind_of_write(
    shop: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datasyncd.adapters.duckdb.connection import Connection

    asked: list[str] = []
    execute, commit = Connection.execute, Connection.commit

    async def executing(self: Connection, sql: str, *values: Any) -> None:
        asked.append(sql.split()[0])
        await execute(self, sql, *values)

    async def committing(self: Connection) -> None:
        asked.append("COMMIT")
        await commit(self)

    monkeypatch.setattr(Connection, "execute", executing)
    monkeypatch.setattr(Connection, "commit", committing)
    writes = [Write("create", str(n), {"email": f"p{n}@x.org"}) for n in range(1000, 4000)]
    writes += [Write("update", "1", {"age": 7}), Write("update", "2", {"age": 8}), Write("delete", "3")]
    async with opened("duckdb", shop.path.parent, MAPPED, path=shop.path.name) as desk:
        outcomes = await desk.push("contacts", writes)

    assert all(isinstance(outcome, Written) for outcome in outcomes)
    assert asked == ["BEGIN", "DELETE", "UPDATE", "INSERT", "COMMIT"]
