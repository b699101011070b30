"""States: what one message of a stream says of one record.

A message is the whole state of its record as a JSON object, or a tombstone, which ends it. A name that an object lacks
says nothing, unless it is said to be blank; null says that the field is blank. An update keeps what others wrote, digit
by digit: of the last state only the named fields are written anew.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable, Mapping, Sequence

import msgspec

from datasyncd.adapters.contract import (
    Clash,
    Column,
    Key,
    Malformed,
    Missing,
    Native,
    ObjectSpec,
    Outcome,
    Record,
    Rejected,
    Stale,
    Version,
    Write,
    Written,
)
from datasyncd.adapters.files.rewrite import key_text
from datasyncd.adapters.files.sheet import Unfit
from datasyncd.adapters.jsonl.line import changed, decoded, same, written


class Held(msgspec.Struct, frozen=True):
    """The last message of a key."""

    data: bytes | None
    """The state; None: a tombstone."""
    version: Version


class States:
    """The states of one object, as the config uses them."""

    def __init__(self, spec: ObjectSpec, missing_is_blank: bool) -> None:
        """`missing_is_blank`: a name that an object lacks is a blank field."""
        self.spec = spec
        self._missing_is_blank = missing_is_blank

    def columns(self) -> tuple[Column, ...]:
        """A state has whatever is put in."""
        return tuple(Column(name, "json") for name in self.spec.columns)

    def answer(self, key: Key, data: bytes, version: Version) -> Record | Malformed:
        """The record that a state is."""
        try:
            found = decoded(data)
        except ValueError as error:
            return Malformed(key, f"{self.spec.object}/{key}", f"its last message is no JSON object: {error}")
        name = self.spec.key
        if name in found and key_text(found[name]) != key:
            return Malformed(key, f"{self.spec.object}/{key}", f"its last message has another {name!r}")
        found.setdefault(name, key)
        names = self.spec.columns
        if self._missing_is_blank:
            return Record(key, {name: found.get(name) for name in names}, version)
        return Record(key, {name: found[name] for name in names if name in found}, version)

    def vanished(self, key: Key) -> Malformed:
        """The answer about a record of which nothing is left, in a stream that lost messages: it may be there."""
        return Malformed(
            key, f"{self.spec.object}/{key}", "the stream lost messages, and has none of it left, no tombstone either"
        )

    def decided(self, write: Write, held: Held | None) -> Outcome | bytes | None:
        """What becomes of a write on top of the last message of its key: an outcome where nothing is to be sent, a
        new state, or None for a tombstone. It must be sent on the condition that `held` is the last message still."""
        live = held is not None and held.data is not None
        if write.op == "create":
            return Clash(self.spec.key, write.key) if live else self._created(write)
        key = write.key or ""
        if held is None or held.data is None:
            return Written(key) if write.op == "delete" else Missing()
        if write.version is not None and write.version != held.version:
            return Stale()
        return None if write.op == "delete" else self._updated(key, write, held.data, held.version)

    def _created(self, write: Write) -> Outcome | bytes:
        name = self.spec.key
        given = write.fields.get(name)
        if not write.key or (given is not None and key_text(given) != write.key):
            return Rejected(f"{name}: a new record needs one, and it is the key that its message has", (name,))
        key: Native = write.key if given is None else given
        return _merged(b"{}", {name: key, **dict.fromkeys(self.spec.fields)} | write.fields | {name: key})

    def _updated(self, key: Key, write: Write, data: bytes, version: Version) -> Outcome | bytes:
        name = self.spec.key
        if name in write.fields and key_text(write.fields[name]) != key:
            return Rejected(f"{name}: a record keeps its key", (name,))
        now = self.answer(key, data, version)
        if isinstance(now, Malformed):
            return Rejected(f"what is there is quarantined: {now.reason}")
        merged = _merged(data, {field: value for field, value in write.fields.items() if field != name})
        return Written(key, now, alone=write.version is not None) if merged == data else merged


def too_large(write: Write, size: int, most: int) -> Rejected | None:
    """The refusal of a state of `size` bytes where a message may have `most`; the largest field is at fault."""
    if size <= most:
        return None
    fault = max(write.fields, key=lambda name: len(repr(write.fields[name])), default="")
    return Rejected(f"its message would have {size} bytes, and {most} are taken", (fault,) if fault else ())


def comparable(value: Native) -> Native:
    """A value as it is compared in searches: addresses in any case."""
    return value.casefold() if isinstance(value, str) and "@" in value else value


def matching(field: str, values: Sequence[Native]) -> Callable[[Record], bool]:
    """Whether a record's field has one of these values; True is no 1, and no list or object is looked for."""
    wanted = {(type(value), comparable(value)) for value in values if isinstance(value, Hashable)}
    return lambda record: _is_among(record.fields.get(field), wanted)


def _is_among(said: Native, wanted: Container[tuple[type, Native]]) -> bool:
    return isinstance(said, Hashable) and (type(said), comparable(said)) in wanted


def _merged(data: bytes, fields: Mapping[str, Native]) -> bytes | Rejected:
    """A state with other values for these fields; what is the same already stays as it is written."""
    before = decoded(data)
    different = {n: value for n, value in fields.items() if n not in before or not same(before[n], value)}
    try:
        return changed(data, {name: written(name, value) for name, value in different.items()}) if different else data
    except Unfit as unfit:
        return Rejected(unfit.reason, unfit.fields)
