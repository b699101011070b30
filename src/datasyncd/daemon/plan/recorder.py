"""Recorder: a system that is read, and written to in appearance only.

It answers each write as the system would, as far as its promises and what it shows now tell, and lays the write over
all that is read later. What a system does by itself (defaults, triggers, constraints that it does not declare) shows
only once it is really written to.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import msgspec

from datasyncd.adapters.contract import (
    Adapter,
    Answer,
    Capabilities,
    Clash,
    Column,
    Condition,
    Cursor,
    Gone,
    Hint,
    Key,
    Malformed,
    Missing,
    Native,
    ObjectSpec,
    Outcome,
    Page,
    Record,
    Rejected,
    Schema,
    Stale,
    Write,
    Written,
)
from datasyncd.adapters.errors import Unsupported
from datasyncd.adapters.needed import why

from .overlay import Overlay

PAGE = 1_000
"""Records of a page of those that exist here alone."""


class Recorder:
    """An adapter before another one; of the real one only what reads is ever called."""

    def __init__(self, system: str, real: Adapter, objects: dict[str, ObjectSpec]) -> None:
        self._system = system
        self._real = real
        self._objects = objects
        self._overlays = {name: Overlay(spec, real.capabilities(name).version_order) for name, spec in objects.items()}
        self._counts_keys: set[str] = set()
        """Objects whose new records get integers as their keys."""
        self._numbers = 0
        self._required: dict[str, tuple[Column, ...]] = {}
        """By object: what a new record must be given."""
        self.there: dict[Key, Record] = {}
        """The records of the last push as they were before it."""

    def capabilities(self, object: str) -> Capabilities:
        return self._real.capabilities(object)

    async def describe(self, object: str) -> Schema:
        schema = await self._real.describe(object)
        spec = self._objects[object]
        self._required[object] = tuple(column for column in schema.columns if column.required)
        if any(column.name == spec.key and column.kind == "integer" for column in schema.columns):
            self._counts_keys.add(object)
        return schema

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        """The system's pages as they would be; new records come before the last one."""
        overlay = self._overlays[object]
        last: Page | None = None
        async for page in self._real.pull(object, since):
            if last is not None:
                yield last
            laid = [shown for record in page.records if (shown := overlay.laid(record)) is not None]
            last = msgspec.structs.replace(page, records=laid)
        if last is None:
            return
        if since is None:
            part: list[Record] = []
            for record in overlay.made():
                part.append(record)
                if len(part) == PAGE:
                    yield Page(part, last.began)
                    part = []
            yield Page(part, last.began)
        yield last

    async def read(self, object: str, keys: Sequence[Key], *, strong: bool = False) -> Sequence[Answer]:
        overlay = self._overlays[object]
        known: dict[Key, Answer] = {}
        for key in keys:
            if (made := overlay.find(key)) is not None:
                known[key] = made
            elif overlay.is_gone(key):
                known[key] = Gone(key)
        asked = [key for key in keys if key not in known]
        answers = await self._real.read(object, asked, strong=strong) if asked else []
        for key, answer in zip(asked, answers, strict=True):
            laid = overlay.laid(answer) if isinstance(answer, Record) else answer
            known[key] = Gone(key) if laid is None else laid
        return [known[key] for key in keys]

    async def find(self, object: str, field: str, values: Sequence[Native]) -> Sequence[Record]:
        overlay = self._overlays[object]
        found = {record.key: record for record in await self._real.find(object, field, values)}
        others = [key for key in overlay.changed() if key not in found]
        if others:
            answers = await self._real.read(object, others)
            found.update({answer.key: answer for answer in answers if isinstance(answer, Record)})
        shown = [laid for record in found.values() if (laid := overlay.laid(record)) is not None]
        wanted = [_comparable(value) for value in values]
        return [
            record
            for record in (*shown, *overlay.made())
            if field in record.fields and _comparable(record.fields[field]) in wanted
        ]

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Send nothing, and answer. Raises `Unsupported` where nothing can be written."""
        capabilities = self._real.capabilities(object)
        if capabilities.read_only:
            raise Unsupported(f"{self._system}: it is read only")
        spec = self._objects[object]
        keys = sorted({key for write in writes for key in (write.key, _key_in(write, spec)) if key is not None})
        answers = dict(zip(keys, await self.read(object, keys), strict=True)) if keys else {}
        self.there = {key: answer for key, answer in answers.items() if isinstance(answer, Record)}
        clashes = await self._clashes(object, capabilities, writes)
        present: dict[Key, Answer | None] = dict(answers)
        out: list[Outcome] = []
        for write, clash in zip(writes, clashes, strict=True):
            outcome = clash or self._answer(object, capabilities, write, present)
            if isinstance(outcome, Written) and not capabilities.returns_image:
                outcome = Written(outcome.key)
            out.append(outcome)
        return out

    def watch(self, object: str) -> AsyncIterator[Hint]:
        return self._real.watch(object)

    async def aclose(self) -> None:
        await self._real.aclose()

    def _answer(
        self,
        object: str,
        capabilities: Capabilities,
        write: Write,
        present: dict[Key, Answer | None],
    ) -> Outcome:
        """What the system would say; `present`: what it has under the keys of this push, and what this push made."""
        spec, overlay = self._objects[object], self._overlays[object]
        if write.op == "create":
            lacking = [column for column in self._required.get(object, ()) if column.name not in write.fields]
            if lacking:
                return Rejected("; ".join(map(why, lacking)), tuple(column.name for column in lacking))
            key, native = self._new_key(object, write)
            if isinstance(present.get(key), Record):
                return Clash(spec.key, key)
            made = present[key] = overlay.make(key, {**write.fields, spec.key: native})
            return Written(key, made)
        key = write.key or ""
        now = present.get(key)
        if isinstance(now, Malformed):
            return Rejected(now.reason)
        if not isinstance(now, Record):
            return Written(key) if write.op == "delete" else Missing()
        if capabilities.condition is Condition.ENFORCED and write.version not in (None, now.version):
            return Stale()
        if write.op == "delete":
            overlay.remove(key)
            present[key] = None
            return Written(key)
        after = _key_in(write, spec) or key
        if after != key and isinstance(present.get(after), Record):
            return Clash(spec.key, after)
        present[key] = None
        changed = present[after] = overlay.change(now, write.fields, after)
        return Written(after, changed)

    def _new_key(self, object: str, write: Write) -> tuple[Key, Native]:
        """The key of a new record, and as the system has it: the one it was given, or one that stands for the one
        that the system will make."""
        given = write.fields.get(self._objects[object].key)
        if given is not None:
            return str(given), given
        if write.key is not None:
            return write.key, write.key
        self._numbers += 1
        if object in self._counts_keys:
            return str(-self._numbers), -self._numbers
        return f"(new {self._numbers})", f"(new {self._numbers})"

    async def _clashes(self, object: str, capabilities: Capabilities, writes: Sequence[Write]) -> list[Clash | None]:
        """For each write, the value that another record has already, where the system takes each only once."""
        out: list[Clash | None] = [None] * len(writes)
        for field in capabilities.unique:
            wanted = [write.fields[field] for write in writes if write.fields.get(field) is not None]
            if not wanted:
                continue
            owners = {repr(_comparable(r.fields[field])): r.key for r in await self.find(object, field, wanted)}
            for n, write in enumerate(writes):
                value = write.fields.get(field)
                owner = None if value is None else owners.get(repr(_comparable(value)))
                if owner is not None and owner != write.key:
                    out[n] = out[n] or Clash(field, owner)
        return out


def _key_in(write: Write, spec: ObjectSpec) -> Key | None:
    """The key that a write gives to its record."""
    given = write.fields.get(spec.key)
    return None if given is None else str(given)


def _comparable(value: Native) -> Native:
    """Searches compare addresses without case."""
    return value.casefold() if isinstance(value, str) and "@" in value else value
