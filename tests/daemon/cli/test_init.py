"""`init`: a config to begin with, which `check` finds right once the systems are there."""

from __future__ import annotations

import csv
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from datasyncd.daemon.cli.group import group
from datasyncd.daemon.config.load import Config, load
from datasyncd.daemon.setup import examples
from tests.servers.postgres import Database

from .terminal import Terminal


def init(*words: str) -> Result:
    return CliRunner().invoke(group, ["init", *words])


def check(config: Path) -> Result:
    return CliRunner().invoke(group, ["check", "--config", str(config)])


def make_stores(config: Config) -> None:
    """The files of a config, as its map describes them."""
    for system, links in config.links.items():
        adapter, options = config.systems[system].adapter.name, config.systems[system].options
        if adapter == "postgres":
            continue
        place = config.systems[system].base / options.path  # type: ignore[attr-defined]
        for link in links.values():
            names = [*link.keys, *(mapped.field for mapped in link.mapped.values())]
            names = list(dict.fromkeys([*names, *([link.edited_at] if link.edited_at else [])]))
            if adapter == "sqlite":
                with closing(sqlite3.connect(place)) as db, db:
                    columns = ", ".join(f"{name} TEXT" for name in names[1:])
                    db.execute(f"CREATE TABLE {link.object} ({names[0]} INTEGER PRIMARY KEY, {columns})")
                continue
            place.mkdir(exist_ok=True)
            if adapter == "csv":
                (place / f"{link.object}.csv").write_text(",".join(names) + "\n")
            else:
                record = {names[0]: "1", **dict.fromkeys(names[1:])}
                (place / f"{link.object}.jsonl").write_text(json.dumps(record) + "\n")


@pytest.mark.parametrize("name", examples.names())
def test_an_example_passes_the_check_once_its_systems_are_there(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if name.startswith("postgres"):
        database: Database = request.getfixturevalue("database")
        monkeypatch.setenv("DATASYNCD_CRM_DSN", database.dsn())
        columns = "email text, first_name text, last_name text, phone text, sms_ok boolean, updated_at timestamptz"
        table = f"CREATE TABLE contacts (id integer PRIMARY KEY, customer_id text, {columns})"
        database.server.run(table, database.name)
    done = init(str(tmp_path / "new"), "--example", name)
    config = tmp_path / "new" / "config.toml"
    make_stores(load(config))

    checked = check(config)

    assert (done.exit_code, checked.exit_code) == (0, 0), done.output + checked.output
    assert f"datasyncd check --config {config}" in done.output
    assert config.read_text().startswith("# ")
    assert "warning" not in checked.output


def test_nobody_is_asked_where_no_terminal_is(tmp_path: Path) -> None:
    done = init(str(tmp_path), "--json")

    assert json.loads(done.stdout) == {"file": str(tmp_path / "config.toml"), "example": examples.DEFAULT}
    assert (tmp_path / "config.toml").read_text() == examples.example(examples.DEFAULT)


def test_a_config_that_is_there_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("mine")

    done = init(str(tmp_path), "--example", "hub")

    assert done.exit_code == 64
    assert "is there already" in done.stderr
    assert (tmp_path / "config.toml").read_text() == "mine"


def test_an_unknown_example_is_a_wrong_call_that_lists_them() -> None:
    done = init("--example", "spoke")

    assert done.exit_code == 64
    assert "hub" in done.stderr


def test_a_folder_that_cannot_be_written_is_69(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    assert init(str(tmp_path / "file" / "below"), "--example", "hub").exit_code == 69


def crm(folder: Path, phones: tuple[str, ...] = ("(650) 253-0000", "(650) 253-0001")) -> Path:
    with closing(sqlite3.connect(folder / "crm.db")) as db, db:
        db.execute(
            "CREATE TABLE customers (id INTEGER PRIMARY KEY, mail TEXT, first_name TEXT, mobile TEXT, sms_ok INTEGER,"
            " points INTEGER, internal_note TEXT, updated_at TEXT)"
        )
        db.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, total REAL)")
        for n, phone in enumerate(phones, 1):
            row = (f"{n}@example.org", f"Ann {n}", phone, n % 2, 10 * n, "2026-01-01T00:00:00Z")
            db.execute("INSERT INTO customers VALUES (NULL, ?, ?, ?, ?, ?, 'x', ?)", row)
    return folder / "crm.db"


def mail(folder: Path) -> Path:
    (folder / "lists").mkdir()
    path = folder / "lists" / "people.csv"
    with path.open("w", newline="") as out:
        csv.writer(out).writerows(
            [
                ["Id", "E-Mail", "FirstName", "Phone", "SMS", "Points", "Campaign"],
                ["a", "1@example.org", "Ann 1", "650 253 0000", "Y", "10", "spring"],
                ["b", "2@example.org", "Anna", "650 253 0001", "", "20", ""],
            ]
        )
    return path


def test_two_files_are_asked_for_and_what_they_share_is_proposed(tmp_path: Path) -> None:
    crm(tmp_path)
    mail(tmp_path)

    with Terminal(["datasyncd", "init"], tmp_path) as terminal:
        terminal.sees("First file")
        terminal.types("crm.sql")
        terminal.sees("No such file")
        terminal.sees("First file")
        terminal.types("crm.db")
        terminal.sees("Table (customers, orders) [customers]")
        terminal.types("")
        terminal.sees("Second file")
        terminal.types("lists/people.csv")
        terminal.sees("Country of phone numbers")
        terminal.types("us")
        terminal.sees("sms_opt_in")
        terminal.sees("not mapped in lists: Campaign")
        terminal.sees("records are matched by email, phone")
        terminal.sees("Where do people opt in (crm, lists; empty: nowhere)")
        terminal.types("shop")
        terminal.sees("expected some of crm, lists")
        terminal.types("crm")
        terminal.sees("Write it? [Y/n]")
        terminal.types("")
        assert terminal.ends() == 0

    config = load(tmp_path / "config.toml")
    fields = config.entities["customer"].fields
    assert {name: field.type for name, field in fields.items()} == {
        "email": "email", "first_name": "text", "phone": "phone", "sms_opt_in": "consent", "points": "integer",
    }  # fmt: skip
    assert config.entities["customer"].identify == ("email", "phone")
    assert config.links["crm"]["customer"].edited_at == "updated_at"
    assert config.links["lists"]["customer"].mapped["sms_opt_in"].values == {"N": False, "Y": True}
    assert check(tmp_path / "config.toml").exit_code == 0


def test_what_was_proposed_runs(tmp_path: Path) -> None:
    crm(tmp_path, phones=("+16502530000", "+16502530001"))
    people = mail(tmp_path)
    people.write_text(people.read_text().replace("650 253", "+1 650 253"))
    with Terminal(["datasyncd", "init", "--config", "here.toml"], tmp_path) as terminal:
        for line in ("crm.db", "customers", "lists/people.csv", "crm", "y"):
            terminal.sees(": ")
            terminal.types(line)
        assert terminal.ends() == 0, terminal.text

    synced = CliRunner().invoke(group, ["sync", "--json", "--config", str(tmp_path / "here.toml")])

    assert synced.exit_code == 1, "the two first names of customer 2 wait for a person"
    assert json.loads(synced.stdout)["conflicts"] == 1
    assert "lists: " not in synced.stderr


def people_in(database: Database) -> None:
    """The customers of `mail`, in a table beside others."""
    database.server.run(
        """
        CREATE SCHEMA crm;
        CREATE TYPE crm.stage AS ENUM ('lead', 'active');
        CREATE TABLE crm."Customers" (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, email text UNIQUE NOT NULL,
            first_name varchar(40), mobile text, sms_ok boolean, points integer, stage crm.stage, tags text[],
            initial text GENERATED ALWAYS AS (left(first_name, 1)) STORED, updated_at timestamptz DEFAULT now());
        INSERT INTO crm."Customers" (email, first_name, mobile, sms_ok, points, stage) VALUES
            ('1@example.org', 'Ann 1', '+1 650 253 0000', true, 10, 'lead'),
            ('2@example.org', 'Anna', '+1 650 253 0001', NULL, 20, NULL);
        CREATE TABLE orders (id integer PRIMARY KEY, total numeric);
        CREATE TABLE logs (line text);
        """,
        database.name,
    )


def test_a_postgresql_database_is_asked_about_itself_and_its_password_is_not_written_down(
    tmp_path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    people_in(database)
    mail(tmp_path)
    address = database.dsn().replace("postgres@", "postgres:s3cret@")
    with Terminal(["datasyncd", "init"], tmp_path) as terminal:
        terminal.sees("First file or address")
        terminal.types(f"{database.dsn()}_")
        terminal.sees("there is no such database")
        terminal.sees("First file or address")
        terminal.types(address)
        terminal.sees('Table (crm."Customers", public.logs, public.orders) [crm."Customers"]')
        terminal.types("public.logs")
        terminal.sees("no column of public.logs tells its records apart")
        terminal.types(address)
        terminal.sees("Table")
        terminal.types("")
        terminal.sees("Second file or address")
        terminal.types("lists/people.csv")
        terminal.sees("Country of phone numbers")
        terminal.types("us")
        terminal.sees("sms_opt_in")
        terminal.sees(f"not mapped in {database.name}: stage, tags")
        terminal.sees("Where do people opt in")
        terminal.types(database.name)
        terminal.sees("Write it? [Y/n]")
        terminal.types("")
        variable = f"DATASYNCD_{database.name.upper()}_DSN"
        terminal.sees(f"next: export {variable}=...")
        assert terminal.ends() == 0

    assert "s3cret" not in (tmp_path / "config.toml").read_text()
    assert check(tmp_path / "config.toml").exit_code == 78, "the address is not known yet"
    monkeypatch.setenv(variable, address)
    checked = check(tmp_path / "config.toml")
    config = load(tmp_path / "config.toml")
    link = config.links[database.name]["customer"]
    assert (link.object, link.key, link.edited_at) == ('crm."Customers"', "id", "updated_at")
    assert {name: field.type for name, field in config.entities["customer"].fields.items()} == {
        "email": "email", "first_name": "text", "phone": "phone", "sms_opt_in": "consent", "points": "integer",
    }  # fmt: skip
    assert checked.exit_code == 0, checked.output
    synced = CliRunner().invoke(group, ["sync", "--json", "--config", str(tmp_path / "config.toml")])
    assert synced.exit_code == 0, synced.output
    assert json.loads(synced.stdout)["read"] == {database.name: 2, "lists": 2}


def test_an_address_without_a_password_is_written_as_it_is(tmp_path: Path, database: Database) -> None:
    people_in(database)
    database.server.run("DROP TABLE orders, logs", database.name)
    mail(tmp_path)
    with Terminal(["datasyncd", "init"], tmp_path) as terminal:
        for line in (database.dsn(), "lists/people.csv", "us", database.name, "y"):
            terminal.sees(": ")
            terminal.types(line)
        assert terminal.ends() == 0, terminal.text

    assert "export" not in terminal.text
    assert load(tmp_path / "config.toml").systems[database.name].options.dsn == database.dsn()  # type: ignore[attr-defined]


def test_nothing_is_written_when_the_answer_is_no(tmp_path: Path) -> None:
    crm(tmp_path, phones=("+16502530000",))
    mail(tmp_path)
    with Terminal(["datasyncd", "init"], tmp_path) as terminal:
        for line in ("crm.db", "customers", "lists/people.csv", "US", "", "n"):
            terminal.sees(": ")
            terminal.types(line)
        assert terminal.ends() == 130

    assert not (tmp_path / "config.toml").exists()


def test_two_files_without_a_field_that_tells_who_is_who_are_refused(tmp_path: Path) -> None:
    crm(tmp_path)
    (tmp_path / "x.csv").write_text("Id,Points\n1,2\n")
    with Terminal(["datasyncd", "init"], tmp_path) as terminal:
        for line in ("crm.db", "customers", "x.csv"):
            terminal.sees(": ")
            terminal.types(line)
        terminal.sees("they have in common: points")
        assert terminal.ends() == 64

    assert not (tmp_path / "config.toml").exists()
