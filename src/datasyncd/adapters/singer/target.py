"""Target: a Singer target that writes where the tap of the same system reads.

A target upserts whole records by their key. What it has kept it tells by writing a STATE that we gave it behind them:
records without that are of unknown outcome, however the target ended.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

from datasyncd.adapters.connector.papers import papers
from datasyncd.adapters.connector.program import Program
from datasyncd.adapters.connector.pulling import Rows
from datasyncd.adapters.connector.source import Row, Stream, decoded
from datasyncd.adapters.contract import (
    Clash,
    Key,
    Missing,
    Native,
    ObjectSpec,
    Outcome,
    Record,
    Rejected,
    Stale,
    Unknown,
    Write,
    Written,
)
from datasyncd.adapters.errors import Transient
from datasyncd.adapters.number import json_text


class Target:
    """One target."""

    def __init__(self, program: Program, settings: Mapping[str, Any]) -> None:
        self.place = program.place
        self._program = program
        self._settings = settings

    async def keep(self, schema: Mapping[str, Any], records: Sequence[str], stream: str) -> str:
        """Give it records, as JSON; "" once it says that it has kept them, else why that is not known."""
        token = secrets.token_hex(8)
        kept = False

        async def messages() -> AsyncIterator[bytes]:
            yield _line({"type": "SCHEMA", "stream": stream, **schema})
            for record in records:
                yield f'{{"type":"RECORD","stream":{json.dumps(stream)},"record":{record}}}\n'.encode()
            yield _line({"type": "STATE", "value": {"bookmarks": {stream: {"datasyncd": token}}}})

        try:
            with papers() as given:
                words = ["--config", given.write("config.json", self._settings)]
                run = self._program.lines(words, given.folder, messages())
                async with aclosing(cast("Any", run)) as lines:
                    async for line in lines:
                        kept = kept or token in _text(line)
        except Transient as error:
            return "" if kept else str(error)
        return "" if kept else f"{self.place}: it ended without saying that it has kept the records"

    async def aclose(self) -> None:
        await self._program.aclose()


class Push:
    """The writes of one push."""

    def __init__(
        self, target: Target, stream: Stream, name: str, spec: ObjectSpec, held: Mapping[Key, Mapping[str, Any]]
    ) -> None:
        """`name`: what the target calls the stream; `held`: the records as the tap has just read them, whole."""
        self._target = target
        self._stream = stream
        self._name = name
        self._spec = spec
        self._rows = Rows(spec)
        self._held: dict[Key, Mapping[str, Any]] = dict(held)

    async def run(self, writes: Sequence[Write]) -> list[Outcome]:
        """One outcome a write."""
        outcomes: list[Outcome] = []
        sent: dict[int, str] = {}
        for index, write in enumerate(writes):
            found = self._record(write)
            if isinstance(found, str):
                sent[index] = found
                outcomes.append(Written(write.key or ""))
            else:
                outcomes.append(found)
        if sent:
            schema = {"schema": self._stream.entry.get("schema", {}), "key_properties": [self._spec.key]}
            if why := await self._target.keep(schema, list(sent.values()), self._name):
                for index in sent:
                    outcomes[index] = Unknown(why)
        return outcomes

    def _record(self, write: Write) -> str | Outcome:
        """The whole record that a write makes, as JSON, or what is answered without the target."""
        key = write.key
        if key is None:
            return Rejected(f"{self._spec.key}: a target makes no keys: a new record needs one", (self._spec.key,))
        before = self._held.get(key)
        if write.op == "delete":
            return Written(key) if before is None else Rejected("a Singer target deletes nothing")
        if write.op == "create" and before is not None:
            return Clash(self._spec.key, key)
        if write.op == "update":
            if before is None:
                return Missing()
            now = self._rows.record(Row(before))
            if write.version is not None and isinstance(now, Record) and now.version != write.version:
                return Stale()
        unknown = tuple(name for name in write.fields if name not in self._stream.fields)
        if unknown:
            return Rejected(f"the stream has no field {', '.join(unknown)}", unknown)
        record: dict[str, Native] = {**(before or {self._spec.key: self._key(key)}), **write.fields}
        try:
            text = json_text(record)
        except (TypeError, ValueError, RecursionError):
            return Rejected(*_unfit(write.fields))
        self._held[key] = record
        return text

    def _key(self, key: Key) -> Native:
        """A key in the type that the stream's schema gives it."""
        types = self._stream.entry.get("schema", {}).get("properties", {}).get(self._spec.key, {}).get("type", ())
        return int(key) if "integer" in types and "string" not in types and key.lstrip("-").isdecimal() else key


def _unfit(fields: Mapping[str, Native]) -> tuple[str, tuple[str, ...]]:
    """Which fields JSON has no form for."""
    names: list[str] = []
    for name, value in fields.items():
        try:
            json_text(value)
        except (TypeError, ValueError, RecursionError):
            names.append(name)
    return f"{', '.join(names)}: a value that JSON has a form for expected", tuple(names)


def _line(message: Mapping[str, Any]) -> bytes:
    return json.dumps(message).encode() + b"\n"


def _text(line: bytes) -> str:
    """A line as text, if it is JSON: what else it writes is no state."""
    try:
        decoded(line)
    except ValueError:
        return ""
    return line.decode(errors="replace")
