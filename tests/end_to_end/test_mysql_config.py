"""MariaDB in a config: composite keys, generated columns, every type of field, and what `check` says of rights."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.end_to_end import test_postgres_types
from tests.end_to_end.three_stores import COMMAND, environment
from tests.servers.mysql import Database, notes_table

CONFIG = """\
[daemon]
state_dir = "var"
listen = ""

[systems.shop]
adapter = "mysql"
dsn = { credential = "shop-dsn" }
CHANGES

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
object = "seats"
key = ["shop", "number"]
direction = "both"
LIVE
guard = { update = "off", delete = "off" }
map = { MAP, price = { field = "price", lossy = true }, gross = { field = "gross", direction = "GROSS" } }

[links.mail.seat]
object = "seats"
key = "id"
direction = "both"
guard = { update = "off", delete = "off" }
map = { MAP, price = "price", gross = "gross" }
"""

SAME = ("code", "shop", "number", "holder", "tags")
"""Fields that both systems call alike."""

TABLE = """CREATE TABLE seats (
    shop varchar(20), number integer, code varchar(9) UNIQUE, holder varchar(20), tags set('a', 'b', 'x', 'y', 'z'),
    price decimal(10, 2), gross decimal(12, 2) AS (price * 2) STORED, PRIMARY KEY (shop, number))"""


class Installation:
    """A folder with a config, a store in SQLite and a table in MariaDB."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.folder = folder
        self.database = database
        self.dsn = database.dsn()
        self.mail(
            "CREATE TABLE seats (id INTEGER PRIMARY KEY, code TEXT, shop TEXT, number INTEGER, holder TEXT, "
            "tags TEXT, price TEXT, gross TEXT)"
        )
        self.configure()

    def configure(self, *, gross: str = "pull", live: bool = False) -> None:
        changes = f'changes = "{self.database.notes}"' if live else ""
        text = CONFIG.replace("MAP", ", ".join(f'{name} = "{name}"' for name in SAME))
        text = text.replace("CHANGES", changes).replace("LIVE", "live = true" if live else "").replace("GROSS", gross)
        (self.folder / "config.toml").write_text(text, encoding="utf-8")

    def sql(self, *statements: str) -> None:
        anyio.run(self.database.run, *statements)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return anyio.run(self.database.rows, sql)

    def mail(self, sql: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.folder / "mail.db") as mail:
            found = mail.execute(sql).fetchall()
        mail.close()
        return found

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *words, "--config", str(self.folder / "config.toml")], capture_output=True, text=True,
            timeout=60, env={**environment(), "DATASYNCD_SHOP_DSN": self.dsn}, check=False,
        )  # fmt: skip

    def sync(self) -> dict[str, Any]:
        done = self.command("sync", "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def errors(self) -> list[str]:
        """What `check` finds wrong."""
        done = self.command("check", "--json")
        found = [f["text"] for f in json.loads(done.stdout)["findings"] if f["severity"] == "error"]
        assert done.returncode == (78 if found else 0)
        return found


@pytest.fixture
def place(tmp_path: Path, mysql: Database) -> Installation:
    return Installation(tmp_path, mysql)


def test_records_with_a_key_of_several_columns_go_both_ways(place: Installation) -> None:
    place.sql(
        TABLE,
        "INSERT INTO seats (shop, number, code, holder, tags, price) VALUES "
        "('north', 1, 'N1', 'Ann', 'b,a', 12.50), ('it''s', 2, 'I2', 'Bob', NULL, 3)",
    )
    place.mail(
        "INSERT INTO seats (code, shop, number, holder, tags, price) VALUES ('S9', 'south', 9, 'Cid', 'x;y', '7.25')"
    )

    place.sync()
    columns = "code, shop, number, holder"
    everybody = [("I2", "it's", 2, "Bob"), ("N1", "north", 1, "Ann"), ("S9", "south", 9, "Cid")]
    assert place.rows(f"SELECT {columns} FROM seats ORDER BY code") == everybody
    assert place.mail(f"SELECT {columns} FROM seats ORDER BY code") == everybody
    assert place.rows("SELECT tags, cast(price AS char) FROM seats WHERE code = 'S9'") == [("x,y", "7.25")]
    assert place.mail("SELECT tags, price, gross FROM seats WHERE code = 'N1'") == [("a;b", "12.5", "25")]

    place.sql(
        "UPDATE seats SET holder = 'Anna', price = 20 WHERE code = 'N1'",
        "DELETE FROM seats WHERE code = 'I2'",
    )
    place.mail("UPDATE seats SET holder = 'Cyd', tags = 'z' WHERE code = 'S9'")
    place.sync()
    assert place.rows("SELECT code, number, holder, tags FROM seats ORDER BY code") == [
        ("N1", 1, "Anna", "a,b"), ("S9", 9, "Cyd", "z"),
    ]  # fmt: skip
    assert place.mail("SELECT code, number, holder, price, gross FROM seats ORDER BY code") == [
        ("N1", 1, "Anna", "20", "40"), ("S9", 9, "Cyd", "7.25", "14.5"),
    ]  # fmt: skip
    known = json.loads(place.command("explain", "seat", 'shop:["south","9"]', "--json").stdout)
    assert known["records"]["shop"] == '["south","9"]'
    assert place.sync()["written"] == {name: {"create": 0, "update": 0, "delete": 0} for name in ("shop", "mail")}


def test_a_value_that_does_not_fit_is_quarantined_and_the_rest_goes_on(place: Installation) -> None:
    """A server that is not strict would cut it without a word."""
    place.sql(TABLE)
    place.mail("INSERT INTO seats (code, shop, number, holder, tags) VALUES ('A', 's', 1, 'Ann', 'nobody knows this')")
    place.mail("INSERT INTO seats (code, shop, number, holder) VALUES ('B', 's', 2, 'Bob, of a very long name indeed')")
    place.mail("INSERT INTO seats (code, shop, number, holder, price) VALUES ('C', 's', 3, 'Cid', '123456789.01')")

    done = place.command("sync", "--json")

    assert done.returncode == 1
    assert place.rows("SELECT code, holder, tags, price FROM seats ORDER BY code") == [
        ("A", "Ann", None, None), ("B", None, None, None), ("C", "Cid", None, None),
    ]  # fmt: skip
    held = json.loads(place.command("quarantine", "list", "--json").stdout)
    assert len(held) == 3
    assert place.command("sync", "--json").returncode == 1


def test_a_column_that_the_database_computes_can_only_be_pulled(place: Installation) -> None:
    place.sql(TABLE)
    place.configure(gross="both")

    assert place.errors() == [
        "gross: is not writable (the database makes its values), so its direction can only be pull"
    ]


def test_check_names_each_missing_right_with_the_statement_that_gives_it(place: Installation) -> None:
    place.sql(TABLE)
    user = anyio.run(place.database.user, "")
    place.sql(f"GRANT SELECT (shop, number, code, holder, tags, price, gross) ON seats TO {user}@'%'")
    place.dsn = place.database.dsn(user)
    granted: list[str] = []
    while statements := re.findall(r"GRANT [^;]*;", place.command("check").stdout):
        new = set(statements) - set(granted)
        assert new
        granted += new
        place.sql(*new)

    on = f"ON {place.database.name}.seats TO '{user}'@'%';"
    assert f"GRANT INSERT (holder), UPDATE (holder) {on}" in granted
    assert f"GRANT DELETE {on}" in granted
    place.sync()


def test_check_shows_the_triggers_that_a_table_lacks(place: Installation) -> None:
    place.sql(TABLE, notes_table(place.database))
    place.configure(live=True)

    (text,) = place.errors()
    statements = re.findall(r"^CREATE TRIGGER .*;$", text, re.MULTILINE)
    assert len(statements) == 3
    place.sql(*statements)

    assert place.errors() == []
    place.sync()


def test_a_missing_package_and_no_secret_are_in_what_is_said(place: Installation) -> None:
    place.sql(TABLE)
    place.dsn = "mysql://clerk:s3cret@127.0.0.1:1/shop"
    for words in (("check",), ("sync",), ("sync", "--json")):
        done = place.command(*words)
        assert "127.0.0.1:1/shop" in done.stdout + done.stderr
        assert "s3cret" not in done.stdout + done.stderr

    (place.folder / "asyncmy.py").write_text("raise ImportError('not installed')", encoding="utf-8")
    done = subprocess.run(
        [*COMMAND, "check", "--config", str(place.folder / "config.toml")], capture_output=True, text=True, timeout=60,
        env={**environment(), "DATASYNCD_SHOP_DSN": place.dsn, "PYTHONPATH": f"{place.folder}:{path()}"}, check=False,
    )  # fmt: skip
    assert done.returncode == 78
    assert "pip install 'datasyncd[mysql]'" in done.stdout + done.stderr


def path() -> str:
    return environment().get("PYTHONPATH", "")


@pytest.mark.parametrize(
    ("dsn", "why"),
    [
        ("host=db password=s3cret", "it does not begin with mysql://"),
        ("mysql://clerk:s3cret@127.0.0.1:s3cret/shop", "its port is no number from 1 to 65535"),
        ("mysql://clerk:s3cret/x@127.0.0.1/shop", "a part of it ends too early"),
    ],
)
def test_an_address_from_a_credential_is_called_by_the_name_of_that(place: Installation, dsn: str, why: str) -> None:
    place.dsn = dsn

    done = place.command("check")

    said = done.stdout + done.stderr
    assert done.returncode == 78
    assert f'systems.shop.dsn.credential: the credential "shop-dsn" is not right: {why}' in said
    assert "s3cret" not in said


TYPED = """CREATE TABLE things (
    id bigint AUTO_INCREMENT PRIMARY KEY, code varchar(20) NOT NULL UNIQUE, name varchar(20), email varchar(90),
    phone varchar(20), site varchar(200), count bigint, share decimal(20, 6), price decimal(12, 2), flag boolean,
    born date, seen timestamp(6) NULL, local datetime(6), mood enum('sad', 'happy'), stage tinyint unsigned,
    tags json, labels varchar(90), sms boolean, land char(2), speech varchar(9), document json)"""


def test_every_type_goes_both_ways_and_comes_to_rest(tmp_path: Path, mysql: Database) -> None:
    """The things of PostgreSQL's test, but for times that a timestamp has no room for."""
    types = test_postgres_types
    anyio.run(mysql.run, TYPED)
    plain = "\n".join(f'{name} = "{name}"' for name in types.FIELDS if name not in types.SPECIAL)
    text = types.CONFIG.replace('"postgres"', '"mysql"').replace("DSN", mysql.dsn()).replace("SHOP_MAP", plain)
    text = text.replace("FILES_MAP", "\n".join(f'{name} = "{name}"' for name in types.FIELDS))
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    (tmp_path / "files").mkdir()
    file = tmp_path / "files" / "things.jsonl"
    things = [dict(thing) for thing in types.THINGS]
    things[2] |= {"seen": "2038-01-19T03:14:07Z", "born": "1000-01-01"}
    file.write_text("".join(json.dumps(thing) + "\n" for thing in things), encoding="utf-8")

    checked = types.command(tmp_path, "check")
    assert checked.returncode == 0, checked.stdout
    assert types.written(tmp_path) == {"shop": {"create": 3, "update": 0, "delete": 0}, "files": types.NOTHING}
    assert types.written(tmp_path) == {"shop": types.NOTHING, "files": types.NOTHING}
    sql = (
        "SELECT name, count, cast(share AS char), cast(price AS char), cast(born AS char), "
        "cast(convert_tz(seen, @@time_zone, '+00:00') AS char), cast(local AS char), mood, stage, tags, labels, sms, "
        "land, document FROM things ORDER BY code"
    )
    (a, _, c) = anyio.run(mysql.rows, sql)
    assert a[:6] == ("Zoë 王小明 🎉", 2**62 + 1, "0.125000", "1234.50", "1980-02-29", "2024-02-29 11:00:00.250000")
    assert (*a[6:9], *a[10:13]) == ("2024-07-01 12:00:00.000000", "happy", 2, "x|y", 1, "DE")
    assert [json.loads(a[9]), json.loads(a[13])] == [things[0]["tags"], things[0]["document"]]
    assert c[:4] == (" spaces ", -(2**63), "-99999999999999.999999", "0.00")

    copied = ", ".join(f"things.{name} = other.{name}" for name in types.FIELDS[2:])
    anyio.run(mysql.run, f"UPDATE things, things AS other SET {copied} WHERE things.code = 'B' AND other.code = 'A'")
    before = types.lines(file)
    assert types.written(tmp_path) == {"shop": types.NOTHING, "files": {"create": 0, "update": 1, "delete": 0}}
    assert types.written(tmp_path) == {"shop": types.NOTHING, "files": types.NOTHING}
    after = types.lines(file)
    assert [after[0], after[2]] == [before[0], before[2]]
    same = set(types.FIELDS) - {"code", "name", "sms", "share", "price"}
    assert {name: after[1][name] for name in same} == {name: before[0][name] for name in same}
    assert (float(after[1]["share"]), float(after[1]["price"])) == (0.125, 1234.5)
