"""A CRM (SQLite) and a stream on a real server, to which another program sends: edits and deletions, both ways."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import anyio
import pytest
from click.testing import CliRunner

from datasyncd.daemon.cli.group import group
from tests.servers import rabbitmq
from tests.servers.nats import PASSWORD, USER, Streams
from tests.servers.redis import PASSWORD as REDIS_PASSWORD
from tests.servers.redis import Server

CONFIG = """
[daemon]
state_dir = "var"
listen = ""

[systems.crm]
adapter = "sqlite"
path = "crm.db"

[systems.bus]
{bus}

[entities.contact]
identify = ["email"]
on_delete = "propagate"

[entities.contact.fields]
email = {{ type = "email" }}
name = {{ type = "text", policy = "manual" }}
phone = {{ type = "phone", region = "US" }}

[links.crm.contact]
object = "contacts"
key = "id"
direction = "both"
map = {{ email = "email", name = "name", phone = "phone" }}

[links.bus.contact]
object = "{object}"
key = "id"
direction = "both"
map = {{ email = "email", name = "name", phone = "phone" }}
"""

NOTHING = {"create": 0, "update": 0, "delete": 0}


class Stream(Protocol):
    """A stream, and another program that sends to it."""

    config: str
    """What a config says of it."""
    object: str

    def send(self, key: str, state: Mapping[str, Any] | None) -> None:
        """One message; None: a tombstone."""
        ...

    def states(self) -> dict[str, dict[str, Any]]:
        """The last state of each record that is not deleted, by its key."""
        ...


class NatsStream:
    object = "people"

    def __init__(self, streams: Streams) -> None:
        self._streams = streams
        self.config = f'adapter = "nats"\nurl = "{streams.server.url}"\nuser = "{USER}"\npassword = "{PASSWORD}"'
        anyio.run(streams.make)

    def send(self, key: str, state: Mapping[str, Any] | None) -> None:
        data = b"" if state is None else json.dumps(state).encode()
        anyio.run(self._streams.put, {f"people.{key}": data})

    def states(self) -> dict[str, dict[str, Any]]:
        found = anyio.run(self._streams.all_last, "people")
        return {key: json.loads(data) for key, data in found.items() if data}


class RedisStream:
    object = "people"

    def __init__(self, redis: Server) -> None:
        self._redis = redis
        self.config = f'adapter = "redis"\nurl = "{redis.url}"\nuser = "{USER}"\npassword = "{REDIS_PASSWORD}"'

    def send(self, key: str, state: Mapping[str, Any] | None) -> None:
        self._redis.send({key: None if state is None else json.dumps(state).encode()})

    def states(self) -> dict[str, dict[str, Any]]:
        return {key: json.loads(data) for key, data in self._redis.last().items() if data is not None}


class RabbitStream:
    def __init__(self) -> None:
        self._rabbit = rabbitmq.found()
        self.object = self._rabbit.stream
        self.config = f'adapter = "amqp"\nurl = "{self._rabbit.url}"'
        anyio.run(self._rabbit.make)

    def send(self, key: str, state: Mapping[str, Any] | None) -> None:
        anyio.run(self._rabbit.send, {key: None if state is None else json.dumps(state).encode()})

    def states(self) -> dict[str, dict[str, Any]]:
        return {key: json.loads(data) for key, data in anyio.run(self._rabbit.last).items() if data}

    def drop(self) -> None:
        anyio.run(self._rabbit.drop)


class Stores:
    """A folder with a config, the CRM in it, and the stream."""

    def __init__(self, folder: Path, stream: Stream) -> None:
        self.folder = folder
        self.stream = stream
        (folder / "config.toml").write_text(CONFIG.format(bus=stream.config, object=stream.object), encoding="utf-8")
        with self.db() as db:
            db.execute("CREATE TABLE contacts (id INTEGER PRIMARY KEY, email TEXT, name TEXT, phone TEXT)")

    @contextlib.contextmanager
    def db(self) -> Iterator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self.folder / "crm.db")) as db, db:
            yield db

    def crm(self) -> dict[str, tuple[str, str | None]]:
        """Name and phone by e-mail address."""
        with self.db() as db:
            return {
                email: (name, phone) for email, name, phone in db.execute("SELECT email, name, phone FROM contacts")
            }

    def run(self, *words: str, code: int | None = 0) -> Any:
        words = (*words, "--json", "--config", str(self.folder / "config.toml"))
        done = CliRunner().invoke(group, list(words), catch_exceptions=False)
        assert code is None or done.exit_code == code, done.output
        return json.loads(done.stdout)

    def sync(self, code: int | None = 0) -> Any:
        return self.run("sync", code=code)["written"]


@pytest.fixture(params=["nats", "redis", "amqp"])
def stream(request: pytest.FixtureRequest) -> Iterator[Stream]:
    match request.param:
        case "nats":
            yield NatsStream(request.getfixturevalue("streams"))
        case "redis":
            yield RedisStream(request.getfixturevalue("redis"))
        case _:
            rabbit = RabbitStream()
            yield rabbit
            rabbit.drop()


@pytest.fixture
def stores(tmp_path: Path, stream: Stream) -> Stores:
    """In step: Ann was in both, Ben came from the CRM, and Cem from the stream."""
    stores = Stores(tmp_path, stream)
    with stores.db() as db:
        db.execute(
            "INSERT INTO contacts VALUES (1, 'ann@example.org', 'Ann', NULL),"
            " (2, 'ben@example.org', 'Ben', '+12025550101')"
        )
    stores.stream.send("ann", {"email": "ann@example.org", "name": "Ann", "phone": "+12025550100", "score": 0.10})
    stores.stream.send("cem", {"id": "cem", "email": "cem@example.org", "name": "Cem", "phone": None})
    stores.run("check")
    assert stores.sync() == {"crm": {"create": 1, "update": 1, "delete": 0}, "bus": {**NOTHING, "create": 1}}
    return stores


def test_a_first_sync_fills_both(stores: Stores) -> None:
    assert stores.crm()["ann@example.org"] == ("Ann", "+12025550100")
    assert stores.crm()["cem@example.org"] == ("Cem", None)
    [ben] = [state for state in stores.stream.states().values() if state["email"] == "ben@example.org"]
    assert (ben["name"], ben["phone"]) == ("Ben", "+12025550101")
    assert stores.sync() == {"crm": NOTHING, "bus": NOTHING}, "and then nothing is left to do"


def test_edits_go_both_ways_and_unknown_fields_stay(stores: Stores) -> None:
    with stores.db() as db:
        db.execute("UPDATE contacts SET name = 'Anna' WHERE id = 1")
    stores.stream.send("cem", {"id": "cem", "email": "cem@example.org", "name": "Cem", "phone": "+12025550199"})

    assert stores.sync() == {"crm": {**NOTHING, "update": 1}, "bus": {**NOTHING, "update": 1}}

    assert stores.crm()["cem@example.org"] == ("Cem", "+12025550199")
    ann = stores.stream.states()["ann"]
    assert ann == {"email": "ann@example.org", "name": "Anna", "phone": "+12025550100", "score": 0.1}
    assert stores.sync() == {"crm": NOTHING, "bus": NOTHING}


def test_a_message_that_comes_twice_is_no_edit_of_what_came_after(stores: Stores) -> None:
    """F46."""
    again = stores.stream.states()["cem"]
    stores.stream.send("cem", again)
    assert stores.sync() == {"crm": NOTHING, "bus": NOTHING}
    with stores.db() as db:
        db.execute("UPDATE contacts SET phone = '+12025550123' WHERE email = 'cem@example.org'")
    stores.stream.send("cem", again)

    stores.sync()

    assert stores.crm()["cem@example.org"] == ("Cem", "+12025550123")
    assert stores.stream.states()["cem"]["phone"] == "+12025550123"


def test_cleared_is_null_and_left_out_says_nothing(stores: Stores) -> None:
    """F79, F80."""
    stores.stream.send("ann", {"email": "ann@example.org", "name": "Ann"})
    stores.stream.send("dan", {"email": "dan@example.org", "name": "Dan"})
    stores.sync()
    assert stores.crm()["ann@example.org"] == ("Ann", "+12025550100")

    stores.stream.send("ann", {"email": "ann@example.org", "name": "Ann", "phone": None})
    stores.sync()
    assert stores.crm()["ann@example.org"] == ("Ann", None)


def test_where_missing_is_blank_what_is_left_out_is_cleared_and_filled(stores: Stores) -> None:
    config = stores.folder / "config.toml"
    config.write_text(config.read_text().replace("[systems.bus]", "[systems.bus]\nmissing_is_blank = true"))
    stores.stream.send("ann", {"email": "ann@example.org", "name": "Ann"})
    stores.stream.send("dan", {"email": "dan@example.org", "name": "Dan"})
    stores.sync()
    assert stores.crm()["ann@example.org"] == ("Ann", None)

    with stores.db() as db:
        db.execute("UPDATE contacts SET phone = '+12025550123' WHERE email = 'dan@example.org'")
    stores.sync()
    assert stores.stream.states()["dan"]["phone"] == "+12025550123"


def test_a_tombstone_deletes_in_the_other_system_and_a_delete_there_sends_one(stores: Stores) -> None:
    stores.stream.send("cem", None)
    with stores.db() as db:
        db.execute("DELETE FROM contacts WHERE id = 1")

    stores.sync()

    assert set(stores.crm()) == {"ben@example.org"}
    assert [state["email"] for state in stores.stream.states().values()] == ["ben@example.org"]
    assert stores.sync() == {"crm": NOTHING, "bus": NOTHING}


def test_two_edits_of_one_field_are_a_conflict_and_none_is_lost(stores: Stores) -> None:
    with stores.db() as db:
        db.execute("UPDATE contacts SET name = 'Anna' WHERE id = 1")
    stores.stream.send("ann", {"email": "ann@example.org", "name": "Anne", "phone": "+12025550100"})

    stores.sync(code=None)

    assert stores.crm()["ann@example.org"][0] == "Anna"
    assert stores.stream.states()["ann"]["name"] == "Anne"
    [conflict] = stores.run("conflicts", code=None)
    assert "name" in json.dumps(conflict)
