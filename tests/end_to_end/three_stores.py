"""Three stores of one shop, as real files, with the people who edit them: words for the tests of this folder.

    crm     an SQLite database in WAL mode
    mail    a folder with one CSV file, written under its lock
    prefs   a folder with one JSONL file, written under its lock

An edit is one value of one field of one person in one store. It says what the store showed at that moment, in the
same step that replaced it: so an edit whose value another edit replaced was seen by that one's author.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import io
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeAlias

Value: TypeAlias = Any
Row: TypeAlias = dict[str, Value]
"""A person as one store shows them: canonical values by the field's name."""

FIELDS = ("customer_id", "email", "first_name", "last_name", "city", "note", "sms", "tags", "score")
SYSTEMS = ("crm", "mail", "prefs")
COMMAND = (sys.executable, "-m", "datasyncd")

GUARDS_OFF = 'guard = { update = "off", clear = "off", delete = "off", consent = "off" }'

CONFIG = """\
[daemon]
state_dir = "var"
listen = ""

[systems.crm]
adapter = "sqlite"
path = "crm.db"

[systems.mail]
adapter = "csv"
path = "mail"
lock = true

[systems.prefs]
adapter = "jsonl"
path = "prefs"
lock = true

[entities.contact]
identify = ["customer_id", "email"]
on_delete = "propagate"

[entities.contact.fields]
customer_id = { type = "text" }
email = { type = "email" }
first_name = { type = "text" }
last_name = { type = "text" }
city = { type = "text", max_length = 40 }
note = { type = "text", policy = "manual" }
sms = { type = "consent", channel = "sms", authorised = ["prefs"] }
tags = { type = "set" }
score = { type = "integer", policy = "max" }

[links.crm.contact]
object = "contacts"
key = "id"
direction = "both"
live = true
GUARD

[links.crm.contact.map]
customer_id = "customer_id"
email = "email"
first_name = "first_name"
last_name = "last_name"
city = "city"
note = "note"
sms = "sms_ok"
tags = "tags"
score = "score"

[links.mail.contact]
object = "contacts"
key = "Id"
direction = "both"
live = true
opt_in = "write"
GUARD

[links.mail.contact.map]
customer_id = "CustomerId"
email = "Email"
first_name = "FirstName"
last_name = "LastName"
city = "City"
note = "Note"
sms = { field = "SMS", values = { Y = true, N = false } }
tags = "Tags"
score = "Score"

[links.prefs.contact]
object = "people"
key = "id"
direction = "both"
live = true
opt_in = "write"
GUARD

[links.prefs.contact.map]
customer_id = "customer_id"
email = "email"
first_name = "first_name"
last_name = "last_name"
city = "city"
note = "note"
sms = "sms"
tags = "tags"
score = "score"
"""


@dataclass(frozen=True)
class Change:
    """What somebody types."""

    person: str
    field: str
    value: Value


@dataclass(frozen=True)
class Edit:
    """A change that was made."""

    system: str
    person: str
    field: str
    value: Value
    replaced: Value
    """What the store showed until then."""


def person_named(n: int) -> Row:
    """A person of whom nobody has edited anything yet; no two have a value in common that identifies them."""
    return {
        "customer_id": f"C{n:05}",
        "email": f"person{n}@example.org",
        "first_name": f"First {n}",
        "last_name": f"Last {n}",
        "city": f"City {n}",
        "note": f"Note {n}",
        "sms": ("in", "out", None)[n % 3],
        "tags": ("customer",),
        "score": n,
    }


class Store(Protocol):
    """One store, as another program uses it."""

    def create(self, people: Iterable[Row]) -> None: ...
    def add(self, people: Iterable[Row]) -> None: ...
    def delete(self, people: Iterable[str]) -> None: ...
    def rows(self) -> dict[str, Row]: ...
    def edit(self, changes: Sequence[Change]) -> list[Edit]: ...


class Crm:
    """The SQLite store, as another program uses it."""

    name = "crm"

    def __init__(self, folder: Path) -> None:
        self.file = folder / "crm.db"

    def create(self, people: Iterable[Row]) -> None:
        with self._connection() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute(
                "CREATE TABLE contacts (id INTEGER PRIMARY KEY, customer_id TEXT, email TEXT, first_name TEXT, "
                "last_name TEXT, city TEXT, note TEXT, sms_ok INTEGER, tags TEXT, score INTEGER, unmapped TEXT)"
            )
            self._insert(connection, people)

    def add(self, people: Iterable[Row]) -> None:
        with self._connection() as connection:
            self._insert(connection, people)

    def delete(self, people: Iterable[str]) -> None:
        with self._connection() as connection:
            connection.executemany("DELETE FROM contacts WHERE customer_id = ?", [(person,) for person in people])

    def rows(self) -> dict[str, Row]:
        with self._connection() as connection:
            found = connection.execute(f"SELECT {self._columns()} FROM contacts").fetchall()
        return unique(_from_crm(row) for row in found)

    def edit(self, changes: Sequence[Change]) -> list[Edit]:
        made = []
        with self._connection() as connection:
            connection.execute("BEGIN IMMEDIATE")
            for change in changes:
                column = "sms_ok" if change.field == "sms" else change.field
                found = connection.execute(
                    f"SELECT {self._columns()} FROM contacts WHERE customer_id = ?", (change.person,)
                ).fetchone()
                made.append(edited(self.name, change, _from_crm(found)))
                connection.execute(
                    f"UPDATE contacts SET {column} = ? WHERE customer_id = ?",
                    (_to_crm(change.field, change.value), change.person),
                )
        return made

    @contextlib.contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(self.file, timeout=30, isolation_level=None)
        try:
            yield connection
            if connection.in_transaction:
                connection.execute("COMMIT")
        finally:
            connection.close()

    def _insert(self, connection: sqlite3.Connection, people: Iterable[Row]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(
            f"INSERT INTO contacts ({self._columns()}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [[_to_crm(field, person[field]) for field in FIELDS] for person in people],
        )
        connection.execute("COMMIT")

    def _columns(self) -> str:
        return ", ".join("sms_ok" if field == "sms" else field for field in FIELDS)


def _to_crm(field: str, value: Value) -> Value:
    if field == "tags":
        return ";".join(sorted(value)) or None
    if field == "sms":
        return {"in": 1, "out": 0, None: None}[value]
    return value


def _from_crm(found: Sequence[Value]) -> Row:
    row = dict(zip(FIELDS, found, strict=True))
    row["tags"] = tuple(sorted(row["tags"].split(";"))) if row["tags"] else ()
    row["sms"] = {1: "in", 0: "out", None: None}[row["sms"]]
    return row


class Folder:
    """A folder of one text file that is replaced as a whole, under its lock."""

    name: str

    def __init__(self, file: Path) -> None:
        self.file = file

    def read(self) -> list[Row]:
        raise NotImplementedError

    def write(self, rows: Iterable[Row]) -> None:
        raise NotImplementedError

    def create(self, people: Iterable[Row]) -> None:
        self.file.parent.mkdir()
        self.write({**person, "key": f"{self.name}-{person['customer_id']}"} for person in people)

    def add(self, people: Iterable[Row]) -> None:
        with self.locked():
            more = [{**person, "key": f"{self.name}-{person['customer_id']}"} for person in people]
            self.write([*self.read(), *more])

    def delete(self, people: Iterable[str]) -> None:
        going = set(people)
        with self.locked():
            self.write(row for row in self.read() if row["customer_id"] not in going)

    def rows(self) -> dict[str, Row]:
        return unique({field: row[field] for field in FIELDS} for row in self.read())

    def edit(self, changes: Sequence[Change]) -> list[Edit]:
        made = []
        with self.locked():
            rows = unique(self.read())
            for change in changes:
                made.append(edited(self.name, change, rows[change.person]))
                rows[change.person][change.field] = change.value
            self.write(rows.values())
        return made

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        with self.file.with_suffix(".lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def replace(self, content: str) -> None:
        """The new file at once, as careful programs write."""
        new = self.file.with_suffix(".new")
        new.write_text(content, encoding="utf-8", newline="")
        new.replace(self.file)


class Mail(Folder):
    """The CSV store."""

    name = "mail"
    heads: Mapping[str, str] = {
        "key": "Id", "customer_id": "CustomerId", "email": "Email", "first_name": "FirstName",
        "last_name": "LastName", "city": "City", "note": "Note", "sms": "SMS", "tags": "Tags", "score": "Score",
    }  # fmt: skip

    def read(self) -> list[Row]:
        text = self.file.read_text(encoding="utf-8")
        found = csv.DictReader(io.StringIO(text, newline=""))
        return [{field: _from_mail(field, row[head]) for field, head in self.heads.items()} for row in found]

    def write(self, rows: Iterable[Row]) -> None:
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(self.heads.values())
        writer.writerows([_to_mail(field, row[field]) for field in self.heads] for row in rows)
        self.replace(out.getvalue())


def _to_mail(field: str, value: Value) -> str:
    if field == "tags":
        return ";".join(sorted(value))
    if field == "sms":
        return {"in": "Y", "out": "N", None: ""}[value]
    return "" if value is None else str(value)


def _from_mail(field: str, cell: str) -> Value:
    if field == "tags":
        return tuple(sorted(cell.split(";"))) if cell else ()
    if field == "sms":
        return {"Y": "in", "N": "out", "": None}[cell]
    if field == "score":
        return int(cell) if cell else None
    return cell or None


class Prefs(Folder):
    """The JSONL store."""

    name = "prefs"

    def read(self) -> list[Row]:
        lines = (json.loads(line) for line in self.file.read_text(encoding="utf-8").splitlines() if line.strip())
        return [
            {
                **{field: line[field] for field in FIELDS},
                "key": line["id"],
                "tags": tuple(sorted(line["tags"] or ())),
                "sms": {True: "in", False: "out", None: None}[line["sms"]],
            }
            for line in lines
        ]

    def write(self, rows: Iterable[Row]) -> None:
        lines = []
        for row in rows:
            sms = {"in": True, "out": False, None: None}[row["sms"]]
            line = {"id": row["key"], **{field: row[field] for field in FIELDS}, "tags": list(row["tags"]), "sms": sms}
            lines.append(json.dumps(line) + "\n")
        self.replace("".join(lines))


class Stores:
    """The three stores in one folder, with the config beside them."""

    def __init__(
        self, folder: Path, config: str = CONFIG, guard: str = GUARDS_OFF, *, prefs: Store | None = None
    ) -> None:
        """`prefs`: a store that stands in the place of the folder."""
        self.folder = folder
        self.config = folder / "config.toml"
        self.config.write_text(config.replace("GUARD", guard), encoding="utf-8")
        self.crm = Crm(folder)
        self.mail = Mail(folder / "mail" / "contacts.csv")
        self.prefs = Prefs(folder / "prefs" / "people.jsonl")
        self.by_name: dict[str, Store] = {"crm": self.crm, "mail": self.mail, "prefs": prefs or self.prefs}

    @classmethod
    def of(
        cls,
        folder: Path,
        people: Sequence[Row],
        config: str = CONFIG,
        guard: str = GUARDS_OFF,
        *,
        prefs: Store | None = None,
    ) -> Stores:
        """All people in all stores."""
        stores = cls(folder, config, guard, prefs=prefs)
        for store in stores.by_name.values():
            store.create(people)
        return stores

    def rows(self) -> dict[str, dict[str, Row]]:
        """By system and person."""
        return {name: store.rows() for name, store in self.by_name.items()}

    def bytes(self) -> dict[str, bytes]:
        """Every file, whoever wrote it: the stores', ours, and what SQLite keeps beside them."""
        return {
            str(path.relative_to(self.folder)): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and not path.name.endswith("-shm")
        }

    def command(self, *words: str, timeout: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run `datasyncd`, and wait for its end."""
        return subprocess.run(
            [*COMMAND, *words, "--config", str(self.config)],
            capture_output=True,
            text=True,
            timeout=timeout,
            env=environment(),
            check=False,
        )

    def sync(self, *words: str) -> Done:
        """`sync --json`."""
        ended = self.command("sync", "--json", *words)
        try:
            return Done(ended.returncode, json.loads(ended.stdout))
        except ValueError:
            raise AssertionError(f"sync ended with {ended.returncode}: {ended.stdout}{ended.stderr}") from None

    def json(self, *words: str) -> Any:
        """What a command answers."""
        ended = self.command(*words, "--json")
        assert ended.returncode == 0, f"{words} ended with {ended.returncode}: {ended.stderr}"
        return json.loads(ended.stdout)

    @property
    def log_file(self) -> Path:
        return self.folder / "daemon.log"

    def log(self) -> list[dict[str, Any]]:
        """The events that daemons have logged; the last line of one that was killed may be half there."""
        lines = self.log_file.read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    @contextlib.contextmanager
    def daemon(self) -> Iterator[Daemon]:
        """`run` as a process, killed at the end if it still runs."""
        daemon = Daemon(self)
        try:
            yield daemon
        finally:
            daemon.kill()


@dataclass(frozen=True)
class Done:
    """How `sync` ended."""

    code: int
    document: dict[str, Any]

    @property
    def written(self) -> dict[str, dict[str, int]]:
        found: dict[str, dict[str, int]] = self.document["written"]
        return found


class Daemon:
    """`datasyncd run` as a process of its own; its log goes to a file."""

    def __init__(self, stores: Stores) -> None:
        self.stores = stores
        with stores.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [*COMMAND, "run", "--config", str(stores.config)], stdout=log, stderr=log, env=environment()
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def status(self) -> dict[str, Any] | None:
        """What it says of itself; None as long as it does not answer."""
        ended = self.stores.command("status", "--json")
        if ended.returncode == 3:
            return None
        found: dict[str, Any] = json.loads(ended.stdout)
        return found


def until(holds: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait for something; it must come within `seconds`."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.02)


def unique(rows: Iterable[Row]) -> dict[str, Row]:
    """By person; nobody is there twice."""
    out: dict[str, Row] = {}
    for row in rows:
        assert row["customer_id"] not in out, f"{row['customer_id']} is there twice"
        out[row["customer_id"]] = row
    return out


def environment() -> dict[str, str]:
    return {**os.environ, "NO_COLOR": "1"}


def edited(system: str, change: Change, row: Row) -> Edit:
    """A change to a row that shows this."""
    return Edit(system, change.person, change.field, change.value, row[change.field])
