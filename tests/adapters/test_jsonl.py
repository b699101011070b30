"""JSON lines: fields that are not written keep their very digits and escapes."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from datasyncd.adapters.contract import ObjectSpec, Rejected, Stale, Undecodable, Write, Written
from datasyncd.adapters.errors import Unreachable
from datasyncd.adapters.testing.desk import malformed, one, opened, pages, records

CONTACTS = ObjectSpec("contacts", "id", ("email", "tags"))


def made(folder: Path, content: bytes) -> Path:
    (folder / "contacts.jsonl").write_bytes(content)
    return folder


def read(folder: Path) -> bytes:
    return (folder / "contacts.jsonl").read_bytes()


async def pushed(folder: Path, *writes: Write) -> bytes:
    """The file after the writes, all of which must succeed."""
    async with opened("jsonl", folder, CONTACTS, path=".") as desk:
        outcomes = await desk.push("contacts", list(writes))
        assert all(isinstance(outcome, Written) for outcome in outcomes), outcomes
    return read(folder)


STRANGE = (
    b'\xef\xbb\xbf{"id": 1, "big": 123456789012345678901234567890, "n": 1.0e2, "email": "a\\u00e9", "x": {"b":1}}\r\n'
    b"\r\n"
    b'{"email":"b@x.org","id":2,"price":19.990,"tags":["a"]}\r\n'
    b'{"id":"2x","email":null}'
)


async def test_untouched_lines_and_fields_stay_byte_for_byte(tmp_path: Path) -> None:
    after = await pushed(
        made(tmp_path, STRANGE), Write("update", "1", {"email": "ü"}), Write("update", "2", {"tags": ["b", 2**70]})
    )

    assert after == STRANGE.replace(b'"a\\u00e9"', '"ü"'.encode()).replace(b'["a"]', b'["b",1180591620717411303424]')


async def test_a_new_line_has_all_mapped_fields_in_the_order_of_the_one_before(tmp_path: Path) -> None:
    made(tmp_path, b'{"tags": [], "email": "a", "id": 1, "other": 2}\n')

    after = await pushed(tmp_path, Write("create", "7", {"email": "c"}), Write("create", "x7", {"id": "x7"}))

    assert after.splitlines()[1:] == [
        b'{"tags": null, "email": "c", "id": 7}',
        b'{"tags": null, "email": null, "id": "x7"}',
    ]


async def test_records_that_come_after_the_last_one_went_have_no_blank_line_before_them(tmp_path: Path) -> None:
    made(tmp_path, b'{"id":1}\n\n{"id":2}\n')

    emptied = await pushed(tmp_path, Write("delete", "1"), Write("delete", "2"))
    filled = await pushed(tmp_path, Write("create", "a", {"email": "a@x.org"}))

    assert emptied
    assert not emptied.strip()
    assert filled == b'{"id":"a","email":"a@x.org","tags":null}\n'


async def test_keys_are_texts_or_numbers_and_unknown_types_survive(tmp_path: Path) -> None:
    async with opened("jsonl", made(tmp_path, STRANGE), CONTACTS, path=".") as desk:
        assert await records(desk, "contacts") == {
            "1": {"id": 1, "email": "aé"},
            "2": {"id": 2, "email": "b@x.org", "tags": ["a"]},
            "2x": {"id": "2x", "email": None},
        }
        assert [column.name for column in (await desk.describe("contacts")).columns] == [
            "id",
            "big",
            "n",
            "email",
            "x",
            "price",
            "tags",
        ]


async def test_numbers_are_read_and_written_with_all_their_digits(tmp_path: Path) -> None:
    """F86."""
    content = b'{"id":1,"email":[0.5,0.12345678901234567891],"tags":1e400}\n'
    async with opened("jsonl", made(tmp_path, content), CONTACTS, path=".") as desk:
        found = await records(desk, "contacts")
    after = await pushed(tmp_path, Write("update", "1", {"email": [Decimal("0.10000000000000000001")]}))

    assert found["1"]["email"] == [0.5, Decimal("0.12345678901234567891")]
    assert after == b'{"id":1,"email":[0.10000000000000000001],"tags":1e400}\n'


async def test_absent_and_null_are_different_versions(tmp_path: Path) -> None:
    async with opened("jsonl", made(tmp_path, b'{"id":1,"email":"a"}\n'), CONTACTS, path=".") as desk:
        before = await one(desk, "contacts", "1")
        await desk.push("contacts", [Write("update", "1", {"tags": None})])

        assert (await one(desk, "contacts", "1")).version != before.version


async def test_bad_lines_are_set_aside(tmp_path: Path) -> None:
    content = b'{"id":1}\nnot json\n[1]\n{"email":"x"}\n{"id":true}\n{"id":"1"}\n{"id":"\xff"}\n{"\xff":1}\n{"id":4}\n'
    async with opened("jsonl", made(tmp_path, content), CONTACTS, path=".") as desk:
        (page,) = await pages(desk, "contacts")

        assert [record.key for record in page.records] == ["4"]
        assert [(row.key, row.place[-1]) for row in page.malformed] == [
            (None, "2"),
            (None, "3"),
            (None, "4"),
            (None, "5"),
            ("1", "6"),
            (None, "7"),
            (None, "8"),
        ]
        assert [row.reason for row in page.malformed[-2:]] == ["its 'id' is no UTF-8", "a name in it is no UTF-8"]
        assert not page.complete


async def test_a_value_that_is_no_utf8_is_one_value_of_its_line_and_stays_as_it_is(tmp_path: Path) -> None:
    content = b'{"id": 1, "email": "a\xff", "tags": ["x"], "other": {"\xff": "\xff"}}\n{"id":2,"tags":["\xff"]}\n'
    made(tmp_path, content)
    async with opened("jsonl", tmp_path, CONTACTS, path=".") as desk:
        (page,) = await pages(desk, "contacts")
        first, second = page.records

        assert (page.malformed, page.complete) == ([], True)
        assert first.fields == {"id": 1, "email": Undecodable(b'"a\xff"', "UTF-8"), "tags": ["x"]}
        assert second.fields == {"id": 2, "tags": Undecodable(b'["\xff"]', "UTF-8")}

        (written,) = await desk.push("contacts", [Write("update", "1", {"tags": ["y"]}, first.version)])
        assert read(tmp_path) == content.replace(b'["x"]', b'["y"]')
        made(tmp_path, read(tmp_path).replace(b'"a\xff"', b'"b\xff"'))
        assert isinstance(written, Written)
        assert written.image is not None
        assert await desk.push("contacts", [Write("delete", "1", {}, written.image.version)]) == [Stale()]

        await desk.push("contacts", [Write("update", "1", {"email": "c"})])
        assert read(tmp_path) == content.replace(b'["x"]', b'["y"]').replace(b'"a\xff"', b'"c"')


async def test_a_line_cut_off_for_good_makes_the_pull_incomplete(tmp_path: Path) -> None:
    async with opened("jsonl", made(tmp_path, b'{"id":1}\n{"id":2,"em'), CONTACTS, path=".", settle_ms=1) as desk:
        (page,) = await pages(desk, "contacts")

        assert [record.key for record in page.records] == ["1"]
        assert [(row.place, row.reason) for row in page.malformed] == [
            ("contacts.jsonl, line 2", "Input data was truncated")
        ]
        assert not page.complete


async def test_no_bytes_mean_nothing_unless_that_is_said(tmp_path: Path) -> None:
    made(tmp_path, b"")
    async with opened("jsonl", tmp_path, CONTACTS, path=".", settle_ms=1) as desk:
        with pytest.raises(Unreachable, match="empty_is_complete"):
            await pages(desk, "contacts")
    async with opened("jsonl", tmp_path, CONTACTS, path=".", empty_is_complete=True) as desk:
        (page,) = await pages(desk, "contacts")
        assert (page.records, page.complete) == ([], True)


async def test_the_last_record_can_be_deleted(tmp_path: Path) -> None:
    assert await pushed(made(tmp_path, b'{"id":1}\n'), Write("delete", "1")) == b"\n"

    async with opened("jsonl", tmp_path, CONTACTS, path=".") as desk:
        (page,) = await pages(desk, "contacts")
        assert (page.records, page.complete) == ([], True)


@pytest.mark.parametrize("value", [float("nan"), b"bytes", "\ud800", {"a": {1, 2}}])
async def test_values_that_json_has_no_form_for_are_refused(tmp_path: Path, value: object) -> None:
    async with opened("jsonl", made(tmp_path, b'{"id":1}\n'), CONTACTS, path=".") as desk:
        (outcome,) = await desk.push("contacts", [Write("update", "1", {"email": value})])

        assert outcome == Rejected("JSON has no form for the value of email", ("email",))
        assert await malformed(desk, "contacts") == []


async def test_true_is_not_one(tmp_path: Path) -> None:
    after = await pushed(made(tmp_path, b'{"id":1,"email":1}\n'), Write("update", "1", {"email": True}))

    assert after == b'{"id":1,"email":true}\n'
