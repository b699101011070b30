"""What goes wrong stays where it is: one field, one record, one system; and nobody is deleted by mistake."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.three_stores import (
    COMMAND,
    CONFIG,
    GUARDS_OFF,
    Change,
    Row,
    Stores,
    environment,
    person_named,
    until,
)

PERSON, OTHER = "C00003", "C00004"
CHOICE = CONFIG.replace(
    'note = { type = "text", policy = "manual" }', 'note = { type = "enum", values = ["red", "green"] }'
)


def people(count: int) -> list[Row]:
    return [{**person_named(n), "note": "red"} for n in range(count)]


def in_step(folder: Path, count: int = 12, *, config: str = CHOICE, guard: str = GUARDS_OFF) -> Stores:
    """Stores that have been synchronised."""
    stores = Stores.of(folder, people(count), config, guard)
    assert stores.sync().code == 0
    return stores


def causes(stores: Stores) -> list[tuple[str, str | None, int]]:
    """What is in quarantine: system, field, how many."""
    return [(cause["system"], cause["field"], cause["count"]) for cause in stores.json("quarantine")]


# One field ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "field", "wrong", "right"),
    [
        ("mail", "score", "many", 77),
        ("crm", "city", "x" * 41, "Rome"),
        ("prefs", "note", "purple", "green"),
        ("crm", "score", "many", 77),
        ("prefs", "sms", "perhaps", "out"),
        ("prefs", "tags", "5", ("vip",)),
        ("mail", "email", "no address", "new@example.org"),
    ],
)
def test_a_field_that_cannot_be_read_stops_nothing_but_itself(
    tmp_path: Path, system: str, field: str, wrong: str, right: Any
) -> None:
    stores = in_step(tmp_path)
    store, before = stores.by_name[system], stores.crm.rows()[PERSON]
    others = [name for name in stores.by_name if name != system]

    store.edit([Change(PERSON, "first_name", "Ada")])
    spoil(stores, system, field, wrong)
    done = stores.sync()

    assert done.code == 1
    assert causes(stores) == [(system, field, 1)]
    assert stores.json("quarantine")[0]["reason"]
    shown = [stores.by_name[name].rows()[PERSON] for name in others]
    assert [(row["first_name"], row[field]) for row in shown] == [("Ada", before[field])] * 2

    spoil(stores, system, field, before[field], back=True)
    store.edit([Change(PERSON, field, right)])
    done = stores.sync()

    assert done.code == 0
    assert causes(stores) == []
    assert {name: rows[PERSON][field] for name, rows in stores.rows().items()} == dict.fromkeys(stores.by_name, right)


def spoil(stores: Stores, system: str, field: str, value: Any, *, back: bool = False) -> None:
    """Write a native value that the store's own rules would not let through."""
    if system == "crm":
        connection = sqlite3.connect(stores.crm.file)
        with connection:
            connection.execute(f"UPDATE contacts SET {field} = ? WHERE customer_id = ?", (value, PERSON))
        connection.close()
    elif system == "mail":
        spoil_line(stores.mail.file, before_of(stores, field) if not back else WRONG_CELLS[field], str(value))
    else:
        text = WRONG_JSON[field]
        found, made = (text[1], text[0]) if back else text
        spoil_line(stores.prefs.file, found, made)


WRONG_CELLS = {"score": "many", "email": "no address"}
WRONG_JSON = {
    "note": ('"note": "red"', '"note": "purple"'),
    "sms": ('"sms": true', '"sms": "perhaps"'),
    "tags": ('"tags": ["customer"]', '"tags": 5'),
}


def before_of(stores: Stores, field: str) -> str:
    return str(people(12)[3][field])


def spoil_line(file: Path, found: str, made: str) -> None:
    """Replace something in the person's line."""
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    (number,) = [number for number, line in enumerate(lines) if PERSON in line.replace(f"-{PERSON}", "")]
    place = lines[number].rindex(found)
    lines[number] = lines[number][:place] + made + lines[number][place + len(found) :]
    file.write_text("".join(lines), encoding="utf-8", newline="")


@pytest.mark.parametrize("system", ["crm", "mail", "prefs"])
def test_an_opt_out_beside_a_value_that_cannot_be_decoded_reaches_everybody(tmp_path: Path, system: str) -> None:
    stores = in_step(tmp_path)
    others = [name for name in stores.by_name if name != system]
    assert stores.crm.rows()[PERSON]["sms"] == "in"

    opted_out = spoil_bytes(stores, system)
    done = stores.sync()

    assert done.code == 1
    assert causes(stores) == [(system, "city", 1)]
    assert stores.json("quarantine")[0]["reason"].lower() == "text in utf-8 expected, not bytes that are none"
    shown = [stores.by_name[name].rows()[PERSON] for name in others]
    assert [(row["sms"], row["city"]) for row in shown] == [("out", "City 3")] * 2

    stores.by_name[others[0]].edit([Change(PERSON, "first_name", "Ada")])
    stores.sync()

    assert spoiled(stores, system) == opted_out.replace(b"First 3", b"Ada"), "what nobody can read stays as it is"


def spoil_bytes(stores: Stores, system: str) -> bytes:
    """Somebody opts the person out, and leaves a city in another encoding; what then stands there."""
    if system == "crm":
        connection = sqlite3.connect(stores.crm.file)
        with connection:
            connection.execute(
                "UPDATE contacts SET sms_ok = 0, city = CAST(x'C8FF' AS TEXT) WHERE customer_id = ?", (PERSON,)
            )
        connection.close()
    else:
        before = line_of(stores, system).encode()
        after = before.replace(b",Y,", b",N,").replace(b'"sms": true', b'"sms": false').replace(b"City", b"\xc8\xff")
        file = file_of(stores, system)
        file.write_bytes(file.read_bytes().replace(before, after))
    return spoiled(stores, system)


def spoiled(stores: Stores, system: str) -> bytes:
    """The person's row as it is stored."""
    if system != "crm":
        (line,) = [row for row in file_of(stores, system).read_bytes().splitlines() if b"\xc8\xff" in row]
        return line
    connection = sqlite3.connect(stores.crm.file)
    connection.text_factory = bytes
    found = connection.execute("SELECT first_name, city, sms_ok FROM contacts WHERE customer_id = ?", (PERSON,))
    (name, city, sms) = found.fetchone()
    connection.close()
    return b"|".join((name, city, str(sms).encode()))


# One record --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("system", ["mail", "prefs"])
def test_a_malformed_row_stops_nothing_but_itself_and_deletes_nobody(tmp_path: Path, system: str) -> None:
    stores = in_step(tmp_path)
    store = stores.by_name[system]

    store.edit([Change(OTHER, "first_name", "Ada")])
    whole = line_of(stores, system)
    spoil_line(file_of(stores, system), whole.rstrip("\n"), f"{system}-{PERSON},torn")
    done = stores.sync()

    assert done.code == 1
    assert [(row[0], row[2]) for row in causes(stores)] == [(system, 1)]
    assert len(stores.crm.rows()) == 12
    assert stores.crm.rows()[OTHER]["first_name"] == "Ada"

    file = file_of(stores, system)
    file.write_text(file.read_text(encoding="utf-8").replace(f"{system}-{PERSON},torn\n", whole), encoding="utf-8")
    done = stores.sync()

    assert (done.code, causes(stores)) == (0, [])
    rows = stores.rows()
    assert rows["crm"] == rows["mail"] == rows["prefs"]


def file_of(stores: Stores, system: str) -> Path:
    return {"crm": stores.crm.file, "mail": stores.mail.file, "prefs": stores.prefs.file}[system]


def line_of(stores: Stores, system: str) -> str:
    lines = file_of(stores, system).read_text(encoding="utf-8").splitlines(keepends=True)
    return next(line for line in lines if PERSON in line)


# One system --------------------------------------------------------------------------------------------------------


def missing(file: Path) -> None:
    file.unlink()


def empty(file: Path) -> None:
    file.write_bytes(b"")


def unreadable(file: Path) -> None:
    file.unlink()
    file.mkdir()


@pytest.mark.parametrize("damage", [missing, empty, unreadable])
@pytest.mark.parametrize("system", ["crm", "mail", "prefs"])
def test_a_store_that_cannot_be_read_deletes_nobody_and_stops_no_other(
    tmp_path: Path, system: str, damage: Callable[[Path], None]
) -> None:
    stores = in_step(tmp_path)
    others = [name for name in stores.by_name if name != system]
    sqlite3.connect(stores.crm.file).execute("PRAGMA wal_checkpoint(TRUNCATE)").connection.close()
    whole = file_of(stores, system).read_bytes()

    damage(file_of(stores, system))
    stores.by_name[others[0]].edit([Change(OTHER, "first_name", "Ada")])
    done = stores.sync()

    assert done.code == 75
    assert list(done.document["failed"]) == [f"{system}.contact"]
    assert {name: len(stores.by_name[name].rows()) for name in others} == dict.fromkeys(others, 12)
    assert stores.by_name[others[1]].rows()[OTHER]["first_name"] == "Ada"

    if file_of(stores, system).is_dir():
        file_of(stores, system).rmdir()
    file_of(stores, system).write_bytes(whole)
    done = stores.sync()

    assert done.code == 0
    rows = stores.rows()
    assert rows["crm"] == rows["mail"] == rows["prefs"]
    assert len(rows["crm"]) == 12


@pytest.mark.parametrize("system", ["mail", "prefs"])
def test_a_file_that_stays_cut_off_in_a_row_deletes_nobody(tmp_path: Path, system: str) -> None:
    stores = in_step(tmp_path)
    file = file_of(stores, system)
    whole = file.read_text(encoding="utf-8")
    others = [name for name in stores.by_name if name != system]

    file.write_text(whole[: whole.index("Last 6")], encoding="utf-8")
    stores.crm.edit([Change(OTHER, "first_name", "Ada")])
    codes = [stores.sync().code for _ in range(3)]

    assert codes == [1, 1, 1]
    assert [(row[0], row[2]) for row in causes(stores)] == [(system, 1)]
    assert {name: len(stores.by_name[name].rows()) for name in others} == dict.fromkeys(others, 12)
    assert stores.by_name[others[1]].rows()[OTHER]["first_name"] == "Ada"

    file.write_text(whole, encoding="utf-8")
    done = stores.sync()

    rows = stores.rows()
    assert (done.code, len(rows["crm"])) == (0, 12)
    assert rows["crm"] == rows["mail"] == rows["prefs"]


def test_a_file_is_not_read_while_its_writer_holds_the_lock(tmp_path: Path) -> None:
    stores = in_step(tmp_path)
    whole = stores.mail.file.read_text(encoding="utf-8")

    def write_slowly() -> None:
        with stores.mail.locked():
            stores.mail.file.write_text(whole[: whole.index("\n", 300) + 1], encoding="utf-8")
            begun.set()
            time.sleep(1.5)
            stores.mail.file.write_text(whole.replace("First 3", "Ada"), encoding="utf-8")

    begun = threading.Event()
    writer = threading.Thread(target=write_slowly)
    writer.start()
    begun.wait()
    done = stores.sync()
    writer.join()

    assert done.code == 0
    assert {name: rows[PERSON]["first_name"] for name, rows in stores.rows().items()} == dict.fromkeys(
        stores.by_name, "Ada"
    )
    assert {name: len(rows) for name, rows in stores.rows().items()} == dict.fromkeys(stores.by_name, 12)


def test_a_locked_database_is_tried_again(tmp_path: Path) -> None:
    stores = in_step(tmp_path, config=CHOICE.replace('path = "crm.db"', 'path = "crm.db"\nbusy_s = 0.2'))
    stores.mail.edit([Change(PERSON, "first_name", "Ada")])
    holder = sqlite3.connect(stores.crm.file, isolation_level=None, check_same_thread=False)
    holder.execute("PRAGMA journal_mode = DELETE")
    holder.execute("BEGIN EXCLUSIVE")

    release = threading.Timer(1.2, lambda: holder.execute("ROLLBACK"))
    release.start()
    done = stores.sync()
    release.join()
    holder.close()

    assert (done.code, done.document["failed"]) == (0, {})
    assert stores.crm.rows()[PERSON]["first_name"] == "Ada"


# Mass changes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("system", ["crm", "mail", "prefs"])
def test_a_mass_delete_is_held_and_an_approval_releases_that_set_once(tmp_path: Path, system: str) -> None:
    stores = in_step(tmp_path, 40, config=CHOICE, guard="")
    others = [name for name in stores.by_name if name != system]

    stores.by_name[system].delete([f"C{n:05}" for n in range(20)])
    done = stores.sync()

    assert done.code == 1
    assert {name: len(stores.by_name[name].rows()) for name in others} == dict.fromkeys(others, 40)
    (held,) = stores.json("guard", "list")
    assert (held["link"], held["class"], held["count"], held["of"]) == (f"{system}.contact", "delete", 20, 40)

    stores.json("guard", "approve", held["id"])
    stores.sync()
    for guard in stores.json("guard", "list"):
        stores.json("guard", "approve", guard["id"])
    done = stores.sync()

    left = [f"C{n:05}" for n in range(20, 40)]
    assert done.code == 0
    assert {name: sorted(store.rows()) for name, store in stores.by_name.items()} == dict.fromkeys(stores.by_name, left)

    stores.by_name[system].delete(left[:15])
    done = stores.sync()

    assert done.code == 1
    assert {name: len(stores.by_name[name].rows()) for name in others} == dict.fromkeys(others, 20)


# The daemon --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def live(stores: Stores) -> Iterator[Any]:
    """A daemon that is in step."""
    with stores.daemon() as daemon:
        until(lambda: carries(stores, "in step"))
        yield daemon


def carries(stores: Stores, value: str) -> bool:
    """Whether an edit, made now or before, has come from the first store to the last."""
    if stores.crm.rows()[PERSON]["city"] != value:
        stores.crm.edit([Change(PERSON, "city", value)])
    return bool(stores.prefs.rows()[PERSON]["city"] == value)


def is_writing(daemon: Any, system: str) -> bool:
    """Whether a write there is under way, and stays so."""
    for _ in range(3):
        status = daemon.status()
        (link,) = [link for link in (status or {"links": []})["links"] if link["system"] == system] or [None]
        if link is None or link["state"] != "running" or not link["pending"]:
            return False
        time.sleep(0.1)
    return True


def problems(daemon: Any) -> list[dict[str, Any]]:
    """What `status` finds wrong."""
    status = daemon.status()
    assert status is not None
    found: list[dict[str, Any]] = status["problems"]
    return found


def events(stores: Stores) -> list[str]:
    return [event["event"] for event in stores.log()]


def test_a_bad_config_is_refused_while_the_daemon_goes_on_and_a_good_one_is_taken(tmp_path: Path) -> None:
    stores = in_step(tmp_path)
    good = stores.config.read_text()
    with live(stores) as daemon:
        stores.config.write_text(good.replace('city = "city"', 'citty = "city"'))
        daemon.signal(signal.SIGHUP)
        until(lambda: "reload_refused" in events(stores))
        (refusal,) = [event for event in stores.log() if event["event"] == "reload_refused"]
        assert "citty" in str(refusal["problems"])
        until(lambda: carries(stores, "after the refusal"))
        (problem,) = [problem for problem in problems(daemon) if problem["code"] == "config"]
        assert (problem["severity"], "citty" in problem["text"], "reload" in problem["fix"]) == ("warning", True, True)

        stores.config.write_text(good.replace('first_name = "first_name"\n', "", 1))
        daemon.signal(signal.SIGHUP)
        until(lambda: "reloading" in events(stores))
        until(lambda: carries(stores, "after the reload"))
        assert [problem for problem in problems(daemon) if problem["code"] == "config"] == []
        stores.crm.edit([Change(PERSON, "first_name", "Ada"), Change(PERSON, "last_name", "Byron")])
        until(lambda: bool(stores.prefs.rows()[PERSON]["last_name"] == "Byron"))

        assert stores.prefs.rows()[PERSON]["first_name"] == "First 3"
        assert daemon.process.poll() is None


def test_a_reload_sees_what_changed_in_an_included_file(tmp_path: Path) -> None:
    stores = in_step(tmp_path)
    daemon_table, rest = stores.config.read_text().split("[systems.crm]")
    more = tmp_path / "more.toml"
    more.write_text("[systems.crm]" + rest.replace('city = "city"', 'citty = "city"'))
    with live(stores) as daemon:
        stores.config.write_text('include = ["more.toml"]\n' + daemon_table)
        daemon.signal(signal.SIGHUP)
        until(lambda: "reload_refused" in events(stores))
        (refusal,) = [event for event in stores.log() if event["event"] == "reload_refused"]
        assert "more.toml:" in str(refusal["problems"])

        more.write_text("[systems.crm]" + rest)
        daemon.signal(signal.SIGHUP)
        until(lambda: "reloading" in events(stores))
        until(lambda: carries(stores, "after the reload"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_daemon_that_is_told_to_stop_ends_well_within_seconds(tmp_path: Path, number: int) -> None:
    stores = in_step(tmp_path)
    with live(stores) as daemon:
        daemon.signal(number)
        assert daemon.process.wait(timeout=5) == 0


def test_a_daemon_that_is_told_to_stop_waits_for_what_is_under_way_and_a_second_time_ends_at_once(
    tmp_path: Path,
) -> None:
    stores = in_step(tmp_path)
    patient = stores.config.read_text().replace('path = "crm.db"', 'path = "crm.db"\nbusy_s = 60.0')
    stores.config.write_text(patient)
    other = sqlite3.connect(tmp_path / "crm.db", isolation_level=None)
    with live(stores) as daemon:
        other.execute("BEGIN EXCLUSIVE")
        stores.mail.edit([Change(PERSON, "city", "edited in mail")])
        until(lambda: is_writing(daemon, "crm"))
        daemon.signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            daemon.process.wait(timeout=0.5)

        daemon.signal(signal.SIGTERM)

        assert daemon.process.wait(timeout=1) == -signal.SIGTERM
    other.execute("ROLLBACK")
    other.close()
    with live(stores):
        assert stores.prefs.rows()[PERSON]["city"] == "in step"


def test_a_daemon_that_is_told_to_stop_while_it_starts_ends_well(tmp_path: Path) -> None:
    stores = in_step(tmp_path)
    with stores.daemon() as daemon:
        until(lambda: (tmp_path / "var" / "control.sock").exists())
        daemon.signal(signal.SIGTERM)
        assert daemon.process.wait(timeout=5) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_daemon_that_is_told_to_stop_before_it_has_read_its_config_ends_well(tmp_path: Path, number: int) -> None:
    stores = in_step(tmp_path)
    stores.config.unlink()
    os.mkfifo(stores.config)
    with stores.daemon() as daemon, contextlib.ExitStack() as unread:

        def reads() -> bool:
            with contextlib.suppress(OSError):  # ENXIO: nobody has opened it for reading yet
                unread.callback(os.close, os.open(stores.config, os.O_WRONLY | os.O_NONBLOCK))
                return True
            return False

        until(reads)
        daemon.signal(signal.SIGHUP)

        def ends() -> bool:
            # Again and again: one that comes just before the process waits in a system call is noticed only after it.
            daemon.signal(number)
            return daemon.process.poll() is not None

        until(ends)
        assert daemon.process.returncode == 0


def test_a_reload_does_not_change_for_how_long_the_process_is_up(tmp_path: Path) -> None:
    stores = in_step(tmp_path)
    with live(stores) as daemon:
        until(lambda: up(daemon) > 3.0)
        daemon.signal(signal.SIGHUP)
        until(lambda: "reloading" in events(stores))
        until(lambda: carries(stores, "after the reload"))

        assert up(daemon) > 3.0


def up(daemon: Any) -> float:
    """`uptime_s`, in seconds."""
    status = daemon.status()
    return 0.0 if status is None else float(status["uptime_s"])


def test_a_second_daemon_on_the_same_state_is_refused(tmp_path: Path) -> None:
    stores = in_step(tmp_path)
    with live(stores) as daemon:
        second = subprocess.run(
            [*COMMAND, "run", "--config", str(stores.config)],
            capture_output=True,
            text=True,
            timeout=20,
            env=environment(),
            check=False,
        )

        assert second.returncode == 75
        assert "state.db" in second.stderr or "running" in second.stderr
        assert len(second.stderr.splitlines()) == 1
        assert daemon.process.poll() is None
        until(lambda: carries(stores, "still at work"))
