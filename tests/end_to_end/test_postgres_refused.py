"""Records of which PostgreSQL does not take one field: the field is quarantined with the reason, the rest arrives, and
a plan counts what a sync does."""

from __future__ import annotations

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

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

[entities.person]
identify = ["code"]

[entities.person.fields]
code = { type = "text" }
name = { type = "text" }
small = { type = "integer" }
age = { type = "integer" }
share = { type = "decimal" }
mood = { type = "enum", values = ["happy", "sad", "curious"] }
token = { type = "text" }
tags = { type = "set" }
document = { type = "json" }
since = { type = "integer" }
until = { type = "integer" }
grade = { type = "integer" }
sms = { type = "consent", channel = "sms", authorised = ["files"] }

[links.shop.person]
object = "people"
key = "id"
direction = "both"
map = MAP

[links.files.person]
object = "people"
key = "id"
direction = "both"
opt_in = "write"
map = MAP
"""
FIELDS = (
    "code", "name", "small", "age", "share", "mood", "token", "tags", "document", "since", "until", "grade", "sms",
)  # fmt: skip
TABLE = """CREATE TABLE people (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code text NOT NULL UNIQUE, name varchar(10),
    small smallint DEFAULT 7, age integer CHECK (age < 200), share numeric(6, 2), mood mood, token uuid,
    tags varchar(3)[], document jsonb, since integer, until integer, grade grade, sms boolean,
    CONSTRAINT in_order CHECK (since <= until))"""
TYPES = ("CREATE TYPE mood AS ENUM ('sad', 'happy')", "CREATE DOMAIN grade AS integer CHECK (VALUE BETWEEN 1 AND 6)")
GOOD: dict[str, Any] = {
    "name": "Ann", "small": 1, "age": 30, "share": "1.25", "mood": "happy", "tags": ["a"], "document": {"a": 1},
    "token": "3f2504e0-4f89-41d3-9a0c-0305e82c3301", "since": 1, "until": 2, "grade": 1, "sms": True,
}  # fmt: skip

FORESEEN: list[tuple[str, Any, str]] = [
    ("small", 40_000, "small: a whole number from -32768 to 32767 expected by the column"),
    ("age", 2**40, "age: a whole number from -2147483648 to 2147483647 expected by the column"),
    ("share", "123456.5", "share: a number of at most 4 digits before the point expected by the column"),
    ("share", "9999.995", "share: a number of at most 4 digits before the point expected by the column"),
    ("name", "Ann\0", "name: text without the character U+0000 expected by the column"),
    ("name", "Annabel Lee Poe", "name: at most 10 characters expected by the column"),
    ("token", "no uuid", "token: UUIDs in small letters expected by the column"),
    ("mood", "curious", "mood: one of the labels of the column's type expected"),
    ("tags", ["a", "long"], "tags: at most 3 characters expected by the column"),
    ("document", {"a": ["\0"]}, "document: text without the character U+0000 expected by the column"),
]
TOLD: list[tuple[str, Any, tuple[str, ...], str]] = [
    ("age", 250, ("age",), "shop: the constraint people_age_check of public.people forbids it"),
    ("since", 9, ("since", "until"), "shop: the constraint in_order of public.people forbids it"),
    ("grade", 9, ("grade",), "shop: grade: a value of the type grade expected"),
]
"""Field, value, the fields that are left out for it, the reason."""


class Shop:
    """A file of people, and the shop that they come into."""

    def __init__(self, folder: Path, database: Database, table: str = TABLE) -> None:
        self.folder = folder
        self.database = database
        asyncio.run(database.run(*TYPES, table))
        mapped = ", ".join(f'{name} = "{name}"' for name in FIELDS if name != "share")
        mapped += ', share = { field = "share", lossy = true }'
        text = CONFIG.replace("DSN", database.dsn()).replace("MAP", f"{{ {mapped} }}")
        (folder / "config.toml").write_text(text, encoding="utf-8")
        (folder / "files").mkdir()
        self.file = folder / "files" / "people.jsonl"

    def people(self, *people: dict[str, Any]) -> None:
        self.file.write_text("".join(json.dumps(person) + "\n" for person in people), encoding="utf-8")

    def held(self) -> dict[str, dict[str, Any]]:
        """What the file has, by code."""
        lines = map(json.loads, self.file.read_text(encoding="utf-8").splitlines())
        return {line["code"]: line for line in lines}

    def rows(self) -> dict[str, dict[str, Any]]:
        """What the shop has, by code."""
        shown = ", ".join(f"{name}::text" if name in ("share", "mood", "token") else name for name in FIELDS)
        rows = asyncio.run(self.database.rows(f"SELECT {shown} FROM people ORDER BY code"))
        found = [dict(zip(FIELDS, row, strict=True)) for row in rows]
        for row in found:
            row["document"] = None if row["document"] is None else json.loads(row["document"])
        return {row["code"]: row for row in found}

    def command(self, *words: str, code: int) -> Any:
        done = subprocess.run(
            [*COMMAND, *words, "--json", "--config", str(self.folder / "config.toml")], capture_output=True, text=True,
            timeout=60, env=environment(), check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout)

    def causes(self) -> list[tuple[str, str | None, str, int]]:
        found = self.command("quarantine", code=0)
        assert {cause["system"] for cause in found} <= {"shop"}
        rows = ((cause["kind"], cause["field"], cause["reason"], cause["count"]) for cause in found)
        return sorted(rows, key=lambda row: row[1] or "")


@pytest.fixture
def shop(tmp_path: Path, database: Database) -> Shop:
    return Shop(tmp_path, database)


def person(code: str, /, **fields: Any) -> dict[str, Any]:
    return {"id": f"f{code}", "code": code, **GOOD, **fields}


def counted(written: dict[str, Any], system: str) -> tuple[int, int, int]:
    return tuple(written[system][op] for op in ("create", "update", "delete"))


def test_what_can_be_foreseen_is_planned_as_it_is_done(shop: Shop) -> None:
    people = [person(f"{n:02}", **{field: value}) for n, (field, value, _) in enumerate(FORESEEN)]
    shop.people(*people, person("99"))
    before = shop.file.read_bytes()

    planned = shop.command("plan", code=1)
    done = shop.command("sync", code=1)

    counts = planned["systems"]["shop"]["person"]
    assert (counts["create"], counts["update"]) == (len(people) + 1, 0)
    assert counted(done["written"], "shop") == (len(people) + 1, 0, 0)
    assert planned["quarantined"] == done["quarantined"] == len(people)
    assert counts["quarantined"] == len(people)
    rows = shop.rows()
    for given, (field, _, _) in zip(people, FORESEEN, strict=True):
        left = 7 if field == "small" else None
        assert rows[given["code"]] == {name: left if name == field else given[name] for name in FIELDS}
    assert rows["99"] == {name: person("99")[name] for name in FIELDS}
    expected = {("refused", field, reason) for field, _, reason in FORESEEN}
    assert {cause[:3] for cause in shop.causes()} == expected
    comes_to_rest(shop, before)


def test_what_only_the_server_knows_stops_nothing_but_itself(shop: Shop) -> None:
    people = [person(f"{n:02}", **{field: value}) for n, (field, value, _, _) in enumerate(TOLD)]
    several = person("50", age=250, token="no uuid", mood="curious", since=9)
    shop.people(*people, several, person("99"))
    before = shop.file.read_bytes()

    planned = shop.command("plan", code=1)
    done = shop.command("sync", code=1)

    assert planned["systems"]["shop"]["person"]["create"] == len(people) + 2
    assert counted(done["written"], "shop") == (len(people) + 2, 0, 0)
    rows = shop.rows()
    for given, (_, _, left_out, _) in zip(people, TOLD, strict=True):
        assert rows[given["code"]] == {name: None if name in left_out else given[name] for name in FIELDS}
    gone = ("age", "token", "mood", "since", "until")
    assert rows["50"] == {name: None if name in gone else several[name] for name in FIELDS}
    expected = {("refused", field, reason) for _, _, fields, reason in TOLD for field in fields}
    expected.add(("refused", "mood", "mood: one of the labels of the column's type expected"))
    expected.add(("refused", "token", "token: UUIDs in small letters expected by the column"))
    assert {cause[:3] for cause in shop.causes()} == expected
    comes_to_rest(shop, before)


def test_a_plan_is_carried_out_with_what_is_left_out(shop: Shop) -> None:
    asyncio.run(shop.database.run("ALTER TABLE people ALTER share SET NOT NULL"))
    foreseen, told, impossible = person("1", small=40_000), person("2", age=250), person("3", share="123456.5")
    shop.people(foreseen, told, impossible)
    file = shop.folder / "plan.jsonl"

    planned = shop.command("plan", "-o", str(file), code=1)
    done = shop.command("apply", str(file), code=1)

    assert planned["systems"]["shop"]["person"]["create"] == 2
    assert (done["planned"], done["sent"], done["left_out"]) == (2, 2, [])
    assert [(row["small"], row["age"]) for row in shop.rows().values()] == [(7, 30), (1, None)]
    assert [(field, count) for _, field, _, count in shop.causes()] == [(None, 1), ("age", 1), ("small", 1)]


def comes_to_rest(shop: Shop, before: bytes) -> None:
    """Nothing is written back, and nothing again."""
    rows = shop.rows()
    for _ in range(2):
        done = shop.command("sync", code=1)
        assert [counted(done["written"], system) for system in ("shop", "files")] == [(0, 0, 0)] * 2
    assert (shop.rows(), shop.file.read_bytes()) == (rows, before)


def test_a_field_that_was_left_out_arrives_once_it_is_put_right(shop: Shop) -> None:
    shop.people(person("1", age=250, small=40_000), person("2"))
    shop.command("sync", code=1)

    shop.people(person("1", age=25, small=4), person("2"))
    done = shop.command("sync", code=0)

    assert counted(done["written"], "shop") == (0, 1, 0)
    assert (shop.rows()["1"]["age"], shop.rows()["1"]["small"]) == (25, 4)
    assert shop.causes() == []


def test_a_field_that_was_left_out_arrives_once_the_table_takes_it(shop: Shop) -> None:
    shop.people(person("1", age=250, small=40_000, mood="curious"))
    shop.command("sync", code=1)
    asyncio.run(
        shop.database.run(
            "ALTER TABLE people DROP CONSTRAINT people_age_check, ALTER small TYPE integer",
            "ALTER TYPE mood ADD VALUE 'curious'",
        )
    )

    shop.command("quarantine", "retry", "--all", code=0)
    done = shop.command("sync", code=0)

    assert counted(done["written"], "shop") == (0, 1, 0)
    row = shop.rows()["1"]
    assert (row["age"], row["small"], row["mood"]) == (250, 40_000, "curious")
    assert shop.causes() == []


def test_an_edit_in_the_place_of_what_was_left_out_counts(shop: Shop) -> None:
    shop.people(person("1", small=40_000))
    shop.command("sync", code=1)
    asyncio.run(shop.database.run("UPDATE people SET small = 8"))

    shop.command("sync", code=0)

    assert (shop.held()["1"]["small"], shop.rows()["1"]["small"]) == (8, 8)
    assert shop.causes() == []


NEEDED: list[tuple[str, dict[str, Any], str, int]] = [
    (
        "ALTER TABLE people ALTER age SET NOT NULL",
        {"age": 2**40},
        "age: a whole number from -2147483648 to 2147483647 expected by the column; no record is made without age",
        1,
    ),
    (
        "ALTER TABLE people ALTER age SET NOT NULL",
        {"age": 250},
        "shop: the constraint people_age_check of public.people forbids it; no record is made without age",
        2,
    ),
    ("ALTER TABLE people ALTER age SET NOT NULL", {"age": None}, "no record is made without age", 1),
    (
        "ALTER TABLE people ADD CHECK (length(code) < 4)",
        {"code": "A very long one"},
        "shop: the constraint people_code_check of public.people forbids it; no record is made without code",
        2,
    ),
    (
        "ALTER TABLE people ALTER code DROP NOT NULL, ADD CHECK (length(code) < 4)",
        {"code": "A very long one"},
        "shop: the constraint people_code_check of public.people forbids it; "
        "no record is made without anything that it is recognised by",
        2,
    ),
    (
        "ALTER TABLE people ADD CHECK (sms)",
        {"sms": False},
        "shop: the constraint people_sms_check of public.people forbids it; no record is made without its opt-out",
        2,
    ),
    (
        "ALTER TABLE people ADD CHECK (age IS NOT NULL)",
        {"age": 250},
        "shop: the constraint people_age_check of public.people forbids it; "
        "shop: the constraint people_age_check1 of public.people forbids it",
        2,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "fields", "reason", "planned"), NEEDED)
def test_a_record_that_cannot_do_without_is_refused_whole(
    shop: Shop, sql: str, fields: dict[str, Any], reason: str, planned: int
) -> None:
    asyncio.run(shop.database.run(sql))
    shop.people(person("1", **fields), person("2"))

    plan = shop.command("plan", code=0 if planned == 2 else 1)
    done = shop.command("sync", code=1)

    assert plan["systems"]["shop"]["person"]["create"] == planned
    assert counted(done["written"], "shop") == (1, 0, 0)
    assert list(shop.rows()) == ["2"]
    assert shop.causes() == [("refused", None, reason, 1)]
    assert counted(shop.command("sync", code=1)["written"], "shop") == (0, 0, 0)

    shop.people(person("1"), person("2"))
    assert counted(shop.command("sync", code=0)["written"], "shop") == (1, 0, 0)
    assert list(shop.rows()) == ["1", "2"]


FILLED = """CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN IF NEW.age IS NULL THEN NEW.age := 18; END IF; RETURN NEW; END'"""
REFUSING = """CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN IF NEW.name = ''Eve'' THEN RAISE ''not %'', NEW.name USING COLUMN = ''name'', ERRCODE = ''ZZ001'';
     END IF; RETURN NEW; END'"""
TRIGGER = "CREATE TRIGGER {name} BEFORE INSERT ON people FOR EACH ROW EXECUTE FUNCTION {name}()"


def test_a_trigger_may_give_what_is_needed_and_say_what_it_refuses(shop: Shop) -> None:
    triggers = [TRIGGER.format(name=name) for name in ("fill", "refuse")]
    asyncio.run(shop.database.run(FILLED, REFUSING, *triggers, "ALTER TABLE people ALTER age SET NOT NULL"))
    shop.people(person("1", age=2**40), person("2", name="Eve"))
    before = shop.file.read_bytes()

    done = shop.command("sync", code=1)

    assert counted(done["written"], "shop") == (2, 0, 0)
    rows = shop.rows()
    assert (rows["1"]["age"], rows["1"]["name"], rows["2"]["age"], rows["2"]["name"]) == (18, "Ann", 30, None)
    assert [(field, count) for _, field, _, count in shop.causes()] == [("age", 1), ("name", 1)]
    assert "SQLSTATE ZZ001" in shop.causes()[1][2]
    comes_to_rest(shop, before)


def test_many_records_with_a_refused_field_arrive(shop: Shop) -> None:
    people = [person(f"{n:04}", age=250 if n % 3 == 0 else 30, name="Eve") for n in range(900)]
    shop.people(*people)

    done = shop.command("sync", code=1)

    assert counted(done["written"], "shop") == (900, 0, 0)
    assert [row["age"] for row in shop.rows().values()] == [None if n % 3 == 0 else 30 for n in range(900)]
    assert shop.causes() == [
        ("refused", "age", "shop: the constraint people_age_check of public.people forbids it", 300)
    ]
