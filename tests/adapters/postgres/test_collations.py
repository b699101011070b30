"""PostgreSQL: keys that are texts in the order of a language, which is neither that of their bytes nor Python's."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from datasyncd.adapters.contract import Gone, ObjectSpec, Write, Written
from datasyncd.adapters.sql import pulling
from datasyncd.adapters.testing.desk import opened, pages, records
from tests.servers.postgres import Database, Server, notes_changes, running

HERE = Path()
LANGUAGES = {"en_US.UTF-8": "en_US", "de_DE.UTF-8": "de_DE", "sv_SE.UTF-8": "sv_SE"}
"""Their orders differ: of ä, of upper and lower case, of what is passed over."""
LETTERS = (
    "a", "A", "ä", "Ä", "a\u0308", "z", "Z", "å", "e", "é", "-", "_", " ", "1", "ß", "ss", "🎉", "'", "\\", "\x01",
)  # fmt: skip


@pytest.fixture(scope="module")
def locales() -> Iterator[Path]:
    """A folder of languages, made for the tests: the server that they have brings none, and no ICU."""
    compiler = shutil.which("localedef")
    with tempfile.TemporaryDirectory(prefix="datasyncd-locales-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for language, source in LANGUAGES.items():
            command = [compiler or "false", "-i", source, "-f", "UTF-8", str(folder / language)]
            subprocess.run(command, capture_output=True, check=False)
        if not all((folder / language / "LC_COLLATE").exists() for language in LANGUAGES):
            pytest.skip("there is no localedef, or no sources of locales: see the package `locales`")
        yield folder


@pytest.fixture(scope="module")
def server(locales: Path) -> Iterator[Server]:
    with running(locales=locales) as server:
        yield server


@pytest.fixture(params=["database", "column", "domain"])
def collated(request: pytest.FixtureRequest, server: Server) -> tuple[Database, str]:
    """A database, and the type of the keys in it, which are in the order of a language."""
    if request.param == "database":
        database = server.database("LOCALE 'sv_SE.UTF-8'")
        return database, "text"
    database = server.database()
    server.run('CREATE COLLATION de (LOCALE = \'de_DE.UTF-8\'); CREATE COLLATION en (LOCALE = \'en_US.UTF-8\');'
               'CREATE DOMAIN code AS text COLLATE "C"', database.name)  # fmt: skip
    return database, "varchar(9) COLLATE de" if request.param == "column" else "code COLLATE en"


def words(count: int) -> list[str]:
    """Short texts, most of which stand elsewhere in the order of a language than in that of their bytes."""
    of = ("".join(letters) for n in (1, 2, 3) for letters in itertools.product(LETTERS, repeat=n))
    return list(itertools.islice(dict.fromkeys(of), 0, None, 3))[:count]


async def in_order(database: Database) -> list[str]:
    return [key for (key,) in await database.rows("SELECT key FROM things ORDER BY key")]


@pytest.mark.parametrize("page", [1, 7, 1000])
async def test_no_key_is_missed_and_none_comes_twice(
    collated: tuple[Database, str], page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling.Pulling, "page", page)
    database, kind = collated
    keys = words(2500 if page == 1000 else 300)
    await database.run(f"CREATE TABLE things (key {kind} PRIMARY KEY, name text)")
    await database.many("INSERT INTO things VALUES ($1, 'x')", [(key,) for key in keys])
    assert await in_order(database) not in (sorted(keys), sorted(keys, key=str.casefold))
    async with opened("postgres", HERE, ObjectSpec("things", "key", ("name",)), dsn=database.dsn()) as desk:
        found = await pages(desk, "things")

        assert [record.key for part in found for record in part.records] == await in_order(database)
        assert [part.complete for part in found] == [False] * (len(found) - 1) + [True]


async def test_others_write_at_the_borders_of_pages(
    collated: tuple[Database, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling.Pulling, "page", 10)
    database, kind = collated
    keys = words(200)
    there, added = keys[::2], keys[1::2]
    await database.run(f"CREATE TABLE things (key {kind} PRIMARY KEY, name text)")
    await database.many("INSERT INTO things VALUES ($1, 'x')", [(key,) for key in there])
    async with opened("postgres", HERE, ObjectSpec("things", "key", ("name",)), dsn=database.dsn()) as desk:
        seen: list[str] = []
        new = iter(added)
        async for part in desk.pull("things", None):
            seen += [record.key for record in part.records]
            some = list(itertools.islice(new, 10))
            await database.many("INSERT INTO things VALUES ($1, 'x')", [(key,) for key in some])
            if part.records:
                await database.run("UPDATE things SET name = 'y' WHERE key IN (SELECT max(key) FROM things)")

        assert len(seen) == len(set(seen))
        assert set(there) <= set(seen) <= set(keys)


async def test_composite_keys_and_a_mark_of_text(
    collated: tuple[Database, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling.Pulling, "page", 9)
    database, kind = collated
    rows = [(one, two) for one in LETTERS for two in LETTERS]
    await database.run(f"CREATE TABLE things (a {kind}, b {kind}, name text, PRIMARY KEY (a, b))")
    await database.many("INSERT INTO things VALUES ($1, $2, 'x')", rows)
    spec = ObjectSpec("things", "a", ("name",), more_keys=("b",))
    async with opened("postgres", HERE, spec, dsn=database.dsn()) as desk:
        found = [record.fields for part in await pages(desk, "things") for record in part.records]

        ordered = await database.rows("SELECT a, b FROM things ORDER BY a, b")
        assert [(row["a"], row["b"]) for row in found] == ordered


async def test_keys_are_read_written_and_told_one_by_one(collated: tuple[Database, str]) -> None:
    database, kind = collated
    keys = words(60)
    await database.run(f"CREATE TABLE things (key {kind} PRIMARY KEY, name text)")
    await notes_changes(database, "things", "key")
    options: dict[str, Any] = {"dsn": database.dsn(), "changes": "datasyncd.changes"}
    async with opened("postgres", HERE, ObjectSpec("things", "key", ("key", "name")), **options) as desk:
        cursor = (await pages(desk, "things"))[-1].cursor
        made = await desk.push("things", [Write("create", key, {"name": key}) for key in keys])
        assert [outcome.key for outcome in made if isinstance(outcome, Written)] == keys

        for outcomes in (
            await desk.push("things", [Write("update", key, {"name": "new"}) for key in reversed(keys)]),
            await desk.push("things", [Write("delete", key) for key in keys[:20]]),
        ):
            assert all(isinstance(outcome, Written) for outcome in outcomes)
        assert await desk.read("things", keys[:20]) == [Gone(key) for key in keys[:20]]
        assert await records(desk, "things") == {key: {"key": key, "name": "new"} for key in keys[20:]}

        await database.many("UPDATE things SET name = 'theirs' WHERE key = $1", [(key,) for key in keys[20:40]])
        await database.many("DELETE FROM things WHERE key = $1", [(key,) for key in keys[40:]])
        found = await pages(desk, "things", cursor)
        assert {record.key for part in found for record in part.records} == set(keys[20:40])
        assert {key for part in found for key in part.gone} >= set(keys[40:])
