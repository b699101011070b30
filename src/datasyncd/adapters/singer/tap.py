"""Tap: a Singer tap as a source. The protocol is that of singer-io/getting-started, "SPEC.md"."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

import msgspec

from datasyncd.adapters.connector.papers import papers
from datasyncd.adapters.connector.program import Program
from datasyncd.adapters.connector.source import Event, Position, Replaced, Row, State, Stream, decoded, names_in
from datasyncd.adapters.errors import Transient, Unsupported

LARGEST_CATALOG = 64 * 1024 * 1024
"""Most octets of a catalogue."""
_DELETED = "_sdc_deleted_at"
"""Taps that read a log of changes tell in this field when a record was deleted."""


class Tap:
    """One tap."""

    def __init__(self, program: Program, settings: Mapping[str, Any]) -> None:
        self.place = program.place
        self._program = program
        self._settings = settings

    async def streams(self) -> Mapping[str, Stream]:
        """What `--discover` says."""
        text = bytearray()
        with papers() as given:
            words = ["--config", given.write("config.json", self._settings), "--discover"]
            async with aclosing(cast("Any", self._program.lines(words, given.folder))) as lines:
                async for line in lines:
                    text += line
                    if len(text) > LARGEST_CATALOG:
                        raise Unsupported(f"{self.place}: its catalogue has more than {LARGEST_CATALOG >> 20} MB")
        try:
            entries = msgspec.json.decode(bytes(text))["streams"]
            return {_name(entry): _stream(entry) for entry in entries}
        except (ValueError, TypeError, LookupError):
            raise Transient(f"{self.place}: what it says of its streams is no catalogue") from None

    async def run(
        self, stream: Stream, fields: Sequence[str] | None, cursor: str | None, state: State
    ) -> AsyncIterator[Event]:
        """One run, of this stream alone."""
        with papers() as given:
            catalog = {"streams": [_selected(stream, fields, cursor)]}
            words = ["--config", given.write("config.json", self._settings)]
            words += ["--catalog", given.write("catalog.json", catalog)]
            if state is not None:
                words += ["--state", given.write("state.json", state)]
            async with aclosing(cast("Any", self._program.lines(words, given.folder))) as lines:
                async for line in lines:
                    event = self._event(line, stream.name)
                    if event is not None:
                        yield event

    async def aclose(self) -> None:
        await self._program.aclose()

    def _event(self, line: bytes, stream: str) -> Event | None:
        try:
            message = decoded(line)
            kind = message["type"]
            if kind == "STATE":
                return Position(message["value"])
            if message.get("stream", stream) != stream:
                return None
            if kind == "RECORD":
                record = message["record"]
                return Row(dict(record), deleted=record.get(_DELETED) is not None)
            if kind == "ACTIVATE_VERSION":
                return Replaced(int(message["version"]))
        except (ValueError, TypeError, LookupError, AttributeError):
            raise Transient(f"{self.place}: it writes a line that is no Singer message; it is tried again") from None
        if kind == "BATCH":
            raise Unsupported(f"{self.place}: it writes batches of files; see its settings for single records")
        return None


def _name(entry: Mapping[str, Any]) -> str:
    return str(entry.get("tap_stream_id") or entry["stream"])


def _root(entry: Mapping[str, Any]) -> Mapping[str, Any]:
    """The metadata of the stream itself."""
    found = [each["metadata"] for each in entry.get("metadata") or () if not each["breadcrumb"]]
    return found[0] if found else {}


def _stream(entry: Mapping[str, Any]) -> Stream:
    root = _root(entry)
    forced = root.get("forced-replication-method")
    method = forced.get("replication-method") if isinstance(forced, dict) else forced
    keys = root.get("valid-replication-keys")
    cursors = tuple(keys) if isinstance(keys, list) and keys else None
    full = method in (None, "", "FULL_TABLE")
    return Stream(_name(entry), names_in(entry.get("schema")), entry, full, () if method == "FULL_TABLE" else cursors)


def _selected(stream: Stream, fields: Sequence[str] | None, cursor: str | None) -> dict[str, Any]:
    """The entry of the catalogue with what is wanted of it."""
    entry: dict[str, Any] = dict(stream.entry)
    method = "FULL_TABLE" if cursor is None else "INCREMENTAL"
    entry["selected"] = True
    entry["replication_method"], entry["replication_key"] = method, cursor
    metadata: list[dict[str, Any]] = []
    for each in entry.get("metadata") or [{"breadcrumb": [], "metadata": {}}]:
        known = dict(each["metadata"])
        if not each["breadcrumb"]:
            known |= {"selected": True, "replication-method": method}
            known.pop("replication-key", None)
            known |= {} if cursor is None else {"replication-key": cursor}
        elif fields is not None and len(each["breadcrumb"]) == 2:
            known["selected"] = each["breadcrumb"][1] in fields or known.get("inclusion") == "automatic"
        metadata.append({"breadcrumb": each["breadcrumb"], "metadata": known})
    return {**entry, "metadata": metadata}
