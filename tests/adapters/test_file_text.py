"""Whatever stands in a file: reading it changes nothing, and a write changes its own cells and fields alone."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from datasyncd.adapters.contract import ObjectSpec
from datasyncd.adapters.csv.sheet import CsvSheet
from datasyncd.adapters.jsonl.sheet import JsonlSheet

SPEC = ObjectSpec("t", "Id", ("A", "B"))

CELLS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(',;\t|"\r\n# '), max_size=8)
KEYS = CELLS.filter(bool)
ROWS = st.dictionaries(KEYS, st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=6)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | CELLS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(CELLS, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def csv_files(draw: st.DrawFn) -> tuple[bytes, dict[str, tuple[str, str, str]], str, str]:
    """A file of some dialect, its rows, and that dialect's delimiter and line end."""
    rows = draw(ROWS)
    delimiter, end = draw(st.sampled_from(",;\t|")), draw(st.sampled_from(["\n", "\r\n"]))
    everything = draw(st.booleans())

    def written(cell: str) -> str:
        special = any(letter in cell for letter in (delimiter, '"', "\r", "\n"))
        return '"' + cell.replace('"', '""') + '"' if everything or special else cell

    table = [("Id", "A", "B", "Other"), *((key, *cells) for key, cells in rows.items())]
    text = "".join(delimiter.join(map(written, row)) + end for row in table)
    mark = draw(st.sampled_from([b"", b"\xef\xbb\xbf"]))
    return mark + text.encode(), rows, delimiter, end


def sheet_of(data: bytes) -> CsvSheet:
    return CsvSheet(SPEC, "t.csv", data, "utf-8", None)


def read_back(data: bytes, delimiter: str) -> list[list[str]]:
    """What Python's own reader makes of it."""
    text = data.decode("utf-8-sig")
    return [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True) if row]


@given(csv_files())
def test_reading_a_csv_file_finds_its_rows_and_keeps_its_bytes(
    file: tuple[bytes, dict[str, tuple[str, str, str]], str, str],
) -> None:
    data, rows, _, _ = file
    sheet = sheet_of(data)

    assert {record.key: (record.fields["A"], record.fields["B"]) for record in sheet.records()} == {
        key: cells[:2] for key, cells in rows.items()
    }
    assert [sheet.record(key) for key in sheet.rows] == list(sheet.records())
    assert (sheet.malformed, sheet.whole, sheet.torn, sheet.half_written) == ([], True, None, False)
    assert sheet.data() == data


@given(csv_files(), st.data(), CELLS, CELLS, KEYS)
def test_writing_a_csv_file_changes_what_is_named_alone(
    file: tuple[bytes, dict[str, tuple[str, str, str]], str, str], data: st.DataObject, one: str, other: str, new: str
) -> None:
    before, rows, delimiter, _ = file
    changed, removed = data.draw(st.sampled_from(sorted(rows))), data.draw(st.sampled_from(sorted(rows)))
    sheet = sheet_of(before)

    expected = {key: [key, *cells] for key, cells in rows.items()}
    sheet.set(changed, {"B": one})
    expected[changed][2] = one
    if new not in rows:
        sheet.add(new, {"A": other})
        expected[new] = [new, other, "", ""]
    sheet.remove(removed)
    del expected[removed]

    after = sheet.data()
    assert read_back(after, delimiter) == [["Id", "A", "B", "Other"], *expected.values()]
    assert sheet_of(after).malformed == []


@given(st.dictionaries(KEYS, st.fixed_dictionaries({"A": VALUES, "x": VALUES}), min_size=1, max_size=5), VALUES)
def test_writing_json_lines_changes_what_is_named_alone(rows: dict[str, dict[str, Any]], value: Any) -> None:
    lines = [json.dumps({"Id": key, **fields}) for key, fields in rows.items()]
    before = "\n".join(lines).encode()
    sheet = JsonlSheet(SPEC, "t.jsonl", before, empty_is_complete=False)
    assert sheet.data() == before
    changed = min(rows)

    sheet.set(changed, {"A": value})

    after = [json.loads(line) for line in sheet.data().splitlines()]
    assert after == [{"Id": key, **fields, **({"A": value} if key == changed else {})} for key, fields in rows.items()]
    untouched = [line for line, key in zip(lines, rows, strict=True) if key != changed]
    assert [line for line in sheet.data().decode().split("\n") if json.loads(line)["Id"] != changed] == untouched


@given(st.binary(max_size=80))
def test_no_bytes_break_the_reading_of_json_lines(data: bytes) -> None:
    sheet = JsonlSheet(SPEC, "t.jsonl", data, empty_is_complete=True)

    assert sheet.data() == data or not data
    assert list(sheet.records()) is not None


@given(st.binary(max_size=80) | st.text('ab,"\r\n\x00\xe9', max_size=60).map(lambda text: text.encode("latin-1")))
def test_no_bytes_break_the_reading_of_csv(rest: bytes) -> None:
    data = b"Id,A,B,Other\n1,a,b,c\n" + rest
    sheet = sheet_of(data)

    assert sheet.data() == data
    assert all(record.key for record in sheet.records())
