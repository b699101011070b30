"""What writes to every database server are held to: subclass it with the kind of the server.

The module that has the subclass has a fixture `shop`: a table `contacts` with the key `id`, which the server makes from
10 on, the columns `email` (unique), `name` (10 characters) and `age`, and three rows: Ann, Bob and Cid.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, ClassVar, Protocol

from datasyncd.adapters.contract import Adapter, Clash, ObjectSpec, Rejected, Stale, Write, Written
from datasyncd.adapters.testing.desk import one, opened, records

CONTACTS = ObjectSpec("contacts", "id", ("email", "name", "age"))


class Database(Protocol):
    """A database, and somebody who works in it."""

    def dsn(self) -> str: ...
    async def run(self, *statements: str) -> None: ...
    async def rows(self, sql: str, *values: Any) -> list[tuple[Any, ...]]: ...


class DatabaseWrites:
    """Tests of conditions, refusals and the order of writes."""

    kind: ClassVar[str]

    def desk(self, shop: Database, spec: ObjectSpec = CONTACTS, **more: Any) -> AbstractAsyncContextManager[Adapter]:
        return opened(self.kind, Path(), spec, dsn=shop.dsn(), **more)

    async def test_an_update_is_stale_once_a_mapped_column_changed_and_only_then(self, shop: Database) -> None:
        async with self.desk(shop) as desk:
            version = (await one(desk, "contacts", "1")).version
            await shop.run("UPDATE contacts SET note = 'not ours' WHERE id = 1")
            (first,) = await desk.push("contacts", [Write("update", "1", {"name": "Anna"}, version)])
            assert first == Written("1", await one(desk, "contacts", "1"), alone=True)
            await shop.run("UPDATE contacts SET age = 30 WHERE id = 1")
            assert isinstance(first, Written)
            assert first.image is not None
            (second,) = await desk.push("contacts", [Write("update", "1", {"name": "Anne"}, first.image.version)])

            assert second == Stale()
            assert await shop.rows("SELECT name, age, note FROM contacts WHERE id = 1") == [("Anna", 30, "not ours")]

    async def test_a_version_column_is_compared_and_raised(self, shop: Database) -> None:
        await shop.run("ALTER TABLE contacts ADD counter bigint NOT NULL DEFAULT 1")
        async with self.desk(shop, version={"contacts": "counter"}) as desk:
            record = await one(desk, "contacts", "1")
            assert (record.version, "counter" in record.fields) == (1, False)
            await shop.run("UPDATE contacts SET note = 'x', counter = counter + 1 WHERE id = 1")

            outcomes = await desk.push(
                "contacts", [Write("update", "1", {"name": "Anna"}, 1), Write("update", "2", {"name": "Ben"}, 1)]
            )

            assert outcomes == [Stale(), Written("2", await one(desk, "contacts", "2"))]
            assert await shop.rows("SELECT counter FROM contacts ORDER BY id") == [(2,), (2,), (1,)]

    async def test_many_refusals_in_a_batch_each_have_their_own_outcome(self, shop: Database) -> None:
        """F89."""
        writes = [
            Write("create", None, {"email": f"p{n}@x.org", "name": "x" * 20 if n % 7 == 0 else f"P{n}"})
            for n in range(300)
        ]
        async with self.desk(shop) as desk:
            outcomes = await desk.push("contacts", writes)

            assert [isinstance(o, Rejected) for o in outcomes] == [n % 7 == 0 for n in range(300)]
            made = {o.key: w.fields["email"] for o, w in zip(outcomes, writes, strict=True) if isinstance(o, Written)}
            held = await records(desk, "contacts")
            assert {key: held[key]["email"] for key in made} == made

    async def test_two_creates_of_one_batch_with_the_same_unique_value(self, shop: Database) -> None:
        async with self.desk(shop) as desk:
            first, second = await desk.push(
                "contacts", [Write("create", None, {"email": "dan@x.org", "name": name}) for name in ("Dan", "Dana")]
            )

            assert isinstance(first, Written)
            assert second == Clash("email", first.key)

    async def test_a_clash_of_several_columns_finds_the_other_row(self, shop: Database) -> None:
        await shop.run(
            "CREATE TABLE seats (id integer PRIMARY KEY, place varchar(9), n integer, UNIQUE (place, n))",
            "INSERT INTO seats VALUES (1, 's', 1), (2, 's', 2)",
        )
        async with self.desk(shop, ObjectSpec("seats", "id", ("place", "n"))) as desk:
            outcomes = await desk.push(
                "seats", [Write("update", "2", {"n": 1}), Write("create", "3", {"place": "s", "n": 1})]
            )

            assert outcomes == [Clash("n"), Clash("place", "1")]

    async def test_others_refer_to_what_is_to_be_deleted(self, shop: Database) -> None:
        await shop.run(
            "CREATE TABLE orders (who integer, CONSTRAINT of_contact FOREIGN KEY (who) REFERENCES contacts (id))",
            "INSERT INTO orders VALUES (1)",
        )
        async with self.desk(shop) as desk:
            outcomes = await desk.push("contacts", [Write("delete", "1"), Write("delete", "2")])

            assert outcomes == [Rejected("other rows refer to it (of_contact)"), Written("2")]

    async def test_writes_of_one_record_in_one_batch_are_made_in_order(self, shop: Database) -> None:
        async with self.desk(shop) as desk:
            version = (await one(desk, "contacts", "1")).version
            outcomes = await desk.push(
                "contacts",
                [
                    Write("update", "1", {"name": "first"}, version), Write("update", "1", {"age": 5}),
                    Write("update", "1", {"name": "third"}, version), Write("delete", "2"),
                    Write("create", "2", {"name": "again"}), Write("update", "3", {}),
                ],
            )  # fmt: skip

            assert [type(outcome) for outcome in outcomes] == [Written, Written, Stale, Written, Written, Written]
            held = await records(desk, "contacts")
            assert (held["1"]["name"], held["1"]["age"], held["2"]["name"]) == ("first", 5, "again")
