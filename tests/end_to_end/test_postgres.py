"""A PostgreSQL server that fails in one way or another: that link waits and says why, the others go on, and what was
missed arrives once it is well."""

from __future__ import annotations

import contextlib
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.end_to_end.arrivals import PERSON, arrives, link
from tests.end_to_end.postgres_store import LIVE, NOW_AND_THEN, STREAMED, PostgresPrefs, config
from tests.end_to_end.three_stores import Change, Stores, person_named, until
from tests.servers.postgres import Server, streaming

OTHER = "C00004"
ROLE = "sync_role"
RIGHTS = f"GRANT SELECT, INSERT, UPDATE, DELETE ON people TO {ROLE}"
NOTES_RIGHTS = f"GRANT USAGE ON SCHEMA datasyncd TO {ROLE}; GRANT SELECT, DELETE ON datasyncd.changes TO {ROLE}"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server that may be stopped: no other test is at work on it."""
    with streaming() as server:
        server.run(f"CREATE ROLE {ROLE} LOGIN REPLICATION")
        yield server


@pytest.fixture
def mode() -> tuple[str, str]:
    """How changes are noticed."""
    return LIVE


@pytest.fixture
def prefs(server: Server, mode: tuple[str, str]) -> Iterator[PostgresPrefs]:
    with PostgresPrefs.of(server.database(), mode) as prefs:
        yield prefs


def in_step(folder: Path, prefs: PostgresPrefs, mode: tuple[str, str] = LIVE, count: int = 12) -> Stores:
    """Stores that have been synchronised, the daemon being a role with no more rights than it needs."""
    people = [person_named(n) for n in range(count)]
    text = config(prefs.database.dsn(ROLE), mode)
    stores = Stores.of(folder, people, text, prefs=prefs)
    prefs.run(RIGHTS, *([] if mode == STREAMED else [NOTES_RIGHTS]))
    done = stores.sync()
    assert (done.code, done.document["failed"]) == (0, {})
    return stores


@contextmanager
def live(stores: Stores) -> Iterator[Any]:
    """A daemon that is in step."""
    with stores.daemon() as daemon:
        until(lambda: arrives(stores, "crm", "prefs", "city", "in step"))
        yield daemon


Harm = Callable[[Server, PostgresPrefs], None]


def stop(server: Server, prefs: PostgresPrefs) -> None:
    server.stop()


def crash(server: Server, prefs: PostgresPrefs) -> None:
    server.stop(signal.SIGQUIT)


def start(server: Server, prefs: PostgresPrefs) -> None:
    server.start()


def running_sql(*statements: str) -> Harm:
    def run(server: Server, prefs: PostgresPrefs) -> None:
        prefs.run(*statements)

    return run


WAITS: list[tuple[str, Harm, Harm, str]] = [
    ("a stopped server", stop, start, r"127\.0\.0\.1:\d+/\w+: .*see that the server runs"),
    ("a crashed server", crash, start, r"127\.0\.0\.1:\d+/\w+: .*see that the server runs"),
    (
        "a server that refuses the role",
        running_sql(f"ALTER ROLE {ROLE} NOLOGIN", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    f"WHERE usename = '{ROLE}'"),
        running_sql(f"ALTER ROLE {ROLE} LOGIN"),
        "the server does not let this user in",
    ),
    (
        "a right that was taken away",
        running_sql(f"REVOKE SELECT ON people FROM {ROLE}"),
        running_sql(RIGHTS),
        r"GRANT SELECT \([^)]*\) ON public\.people TO sync_role;",
    ),
    (
        "a column that was dropped",
        running_sql("ALTER TABLE people RENAME city TO town"),
        running_sql("ALTER TABLE people RENAME town TO city"),
        "people has no column 'city'|city does not exist",
    ),
    (
        "a column of a type that cannot hold the field",
        running_sql("ALTER TABLE people RENAME score TO points", "ALTER TABLE people ADD score boolean"),
        running_sql("ALTER TABLE people DROP score", "ALTER TABLE people RENAME points TO score"),
        "score: a column of kind boolean cannot hold the type integer",
    ),
    (
        "a table that is not there",
        running_sql("ALTER TABLE people RENAME TO persons"),
        running_sql("ALTER TABLE persons RENAME TO people"),
        "people",
    ),
]  # fmt: skip


CASES = [pytest.param(*case[1:], LIVE, id=f"{case[0]}, live") for case in WAITS]
CASES.append(pytest.param(*WAITS[0][1:], NOW_AND_THEN, id=f"{WAITS[0][0]}, pulled now and then"))
CASES += [pytest.param(*case[1:], STREAMED, id=f"{case[0]}, by a slot") for case in WAITS]


@pytest.mark.parametrize(("harm", "heal", "reason", "mode"), CASES)
@pytest.mark.timeout(90)
def test_what_a_server_does_stops_its_own_link_alone_and_says_so(
    tmp_path: Path, server: Server, prefs: PostgresPrefs, harm: Harm, heal: Harm, reason: str, mode: tuple[str, str]
) -> None:
    stores = in_step(tmp_path, prefs, mode)
    by_a_person = "GRANT" in reason or "user" in reason
    """A right is not asked for again at once: `sync` does."""
    with live(stores) as daemon:
        harm(server, prefs)
        try:
            stores.crm.edit([Change(PERSON, "first_name", "Ada")])
            until(lambda: re.search(reason, link(stores, "prefs")["last_error"]) is not None, 30)
            until(lambda: arrives(stores, "crm", "mail", "last_name", "Byron"))
            stores.crm.add([person_named(50)])
            stores.crm.delete([OTHER])
            until(lambda: "C00050" in stores.mail.rows() and OTHER not in stores.mail.rows())
            assert link(stores, "prefs")["state"] == "failing"
        finally:
            heal(server, prefs)

        if not by_a_person:
            until(lambda: link(stores, "prefs")["state"] != "failing", 40)
            until(lambda: in_step_now(stores))
        assert daemon.process.poll() is None
    done = stores.sync()

    assert (done.code, done.document["failed"]) == (0, {})
    assert in_step_now(stores)
    assert stores.crm.rows()[PERSON]["last_name"] == "Byron"
    assert (
        sum(stores.sync().written[system][op] for system in stores.by_name for op in ("create", "update", "delete"))
        == 0
    )


def in_step_now(stores: Stores) -> bool:
    """Everybody shows the same, and nobody is doubled or lost."""
    rows = stores.rows()
    assert len(rows["crm"]) == 12
    return rows["crm"] == rows["mail"] == rows["prefs"]


def test_a_column_whose_new_type_holds_the_field_as_well_stops_nothing_for_long(
    tmp_path: Path, prefs: PostgresPrefs
) -> None:
    stores = in_step(tmp_path, prefs)
    with live(stores):
        prefs.run("ALTER TABLE people ALTER score TYPE jsonb USING to_jsonb(score), ALTER city TYPE varchar(99)")
        until(lambda: arrives(stores, "crm", "prefs", "city", "after the change"))

        prefs.run("UPDATE people SET score = '4711' WHERE customer_id = '" + PERSON + "'")
        until(lambda: bool(stores.crm.rows()[PERSON]["score"] == 4711))


def test_what_may_not_be_written_shows_although_it_can_be_read(tmp_path: Path, prefs: PostgresPrefs) -> None:
    stores = in_step(tmp_path, prefs)
    with live(stores):
        prefs.run(f"REVOKE UPDATE ON people FROM {ROLE}")
        stores.crm.edit([Change(PERSON, "city", "Rome")])
        until(lambda: link(stores, "prefs")["state"] == "failing")
        prefs.edit([Change(PERSON, "last_name", "Byron")])
        until(lambda: bool(stores.crm.rows()[PERSON]["last_name"] == "Byron"))

        assert link(stores, "prefs")["state"] == "failing"
        assert "GRANT UPDATE ON public.people TO sync_role;" in link(stores, "prefs")["last_error"]

    prefs.run(f"GRANT UPDATE ON people TO {ROLE}")
    assert stores.sync().code == 0
    assert in_step_now(stores)


@pytest.mark.parametrize("mode", [LIVE, STREAMED], ids=["by notes", "by a slot"])
def test_backends_that_are_ended_at_any_moment_lose_and_double_nothing(
    tmp_path: Path, prefs: PostgresPrefs, mode: tuple[str, str]
) -> None:
    stores = in_step(tmp_path, prefs, mode)
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{ROLE}' AND pid <> pg_backend_pid()"
    with live(stores):
        for n in range(40):
            stores.crm.edit([Change(PERSON, "city", f"City {n}")])
            prefs.edit([Change(OTHER, "city", f"Town {n}")])
            if n % 4 == 0:
                stores.crm.add([person_named(100 + n)])
                prefs.add([person_named(200 + n)])
            prefs.run(end)
    done = stores.sync()
    while done.code == 75:
        done = stores.sync()

    rows = stores.rows()
    assert (done.code, len(rows["crm"])) == (0, 12 + 20)
    assert rows["crm"] == rows["mail"] == rows["prefs"]
    assert (rows["crm"][PERSON]["city"], rows["crm"][OTHER]["city"]) == ("City 39", "Town 39")


# A full disk -------------------------------------------------------------------------------------------------------

KEPT = """CREATE TABLE kept (line text) {place};
    ALTER TABLE kept ALTER line SET STORAGE PLAIN;
    CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS
        'BEGIN INSERT INTO public.kept VALUES (repeat(''x'', 7000)); RETURN NULL; END';
    CREATE TRIGGER keep AFTER INSERT OR UPDATE OR DELETE ON people FOR EACH ROW EXECUTE FUNCTION keep()"""
"""Each change of a person needs a page of its own."""
FULL = "the disk of the server is full"


class SmallFileSystem:
    """The table stands on a file system of one megabyte, which something else fills. Mounting it takes a right."""

    def __init__(self, server: Server, prefs: PostgresPrefs) -> None:
        self._prefs = prefs
        self._place = server.folder / "small"
        self._place.mkdir()
        owner = (server.folder / "data").stat().st_uid
        mount = ["mount", "-t", "tmpfs", "-o", f"size=1m,uid={owner}"]
        if subprocess.run([*mount, "small", self._place], capture_output=True, check=False).returncode:
            self._place.rmdir()
            pytest.skip("nobody lets the tests mount a file system")
        prefs.run(f"CREATE TABLESPACE small LOCATION '{self._place}'")
        self.kept = KEPT.format(place="TABLESPACE small")

    def fill(self) -> None:
        with contextlib.suppress(OSError), (self._place / "ballast").open("wb", buffering=0) as ballast:
            while True:
                ballast.write(bytes(4096))

    def free(self) -> None:
        (self._place / "ballast").unlink()

    def close(self) -> None:
        try:
            self._prefs.run("DROP TABLE IF EXISTS kept CASCADE", "CHECKPOINT", "DROP TABLESPACE small")
        finally:
            subprocess.run(["umount", "--lazy", self._place], check=True)
        self._place.rmdir()


class FullDevice:
    """The file of the table is for a while the device that is always full: no right is needed for that."""

    def __init__(self, server: Server, prefs: PostgresPrefs) -> None:
        if not Path("/dev/full").is_char_device():
            pytest.skip("there is no /dev/full")
        self._server = server
        self._name = prefs.database.name
        self.kept = KEPT.format(place="")

    def fill(self) -> None:
        self._server.run("TRUNCATE kept", self._name)
        place = self._server.run("SELECT pg_relation_filepath('kept')", self._name)
        self._file = self._server.folder / "data" / place
        self._file.rename(f"{self._file}.aside")
        self._file.symlink_to("/dev/full")

    def free(self) -> None:
        Path(f"{self._file}.aside").replace(self._file)

    def close(self) -> None:
        """Its database goes with the server."""


Disk: TypeAlias = SmallFileSystem | FullDevice


@pytest.fixture(params=[SmallFileSystem, FullDevice])
def disk(request: pytest.FixtureRequest, server: Server, prefs: PostgresPrefs) -> Iterator[Disk]:
    disk = request.param(server, prefs)
    try:
        yield disk
    finally:
        disk.close()


def test_a_full_disk_stops_its_own_link_alone_and_what_was_missed_arrives(
    tmp_path: Path, prefs: PostgresPrefs, disk: Disk
) -> None:
    stores = in_step(tmp_path, prefs)
    prefs.run(disk.kept)
    with live(stores) as daemon:
        disk.fill()
        before = prefs.rows()
        stores.crm.edit([Change(PERSON, "last_name", "Byron")])
        stores.crm.add([person_named(50)])
        stores.crm.delete([OTHER])
        until(lambda: FULL in (link(stores, "prefs")["last_error"] or ""), 30)
        until(lambda: "C00050" in stores.mail.rows() and OTHER not in stores.mail.rows())
        until(lambda: bool(stores.mail.rows()[PERSON]["last_name"] == "Byron"))
        assert link(stores, "prefs")["state"] == "failing"
        assert prefs.rows() == before

        disk.free()
        until(lambda: in_step_now(stores), 40)
        until(lambda: link(stores, "prefs")["state"] != "failing")
        assert daemon.process.poll() is None
    assert prefs.rows()[PERSON]["last_name"] == "Byron"
    assert not any(sum(counts.values()) for counts in stores.sync().written.values())


def test_a_sync_into_a_full_disk_says_so_and_the_next_one_makes_up_for_it(
    tmp_path: Path, prefs: PostgresPrefs, disk: Disk
) -> None:
    stores = in_step(tmp_path, prefs, NOW_AND_THEN)
    prefs.run(disk.kept)
    disk.fill()
    stores.crm.edit([Change(PERSON, "last_name", "Byron")])

    done = stores.sync()

    assert done.code == 75
    assert [FULL in text for text in done.document["failed"].values()] == [True]
    assert stores.mail.rows()[PERSON]["last_name"] == "Byron"
    disk.free()
    assert stores.sync().code == 0
    assert in_step_now(stores)
