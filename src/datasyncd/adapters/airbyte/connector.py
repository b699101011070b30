"""Connector: a source of the Airbyte protocol, by its command line ("Airbyte Protocol", docs.airbyte.com)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

from datasyncd.adapters.connector.papers import Papers, papers
from datasyncd.adapters.connector.program import Program
from datasyncd.adapters.connector.source import Event, Position, Row, State, Stream, decoded, names_in
from datasyncd.adapters.errors import AdapterError, Transient, Unauthorised

LONGEST_TEXT = 300
_TOLD = ("RECORD", "STATE", "TRACE", "CATALOG", "CONNECTION_STATUS")


class Connector:
    """One source."""

    def __init__(self, program: Program, settings: Mapping[str, Any]) -> None:
        self.place = program.place
        self._program = program
        self._settings = settings

    async def streams(self) -> Mapping[str, Stream]:
        """What `discover` says."""
        with papers() as given:
            async with aclosing(cast("Any", self._messages(given, ["discover"]))) as messages:
                async for message in messages:
                    if "catalog" in message:
                        return self._streams_in(message["catalog"])
        raise Transient(f"{self.place}: it says nothing of its streams; it is tried again")

    async def check(self) -> None:
        """Whether it gets through to its system. Raises `Unauthorised` with what it says."""
        with papers() as given:
            async with aclosing(cast("Any", self._messages(given, ["check"]))) as messages:
                async for message in messages:
                    status = message.get("connectionStatus")
                    if status is not None and status.get("status") != "SUCCEEDED":
                        raise Unauthorised(f"{self.place}: its check fails: {self._told(status.get('message'))}")

    async def run(
        self, stream: Stream, fields: Sequence[str] | None, cursor: str | None, state: State
    ) -> AsyncIterator[Event]:
        """One run, of this stream alone; sources send all fields."""
        mode = "full_refresh" if cursor is None else "incremental"
        configured = {
            "stream": stream.entry,
            "sync_mode": mode,
            "destination_sync_mode": "append",
            **({} if cursor is None else {"cursor_field": [cursor]}),
        }
        with papers() as given:
            words = ["read", "--catalog", given.write("catalog.json", {"streams": [configured]})]
            if state is not None:
                words += ["--state", given.write("state.json", state)]
            status = ""
            async with aclosing(cast("Any", self._messages(given, words))) as messages:
                async for message in messages:
                    trace = message.get("trace", {})
                    status = trace.get("stream_status", {}).get("status", status)
                    event = self._event(message, stream.name)
                    if event is not None:
                        yield event
        if status not in ("", "COMPLETE"):
            raise Transient(f"{self.place}: the stream {stream.name!r} ended as {status}; it is tried again")

    async def aclose(self) -> None:
        await self._program.aclose()

    async def _messages(self, given: Papers, words: Sequence[str]) -> AsyncIterator[Mapping[str, Any]]:
        """What it says in a run; an error that it tells of is raised in place of how the process ended."""
        trouble: AdapterError | None = None
        all_words = [*words, "--config", given.write("config.json", self._settings)]
        try:
            async with aclosing(cast("Any", self._program.lines(all_words, given.folder))) as lines:
                async for line in lines:
                    message = self._message(line)
                    if message is None:
                        continue
                    trace = message.get("trace", {})
                    if trace.get("type") == "ERROR":
                        trouble = self._trouble(trace.get("error", {}))
                    yield message
        except Transient:
            if trouble is not None:
                raise trouble from None
            raise
        if trouble is not None:
            raise trouble

    def _message(self, line: bytes) -> Mapping[str, Any] | None:
        """A message; None: a line of another kind, which many connectors write, too."""
        try:
            message = decoded(line)
        except ValueError:
            if line.lstrip().startswith(b'{"type"'):
                raise Transient(f"{self.place}: it writes a message that is broken; it is tried again") from None
            return None
        if not isinstance(message, dict) or message.get("type") not in _TOLD:
            return None
        part = message.get({"CONNECTION_STATUS": "connectionStatus"}.get(message["type"], message["type"].lower()))
        if not isinstance(part, dict):
            raise Transient(f"{self.place}: it writes a message without its content; it is tried again")
        return message

    def _streams_in(self, catalog: Mapping[str, Any]) -> Mapping[str, Stream]:
        try:
            return {stream.name: stream for stream in map(_stream, catalog["streams"])}
        except (TypeError, LookupError, AttributeError):
            raise Transient(f"{self.place}: what it says of its streams is no catalogue") from None

    def _event(self, message: Mapping[str, Any], stream: str) -> Event | None:
        try:
            return _event(message, stream)
        except (TypeError, LookupError, AttributeError):
            raise Transient(f"{self.place}: it writes a message without its content; it is tried again") from None

    def _trouble(self, error: Mapping[str, Any]) -> AdapterError:
        text = f"{self.place}: {self._told(error.get('message'))}"
        return Unauthorised(text) if error.get("failure_type") == "config_error" else Transient(text)

    def _told(self, text: Any) -> str:
        return self._program.told([str(text or "it does not say why")])[:LONGEST_TEXT]


def _stream(entry: Mapping[str, Any]) -> Stream:
    modes = entry.get("supported_sync_modes") or ["full_refresh"]
    default = entry.get("default_cursor_field") or []
    cursors: tuple[str, ...] | None = None
    if "incremental" not in modes:
        cursors = ()
    elif entry.get("source_defined_cursor"):
        cursors = tuple(default[:1])
    return Stream(entry["name"], names_in(entry.get("json_schema")), entry, "full_refresh" in modes, cursors)


def _event(message: Mapping[str, Any], stream: str) -> Event | None:
    record, state = message.get("record"), message.get("state")
    if record is not None:
        return Row(dict(record["data"])) if record.get("stream") == stream else None
    if state is None:
        return None
    if state.get("type") in ("STREAM", "GLOBAL"):
        return Position([state])
    return Position(state.get("data"))
