"""Folders of files: other programs write, lock, replace and remove the files while we do, and processes are killed."""

from __future__ import annotations

import fcntl
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import IO

import anyio
import anyio.lowlevel
import pytest

from datasyncd.adapters.contract import Adapter, Condition, Gone, ObjectSpec, Stale, Write, Written
from datasyncd.adapters.csv.adapter import CsvOptions
from datasyncd.adapters.csv.form import CsvForm
from datasyncd.adapters.csv.sheet import CsvSheet
from datasyncd.adapters.errors import NotFound, Transient, Unreachable
from datasyncd.adapters.files import content as files_content
from datasyncd.adapters.files import local, lock, watch, writers
from datasyncd.adapters.files.adapter import FolderAdapter
from datasyncd.adapters.files.exchange import exchange
from datasyncd.adapters.testing.desk import context, one, opened, pages, records

CONTACTS = ObjectSpec("contacts", "Id", ("Name",))
PLAIN = "Id,Name,Other\n1,Ann,x\n2,Bob,y\n"
UPDATE = [Write("update", "1", {"Name": "Z"})]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "contacts.csv").write_text(PLAIN)
    return tmp_path


def content(folder: Path) -> str:
    return (folder / "contacts.csv").read_text()


def replaced(folder: Path, text: str) -> None:
    """Another program's way to write, at once."""
    (folder / "other.tmp").write_text(text)
    os.replace(folder / "other.tmp", folder / "contacts.csv")


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


@contextmanager
def taken_lock(folder: Path) -> Iterator[None]:
    with open(folder / "contacts.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def running(code: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Another process, which has said that it is ready."""
    with subprocess.Popen([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


HOLDS = """
import sys
with open(sys.argv[1], sys.argv[2]) as file:
    file.write(sys.argv[3])
    file.flush()
    print("ready", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def held_open(folder: Path, mode: str, text: str = "") -> Iterator[subprocess.Popen[str]]:
    """Another program that has opened the file, has written so much, and pauses."""
    arguments = [sys.executable, "-c", HOLDS, str(folder / "contacts.csv"), mode, text]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.communicate("")


def here(folder: Path, mode: str) -> IO[str]:
    """The file, opened by this process."""
    return (folder / "contacts.csv").open(mode)


@pytest.mark.parametrize("mode", ["w", "a", "r+"])
@pytest.mark.parametrize("leases", [True, False])
async def test_a_file_is_neither_read_nor_written_while_somebody_has_it_open_for_writing(
    folder: Path, monkeypatch: pytest.MonkeyPatch, mode: str, leases: bool
) -> None:
    monkeypatch.setattr(local, "PATIENCE_S", 0.0)
    if not leases:
        monkeypatch.setattr(fcntl, "F_RDLCK", -1)
    text = PLAIN[:22] if mode != "a" else ""
    async with opened("csv", folder, CONTACTS, path=".") as desk:
        before = await records(desk, "contacts")
        with held_open(folder, mode, text) as process:
            held = content(folder)
            says = rf"contacts\.csv is open for writing by 'python\S*' \(process {process.pid}\); it is waited for"
            for call in (pages(desk, "contacts"), desk.read("contacts", ["2"]), desk.push("contacts", UPDATE)):
                with pytest.raises(Transient, match=says):
                    await call
            assert content(folder) == held
        (folder / "contacts.csv").write_text(PLAIN)
        with here(folder, "r"):
            assert await records(desk, "contacts") == before, "who reads it is in nobody's way"


async def test_a_writer_that_closes_the_file_in_time_is_waited_for(folder: Path) -> None:
    async with opened("csv", folder, CONTACTS, path=".") as desk, anyio.create_task_group() as group:
        with here(folder, "w") as file:
            file.write(PLAIN[:22])
            file.flush()
            found: list[dict[str, dict[str, object]]] = []

            async def read() -> None:
                found.append(await records(desk, "contacts"))

            group.start_soon(read)
            await anyio.sleep(0.5)
            assert not found
            file.write(PLAIN[22:])
    assert [row.keys() for row in found] == [{"1", "2"}]


def test_a_file_that_somebody_opened_after_it_was_read_is_not_replaced(folder: Path) -> None:
    path = folder / "contacts.csv"
    seen = files_content.read(path, closed=True)
    with held_open(folder, "a"):
        assert not files_content.replace(path, seen, b"Id,Name\n", closed=True)
        assert content(folder) == PLAIN
    assert files_content.replace(path, seen, b"Id,Name\n", closed=True)
    assert names(folder) == ["contacts.csv"]


async def test_under_a_lock_a_file_may_stay_open(folder: Path) -> None:
    async with opened("csv", folder, CONTACTS, path=".", lock=True) as desk:
        with held_open(folder, "a"):
            assert len(await records(desk, "contacts")) == 2
            assert isinstance((await desk.push("contacts", UPDATE))[0], Written)


def test_a_look_at_who_writes_ends_no_process(folder: Path) -> None:
    """Whoever opens a file with a lease on it makes the kernel signal the holder."""
    code = "import sys; print('ready', flush=True)\nwhile True:\n    open(sys.argv[1], 'a').close()"
    with running(code, str(folder / "contacts.csv")) as process:
        for _ in range(3000):
            with open(folder / "contacts.csv", "rb") as file:
                writers.is_open_for_writing(file.fileno(), folder / "contacts.csv")
        assert process.poll() is None
        process.kill()


class Ear:
    """Listens to a watch."""

    def __init__(self) -> None:
        self._told = anyio.Event()

    async def listen(self, desk: Adapter) -> None:
        async for _ in desk.watch("contacts"):
            self._told.set()

    async def hears(self) -> float:
        """Seconds until something is told, which must be few."""
        began = anyio.current_time()
        with anyio.fail_after(5):
            await self._told.wait()
        return anyio.current_time() - began

    async def rests(self) -> bool:
        """Whether nothing has been told for a while; forgets what was."""
        await anyio.sleep(0.2)
        told, self._told = self._told, anyio.Event()
        return not told.is_set()


async def test_what_is_not_there_is_out_of_reach(tmp_path: Path) -> None:
    for path in (".", "no-folder"):
        async with opened("csv", tmp_path, CONTACTS, path=path) as desk:
            with pytest.raises(Unreachable, match=r"desk: .*contacts\.csv: No such file"):
                await pages(desk, "contacts")
            with pytest.raises(Unreachable, match="with `create = true` the first write makes it"):
                await desk.push("contacts", [Write("create", "1", {})])
    assert names(tmp_path) == []


async def test_a_folder_in_the_place_of_a_file_is_out_of_reach(tmp_path: Path) -> None:
    os.mkdir(tmp_path / "contacts.csv")
    async with opened("csv", tmp_path, CONTACTS, path=".") as desk:
        with pytest.raises(Unreachable, match="Is a directory"):
            await pages(desk, "contacts")


async def test_an_object_that_no_link_uses_is_not_found(folder: Path) -> None:
    async with opened("csv", folder, CONTACTS, path=".") as desk:
        with pytest.raises(NotFound, match="no link uses"):
            await desk.describe("orders")


@pytest.mark.parametrize("locks", [False, True])
@pytest.mark.parametrize(("kind", "expected"), [("csv", b"Id,Name\n1,A\n"), ("jsonl", b'{"Id":"1","Name":"A"}\n')])
async def test_a_file_that_was_never_there_is_empty_and_the_first_write_makes_it(
    tmp_path: Path, kind: str, expected: bytes, locks: bool
) -> None:
    async with opened(kind, tmp_path, CONTACTS, path=".", create=True, lock=locks) as desk:
        schema = await desk.describe("contacts")
        assert schema.absent
        assert {column.name for column in schema.columns} == {"Id", "Name"}
        assert await records(desk, "contacts") == {}
        assert [page.complete for page in await pages(desk, "contacts")] == [True]
        assert await desk.read("contacts", ["1"]) == [Gone("1")]
        assert await desk.find("contacts", "Name", ["A"]) == []
        await desk.push("contacts", [Write("update", "1", {"Name": "B"}), Write("delete", "2")])
        assert set(names(tmp_path)) <= {"contacts.lock"}, "nothing to write makes no file"

        (outcome,) = await desk.push("contacts", [Write("create", "1", {"Name": "A"})])

        assert isinstance(outcome, Written)
        assert not (await desk.describe("contacts")).absent
    assert [name for name in names(tmp_path) if not name.endswith(".lock")] == [f"contacts.{kind}"]
    assert await anyio.Path(tmp_path / f"contacts.{kind}").read_bytes() == expected


async def test_a_new_file_is_seen_by_others_with_its_first_record_in_it(tmp_path: Path) -> None:
    heard: list[bytes] = []

    async def look() -> None:
        while not heard:
            with suppress(FileNotFoundError):
                heard.append((tmp_path / "contacts.csv").read_bytes())
            await anyio.lowlevel.checkpoint()

    async with opened("csv", tmp_path, CONTACTS, path=".", create=True) as desk, anyio.create_task_group() as tasks:
        tasks.start_soon(look)
        await desk.push("contacts", [Write("create", "1", {"Name": "A"})])
    assert heard == [b"Id,Name\n1,A\n"]


async def test_a_file_that_somebody_makes_meanwhile_is_written_into(tmp_path: Path) -> None:
    class Late(CsvForm):
        def sheet(self, spec: ObjectSpec, name: str, data: bytes) -> CsvSheet:
            if not (tmp_path / "contacts.csv").exists():
                (tmp_path / "contacts.csv").write_text(PLAIN)
            return super().sheet(spec, name, data)

    options = CsvOptions(path=".", create=True)
    desk = FolderAdapter(context(tmp_path, CONTACTS), options, Late("utf-8", None))

    (outcome,) = await desk.push("contacts", [Write("create", "3", {"Name": "Cy"})])

    assert isinstance(outcome, Written)
    assert content(tmp_path) == PLAIN + "3,Cy,\n"


async def test_a_file_that_was_there_is_not_made_anew(folder: Path) -> None:
    async with opened("csv", folder, CONTACTS, path=".", create=True) as desk:
        assert len(await records(desk, "contacts")) == 2
        os.unlink(folder / "contacts.csv")

        for call in (desk.describe("contacts"), pages(desk, "contacts"), desk.read("contacts", ["1"])):
            with pytest.raises(Unreachable, match=r"contacts\.csv was there and is gone; put it back"):
                await call
        with pytest.raises(Unreachable, match="put it back"):
            await desk.push("contacts", [Write("create", "3", {"Name": "C"})])
    assert names(folder) == []


async def test_neither_a_folder_nor_the_end_of_a_link_is_made(tmp_path: Path) -> None:
    os.symlink(tmp_path / "elsewhere", tmp_path / "contacts.csv")
    for path in (".", "not-mounted"):
        async with opened("csv", tmp_path, CONTACTS, path=path, create=True) as desk:
            with pytest.raises(Unreachable, match="No such file"):
                await desk.describe("contacts")
            with pytest.raises(Unreachable, match="No such file"):
                await desk.push("contacts", [Write("create", "3", {"Name": "C"})])
    assert names(tmp_path) == ["contacts.csv"]


async def test_only_a_lock_makes_writes_conditional(folder: Path) -> None:
    for locks, condition in ((False, Condition.NONE), (True, Condition.ENFORCED)):
        async with opened("csv", folder, CONTACTS, path=".", lock=locks) as desk:
            assert desk.capabilities("contacts").condition is condition


@pytest.mark.parametrize("locks", [False, True])
async def test_a_row_that_somebody_changed_is_stale_with_and_without_a_lock(folder: Path, locks: bool) -> None:
    async with opened("csv", folder, CONTACTS, path=".", lock=locks) as desk:
        ann, bob = await one(desk, "contacts", "1"), await one(desk, "contacts", "2")
        replaced(folder, PLAIN.replace("Ann", "Anna").replace("y", "z"))

        outcomes = await desk.push(
            "contacts",
            [Write("update", "1", {"Name": "A"}, ann.version), Write("update", "2", {"Name": "B"}, bob.version)],
        )

        assert outcomes[0] == Stale()
        assert content(folder) == "Id,Name,Other\n1,Anna,x\n2,B,z\n"


async def test_an_edit_between_our_look_and_the_renaming_is_kept(folder: Path) -> None:
    """Each time that we have read the file, somebody changes it; twice, then they let us be."""
    edits = iter([PLAIN.replace("Bob", "Bo"), PLAIN.replace("Bob", "Rob")])

    class Meddling(CsvForm):
        def sheet(self, spec: ObjectSpec, name: str, data: bytes) -> CsvSheet:
            sheet = super().sheet(spec, name, data)
            if (edit := next(edits, None)) is not None:
                replaced(folder, edit)
            return sheet

    options = CsvOptions(path=".")
    desk = FolderAdapter(context(folder, CONTACTS), options, Meddling("utf-8", None))

    (outcome,) = await desk.push("contacts", [Write("update", "1", {"Name": "A"})])

    assert isinstance(outcome, Written)
    assert content(folder) == PLAIN.replace("Bob", "Rob").replace("Ann", "A")


@pytest.mark.parametrize("late", [1, 2])
async def test_an_edit_after_our_last_look_is_put_back(
    folder: Path, monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    """Others replace the file after we looked; then once more while theirs is put back. The newest stays."""
    edits = iter([PLAIN.replace("Bob", "Bo"), PLAIN.replace("Bob", "Rob")][-late:])

    def meddled(one: str, other: str) -> bool:
        if (edit := next(edits, None)) is not None:
            replaced(folder, edit)
        return exchange(one, other)

    monkeypatch.setattr(files_content, "exchange", meddled)
    async with opened("csv", folder, CONTACTS, path=".") as desk:
        (outcome,) = await desk.push("contacts", [Write("update", "1", {"Name": "A"})])

    assert isinstance(outcome, Written)
    assert content(folder) == PLAIN.replace("Bob", "Rob").replace("Ann", "A")
    assert names(folder) == ["contacts.csv"]


async def test_where_files_cannot_be_exchanged_they_are_replaced(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files_content, "exchange", lambda _one, _other: False)
    async with opened("csv", folder, CONTACTS, path=".") as desk:
        await desk.push("contacts", [Write("update", "1", {"Name": "A"})])

    assert content(folder) == PLAIN.replace("Ann", "A")
    assert names(folder) == ["contacts.csv"]


def test_two_files_trade_their_names(tmp_path: Path) -> None:
    (tmp_path / "one").write_text("1")
    (tmp_path / "other").write_text("2")

    assert exchange(str(tmp_path / "one"), str(tmp_path / "other"))

    assert [(tmp_path / name).read_text() for name in ("one", "other")] == ["2", "1"]
    with pytest.raises(FileNotFoundError):
        exchange(str(tmp_path / "one"), str(tmp_path / "nowhere"))


async def test_an_edit_of_the_same_size_within_one_tick_of_the_clock_is_noticed(folder: Path) -> None:
    path = folder / "contacts.csv"
    edits = iter([PLAIN.replace("Bob", "Rob")])

    class Meddling(CsvForm):
        def sheet(self, spec: ObjectSpec, name: str, data: bytes) -> CsvSheet:
            if (edit := next(edits, None)) is not None:
                before = os.stat(path)
                path.write_text(edit)
                os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
            return super().sheet(spec, name, data)

    options = CsvOptions(path=".")
    desk = FolderAdapter(context(folder, CONTACTS), options, Meddling("utf-8", None))

    await desk.push("contacts", [Write("update", "1", {"Name": "A"})])

    assert content(folder) == PLAIN.replace("Bob", "Rob").replace("Ann", "A")


async def test_a_file_that_never_rests_is_left_alone(folder: Path) -> None:
    turns = iter(range(100))

    class Meddling(CsvForm):
        def sheet(self, spec: ObjectSpec, name: str, data: bytes) -> CsvSheet:
            replaced(folder, PLAIN + f"n{next(turns)},n,n\n")
            return super().sheet(spec, name, data)

    options = CsvOptions(path=".")
    desk = FolderAdapter(context(folder, CONTACTS), options, Meddling("utf-8", None))

    with pytest.raises(Transient, match="being written by somebody else"):
        await desk.push("contacts", [Write("update", "1", {"Name": "A"})])
    assert "Ann" in content(folder)


COUNTING = """
import fcntl, sys, time
folder, times = sys.argv[1], int(sys.argv[2])
print("ready", flush=True)
for n in range(1, times + 1):
    time.sleep(0.002)
    with open(f"{folder}/contacts.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with open(f"{folder}/contacts.csv", "r+") as file:
            lines = file.read().splitlines()
            assert lines[2] == f"2,{n - 1},y", lines
            lines[2] = f"2,{n},y"
            file.seek(0)
            file.truncate()
            for line in lines:
                file.write(line + "\\n")
                file.flush()
"""


async def test_under_the_lock_no_edit_of_another_process_is_lost(folder: Path) -> None:
    (folder / "contacts.csv").write_text(PLAIN.replace("Bob", "0"))
    async with opened("csv", folder, CONTACTS, path=".", lock=True) as desk:
        n = 0
        with running(COUNTING, str(folder), "200") as process:
            while process.poll() is None:
                n += 1
                (outcome,) = await desk.push("contacts", [Write("update", "1", {"Name": str(n)})])
                assert isinstance(outcome, Written)
                assert sorted(await records(desk, "contacts")) == ["1", "2"]

        assert (process.returncode, n > 3) == (0, True)
        assert {key: row["Name"] for key, row in (await records(desk, "contacts")).items()} == {"1": str(n), "2": "200"}


async def test_a_lock_that_stays_taken_is_tried_again_later(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "PATIENCE_S", 0.1)
    async with opened("csv", folder, CONTACTS, path=".", lock=True) as desk:
        with taken_lock(folder):
            with pytest.raises(Transient, match="locked by somebody else"):
                await pages(desk, "contacts")
            with pytest.raises(Transient, match="locked by somebody else"):
                await desk.push("contacts", [Write("delete", "1")])
        assert await desk.push("contacts", [Write("delete", "1")]) == [Written("1")]


async def test_pushes_of_one_process_wait_for_each_other(folder: Path) -> None:
    async with opened("csv", folder, CONTACTS, path=".") as desk, anyio.create_task_group() as tasks:
        for n in range(20):
            tasks.start_soon(desk.push, "contacts", [Write("create", f"n{n}", {"Name": str(n)})])
    assert content(folder).count("\n") == 23


async def test_mode_and_links_stay(folder: Path) -> None:
    os.rename(folder / "contacts.csv", folder / "real.csv")
    os.symlink("real.csv", folder / "contacts.csv")
    os.chmod(folder / "real.csv", 0o640)
    async with opened("csv", folder, CONTACTS, path=".") as desk:
        await desk.push("contacts", [Write("update", "1", {"Name": "A"})])

    assert os.readlink(folder / "contacts.csv") == "real.csv"
    assert stat.S_IMODE(os.stat(folder / "real.csv").st_mode) == 0o640
    assert names(folder) == ["contacts.csv", "real.csv"]


WRITING = """
import asyncio, sys
from pathlib import Path
from datasyncd.adapters import registry
from datasyncd.adapters.contract import Context, Moment, ObjectSpec, Write

async def main(folder):
    kind = registry.find("csv")
    spec = ObjectSpec("contacts", "Id", ("Name",))
    adapter = kind.open(Context("s", folder, lambda: Moment(0, 0), {"contacts": spec}), kind.options(path="."))
    print("ready", flush=True)
    for n in range(10**6):
        await adapter.push("contacts", [Write("update", str(k), {"Name": str(n)}) for k in range(5000)])

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_a_process_killed_while_it_rewrites_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    random = Random(7)
    rows = [f"{k},start," + "x" * 100 for k in range(5000)]
    (tmp_path / "contacts.csv").write_text("\n".join(["Id,Name,Other", *rows, ""]))
    leftovers = 0
    for _ in range(8):
        with running(WRITING, str(tmp_path)) as process:
            await anyio.sleep(random.uniform(0.05, 0.3))
            process.send_signal(signal.SIGKILL)
        leftovers += len(names(tmp_path)) - 1

        lines = content(tmp_path).splitlines()
        assert len(lines) == 5001
        assert len({line.split(",")[1] for line in lines[1:]}) == 1
    async with opened("csv", tmp_path, CONTACTS, path=".") as desk:
        await records(desk, "contacts")
    assert names(tmp_path) == ["contacts.csv"], f"{leftovers} files were left by the killed"


async def test_what_another_process_is_writing_now_is_not_swept_away(folder: Path) -> None:
    path = folder / ".contacts.csv.abc.datasyncd-new"
    with path.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        async with opened("csv", folder, CONTACTS, path=".") as desk:
            await records(desk, "contacts")
            assert path.name in names(folder)
    async with opened("csv", folder, CONTACTS, path=".") as desk:
        await records(desk, "contacts")
        assert path.name not in names(folder)


async def test_a_cancelled_push_has_ended_when_the_cancel_returns(folder: Path) -> None:
    async with opened("csv", folder, CONTACTS, path=".") as desk:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await desk.push("contacts", [Write("update", "1", {"Name": "A"})])
        after = content(folder)
        await anyio.sleep(0.2)

        assert content(folder) == after
        assert names(folder) == ["contacts.csv"]


async def test_a_change_by_another_program_is_hinted_soon(folder: Path) -> None:
    async with opened("csv", folder, CONTACTS, path=".") as desk, anyio.create_task_group() as tasks:
        ear = Ear()
        tasks.start_soon(ear.listen, desk)
        await ear.rests()

        (folder / "unrelated.txt").write_text("x")
        assert await ear.rests()

        replaced(folder, PLAIN + "3,C,z\n")
        assert await ear.hears() < 1
        await ear.rests()

        (folder / "contacts.csv").write_text(PLAIN)
        assert await ear.hears() < 1
        await desk.aclose()


async def test_a_folder_that_is_made_again_is_watched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LOOK_MS", 100)
    folder = tmp_path / "drop"
    folder.mkdir()
    async with opened("csv", tmp_path, CONTACTS, path="drop") as desk, anyio.create_task_group() as tasks:
        ear = Ear()
        tasks.start_soon(ear.listen, desk)
        await ear.rests()
        os.rename(folder, tmp_path / "old")
        folder.mkdir()
        await ear.hears()
        await ear.rests()

        (folder / "contacts.csv").write_text(PLAIN)

        await ear.hears()
        tasks.cancel_scope.cancel()


async def test_watching_a_missing_folder_is_out_of_reach(tmp_path: Path) -> None:
    async with opened("csv", tmp_path, CONTACTS, path="nowhere") as desk:
        with pytest.raises(Unreachable, match="cannot watch"):
            async for _ in desk.watch("contacts"):
                pass


async def test_a_pipe_in_the_place_of_a_file_keeps_nobody_waiting(folder: Path) -> None:
    (folder / "contacts.csv").unlink()
    os.mkfifo(folder / "contacts.csv")
    async with opened("csv", folder, CONTACTS, path=".") as desk:
        with anyio.fail_after(5), pytest.raises(Unreachable, match="not a file"):
            await desk.describe("contacts")


async def test_addresses_are_found_in_any_case(folder: Path) -> None:
    (folder / "contacts.csv").write_text("Id,Name\n1,Ann@X.org\n2,Bob\n3,bob\n")
    async with opened("csv", folder, CONTACTS, path=".") as desk:
        assert [record.key for record in await desk.find("contacts", "Name", ["ann@x.ORG", "bob"])] == ["1", "3"]


async def test_a_closed_folder_can_be_closed_again(folder: Path) -> None:
    async with opened("csv", folder, CONTACTS, path=".") as desk:
        await desk.aclose()
        await desk.aclose()
