"""Proposals: columns of two stores that are the same field are found by their names, and typed by their values."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread

from datasyncd.daemon.setup.propose import Field, Proposal, propose
from datasyncd.daemon.setup.survey import Place, Unknown, objects, survey
from datasyncd.daemon.setup.words import Meaning, identifier, meaning_of, yes_and_no
from tests.servers import mysql as mysql_server
from tests.servers.postgres import Database


@pytest.mark.parametrize(
    ("column", "field", "type_"),
    [
        ("E-Mail", "email", "email"),
        ("MobilePhone", "phone", "phone"),
        ("Vorname", "first_name", "text"),
        ("zip_code", "postal_code", "text"),
        ("DOB", "birthday", "date"),
        ("sms", "sms_opt_in", "consent"),
        ("EmailOptIn", "email_opt_in", "consent"),
        ("newsletter_ok", "email_opt_in", "consent"),
        ("marketing_email", "email_opt_in", "consent"),
        ("PreferredShop", "preferred_shop", None),
        ("facebook", "facebook", None),
        ("2nd name", "field_2nd_name", None),
    ],
)
def test_a_column_is_what_it_is_called(column: str, field: str, type_: str | None) -> None:
    meaning = meaning_of(column)

    assert meaning is not None
    assert (meaning.field, meaning.type) == (field, type_)


@pytest.mark.parametrize("column", ["updated_at", "LastModified", "created", "Date Added"])
def test_when_a_record_was_made_or_edited_is_no_field(column: str) -> None:
    assert meaning_of(column) is None


@pytest.mark.parametrize(
    ("words", "means"),
    [
        ({"Y", "N"}, {"N": False, "Y": True}),
        ({"Y"}, {"N": False, "Y": True}),
        ({"j"}, {"n": False, "j": True}),
        ({"Subscribed", "Unsubscribed"}, {"Unsubscribed": False, "Subscribed": True}),
        ({"Unsubscribed"}, {"Unsubscribed": False, "Subscribed": True}),
        ({"Y", "maybe"}, None),
        (set(), None),
        ({"Y", "yes", "N"}, None),
    ],
)
def test_words_for_yes_and_no_come_in_pairs(words: set[str], means: dict[str, bool] | None) -> None:
    assert yes_and_no(words) == means


def csv(folder: Path, name: str, *lines: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return folder / f"{name}.csv"


def jsonl(folder: Path, name: str, *records: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
    return folder / f"{name}.jsonl"


def proposed(first: Place, second: Place, region: str | None = None) -> Proposal:
    return propose(survey(first, objects(first)[0]), survey(second, objects(second)[0]), region)


def fields(proposal: Proposal) -> dict[str, Field]:
    return {field.name: field for field in proposal.fields}


def test_names_that_are_much_alike_are_one_field(tmp_path: Path) -> None:
    found = proposed(
        csv(tmp_path / "a", "people", "Id,Email,LoyaltyPoints,Colour", "1,a@example.org,5,red"),
        csv(tmp_path / "b", "people", "Id,Mail,loyalty_point,Shoe", "9,a@example.org,5,42"),
    )

    assert {name: dict(field.columns) for name, field in fields(found).items()} == {
        "email": {"a": "Email", "b": "Mail"},
        "loyalty_points": {"a": "LoyaltyPoints", "b": "loyalty_point"},
    }
    assert (found.entity, found.identify, found.keys) == ("people", ["email"], {"a": "Id", "b": "Id"})


def test_a_type_is_proposed_only_where_the_values_are_such(tmp_path: Path) -> None:
    found = proposed(
        csv(tmp_path / "a", "people", "Id,Email,SMS,Birthday", "1,a@example.org,call me,someday", "2,b@example.org,x,"),
        csv(tmp_path / "b", "people", "Id,Email,Sms,birthday", "9,a@example.org,Y,2001-02-03", "8,,N,2001-02-04"),
    )

    assert {name: field.type for name, field in fields(found).items()} == {
        "email": "email", "sms_opt_in": "text", "birthday": "text",
    }  # fmt: skip


def test_a_column_of_numbers_is_one_on_both_sides(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "crm.db")) as db, db:
        db.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, points INTEGER, spent REAL, vip BOOLEAN)")
    found = proposed(
        tmp_path / "crm.db",
        jsonl(tmp_path / "app", "users", {"id": "x", "email": "a@example.org", "points": 3, "spent": 1.5, "vip": True}),
    )

    assert {name: field.type for name, field in fields(found).items()} == {
        "email": "email", "points": "integer", "spent": "decimal", "vip": "boolean",
    }  # fmt: skip
    assert {name: set(field.lossy) for name, field in fields(found).items() if field.lossy} == {"spent": {"crm"}}


async def test_a_column_that_does_not_hold_any_text_is_what_it_holds(tmp_path: Path, database: Database) -> None:
    await database.run(
        "CREATE TABLE people (id integer PRIMARY KEY, email text, spent numeric(12, 2), since timestamptz,"
        " started date, code char(5), token uuid, span interval)"
    )
    names = ("since", "started", "token", "span")
    record = {"id": "x", "email": "a@example.org", "spent": "1.50", "code": "00123", **dict.fromkeys(names)}
    app = jsonl(tmp_path / "app", "people", record)
    found = await to_thread.run_sync(lambda: proposed(database.dsn(), app))

    assert {name: field.type for name, field in fields(found).items()} == {
        "email": "email", "spent": "decimal", "since": "datetime", "started": "date", "code": "text", "token": "text",
    }  # fmt: skip
    assert {name: set(field.lossy) for name, field in fields(found).items() if field.lossy} == {
        "spent": {database.name}
    }


def test_phone_numbers_without_a_country_are_asked_about(tmp_path: Path) -> None:
    first = csv(tmp_path / "a", "people", "Id,Email,Phone", "1,a@example.org,650 253 0000")
    second = csv(tmp_path / "b", "people", "Id,Email,Phone", "1,a@example.org,+1 650 253 0000")

    without, within = proposed(first, second), proposed(first, second, "US")

    assert (without.wants_region, fields(without)["phone"].type, without.identify) == (True, "text", ["email"])
    assert (within.wants_region, fields(within)["phone"].region, within.identify) == (False, "US", ["email", "phone"])


def test_a_key_is_what_tells_the_records_apart(tmp_path: Path) -> None:
    path = csv(tmp_path / "a", "people", "Name,Email,Number", "Ann,a@example.org,1", "Ann,b@example.org,2")

    assert survey(path, "people").keys == ["Email", "Number"]


def test_systems_with_the_same_name_are_told_apart(tmp_path: Path) -> None:
    found = proposed(
        csv(tmp_path / "mail", "a", "Id,Email", "1,a@example.org"),
        jsonl(tmp_path / "mail", "b", {"id": 1, "email": "a@example.org"}),
    )

    assert list(found.stores) == ["mail", "mail_2"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("x.csv", b"", "empty"),
        ("x.csv", b"Name\nAnn\nAnn\n", "tells its records apart"),
        ("x.jsonl", b"", "no records"),
        ("x.jsonl", b"[1]\n", "no record"),
        ("x.txt", b"hello", "neither"),
        ("x.csv", b"Id\n\xff\n", "UTF-8"),
    ],
)
def test_what_cannot_be_surveyed_says_why(name: str, content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(Unknown, match=says):
        survey(path, objects(path)[0])


def test_an_identifier_is_one() -> None:
    assert [identifier(name) for name in ("Größe", "class", "a b", "É-mail")] == ["größe", "class", "a_b", "é_mail"]
    assert meaning_of("") == Meaning("field", None)


def test_of_a_server_only_what_the_role_may_read_is_looked_at(database: Database) -> None:
    database.server.run(
        """
        CREATE ROLE looker LOGIN;
        CREATE TABLE people (code text NOT NULL UNIQUE, id integer PRIMARY KEY, email text, salary integer);
        CREATE TABLE wages (id integer PRIMARY KEY);
        CREATE TABLE pairs (a integer, b integer, PRIMARY KEY (a, b));
        CREATE VIEW names AS SELECT id FROM people;
        GRANT SELECT (id, code, email) ON people TO looker;
        GRANT SELECT ON pairs, names TO looker;
        """,
        database.name,
    )
    place = database.dsn("looker")
    try:
        assert objects(place) == ["public.people", "public.pairs"]
        found = survey(place, "public.people")
        assert (found.name, found.keys, list(found.columns), found.rows) == (
            database.name, ["id", "code"], ["code", "id", "email"], [],
        )  # fmt: skip
        with pytest.raises(Unknown, match="tells its records apart"):
            survey(place, "public.pairs")
        assert "looker" not in repr(found)
    finally:
        database.server.run("DROP OWNED BY looker; DROP ROLE looker", database.name)


def test_of_a_mysql_server_only_what_the_user_may_read_is_looked_at(mysql: mysql_server.Database) -> None:
    async def prepare() -> str:
        await mysql.run(
            "CREATE TABLE people (code varchar(9) NOT NULL UNIQUE, id integer AUTO_INCREMENT PRIMARY KEY, email text,"
            " salary integer, born datetime)",
            "INSERT INTO people (code, email, born) VALUES ('A', 'a@example.org', '2001-02-03')",
            "CREATE TABLE wages (id integer PRIMARY KEY)",
            "CREATE TABLE `two parts` (a integer, b integer, PRIMARY KEY (a, b))",
            "CREATE VIEW names AS SELECT id FROM people",
        )
        user = await mysql.user("SELECT (id, code, email, born)", on="people")
        await mysql.run(f"GRANT SELECT ON `two parts` TO {user}@'%'", f"GRANT SELECT ON names TO {user}@'%'")
        return mysql.dsn(user)

    place = anyio.run(prepare)
    assert objects(place) == ["people", "`two parts`"]
    found = survey(place, "people")
    assert (found.adapter, found.name, found.keys, list(found.columns)) == (
        "mysql", mysql.name, ["id", "code"], ["code", "id", "email", "born"],
    )  # fmt: skip
    assert found.rows == [{"code": "A", "id": 1, "email": "a@example.org", "born": "2001-02-03T00:00:00"}]
    with pytest.raises(Unknown, match="tells its records apart"):
        survey(place, "`two parts`")


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_a_server_that_is_not_there_says_so(scheme: str) -> None:
    with pytest.raises(Unknown, match=r"127\.0\.0\.1:1/crm") as unknown:
        objects(f"{scheme}://ann:s3cret@127.0.0.1:1/crm")

    assert "s3cret" not in str(unknown.value)
