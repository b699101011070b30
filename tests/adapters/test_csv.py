"""CSV: what is found is kept, what is broken is set aside, what is half-written is waited for."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import pytest

from datasyncd.adapters.contract import (
    Clash,
    Malformed,
    Missing,
    ObjectSpec,
    Rejected,
    Stale,
    Undecodable,
    Write,
    Written,
)
from datasyncd.adapters.errors import NotFound, Transient, Unreachable
from datasyncd.adapters.testing.desk import malformed, one, opened, pages, records

CONTACTS = ObjectSpec("contacts", "Id", ("Email", "Name"))
PLAIN = b"Id,Email,Name\n1,ann@x.org,Ann\n2,bob@x.org,Bob\n"


def made(folder: Path, content: bytes, name: str = "contacts.csv") -> Path:
    (folder / name).write_bytes(content)
    return folder


async def pushed(folder: Path, *writes: Write, spec: ObjectSpec = CONTACTS) -> bytes:
    """The file after the writes, all of which must succeed."""
    async with opened("csv", folder, spec, path=".") as desk:
        outcomes = await desk.push(spec.object, list(writes))
        assert all(isinstance(outcome, Written) for outcome in outcomes), outcomes
    return read(folder)


def read(folder: Path) -> bytes:
    return (folder / "contacts.csv").read_bytes()


def append(folder: Path, content: bytes) -> None:
    with open(folder / "contacts.csv", "ab") as file:
        file.write(content)


STRANGE = (
    b"\xef\xbb\xbf# exported by the shop\r\n"
    b"\r\n"
    b'Id;Email;"Note; with more";Name\r\n'
    b'"001";"ann@x.org";"two\r\nlines, ""quoted""";Ann\r\n'
    b"\r\n"
    b"002;bob@x.org;;  Bob \r\n"
    b'003;"";odd;\xc3\xa9\xf0\x9f\x8e\x89'
)


async def test_untouched_rows_comments_order_and_dialect_stay_byte_for_byte(tmp_path: Path) -> None:
    after = await pushed(made(tmp_path, STRANGE), Write("update", "002", {"Email": "bob@y.org"}))

    assert after == STRANGE.replace(b"bob@x.org", b"bob@y.org")


async def test_a_changed_row_keeps_its_other_cells_and_its_quotes(tmp_path: Path) -> None:
    after = await pushed(made(tmp_path, STRANGE), Write("update", "001", {"Email": 'a "b"; c', "Name": "An;n"}))

    assert after == STRANGE.replace(b'"ann@x.org"', b'"a ""b""; c"').replace(b";Ann\r", b';"An;n"\r')


async def test_a_new_row_has_the_files_delimiter_line_end_and_quotes(tmp_path: Path) -> None:
    after = await pushed(made(tmp_path, STRANGE), Write("create", "004", {"Name": "Dé", "Email": "d@x.org"}))

    assert after == STRANGE + b'\r\n004;"d@x.org";;D\xc3\xa9\r\n'


async def test_a_deleted_row_is_gone_and_the_others_stay(tmp_path: Path) -> None:
    after = await pushed(made(tmp_path, STRANGE), Write("delete", "001"), Write("delete", "nobody"))

    assert after == STRANGE.replace(b'"001";"ann@x.org";"two\r\nlines, ""quoted""";Ann\r\n', b"")


async def test_a_file_that_quotes_everything_gets_rows_that_do(tmp_path: Path) -> None:
    before = b'"Id","Email","Name"\n"1","a@x.org","Ann"\n'

    after = await pushed(
        made(tmp_path, before), Write("create", "2", {"Name": "B"}), Write("update", "1", {"Name": "A"})
    )

    assert after == before.replace(b"Ann", b"A") + b'"2","","B"\n'


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
async def test_the_delimiter_is_found_by_the_header(tmp_path: Path, delimiter: str) -> None:
    made(
        tmp_path,
        f"Id{delimiter}Email{delimiter}Name\n1{delimiter}a,b;c{delimiter}d\n".encode().replace(b"a,b;c", b'"a,b;c"'),
    )

    async with opened("csv", tmp_path, CONTACTS, path=".") as desk:
        assert await records(desk, "contacts") == {"1": {"Id": "1", "Email": "a,b;c", "Name": "d"}}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be", "cp1252", "shift_jis"])
async def test_the_encoding_is_kept(tmp_path: Path, encoding: str) -> None:
    before = "Id,Email,Name\n1,a@x.org,ｱ\n" if encoding == "shift_jis" else "Id,Email,Name\n1,a@x.org,é\n"
    made(tmp_path, before.encode(encoding))
    name = "utf-8" if encoding == "utf-8-sig" else encoding

    async with opened("csv", tmp_path, CONTACTS, path=".", encoding=name) as desk:
        await desk.push("contacts", [Write("update", "1", {"Email": "b@x.org"})])

    assert read(tmp_path).decode(encoding) == before.replace("a@", "b@")


async def test_characters_that_the_encoding_lacks_are_refused(tmp_path: Path) -> None:
    made(tmp_path, PLAIN)
    async with opened("csv", tmp_path, CONTACTS, path=".", encoding="latin-1") as desk:
        outcomes = await desk.push(
            "contacts", [Write("update", "1", {"Name": "🎉"}), Write("update", "2", {"Name": "B"})]
        )

        assert outcomes[0] == Rejected("Name has characters that iso8859-1 has no bytes for", ("Name",))
        assert isinstance(outcomes[1], Written)


async def test_bad_rows_are_set_aside_with_their_line_and_reason(tmp_path: Path) -> None:
    made(tmp_path, b"Id,Email,Name\n1,a,A\n2,b\n3,c,C\n3,d,D\n\xff,f,F\n5,e,E\n")
    async with opened("csv", tmp_path, CONTACTS, path=".") as desk:
        (page,) = await pages(desk, "contacts")

        assert [record.key for record in page.records] == ["1", "5"]
        assert page.malformed == [
            Malformed("2", "contacts.csv, line 3", "it has 2 cells, the header has 3"),
            Malformed("3", "contacts.csv, line 5", "another row has the same 'Id'"),
            Malformed(None, "contacts.csv, line 6", "its 'Id' has bytes that are no utf-8", page.malformed[2].digest),
        ]
        assert not page.complete, "nobody knows which key that is"
        assert await desk.read("contacts", ["3"]) == [page.malformed[1]]
        writes = [Write("update", "2", {"Name": "x"}, b"version!"), Write("delete", "3"), Write("create", "2", {})]
        assert await desk.push("contacts", writes) == [
            Stale(),
            Rejected("its row cannot be read, or is not the only one of its key"),
            Clash("Id", "2"),
        ]


@pytest.mark.parametrize(
    ("encoding", "spoiled", "codec"),
    [("utf-8", b"\xff", "utf-8"), ("cp1252", b"\x81", "cp1252"), ("ascii", "é".encode(), "ascii")],
)
async def test_a_cell_that_cannot_be_decoded_is_one_value_of_its_row_and_stays_as_it_is(
    tmp_path: Path, encoding: str, spoiled: bytes, codec: str
) -> None:
    content = b'Id,Email,Other,Name\r\n1,"a,x' + spoiled + b'",' + spoiled + b",A\r\n2,b," + spoiled + b",B\r\n"
    made(tmp_path, content)
    async with opened("csv", tmp_path, CONTACTS, path=".", encoding=encoding) as desk:
        (page,) = await pages(desk, "contacts")
        one, two = page.records

        assert (page.malformed, page.complete) == ([], True)
        assert one.fields == {"Id": "1", "Email": Undecodable(b"a,x" + spoiled, codec), "Name": "A"}
        assert two.fields == {"Id": "2", "Email": "b", "Name": "B"}

        (written,) = await desk.push("contacts", [Write("update", "1", {"Name": "Z"}, one.version)])
        assert read(tmp_path) == content.replace(b",A\r", b",Z\r")
        made(tmp_path, read(tmp_path).replace(b"a,x", b"a,y"))
        assert isinstance(written, Written)
        assert written.image is not None
        assert await desk.push("contacts", [Write("delete", "1", {}, written.image.version)]) == [Stale()]

        await desk.push("contacts", [Write("update", "1", {"Email": "c"})])
        assert read(tmp_path) == content.replace(b",A\r", b",Z\r").replace(b"a,x" + spoiled, b"c")


@pytest.mark.parametrize(
    ("rows", "reason"),
    [(b",b,B\n", "it has no 'Id'"), (b'"2"x,b,B\n', "',' expected after '\"'")],
)
async def test_a_row_without_a_key_makes_the_pull_incomplete(tmp_path: Path, rows: bytes, reason: str) -> None:
    made(tmp_path, PLAIN + rows + b"9,z,Z\n")
    async with opened("csv", tmp_path, CONTACTS, path=".") as desk:
        (page,) = await pages(desk, "contacts")

        assert [record.key for record in page.records] == ["1", "2", "9"]
        assert [(row.key, row.place, row.reason) for row in page.malformed] == [(None, "contacts.csv, line 4", reason)]
        assert not page.complete


async def test_after_a_quote_that_is_never_closed_nothing_is_believed_or_written(tmp_path: Path) -> None:
    before = PLAIN + b'3,"c,C\n4,d,D\n'
    made(tmp_path, before)
    async with opened("csv", tmp_path, CONTACTS, path=".", settle_ms=1) as desk:
        (page,) = await pages(desk, "contacts")

        assert [record.key for record in page.records] == ["1", "2"]
        reason = "a quote is opened and never closed; nothing is read from here on"
        assert [(row.key, row.place, row.reason) for row in page.malformed] == [(None, "contacts.csv, line 4", reason)]
        assert not page.complete
        assert isinstance((await desk.read("contacts", ["4"]))[0], Malformed)
        with pytest.raises(Transient, match="line 4: a quote is opened and never closed"):
            await desk.push("contacts", [Write("update", "1", {"Name": "x"})])

    assert read(tmp_path) == before


async def test_a_file_without_a_line_end_at_its_end_is_whole_once_it_stays_so(tmp_path: Path) -> None:
    made(tmp_path, PLAIN.rstrip())
    async with opened("csv", tmp_path, CONTACTS, path=".") as desk:
        (page,) = await pages(desk, "contacts")

        assert ([record.key for record in page.records], page.complete) == (["1", "2"], True)


async def test_a_half_written_last_line_is_waited_for(tmp_path: Path) -> None:
    made(tmp_path, PLAIN + b"3,cat@x")
    async with opened("csv", tmp_path, CONTACTS, path=".", settle_ms=100) as desk, anyio.create_task_group() as tasks:

        async def finish() -> None:
            await anyio.sleep(0.05)
            append(tmp_path, b".org,Cat\n")

        tasks.start_soon(finish)
        assert (await records(desk, "contacts"))["3"]["Email"] == "cat@x.org"


async def test_a_file_that_goes_on_being_written_loses_its_last_line_and_its_completeness(tmp_path: Path) -> None:
    made(tmp_path, PLAIN + b"3,cat@x.org,Cat")
    async with opened("csv", tmp_path, CONTACTS, path=".", settle_ms=30) as desk, anyio.create_task_group() as tasks:

        async def go_on() -> None:
            while True:
                await anyio.sleep(0.01)
                append(tmp_path, b"!")

        tasks.start_soon(go_on)
        (page,) = await pages(desk, "contacts")

        assert [record.key for record in page.records] == ["1", "2"]
        assert page.malformed == [Malformed("3", "contacts.csv, line 4", "it is still being written")]
        assert not page.complete
        with pytest.raises(Transient, match="being written by somebody else"):
            await desk.push("contacts", [Write("update", "1", {"Name": "x"})])
        tasks.cancel_scope.cancel()


async def test_a_last_line_cut_off_for_good_makes_the_pull_incomplete(tmp_path: Path) -> None:
    made(tmp_path, PLAIN + b"3,cat@x")
    async with opened("csv", tmp_path, CONTACTS, path=".", settle_ms=1) as desk:
        (page,) = await pages(desk, "contacts")

        assert page.malformed == [Malformed("3", "contacts.csv, line 4", "it has 2 cells, the header has 3")]
        assert not page.complete


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"# only a comment\n"])
async def test_an_empty_file_is_out_of_reach(tmp_path: Path, content: bytes) -> None:
    """F104: an empty new file must not empty the other side."""
    made(tmp_path, content)
    async with opened("csv", tmp_path, CONTACTS, path=".", settle_ms=1) as desk:
        with pytest.raises(Unreachable, match=r"desk: contacts\.csv is empty"):
            await pages(desk, "contacts")
        with pytest.raises(Unreachable):
            await desk.push("contacts", [Write("create", "1", {})])


async def test_a_header_alone_is_a_complete_pull_of_nothing(tmp_path: Path) -> None:
    made(tmp_path, b"Id,Email,Name\n")
    async with opened("csv", tmp_path, CONTACTS, path=".") as desk:
        (page,) = await pages(desk, "contacts")

        assert (page.records, page.complete) == ([], True)


@pytest.mark.parametrize("key", ["#Id", "Id"])
async def test_comments_may_stand_before_the_header_and_a_column_may_begin_like_one(tmp_path: Path, key: str) -> None:
    made(tmp_path, f"# Id, as the shop has it\n{key},Name\n#1,Ann\n".encode())
    async with opened("csv", tmp_path, ObjectSpec("contacts", key, ("Name",)), path=".") as desk:
        assert await records(desk, "contacts") == {"#1": {key: "#1", "Name": "Ann"}}


async def test_a_missing_column_is_absent_and_told(tmp_path: Path) -> None:
    made(tmp_path, b"Id,Email,name\n1,a,A\n")
    async with opened("csv", tmp_path, CONTACTS, path=".") as desk:
        assert await records(desk, "contacts") == {"1": {"Id": "1", "Email": "a"}}
        with pytest.raises(NotFound, match="no column 'Name'; did you mean 'name'"):
            await desk.describe("contacts")
        assert await desk.push("contacts", [Write("update", "1", {"Name": "x"})]) == [
            Rejected("contacts.csv has no column 'Name'", ("Name",))
        ]


async def test_a_missing_key_column_is_told(tmp_path: Path) -> None:
    made(tmp_path, b"No,Email,Name\n1,a,A\n")
    async with opened("csv", tmp_path, CONTACTS, path=".", settle_ms=1) as desk:
        with pytest.raises(NotFound, match="no column 'Id' for the key"):
            await pages(desk, "contacts")


async def test_a_mapped_column_that_is_there_twice_is_told(tmp_path: Path) -> None:
    made(tmp_path, b"Id,Email,Name,Name\n1,a,A,B\n")
    async with opened("csv", tmp_path, CONTACTS, path=".") as desk:
        with pytest.raises(NotFound, match="more than one column 'Name'"):
            await desk.describe("contacts")


async def test_a_key_can_be_mapped_given_and_changed(tmp_path: Path) -> None:
    made(tmp_path, PLAIN)
    async with opened("csv", tmp_path, CONTACTS, path=".") as desk:
        outcomes = await desk.push(
            "contacts",
            [
                Write("create", None, {"Id": "3", "Name": "C"}),
                Write("update", "1", {"Id": "9"}),
                Write("update", "2", {"Id": "9"}),
                Write("create", None, {"Name": "D"}),
                Write("create", "2", {"Name": "D"}),
                Write("update", "1", {"Name": "x"}),
            ],
        )

        assert [outcome.key for outcome in outcomes[:2] if isinstance(outcome, Written)] == ["3", "9"]
        assert outcomes[2:] == [
            Clash("Id", "9"),
            Rejected("the new row has no 'Id'", ("Id",)),
            Clash("Id", "2"),
            Missing(),
        ]
        assert list(await records(desk, "contacts")) == ["9", "2", "3"]


async def test_nothing_is_written_when_nothing_changes(tmp_path: Path) -> None:
    made(tmp_path, PLAIN)
    before = os.stat(tmp_path / "contacts.csv")
    async with opened("csv", tmp_path, CONTACTS, path=".") as desk:
        (outcome,) = await desk.push("contacts", [Write("update", "1", {"Name": "Ann"})])

        assert outcome == Written("1", await one(desk, "contacts", "1"))
    after = os.stat(tmp_path / "contacts.csv")
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


async def test_values_that_need_quotes_survive(tmp_path: Path) -> None:
    values = [
        "a,b",
        'say "x"',
        "two\nlines",
        "mac\rline",
        "win\r\nline",
        " blanks ",
        "\u2028",
        "\0",
        "#no comment",
        "'",
        "=1+1",
    ]
    made(tmp_path, PLAIN)
    async with opened("csv", tmp_path, CONTACTS, path=".") as desk:
        writes = [Write("create", f"k{n}", {"Name": value}) for n, value in enumerate(values)]
        await desk.push("contacts", writes)

        found = await records(desk, "contacts")
        assert [found[f"k{n}"]["Name"] for n in range(len(values))] == values
        assert await malformed(desk, "contacts") == []
