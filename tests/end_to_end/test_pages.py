"""The pages of the documentation can be followed: their commands do what they say, and show what they show."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import sys
import tomllib
from pathlib import Path
from typing import Any

import click
import jsonschema
import msgspec
import pytest

from datasyncd.adapters import registry
from datasyncd.adapters.airbyte.adapter import AirbyteOptions
from datasyncd.adapters.amqp.adapter import AmqpOptions
from datasyncd.adapters.carddav.adapter import CarddavOptions
from datasyncd.adapters.contract import ObjectSpec
from datasyncd.adapters.csv.adapter import CsvOptions
from datasyncd.adapters.duckdb.adapter import DuckdbOptions
from datasyncd.adapters.jsonl.adapter import JsonlOptions
from datasyncd.adapters.mysql.adapter import MysqlOptions
from datasyncd.adapters.nats.adapter import NatsOptions
from datasyncd.adapters.parquet.adapter import ParquetOptions
from datasyncd.adapters.postgres.adapter import PostgresOptions
from datasyncd.adapters.redis.adapter import RedisOptions
from datasyncd.adapters.singer.adapter import SingerOptions
from datasyncd.adapters.sqlite.adapter import SqliteOptions
from datasyncd.adapters.testing.certify import Tried
from datasyncd.adapters.testing.desk import opened, pages, records
from datasyncd.adapters.tryton.adapter import TrytonOptions
from datasyncd.daemon import catalogue, certificate, check, cycle, dictionary, health, restore
from datasyncd.daemon.cli.group import COMMANDS, group
from datasyncd.daemon.config import fields, grammar
from datasyncd.daemon.config.expressions import FUNCTIONS
from datasyncd.daemon.config.load import load
from datasyncd.daemon.config.schema import schema
from datasyncd.daemon.demo import tour
from datasyncd.daemon.plan import applier, carry_out, document, item
from datasyncd.daemon.plan import result as plan
from datasyncd.daemon.review import conflicts, explain, guards, history, quarantine, settle
from tests.end_to_end.example import ROOT, Example
from tests.end_to_end.pages import Step, lasting, run, steps
from tests.servers import mysql as mysql_server
from tests.servers.postgres import NOTES, Database

DOCS = ROOT / "docs"
PATH = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


LISTS = {"resolve": "conflicts"}
"""The command that lists what another one takes the ID of, where that is not itself."""

ALONE = (
    "docs/tutorial/first-sync.md",
    "docs/how-to/look-before-the-first-write.md",
    "docs/how-to/compute-and-group-fields.md",
    "docs/how-to/connect-duckdb.md",
    "docs/how-to/connect-parquet.md",
    "docs/how-to/write-an-adapter.md",
    "docs/explanation/why-versions-not-clocks.md",
)
"""Pages that make all they need, in an empty folder."""
BESIDE_THE_EXAMPLE = (
    "README.md",
    "docs/how-to/review-conflicts.md",
    "docs/how-to/handle-a-held-mass-change.md",
    "docs/how-to/quarantine.md",
    "docs/how-to/back-up-and-restore.md",
    "docs/reference/commands.md",
)
"""Pages whose commands are typed while the example runs."""
CONFIG_PAGE = "docs/how-to/write-a-config.md"

NOT_RUN = {
    ("README.md", "make run"): "what it prints is compared in test_example.py",
    ("README.md", "make test"): "it is what runs this",
    ("README.md", "python3 -m venv .venv"): "test_package.py installs what it builds, without a network",
    ("docs/tutorial/first-sync.md", 'PATH="$PWD/.venv/bin:$PATH"; export PATH'): "the tests have it",
    ("docs/how-to/back-up-and-restore.md", "systemctl stop datasyncd"): "stops a service of the machine, as root",
    ("docs/how-to/connect-postgres.md", "datasyncd check"): "asks a database that only its reader has",
    ("docs/how-to/connect-mysql.md", "datasyncd check"): "asks a database that only its reader has",
    ("docs/how-to/connect-remote-files.md", "datasyncd check"): "test_remote_files.py does, with servers of its own",
    ("docs/how-to/connect-carddav.md", "datasyncd check"): "asks a server that only its reader has",
    ("docs/how-to/connect-nats.md", "nats stream add"): "asks a server that only its reader has",
    ("docs/how-to/connect-nats.md", "datasyncd check"): "asks a server that only its reader has",
    ("docs/how-to/connect-amqp.md", "datasyncd check"): "asks a server that only its reader has",
    ("docs/how-to/connect-redis.md", "datasyncd check"): "asks a server that only its reader has",
    ("docs/how-to/connect-tryton.md", "datasyncd check"): "asks a server that only its reader has",
    ("docs/how-to/connect-a-connector.md", "python3 -m venv"): "installs for the whole machine, as root",
    ("docs/how-to/connect-a-connector.md", "/opt/connectors"): "runs what only its reader has installed",
    ("docs/how-to/connect-a-connector.md", "datasyncd check"): "asks a system that only its reader has",
    ("systemd/README.md", "python3 -m venv /opt/datasyncd"): "installs for the whole machine, as root",
    ("systemd/README.md", "install -m 600 /dev/stdin"): "writes a secret of the machine, as root",
    ("systemd/README.md", "systemd-run --pty --wait"): "starts a service of the machine, as root",
}
"""Blocks of commands that no test types: page and how the block begins, and why."""


def not_run(page: str, step: Step) -> list[tuple[str, str]]:
    """What says that a block is not run."""
    return [(other, begin) for other, begin in NOT_RUN if other == page and step.commands.startswith(begin)]


def follow(page: str, folder: Path) -> None:
    """Type the commands of a page, in order, and compare what they show with what the page shows."""
    for step in steps(ROOT / page):
        place = f"{page}, line {step.line}"
        if not_run(page, step):
            continue
        if taken := re.search(r"datasyncd (\w+) .*\bID\b", step.commands):
            _code, listed = run(f"datasyncd {LISTS.get(taken[1], taken[1])} --json", folder, PATH)
            step.commands = re.sub(r"\bID\b", json.loads(listed)[0]["id"], step.commands)
        code, shown = run(step.commands, folder, PATH)
        assert code == 0, f"{place}\n{shown}"
        if step.shows is not None:
            assert sorted(lasting(shown)) == sorted(lasting(step.shows)), place


@pytest.mark.parametrize("page", ALONE)
def test_a_page_can_be_followed_in_an_empty_folder(page: str, tmp_path: Path) -> None:
    follow(page, tmp_path)


@pytest.mark.parametrize("page", BESIDE_THE_EXAMPLE)
def test_a_page_about_the_example_can_be_followed(page: str, tmp_path: Path) -> None:
    with Example(tmp_path).running():
        follow(page, tmp_path)


def test_the_config_that_the_how_to_writes_is_valid_and_syncs(tmp_path: Path) -> None:
    """The page is about systems of the reader's own: the test has two that fit its map."""
    text = (ROOT / CONFIG_PAGE).read_text(encoding="utf-8").replace("/srv/", f"{tmp_path}/")
    config = tmp_path / "config.toml"
    config.write_text("\n".join(blocks(text, "toml")), encoding="utf-8")
    (tmp_path / "crm").mkdir()
    with contextlib.closing(sqlite3.connect(tmp_path / "crm/crm.db")) as crm, crm:
        crm.execute("CREATE TABLE contacts (id INTEGER PRIMARY KEY, email, mobile, state, lang, sms_ok, updated_at)")
        crm.execute("INSERT INTO contacts VALUES (1, 'ada@example.com', NULL, 'active', 'en', 1, '2026-01-31')")
    (tmp_path / "mail-export").mkdir()
    (tmp_path / "mail-export/contacts.csv").write_text("Id,Email,Mobile,Language,SMS\n1,ada@example.com,,,Y\n")

    follow(CONFIG_PAGE, tmp_path)

    assert list(load(config).links) == ["crm", "mail"]


def blocks(text: str, kind: str) -> list[str]:
    """The fenced blocks of a kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


async def test_the_statements_of_the_guide_to_postgres_make_a_link_live(database: Database, tmp_path: Path) -> None:
    text = (DOCS / "how-to/connect-postgres.md").read_text(encoding="utf-8")
    role, settings, slot, notes, rights, triggers = blocks(text, "sql")
    role = role.replace("CREATE ROLE datasyncd", "DROP ROLE IF EXISTS datasyncd; CREATE ROLE datasyncd")
    await database.run("CREATE TABLE contacts (id bigint PRIMARY KEY, name text)", role, notes, rights, triggers)
    spec = ObjectSpec("public.contacts", "id", ("name",))
    async with opened(
        "postgres", tmp_path, spec, dsn=database.dsn("datasyncd"), changes="datasyncd.changes"
    ) as adapter:
        cursor = (await pages(adapter, "public.contacts"))[-1].cursor
        await database.run("INSERT INTO contacts VALUES (1, 'new')")

        assert list(await records(adapter, "public.contacts", cursor)) == ["1"]
        assert notes.strip() == NOTES.read_text(encoding="utf-8").strip()

    assert "wal_level = 'logical'" in settings
    *statements, slot = [statement.strip() for statement in slot.split(";") if statement.strip()]
    await database.run(*statements, slot.replace("'datasyncd'", f"'{database.name}'"))
    async with opened("postgres", tmp_path, spec, dsn=database.dsn("datasyncd"), slot=database.name) as adapter:
        cursor = (await pages(adapter, "public.contacts"))[-1].cursor
        await database.run("INSERT INTO contacts VALUES (2, 'newer')")

        assert list(await records(adapter, "public.contacts", cursor)) == ["2"]
    await database.run("DROP OWNED BY datasyncd", "DROP ROLE datasyncd")


async def test_the_statements_of_the_guide_to_mysql_make_a_link_live(
    mysql: mysql_server.Database, tmp_path: Path
) -> None:
    text = (DOCS / "how-to/connect-mysql.md").read_text(encoding="utf-8")
    user, cursor_column, notes, rights, triggers = blocks(text, "sql")
    assert notes.strip() == mysql_server.NOTES.read_text(encoding="utf-8").strip()
    name = await mysql.user("")
    notes = notes[notes.index("CREATE TABLE") :]
    await mysql.run("CREATE TABLE contacts (id bigint PRIMARY KEY, name text)")
    for statement in ";".join((user.partition(";")[2], cursor_column, notes, rights, triggers)).split(";"):
        if statement.strip():
            text = statement.replace("shop.", f"{mysql.name}.").replace("datasyncd.changes", mysql.notes)
            await mysql.run(text.replace("datasyncd@", f"{name}@"))
    spec = ObjectSpec("contacts", "id", ("name",), cursor="updated_at")
    async with opened("mysql", tmp_path, spec, dsn=mysql.dsn(name), changes=mysql.notes) as adapter:
        cursor = (await pages(adapter, "contacts"))[-1].cursor
        await mysql.run("INSERT INTO contacts (id, name) VALUES (1, 'new')")

        assert list(await records(adapter, "contacts", cursor)) == ["1"]


PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", ROOT / "systemd/README.md", *DOCS.rglob("*.md"), *(ROOT / "src").rglob("*.md"))
)


def test_every_command_in_the_documentation_is_run_or_named_with_a_reason() -> None:
    followed = {*ALONE, *BESIDE_THE_EXAMPLE, CONFIG_PAGE}
    found = [(page, step) for page in PAGES for step in steps(ROOT / page)]

    nobody = [f"{page}, line {step.line}" for page, step in found if page not in followed and not not_run(page, step)]
    assert nobody == []
    assert set(NOT_RUN) - {key for each in found for key in not_run(*each)} == set(), "what stands there is in a page"


@pytest.mark.parametrize("page", PAGES)
def test_every_block_of_a_page_says_what_it_is(page: str) -> None:
    """One that is not marked as commands would be run by nobody."""
    kinds = re.findall(r"^```(.*)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)[::2]

    assert set(kinds) <= {"sh", "text", "toml", "ini", "json", "sql", "python", "markdown"}


@pytest.mark.parametrize("page", PAGES)
def test_every_piece_of_a_config_has_keys_that_a_config_can_have(page: str) -> None:
    known = jsonschema.Draft7Validator(in_pieces(schema(registry.names(), registry.find)))
    wrong = []
    for block in blocks((ROOT / page).read_text(encoding="utf-8"), "toml"):
        for error in known.iter_errors(tomllib.loads(block)):
            wrong.append(f"{'.'.join(map(str, error.absolute_path))}: {error.message[:200]}")

    assert wrong == []


def in_pieces(known: Any) -> Any:
    """A schema that asks for nothing to be there: what it lists must be right, and may be a part."""
    if isinstance(known, dict):
        asks = {key for key in ("required", "not") if not isinstance(known.get(key), dict) or "type" not in known[key]}
        return {key: known[key] if key == "if" else in_pieces(known[key]) for key in known if key not in asks}
    return [in_pieces(each) for each in known] if isinstance(known, list) else known


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)

    lost = []
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, heading = target.partition("#")
        place = (ROOT / page).parent / path if path else ROOT / page
        if not place.exists() or (heading and heading not in anchors(place)):
            lost.append(target)

    assert lost == []


def test_every_page_is_in_the_index() -> None:
    index = (DOCS / "README.md").read_text(encoding="utf-8")
    pages = [path.relative_to(DOCS).as_posix() for path in DOCS.glob("*/*.md") if path.parent.name != "decisions"]

    assert [page for page in pages if f"({page})" not in index] == []


def anchors(page: Path) -> set[str]:
    """What the headings of a page are linked as."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_reference_of_the_config_names_every_key() -> None:
    text = (DOCS / "reference/config.md").read_text(encoding="utf-8")
    tables: list[type[msgspec.Struct]] = [
        grammar.Daemon,
        grammar.Entity,
        grammar.Mapped,
        grammar.Guard,
        grammar.Link,
        fields.Field,
    ]
    types: list[type[msgspec.Struct]] = [fields.Text, fields.Phone, fields.Enum, fields.Set, fields.Consent]
    options: list[type[msgspec.Struct]] = [
        AmqpOptions,
        AirbyteOptions,
        CarddavOptions,
        CsvOptions,
        DuckdbOptions,
        JsonlOptions,
        MysqlOptions,
        NatsOptions,
        ParquetOptions,
        PostgresOptions,
        RedisOptions,
        SingerOptions,
        SqliteOptions,
        TrytonOptions,
    ]
    keys = {field.encode_name for table in (*tables, *types, *options) for field in msgspec.structs.fields(table)}

    assert sorted(key for key in keys - {"fields"} if f"`{key}`" not in text) == []
    assert [name for name in FUNCTIONS if f"`{name}(" not in text] == []


def test_the_reference_of_the_commands_names_every_command_and_option() -> None:
    text = (DOCS / "reference/commands.md").read_text(encoding="utf-8")

    assert [name for name, command in commands() if not re.search(rf"`{name}\b", text)] == []
    assert sorted(option for _name, command in commands() for option in options(command) if option not in text) == []


def commands() -> list[tuple[str, click.Command]]:
    """All commands by their words; a group stands for its `list`."""
    context = click.Context(group)
    found: list[tuple[str, click.Command]] = []
    for name in COMMANDS:
        command = group.get_command(context, name)
        assert command is not None
        nested = command.commands if isinstance(command, click.Group) else {}
        found += [(name, command), *((f"{name} {word}", each) for word, each in nested.items())]
    return found


def options(command: click.Command) -> list[str]:
    return [word for option in command.params if isinstance(option, click.Option) for word in option.opts]


def test_the_reference_of_json_names_every_key() -> None:
    text = (DOCS / "reference/json.md").read_text(encoding="utf-8")
    answers: list[type[msgspec.Struct]] = [
        health.Status, health.LinkStatus, health.Problem, cycle.SyncResult, check.Finding,
        conflicts.Conflict, conflicts.ShownCandidate, conflicts.Cause, settle.Resolution, settle.Resolved,
        settle.NotResolved, explain.Explanation, explain.Field, explain.Version, guards.Held, guards.Sample,
        guards.Approved, quarantine.Cause, quarantine.Kept, quarantine.Done, catalogue.Sheet, catalogue.Option,
        catalogue.Promise, history.History, history.Change, history.FieldChange, history.Past, history.PastField,
        dictionary.Dictionary, dictionary.DescribedEntity, dictionary.Described, dictionary.DescribedFunction,
        dictionary.Place, dictionary.Use, tour.Tour, tour.Story, tour.Step, tour.Seen, plan.PlanResult, plan.Counted,
        plan.Example, plan.Change, item.Item, item.Field, document.Head, document.End, restore.Restored,
        carry_out.Applied, applier.Left, certificate.Certificate, certificate.Certified, Tried,
    ]  # fmt: skip
    keys = {field.encode_name for answer in answers for field in msgspec.structs.fields(answer)}

    assert sorted(key for key in keys if not re.search(rf'[`"]{key}[`"]', text)) == []
