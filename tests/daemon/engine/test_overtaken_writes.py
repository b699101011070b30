"""A write whose answer comes after another edit: the history says what was sent, not what counts by then."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from click.testing import CliRunner

from datasyncd.adapters.contract import Outcome, Write
from datasyncd.daemon.cli.group import group
from datasyncd.daemon.config.load import load
from datasyncd.daemon.cycle import pull_link, push_link, sync
from datasyncd.daemon.engine import Engine
from datasyncd.daemon.review import commands
from datasyncd.daemon.review.terms import Terms

SYSTEMS = ("crm", "mail", "prefs")
CONFIG = (
    '[daemon]\nstate_dir = "var"\nlisten = ""\n'
    + "".join(f'[systems.{system}]\nadapter = "sqlite"\npath = "{system}.db"\n' for system in SYSTEMS)
    + """[entities.person]
identify = ["email"]
[entities.person.fields]
email = { type = "email" }
lang = { type = "text", policy = "manual" }
tags = { type = "set" }
"""
    + "".join(
        f"""[links.{system}.person]
object = "people"
key = "id"
direction = "both"
map = {{ email = "email", lang = "lang", tags = "tags" }}
"""
        for system in SYSTEMS
    )
)


class Shops:
    """Three stores that know one person in English."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "config.toml"
        self.config.write_text(CONFIG)
        self.stores = {name: sqlite3.connect(folder / f"{name}.db", isolation_level=None) for name in SYSTEMS}
        for db in self.stores.values():
            db.execute("CREATE TABLE people (id INTEGER PRIMARY KEY, email TEXT, lang TEXT, tags TEXT)")
        self.stores["crm"].execute("INSERT INTO people VALUES (1, 'ann@example.org', 'en', 'a;b')")

    def says(self, system: str, field: str, value: str) -> None:
        self.stores[system].execute(f"UPDATE people SET {field} = ?", (value,))

    def holds(self, system: str, field: str) -> Any:
        return self.stores[system].execute(f"SELECT {field} FROM people").fetchone()[0]

    def runs(self, *words: str) -> str:
        return CliRunner().invoke(group, [*words, "--config", str(self.config)]).output

    async def overtaken(self, field: str, sent: str, then: tuple[str, str]) -> list[dict[str, Any]]:
        """Mail's edit is written to prefs; before that is answered, another system's edit is read."""
        async with Engine.open(load(self.config), "test") as engine:
            await sync(engine)
            crm, mail, prefs = (engine.links[system, "person"] for system in SYSTEMS)
            links, push = {"crm": crm, "mail": mail}, prefs.adapter.push

            async def slowly(object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
                prefs.adapter.push = push  # type: ignore[method-assign]
                outcomes = await push(object, writes)
                assert self.holds("prefs", field) == sent
                self.says(then[0], field, then[1])
                await pull_link(engine, links[then[0]])
                return outcomes

            self.says("mail", field, sent)
            await pull_link(engine, mail)
            prefs.adapter.push = slowly  # type: ignore[method-assign]
            await push_link(engine, prefs, pulled=False)
            terms = Terms.of(engine.config, engine.rules, engine.store.fingerprints)
            arguments = {"by": "ann", "entity": "person", "key": "ann@example.org"}
            found: Any = await engine.store.transact(commands.step("history", arguments, terms))
        return [f for c in found["changes"] if c["kind"] == "write" for f in c["fields"] if f["field"] == field]


@pytest.fixture
def shops(tmp_path: Path) -> Shops:
    return Shops(tmp_path)


def brought(field: dict[str, Any]) -> tuple[Any, Any, bool, str | None]:
    return field["value"], field["now"], field["decided"], field["dot"]


def test_what_was_sent_is_told_though_nobody_has_chosen_by_then(shops: Shops) -> None:
    [first, *_later] = anyio.run(shops.overtaken, "lang", "fr", ("crm", "de"))

    assert brought(first) == ("fr", None, False, None)
    said = shops.runs("history", "person", "ann@example.org")
    assert "lang = fr; by then (undecided)" in said


def test_what_was_sent_is_told_though_its_author_has_changed_it_again(shops: Shops) -> None:
    [first, *_later] = anyio.run(shops.overtaken, "lang", "fr", ("mail", "it"))

    assert brought(first) == ("fr", "it", True, None)


def test_a_set_is_told_as_it_was_sent(shops: Shops) -> None:
    [first, *_later] = anyio.run(shops.overtaken, "tags", "b;c", ("crm", "a;b;d"))

    assert brought(first) == (["b", "c"], ["b", "c", "d"], True, None)


def test_a_write_that_nothing_overtook_brought_what_counts(shops: Shops) -> None:
    shops.runs("sync")
    said = shops.runs("history", "person", "ann@example.org")

    assert "lang = en\n" in said
    assert "by then" not in said
