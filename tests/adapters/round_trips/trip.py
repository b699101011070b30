"""A trip: canonical values go into columns of a real store, and come back as what was said beforehand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from datasyncd.adapters.contract import Adapter, Key, Native, Record, Rejected, Schema, Write, Written
from datasyncd.adapters.testing.desk import pages
from datasyncd.adapters.translate import MappedField, Translation
from datasyncd.reconcile.rules import Value

from .variants import Variant

FIELD = 1


class Case(msgspec.Struct):
    """One type in one column."""

    column: str
    variant: Variant
    translation: Translation
    lossy: bool
    """The column changes values, and the map says that it may."""
    limits: list[str]
    sent: dict[int, tuple[Value, Native]] = {}
    """By the number of the value: it, and what is written."""
    refused: dict[int, str] = {}
    """By the number of the value: why it is not written."""

    def expected(self, number: int) -> Value:
        """What is said beforehand to come back."""
        return self.translation.stored(FIELD, self.sent[number][0])

    def read(self, record: Record) -> Value:
        """What the record says; a value that cannot be read is what nobody would say."""
        reading = self.translation.reading(record)
        return reading.values.get(FIELD, {"unreadable": [str(why) for why in reading.invalid.values()]})


class Trip(msgspec.Struct):
    """What became of it."""

    cases: list[Case]
    changed: list[tuple[Any, ...]]
    """Column, type, value, what is there, what was said: where a value came back otherwise. There must be none."""

    def fits(self, column: str) -> set[str]:
        """Types of which every value comes back as it was."""
        return {case.variant.name for case in self.cases if case.column == column and not (case.lossy or case.refused)}

    def loses(self, column: str) -> set[str]:
        """Types that a map may hold there both ways only if it says that it is lossy."""
        return {case.variant.name for case in self.cases if case.column == column and case.lossy}


def case_of(schema: Schema, column: str, variant: Variant, *, text_only: bool) -> Case | None:
    """The type in the column; None: it cannot be mapped there both ways, whatever the map says."""
    for lossy in (False, True):
        type = msgspec.structs.replace(variant.type, lossy=lossy)
        translation = Translation([MappedField(FIELD, column, type)], schema, text_only=text_only)
        if not translation.problems():
            return Case(column, variant, translation, lossy, translation.limits())
    return None


async def travel(adapter: Adapter, object: str, key: Any, cases: Sequence[Case]) -> Trip:
    """Write all values of all cases, a record for the n-th values of all columns; read them by key, and pull them.

    `key`: number of a record -> its key, or None where the system makes it.
    """
    rows: dict[int, dict[str, tuple[Case, int]]] = defaultdict(dict)
    lengths: dict[str, int] = defaultdict(int)
    for case in cases:
        for number, value in enumerate((*case.variant.values, None)):
            fields, refused = case.translation.native({FIELD: value})
            if FIELD in refused:
                case.refused[number] = refused[FIELD]
            else:
                case.sent[number] = value, fields[case.column]
                rows[lengths[case.column]][case.column] = case, number
                lengths[case.column] += 1
    kept = await _pushed(adapter, object, {number: (key(number), row) for number, row in rows.items()})
    trip = Trip(list(cases), [])
    keys = list(kept)
    read = {record.key: record for record in await adapter.read(object, keys) if isinstance(record, Record)}
    pulled = {record.key: record for page in await pages(adapter, object) for record in page.records}
    for where in (read, pulled):
        for known in keys:
            trip.changed += _compared(kept[known], where.get(known))
    return trip


def _compared(row: Mapping[str, tuple[Case, int]], record: Record | None) -> Iterable[tuple[Any, ...]]:
    if record is None:
        yield ("a record is missing", list(row))
        return
    for column, (case, number) in row.items():
        found, expected = case.read(record), case.expected(number)
        if (type(found), found) != (type(expected), expected):
            yield column, case.variant.name, case.sent[number][0], record.fields.get(column), found, expected


async def _pushed(
    adapter: Adapter, object: str, rows: Mapping[int, tuple[Key | None, dict[str, tuple[Case, int]]]]
) -> dict[Key, dict[str, tuple[Case, int]]]:
    """What was written, by key. What the store itself refuses is left out, and its reason kept."""
    kept: dict[Key, dict[str, tuple[Case, int]]] = {}
    left = dict(rows)
    while left:
        numbers = list(left)
        writes = [
            Write("create", key, {c: case.sent[n][1] for c, (case, n) in row.items()}, idem_key=f"trip-{number}")
            for number, (key, row) in left.items()
        ]
        again: dict[int, tuple[Key | None, dict[str, tuple[Case, int]]]] = {}
        size = adapter.capabilities(object).batch or len(writes)
        for start in range(0, len(writes), size):
            outcomes = await adapter.push(object, writes[start : start + size])
            for number, outcome in zip(numbers[start:], outcomes, strict=False):
                key, row = left[number]
                if isinstance(outcome, Written):
                    kept[outcome.key] = row
                    continue
                assert isinstance(outcome, Rejected), outcome
                assert set(outcome.fields) & set(row), (outcome, {c: case.sent[n] for c, (case, n) in row.items()})
                for column in outcome.fields:
                    case, n = row[column]
                    case.refused[n] = outcome.reason
                again[number] = key, {c: cell for c, cell in row.items() if c not in outcome.fields}
        left = again
    return kept
