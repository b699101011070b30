"""What the tables of every database server are held to: subclass it with what is particular to one."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, ClassVar, Protocol

from datasyncd.adapters.contract import Adapter, Gone, Malformed, ObjectSpec, Rejected, Write, Written
from datasyncd.adapters.needed import OWN_KEY_LENGTH
from datasyncd.adapters.testing.desk import malformed, one, opened, pages, records


class Database(Protocol):
    """An empty database, and somebody who works in it."""

    def dsn(self) -> str: ...
    async def run(self, *statements: str) -> None: ...


class DatabaseTables:
    """Tests of types, keys and views. The module that has the subclass has a fixture `database`."""

    kind: ClassVar[str]
    types: ClassVar[dict[str, tuple[str, Any, Any]]]
    """Column -> its type, and two values as they are read and written."""
    not_found: ClassVar[tuple[str, ...]] = ()
    """Those of which one value may stand for another one, or cannot be looked for."""
    makes_types: ClassVar[tuple[str, ...]] = ()
    """Statements that make types of its own."""
    several_pages: ClassVar[int] = 2500
    """Rows that need three pages."""
    series: ClassVar[str]
    """SQL of a table with the numbers from {0} to {1} in its column n."""

    def shown(self, database: Any, table: str) -> str:
        """A table's name for people."""
        raise NotImplementedError

    def desk(self, database: Database, spec: ObjectSpec) -> AbstractAsyncContextManager[Adapter]:
        return opened(self.kind, Path(), spec, dsn=database.dsn())

    async def of_all_types(self, database: Database) -> ObjectSpec:
        quote = "`" if self.kind == "mysql" else '"'
        columns = ", ".join(f"{quote}{name}{quote} {type}" for name, (type, _, _) in self.types.items())
        await database.run(*self.makes_types, f"CREATE TABLE things (id integer PRIMARY KEY, {columns})")
        return ObjectSpec("things", "id", tuple(self.types))

    async def test_every_type_comes_back_as_it_was_written(self, database: Database) -> None:
        """F79, F86: also what is cleared, and every digit."""
        spec = await self.of_all_types(database)
        for place in (1, 2):
            values: dict[str, Any] = {name: known[place] for name, known in self.types.items()}
            key = str(place)
            async with self.desk(database, spec) as desk:
                (created,) = await desk.push("things", [Write("create", key, values)])
                assert isinstance(created, Written), created
                read = await one(desk, "things", key)

                assert {name: read.fields[name] for name in values} == values
                assert {name: type(read.fields[name]) for name in values} == {n: type(v) for n, v in values.items()}
                assert created.image == read

                (cleared,) = await desk.push("things", [Write("update", key, dict.fromkeys(values), read.version)])
                assert isinstance(cleared, Written), cleared
                assert (await one(desk, "things", key)).fields == {"id": place, **dict.fromkeys(values)}
                (set_again,) = await desk.push("things", [Write("update", key, values)])
                assert isinstance(set_again, Written), set_again
                assert await one(desk, "things", key) == read

    async def test_records_are_found_by_a_value_of_any_type(self, database: Database) -> None:
        spec = await self.of_all_types(database)
        rows = [{name: known[place] for name, known in self.types.items()} for place in (1, 2)]
        async with self.desk(database, spec) as desk:
            await desk.push("things", [Write("create", str(n), row) for n, row in enumerate(rows)])

            for name in (name for name in self.types if name not in self.not_found):
                for n, row in enumerate(rows):
                    found = {record.key for record in await desk.find("things", name, [row[name]])}
                    same = {str(other) for other, values in enumerate(rows) if values[name] == row[name]}
                    assert found == same | {str(n)}, name
                assert await desk.find("things", name, [object()]) == []

    async def test_a_composite_key_is_a_list_of_texts_and_pages_by_all_its_parts(self, database: Database) -> None:
        await database.run(
            "CREATE TABLE seats (shop varchar(20), n integer, name text, PRIMARY KEY (shop, n))",
            f"INSERT INTO seats SELECT concat('s', n % 3), n, 'x' FROM {self.series.format(1, self.several_pages)}",
        )
        spec = ObjectSpec("seats", "shop", ("name",), more_keys=("n",))
        async with self.desk(database, spec) as desk:
            assert (await desk.describe("seats")).key_assigned
            found = await pages(desk, "seats")

            keys = [record.key for page in found for record in page.records]
            assert (len(keys), len(set(keys))) == (self.several_pages, self.several_pages)
            assert [page.complete for page in found] == [False, False, True]
            assert await desk.read("seats", ['["s1","4"]', '["s1","5"]', "s1", '["s1","x"]', "[1]"]) == [
                await one(desk, "seats", '["s1","4"]'), Gone('["s1","5"]'), Gone("s1"), Gone('["s1","x"]'), Gone("[1]"),
            ]  # fmt: skip
            assert [record.key for record in await desk.read("seats", keys)] == keys
            outcomes = await desk.push(
                "seats",
                [
                    Write("create", None, {"shop": 'a "b"', "n": 1, "name": "new"}),
                    Write("update", '["s1","4"]', {"name": "four"}),
                    Write("update", '["s1","7"]', {"n": 70_000, "name": "moved"}),
                    Write("delete", '["s1","10"]'),
                ],
            )
            assert [outcome.key for outcome in outcomes if isinstance(outcome, Written)] == [
                '["a \\"b\\"","1"]', '["s1","4"]', '["s1","70000"]', '["s1","10"]',
            ]  # fmt: skip
            held = await records(desk, "seats")
            assert held['["a \\"b\\"","1"]'] == {"shop": 'a "b"', "n": 1, "name": "new"}
            assert [held['["s1","4"]']["name"], held['["s1","70000"]']["name"]] == ["four", "moved"]
            assert not {'["s1","7"]', '["s1","10"]'} & held.keys()

    async def test_what_a_new_row_needs_is_told_before_it_is_missed(self, database: Database) -> None:
        """Of each table: its key, what its new rows need beyond it, and the key that they are given."""
        own = "0" * OWN_KEY_LENGTH
        tables: dict[str, tuple[str, tuple[str, ...], tuple[str, ...], str | None]] = {
            "plain": ("id varchar(40) PRIMARY KEY", ("id",), (), own),
            "needy": ("id varchar(40) PRIMARY KEY, req integer NOT NULL", ("id",), ("req",), own),
            "given": ("id varchar(40) PRIMARY KEY, req integer NOT NULL DEFAULT 3", ("id",), (), own),
            "counted": ("id integer PRIMARY KEY", ("id",), ("id",), own),
            "short": ("id varchar(9) PRIMARY KEY", ("id",), ("id",), own),
            "daily": ("id date PRIMARY KEY", ("id",), ("id",), own),
            "seats": ("shop varchar(9), num integer, PRIMARY KEY (shop, num)", ("shop", "num"), ("shop", "num"), None),
            "half": (
                "shop varchar(9) DEFAULT 's', num integer, PRIMARY KEY (shop, num)",
                ("shop", "num"),
                ("num",),
                None,
            ),
        }
        await database.run(*(f"CREATE TABLE {table} (name text, {sql})" for table, (sql, *_) in tables.items()))
        for table, (_, keys, needed, key) in tables.items():
            if self.kind == "mysql" and table == "half":
                needed = keys  # no server says which default a row got, so what has one is given, too
            if self.kind == "duckdb" and table == "short":
                needed = ()  # it has no lengths
            async with self.desk(database, ObjectSpec(table, keys[0], ("name",), more_keys=keys[1:])) as desk:
                schema = await desk.describe(table)
                (outcome,) = await desk.push(table, [Write("create", key, {"name": "a"})])

            assert tuple(column.name for column in schema.columns if column.required) == needed, table
            if needed:
                assert isinstance(outcome, Rejected), (table, outcome)
                assert set(outcome.fields) <= set(needed), table
            else:
                assert isinstance(outcome, Written), (table, outcome)
            whys = [column.why_required for column in schema.columns if column.name in keys and column.required]
            assert all("that nobody gives; let the database make" in why for why in whys)

    async def test_rows_without_a_key_are_told_and_the_pull_is_not_complete(self, database: Database) -> None:
        await database.run(
            "CREATE TABLE things (id varchar(9) UNIQUE, name text)",
            "INSERT INTO things VALUES (NULL, 'a'), (NULL, 'b'), ('k', 'c')",
        )
        async with self.desk(database, ObjectSpec("things", "id", ("name",))) as desk:
            found = await pages(desk, "things")

            told = Malformed(None, f"table {self.shown(database, 'things')}", "2 rows have no 'id'")
            assert [list(page.malformed) for page in found] == [[told]]
            assert [page.complete for page in found] == [False]
            assert list(await records(desk, "things")) == ["k"]

    async def test_a_view_is_only_read_and_keys_that_repeat_are_quarantined(self, database: Database) -> None:
        await database.run(
            "CREATE TABLE a (id integer PRIMARY KEY, name text)",
            f"INSERT INTO a SELECT n, 'x' FROM {self.series.format(1, 1500)}",
            "CREATE VIEW things AS SELECT * FROM a UNION ALL SELECT 1000, 'again' UNION ALL SELECT 7, 'again'",
        )
        async with self.desk(database, ObjectSpec("things", "id", ("name",))) as desk:
            schema = await desk.describe("things")
            assert [column.why_not for column in schema.columns] == ["it is a column of a view"] * 2
            assert {row.key for row in await malformed(desk, "things")} == {"7", "1000"}
            assert len(await records(desk, "things")) >= 1498
            (outcome,) = await desk.push("things", [Write("update", "1", {"name": "y"})])
            assert "a view is only read" in str(outcome)
