"""Every type of field in a column of PostgreSQL that is made for it: both ways, and nothing is written twice."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

from tests.end_to_end.three_stores import COMMAND, environment
from tests.servers.postgres import Database

CONFIG = """\
[daemon]
state_dir = "var"
listen = ""

[systems.shop]
adapter = "postgres"
dsn = "DSN"

[systems.files]
adapter = "jsonl"
path = "files"
lock = true

[entities.thing]
identify = ["code"]

[entities.thing.fields]
code = { type = "text" }
name = { type = "text", max_length = 20 }
email = { type = "email" }
phone = { type = "phone", region = "DE" }
site = { type = "url" }
count = { type = "integer" }
share = { type = "decimal" }
price = { type = "money", currency = "EUR" }
flag = { type = "boolean" }
born = { type = "date" }
seen = { type = "datetime" }
local = { type = "datetime" }
mood = { type = "enum", values = ["happy", "sad"] }
stage = { type = "enum", values = ["lead", "customer"] }
tags = { type = "set" }
labels = { type = "set" }
sms = { type = "consent", channel = "sms", authorised = ["files"] }
land = { type = "country" }
speech = { type = "language" }
document = { type = "json" }

[links.shop.thing]
object = "things"
key = "id"
direction = "both"

[links.shop.thing.map]
SHOP_MAP
share = { field = "share", lossy = true }
local = { field = "local", zone = "Europe/Berlin" }
stage = { field = "stage", values = { "1" = "lead", "2" = "customer" } }
labels = { field = "labels", separator = "|" }

[links.files.thing]
object = "things"
key = "id"
direction = "both"
opt_in = "write"

[links.files.thing.map]
FILES_MAP
"""

TABLE = """CREATE TABLE things (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(), code text NOT NULL UNIQUE, name varchar(20), email text, phone text,
    site text, count bigint, share numeric(20, 6), price numeric(12, 2), flag boolean, born date, seen timestamptz,
    local timestamp, mood mood, stage text, tags text[], labels text, sms boolean, land char(2), speech text,
    document jsonb)"""

FIELDS = (
    "code", "name", "email", "phone", "site", "count", "share", "price", "flag", "born", "seen", "local", "mood",
    "stage", "tags", "labels", "sms", "land", "speech", "document",
)  # fmt: skip
SPECIAL = ("share", "local", "stage", "labels")

THINGS: list[dict[str, Any]] = [
    {
        "id": "f1", "code": "A", "name": "Zoë 王小明 🎉", "email": "Zoe@example.org", "phone": "+49301234567",
        "site": "https://example.org/?q=1", "count": 2**62 + 1, "share": "0.125", "price": "1234.50", "flag": True,
        "born": "1980-02-29", "seen": "2024-02-29T11:00:00.250000Z", "local": "2024-07-01T10:00:00Z", "mood": "happy",
        "stage": "customer", "tags": ["a;b", "c,d", 'e"f'], "labels": ["x", "y"], "sms": True, "land": "DE",
        "speech": "de-AT", "document": {"a": [1, 2.5, None, {"ü": "x"}], "n": 2**60, "t": "1e3"},
    },
    {"id": "f2", "code": "B", **dict.fromkeys(FIELDS[1:])},
    {
        "id": "f3", "code": "C", "name": " spaces ", "email": "c@example.org", "phone": None, "site": None,
        "count": -(2**63), "share": "-99999999999999.999999", "price": "0", "flag": False, "born": "0001-01-01",
        "seen": "9999-12-31T23:59:59Z", "local": "1900-01-01T00:00:00Z", "mood": "sad", "stage": "lead", "tags": ["z"],
        "labels": None, "sms": False, "land": "US", "speech": "en", "document": [],
    },
]  # fmt: skip


def test_every_type_goes_both_ways_and_comes_to_rest(tmp_path: Path, database: Database) -> None:
    asyncio.run(database.run("CREATE TYPE mood AS ENUM ('sad', 'happy')", TABLE))
    plain = "\n".join(f'{name} = "{name}"' for name in FIELDS if name not in SPECIAL)
    text = CONFIG.replace("DSN", database.dsn()).replace("SHOP_MAP", plain)
    text = text.replace("FILES_MAP", "\n".join(f'{name} = "{name}"' for name in FIELDS))
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    (tmp_path / "files").mkdir()
    file = tmp_path / "files" / "things.jsonl"
    file.write_text("".join(json.dumps(thing) + "\n" for thing in THINGS), encoding="utf-8")

    checked = command(tmp_path, "check")
    assert checked.returncode == 0, checked.stdout
    assert written(tmp_path) == {"shop": {"create": 3, "update": 0, "delete": 0}, "files": NOTHING}
    assert written(tmp_path) == {"shop": NOTHING, "files": NOTHING}
    (a, _, c) = asyncio.run(
        database.rows(
            "SELECT name, count::text, share::text, price::text, born::text, seen::text, local::text, mood::text,"
            " stage, tags, labels, sms, land, document::text FROM things ORDER BY code"
        )
    )
    assert a[:6] == ("Zoë 王小明 🎉", str(2**62 + 1), "0.125000", "1234.50", "1980-02-29", "2024-02-29 11:00:00.25+00")
    assert a[6:13] == ("2024-07-01 12:00:00", "happy", "2", ["a;b", "c,d", 'e"f'], "x|y", True, "DE")
    assert json.loads(a[13]) == THINGS[0]["document"]
    assert c[:4] == (" spaces ", str(-(2**63)), "-99999999999999.999999", "0.00")

    copied = ", ".join(f"{name} = other.{name}" for name in FIELDS[2:])
    asyncio.run(
        database.run(f"UPDATE things SET {copied} FROM things AS other WHERE things.code = 'B' AND other.code = 'A'")
    )
    before = lines(file)
    assert written(tmp_path) == {"shop": NOTHING, "files": {"create": 0, "update": 1, "delete": 0}}
    assert written(tmp_path) == {"shop": NOTHING, "files": NOTHING}
    after = lines(file)
    assert [after[0], after[2]] == [before[0], before[2]]
    same = set(FIELDS) - {"code", "name", "sms", "share", "price"}
    assert {name: after[1][name] for name in same} == {name: before[0][name] for name in same}
    assert (float(after[1]["share"]), float(after[1]["price"])) == (0.125, 1234.5)


def lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


NOTHING = {"create": 0, "update": 0, "delete": 0}


def written(folder: Path) -> dict[str, Any]:
    done = command(folder, "sync", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)["written"]
    return found


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *words, "--config", str(folder / "config.toml")], capture_output=True, text=True, timeout=60,
        env=environment(), check=False,
    )  # fmt: skip
