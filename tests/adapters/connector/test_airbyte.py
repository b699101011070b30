"""Airbyte: messages as they should not be, states, errors that are told, and a published source that fails."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from datasyncd.adapters.contract import ObjectSpec
from datasyncd.adapters.errors import AdapterError, Transient, Unauthorised, Unsupported
from datasyncd.adapters.testing.desk import opened, pages
from tests.servers import connectors
from tests.servers.people import KEY, serving

SPEC = ObjectSpec("people", "id", ("name",))
MARKED = ObjectSpec("people", "id", ("name",), cursor="changed")
SECRET = "the secret of the source"
STREAM = {
    "name": "people",
    "json_schema": {"properties": {"id": {}, "name": {}, "changed": {}}},
    "supported_sync_modes": ["full_refresh", "incremental"],
    "source_defined_cursor": True,
    "default_cursor_field": ["changed"],
}
SOURCE = """
import json, sys
words = sys.argv[1:]
def given(name):
    return json.load(open(words[words.index(name) + 1])) if name in words else None
said = json.load(open(%(script)r))
kind = words[0]
if kind == "read":
    mode = given("--catalog")["streams"][0]["sync_mode"]
    kind = "since" if given("--state") is not None else mode
    said["got"] = given("--state")
    json.dump(said, open(%(script)r, "w"))
for message in said[kind]:
    if message == "exit": sys.exit(5)
    print(json.dumps(message) if isinstance(message, dict) else message, flush=True)
"""


def source(folder: Path, **runs: list[Any]) -> dict[str, Any]:
    """A source that says this: `full_refresh`, `incremental`, or `since` where it is given a state."""
    usual: dict[str, list[Any]] = {
        "check": [{"type": "CONNECTION_STATUS", "connectionStatus": {"status": "SUCCEEDED"}}],
        "discover": [{"type": "CATALOG", "catalog": {"streams": [STREAM]}}],
        "full_refresh": [], "incremental": [], "since": [],
    }  # fmt: skip
    script = folder / "script.json"
    script.write_text(json.dumps({**usual, **runs}))
    program = folder / "source.py"
    program.write_text(SOURCE % {"script": str(script)})
    return {"source": [sys.executable, str(program)], "settings": {"token": SECRET}}


def row(key: Any, **fields: Any) -> dict[str, Any]:
    data = {"id": key, "name": "x", **fields}
    return {"type": "RECORD", "record": {"stream": "people", "data": data, "emitted_at": 1}}


def stream_state(value: Any) -> dict[str, Any]:
    told = {"stream_descriptor": {"name": "people"}, "stream_state": value}
    return {"type": "STATE", "state": {"type": "STREAM", "stream": told}}


def ended(status: str) -> dict[str, Any]:
    told = {"stream_descriptor": {"name": "people"}, "status": status}
    return {"type": "TRACE", "trace": {"type": "STREAM_STATUS", "emitted_at": 1, "stream_status": told}}


def failed(kind: str) -> dict[str, Any]:
    told = {"message": f"it broke: {SECRET}", "failure_type": kind, "stack_trace": "Ann's row"}
    return {"type": "TRACE", "trace": {"type": "ERROR", "emitted_at": 1, "error": told}}


async def test_a_run_that_ends_well_is_complete(tmp_path: Path) -> None:
    messages = [
        {"type": "LOG", "log": {"level": "INFO", "message": "hello"}},
        "a line of a library",
        row("a"),
        ended("COMPLETE"),
    ]
    async with opened("airbyte", tmp_path, SPEC, **source(tmp_path, full_refresh=messages)) as adapter:
        (page,) = await pages(adapter, "people")
    assert ([record.key for record in page.records], page.complete) == (["a"], True)


@pytest.mark.parametrize(
    ("messages", "error", "what"),
    [
        ([row("a"), "exit"], Transient, "exit code 5"),
        ([row("a"), ended("INCOMPLETE")], Transient, "ended as INCOMPLETE"),
        ([row("a"), ended("STARTED")], Transient, "ended as STARTED"),
        ([row("a"), failed("system_error")], Transient, "it broke: ..."),
        ([row("a"), failed("transient_error"), "exit"], Transient, "it broke: ..."),
        ([failed("config_error"), "exit"], Unauthorised, "it broke: ..."),
        (['{"type": "RECORD", "record": {"stream": "peo'], Transient, "a message that is broken"),
        ([{"type": "RECORD"}], Transient, "without its content"),
    ],
)
async def test_a_run_that_breaks_off_is_no_complete_one(
    tmp_path: Path, messages: list[Any], error: type[AdapterError], what: str
) -> None:
    """F33, F75."""
    async with opened("airbyte", tmp_path, SPEC, **source(tmp_path, full_refresh=messages)) as adapter:
        with pytest.raises(error, match=what) as told:
            await pages(adapter, "people")
    assert SECRET not in str(told.value)
    assert "Ann" not in str(told.value)


@pytest.mark.parametrize(
    ("state", "given"),
    [
        (stream_state({"at": 5}), [stream_state({"at": 5})["state"]]),
        ({"type": "STATE", "state": {"data": {"people": 5}}}, {"people": 5}),
    ],
    ids=["of a stream", "of old"],
)
async def test_state_is_given_back(tmp_path: Path, state: dict[str, Any], given: Any) -> None:
    told = source(tmp_path, incremental=[state], full_refresh=[row("a")], since=[row("b"), stream_state({"at": 6})])
    async with opened("airbyte", tmp_path, MARKED, **told) as adapter:
        (page,) = await pages(adapter, "people")
        (later,) = await pages(adapter, "people", page.cursor)
    assert json.loads((tmp_path / "script.json").read_text())["got"] == given
    assert ([record.key for record in later.records], later.complete) == (["b"], False)
    assert json.loads(later.cursor or "")[2] == [stream_state({"at": 6})["state"]]


async def test_what_a_source_cannot_do_is_told(tmp_path: Path) -> None:
    refused = [{"type": "CONNECTION_STATUS", "connectionStatus": {"status": "FAILED", "message": f"no {SECRET}"}}]
    async with opened("airbyte", tmp_path, SPEC, **source(tmp_path, check=refused)) as adapter:
        with pytest.raises(Unauthorised, match=r"its check fails: no \.\.\."):
            await adapter.describe("people")
    by_name = ObjectSpec("people", "id", (), cursor="name")
    async with opened("airbyte", tmp_path, by_name, **source(tmp_path)) as adapter:
        with pytest.raises(Unsupported, match="no increments by 'name', but: changed"):
            await adapter.describe("people")
    async with opened("airbyte", tmp_path, SPEC, **source(tmp_path, discover=[])) as adapter:
        with pytest.raises(Transient, match="says nothing of its streams"):
            await adapter.describe("people")


async def test_a_published_source_that_is_not_let_in_says_so(tmp_path: Path) -> None:
    with serving() as people:
        options = {
            "source": [connectors.program("source-declarative-manifest")],
            "settings": {**people.settings(), "key": "another key of mine"},
        }
        async with opened("airbyte", tmp_path, SPEC, **options) as adapter:
            with pytest.raises((Unauthorised, Transient)) as told:
                await adapter.describe("people")
    assert KEY not in str(told.value)
    assert "another key" not in str(told.value)
