"""Records that a system would never take: `check` says so, and a plan counts them as the sync after it finds them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import duckdb
import pytest

from datasyncd.daemon.check import check
from datasyncd.daemon.config.load import Config, load
from datasyncd.daemon.cycle import SyncResult, sync
from datasyncd.daemon.engine import Engine
from datasyncd.daemon.plan.carry_out import apply
from datasyncd.daemon.plan.look import plan, plan_to
from tests.servers import mysql as mysql_server
from tests.servers.postgres import Database

CONFIG = """
[systems.crm]
{system}
[systems.shop]
adapter = "sqlite"
path = "shop.db"
[entities.person]
identify = ["email"]
[entities.person.fields]
email = {{ type = "email" }}
name = {{ type = "text" }}
[links.crm.person]
object = "people"
key = {key}
direction = "{direction}"
map = {{ email = "email", name = "name" }}
[links.shop.person]
object = "people"
key = "id"
direction = "both"
map = {{ email = "email", name = "name" }}
"""
KEY, PARTS = '"id"', '["shop", "num"]'
SQLITE = 'adapter = "sqlite"\npath = "crm.db"'
NOBODY = "that nobody gives; let the database make"
NOT_NULL = "req: it may not be NULL and has no default; give it one there, or map a field to it"
ALIKE = [
    ("id integer PRIMARY KEY, req integer NOT NULL", KEY, [NOT_NULL]),
    ("id varchar(40) PRIMARY KEY, req integer NOT NULL", KEY, [NOT_NULL]),
    ("id int PRIMARY KEY", KEY, [f"id: the key of a new record is an integer {NOBODY} id, or map a field to it"]),
]


def tables(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def world(folder: Path, system: str, key: str = KEY, direction: str = "both") -> Config:
    """Three people in the shop, who are to come into the CRM."""
    tables(
        folder / "shop.db",
        "CREATE TABLE people (id integer PRIMARY KEY, email text, name text)",
        "INSERT INTO people VALUES (1, 'a@x.org', 'A'), (2, 'b@x.org', NULL), (3, 'c@x.org', 'C')",
    )
    file = folder / "config.toml"
    file.write_text(CONFIG.format(system=system, key=key, direction=direction))
    return load(file, {})


async def synced(config: Config) -> SyncResult:
    async with Engine.open(config, "test") as engine:
        return await sync(engine)


async def foreseen(config: Config, whys: Sequence[str], object: str = "people") -> None:
    """What check and plan say is what sync then does."""
    warned = [found.text for found in await check(config) if found.severity == "warning" and "no record" in found.text]
    assert warned == [f"no record can be made in {object}: {why}" for why in whys]

    planned = await plan(config)
    done = await synced(config)

    counted = planned.systems["crm"]["person"]
    assert (counted.create, counted.quarantined) == (done.written.get("crm", {"create": 0})["create"], 3) == (0, 3)
    assert (planned.conflicts, planned.quarantined) == (done.conflicts, done.quarantined) == (3, 3)
    assert planned.exit_code == done.exit_code == 1
    refused = [example for example in planned.examples if example.action == "refused"]
    assert [(example.system, example.kind, example.key) for example in refused] == [
        ("crm", "create", key) for key in ("a@x.org", "b@x.org", "c@x.org")
    ]
    assert {change.because for example in refused for change in example.fields.values()} == {f"crm: {'; '.join(whys)}"}


@pytest.mark.parametrize(("columns", "key", "whys"), ALIKE)
async def test_in_sqlite(columns: str, key: str, whys: Sequence[str], tmp_path: Path) -> None:
    tables(tmp_path / "crm.db", f"CREATE TABLE people (email text, name text, {columns})")
    await foreseen(world(tmp_path, SQLITE, key), whys)


COMPOSITE = (
    "shop integer, num integer, PRIMARY KEY (shop, num)",
    PARTS,
    [
        f"{name}: the key of a new record is of several parts, {name} being one {NOBODY} {name}, or map a field to it"
        for name in ("shop", "num")
    ],
)
SERVERS = [
    ("id varchar(40) PRIMARY KEY, req integer NOT NULL", KEY, [NOT_NULL]),
    ("id integer PRIMARY KEY", KEY, [f"id: the key of a new record is an integer {NOBODY} id, or map a field to it"]),
    COMPOSITE,
]


@pytest.mark.parametrize(("columns", "key", "whys"), SERVERS)
async def test_in_postgres(columns: str, key: str, whys: Sequence[str], tmp_path: Path, database: Database) -> None:
    await database.run(f"CREATE TABLE people (email text, name text, {columns})")
    await foreseen(world(tmp_path, f'adapter = "postgres"\ndsn = "{database.dsn()}"', key), whys, "public.people")


@pytest.mark.parametrize(("columns", "key", "whys"), SERVERS)
async def test_in_mysql(
    columns: str, key: str, whys: Sequence[str], tmp_path: Path, mysql: mysql_server.Database
) -> None:
    await mysql.run(f"CREATE TABLE people (email text, name text, {columns})")
    await foreseen(world(tmp_path, f'adapter = "mysql"\ndsn = "{mysql.dsn()}"', key), whys, f"{mysql.name}.people")


@pytest.mark.parametrize(("columns", "key", "whys"), SERVERS)
async def test_in_duckdb(columns: str, key: str, whys: Sequence[str], tmp_path: Path) -> None:
    with closing(duckdb.connect(tmp_path / "crm.duckdb")) as connection:
        connection.execute(f"CREATE TABLE people (email text, name text, {columns})")
    await foreseen(world(tmp_path, 'adapter = "duckdb"\npath = "crm.duckdb"', key), whys)


async def test_a_link_that_only_pulls_makes_none_and_is_not_warned(tmp_path: Path) -> None:
    tables(tmp_path / "crm.db", "CREATE TABLE people (id integer PRIMARY KEY, email text, name text, req int NOT NULL)")

    found = await check(world(tmp_path, SQLITE, direction="pull"))

    assert [each for each in found if "no record can be made" in each.text] == []


async def test_records_that_are_there_are_updated_all_the_same(tmp_path: Path) -> None:
    tables(
        tmp_path / "crm.db",
        "CREATE TABLE people (id integer PRIMARY KEY, email text, name text, req int NOT NULL)",
        "INSERT INTO people VALUES (7, 'b@x.org', 'B', 1)",
    )
    config = world(tmp_path, SQLITE)

    planned, done = await plan(config), await synced(config)

    assert planned.systems["shop"]["person"].update == done.written["shop"]["update"] == 1
    assert planned.quarantined == done.quarantined == 2


async def test_once_the_table_takes_them_they_are_made(tmp_path: Path) -> None:
    """What is refused is refused by the database, so nothing that was found beforehand stands in the way."""
    tables(tmp_path / "crm.db", "CREATE TABLE people (id integer PRIMARY KEY, email text, name text, req int NOT NULL)")
    config = world(tmp_path, SQLITE)
    async with Engine.open(config, "test") as engine:
        await sync(engine)
        tables(
            tmp_path / "crm.db",
            "DROP TABLE people",
            "CREATE TABLE people (id integer PRIMARY KEY, email text, name text, req int NOT NULL DEFAULT 0)",
        )
        tables(tmp_path / "shop.db", "UPDATE people SET name = 'New' WHERE id = 1")

        done = await sync(engine)

    assert done.written["crm"]["create"] == 1


async def test_apply_leaves_out_what_would_be_refused_and_says_so(tmp_path: Path) -> None:
    tables(tmp_path / "crm.db", "CREATE TABLE people (id integer PRIMARY KEY, email text, name text, req int NOT NULL)")
    config = world(tmp_path, SQLITE)
    await plan_to(config, tmp_path / "plan.jsonl")

    done = await apply(config, tmp_path / "plan.jsonl")

    assert [(left.system, left.op, left.why) for left in done.left_out] == [("crm", "create", "refused")] * 3
