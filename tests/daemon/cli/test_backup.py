"""`backup` and `restore`: what is copied, what is refused, and what a restored state does to the systems."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import time
from collections.abc import Callable
from importlib import resources
from pathlib import Path

import pytest

from datasyncd.reconcile.cluster import AttemptBody
from datasyncd.reconcile.rules import WriteClass
from datasyncd.state.backup import inspect
from datasyncd.state.codec import pack
from datasyncd.state.database import lock, newest_schema
from datasyncd.state.store import SqliteStore

from .shop import Shop


def state_of(shop: Shop) -> Path:
    return shop.folder / "var" / "state.db"


def sequence_of(path: Path) -> int:
    return inspect(path).sequence


def added(shop: Shop, n: int) -> None:
    """A new customer in the CRM."""
    with contextlib.closing(sqlite3.connect(shop.folder / "crm.db")) as db, db:
        db.execute("INSERT INTO contacts VALUES (?, ?, ?, 'en', NULL, NULL)", (n, f"{n}@example.org", f"Ann {n}"))


def removed(shop: Shop, n: int) -> None:
    """A customer is deleted in the mailing list."""
    lines = shop.sheet.read_text().splitlines(keepends=True)
    shop.sheet.write_text("".join(line for line in lines if f",{n}@example.org," not in line))


def listed(shop: Shop) -> list[str]:
    """The e-mail addresses in the mailing list, in order."""
    return sorted(row["Email"] for row in shop._rows())


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """Two systems in step, with a guard too wide to matter, and a backup of that moment."""
    shop = Shop(tmp_path, customers=6)
    shop.config.write_text(shop.config.read_text().replace("at_least = 3", "at_least = 30"))
    assert shop.runs("sync").exit_code == 0
    assert shop.runs("backup", str(tmp_path / "old")).exit_code == 0
    return shop


def restored(shop: Shop) -> None:
    assert shop.runs("restore", str(shop.folder / "old")).exit_code == 0


# The copy


def test_a_backup_is_one_file_for_its_owner_alone(shop: Shop) -> None:
    done = shop.runs("backup", str(shop.folder / "copy"), "--json").json

    assert set(done) == {"file", "at", "schema", "records", "bytes"}
    assert (done["records"], done["bytes"]) == (6, os.path.getsize(shop.folder / "copy"))
    assert stat.S_IMODE(os.stat(shop.folder / "copy").st_mode) == 0o600
    assert not [path.name for path in shop.folder.iterdir() if "copy" in path.name and path.name != "copy"]


def test_a_backup_is_taken_while_the_daemon_runs(shop: Shop) -> None:
    with shop.daemon():
        done = shop.runs("backup", str(shop.folder / "copy"), "--json")

    assert done.json["records"] == 6
    assert inspect(shop.folder / "copy").clusters == 6
    assert [path.name for path in state_of(shop).parent.glob("*.copy-*")] == []


def test_each_copy_is_of_one_moment_while_records_change(shop: Shop) -> None:
    with shop.daemon():
        for n in range(12):
            shop.says("crm", n % 6 + 1, name=f"Name {n}")
            copy = shop.folder / f"copy{n}"
            assert shop.runs("backup", str(copy)).exit_code == 0
            with contextlib.closing(sqlite3.connect(copy)) as db:
                newest = db.execute("SELECT max(revision) FROM cluster").fetchone()[0]
            assert newest <= sequence_of(copy)


def test_a_backup_holds_what_is_committed_and_not_yet_checkpointed(shop: Shop) -> None:
    with contextlib.closing(sqlite3.connect(state_of(shop), isolation_level=None)) as writer:
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute("UPDATE meta SET value = 987654321012 WHERE name = 'sequence'")
        assert shop.runs("backup", str(shop.folder / "copy")).exit_code == 0

    assert sequence_of(shop.folder / "copy") == 987654321012


def test_a_backup_does_not_replace_a_file_unless_it_is_forced(shop: Shop) -> None:
    target = shop.folder / "letter"
    target.write_text("dear all")

    refused = shop.runs("backup", str(target))

    assert refused.exit_code == 64
    assert target.read_text() == "dear all"
    assert shop.runs("backup", str(target), "--force").exit_code == 0
    assert inspect(target).clusters == 6


def test_there_is_nothing_to_back_up_before_the_first_sync(tmp_path: Path) -> None:
    done = Shop(tmp_path).runs("backup", str(tmp_path / "copy"))

    assert done.exit_code == 69
    assert not (tmp_path / "copy").exists()
    assert not (tmp_path / "var" / "state.db").exists()


def test_a_backup_of_a_state_in_which_nothing_happened_has_no_time(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.runs("conflicts")  # makes the state

    done = shop.runs("backup", str(tmp_path / "copy"))
    as_json = shop.runs("backup", str(tmp_path / "again"), "--json").json
    restored = shop.runs("restore", str(tmp_path / "copy"))

    assert done.out == f"{tmp_path / 'copy'}: 0 records, in which nothing was ever synchronised\n"
    assert (as_json["at"], as_json["records"]) == (None, 0)
    assert restored.out.startswith("restored: 0 records, in which nothing was ever synchronised\n")


def test_a_backup_that_cannot_be_written_leaves_nothing_behind(shop: Shop) -> None:
    done = shop.runs("backup", str(shop.folder / "nowhere" / "copy"))

    assert done.exit_code == 69
    with shop.daemon():
        assert shop.runs("backup", str(shop.folder / "nowhere" / "copy")).exit_code == 69
    assert [path.name for path in state_of(shop).parent.glob("*.copy-*")] == []


# What is refused


def test_nothing_is_restored_while_somebody_works_on_the_state(shop: Shop) -> None:
    before = sequence_of(state_of(shop))

    with lock(state_of(shop)):
        assert shop.runs("restore", str(shop.folder / "old")).exit_code == 75
    with shop.daemon():
        assert shop.runs("restore", str(shop.folder / "old")).exit_code == 75

    assert before <= sequence_of(state_of(shop)) < before + 1000


@pytest.mark.parametrize("what", ["a letter", "another database", "half a backup", "a newer state"])
def test_what_is_no_whole_state_is_not_restored(shop: Shop, what: str) -> None:
    old, before = shop.folder / "old", state_of(shop).read_bytes()
    if what == "a letter":
        old.write_text("dear all")
    elif what == "another database":
        old.write_bytes((shop.folder / "crm.db").read_bytes())
    elif what == "half a backup":
        old.write_bytes(old.read_bytes()[: old.stat().st_size // 2])
    else:
        with contextlib.closing(sqlite3.connect(old)) as db:
            db.execute("PRAGMA user_version = 999")

    done = shop.runs("restore", str(old))

    assert done.exit_code == 69
    assert "old" in done.err
    assert state_of(shop).read_bytes() == before
    assert sorted(path.name for path in state_of(shop).parent.iterdir()) == ["state.db", "state.db.lock"]


async def test_a_state_of_an_older_schema_is_brought_up_to_date(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    first = resources.files("datasyncd.state") / "schema" / "0001_initial.sql"
    with contextlib.closing(sqlite3.connect(file)) as db:
        db.executescript(first.read_text(encoding="utf-8"))
        db.executescript(
            "INSERT INTO meta VALUES ('sequence', 7), ('clock', 0), ('secret', randomblob(32));"
            "INSERT INTO guard_count VALUES ('mail', 'contact', 2, 0, 1, 5); PRAGMA user_version = 1;"
        )

    store = await SqliteStore.open(file, lambda: 0)
    try:
        assert store.sequence == 7
        assert await store.transact(lambda tx: tx.guards.counted("mail", "contact", WriteClass.UPDATE, False, 0)) == 0
    finally:
        await store.aclose()
    with contextlib.closing(sqlite3.connect(file)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (newest_schema(),)


def test_nothing_is_restored_while_a_log_that_a_crash_left_cannot_be_folded_in(shop: Shop) -> None:
    """Moved away in two steps, state and log would be two halves for whoever dies between them."""
    state = state_of(shop)
    with contextlib.closing(sqlite3.connect(state, isolation_level=None, timeout=0)) as other:
        other.execute("PRAGMA journal_mode = WAL")
        other.execute("UPDATE meta SET value = value + 1 WHERE name = 'sequence'")
        other.execute("BEGIN")
        other.execute("SELECT * FROM meta").fetchall()
        before = {file.name: file.read_bytes() for file in state.parent.iterdir() if not file.name.endswith("-shm")}

        done = shop.runs("restore", str(shop.folder / "old"))

        assert (done.exit_code, done.err) == (
            75, f"datasyncd: {state}: another program has locked it; stop that program\n"
        )  # fmt: skip
        left = {file.name: file.read_bytes() for file in state.parent.iterdir() if not file.name.endswith("-shm")}
        assert left == before
    assert shop.runs("restore", str(shop.folder / "old")).exit_code == 0


def test_what_killed_backups_have_left_goes_with_a_later_one(shop: Shop) -> None:
    hour_ago = time.time() - 3_700
    left = [f".copy.{'0' * 16}", f".copy.{'1' * 16}-journal", f".copy.{'2' * 16}", f".other.{'3' * 16}", ".copy.old"]
    for name in left:
        (shop.folder / name).write_text("left behind")
        if "2" not in name:  # of one that is still at work
            os.utime(shop.folder / name, (hour_ago, hour_ago))

    assert shop.runs("backup", str(shop.folder / "copy")).exit_code == 0

    assert [name for name in left if (shop.folder / name).exists()] == left[2:]


# What is put back


def test_the_state_that_is_replaced_is_kept_and_can_be_put_back(shop: Shop) -> None:
    shop.says("crm", 1, name="Anna")
    shop.runs("sync")

    done = shop.runs("restore", str(shop.folder / "old"), "--json").json

    assert done["records"] == 6
    assert stat.S_IMODE(os.stat(done["replaced"]).st_mode) == 0o600
    shop.runs("sync")
    again = shop.runs("restore", done["replaced"], "--json").json
    assert again["at"] > done["at"]
    assert shop.runs("sync").exit_code == 0
    assert "Anna" in shop.runs("history", "contact", "1@example.org").out


def test_a_state_that_is_lost_or_damaged_is_replaced_all_the_same(shop: Shop) -> None:
    state_of(shop).write_bytes(b"\0" * 4096)
    restored(shop)
    assert shop.runs("sync").exit_code == 0

    for path in state_of(shop).parent.iterdir():
        path.unlink()
    assert shop.runs("restore", str(shop.folder / "old"), "--json").json["replaced"] is None
    assert shop.runs("sync").exit_code == 0


def test_numbers_and_times_go_on_above_all_that_systems_may_have_seen(shop: Shop) -> None:
    for n in range(5):
        shop.says("crm", 1, name=f"Anna {n}")
        shop.runs("sync")
    seen = inspect(state_of(shop))
    (shop.folder / "var" / "state.db").unlink()

    restored(shop)

    found = inspect(state_of(shop))
    assert found.sequence > seen.sequence
    assert found.at > seen.at


def test_keys_that_were_given_since_the_backup_are_not_given_again(shop: Shop) -> None:
    added(shop, 7)
    shop.runs("sync")
    restored(shop)
    added(shop, 8)
    shop.runs("sync")
    shop.runs("quarantine", "retry", "--all")

    assert shop.runs("sync").exit_code == 0
    assert listed(shop) == [f"{n}@example.org" for n in range(1, 9)]
    assert len({row["Id"] for row in shop._rows()}) == 8


def test_writes_that_were_under_way_at_the_backup_are_of_unknown_outcome(shop: Shop) -> None:
    with contextlib.closing(sqlite3.connect(shop.folder / "old")) as db, db:
        query = "SELECT cluster_id, id FROM binding WHERE system = 'crm' AND ext_id = '1'"
        cluster, binding = db.execute(query).fetchone()
        db.execute(
            "INSERT INTO attempt VALUES (999, ?, 'crm', 'update', ?, NULL, NULL, '999', 0, 'open', ?)",
            (cluster, binding, pack(AttemptBody({}))),
        )

    assert shop.runs("restore", str(shop.folder / "old"), "--json").json["unknown"] == 1

    with contextlib.closing(sqlite3.connect(state_of(shop))) as db:
        assert db.execute("SELECT status FROM attempt").fetchall() == [("unknown",)]
        assert db.execute("SELECT system, ext_id FROM dirty").fetchall() == [("crm", "1")]
    assert shop.runs("sync").exit_code == 0


# What a sync makes of it


def test_nothing_happens_where_nothing_has_changed(shop: Shop) -> None:
    before = shop.sheet.read_bytes()
    restored(shop)

    done = shop.runs("sync", "--json")

    assert done.exit_code == 0
    assert {n for each in done.json["written"].values() for n in each.values()} == {0}
    assert shop.sheet.read_bytes() == before
    assert shop.runs("conflicts", "--all", "--json").json == []


def test_edits_since_the_backup_are_kept_wherever_they_have_come(shop: Shop) -> None:
    shop.says("crm", 1, name="Anna")
    shop.says("mail", 2, name="Berta")
    shop.runs("sync")
    shop.says("crm", 3, name="Carla")  # has come nowhere yet
    restored(shop)

    assert shop.runs("sync").exit_code == 0
    assert [shop.holds(system, n, "name") for n in (1, 2, 3) for system in ("crm", "mail")] == [
        "Anna", "Anna", "Berta", "Berta", "Carla", "Carla",
    ]  # fmt: skip
    assert shop.runs("conflicts", "--all", "--json").json == []


def test_an_edit_of_what_had_come_since_the_backup_is_a_conflict_with_it(shop: Shop) -> None:
    shop.says("crm", 1, name="Anna")
    shop.runs("sync")
    shop.says("mail", 1, name="Annette")
    restored(shop)
    shop.runs("sync")

    [found] = shop.runs("conflicts", "--all", "--json").json

    assert {each["value"] for each in found["candidates"]} == {"Anna", "Annette"}
    assert shop.holds("crm", 1, "name") == shop.holds("mail", 1, "name") == found["chosen"]


def test_records_made_since_the_backup_are_not_made_twice(shop: Shop) -> None:
    added(shop, 7)
    shop.runs("sync")
    restored(shop)

    assert shop.runs("sync").exit_code == 0
    assert listed(shop) == [f"{n}@example.org" for n in range(1, 8)]
    assert sorted(set(listed(shop))) == listed(shop)


def test_a_record_that_somebody_deleted_since_the_backup_is_not_made_again_without_a_person(shop: Shop) -> None:
    added(shop, 7)
    shop.runs("sync")
    removed(shop, 7)
    shop.runs("sync")
    restored(shop)

    done = shop.runs("sync", "--json")

    assert done.exit_code == 1
    assert "7@example.org" not in listed(shop)
    [cause] = shop.runs("quarantine", "--json").json
    assert (cause["system"], cause["count"]) == ("mail", 1)
    assert "restored from a backup" in cause["reason"]
    shop.runs("quarantine", "retry", "--all")
    assert shop.runs("sync").exit_code == 0
    assert "7@example.org" in listed(shop)


def test_a_record_that_the_backup_knew_stays_deleted(shop: Shop) -> None:
    removed(shop, 2)
    shop.runs("sync")
    restored(shop)
    shop.runs("sync")

    assert "2@example.org" not in listed(shop)


def test_a_customer_of_tomorrow_is_made_as_ever(shop: Shop) -> None:
    restored(shop)
    shop.runs("sync")
    added(shop, 7)

    assert shop.runs("sync").exit_code == 0
    assert "7@example.org" in listed(shop)


def test_nothing_is_written_before_every_source_was_read_whole(shop: Shop) -> None:
    shop.says("mail", 1, name="Anna")
    hidden = shop.folder / "crm.away"
    (shop.folder / "crm.db").rename(hidden)
    assert shop.runs("sync").exit_code == 75  # the CRM is owed the name
    assert shop.runs("backup", str(shop.folder / "old"), "--force").exit_code == 0
    hidden.rename(shop.folder / "crm.db")
    assert shop.runs("sync").exit_code == 0
    shop.says("crm", 1, name="Ann 1")  # set back, before the state is lost
    shop.sheet.rename(shop.folder / "away.csv")
    restored(shop)

    assert shop.runs("sync").exit_code == 75
    assert shop.holds("crm", 1, "name") == "Ann 1"
    (shop.folder / "away.csv").rename(shop.sheet)
    assert shop.runs("sync").exit_code == 0
    assert shop.holds("crm", 1, "name") == shop.holds("mail", 1, "name")


def test_the_daemon_says_what_it_waits_for_and_goes_on_when_it_comes(shop: Shop) -> None:
    shop.says("crm", 1, name="Anna")
    shop.sheet.rename(shop.folder / "away.csv")
    restored(shop)

    with shop.daemon("crm"):
        problems = {problem["code"]: problem for problem in shop.runs("status", "--json").json["problems"]}
        assert "contact" in problems["restored"]["text"]
        (shop.folder / "away.csv").rename(shop.sheet)
        until(lambda: shop.holds("mail", 1, "name") == "Anna")
        assert "restored" not in {problem["code"] for problem in shop.runs("status", "--json").json["problems"]}


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def opting(shop: Shop) -> None:
    """The list may raise a consent, so that an opt-in comes to it at all."""
    text = shop.config.read_text()
    shop.config.write_text(text.replace('guard = { update = "50%"', 'opt_in = "write"\nguard = { update = "50%"'))


def test_an_opt_out_that_followed_an_unknown_opt_in_is_not_raised(shop: Shop) -> None:
    opting(shop)
    shop.says("crm", 1, sms="0")
    shop.runs("sync")
    shop.runs("backup", str(shop.folder / "old"), "--force")
    shop.says("crm", 1, sms="1")
    shop.runs("sync")
    assert shop.holds("mail", 1, "sms") == "true"
    shop.says("mail", 1, sms="false")  # has come nowhere yet
    restored(shop)
    shop.runs("sync")

    assert shop.holds("mail", 1, "sms") == "false"
    assert shop.holds("crm", 1, "sms") in ("0", "false", 0)
    kinds = {each["kind"] for each in shop.runs("conflicts", "--all", "--json").json}
    assert "conflict" in kinds


def test_an_opt_in_that_had_come_everywhere_stays(shop: Shop) -> None:
    opting(shop)
    shop.says("crm", 1, sms="0")
    shop.runs("sync")
    shop.runs("backup", str(shop.folder / "old"), "--force")
    shop.says("crm", 1, sms="1")
    shop.runs("sync")
    restored(shop)
    shop.runs("sync")

    assert shop.holds("mail", 1, "sms") == "true"
    assert shop.holds("crm", 1, "sms") in ("1", 1)


def test_an_approval_is_not_restored(shop: Shop) -> None:
    shop.config.write_text(shop.config.read_text().replace("at_least = 30", "at_least = 3"))
    for n in range(1, 6):
        shop.says("crm", n, name=f"New {n}")
    shop.runs("sync")
    [held] = shop.runs("guard", "--json").json
    shop.runs("guard", "approve", held["id"])
    shop.runs("backup", str(shop.folder / "old"), "--force")
    restored(shop)

    assert {each["state"] for each in shop.runs("guard", "list", "--all", "--json").json} == {"over"}
    shop.runs("sync")
    assert shop.holds("mail", 1, "name") == "Ann 1"
    assert len(shop.runs("guard", "--json").json) == 1
