"""Worlds drawn from a seed: a CRM (SQLite), a mailing list (CSV), preferences (JSON lines) and an app in memory that
hold some of the same people, what somebody did in them before a first sync, and what somebody did since.
"""

from __future__ import annotations

import copy
import csv
import io
import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from datasyncd.adapters import registry
from datasyncd.adapters.contract import Adapter, Capabilities, Condition, Context, VersionOrder
from datasyncd.adapters.memory.adapter import MemoryAdapter
from datasyncd.adapters.memory.world import MemorySystem
from datasyncd.adapters.registry import AdapterKind, manifest_of
from datasyncd.daemon.config.load import Config, load
from datasyncd.daemon.cycle import SyncResult, sync
from datasyncd.daemon.engine import Engine
from datasyncd.daemon.plan.carry_out import Applied, apply
from datasyncd.daemon.plan.look import plan, plan_to
from datasyncd.daemon.plan.result import PlanResult

FIELDS = ("email", "name", "city", "phone", "sms", "tags", "score", "language")
CITIES = ("Bern", "Basel", "Zürich", "  Biel", "")
PHONES = ("+14155552671", "(415) 555-2672", "", "no number")
TAGS = ((), ("a",), ("a", "b"), ("b", "c"))
APPS = (
    Capabilities(condition=Condition.ENFORCED, returns_image=True, late_s=0.0, search_lag_s=0.0, pull_is_reading=True),
    Capabilities(
        condition=Condition.ENFORCED, version_order=VersionOrder.COUNTER, assigns_key=True, late_s=0.0, search_lag_s=0.0
    ),
    Capabilities(
        condition=Condition.NONE, version_order=VersionOrder.UNIQUE, assigns_key=True, late_s=0.0, search_lag_s=0.0,
        unique=("email",),
    ),
    Capabilities(
        condition=Condition.NONE, returns_image=True, assigns_key=True, late_s=0.0, search_lag_s=0.0,
        pull_is_reading=True,
    ),
    Capabilities(
        condition=Condition.VISIBLE, version_order=VersionOrder.COUNTER, assigns_key=True, late_s=0.0, search_lag_s=0.0
    ),
)  # fmt: skip
"""What the app may promise."""


class NoOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A system in memory has none."""


class World:
    """Four stores in a folder and in memory, and the config for them."""

    def __init__(self, folder: Path, random: Random) -> None:
        self.folder = folder
        self.random = random
        self.app = MemorySystem(random.choice(APPS))
        self._numbers = 100
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "config.toml").write_text(_config(random))
        with closing(sqlite3.connect(folder / "crm.db")) as db, db:
            columns = "email, name, city, phone, sms INTEGER, tags, score INTEGER, language"
            db.execute(f"CREATE TABLE people (id INTEGER PRIMARY KEY, {columns})")
        self.mail, self.prefs = folder / "mail" / "people.csv", folder / "prefs" / "people.jsonl"
        self.mail.parent.mkdir()
        self.prefs.parent.mkdir()
        self._write_mail([])
        self._write_prefs([])

    def twin(self, folder: Path) -> World:
        """The same world once more, with what is remembered of it."""
        shutil.copytree(self.folder, folder)
        other = copy.copy(self)
        other.folder, other.app = folder, copy.deepcopy(self.app)
        other.mail, other.prefs = folder / "mail" / "people.csv", folder / "prefs" / "people.jsonl"
        return other

    def config(self) -> Config:
        return load(self.folder / "config.toml", {}, self._kind)

    def _kind(self, name: str) -> AdapterKind:
        if name != "memory":
            return registry.find(name)

        def opened(context: Context, _options: Any) -> Adapter:
            return MemoryAdapter(context, self.app)

        return AdapterKind("memory", NoOptions, opened, False, manifest_of("datasyncd.adapters.memory"))

    async def sync(self) -> SyncResult:
        async with Engine.open(self.config(), "sync") as engine:
            return await sync(engine)

    async def plan(self) -> PlanResult:
        return await plan(self.config())

    async def plan_to(self, file: Path) -> PlanResult:
        return await plan_to(self.config(), file)

    async def apply(self, file: Path, *, strict: bool = False) -> Applied:
        return await apply(self.config(), file, strict=strict)

    async def held(self) -> dict[str, int]:
        """Writes that guards hold now, by link."""
        async with Engine.open(self.config(), "guard", attach=False) as engine:
            guards = await engine.store.transact(lambda tx: tx.guards.all())
        out: dict[str, int] = {}
        for guard in guards:
            out[f"{guard.system}.{guard.entity}"] = out.get(f"{guard.system}.{guard.entity}", 0) + guard.count
        return out

    # What people do

    def begin(self) -> None:
        """Each store knows some of the same people, not all in the same words."""
        people = [self._person(n) for n in range(self.random.randint(5, 14))]
        for system in ("crm", "mail", "prefs", "app"):
            share = self.random.choice((0.0, 0.5, 0.9))
            known = [self._varied(row) for n, row in enumerate(people) if self.random.random() < share or n == 0]
            self._put(system, [*self.rows(system), *known])

    def go_on(self, edits: int) -> None:
        """People edit, make and delete records, here and there, some of them the same ones."""
        for _ in range(edits):
            system = self.random.choice(("crm", "mail", "prefs", "app"))
            rows = self.rows(system)
            what = self.random.random()
            if what < 0.15 or not rows:
                self._numbers += 1
                rows.append(self._person(self._numbers))
            elif what < 0.3:
                rows.remove(self.random.choice(rows))
            else:
                row = self.random.choice(rows)
                field = self.random.choice(FIELDS[1:])
                row[field] = self._value(field)
            self._put(system, rows)

    def _person(self, n: int) -> dict[str, Any]:
        return {"id": None, "email": f"p{n}@example.org", **{field: self._value(field) for field in FIELDS[1:]}}

    def _varied(self, row: dict[str, Any]) -> dict[str, Any]:
        field = self.random.choice(FIELDS[1:])
        return {**row, field: self._value(field)} if self.random.random() < 0.4 else dict(row)

    def _value(self, field: str) -> Any:
        draw = self.random.choice
        return {
            "name": f"Ann {self.random.randint(1, 5)}",
            "city": draw(CITIES),
            "phone": draw(PHONES),
            "sms": draw((True, False, None)),
            "tags": draw(TAGS),
            "score": draw((None, 1, 5, 9)),
            "language": draw(("en", "de", "fr")),
        }[field]

    # The stores

    def shows(self) -> dict[str, list[dict[str, Any]]]:
        """All records without their ids, in an order of their own."""
        out = {}
        for system in ("crm", "mail", "prefs", "app"):
            rows = [{field: row[field] for field in FIELDS} for row in self.rows(system)]
            out[system] = sorted(rows, key=repr)
        return out

    def rows(self, system: str) -> list[dict[str, Any]]:
        if system == "crm":
            with closing(sqlite3.connect(self.folder / "crm.db")) as db:
                db.row_factory = sqlite3.Row
                return [
                    {**row, "tags": _tags(row["tags"] or ""), "sms": _flag(row["sms"])}
                    for row in db.execute("SELECT * FROM people ORDER BY id")
                ]
        if system == "mail":
            rows = csv.DictReader(io.StringIO(self.mail.read_text()))
            return [
                {
                    **row,
                    "tags": _tags(row["tags"]),
                    "sms": {"true": True, "false": False, "": None}[row["sms"]],
                    "score": int(row["score"]) if row["score"] else None,
                }
                for row in rows
            ]
        if system == "prefs":
            return [_plain(json.loads(line)) for line in self.prefs.read_text().splitlines() if line.strip()]
        return [_plain({"id": key, **fields}) for key, fields in self.app.holds("people").items()]

    def _put(self, system: str, rows: list[dict[str, Any]]) -> None:
        for n, row in enumerate(rows):
            if row["id"] is None:
                self._numbers += 1
                row["id"] = self._numbers if system == "crm" else f"{system}-{self._numbers}-{n}"
        if system == "crm":
            with closing(sqlite3.connect(self.folder / "crm.db")) as db, db:
                db.execute("DELETE FROM people")
                for row in rows:
                    values = {**row, "tags": ";".join(row["tags"]), "sms": row["sms"]}
                    places = ", ".join("?" for _ in ("id", *FIELDS))
                    db.execute(f"INSERT INTO people VALUES ({places})", [values[name] for name in ("id", *FIELDS)])
        elif system == "mail":
            self._write_mail(rows)
        elif system == "prefs":
            self._write_prefs(rows)
        else:
            self._write_app(rows)

    def _write_mail(self, rows: list[dict[str, Any]]) -> None:
        out = io.StringIO()
        writer = csv.DictWriter(out, ["id", *FIELDS], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            sms = {True: "true", False: "false", None: ""}[row["sms"]]
            writer.writerow({**row, "tags": ";".join(row["tags"]), "sms": sms})
        self.mail.write_text(out.getvalue())

    def _write_prefs(self, rows: list[dict[str, Any]]) -> None:
        self.prefs.write_text("".join(json.dumps({**row, "tags": list(row["tags"])}) + "\n" for row in rows))

    def _write_app(self, rows: list[dict[str, Any]]) -> None:
        self.app.now += 1_000_000
        present = self.app.holds("people")
        for row in rows:
            fields = {**{name: row[name] for name in FIELDS}, "tags": ";".join(row["tags"])}
            if row["id"] not in present:
                self.app.create("people", fields, row["id"])
            elif {name: present[row["id"]].get(name) for name in FIELDS} != fields:
                self.app.edit("people", row["id"], **fields)
        for key in present.keys() - {row["id"] for row in rows}:
            self.app.delete("people", key)


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row.get(name) for name in ("id", *FIELDS)} | {"tags": _tags(row.get("tags") or "")}


def _tags(stored: str | list[str]) -> tuple[str, ...]:
    """A set as a list, or as a text where the store has no lists."""
    return tuple(filter(None, stored.split(";") if isinstance(stored, str) else stored))


def _flag(stored: int | None) -> bool | None:
    return None if stored is None else bool(stored)


def _config(random: Random) -> str:
    on_delete = random.choice(("propagate", "unlink", "propagate"))
    first = random.choice(("newest", "report", "fill_blanks", "crm"))
    group = random.choice(("", ', group = "card"'))
    guard = random.choice(('{ update = "40%", delete = "20%", clear = "20%", consent = "30%", at_least = 3 }', "{}"))
    lines = [
        '[daemon]\nstate_dir = "var"\nlisten = ""',
        '[systems.crm]\nadapter = "sqlite"\npath = "crm.db"',
        f'[systems.mail]\nadapter = "csv"\npath = "mail"\nlock = {random.choice(("true", "false"))}',
        '[systems.prefs]\nadapter = "jsonl"\npath = "prefs"\nlock = true',
        '[systems.app]\nadapter = "memory"',
        f'[entities.person]\nidentify = ["email"]\non_delete = "{on_delete}"\nfirst_contact = "{first}"',
        "[entities.person.fields]",
        'email = { type = "email" }',
        f'name = {{ type = "text"{group} }}',
        f'city = {{ type = "text"{group} }}',
        'phone = { type = "phone", region = "US" }',
        'sms = { type = "consent", channel = "sms", authorised = ["prefs", "crm"] }',
        'tags = { type = "set" }',
        'score = { type = "integer", policy = "max" }',
        'language = { type = "text", policy = "manual" }',
    ]
    for system in ("crm", "mail", "prefs", "app"):
        mapped = ", ".join(f'{name} = "{name}"' for name in FIELDS)
        where = random.choice(("", "", "where = \"language != 'fr'\""))
        opt_in = random.choice(("", 'opt_in = "write"')) if system in ("mail", "app") else ""
        lines += [
            f'[links.{system}.person]\nobject = "people"\nkey = "id"\ndirection = "both"\nmap = {{ {mapped} }}',
            f"guard = {guard}\n{where}\n{opt_in}",
        ]
    return "\n".join(lines)
