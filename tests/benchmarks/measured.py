"""Two contact stores in SQLite, and what it costs to keep them the same: words for the benchmarks.

Sizes come from the first argument, or from the environment's N.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-m", "datasyncd")

TYPES = {
    "customer_id": 'type = "text"',
    "email": 'type = "email"',
    "phone": 'type = "phone", region = "US"',
    "first_name": 'type = "text"',
    "last_name": 'type = "text"',
    "street": 'type = "text"',
    "city": 'type = "text"',
    "zip": 'type = "text"',
    "country": 'type = "text"',
    "language": 'type = "text"',
    "born": 'type = "date"',
    "stage": 'type = "enum", values = ["lead", "active", "cancelled"]',
    "sms": 'type = "consent", channel = "sms", authorised = ["source"]',
    "score": 'type = "integer", policy = "max"',
}
"""The 14 fields of a contact."""

_TABLE = "CREATE TABLE contacts (id INTEGER PRIMARY KEY, " + ", ".join(
    f"{name} {'INTEGER' if name in ('sms', 'score') else 'TEXT'}" for name in TYPES
)
_INSERT = f"INSERT INTO contacts ({', '.join(TYPES)}) VALUES ({', '.join('?' for _ in TYPES)})"
GUARDS_OFF = 'guard = { update = "off", clear = "off", delete = "off", consent = "off" }'


def size(default: int) -> int:
    """How many records."""
    return int(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("N", default))


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder for one benchmark."""
    with tempfile.TemporaryDirectory(prefix="datasyncd-bench-") as name:
        yield Path(name)


def make_store(file: Path, contacts: int) -> None:
    """A contact store in WAL mode; no two contacts share what identifies them."""
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as store:
        store.execute("PRAGMA journal_mode = WAL")
        store.execute(f"{_TABLE})")
        store.execute("BEGIN")
        store.executemany(_INSERT, (contact(n) for n in range(contacts)))
        store.execute("COMMIT")


def contact(n: int) -> tuple[Any, ...]:
    return (
        f"C-{n:07}", f"ada.lovelace{n}@example.com", f"+1415{n + 2_000_000}", f"Ada {n % 977}", f"Lovelace {n % 7919}",
        f"{n % 300} St James's Square", ("London", "Zürich", "New York")[n % 3], f"{n % 90_000 + 10_000}",
        ("GB", "CH", "US")[n % 3], ("en", "de", "en")[n % 3], f"{1940 + n % 60}-12-{1 + n % 28:02}",
        ("lead", "active", "cancelled")[n % 3], (1, 0, None)[n % 3], n % 1000,
    )  # fmt: skip


SQLITE = {system: ('adapter = "sqlite"', f'path = "{system}.db"') for system in ("source", "target")}
"""The lines of each system's table."""


def write_config(at: Path, *, live: bool = False, systems: Mapping[str, Iterable[str]] = SQLITE) -> Path:
    """Two systems, `source` and `target`, with all fields mapped both ways."""
    lines = ["[daemon]", 'state_dir = "var"', 'listen = ""']
    for system, table in systems.items():
        lines += [f"[systems.{system}]", *table]
    lines += ["[entities.contact]", 'identify = ["customer_id", "email"]', "[entities.contact.fields]"]
    lines += [f"{name} = {{ {type} }}" for name, type in TYPES.items()]
    for system in ("source", "target"):
        lines += [f"[links.{system}.contact]", 'object = "contacts"', 'key = "id"', 'direction = "both"', GUARDS_OFF]
        lines += [f"live = {str(live).lower()}", "map = { " + ", ".join(f'{n} = "{n}"' for n in TYPES) + " }"]
    config = at / "config.toml"
    config.write_text("\n".join(lines) + "\n")
    return config


@dataclass
class Cost:
    """What a process took."""

    seconds: float
    cpu_s: float
    rss_mb: float
    code: int
    output: str


def run(*words: str) -> Cost:
    """Run `datasyncd` to its end, and take its measure."""
    began = time.perf_counter()
    process = subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        output = process.stdout.read()
    _pid, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return Cost(
        time.perf_counter() - began, used.ru_utime + used.ru_stime, _megabytes(used), process.returncode, output
    )


def _megabytes(used: resource.struct_rusage) -> float:
    return used.ru_maxrss / 1024


@contextlib.contextmanager
def daemon(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A daemon that has done its first cycle."""
    log = config.with_name("daemon.log")
    with log.open("wb") as out:
        process = subprocess.Popen([*COMMAND, "run", "--config", str(config)], stderr=out)
    try:
        wait_for(lambda: _in_step(config), 60)
        yield process
    except TimeoutError as error:
        ended = process.poll()
        raise TimeoutError(f"{error}; the daemon {'runs' if ended is None else ended}: {log.read_text()}") from None
    finally:
        process.terminate()
        process.wait()


def _in_step(config: Path) -> bool:
    answered = run("status", "--json", "--config", str(config))
    if answered.code == 3:
        return False
    links = json.loads(answered.output)["links"]
    return all(link["state"] in ("live", "waiting") and link["last_success"] for link in links)


def wait_for(holds: Callable[[], bool], seconds: float, pause: float = 0.05) -> None:
    deadline = time.perf_counter() + seconds
    while not holds():
        if time.perf_counter() > deadline:
            raise TimeoutError("it did not come")
        time.sleep(pause)


def quantile(values: list[float], share: float) -> float:
    """The least value that this share of them does not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * share) - 1)]


def show(name: str, **figures: float | int | str) -> None:
    """One line of figures."""
    print(f"{name:<28}{', '.join(f'{key} {_shown(value)}' for key, value in figures.items())}", flush=True)


def _shown(value: float | int | str) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else value
