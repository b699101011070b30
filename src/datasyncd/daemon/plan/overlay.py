"""Overlay: one object of a system as it would be after the writes that were recorded instead of sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import msgspec

from datasyncd.adapters.contract import Key, Native, ObjectSpec, Record, Version, VersionOrder
from datasyncd.adapters.digest import ABSENT, row_digest

Row: TypeAlias = bytes | list[Any]
"""Values in the order of the object's columns, packed where they can be: a first sync makes many."""

_pack = msgspec.msgpack.Encoder().encode
_unpack = msgspec.msgpack.Decoder(list).decode


class Overlay:
    """Laid over each record that is read."""

    def __init__(self, spec: ObjectSpec, order: VersionOrder) -> None:
        self._columns = spec.columns
        self._key = spec.key
        self._order = order
        self._made: dict[Key, tuple[Row, int, Version]] = {}
        """Values, how often they were written, and the version that this makes."""
        self._changed: dict[Key, tuple[dict[str, Native], int]] = {}
        self._gone: set[Key] = set()

    def made(self) -> Iterator[Record]:
        """Records that exist here alone, in the order in which they were made."""
        return (self._made_record(key) for key in list(self._made))

    def changed(self) -> list[Key]:
        """Records of the system that would hold other values."""
        return list(self._changed)

    def find(self, key: Key) -> Record | None:
        """A record that exists here alone."""
        return self._made_record(key) if key in self._made else None

    def is_gone(self, key: Key) -> bool:
        """Whether it would be deleted, or have another key."""
        return key in self._gone

    def laid(self, record: Record) -> Record | None:
        """A record of the system as it would be; None: it would be gone."""
        if record.key in self._gone:
            return None
        if record.key not in self._changed:
            return record
        values, times = self._changed[record.key]
        return self._versioned(record.key, {**record.fields, **values}, record.version, times)

    def make(self, key: Key, fields: Mapping[str, Native]) -> Record:
        """A new record. What nobody set is blank; what the system itself would fill in is not known."""
        return self._keep(key, fields, 1)

    def change(self, present: Record, fields: Mapping[str, Native], key: Key) -> Record:
        """Write fields of a record as it is shown now; `key`: the one that it has then."""
        after = {**present.fields, **fields}
        if present.key in self._made or key != present.key:
            times = self._made[present.key][1] if present.key in self._made else 0
            self.remove(present.key)
            self._gone.discard(key)
            return self._keep(key, after, times + 1)
        values, times = self._changed.get(key, ({}, 0))
        self._changed[key] = ({**values, **fields}, times + 1)
        return self._versioned(key, after, present.version, 1)

    def remove(self, key: Key) -> None:
        """Delete a record."""
        if self._made.pop(key, None) is None:
            self._changed.pop(key, None)
            self._gone.add(key)

    def _keep(self, key: Key, fields: Mapping[str, Native], times: int) -> Record:
        values = [fields.get(name) for name in self._columns]
        record = self._versioned(key, dict(zip(self._columns, values, strict=True)), None, times)
        row: Row
        try:
            row = _pack(values)
        except (OverflowError, ValueError):  # integers beyond 64 bits, texts with lone surrogates
            row = values
        self._made[key] = (row, times, record.version)
        return record

    def _made_record(self, key: Key) -> Record:
        row, _times, version = self._made[key]
        values = _unpack(row) if isinstance(row, bytes) else row
        return Record(key, dict(zip(self._columns, values, strict=True)), version)

    def _versioned(self, key: Key, fields: dict[str, Native], before: Version, times: int) -> Record:
        """The record with a version as the system would give one after that many writes."""
        if self._order is VersionOrder.COUNTER:
            return Record(key, fields, (before if isinstance(before, int) else 0) + times)
        values = [fields.get(name, ABSENT) for name in self._columns]
        if self._order is VersionOrder.UNIQUE:
            values += [before, times]
        return Record(key, fields, row_digest(values))
