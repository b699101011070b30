"""MariaDB and MySQL: a server that goes away, a table that changes, rights that are missing, time that runs out."""

from __future__ import annotations

import re
import signal
import time
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest

from datasyncd.adapters.contract import Adapter, ObjectSpec, Rejected, Unknown, Write, Written
from datasyncd.adapters.errors import NotFound, Transient, Unauthorised, Unreachable, Unsupported
from datasyncd.adapters.mysql import session
from datasyncd.adapters.testing.desk import one, opened, pages, records
from tests.servers.mysql import PORT, Database, Server
from tests.servers.proxy import Fault, How, between

HERE = Path()
CONTACTS = ObjectSpec("contacts", "id", ("name", "city"))
TABLE = "CREATE TABLE contacts (id integer PRIMARY KEY, name varchar(90), city text, note text)"
WAITING = "AND command <> 'Sleep'"
ROWS = "INSERT INTO contacts SELECT seq, concat('name ', seq), 'city', 'note' FROM seq_1_to_3"


@pytest.fixture
async def shop(mysql: Database) -> Database:
    await mysql.run(TABLE, ROWS)
    return mysql


def desk(shop: Database, spec: ObjectSpec = CONTACTS, **options: Any) -> AbstractAsyncContextManager[Adapter]:
    return opened("mysql", HERE, spec, **{"dsn": shop.dsn(), **options})


async def kill(shop: Database, which: str = "", what: str = "CONNECTION") -> None:
    """End connections of the daemon, or the statement that they are at."""
    sql = f"SELECT id FROM information_schema.PROCESSLIST WHERE db = %s AND id <> connection_id() {which}"
    found = await shop.rows(sql, shop.name)
    assert found
    await shop.run(*(f"KILL {what} {number}" for (number,) in found))


# The server --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "crashed"])
async def test_a_server_that_stops_is_out_of_reach_and_found_again(
    own_mysql: Server, loose_mysql: Database, mode: signal.Signals
) -> None:
    await loose_mysql.run(TABLE, ROWS)
    async with desk(loose_mysql) as adapter:
        assert len(await records(adapter, "contacts")) == 3
        own_mysql.stop(mode)
        for _ in range(2):
            with pytest.raises(Transient, match="desk: "):
                await records(adapter, "contacts")
        with pytest.raises(Unreachable, match=rf"desk: 127.0.0.1:{own_mysql.port}/\w+: .*see that the server runs"):
            await adapter.push("contacts", [Write("delete", "1")])

        own_mysql.start()
        assert len(await records(adapter, "contacts")) == 3
        assert isinstance((await adapter.push("contacts", [Write("update", "1", {"name": "x"})]))[0], Written)


async def test_a_session_is_strict_in_utc_and_in_unicode_on_a_server_that_is_none_of_it(loose_mysql: Database) -> None:
    """F82. What it is sent has another zone and alphabet, and would be cut."""
    await loose_mysql.run(
        "CREATE TABLE contacts (id integer PRIMARY KEY, name varchar(5), city text, at timestamp NULL)"
    )
    spec = ObjectSpec("contacts", "id", ("name", "city", "at"))
    async with desk(loose_mysql, spec) as adapter:
        outcomes = await adapter.push(
            "contacts",
            [
                Write("create", "1", {"name": "too long", "city": "x"}),
                Write("create", "0", {"name": "Zoë🎉", "city": "王小明", "at": "2024-02-29T11:00:00Z"}),
            ],
        )
        assert outcomes[0] == Rejected("name: a value of the type varchar(5) expected", ("name",))
        assert (await one(adapter, "contacts", "0")).fields == {
            "id": 0, "name": "Zoë🎉", "city": "王小明", "at": "2024-02-29T11:00:00Z",
        }  # fmt: skip
        async with loose_mysql.connected() as other, other.cursor() as cursor:
            await cursor.execute("SELECT name, CAST(at AS char), @@sql_mode FROM contacts")
            assert await cursor.fetchall() == (("Zoë🎉", "2024-02-29 16:00:00", ""),)


async def test_a_server_that_is_away_is_out_of_reach_and_found_again(shop: Database) -> None:
    async with between(PORT) as proxy, desk(shop, dsn=shop.dsn(port=proxy.port)) as adapter:
        assert len(await records(adapter, "contacts")) == 3
        proxy.cut()
        for _ in range(2):
            with pytest.raises(Transient, match="desk: "):
                await records(adapter, "contacts")
        with pytest.raises(Unreachable, match=rf"desk: 127.0.0.1:{proxy.port}/\w+: .*see that the server runs"):
            await adapter.push("contacts", [Write("delete", "1")])

        proxy.mend()
        assert len(await records(adapter, "contacts")) == 3


async def test_a_connection_that_is_ended_by_the_server_is_replaced(shop: Database) -> None:
    async with desk(shop) as adapter:
        await records(adapter, "contacts")
        await kill(shop)
        await anyio.sleep(0.1)

        assert len(await records(adapter, "contacts")) == 3


async def test_a_connection_that_stood_still_is_not_used_again(shop: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "IDLE_S", 1)
    monkeypatch.setattr(session, "FRESH_S", 0.5)
    async with desk(shop) as adapter:
        for _ in range(2):
            assert len(await records(adapter, "contacts")) == 3
            await anyio.sleep(1.5)


async def test_a_statement_that_somebody_cancels_is_tried_again(shop: Database) -> None:
    async with desk(shop) as adapter, shop.connected() as other, other.cursor() as theirs:
        await records(adapter, "contacts")
        await theirs.execute("LOCK TABLES contacts WRITE, contacts AS t WRITE")

        async def cancel() -> None:
            await anyio.sleep(0.3)
            await kill(shop, WAITING, "QUERY")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel)
            with pytest.raises(Transient, match="the server cancelled the statement"):
                await records(adapter, "contacts")
        await theirs.execute("UNLOCK TABLES")

        assert len(await records(adapter, "contacts")) == 3


async def test_a_write_whose_connection_is_ended_before_the_commit_had_no_effect(shop: Database) -> None:
    async with desk(shop) as adapter, shop.connected() as other, other.cursor() as theirs:
        await adapter.describe("contacts")
        await theirs.execute("START TRANSACTION")
        await theirs.execute("SELECT 1 FROM contacts WHERE id = 2 FOR UPDATE")

        async def end() -> None:
            await anyio.sleep(0.3)
            await kill(shop, WAITING)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(end)
            # It is the server that is to be looked at, and not the table.
            which = r"^desk: 127\.0\.0\.1:\d+/\w+: the (server ended the connection|connection was lost)"
            with pytest.raises(Transient, match=which):
                await adapter.push("contacts", [Write("update", key, {"name": "ours"}) for key in ("1", "2")])
        await theirs.execute("COMMIT")

        assert await shop.rows("SELECT name FROM contacts WHERE id = 1") == [("name 1",)]


@pytest.mark.parametrize(
    ("how", "made"),
    [("request lost", False), ("answer lost", True), ("half an answer", True), ("silence", False)],
)
async def test_a_commit_that_is_not_answered_is_unknown(
    shop: Database, how: How, made: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "GRACE_S", 0.5)
    async with between(PORT) as proxy, desk(shop, dsn=shop.dsn(port=proxy.port), timeout_s=0.5) as adapter:
        await records(adapter, "contacts")
        proxy.fault = Fault(how, b"COMMIT")
        outcomes = await adapter.push("contacts", [Write("update", key, {"name": "x"}) for key in ("1", "2")])

        assert [type(outcome) for outcome in outcomes] == [Unknown, Unknown]
        assert proxy.fault is None
        await anyio.sleep(0.3)
        assert await shop.rows("SELECT DISTINCT name FROM contacts WHERE id < 3") == (
            [("x",)] if made else [("name 1",), ("name 2",)]
        )


async def test_a_commit_that_comes_late_finds_its_transaction_gone(
    shop: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "IDLE_S", 1)
    async with between(PORT) as proxy, desk(shop, dsn=shop.dsn(port=proxy.port)) as adapter:
        await records(adapter, "contacts")
        proxy.fault = Fault("request late", b"COMMIT", seconds=2.5)
        outcomes = await adapter.push("contacts", [Write("update", "1", {"name": "late"})])

        assert [type(outcome) for outcome in outcomes] == [Unknown]
        await anyio.sleep(2)
        assert await shop.rows("SELECT name FROM contacts WHERE id = 1") == [("name 1",)]


@pytest.mark.parametrize("words", [b"UPDATE", b"START TRANSACTION", b"FOR UPDATE", b"information_schema"])
@pytest.mark.parametrize("how", ["request lost", "answer lost", "half an answer"])
async def test_what_is_lost_before_the_commit_is_tried_again(shop: Database, how: How, words: bytes) -> None:
    async with between(PORT) as proxy, desk(shop, dsn=shop.dsn(port=proxy.port)) as adapter:
        await records(adapter, "contacts")
        proxy.fault = Fault(how, words)
        with pytest.raises(Transient, match=r"^desk: 127\.0\.0\.1:\d+/\w+: the connection was lost"):
            await adapter.push("contacts", [Write("update", "1", {"name": "x"})])

        assert await shop.rows("SELECT name FROM contacts WHERE id = 1") == [("name 1",)]
        assert isinstance((await adapter.push("contacts", [Write("update", "1", {"name": "y"})]))[0], Written)


async def test_a_session_is_strict_in_utc_and_bounded_in_time(shop: Database) -> None:
    names = ("sql_mode", "time_zone", "wait_timeout", "innodb_lock_wait_timeout", "max_statement_time", "tx_isolation")
    async with desk(shop, timeout_s=7.5, lock_s=2.4) as adapter, adapter._sessions.use() as used:  # type: ignore[attr-defined]
        found = {name: (await used.fetch(f"SELECT @@{name}"))[0][0] for name in names}

    assert set(found.pop("sql_mode").split(",")) == set(session.MODE.split(","))
    assert found == {
        "time_zone": "+00:00", "wait_timeout": 10, "innodb_lock_wait_timeout": 2, "max_statement_time": 7.5,
        "tx_isolation": "READ-COMMITTED",
    }  # fmt: skip


async def test_a_statement_that_takes_too_long_is_tried_again(shop: Database) -> None:
    await shop.run("CREATE VIEW slow AS SELECT id, sleep(10) AS name FROM contacts")
    async with desk(shop, ObjectSpec("slow", "id", ("name",)), timeout_s=0.3) as adapter:
        began = time.monotonic()
        with pytest.raises(Transient, match="longer than `timeout_s`"):
            await pages(adapter, "slow")
        assert time.monotonic() - began < 5


async def test_a_write_that_takes_too_long_is_not_made(shop: Database) -> None:
    await shop.run("CREATE TRIGGER slow BEFORE UPDATE ON contacts FOR EACH ROW SET NEW.note = sleep(10)")
    async with desk(shop, timeout_s=0.5) as adapter:
        with pytest.raises(Transient, match="longer than `timeout_s`"):
            await adapter.push("contacts", [Write("update", "1", {"name": "x"})])

        assert await shop.rows("SELECT name FROM contacts WHERE id = 1") == [("name 1",)]


async def test_a_user_that_has_no_connection_left_is_tried_again(shop: Database) -> None:
    user = await shop.user("ALL")
    await shop.run(f"ALTER USER {user}@'%' WITH MAX_USER_CONNECTIONS 1")
    async with desk(shop, dsn=shop.dsn(user)) as first, desk(shop, dsn=shop.dsn(user)) as second:
        assert len(await records(first, "contacts")) == 3
        with pytest.raises(Unreachable, match=r"this user has used up|no more connections of this user"):
            await records(second, "contacts")


async def test_without_the_driver_the_package_is_named(shop: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "asyncmy", None)
    async with desk(shop) as adapter:
        with pytest.raises(Unsupported, match=re.escape("pip install 'datasyncd[mysql]'")):
            await adapter.describe("contacts")


@pytest.mark.parametrize(
    ("change", "kind", "reason"),
    [
        (("root@", "nobody:s3cret@"), Unauthorised, "does not let this user in"),
        (("root@", "nobody:s3cr%C3%A9t@"), Unauthorised, "does not let this user in"),
        (("/datasyncd_test", "/missing"), NotFound, "there is no such database; see the end of `dsn`"),
        (("?", "?ssl-mode=required&x="), Unreachable, "see `ssl-mode`|cannot be reached|refuses such a connection"),
        (
            ("?", "?ssl-mode=verify_ca&ssl-ca=/no/file&x="),
            Unreachable,
            "no such file: the socket of the server, or a certificate",
        ),
        (("127.0.0.1", "host.invalid"), Unreachable, "see that the server runs, and that `dsn` is right"),
        (("3306", "1"), Unreachable, "see that the server runs, and that `dsn` is right"),
        (("?", "?socket=/no/socket&x="), Unreachable, "no such file: the socket of the server, or a certificate"),
    ],
)
async def test_why_there_is_no_connection_is_said_without_a_secret(
    shop: Database, change: tuple[str, str], kind: type[Exception], reason: str
) -> None:
    dsn = (shop.dsn() + "?").replace(*change).removesuffix("?").removesuffix("&x=")
    async with desk(shop, dsn=dsn) as adapter:
        with pytest.raises(kind, match=reason) as raised:
            await records(adapter, "contacts")
    assert "s3cr" not in str(raised.value)
    assert str(raised.value).startswith("desk: ")


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        ("required", ""),
        ("verify_ca&ssl-ca=CERTIFICATE", ""),
        ("verify_identity&ssl-ca=CERTIFICATE", ""),
        ("verify_ca", "no encrypted connection is made; see `ssl-mode` and `ssl-ca`"),
        ("verify_identity&ssl-ca=CERTIFICATE&host", "no encrypted connection is made; see `ssl-mode` and `ssl-ca`"),
    ],
)
async def test_what_is_sent_is_encrypted_as_strictly_as_the_address_says(
    own_mysql: Server, loose_mysql: Database, mode: str, reason: str
) -> None:
    await loose_mysql.run(TABLE, ROWS)
    user = await loose_mysql.user("ALL")
    await loose_mysql.run(f"ALTER USER {user}@'%' IDENTIFIED BY 'pä%ss/wörd' REQUIRE SSL")
    dsn = loose_mysql.dsn(f"{user}:p%C3%A4%25ss%2Fw%C3%B6rd")
    if mode.endswith("&host"):
        dsn = dsn.replace("127.0.0.1", "localhost")
    asked = mode.removesuffix("&host").replace("CERTIFICATE", str(own_mysql.certificate))
    async with desk(loose_mysql, dsn=f"{dsn}?ssl-mode={asked}") as adapter:
        if reason:
            with pytest.raises(Unreachable, match=reason):
                await records(adapter, "contacts")
        else:
            assert len(await records(adapter, "contacts")) == 3
            async with adapter._sessions.use() as used:  # type: ignore[attr-defined]
                ((_, cipher),) = await used.fetch("SHOW STATUS LIKE 'Ssl_cipher'")
            assert cipher != ""
    async with desk(loose_mysql, dsn=dsn) as adapter:
        with pytest.raises(Unauthorised, match="does not let this user in"):
            await records(adapter, "contacts")


async def test_a_socket_serves_as_well(shop: Database) -> None:
    ((socket,),) = await shop.rows("SELECT @@socket")
    async with desk(shop, dsn=f"mariadb://root@localhost/{shop.name}?socket={socket}") as adapter:
        assert len(await records(adapter, "contacts")) == 3


async def test_a_server_that_only_reads_is_out_of_reach(shop: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its word for it is put in the answer: the server is shared with other tests."""
    monkeypatch.setattr(session, "_ASKED", "SELECT 'read_only', 'ON'")
    async with desk(shop) as adapter:
        with pytest.raises(Unreachable, match="the server is read only, a replica as it seems; expected the primary"):
            await records(adapter, "contacts")


# The table ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("ALTER TABLE contacts DROP city", "has no column 'city' any more|Unknown column 't.city'"),
        ("ALTER TABLE contacts RENAME COLUMN city TO town", "has no column 'city' any more|Unknown column 't.city'"),
        ("ALTER TABLE contacts MODIFY city blob", r"the column 'city' of \w+.contacts changed its type"),
        ("ALTER TABLE contacts MODIFY name varchar(99)", r"the column 'name' of \w+.contacts changed its type"),
        ("ALTER TABLE contacts MODIFY name varchar(90) COLLATE utf8mb4_bin", "changed its type"),
        ("ALTER TABLE contacts RENAME TO people", "has no column 'id' any more|doesn't exist"),
        ("DROP TABLE contacts", "has no column 'id' any more|doesn't exist"),
    ],
)
async def test_a_table_that_changes_is_told_before_anything_is_concluded(
    shop: Database, change: str, reason: str
) -> None:
    async with desk(shop) as adapter:
        version = (await one(adapter, "contacts", "1")).version
        await shop.run(change)

        for _ in range(2):
            with pytest.raises(NotFound, match=reason):
                await pages(adapter, "contacts")
            with pytest.raises(NotFound, match=reason):
                await adapter.push("contacts", [Write("update", "1", {"name": "x"}, version)])
            with pytest.raises(NotFound, match=reason):
                await adapter.read("contacts", ["1"])
            with pytest.raises(NotFound, match=reason):
                await adapter.find("contacts", "name", ["x"])


async def test_a_table_that_was_changed_is_read_again_once_it_was_described(shop: Database) -> None:
    async with desk(shop) as adapter:
        assert (await one(adapter, "contacts", "1")).fields["city"] == "city"
        await shop.run("UPDATE contacts SET city = '[1]'", "ALTER TABLE contacts MODIFY city json")
        with pytest.raises(NotFound):
            await one(adapter, "contacts", "1")

        schema = await adapter.describe("contacts")

        assert next(column.kind for column in schema.columns if column.name == "city") == "json"
        assert (await one(adapter, "contacts", "1")).fields["city"] == [1]


async def test_a_column_that_no_link_uses_may_change(shop: Database) -> None:
    async with desk(shop) as adapter:
        await one(adapter, "contacts", "1")
        await shop.run("ALTER TABLE contacts DROP note", "ALTER TABLE contacts ADD extra integer")

        assert len(await records(adapter, "contacts")) == 3
        assert isinstance((await adapter.push("contacts", [Write("update", "1", {"name": "x"})]))[0], Written)


async def test_a_pull_over_which_the_table_is_made_anew_is_not_complete(
    shop: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F29. The server's clock of tables counts seconds."""
    monkeypatch.setattr("datasyncd.adapters.sql.pulling.Pulling.page", 2)
    await anyio.sleep(1.1)
    async with desk(shop) as adapter:
        complete = []
        async for page in adapter.pull("contacts", None):
            complete.append(page.complete)
            await shop.run("DROP TABLE contacts", TABLE)

        assert not any(complete)


# Rights ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("revoked", "write", "grant"),
    [
        ("SELECT", Write("delete", "1"), r"SELECT \(id, name, city\)"),
        ("UPDATE", Write("update", "1", {"name": "x"}), "UPDATE"),
        ("INSERT", Write("create", "9", {"name": "x"}), "INSERT"),
        ("DELETE", Write("delete", "1"), "DELETE"),
        ("INSERT, DELETE", Write("create", "9", {"name": "x"}), "INSERT, DELETE"),
    ],
)
async def test_a_missing_right_is_named_with_the_statement_that_gives_it(
    shop: Database, revoked: str, write: Write, grant: str
) -> None:
    user = await shop.user("SELECT, INSERT, UPDATE, DELETE", on="contacts")
    async with desk(shop, dsn=shop.dsn(user)) as adapter:
        assert len(await records(adapter, "contacts")) == 3
        await shop.run(f"REVOKE {revoked} ON contacts FROM {user}@'%'")
        with pytest.raises(Unauthorised, match=rf"GRANT {grant} ON {shop.name}\.contacts TO '{user}'@'%';"):
            await adapter.push("contacts", [write])


async def test_rights_that_are_missing_show_in_what_describe_says(shop: Database) -> None:
    user = await shop.user("SELECT, INSERT (id, name), UPDATE (name)", on="contacts")
    async with desk(shop, dsn=shop.dsn(user)) as adapter:
        schema = await adapter.describe("contacts")

        to = f"ON {shop.name}.contacts TO '{user}'@'%';"
        assert {column.name: column.why_not for column in schema.columns} == {
            "id": f"the user '{user}'@'%' may not: GRANT UPDATE (id) {to}",
            "name": "",
            "city": f"the user '{user}'@'%' may not: GRANT INSERT (city), UPDATE (city) {to}",
            "note": f"the user '{user}'@'%' may not: GRANT INSERT (note), UPDATE (note) {to}",
        }
        assert schema.lacks == (f"the user '{user}'@'%' deletes none in {shop.name}.contacts: GRANT DELETE {to}",)
        (written,) = await adapter.push("contacts", [Write("update", "1", {"name": "x"})])
        assert isinstance(written, Written)


async def test_a_table_that_the_user_may_not_see_is_said_to_be_so(shop: Database) -> None:
    await shop.run("CREATE TABLE other (id integer PRIMARY KEY)")
    user = await shop.user("SELECT", on="other")
    async with desk(shop, dsn=shop.dsn(user)) as adapter:
        with pytest.raises(NotFound, match="there is no table 'contacts', or the user has no right there"):
            await adapter.describe("contacts")


# By a cursor column ------------------------------------------------------------------------------------------------

MARKED = ObjectSpec("contacts", "id", ("name",), cursor="at")


@pytest.mark.parametrize(
    ("type", "old", "value", "later"),
    [
        ("integer", "1", "5", "6"),
        ("decimal(10, 2)", "9", "10.50", "100"),
        ("timestamp(6) NULL", "'2023-01-01'", "'2024-02-29 11:00:00.5'", "'2024-02-29 11:00:00.500001'"),
        ("datetime", "'0000-00-00'", "'2024-02-29 11:00'", "'2024-02-29 11:00:01'"),
        ("date", "'2023-01-01'", "'2024-02-29'", "'2024-03-01'"),
        ("varchar(9)", "'A'", "'b'", "'C'"),
    ],
)
async def test_an_increment_begins_at_the_mark_and_includes_it(
    shop: Database, type: str, old: str, value: str, later: str
) -> None:
    """F27."""
    await shop.run(
        f"ALTER TABLE contacts ADD at {type}",
        f"SET sql_mode = ''; UPDATE contacts SET at = if(id = 1, {old}, {value})",
    )
    async with desk(shop, MARKED, overlap_s=0) as adapter:
        cursor = (await pages(adapter, "contacts"))[-1].cursor
        await shop.run(f"INSERT INTO contacts (id, name, at) VALUES (4, 'new', {value}), (5, 'later', {later})")

        first = await pages(adapter, "contacts", cursor)
        assert sorted(record.key for page in first for record in page.records) == ["2", "3", "4", "5"]
        assert not first[-1].complete
        second = await pages(adapter, "contacts", first[-1].cursor)
        assert [record.key for page in second for record in page.records] == ["5"]
        assert (await pages(adapter, "contacts", second[-1].cursor))[-1].cursor == second[-1].cursor


async def test_what_a_long_transaction_leaves_behind_is_read_within_the_overlap(shop: Database) -> None:
    """F30."""
    await shop.run("ALTER TABLE contacts ADD at datetime", "UPDATE contacts SET at = '2024-02-29 11:00'")
    async with desk(shop, MARKED) as adapter, shop.connected() as other, other.cursor() as theirs:
        cursor = (await pages(adapter, "contacts"))[-1].cursor
        await theirs.execute("START TRANSACTION")
        await theirs.execute("UPDATE contacts SET name = 'late', at = '2024-02-29 12:00:00' WHERE id = 1")
        await shop.run("UPDATE contacts SET name = 'early', at = '2024-02-29 12:00:09' WHERE id = 2")
        found = await pages(adapter, "contacts", cursor)
        assert {r.key: r.fields["name"] for page in found for r in page.records}["1"] == "name 1"
        cursor = found[-1].cursor
        await theirs.execute("COMMIT")

        assert (await records(adapter, "contacts", cursor))["1"]["name"] == "late"


async def test_an_increment_of_many_equal_values_goes_on_by_key(shop: Database) -> None:
    await shop.run(
        "ALTER TABLE contacts ADD at integer", "UPDATE contacts SET at = 1",
        "INSERT INTO contacts (id, at) SELECT seq, 5 FROM seq_10_to_3009",
    )  # fmt: skip
    async with desk(shop, MARKED) as adapter:
        found = await pages(adapter, "contacts", '["at", [[0, 1]]]')

        assert len(found) == 4
        assert len({record.key for page in found for record in page.records}) == 3003


async def test_a_date_in_the_future_does_not_lead_the_cursor_on(shop: Database) -> None:
    """F32."""
    await shop.run("ALTER TABLE contacts ADD at datetime", "UPDATE contacts SET at = '2024-01-01' WHERE id < 3")
    await shop.run("UPDATE contacts SET at = '2999-01-01' WHERE id = 3")
    async with desk(shop, MARKED) as adapter:
        cursor = (await pages(adapter, "contacts"))[-1].cursor
        await shop.run("UPDATE contacts SET at = '2025-01-01', name = 'new' WHERE id = 1")

        assert (await records(adapter, "contacts", cursor))["1"]["name"] == "new"
