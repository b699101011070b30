"""Folders elsewhere: what an SFTP server and a bucket of S3 may do to those who read and write files there."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import pytest

from datasyncd.adapters.contract import Adapter, Condition, ObjectSpec, Unknown, Write, Written
from datasyncd.adapters.csv.adapter import CsvOptions
from datasyncd.adapters.errors import (
    AdapterError,
    NotFound,
    OptionError,
    Throttled,
    Transient,
    Unauthorised,
    Unreachable,
    Unsupported,
)
from datasyncd.adapters.files import sftp as sftp_store
from datasyncd.adapters.testing.desk import one, opened, pages, records
from tests.servers import s3, sftp

SPEC = ObjectSpec("contacts", "Id", ("Email", "Name"))
TEXT = "Id;Email;Name;Note\r\n1;ann@x.org;Ann;\xe9\r\n2;bob@x.org;Bob;n\r\n"


@pytest.fixture
def files(tmp_path: Path) -> Iterator[sftp.Server]:
    with sftp.server(tmp_path) as server:
        (server.root / "contacts.csv").write_text(TEXT, encoding="latin-1", newline="")
        yield server


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[s3.Server]:
    with s3.server(tmp_path) as server:
        (server.bucket / "crm" / "contacts.csv").write_text(TEXT, encoding="latin-1", newline="")
        yield server


def there(files: sftp.Server, path: str | None = None, **more: Any) -> AbstractAsyncContextManager[Adapter]:
    login = {"password": sftp.PASSWORD, "known_hosts": str(files.known_hosts), "settle_ms": 20, "encoding": "latin-1"}
    return opened("csv", files.root, SPEC, path=path or files.path(), **{**login, **more})


def stored(bucket: s3.Server, **more: Any) -> AbstractAsyncContextManager[Adapter]:
    return opened("csv", bucket.bucket, SPEC, encoding="latin-1", **bucket.options(**more))


def left(folder: Path) -> list[str]:
    return sorted(name for name in os.listdir(folder) if name.startswith("."))


CHANGED = TEXT.replace(";Ann;", ";Anna;").encode("latin-1")
RENAMED = [Write("update", "1", {"Name": "Anna"})]


# SFTP


async def test_a_write_over_sftp_keeps_all_that_is_not_written_and_the_mode(files: sftp.Server) -> None:
    file = files.root / "contacts.csv"
    file.chmod(0o640)
    async with there(files) as desk:
        (outcome,) = await desk.push("contacts", RENAMED)

        assert isinstance(outcome, Written)
        assert file.read_bytes() == CHANGED
        assert file.stat().st_mode & 0o777 == 0o640
        assert left(files.root) == []
        assert desk.capabilities("contacts").condition is Condition.NONE


async def test_one_signs_in_by_key_or_password_and_no_secret_is_shown(files: sftp.Server) -> None:
    with_password = files.path().replace("ann@", "ann:correct%20horse@")
    for options in (
        {"private_key": str(files.key), "password": ""},
        {"private_key": files.key.read_text(), "password": ""},
        {"path": with_password, "password": ""},
    ):
        async with there(files, **options) as desk:
            assert list(await records(desk, "contacts")) == ["1", "2"]
    wrong = {"path": files.path().replace("ann@", "ann:s3cret@"), "password": ""}
    assert "s3cret" not in repr(CsvOptions(**wrong))  # type: ignore[arg-type]
    async with there(files, **wrong) as desk:
        with pytest.raises(Unauthorised, match="does not let this user in") as refused:
            await pages(desk, "contacts")
        assert "s3cret" not in str(refused.value)
        assert f"sftp://ann@127.0.0.1:{files.port}/contacts.csv" not in str(refused.value)


async def test_a_server_that_nobody_knows_is_not_trusted(files: sftp.Server, tmp_path: Path) -> None:
    (tmp_path / "nobody").write_text("")
    async with there(files, known_hosts="../nobody") as desk:
        with pytest.raises(Unauthorised, match="not among those of `known_hosts`"):
            await pages(desk, "contacts")
    async with there(files, known_hosts="missing") as desk:
        with pytest.raises(Unauthorised, match="there is no file"):
            await pages(desk, "contacts")


async def test_what_is_being_uploaded_is_left_alone(files: sftp.Server) -> None:
    """A file that grows at each look is neither taken for one with fewer records, nor written."""
    file, done = files.root / "contacts.csv", threading.Event()

    def upload() -> None:
        with open(file, "w", encoding="latin-1", newline="") as out:
            out.write("Id;Email;Name;Note\r\n")
            for n in range(60):
                out.write(f"{n};p{n}@x.org;P{n};\r\n")  # whole lines: nothing looks cut off
                out.flush()
                time.sleep(0.04)
        done.set()

    uploading = threading.Thread(target=upload)
    async with there(files, settle_ms=150) as desk:
        uploading.start()
        await anyio.sleep(0.1)
        for call in (pages(desk, "contacts"), desk.push("contacts", [Write("delete", "1")])):
            with pytest.raises(Transient, match="still being uploaded"):
                await call
        await anyio.to_thread.run_sync(uploading.join)
        assert len(await records(desk, "contacts")) == 60
    assert done.is_set()


async def test_a_foreign_edit_between_read_and_rename_is_merged(
    files: sftp.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, edits = files.root / "contacts.csv", iter([TEXT.replace("Bob", "Ben")])
    written = sftp_store.SftpStore._written

    @contextlib.asynccontextmanager
    async def interrupted(self: Any, *args: Any, **kwargs: Any) -> Any:
        async with written(self, *args, **kwargs) as new:
            for edit in edits:
                file.write_text(edit, encoding="latin-1", newline="")
                break
            yield new

    monkeypatch.setattr(sftp_store.SftpStore, "_written", interrupted)
    async with there(files) as desk:
        (outcome,) = await desk.push("contacts", RENAMED)

        assert isinstance(outcome, Written)
        assert file.read_bytes() == CHANGED.replace(b"Bob", b"Ben"), "both edits, though size and second are the same"


@pytest.mark.parametrize("fault", ["drop-before-rename", "drop-after-rename"])
async def test_a_connection_that_is_lost_at_the_rename_leaves_unknown_outcomes(files: sftp.Server, fault: str) -> None:
    async with there(files) as desk:
        await pages(desk, "contacts")
        files.fails(fault)
        (outcome,) = await desk.push("contacts", RENAMED)
        files.fails()

        assert isinstance(outcome, Unknown)
        assert "while the file was replaced" in outcome.reason
        landed = fault == "drop-after-rename"
        assert (await one(desk, "contacts", "1")).fields["Name"] == ("Anna" if landed else "Ann"), "and it goes on"


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ("no-posix-rename", Unsupported, "cannot replace a file at once"),
        ("deny", Unauthorised, "does not allow that"),
        ("full", Transient, "the server failed"),
        ("drop-read", Transient, "the connection was lost"),
    ],
)
async def test_a_write_that_fails_over_sftp_changes_nothing_and_leaves_nothing(
    files: sftp.Server, fault: str, error: type[AdapterError], said: str
) -> None:
    async with there(files) as desk:
        await pages(desk, "contacts")
        files.fails(fault)
        with pytest.raises(error, match=said):
            await desk.push("contacts", RENAMED)
        files.fails()
        assert (files.root / "contacts.csv").read_bytes() == TEXT.encode("latin-1")
        assert left(files.root) == []
        assert await desk.push("contacts", RENAMED)


async def test_what_a_dead_process_left_is_removed_once_it_is_old(files: sftp.Server) -> None:
    old, new = files.root / ".contacts.csv.1.datasyncd-new", files.root / ".contacts.csv.2.datasyncd-new"
    for file in (old, new):
        file.write_text("")
    os.utime(old, (1, 1))
    async with there(files) as desk:
        await pages(desk, "contacts")
        assert left(files.root) == [new.name]


async def test_a_server_that_stops_is_out_of_reach(files: sftp.Server) -> None:
    async with there(files, timeout_s=5) as desk:
        await pages(desk, "contacts")
        files.stop()
        with pytest.raises(Transient):
            await pages(desk, "contacts")
        with pytest.raises(Unreachable, match="cannot be reached"):
            await pages(desk, "contacts")


async def test_files_that_are_not_there(files: sftp.Server) -> None:
    (files.root / "contacts.csv").unlink()
    async with there(files) as desk:
        with pytest.raises(Unreachable, match="no such file; with `create = true`"):
            await pages(desk, "contacts")
    async with there(files, files.path("none"), create=True) as desk:
        with pytest.raises(Unreachable, match="no such folder"):
            await pages(desk, "contacts")
    async with there(files, create=True) as desk, there(files, create=True) as other:
        for adapter in (desk, other):
            assert await records(adapter, "contacts") == {}
        await desk.push("contacts", [Write("create", "1", {"Name": "Ann"})])
        await other.push("contacts", [Write("create", "2", {"Name": "Bob"})])
        assert list(await records(desk, "contacts")) == ["1", "2"], "who came second has not replaced the first"
        (files.root / "contacts.csv").unlink()
        with pytest.raises(Unreachable, match="was there and is gone"):
            await pages(desk, "contacts")


async def test_a_header_that_changes_is_drift_of_the_schema(files: sftp.Server) -> None:
    """F102."""
    async with there(files) as desk:
        await desk.describe("contacts")
        (files.root / "contacts.csv").write_text(TEXT.replace("Email", "E-Mail"), encoding="latin-1", newline="")
        with pytest.raises(NotFound, match="no column 'Email'; did you mean 'E-Mail'"):
            await desk.describe("contacts")


# S3


async def test_a_write_to_s3_keeps_all_that_is_not_written(bucket: s3.Server) -> None:
    async with stored(bucket) as desk:
        (outcome,) = await desk.push("contacts", RENAMED)

        assert isinstance(outcome, Written)
        assert (bucket.bucket / "crm" / "contacts.csv").read_bytes() == CHANGED
        assert desk.capabilities("contacts").condition is Condition.NONE


async def test_what_did_not_change_costs_one_small_request(bucket: s3.Server) -> None:
    async with stored(bucket) as desk:
        since = (await pages(desk, "contacts"))[-1].cursor
        before = bucket.requests("GET"), bucket.requests("HEAD")
        for _ in range(3):
            assert [page.unchanged for page in await pages(desk, "contacts", since)] == [True]
        assert (bucket.requests("GET"), bucket.requests("HEAD")) == (before[0], before[1] + 3)


async def test_a_service_that_does_not_compare_is_found_out_before_anything_is_written(tmp_path: Path) -> None:
    with s3.server(tmp_path, compares=False) as server:
        file = server.bucket / "crm" / "contacts.csv"
        file.write_text(TEXT, encoding="latin-1", newline="")
        async with stored(server) as desk:
            with pytest.raises(Unsupported, match=r"does not compare ETags.*say `conditional = false`"):
                await desk.push("contacts", RENAMED)
            assert file.read_bytes() == TEXT.encode("latin-1")
        async with stored(server, conditional=False) as desk:
            assert desk.capabilities("contacts").condition is Condition.NONE
            assert isinstance((await desk.push("contacts", RENAMED))[0], Written)


async def test_two_daemons_write_one_object_and_no_edit_is_lost(bucket: s3.Server) -> None:
    async with stored(bucket) as one_desk, stored(bucket) as other_desk:

        async def write(desk: Adapter, name: str) -> None:
            for n in range(15):
                while True:
                    try:
                        (outcome,) = await desk.push("contacts", [Write("create", f"{name}{n}", {"Name": name})])
                        break
                    except Transient:
                        continue
                assert isinstance(outcome, Written)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write, one_desk, "a")
            tasks.start_soon(write, other_desk, "b")
        assert len(await records(one_desk, "contacts")) == 32


@pytest.mark.parametrize("fault", ["drop-before-put", "drop-after-put", "internal"])
async def test_an_answer_of_s3_that_is_lost_leaves_unknown_outcomes(bucket: s3.Server, fault: str) -> None:
    file = bucket.bucket / "crm" / "contacts.csv"
    async with stored(bucket) as desk:
        await desk.push("contacts", [Write("update", "2", {"Name": "Ben"})])
        before = file.read_bytes()
        reading = await desk.describe("contacts")
        assert reading.columns
        adapter: Any = desk
        seen = await adapter._store.read("contacts.csv")
        bucket.fails(fault)
        with pytest.raises(Exception, match="not known whether") as doubt:
            await adapter._store.replace("contacts.csv", seen, before + b"3;;;\r\n")
        assert type(doubt.value).__name__ == "Doubt"
        bucket.fails()
        assert (file.read_bytes() != before) == (fault == "drop-after-put")

        if fault != "internal":  # which answers a reading so, too
            bucket.fails(fault)
            (outcome,) = await desk.push("contacts", [Write("update", "1", {"Name": "Anna"})])
            bucket.fails()
            assert isinstance(outcome, Unknown)
            landed = fault == "drop-after-put"
            assert (await one(desk, "contacts", "1")).fields["Name"] == ("Anna" if landed else "Ann")


@pytest.mark.parametrize(
    ("fault", "error", "said"),
    [
        ("slow-down", Throttled, "asks to wait"),
        ("denied", Unauthorised, r"does not allow it \(AccessDenied\)"),
        ("internal", Transient, r"the service failed \(InternalError\)"),
        ("conflict", Transient, "being written by somebody else"),
    ],
)
async def test_what_s3_answers_is_named_without_its_words(
    bucket: s3.Server, fault: str, error: type[AdapterError], said: str
) -> None:
    async with stored(bucket) as desk:
        await desk.push("contacts", [Write("update", "2", {"Name": "Ben"})])
        bucket.fails(fault)
        with pytest.raises(error, match=said) as failed:
            await desk.push("contacts", RENAMED)
        assert s3.ACCESS not in str(failed.value)
        assert s3.SECRET not in str(failed.value)
        bucket.fails()
        assert isinstance((await desk.push("contacts", RENAMED))[0], Written)


async def test_a_bucket_that_is_not_there_and_a_service_that_is_not(bucket: s3.Server) -> None:
    async with stored(bucket, path="s3://nothing/crm") as desk:
        with pytest.raises(Unreachable, match="no such bucket"):
            await pages(desk, "contacts")
    async with stored(bucket, path="s3://exports/other") as desk:
        with pytest.raises(Unreachable, match="no such object; with `create = true`"):
            await pages(desk, "contacts")
    bucket.stop()
    async with stored(bucket) as desk:
        with pytest.raises(Unreachable, match="does not answer"):
            await pages(desk, "contacts")


async def test_an_object_that_nobody_made_is_made_once(bucket: s3.Server) -> None:
    (bucket.bucket / "crm" / "contacts.csv").unlink()
    async with stored(bucket, create=True) as desk, stored(bucket, create=True) as other:
        assert (await desk.describe("contacts")).absent
        assert await records(other, "contacts") == {}
        await desk.push("contacts", [Write("create", "1", {"Name": "Ann"})])
        await other.push("contacts", [Write("create", "2", {"Name": "Bob"})])
        assert list(await records(desk, "contacts")) == ["1", "2"]


# Options


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"path": "ftp://host/x"}, "begins with sftp:// or s3://"),
        ({"path": "sftp://ann:secret@host:port/x"}, "its port is no number"),
        ({"path": "sftp:///x"}, "names no host"),
        ({"path": "s3://"}, "names no bucket"),
        ({"path": "s3://key:secret@bucket/x"}, "`access_key` and `secret_key`"),
        ({"path": "sftp://ann:secret@host/x?y"}, "is written %3F"),
        ({"path": "sftp://host/x", "lock": True}, "nobody elsewhere takes a lock"),
        ({"path": "s3://bucket/x", "endpoint": "http://far.example.com"}, "can be read"),
        ({"path": "s3://bucket/x", "endpoint": "far.example.com"}, "https://"),
        ({"path": "s3://bucket/x", "access_key": "secret"}, "belong together"),
    ],
)
def test_options_that_cannot_be_say_why_and_quote_nothing(options: dict[str, Any], said: str) -> None:
    with pytest.raises(OptionError, match=said) as refused:
        CsvOptions(**options)
    assert "secret@" not in str(refused.value)
    assert "ann:" not in str(refused.value)
