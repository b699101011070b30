"""PostgreSQL: a server that goes away, a table that changes, rights that are missing, time that runs out."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from datasyncd.adapters.contract import ObjectSpec, Outcome, Unknown, Write, Written
from datasyncd.adapters.errors import NotFound, Transient, Unauthorised, Unreachable, Unsupported
from datasyncd.adapters.testing.desk import one, opened, pages, records
from tests.servers.postgres import Database, Server, running
from tests.servers.proxy import Fault, between

HERE = Path()
CONTACTS = ObjectSpec("contacts", "id", ("name", "city"))
TABLE = "CREATE TABLE contacts (id integer PRIMARY KEY, name text, city text, note text)"
ROWS = "INSERT INTO contacts SELECT n, 'name ' || n, 'city', 'note' FROM generate_series(1, 3) n"


@pytest.fixture
async def shop(database: Database) -> Database:
    await database.run(TABLE, ROWS)
    return database


@pytest.fixture(scope="module")
def own() -> Iterator[Server]:
    """A server that may be stopped: no other test is at work on it."""
    with running() as server:
        yield server


async def filled(server: Server) -> Database:
    database = server.database()
    await database.run(TABLE, ROWS)
    return database


# The server --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [signal.SIGINT, signal.SIGQUIT], ids=["stopped", "crashed"])
async def test_a_server_that_is_away_is_out_of_reach_and_found_again(own: Server, mode: signal.Signals) -> None:
    shop = await filled(own)
    async with opened("postgres", HERE, CONTACTS, dsn=shop.dsn()) as desk:
        assert len(await records(desk, "contacts")) == 3
        own.stop(mode)
        for _ in range(2):
            with pytest.raises(Transient, match="desk: "):
                await records(desk, "contacts")
        with pytest.raises(Unreachable, match=rf"desk: 127.0.0.1:{own.port}/\w+: .*see that the server runs"):
            await desk.push("contacts", [Write("delete", "1")])

        own.start()
        assert len(await records(desk, "contacts")) == 3


async def test_a_connection_that_is_ended_by_the_server_is_replaced(shop: Database) -> None:
    async with opened("postgres", HERE, CONTACTS, dsn=shop.dsn()) as desk:
        await records(desk, "contacts")
        await shop.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'datasyncd desk'"
        )
        await anyio.sleep(0.1)

        assert len(await records(desk, "contacts")) == 3


async def test_a_standby_is_out_of_reach_until_it_is_the_primary(own: Server) -> None:
    shop = await filled(own)
    with running(standby_of=own) as other:
        async with opened("postgres", HERE, CONTACTS, dsn=other.dsn(shop.name)) as desk:
            with pytest.raises(Unreachable, match="the server is a standby; expected the primary"):
                await records(desk, "contacts")

            other.run("SELECT pg_promote()")
            assert len(await records(desk, "contacts")) == 3
            assert isinstance((await desk.push("contacts", [Write("update", "1", {"name": "x"})]))[0], Written)


async def test_a_statement_that_somebody_cancels_is_tried_again(shop: Database) -> None:
    async with opened("postgres", HERE, CONTACTS, dsn=shop.dsn()) as desk, shop.connected() as other:
        async with other.transaction():
            await other.execute("LOCK TABLE contacts")

            async def cancel() -> None:
                await anyio.sleep(0.2)
                await shop.run(
                    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'datasyncd desk'"
                )

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(cancel)
                with pytest.raises(Transient, match="or somebody cancelled it"):
                    await records(desk, "contacts")

        assert len(await records(desk, "contacts")) == 3


async def test_a_write_whose_connection_is_ended_before_the_commit_had_no_effect(shop: Database) -> None:
    async with opened("postgres", HERE, CONTACTS, dsn=shop.dsn()) as desk, shop.connected() as other:
        async with other.transaction():
            await other.execute("SELECT 1 FROM contacts WHERE id = 1 FOR UPDATE")

            async def end() -> None:
                await anyio.sleep(0.2)
                await shop.run(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'datasyncd desk'"
                )

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(end)
                which = r"desk: 127\.0\.0\.1:\d+/\w+: (the server ended the connection|the connection was lost)"
                with pytest.raises(Transient, match=which):
                    await desk.push("contacts", [Write("update", "1", {"name": "ours"})])

        assert await shop.rows("SELECT name FROM contacts WHERE id = 1") == [("name 1",)]


async def test_a_write_whose_connection_is_ended_during_the_commit_is_unknown(own: Server) -> None:
    """The commit waits for a standby that is not there: it is made, and nobody is told."""
    shop = await filled(own)
    await shop.run("ALTER SYSTEM SET synchronous_standby_names = 'nobody'", "SELECT pg_reload_conf()")
    outcomes: list[Outcome] = []
    try:
        async with opened("postgres", HERE, CONTACTS, dsn=shop.dsn()) as desk, anyio.create_task_group() as tasks:

            async def write() -> None:
                outcomes.extend(await desk.push("contacts", [Write("update", str(n), {"name": "x"}) for n in (1, 2)]))

            tasks.start_soon(write)
            waits = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
            with anyio.fail_after(10):
                while not await shop.rows(waits):  # noqa: ASYNC110
                    await anyio.sleep(0.05)
            await shop.rows(f"SELECT pg_terminate_backend(pid) FROM ({waits}) AS waiting")
    finally:
        await shop.run("ALTER SYSTEM RESET synchronous_standby_names", "SELECT pg_reload_conf()")

    assert [type(outcome) for outcome in outcomes] == [Unknown, Unknown]
    assert await shop.rows("SELECT name FROM contacts ORDER BY id") == [("x",), ("x",), ("name 3",)]


async def test_a_commit_that_never_reaches_the_server_is_unknown_and_never_lands(shop: Database) -> None:
    async with between(shop.server.port) as proxy:
        proxy.fault = Fault("silence", b"COMMIT\0")
        dsn = shop.dsn().replace(str(shop.server.port), str(proxy.port))
        async with opened("postgres", HERE, CONTACTS, dsn=dsn, timeout_s=0.5) as desk:
            outcomes = await desk.push("contacts", [Write("update", "1", {"name": "x"})])

            assert [type(outcome) for outcome in outcomes] == [Unknown]
            assert proxy.fault is None
        await anyio.sleep(0.5)
    assert await shop.rows("SELECT name FROM contacts WHERE id = 1") == [("name 1",)]


async def test_the_server_itself_ends_a_transaction_that_stands_still(shop: Database) -> None:
    async with opened("postgres", HERE, CONTACTS, dsn=shop.dsn()) as desk:
        await records(desk, "contacts")
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "row_security")
        async with desk._sessions.use() as connection:  # type: ignore[attr-defined]
            found = [await connection.fetchval("SELECT current_setting($1)", name) for name in names]

    assert found == ["30s", "5s", "10s", "off"]


async def test_a_statement_that_takes_too_long_is_tried_again(shop: Database) -> None:
    await shop.run("CREATE VIEW slow AS SELECT id, pg_sleep(10)::text AS name FROM contacts")
    async with opened("postgres", HERE, ObjectSpec("slow", "id", ("name",)), dsn=shop.dsn(), timeout_s=0.3) as desk:
        began = time.monotonic()
        with pytest.raises(Transient, match="longer than `timeout_s`, or somebody cancelled it"):
            await pages(desk, "slow")
        assert time.monotonic() - began < 5


async def test_a_server_that_has_no_connection_left_is_tried_again(shop: Database) -> None:
    name = shop.name
    await shop.run(f"ALTER DATABASE {name} CONNECTION LIMIT 1", "CREATE ROLE guest LOGIN")
    async with shop.connected(), opened("postgres", HERE, CONTACTS, dsn=shop.dsn("guest")) as desk:
        with pytest.raises(Unreachable, match="takes no more connections"):
            await records(desk, "contacts")
    await shop.run("DROP ROLE guest")


async def test_a_disk_that_is_full_writes_nothing_and_is_tried_again(own: Server) -> None:
    """The server's own error stands in for a disk."""
    shop = await filled(own)
    await shop.run(
        """CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
           $$BEGIN RAISE SQLSTATE '53100' USING MESSAGE = 'could not extend file'; END$$""",
        "CREATE TRIGGER full_disk BEFORE UPDATE ON contacts FOR EACH ROW EXECUTE FUNCTION full_disk()",
    )
    async with opened("postgres", HERE, CONTACTS, dsn=shop.dsn()) as desk:
        with pytest.raises(Transient, match="the disk of the server is full"):
            await desk.push("contacts", [Write("update", "1", {"name": "x"})])
        await shop.run("DROP TRIGGER full_disk ON contacts")
        assert isinstance((await desk.push("contacts", [Write("update", "1", {"name": "x"})]))[0], Written)


@pytest.mark.parametrize(
    ("change", "kind", "reason"),
    [
        (("postgres:", "nobody:"), Unauthorised, "does not let this user in"),
        (("/test", "/missing"), NotFound, "there is no such database; see the end of `dsn`"),
        (("?", "?sslmode=require&x="), Unreachable, "breaks the connection off; see `sslmode` in `dsn`"),
        (
            ("?", "?sslmode=verify-ca&sslrootcert=/no/file&x="),
            Unreachable,
            "a certificate that `sslmode` in `dsn` needs",
        ),
        (
            ("?", "?bogus=s3cret&x="),
            Unsupported,
            "a setting that the server does not know; see what stands behind the . in",
        ),
        (("?", "?statement_timeout=s3cret&x="), Unsupported, "a setting that cannot have this value there"),
        (("?", "?block_size=1&x="), Unsupported, "a setting that cannot be changed by a connection"),
        (("?", "?target_session_attrs=sometimes&x="), Unauthorised, "see what stands behind the . in it"),
        (("127.0.0.1", "host.invalid"), Unreachable, "see that the server runs, and that `dsn` is right"),
    ],
)
async def test_why_there_is_no_connection_is_said_without_a_secret(
    shop: Database, change: tuple[str, str], kind: type[Exception], reason: str
) -> None:
    dsn = shop.dsn().replace("postgres@", "postgres:s3cret@") + "?"
    dsn = dsn.replace(*change).removesuffix("?").removesuffix("&x=")
    async with opened("postgres", HERE, CONTACTS, dsn=dsn) as desk:
        with pytest.raises(kind, match=reason) as raised:
            await records(desk, "contacts")
    assert "s3cret" not in str(raised.value)
    assert str(raised.value).startswith("desk: ")


# The table ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("ALTER TABLE contacts DROP city", "has no column 'city' any more|t.city does not exist"),
        ("ALTER TABLE contacts RENAME city TO town", "has no column 'city' any more|t.city does not exist"),
        (
            "ALTER TABLE contacts ALTER city TYPE jsonb USING '{}'",
            "the column 'city' of public.contacts changed its type",
        ),
        ("ALTER TABLE contacts ALTER name TYPE varchar(99)", "the column 'name' of public.contacts changed its type"),
        ("ALTER TABLE contacts RENAME TO people", "has no column 'id' any more|does not exist"),
        ("DROP TABLE contacts", "has no column 'id' any more|does not exist"),
        (f"DROP TABLE contacts; {TABLE}", "was replaced by another one"),
    ],
)
async def test_a_table_that_changes_is_told_before_anything_is_concluded(
    shop: Database, change: str, reason: str
) -> None:
    async with opened("postgres", HERE, CONTACTS, dsn=shop.dsn()) as desk:
        version = (await one(desk, "contacts", "1")).version
        await shop.run(change)

        for _ in range(2):
            with pytest.raises(NotFound, match=reason):
                await pages(desk, "contacts")
            with pytest.raises(NotFound, match=f"{reason}|no longer fits the map|does not exist"):
                await desk.push("contacts", [Write("update", "1", {"name": "x"}, version)])
            with pytest.raises(NotFound, match=reason):
                await desk.read("contacts", ["1"])
            with pytest.raises(NotFound, match=reason):
                await desk.find("contacts", "name", ["x"])


async def test_a_table_that_was_changed_is_read_again_once_it_was_described(shop: Database) -> None:
    async with opened("postgres", HERE, CONTACTS, dsn=shop.dsn()) as desk:
        assert (await one(desk, "contacts", "1")).fields["city"] == "city"
        await shop.run("ALTER TABLE contacts ALTER city TYPE text[] USING ARRAY[city]")
        with pytest.raises(NotFound):
            await one(desk, "contacts", "1")

        schema = await desk.describe("contacts")

        assert next(column.kind for column in schema.columns if column.name == "city") == "list"
        assert (await one(desk, "contacts", "1")).fields["city"] == ["city"]


async def test_a_column_that_no_link_uses_may_change(shop: Database) -> None:
    async with opened("postgres", HERE, CONTACTS, dsn=shop.dsn()) as desk:
        await one(desk, "contacts", "1")
        await shop.run("ALTER TABLE contacts DROP note", "ALTER TABLE contacts ADD extra integer")

        assert len(await records(desk, "contacts")) == 3
        assert isinstance((await desk.push("contacts", [Write("update", "1", {"name": "x"})]))[0], Written)


# Rights ------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def guarded(shop: Database) -> Database:
    """A role of its own may do all that is needed."""
    await shop.run(
        "DO $$BEGIN CREATE ROLE sync_role LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END$$",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON contacts TO sync_role",
    )
    return shop


GRANT = r"GRANT {} ON public\.contacts TO sync_role;"


@pytest.mark.parametrize(
    ("revoked", "write", "grant"),
    [
        ("SELECT", Write("delete", "1"), GRANT.format(r"SELECT \(id, name, city\)")),
        ("UPDATE", Write("update", "1", {"name": "x"}), GRANT.format("UPDATE")),
        ("INSERT", Write("create", "9", {"name": "x"}), GRANT.format("INSERT")),
        ("DELETE", Write("delete", "1"), GRANT.format("DELETE")),
        ("INSERT, DELETE", Write("create", "9", {"name": "x"}), GRANT.format("INSERT, DELETE")),
    ],
)
async def test_a_missing_right_is_named_with_the_statement_that_gives_it(
    guarded: Database, revoked: str, write: Write, grant: str
) -> None:
    async with opened("postgres", HERE, CONTACTS, dsn=guarded.dsn("sync_role")) as desk:
        assert len(await records(desk, "contacts")) == 3
        await guarded.run(f"REVOKE {revoked} ON contacts FROM sync_role")

        with pytest.raises(Unauthorised, match=f"desk: .*role sync_role .*{grant}") as raised:
            await desk.push("contacts", [write])

        (statement,) = re.findall(r"GRANT .*;", str(raised.value))
        await guarded.run(statement)
        assert isinstance((await desk.push("contacts", [write]))[0], Written)


async def test_what_may_not_be_read_is_named_when_the_table_is_described(guarded: Database) -> None:
    await guarded.run(
        "REVOKE ALL ON contacts FROM sync_role", "GRANT SELECT (id, name), UPDATE (name) ON contacts TO sync_role"
    )
    async with opened("postgres", HERE, CONTACTS, dsn=guarded.dsn("sync_role")) as desk:
        with pytest.raises(Unauthorised, match=r"may not read city .*GRANT SELECT \(city\) ON public\.contacts TO"):
            await desk.describe("contacts")
        await guarded.run("GRANT SELECT (city) ON contacts TO sync_role")

        schema = await desk.describe("contacts")

        why_not = {column.name: column.why_not for column in schema.columns}
        assert why_not["name"].endswith("GRANT INSERT (name) ON public.contacts TO sync_role;")
        assert why_not["city"].endswith("GRANT INSERT (city), UPDATE (city) ON public.contacts TO sync_role;")
        assert schema.lacks == (
            "the role sync_role makes no records in public.contacts: GRANT INSERT ON public.contacts TO sync_role;",
            "the role sync_role deletes none in public.contacts: GRANT DELETE ON public.contacts TO sync_role;",
        )


async def test_a_schema_that_may_not_be_used_is_named(guarded: Database) -> None:
    await guarded.run("CREATE SCHEMA crm", "CREATE TABLE crm.people (id integer PRIMARY KEY)")
    async with opened("postgres", HERE, ObjectSpec("crm.people", "id", ()), dsn=guarded.dsn("sync_role")) as desk:
        with pytest.raises(Unauthorised, match="GRANT USAGE ON SCHEMA crm TO sync_role;"):
            await pages(desk, "crm.people")


async def test_rows_that_a_policy_hides_are_never_taken_for_deleted(guarded: Database) -> None:
    await guarded.run("ALTER TABLE contacts ENABLE ROW LEVEL SECURITY", "CREATE POLICY low ON contacts USING (id < 3)")
    async with opened("postgres", HERE, CONTACTS, dsn=guarded.dsn("sync_role")) as desk:
        with pytest.raises(Unauthorised, match="row-level security"):
            await pages(desk, "contacts")
    async with opened("postgres", HERE, CONTACTS, dsn=guarded.dsn("sync_role"), row_security=True) as desk:
        assert list(await records(desk, "contacts")) == ["1", "2"]
        outcomes = await desk.push(
            "contacts", [Write("create", "7", {"name": "x"}), Write("update", "1", {"name": "x"})]
        )
        assert "refuses" in str(outcomes[0])
        assert isinstance(outcomes[1], Written)


# Increments --------------------------------------------------------------------------------------------------------


MARKED = ObjectSpec("contacts", "id", ("name",), cursor="at")


@pytest.mark.parametrize(
    ("kind", "value"), [("timestamptz", "'2024-02-29 12:00Z'"), ("bigint", "1"), ("text", "'2024-02-29'")]
)
async def test_an_increment_reads_from_the_highest_value_on(shop: Database, kind: str, value: str) -> None:
    await shop.run(f"ALTER TABLE contacts ADD at {kind}", f"UPDATE contacts SET at = {value}")
    later = "2" if kind == "bigint" else "'2024-03-01'"
    async with opened("postgres", HERE, MARKED, dsn=shop.dsn(), overlap_s=0) as desk:
        cursor = (await pages(desk, "contacts"))[-1].cursor
        await shop.run(f"INSERT INTO contacts (id, name, at) VALUES (4, 'new', {value}), (5, 'later', {later})")

        first = await pages(desk, "contacts", cursor)
        assert sorted(record.key for page in first for record in page.records) == ["1", "2", "3", "4", "5"]
        assert not first[-1].complete
        second = await pages(desk, "contacts", first[-1].cursor)
        assert [record.key for page in second for record in page.records] == ["5"]
        assert (await pages(desk, "contacts", second[-1].cursor))[-1].cursor == second[-1].cursor


async def test_what_a_long_transaction_leaves_behind_is_read_within_the_overlap(shop: Database) -> None:
    await shop.run("ALTER TABLE contacts ADD at timestamptz", "UPDATE contacts SET at = '2024-02-29 11:00Z'")
    async with opened("postgres", HERE, MARKED, dsn=shop.dsn()) as desk, shop.connected() as other:
        cursor = (await pages(desk, "contacts"))[-1].cursor
        async with other.transaction():
            await other.execute("UPDATE contacts SET name = 'late', at = '2024-02-29 12:00:00Z' WHERE id = 1")
            await shop.run("UPDATE contacts SET name = 'early', at = '2024-02-29 12:00:09Z' WHERE id = 2")
            found = await pages(desk, "contacts", cursor)
            assert {r.key: r.fields["name"] for page in found for r in page.records}["1"] == "name 1"
            cursor = found[-1].cursor

        assert (await records(desk, "contacts", cursor))["1"]["name"] == "late"


async def test_an_increment_of_many_equal_values_goes_on_by_key(shop: Database) -> None:
    await shop.run(
        "ALTER TABLE contacts ADD at integer", "UPDATE contacts SET at = 1",
        "INSERT INTO contacts (id, at) SELECT n, 5 FROM generate_series(10, 3009) n",
    )  # fmt: skip
    async with opened("postgres", HERE, MARKED, dsn=shop.dsn()) as desk:
        found = await pages(desk, "contacts", '["at", [[0, 1]]]')

        assert len(found) == 4
        assert len({record.key for page in found for record in page.records}) == 3003


async def test_a_date_in_the_future_does_not_lead_the_cursor_on(shop: Database) -> None:
    await shop.run("ALTER TABLE contacts ADD at timestamptz", "UPDATE contacts SET at = '2024-01-01' WHERE id < 3")
    await shop.run("UPDATE contacts SET at = '2999-01-01' WHERE id = 3")
    async with opened("postgres", HERE, MARKED, dsn=shop.dsn()) as desk:
        cursor = (await pages(desk, "contacts"))[-1].cursor
        await shop.run("UPDATE contacts SET at = '2025-01-01', name = 'new' WHERE id = 1")

        assert (await records(desk, "contacts", cursor))["1"]["name"] == "new"


async def test_a_cursor_of_another_column_means_everything(shop: Database) -> None:
    await shop.run("ALTER TABLE contacts ADD at integer")
    async with opened("postgres", HERE, MARKED, dsn=shop.dsn()) as desk:
        for cursor in ('["other", [[0, 1]]]', "nonsense", "[1]", '["at", 5]'):
            assert (await pages(desk, "contacts", cursor))[-1].complete
