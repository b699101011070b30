"""PostgreSQL in a config: composite keys, generated columns, and what `check` says of tables, rights and triggers."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.three_stores import COMMAND, environment
from tests.servers.postgres import NOTES, Server

CONFIG = """\
[daemon]
state_dir = "var"
listen = ""

[systems.shop]
adapter = "postgres"
dsn = { credential = "shop-dsn" }
SHOP

[systems.mail]
adapter = "sqlite"
path = "mail.db"

[entities.seat]
identify = ["code"]
on_delete = "propagate"

[entities.seat.fields]
code = { type = "text" }
shop = { type = "text" }
number = { type = "integer" }
holder = { type = "text" }
tags = { type = "set" }
price = { type = "decimal" }
gross = { type = "decimal" }

[links.shop.seat]
object = "public.seats"
key = ["shop", "number"]
direction = "both"
guard = { update = "off", delete = "off" }
LINK

[links.shop.seat.map]
code = "code"
shop = "shop"
number = "number"
holder = "holder"
tags = "tags"
price = { field = "price", lossy = true }
gross = { field = "gross", direction = "GROSS" }

[links.mail.seat]
object = "seats"
key = MAIL_KEY
direction = "both"
guard = { update = "off", delete = "off" }

[links.mail.seat.map]
code = "code"
shop = "shop"
number = "number"
holder = "holder"
tags = "tags"
price = "price"
gross = "gross"
"""

TABLE = """CREATE TABLE seats (
    shop text, number integer, code text UNIQUE, holder varchar(20), tags text[], price numeric(10, 2),
    gross numeric GENERATED ALWAYS AS (price * 2) STORED, PRIMARY KEY (shop, number))"""


class Installation:
    """A folder with a config, a store in SQLite and a table in PostgreSQL."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder = folder
        self.database = server.database()
        self.dsn = self.database.dsn()
        with sqlite3.connect(folder / "mail.db") as mail:
            mail.execute(
                "CREATE TABLE seats (id INTEGER PRIMARY KEY, code TEXT, shop TEXT, number INTEGER, holder TEXT, "
                "tags TEXT, price TEXT, gross TEXT)"
            )
        mail.close()
        self.configure()

    def configure(self, *, shop: str = "", link: str = "", gross: str = "pull", mail_key: str = '"id"') -> None:
        """Write the config: more lines of the system and of the link, and what may be wrong."""
        text = CONFIG.replace("SHOP", shop).replace("LINK", link).replace("GROSS", gross).replace("MAIL_KEY", mail_key)
        (self.folder / "config.toml").write_text(text, encoding="utf-8")

    def sql(self, *statements: str) -> None:
        asyncio.run(self.database.run(*statements))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return asyncio.run(self.database.rows(sql))

    def mail(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.folder / "mail.db") as mail:
            found = mail.execute(sql, values).fetchall()
        mail.close()
        return found

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words, "--config", str(self.folder / "config.toml")], capture_output=True, text=True,
            timeout=60,
            env={**environment(), "DATASYNCD_SHOP_DSN": self.dsn}, check=False,
        )  # fmt: skip

    def sync(self) -> dict[str, Any]:
        done = self.command("sync", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def check(self) -> tuple[int, list[dict[str, Any]]]:
        done = self.command("check", "--json")
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)["findings"]


@pytest.fixture
def place(tmp_path: Path, postgres: Server) -> Installation:
    return Installation(tmp_path, postgres)


def test_records_with_a_key_of_several_columns_go_both_ways(place: Installation) -> None:
    place.sql(
        TABLE, "INSERT INTO seats VALUES ('north', 1, 'N1', 'Ann', '{a,b}', 12.50), ('it''s', 2, 'I2', 'Bob', NULL, 3)"
    )
    place.mail(
        "INSERT INTO seats (code, shop, number, holder, tags, price) VALUES ('S9', 'south', 9, 'Cid', 'x;y', '7.25')"
    )

    place.sync()
    columns = "code, shop, number, holder"
    everybody = [("I2", "it's", 2, "Bob"), ("N1", "north", 1, "Ann"), ("S9", "south", 9, "Cid")]
    assert place.rows(f"SELECT {columns} FROM seats ORDER BY code") == everybody
    assert place.mail(f"SELECT {columns} FROM seats ORDER BY code") == everybody
    assert place.rows("SELECT tags, price::text FROM seats WHERE code = 'S9'") == [(["x", "y"], "7.25")]
    assert place.mail("SELECT tags, price, gross FROM seats WHERE code = 'N1'") == [("a;b", "12.5", "25")]

    place.sql("UPDATE seats SET holder = 'Anna', price = 20 WHERE code = 'N1'", "DELETE FROM seats WHERE code = 'I2'")
    place.mail("UPDATE seats SET holder = 'Cyd', tags = 'z' WHERE code = 'S9'")
    place.sync()
    assert place.rows("SELECT code, holder, tags FROM seats ORDER BY code") == [
        ("N1", "Anna", ["a", "b"]),
        ("S9", "Cyd", ["z"]),
    ]
    assert place.mail("SELECT code, holder, price, gross FROM seats ORDER BY code") == [
        ("N1", "Anna", "20", "40"), ("S9", "Cyd", "7.25", "14.5"),
    ]  # fmt: skip
    known = json.loads(place.command("explain", "seat", 'shop:["south","9"]', "--json").stdout)
    assert known["records"]["shop"] == '["south","9"]'
    assert place.sync()["written"] == {name: {"create": 0, "update": 0, "delete": 0} for name in ("shop", "mail")}


def test_a_part_of_the_key_that_is_edited_elsewhere_moves_the_row(place: Installation) -> None:
    place.sql(TABLE, "INSERT INTO seats (shop, number, code, holder) VALUES ('north', 1, 'N1', 'Ann')")
    place.sync()
    place.mail("UPDATE seats SET number = 77 WHERE code = 'N1'")
    place.sync()
    place.mail("UPDATE seats SET holder = 'Anna' WHERE code = 'N1'")
    place.sync()

    assert place.rows("SELECT shop, number, holder FROM seats") == [("north", 77, "Anna")]
    assert place.mail("SELECT shop, number, holder FROM seats") == [("north", 77, "Anna")]


def test_a_composite_key_is_refused_where_the_adapter_knows_none(place: Installation) -> None:
    place.sql(TABLE)
    place.configure(mail_key='["id", "code"]')

    code, findings = place.check()

    assert code == 78
    assert [finding["text"] for finding in findings if finding["severity"] == "error"] == [
        'links.mail.seat.key: the adapter "sqlite" knows keys of one field only; expected the name of one'
    ]
    done = place.command("sync")
    assert done.returncode == 78
    assert "knows keys of one field only" in done.stderr


def test_a_column_that_the_database_computes_can_only_be_pulled(place: Installation) -> None:
    place.sql(TABLE)
    place.configure(gross="both")

    code, findings = place.check()

    assert code == 78
    assert [finding["text"] for finding in findings if finding["severity"] == "error"] == [
        "gross: is not writable (the database makes its values), so its direction can only be pull"
    ]


def test_check_names_each_missing_right_with_the_statement_that_gives_it(place: Installation) -> None:
    place.sql(
        TABLE,
        "DO $$BEGIN CREATE ROLE clerk LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END$$",
        "GRANT SELECT (shop, number, code, holder) ON seats TO clerk",
    )
    place.dsn = place.database.dsn("clerk")
    granted: list[str] = []
    while statements := [s for finding in place.check()[1] for s in re.findall(r"GRANT [^;]*;", finding["text"])]:
        assert not set(statements) & set(granted)
        granted += statements
        place.sql(*statements)

    assert place.check()[0] == 0
    assert "GRANT SELECT (tags, price, gross) ON public.seats TO clerk;" in granted
    assert "GRANT INSERT (holder), UPDATE (holder) ON public.seats TO clerk;" in granted
    assert "GRANT DELETE ON public.seats TO clerk;" in granted
    place.sync()


def test_check_shows_the_triggers_that_a_table_lacks(place: Installation) -> None:
    place.sql(TABLE, NOTES.read_text(encoding="utf-8"))
    place.configure(shop='changes = "datasyncd.changes"', link="live = true")

    code, findings = place.check()
    (text,) = [finding["text"] for finding in findings if finding["severity"] == "error"]
    statements = re.findall(r"^CREATE TRIGGER .*;$", text, re.MULTILINE)
    assert (code, len(statements)) == (78, 4)
    assert all("datasyncd.note_changes('shop', 'number')" in statement for statement in statements)
    place.sql(*statements)

    assert place.check()[0] == 0
    place.sync()


def test_a_live_link_needs_what_tells_of_changes(place: Installation) -> None:
    place.sql(TABLE)
    place.configure(link="live = true")

    code, findings = place.check()

    assert code == 78
    assert "links.shop.seat.live: the system does not tell of changes; use `every` or `cron`" in [
        finding["text"] for finding in findings
    ]


def test_no_secret_is_in_what_is_said(place: Installation) -> None:
    place.sql(TABLE)
    place.dsn = "postgresql://clerk:s3cret@127.0.0.1:1/shop?password=s3cret"

    for words in (("check",), ("sync",), ("sync", "--json")):
        done = place.command(*words)
        assert "127.0.0.1:1/shop" in done.stdout + done.stderr
        assert "s3cret" not in done.stdout + done.stderr


FORM = "expected postgresql://USER:PASSWORD@HOST:PORT/DATABASE"


def test_an_address_that_is_empty_is_refused_where_it_stands(place: Installation) -> None:
    file = place.folder / "config.toml"
    file.write_text(file.read_text().replace('dsn = { credential = "shop-dsn" }', 'dsn = ""'), encoding="utf-8")

    done = place.command("check")

    assert done.returncode == 78
    assert f"{file}:7: error: systems.shop.dsn: it is empty; {FORM}" in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("dsn", "why"),
    [
        ("host=db password=s3cret", "it does not begin with postgresql://"),
        ("postgresql://clerk:s3cret@127.0.0.1:s3cret/shop", "its port is no number from 1 to 65535"),
        ("postgresql://clerk:s3cret/x@127.0.0.1/shop", "a part of it ends too early"),
    ],
)
def test_an_address_from_a_credential_is_called_by_the_name_of_that(place: Installation, dsn: str, why: str) -> None:
    place.dsn = dsn

    for words in (("check",), ("sync",)):
        done = place.command(*words)
        said = done.stdout + done.stderr
        assert done.returncode == 78
        assert "config.toml:7:" in said
        assert f'systems.shop.dsn.credential: the credential "shop-dsn" is not right: {why}' in said
        assert FORM in said
        assert "s3cret" not in said


def test_a_credential_that_is_missing_is_one_problem(place: Installation) -> None:
    place.dsn = ""

    done = place.command("check")

    assert done.returncode == 78
    assert (done.stdout + done.stderr).count("systems.shop") == 1
    assert 'the credential "shop-dsn" is empty' in done.stdout + done.stderr
