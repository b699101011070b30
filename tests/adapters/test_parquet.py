"""Parquet: types that come and go, what is not written, and files that are not whole."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datasyncd.adapters.contract import Column, ObjectSpec, Rejected, Write, Written
from datasyncd.adapters.errors import NotFound, OptionError, Unreachable
from datasyncd.adapters.parquet.adapter import ParquetOptions
from datasyncd.adapters.testing.desk import malformed, one, opened, pages, records

TYPES: dict[str, tuple[pa.DataType, Any, Any]] = {
    "text": (pa.string(), "Zoë \0 👩‍👩‍👧‍👦", ""),
    "large": (pa.large_string(), "x", ""),
    "label": (pa.dictionary(pa.int32(), pa.string()), "b2b", ""),
    "big": (pa.int64(), 2**63 - 1, -(2**63)),
    "unsigned": (pa.uint64(), 2**64 - 1, 0),
    "tiny": (pa.int8(), -128, 127),
    "money": (pa.decimal128(38, 10), "1234567890123456789012345678.0123456789", "-0.5"),
    "wide": (pa.decimal256(60, 2), "9" * 58 + ".99", "0"),
    "double": (pa.float64(), 0.1, 1e-320),
    "single": (pa.float32(), 0.1, -1.5),
    "truth": (pa.bool_(), True, False),
    "bytes": (pa.binary(), b"\x00\xff", b""),
    "day": (pa.date32(), "2024-02-29", "0001-01-01"),
    "moment": (pa.timestamp("us"), "2024-12-31T23:59:59.000001", "0001-01-01T00:00:00"),
    "nanos": (pa.timestamp("ns"), "2024-12-31T23:59:59.123456789", "1970-01-01T00:00:00"),
    "millis": (pa.timestamp("ms", "UTC"), "2024-12-31T23:59:59.250000Z", "1969-12-31T23:59:59Z"),
    "zoned": (pa.timestamp("us", "Europe/Vienna"), "2024-07-01T10:00:00Z", "9999-12-31T23:59:59.999999Z"),
    "tags": (pa.list_(pa.string()), ["a", None, ""], []),
    "counts": (pa.list_(pa.int64()), [2**62, None], [0]),
    "prices": (pa.list_(pa.decimal128(20, 2)), ["1.5", None], []),
    "moments": (pa.list_(pa.timestamp("us")), ["2024-01-01T00:00:00.500000"], []),
    "days": (pa.large_list(pa.date32()), ["2024-01-01"], []),
}  # fmt: skip
SPEC = ObjectSpec("things", "id", tuple(TYPES))
CONTACTS = ObjectSpec("contacts", "id", ("name", "score"))


def write(file: Path, columns: dict[str, list[Any]], *types: pa.DataType, **more: Any) -> None:
    fields = [pa.field(name, type) for name, type in zip(columns, types, strict=True)]
    pq.write_table(pa.table(columns, schema=pa.schema(fields)), file, **more)


def contacts(folder: Path, **more: Any) -> Path:
    file = folder / "contacts.parquet"
    columns: dict[str, list[Any]] = {
        "id": [1, 2],
        "name": ["Ann", None],
        "note": ["n1", ""],
        "score": [Decimal("1.50"), None],
    }
    write(file, columns, pa.int64(), pa.string(), pa.string(), pa.decimal128(9, 2), **more)
    return file


async def test_every_type_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """F79, F80, F85, F86: null is no blank, and no digit is lost."""
    schema = pa.schema([("id", pa.int64()), *((name, type) for name, (type, _, _) in TYPES.items())])
    pq.write_table(schema.empty_table(), tmp_path / "things.parquet")
    async with opened("parquet", tmp_path, SPEC, path=".") as desk:
        for place in (1, 2):
            values = {name: known[place] for name, known in TYPES.items()}
            (made,) = await desk.push("things", [Write("create", str(place), values)])
            assert isinstance(made, Written), made
            read = await one(desk, "things", str(place))
            assert {name: read.fields[name] for name in values} == values
            assert {name: type(read.fields[name]) for name in values} == {n: type(v) for n, v in values.items()}
            assert made.image == read

            (cleared,) = await desk.push("things", [Write("update", str(place), dict.fromkeys(values), read.version)])
            assert isinstance(cleared, Written), cleared
            assert (await one(desk, "things", str(place))).fields == {"id": place, **dict.fromkeys(values)}
            await desk.push("things", [Write("update", str(place), values)])
            assert await one(desk, "things", str(place)) == read
    assert pq.read_schema(tmp_path / "things.parquet").equals(schema)


async def test_what_is_not_written_stays_columns_and_types_and_what_the_file_says(tmp_path: Path) -> None:
    file = tmp_path / "contacts.parquet"
    nested = pa.struct([("a", pa.time64("ns")), ("b", pa.map_(pa.string(), pa.int32()))])
    rows = {
        "id": ["a", "b", "c"],
        "name": ["A", "B", "C"],
        "score": [1, 2, 3],
        "deep": [{"a": 5, "b": [("k", 1)]}, None, {}],
    }
    schema = pa.schema(
        [pa.field("id", pa.string(), nullable=False), pa.field("name", pa.string(), metadata={"PARQUET:field_id": "7"}),
         ("score", pa.int16()), ("deep", nested)],
        metadata={"made by": "the warehouse"},
    )  # fmt: skip
    table = pa.table({name: pa.array(values, schema.field(name).type) for name, values in rows.items()}, schema=schema)
    pq.write_table(table, file, compression="gzip")
    async with opened("parquet", tmp_path, CONTACTS, path=".") as desk:
        outcomes = await desk.push(
            "contacts",
            [Write("update", "b", {"name": "Ben"}), Write("delete", "c"), Write("create", "d", {"score": 9})],
        )
        assert all(isinstance(outcome, Written) for outcome in outcomes), outcomes

    after = pq.ParquetFile(file)
    deep = after.read().column("deep")
    assert deep.slice(0, 1).equals(table.column("deep").slice(0, 1))
    assert deep.is_valid().to_pylist() == [True, False, False]
    assert after.read().drop_columns("deep").to_pylist() == [
        {"id": "a", "name": "A", "score": 1}, {"id": "b", "name": "Ben", "score": 2},
        {"id": "d", "name": None, "score": 9},
    ]  # fmt: skip
    assert after.schema_arrow.types == schema.types
    assert after.schema_arrow.metadata[b"made by"] == b"the warehouse"
    assert after.schema_arrow.field("name").metadata[b"PARQUET:field_id"] == b"7"
    assert after.metadata.row_group(0).column(0).compression == "GZIP"


async def test_a_push_that_changes_nothing_leaves_the_file_byte_for_byte(tmp_path: Path) -> None:
    file = contacts(tmp_path, compression="none")
    before = file.read_bytes()
    async with opened("parquet", tmp_path, CONTACTS, path=".") as desk:
        await desk.push("contacts", [Write("delete", "9"), Write("update", "8", {"name": "x"})])
    assert file.read_bytes() == before


async def test_columns_say_what_they_hold(tmp_path: Path) -> None:
    contacts(tmp_path)
    async with opened("parquet", tmp_path, CONTACTS, path=".") as desk:
        assert (await desk.describe("contacts")).columns == (
            Column("id", "integer", bounds=(-(2**63), 2**63 - 1)),
            Column("name", "text"),
            Column("note", "text"),
            Column("score", "text", digits=(9, 2), takes_empty=False),
        )


@pytest.mark.parametrize(
    ("type", "native"),
    [(pa.int8(), 128), (pa.int64(), "7"), (pa.int64(), True), (pa.decimal128(4, 2), "123.4"),
     (pa.date32(), "2024-02-30"),
     (pa.timestamp("ms"), "2024-01-01T00:00:00.0001"), (pa.timestamp("ns"), "2900-01-01"), (pa.bool_(), 1),
     (pa.string(), "a\ud800"), (pa.binary(), "x"), (pa.list_(pa.int64()), ["x"]), (pa.time64("us"), "12:00:00"),
     (pa.float32(), 1e39), (pa.struct([("a", pa.int32())]), {"a": 1})],
)  # fmt: skip
async def test_what_a_column_cannot_hold_is_refused_and_not_bent(
    tmp_path: Path, type: pa.DataType, native: Any
) -> None:
    write(tmp_path / "contacts.parquet", {"id": [1], "name": ["A"], "score": [None]}, pa.int64(), pa.string(), type)
    async with opened("parquet", tmp_path, CONTACTS, path=".") as desk:
        outcomes = await desk.push(
            "contacts", [Write("update", "1", {"score": native}), Write("create", "2", {"name": "B"})]
        )
        assert isinstance(outcomes[0], Rejected), outcomes
        assert outcomes[0].fields == ("score",)
        assert isinstance(outcomes[1], Written)


async def test_a_new_file_gets_its_types_from_the_config_and_from_the_first_values(tmp_path: Path) -> None:
    spec = ObjectSpec("scores", "id", ("score", "at", "tags", "n", "ratio", "never"))
    types = {"score": "decimal(9,2)", "at": "timestamp_utc"}
    async with opened("parquet", tmp_path, spec, path=".", create=True, types=types) as desk:
        assert (await desk.describe("scores")).absent
        values = {"score": "1.5", "at": "2024-01-01T00:00:00+02:00", "tags": ["a"], "n": 3, "ratio": 0.5}
        outcomes = await desk.push("scores", [Write("create", "k", values), Write("create", "l", {"n": "many"})])
        assert isinstance(outcomes[0], Written)
        assert isinstance(outcomes[1], Rejected), "the first value has made it a number"
        assert outcomes[1].fields == ("n",)
        assert (await one(desk, "scores", "k")).fields == {
            "id": "k", **values, "at": "2023-12-31T22:00:00Z", "never": None,
        }  # fmt: skip
    schema = pq.read_schema(tmp_path / "scores.parquet")
    assert {field.name: str(field.type) for field in schema} == {
        "id": "string", "score": "decimal128(9, 2)", "at": "timestamp[us, tz=UTC]", "tags": "list<element: string>",
        "n": "int64", "ratio": "double", "never": "string",
    }  # fmt: skip
    assert pq.ParquetFile(tmp_path / "scores.parquet").metadata.row_group(0).column(0).compression == "ZSTD"


async def test_a_file_that_is_not_whole_is_out_of_reach_and_never_written(tmp_path: Path) -> None:
    """Its end says what is in it, so that one that is still being written cannot be taken for a shorter one."""
    file = contacts(tmp_path)
    whole = file.read_bytes()
    for part in (b"", whole[:-1], whole[: len(whole) // 2], b"PAR1" + b"x" * 100 + b"PAR1", b"Id,Name\n1,Ann\n"):
        file.write_bytes(part)
        async with opened("parquet", tmp_path, CONTACTS, path=".") as desk:
            for call in (pages(desk, "contacts"), desk.push("contacts", [Write("delete", "1")])):
                with pytest.raises(Unreachable, match=r"being written|damaged"):
                    await call
        assert file.read_bytes() == part


async def test_a_column_that_is_renamed_is_drift_of_the_schema(tmp_path: Path) -> None:
    """F102."""
    write(tmp_path / "contacts.parquet", {"id": [1], "nam": ["A"]}, pa.int64(), pa.string())
    async with opened("parquet", tmp_path, CONTACTS, path=".") as desk:
        with pytest.raises(NotFound, match="no column 'name'; did you mean 'nam'"):
            await desk.describe("contacts")
    write(tmp_path / "contacts.parquet", {"key": [1]}, pa.int64())
    async with opened("parquet", tmp_path, CONTACTS, path=".") as desk:
        with pytest.raises(NotFound, match="no column 'id'"):
            await pages(desk, "contacts")


async def test_rows_without_a_key_and_keys_that_repeat_are_told(tmp_path: Path) -> None:
    columns: dict[str, list[Any]] = {"id": ["a", None, "b", "b"], "name": ["A", "x", "y", "z"], "score": [1, 2, 3, 4]}
    write(tmp_path / "contacts.parquet", columns, pa.string(), pa.string(), pa.int64())
    async with opened("parquet", tmp_path, CONTACTS, path=".") as desk:
        assert list(await records(desk, "contacts")) == ["a"]
        told = {(row.key, row.reason) for row in await malformed(desk, "contacts")}
        assert told == {(None, "it has no 'id'"), ("b", "another row has the same 'id'")}
        assert not (await pages(desk, "contacts"))[-1].complete


async def test_what_python_has_no_room_for_is_read_by_its_number(tmp_path: Path) -> None:
    file, far = tmp_path / "contacts.parquet", 2**62
    columns = {"id": ["a"], "name": pa.array([far], pa.timestamp("us")), "score": pa.array([2**30], pa.date32())}
    pq.write_table(pa.table(columns), file)
    async with opened("parquet", tmp_path, CONTACTS, path=".") as desk:
        assert (await one(desk, "contacts", "a")).fields == {"id": "a", "name": str(far), "score": str(2**30)}
        await desk.push("contacts", [Write("create", "b", {"score": date.min.isoformat()})])
    assert pq.read_table(file).column("name").cast(pa.int64()).to_pylist() == [far, None]


@pytest.mark.parametrize("type", ["decimal(39,2)", "decimal(3,4)"])
def test_a_type_that_cannot_be_is_an_error(type: str) -> None:
    with pytest.raises(OptionError, match="`types`"):
        ParquetOptions(path=".", types={"score": type})
