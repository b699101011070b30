"""Servers are certified as they are configured, what the daemon uses there is left alone, and nothing stays behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.servers import mysql as mysql_server
from tests.servers.postgres import NOTES, Database, streams_changes
from tests.servers.radicale import PASSWORD, USER, Server

PATIENCE_S = 110

CONFIG = """
[systems.crm]
adapter = "{adapter}"
{options}

[entities.contact]
identify = ["email"]

[entities.contact.fields]
email = {{ type = "email" }}

[links.crm.contact]
object    = "contacts"
key       = "id"
direction = "pull"
map       = {{ email = "email" }}
"""


def certified(folder: Path, adapter: str, **options: Any) -> tuple[int, Any]:
    """The exit code, and the document."""
    text = "\n".join(f"{name} = {json.dumps(value)}" for name, value in options.items())
    (folder / "config.toml").write_text(CONFIG.format(adapter=adapter, options=text), encoding="utf-8")
    words = [sys.executable, "-m", "datasyncd", "adapters", "certify", "crm", "--json"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    return done.returncode, json.loads(done.stdout)


def broken(found: Any) -> list[str]:
    """What was seen of broken promises."""
    cases = [case for promise in found["promises"] for case in promise["cases"]]
    return [f"{case['name']}: {case['why']}" for case in cases if case["verdict"] == "broken"]


OBJECTS = """
SELECT 'table ' || relname FROM pg_class WHERE relname LIKE 'datasyncd\\_certify%'
UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE proname LIKE 'datasyncd\\_certify%'
UNION ALL SELECT 'publication ' || pubname FROM pg_publication WHERE pubname LIKE 'datasyncd\\_certify%'
UNION ALL SELECT 'slot ' || slot_name FROM pg_replication_slots WHERE slot_name LIKE 'datasyncd\\_certify%'"""
PLACE = "SELECT confirmed_flush_lsn, active FROM pg_replication_slots WHERE slot_name = $1"


async def test_postgres_with_a_slot_is_certified_by_a_slot_of_its_own(database: Database, tmp_path: Path) -> None:
    await database.run("CREATE TABLE contacts (id bigint PRIMARY KEY, email text)")
    slot = await streams_changes(database, "contacts")
    await database.run("INSERT INTO contacts VALUES (1, 'ada@example.com')")
    before = await database.rows(PLACE, slot)

    code, found = certified(tmp_path, "postgres", dsn=database.dsn(), slot=slot)

    assert (code, broken(found)) == (0, [])
    assert found["somebody"] == "another session of the same user"
    assert {each["name"]: each["value"] for each in found["capabilities"]}["deletions"] == "told"
    assert await database.rows(PLACE, slot) == before, "the daemon's own slot was not read"
    assert await database.rows(OBJECTS) == []


async def test_postgres_with_notes_and_a_version_is_certified(database: Database, tmp_path: Path) -> None:
    await database.run(NOTES.read_text(encoding="utf-8"))
    options = {"dsn": database.dsn(), "changes": "datasyncd.changes", "version": {}}

    code, found = certified(tmp_path, "postgres", **{name: value for name, value in options.items() if value})

    assert (code, broken(found)) == (0, [])
    assert await database.rows(OBJECTS) == []
    assert await database.rows("SELECT count(*) FROM datasyncd.changes") == [(0,)], "no note of it is left"


async def test_a_role_that_may_make_no_table_is_told_what_would_let_it(database: Database, tmp_path: Path) -> None:
    role = f"reader_of_{database.name}"
    await database.run(f"CREATE ROLE {role} LOGIN", "REVOKE CREATE ON SCHEMA public FROM PUBLIC")

    code, found = certified(tmp_path, "postgres", dsn=database.dsn(role))

    await database.run(f"DROP ROLE {role}")
    assert (code, found["error"]["exit_code"]) == (69, 69)
    assert f"GRANT CREATE ON SCHEMA public TO {role};" in found["error"]["text"]


async def test_mariadb_is_certified(mysql: mysql_server.Database, tmp_path: Path) -> None:
    await mysql.run(mysql_server.notes_table(mysql))

    code, found = certified(tmp_path, "mysql", dsn=mysql.dsn(), changes=mysql.notes)

    assert (code, broken(found)) == (0, [])
    assert await mysql.rows("SHOW TABLES") == [("changes",)]
    assert await mysql.rows("SHOW TRIGGERS") == []
    assert await mysql.rows(f"SELECT count(*) FROM {mysql.notes}") == [(0,)], "no note of it is left"


async def test_a_user_who_may_make_no_table_is_told_what_would_let_them(
    mysql: mysql_server.Database, tmp_path: Path
) -> None:
    user = await mysql.user("SELECT")

    code, found = certified(tmp_path, "mysql", dsn=mysql.dsn(user))

    assert (code, found["error"]["exit_code"]) == (69, 69)
    assert f"GRANT CREATE, DROP, SELECT, INSERT, UPDATE, DELETE ON {mysql.name}.*" in found["error"]["text"]


def test_an_address_book_is_certified_beside_itself(carddav: Server, tmp_path: Path) -> None:
    books = carddav.folder / "collection-root" / USER
    before = sorted(books.iterdir()) if books.is_dir() else []

    code, found = certified(tmp_path, "carddav", url=carddav.url, user=USER, password=PASSWORD)

    assert (code, broken(found)) == (0, [])
    assert found["somebody"] == "a second connection by the same adapter"
    assert PASSWORD not in json.dumps(found, ensure_ascii=False)
    assert (sorted(books.iterdir()) if books.is_dir() else []) == before
