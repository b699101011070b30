"""Published connectors: a Singer tap and target for PostgreSQL, and Airbyte's source that asks what its manifest says.

They need other versions of packages than we do, so that they stand in an environment of their own, from the package
index by connectors.lock: `make test` makes it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.servers.mysql import needed
from tests.servers.postgres import Database

FOLDER = Path(sys.prefix) / "connectors" / "bin"
PASSWORD = "hunter2 of the tap"


def program(name: str) -> str:
    """Where one of them is."""
    path = FOLDER / name
    if not path.exists():
        needed(f"no {name} in {FOLDER}; `make test` installs it")
    return str(path)


def login(database: Database) -> dict[str, Any]:
    """What both are told of a database."""
    url = urlsplit(database.dsn())
    return {
        "host": url.hostname,
        "port": url.port,
        "user": url.username,
        "password": PASSWORD,
        "database": url.path.removeprefix("/"),
    }


def tap(database: Database) -> dict[str, Any]:
    """The options of a system that is read with the tap."""
    return {"tap": [program("tap-postgres")], "settings": {**login(database), "filter_schemas": ["public"]}}


def tap_and_target(database: Database) -> dict[str, Any]:
    """The same, written with the target."""
    plain = {"default_target_schema": "public", "add_record_metadata": False, "activate_version": False}
    return {
        **tap(database),
        "target": [program("target-postgres")],
        "target_settings": {**login(database), **plain},
        "target_streams": {"public-people": "people"},
    }
