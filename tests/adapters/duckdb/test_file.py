"""DuckDB: the file that others open, lock, replace and damage."""

from __future__ import annotations

import os
import shutil
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest

from datasyncd.adapters.contract import Adapter, ObjectSpec, Page, Stale, Unknown, Write, Written
from datasyncd.adapters.duckdb import writing
from datasyncd.adapters.duckdb.batch import Batch
from datasyncd.adapters.duckdb.connection import Connection
from datasyncd.adapters.duckdb.file import File
from datasyncd.adapters.errors import NotFound, Transient, Unauthorised, Unreachable
from datasyncd.adapters.testing.desk import one, opened, pages, records
from tests.servers import duckdb as program
from tests.servers.duckdb import Database

SLOW = "CREATE VIEW slow AS SELECT 1 AS id, count(*) AS n FROM range(100000000000) AS r(x) WHERE hash(x) % 7 = 1"
SPEC = ObjectSpec("contacts", "id", ("name",))


@pytest.fixture
async def shop(database: Database) -> Database:
    await database.run(
        "CREATE TABLE contacts (id INTEGER PRIMARY KEY, name VARCHAR, note VARCHAR)",
        "INSERT INTO contacts VALUES (1, 'Ann', 'n1'), (2, 'Bob', 'n2')",
    )
    return database


def desk(shop: Database, *specs: ObjectSpec, **options: Any) -> AbstractAsyncContextManager[Adapter]:
    return opened("duckdb", shop.path.parent, *(specs or (SPEC,)), path=shop.path.name, **options)


async def test_between_calls_the_file_is_anybodys(shop: Database) -> None:
    async with desk(shop) as adapter:
        async for _ in adapter.pull("contacts", None):
            await shop.run("UPDATE contacts SET note = 'while a pull is under way' WHERE id = 1")
        await adapter.push("contacts", [Write("update", "1", {"name": "Anna"})])
        await shop.run("UPDATE contacts SET note = 'x' WHERE id = 1")
        shop.ask("hold")
        shop.ask("leave")


async def test_a_file_that_somebody_has_open_is_tried_again_later_and_says_who_it_is(shop: Database) -> None:
    async with desk(shop, lock_s=0.3) as adapter:
        since = (await pages(adapter, "contacts"))[-1].cursor
        shop.ask("hold")
        began = time.monotonic()
        for call in (pages(adapter, "contacts"), adapter.push("contacts", [Write("delete", "1")])):
            with pytest.raises(Transient, match=r"is locked by python[0-9.]* \(process [0-9]+\)"):
                await call
        assert time.monotonic() - began < 5
        assert [page.unchanged for page in await pages(adapter, "contacts", since)] == [True], "no lock is needed"
        shop.ask("leave")
        assert list(await records(adapter, "contacts")) == ["1", "2"]


async def test_a_lock_that_is_given_back_in_time_is_waited_for(shop: Database) -> None:
    async with desk(shop) as adapter:
        shop.ask("hold")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(adapter.push, "contacts", [Write("update", "1", {"name": "Anna"})])
            await anyio.sleep(0.2)
            shop.ask("held", ("UPDATE contacts SET note = 'theirs' WHERE id = 1", None))
            shop.ask("leave")
        assert await shop.rows("SELECT name, note FROM contacts WHERE id = 1") == [("Anna", "theirs")]


async def test_who_only_reads_keeps_us_from_writing_and_not_from_reading(shop: Database) -> None:
    async with desk(shop, lock_s=0.2) as adapter:
        shop.ask("look")
        assert list(await records(adapter, "contacts")) == ["1", "2"]
        with pytest.raises(Transient, match="is locked by"):
            await adapter.push("contacts", [Write("delete", "1")])
        shop.ask("leave")
        assert await adapter.push("contacts", [Write("delete", "1")]) == [Written("1")]


async def test_two_systems_of_one_daemon_share_a_file(shop: Database) -> None:
    async with desk(shop) as one_system, desk(shop) as other_system:
        async with anyio.create_task_group() as tasks:
            for n in range(10):
                tasks.start_soon(one_system.push, "contacts", [Write("create", str(10 + n), {"name": "a"})])
                tasks.start_soon(other_system.push, "contacts", [Write("create", str(30 + n), {"name": "b"})])
                tasks.start_soon(records, other_system, "contacts")
        assert len(await records(one_system, "contacts")) == 22


async def test_no_write_lands_on_what_another_process_changed_meanwhile(shop: Database, tmp_path: Path) -> None:
    """The comparison and the write are one for everybody else: no raise of theirs is lost, and none of ours."""
    await shop.run("CREATE TABLE counts (id INTEGER PRIMARY KEY, n BIGINT)", "INSERT INTO counts VALUES (1, 0)")
    spec, ours, theirs, stale = ObjectSpec("counts", "id", ("n",)), 0, 0, 0

    async def raise_it() -> None:
        nonlocal theirs
        for _ in range(40):
            try:
                await anyio.to_thread.run_sync(shop.ask, "run", ("UPDATE counts SET n = n + 1 WHERE id = 1", None))
                theirs += 1
            except RuntimeError:  # the file is locked, by us
                continue

    async with desk(shop, spec) as adapter, anyio.create_task_group() as tasks:
        tasks.start_soon(raise_it)
        for _ in range(40):
            record = await one(adapter, "counts", "1")
            write = Write("update", "1", {"n": record.fields["n"] + 1}, record.version)
            (outcome,) = await adapter.push("counts", [write])
            ours += isinstance(outcome, Written)
            stale += outcome == Stale()

    assert await shop.rows("SELECT n FROM counts") == [(ours + theirs,)]
    assert ours > 0 < theirs
    assert stale > 0, "somebody came in between now and then"


async def test_every_change_of_others_is_seen_and_none_is_imagined(shop: Database) -> None:
    async with desk(shop) as adapter:
        since = (await pages(adapter, "contacts"))[-1].cursor
        for n in range(30):
            await shop.run(f"UPDATE contacts SET note = '{n % 10}' WHERE id = 1")
            *_, last = await pages(adapter, "contacts", since)
            assert (last.unchanged, last.complete) == (False, True)
            since = last.cursor
            assert [page.unchanged for page in await pages(adapter, "contacts", since)] == [True]


async def test_what_is_committed_but_in_the_log_alone_is_read_and_is_a_change(shop: Database, tmp_path: Path) -> None:
    """As another program leaves it that was killed."""
    async with desk(shop) as adapter:
        since = (await pages(adapter, "contacts"))[-1].cursor
        shop.ask("die", ("UPDATE contacts SET name = 'logged' WHERE id = 1", None))
        assert Path(f"{shop.path}.wal").name in os.listdir(tmp_path)

        held = await records(adapter, "contacts", since)
        assert held["1"]["name"] == "logged"
        (outcome,) = await adapter.push("contacts", [Write("update", "2", {"name": "ours"})])
        assert isinstance(outcome, Written)
        assert {key: row["name"] for key, row in (await records(adapter, "contacts")).items()} == {
            "1": "logged",
            "2": "ours",
        }


async def test_another_adapter_takes_no_cursor_of_this_one_for_a_promise(shop: Database) -> None:
    async with desk(shop) as adapter:
        since = (await pages(adapter, "contacts"))[-1].cursor
    async with desk(shop) as adapter:
        assert [page.unchanged for page in await pages(adapter, "contacts", since)] == [False]


async def test_a_view_of_what_we_wrote_has_changed(shop: Database) -> None:
    await shop.run("CREATE VIEW names AS SELECT id, name FROM contacts")
    view = ObjectSpec("names", "id", ("name",))
    table = ObjectSpec("main.contacts", "id", ("name",))
    async with desk(shop, SPEC, view, table) as adapter:
        since = {name: (await pages(adapter, name))[-1].cursor for name in ("contacts", "names", "main.contacts")}
        await adapter.push("contacts", [Write("update", "1", {"name": "Anna"})])

        assert [page.unchanged for page in await pages(adapter, "contacts", since["contacts"])] == [True]
        assert (await records(adapter, "names", since["names"]))["1"]["name"] == "Anna"
        assert (await records(adapter, "main.contacts", since["main.contacts"]))["1"]["name"] == "Anna"


async def test_what_is_no_database_is_out_of_reach_and_is_never_made(shop: Database, tmp_path: Path) -> None:
    whole = shop.path.read_bytes()
    for content, said in (
        (None, "No such file"), (b"", "empty file"), (b"hello" * 5000, "no DuckDB database"),
        (whole[:20_000], "cannot open it"), (whole[:12_288] + b"\xff" * (len(whole) - 12_288), "cannot open it|says"),
    ):  # fmt: skip
        shop.path.unlink(missing_ok=True)
        if content is not None:
            shop.path.write_bytes(content)
        async with desk(shop) as adapter:
            for call in (pages(adapter, "contacts"), adapter.push("contacts", [Write("create", "9", {})])):
                with pytest.raises((Unreachable, Transient), match=said):
                    await call
        assert shop.path.exists() == (content is not None)
        assert content is None or shop.path.read_bytes() == content


async def test_a_file_that_is_replaced_during_a_pull_does_not_make_it_complete(shop: Database, tmp_path: Path) -> None:
    """F75."""
    await shop.run("INSERT INTO contacts SELECT n, 'x', NULL FROM range(100, 7000) AS r(n)")
    shutil.copy(shop.path, tmp_path / "other.duckdb")
    async with desk(shop) as adapter:
        found: list[Page] = []
        async for page in adapter.pull("contacts", None):
            if not found:
                os.replace(tmp_path / "other.duckdb", shop.path)
            found.append(page)
        assert [page.complete for page in found] == [False, False]
        assert found[-1].cursor is None
        assert (await pages(adapter, "contacts"))[-1].complete


async def test_a_file_that_is_replaced_while_we_write_leaves_unknown_outcomes(
    shop: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(shop.path, tmp_path / "other.duckdb")

    class Replacing(Batch):
        async def apply(self) -> Any:
            os.replace(tmp_path / "other.duckdb", shop.path)
            return await super().apply()

    async with desk(shop) as adapter:
        await pages(adapter, "contacts")
        monkeypatch.setattr(writing, "Batch", Replacing)
        (outcome,) = await adapter.push("contacts", [Write("update", "1", {"name": "lost"})])

        assert outcome == Unknown("the file was replaced meanwhile")
        assert (await one(adapter, "contacts", "1")).fields["name"] == "Ann"


async def test_a_failure_after_a_commit_leaves_unknown_outcomes_and_the_next_pull_reads_all(
    shop: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with desk(shop) as adapter:
        since = (await pages(adapter, "contacts"))[-1].cursor

        async def no_room(self: Connection) -> None:
            raise OSError("No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(Connection, "settle", no_room)
            (outcome,) = await adapter.push("contacts", [Write("update", "1", {"name": "Anna"})])
        assert isinstance(outcome, Unknown)
        assert (await records(adapter, "contacts", since))["1"]["name"] == "Anna"


async def test_a_statement_that_takes_too_long_is_cut_short(shop: Database) -> None:
    await shop.run(SLOW)
    async with desk(shop, ObjectSpec("slow", "id", ("n",)), timeout_s=0.3) as adapter:
        began = time.monotonic()
        with pytest.raises(Transient, match="longer than `timeout_s`"):
            await pages(adapter, "slow")
        assert time.monotonic() - began < 5
        await shop.run("DROP VIEW slow")


async def test_a_cancelled_call_ends_at_once_and_leaves_the_file(shop: Database) -> None:
    await shop.run(SLOW)
    async with desk(shop, ObjectSpec("slow", "id", ("n",))) as adapter:
        began = time.monotonic()
        with anyio.move_on_after(0.3):
            await pages(adapter, "slow")
        assert time.monotonic() - began < 5
        await shop.run("DROP VIEW slow")


async def test_the_loop_goes_on_while_duckdb_works(shop: Database) -> None:
    await shop.run(SLOW)
    async with desk(shop, ObjectSpec("slow", "id", ("n",)), timeout_s=0.5) as adapter:
        longest = 0.0

        async def tick() -> None:
            nonlocal longest
            while True:
                began = time.monotonic()
                await anyio.sleep(0.01)
                longest = max(longest, time.monotonic() - began)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tick)
            with pytest.raises(Transient):
                await pages(adapter, "slow")
            tasks.cancel_scope.cancel()
        assert longest < 0.3


async def test_a_cursor_column_finds_what_is_dated_a_little_earlier(shop: Database) -> None:
    """F27, F28, F30: with an overlap, and at the boundary."""
    await shop.run(
        "CREATE TABLE news (id INTEGER PRIMARY KEY, changed TIMESTAMP)",
        "INSERT INTO news VALUES (1, '2025-06-15 12:00:00'), (2, '2025-06-15 11:59:00'), (3, '2099-01-01')",
    )
    spec = ObjectSpec("news", "id", (), cursor="changed")
    async with desk(shop, spec, overlap_s=300) as adapter:
        since = (await pages(adapter, "news"))[-1].cursor
        await shop.run("INSERT INTO news VALUES (4, '2025-06-15 12:00:00'), (5, '2025-06-15 12:00:01')")
        assert {"4", "5"} <= set(await records(adapter, "news", since))
        assert not any(page.complete for page in await pages(adapter, "news", since))


async def test_a_file_that_may_not_be_written_is_only_read(shop: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(File, "may_be_written", lambda _: False)  # who runs the tests may be root
    async with desk(shop) as adapter:
        columns = (await adapter.describe("contacts")).columns
        assert not any(column.writable for column in columns)
        assert list(await records(adapter, "contacts")) == ["1", "2"]
        with pytest.raises(Unauthorised, match="the right to write"):
            await adapter.push("contacts", [Write("delete", "1")])


async def test_a_table_that_is_dropped_is_named(shop: Database) -> None:
    async with desk(shop) as adapter:
        await pages(adapter, "contacts")
        await shop.run("DROP TABLE contacts")
        with pytest.raises(NotFound):
            await pages(adapter, "contacts")


async def test_another_program_can_be_told_apart_from_nobody(tmp_path: Path) -> None:
    with program.database(tmp_path / "new.duckdb") as made:
        assert await made.rows("SELECT 1") == [(1,)]
