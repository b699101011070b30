"""`datasyncd` in a process to which something happens when it comes to a named point for the n-th time.

    python -m tests.torture.launcher kill POINT N run --config config.toml     it dies by SIGKILL
    python -m tests.torture.launcher pause POINT N run --config config.toml    it stands still until it gets SIGCONT
    python -m tests.torture.launcher FILE POINT N run --config config.toml     the disk of FILE is filled with it
    python -m tests.torture.launcher end:PID:9 POINT N run --config ...        that process is sent the signal, and ends
    python -m tests.torture.launcher clock FILE 0 run --config config.toml     its wall clock is ahead by what FILE says
    python -m tests.torture.launcher order FILE 0 run --config config.toml     nothing, but see `order`

Nothing of the daemon knows of this: the functions around a point are wrapped here, and then the real command runs.
"""

from __future__ import annotations

import asyncio
import builtins
import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from datasyncd.adapters.files import content
from datasyncd.adapters.files import exchange as exchanging
from datasyncd.adapters.postgres import writing as postgres_writing
from datasyncd.adapters.postgres.walsender import Walsender
from datasyncd.adapters.sqlite import writing as sqlite_writing
from datasyncd.adapters.sqlite.batch import Batch
from datasyncd.daemon import cli, engine, puller, pusher, restore, settling, throttle
from datasyncd.daemon.cli import backup as backup_command
from datasyncd.state import backup, database
from datasyncd.state.readings import Readings
from datasyncd.state.store import Journaled
from tests.torture import tally
from tests.torture.clock import shift
from tests.torture.order import note_order
from tests.torture.patching import put

Function = Callable[..., Any]
KINDS = {
    "creation": tally.KILLED_AT_ITS_START,
    "migration": tally.KILLED_AT_ITS_START,
    "backup": tally.KILLED_IN_A_COPY,
    "restore": tally.KILLED_IN_A_COPY,
}
"""What a death at a point counts as, by the first word of the point."""
PLACES = {"contacts.csv": "mail", "people.jsonl": "prefs"}


class Step(msgspec.Struct, frozen=True):
    """A function that works inside a transaction of the state."""

    name: str
    places: Sequence[tuple[Any, str]]
    """Modules or classes, and the function's name there."""
    counts: Callable[[Any], bool] = lambda _result: True
    """Whether what it returned says that it did anything."""


STEPS = (
    Step("what a crash left", [(engine, "recover")], bool),
    Step("a page", [(puller, "_take")], lambda taken: bool(taken.read)),
    Step("a complete pull", [(puller, "_settle_pull")]),
    Step("deletions", [(puller, "_delete")], bool),
    Step("a cursor", [(Readings, "move")]),
    Step("a record read before it is written", [(puller, "take_answers"), (pusher, "take_answers")]),
    Step("a search before a create", [(pusher.Delivery, "_searched_for")]),
    Step("attempts", [(pusher.Delivery, "_note")], bool),
    Step("answers", [(settling.Settlement, "take")]),
)
CALLS = ("crm", "mail", "prefs")
FILES = (
    "the new file is empty",
    "the new file is half written",
    "the new file is written and not renamed",
    "the new file is renamed and its folder not on the disk",
)


class Killer:
    """Counts how often a point is reached, and acts at the right time."""

    def __init__(self, action: str, point: str, nth: int) -> None:
        self._action = action
        self._point = point
        self._left = nth
        self._lock = threading.Lock()

    def reached(self, point: str) -> None:
        if point != self._point:
            return
        with self._lock:
            self._left -= 1
            if self._left == 0:
                self._act()

    def _act(self) -> None:
        if self._action == "kill":
            tally.count(KINDS.get(self._point.partition(":")[0], tally.KILLED), self._point)
            os.kill(os.getpid(), signal.SIGKILL)
            threading.Event().wait()
        elif self._action == "pause":
            os.kill(os.getpid(), signal.SIGSTOP)
        elif self._action.startswith("end:"):
            pid, number = map(int, self._action.split(":")[1:])
            tally.count(tally.SERVER_ENDS_IN_A_WRITE, f"{signal.Signals(number).name} {self._point}")
            end(pid, number)
        else:
            tally.count(tally.DISK_FULL, self._point)
            fill(Path(self._action))


def end(pid: int, number: int) -> None:
    """Send a process a signal, and wait until it has ended; whoever started it may not have looked yet."""
    os.kill(pid, number)
    with contextlib.suppress(FileNotFoundError):
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.002)


def fill(file: Path) -> None:
    """Take all that is left of a disk."""
    with file.open("ab", buffering=0) as out:
        for size in (1 << 16, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while out.write(b"x" * size):
                    pass


def points() -> list[str]:
    """All points of three stores in files."""
    steps = [f"{side} the commit of {step.name}" for step in STEPS for side in ("before", "after")]
    calls = [f"{side} {system}" for system in CALLS for side in ("before sending to", "after the answer of")]
    files = [f"{system}: {moment}" for system in ("mail", "prefs") for moment in FILES]
    return [*steps, *calls, *files, "crm: before its commit", "crm: after its commit"]


POSTGRES_POINTS = (
    "before sending to prefs",
    "prefs: before its commit",
    "prefs: the commit is sent and not answered",
    "prefs: after its commit",
    "after the answer of prefs",
)
SLOT_POINTS = (
    "before the commit of a page",
    "after the commit of a page",
    "before the commit of a cursor",
    "after the commit of a cursor",
    "prefs: before its slot may let go",
    "prefs: after its slot may let go",
)
"""Between what a slot tells and the word that it is needed no more."""
CREATION_POINTS = (
    "creation: its file is empty",
    "creation: before its commit",
    "creation: after its commit",
    "creation: named, the folder not on the disk",
)
MIGRATION_POINTS = ("migration: before it", "migration: before its commit", "migration: after its commit")
BACKUP_POINTS = ("backup: copying", "backup: copied", "backup: looked at", "backup: named")
RESTORE_POINTS = (
    "restore: copying",
    "restore: copied",
    "restore: brought up to date",
    "restore: before the log moves",
    "restore: the old one is kept, the new one not in its place",
    "restore: in its place, the folder not on the disk",
    "restore: in its place",
)


def wrap(killer: Killer) -> None:
    """Let all points be known to the killer."""
    _wrap_steps(killer)
    _wrap_calls(killer)
    _wrap_files(killer)
    _wrap_databases(killer)
    _wrap_backups(killer)
    _wrap_migrations(killer)


def _wrap_steps(killer: Killer) -> None:
    """Each step is reached once before the commit of its transaction, and once after."""
    done: list[str] = []  # steps of all loops run in the one thread of the writer

    def noted(step: Step, function: Function) -> Function:
        def run(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            if step.counts(result):
                done.append(step.name)
            return result

        return run

    for step in STEPS:
        for owner, name in step.places:
            put(owner, **{name: noted(step, getattr(owner, name))})
    run_step: Function = Journaled.run_step

    def transaction(steps: Journaled, step: Function) -> Any:
        def inside(tx: Any) -> Any:
            done.clear()
            result = step(tx)
            for name in dict.fromkeys(done):
                killer.reached(f"before the commit of {name}")
            return result

        result = run_step(steps, inside)
        for name in dict.fromkeys(done):
            killer.reached(f"after the commit of {name}")
        done.clear()
        return result

    put(Journaled, run_step=transaction)


def _wrap_calls(killer: Killer) -> None:
    push = throttle.Obedient.push

    async def sending(adapter: Any, object: str, writes: Any) -> Any:
        killer.reached(f"before sending to {adapter._system}")
        outcomes = await push(adapter, object, writes)
        killer.reached(f"after the answer of {adapter._system}")
        return outcomes

    put(throttle.Obedient, push=sending)


def _wrap_files(killer: Killer) -> None:
    """The stages of replacing a file, which the new one is exchanged with, or put over where that cannot be done."""
    dress, place, exchange = content._dress, os.replace, exchanging.exchange

    def dressed(number: int, like: Any) -> None:
        dress(number, like)
        killer.reached(f"{PLACES.get(getattr(like, 'name', ''))}: the new file is empty")

    def opened(file: Any, mode: str = "r", **kwargs: Any) -> Any:
        return _Halved(file, killer) if mode == "wb" else builtins.open(file, mode, **kwargs)

    def replaced(source: Any, target: Any) -> None:
        known = PLACES.get(os.path.basename(target))
        killer.reached(f"{known}: the new file is written and not renamed")
        place(source, target)
        killer.reached(f"{known}: the new file is renamed and its folder not on the disk")

    def exchanged(source: str, target: str) -> bool:
        known = PLACES.get(os.path.basename(target))
        killer.reached(f"{known}: the new file is written and not renamed")
        done = exchange(source, target)
        killer.reached(f"{known}: the new file is renamed and its folder not on the disk" if done else "")
        return done

    put(content, _dress=dressed, open=opened, exchange=exchanged)
    put(os, replace=replaced)


class _Halved:
    """A file whose bytes go to the disk in two halves."""

    def __init__(self, number: int, killer: Killer) -> None:
        self._handle = os.fdopen(number, "wb")
        self._killer = killer

    def write(self, data: bytes) -> None:
        half = len(data) // 2
        self._handle.write(data[:half])
        self._handle.flush()
        name = os.path.basename(os.readlink(f"/proc/self/fd/{self._handle.fileno()}"))
        system = next((system for file, system in PLACES.items() if file in name), "")
        self._killer.reached(f"{system}: the new file is half written")
        self._handle.write(data[half:])

    def __enter__(self) -> _Halved:
        return self

    def __exit__(self, *_: object) -> None:
        self._handle.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._handle, name)


def _wrap_databases(killer: Killer) -> None:
    """Before and after the commits of SQLite and PostgreSQL, and while one is on its way."""
    apply, transaction = Batch.apply, sqlite_writing._transaction

    def applied(batch: Any, singly: bool) -> Any:
        outcomes = apply(batch, singly)
        killer.reached("crm: before its commit")
        return outcomes

    def committed(*args: Any) -> Any:
        outcomes = transaction(*args)
        killer.reached("crm: after its commit")
        return outcomes

    put(Batch, apply=applied)
    put(sqlite_writing, _transaction=committed)

    acknowledge = Walsender.acknowledge

    def acknowledged(sender: Walsender, lsn: int) -> None:
        killer.reached("prefs: before its slot may let go")
        acknowledge(sender, lsn)
        killer.reached("prefs: after its slot may let go")

    put(Walsender, acknowledge=acknowledged)

    execute = asyncpg.Connection.execute

    async def executed(connection: Any, query: str, *args: Any, **kwargs: Any) -> Any:
        if query != "COMMIT":
            return await execute(connection, query, *args, **kwargs)
        killer.reached("prefs: before its commit")
        call = asyncio.ensure_future(execute(connection, query, *args, **kwargs))
        await asyncio.sleep(0)
        killer.reached("prefs: the commit is sent and not answered")
        answer = await call
        killer.reached("prefs: after its commit")
        return answer

    assert "COMMIT" in postgres_writing.push.__code__.co_consts
    put(asyncpg.Connection, execute=executed)


def _wrap_backups(killer: Killer) -> None:
    """The stages of `backup` and of `restore`."""
    fold, copy, inspect, name = backup.as_one_file, backup.copy, backup.inspect, backup_command._put
    outdate, take_place, place = restore.outdate, backup.take_place, os.replace
    restoring = sys.argv[4:5] == ["restore"]

    def copied(source: Any, target: Any) -> None:
        def copying(made: Any) -> None:
            killer.reached("restore: copying" if restoring else "backup: copying")
            fold(made)

        put(backup, as_one_file=copying)
        copy(source, target)
        put(backup, as_one_file=fold)
        killer.reached("restore: copied" if restoring else "backup: copied")

    def inspected(path: Any) -> Any:
        found = inspect(path)
        killer.reached("" if restoring else "backup: looked at")
        return found

    def named(*args: Any) -> None:
        name(*args)
        killer.reached("backup: named")

    def outdated(*args: Any) -> Any:
        unknown = outdate(*args)
        killer.reached("restore: brought up to date")
        return unknown

    def took_place(*args: Any) -> bool:
        killer.reached("restore: before the log moves")
        was_there = take_place(*args)
        killer.reached("restore: in its place")
        return was_there

    def replaced(source: Any, target: Any) -> None:
        state = restoring and os.path.basename(target) == engine.STATE_FILE
        killer.reached("restore: the old one is kept, the new one not in its place" if state else "")
        place(source, target)
        killer.reached("restore: in its place, the folder not on the disk" if state else "")

    put(backup, copy=copied, inspect=inspected, take_place=took_place)
    put(backup_command, _put=named)
    put(restore, outdate=outdated)
    put(os, replace=replaced)


def _wrap_migrations(killer: Killer) -> None:
    """The stages of making a state, and of bringing one up to date."""
    migrate, place = database.migrate, os.replace

    def migrated(db: Any, path: Any) -> None:
        creating = os.path.basename(path) == f"{engine.STATE_FILE}.creating"
        what = "creation" if creating else "migration"
        killer.reached("creation: its file is empty" if creating else "migration: before it")
        db.set_trace_callback(lambda sql: killer.reached(f"{what}: before its commit" if "COMMIT" in sql else ""))
        before = version(db)
        migrate(db, path)
        db.set_trace_callback(None)
        killer.reached(f"{what}: after its commit" if version(db) != before else "")

    def version(db: Any) -> int:
        return int(db.execute("PRAGMA user_version").fetchone()[0])

    def replaced(source: Any, target: Any) -> None:
        place(source, target)
        named = os.path.basename(source) == f"{engine.STATE_FILE}.creating"
        killer.reached("creation: named, the folder not on the disk" if named else "")

    put(database, migrate=migrated)
    put(os, replace=replaced)


def main() -> None:
    action, point, nth, *words = sys.argv[1:]
    if action == "clock":
        shift(Path(point))
    elif action == "order":
        note_order(Path(point))
    else:
        wrap(Killer(action, point, int(nth)))
    sys.argv[1:] = words
    cli.main()


if __name__ == "__main__":
    main()
