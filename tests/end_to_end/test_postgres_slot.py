"""PostgreSQL by a slot, as people see it: what `check` asks for, what `status` says, and edits without the slot."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.postgres_store import STREAMED, PostgresPrefs, config
from tests.end_to_end.three_stores import Change, Stores, person_named, until
from tests.servers.postgres import Server, streaming

PERSON = "C00003"
ROLE = "slot_role"
OFTEN = (STREAMED[0], 'live = true\nevery = "1s"')
"""The link is pulled often, too, so that a test need not wait for the next one."""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server whose slots may be dropped."""
    with streaming() as server:
        server.run(f"CREATE ROLE {ROLE} LOGIN")
        yield server


@pytest.fixture
def prefs(server: Server) -> Iterator[PostgresPrefs]:
    with PostgresPrefs.of(server.database(), STREAMED) as prefs:
        yield prefs
        prefs.run(*dropped(prefs))
        server.run(f"ALTER ROLE {ROLE} NOREPLICATION")


def dropped(prefs: PostgresPrefs) -> list[str]:
    """The statements that take the slot away from whoever reads it."""
    name = prefs.database.name
    return [
        f"SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '{name}' AND active",
        "SELECT pg_sleep(0.2)",
        f"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '{name}'",
    ]


def stores_of(folder: Path, prefs: PostgresPrefs, user: str = "postgres") -> Stores:
    people = [person_named(n) for n in range(12)]
    return Stores.of(folder, people, config(prefs.database.dsn(user), OFTEN), prefs=prefs)


def status(stores: Stores) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stores.command("status", "--json").stdout)
    return found


def arrives(stores: Stores, source: str, target: str, value: str) -> bool:
    """Whether an edit, made now or before, has come from one store to another."""
    if stores.by_name[source].rows()[PERSON]["city"] != value:
        stores.by_name[source].edit([Change(PERSON, "city", value)])
    return bool(stores.by_name[target].rows()[PERSON]["city"] == value)


def test_check_asks_for_one_thing_after_another_until_the_link_is_live(tmp_path: Path, prefs: PostgresPrefs) -> None:
    stores = stores_of(tmp_path, prefs, ROLE)
    prefs.run(
        *dropped(prefs), "DROP PUBLICATION datasyncd", f"GRANT SELECT, INSERT, UPDATE, DELETE ON people TO {ROLE}"
    )
    expected = (
        (78, "CREATE PUBLICATION datasyncd FOR TABLE public.people;"),
        (78, f"ALTER ROLE {ROLE} REPLICATION;"),
        (0, f"SELECT pg_create_logical_replication_slot('{prefs.database.name}', 'pgoutput');"),
        (0, "ALTER SYSTEM SET max_slot_wal_keep_size = '10GB';"),
    )
    for code, statement in expected:
        done = stores.command("check")
        assert done.returncode == code, done.stdout
        assert statement in re.sub(r"\s+", " ", done.stdout + done.stderr)
        prefs.run(statement)
    prefs.run("SELECT pg_reload_conf()")
    done = stores.command("check", "--json")

    assert done.returncode == 0
    (note,) = [finding for finding in json.loads(done.stdout)["findings"] if finding["place"] == "systems.prefs"]
    assert re.fullmatch(r"slot_kept_bytes [\d,]+, slot_unread_bytes [\d,]+", note["text"])
    assert stores.sync().code == 0
    with stores.daemon():
        until(lambda: arrives(stores, "prefs", "crm", "by the slot"))
    prefs.run("ALTER SYSTEM RESET max_slot_wal_keep_size", "SELECT pg_reload_conf()")


def test_a_slot_that_goes_away_and_comes_back_is_told_and_no_edit_waits_for_it(
    tmp_path: Path, prefs: PostgresPrefs
) -> None:
    stores = stores_of(tmp_path, prefs)
    assert stores.sync().code == 0
    with stores.daemon() as daemon:
        until(lambda: arrives(stores, "prefs", "crm", "before"))
        assert set(status(stores)["systems"]["prefs"]) == {"slot_kept_bytes", "slot_unread_bytes"}
        prefs.run(*dropped(prefs))
        prefs.edit([Change(PERSON, "last_name", "Byron")])
        prefs.delete(["C00004"])
        until(lambda: bool(stores.crm.rows()[PERSON]["last_name"] == "Byron"))
        until(lambda: "C00004" not in stores.crm.rows())
        (problem,) = [problem for problem in status(stores)["problems"] if problem["code"] == "system"]
        (statement,) = re.findall(r"SELECT .*;", problem["text"])

        prefs.run(statement)
        until(lambda: status(stores)["problems"] == [], 40)
        until(lambda: arrives(stores, "prefs", "crm", "after"))
        assert daemon.process.poll() is None
    assert stores.sync().code == 0
    assert stores.rows()["crm"] == stores.rows()["prefs"] == stores.rows()["mail"]


def test_a_plan_beside_the_daemon_takes_nothing_from_its_slot(tmp_path: Path, prefs: PostgresPrefs) -> None:
    stores = stores_of(tmp_path, prefs)
    assert stores.sync().code == 0
    reader = f"SELECT active_pid FROM pg_replication_slots WHERE slot_name = '{prefs.database.name}'"
    with stores.daemon():
        until(lambda: arrives(stores, "prefs", "crm", "before"))
        before = prefs.database.server.run(reader)
        done = stores.command("plan", "--json")
        assert (done.returncode, json.loads(done.stdout)["failed"]) == (0, {})

        assert prefs.database.server.run(reader) == before != ""
        until(lambda: arrives(stores, "prefs", "crm", "after"))
