"""Singer: messages as they should not be, tables that were replaced, deletions that are told, and targets that fail."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from datasyncd.adapters.contract import Clash, Missing, ObjectSpec, Rejected, Stale, Unknown, Write, Written
from datasyncd.adapters.errors import NotFound, Transient, Unsupported
from datasyncd.adapters.testing.desk import opened, pages, records
from tests.servers import connectors
from tests.servers.postgres import Database

SPEC = ObjectSpec("people", "id", ("name",))
MARKED = ObjectSpec("people", "id", ("name",), cursor="changed")
ENTRY = {
    "tap_stream_id": "people",
    "stream": "people",
    "schema": {"properties": {name: {"type": ["string"]} for name in ("id", "name", "changed")}},
    "metadata": [{"breadcrumb": [], "metadata": {"valid-replication-keys": ["changed"]}}],
}
TAP = """
import json, sys
words = sys.argv[1:]
def given(name):
    return json.load(open(words[words.index(name) + 1])) if name in words else None
if "--discover" in words:
    print(json.dumps({"streams": [%(entry)r]}))
    sys.exit()
catalog, state = given("--catalog"), given("--state")
method = catalog["streams"][0]["replication_method"]
for message in json.load(open(%(script)r))[method if state is None else "since"]:
    print(json.dumps(message) if isinstance(message, dict) else message, flush=True)
    if message == "exit": sys.exit(5)
"""


def tap(folder: Path, **runs: list[Any]) -> dict[str, Any]:
    """A tap that says this: `FULL_TABLE`, `INCREMENTAL`, or `since` where it is given a state."""
    script = folder / "script.json"
    script.write_text(json.dumps({"FULL_TABLE": [], "INCREMENTAL": [], "since": [], **runs}))
    program = folder / "tap.py"
    program.write_text(TAP % {"entry": ENTRY, "script": str(script)})
    return {"tap": [sys.executable, str(program)], "settings": {"token": "the secret token"}}


def row(key: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": "people", "record": {"id": key, "name": "x", **fields}}


def state(value: Any) -> dict[str, Any]:
    return {"type": "STATE", "value": value}


@pytest.mark.parametrize(
    ("messages", "what"),
    [
        ([row("a"), "this is no message"], "is no Singer message"),
        ([row("a"), {"type": "RECORD", "stream": "people"}], "is no Singer message"),
        ([row("a"), "exit"], "exit code 5|no Singer message"),
    ],
)
async def test_a_run_that_breaks_off_is_no_complete_one(tmp_path: Path, messages: list[Any], what: str) -> None:
    """F33, F75: who crashes has not shown that nobody else is there."""
    async with opened("singer", tmp_path, SPEC, **tap(tmp_path, FULL_TABLE=messages)) as adapter:
        with pytest.raises(Transient, match=what):
            await pages(adapter, "people")


async def test_one_row_without_a_key_stops_nothing_but_itself(tmp_path: Path) -> None:
    messages = [row("a"), row(None), row(["b"]), row(7), {"type": "SCHEMA", "stream": "people"}, {"type": "LATER"}]
    async with opened("singer", tmp_path, SPEC, **tap(tmp_path, FULL_TABLE=messages)) as adapter:
        (page,) = await pages(adapter, "people")
    assert [record.key for record in page.records] == ["a", "7"]
    assert len(page.malformed) == 2
    assert page.complete


async def test_state_is_given_back_and_outlives_the_adapter(tmp_path: Path) -> None:
    """F28, F31: everything is read whole, and what comes next begins where the run before it began."""
    told = tap(
        tmp_path,
        INCREMENTAL=[row("b"), state({"at": 5})],
        FULL_TABLE=[row("a"), row("b")],
        since=[row("c"), state({"at": 6})],
    )
    async with opened("singer", tmp_path, MARKED, **told) as adapter:
        (page,) = await pages(adapter, "people")
        assert ([record.key for record in page.records], page.complete) == (["a", "b"], True)
    async with opened("singer", tmp_path, MARKED, **told) as adapter:
        (later,) = await pages(adapter, "people", page.cursor)
        assert ([record.key for record in later.records], later.complete) == (["c"], False)
        assert json.loads(later.cursor or "")[2] == {"at": 6}
    async with opened("singer", tmp_path, SPEC, **told) as adapter:
        assert (await pages(adapter, "people", page.cursor))[-1].complete, "without the column, it means nothing"


async def test_a_crash_in_an_increment_moves_nothing(tmp_path: Path) -> None:
    told = tap(tmp_path, since=[row("c"), state({"at": 6}), "exit"])
    async with opened("singer", tmp_path, MARKED, **told) as adapter:
        with pytest.raises(Transient):
            await pages(adapter, "people", json.dumps(["changed", 0, {"at": 5}]))


async def test_a_table_that_was_replaced_is_read_whole(tmp_path: Path) -> None:
    """What is not sent in a new version is deleted."""
    told = tap(
        tmp_path,
        INCREMENTAL=[state({"at": 7})],
        FULL_TABLE=[row("a"), {"type": "ACTIVATE_VERSION", "stream": "people", "version": 2}],
        since=[row("a"), {"type": "ACTIVATE_VERSION", "stream": "people", "version": 2}, state({"at": 7})],
    )
    async with opened("singer", tmp_path, MARKED, **told) as adapter:
        found = await pages(adapter, "people", json.dumps(["changed", 1, {"at": 5}]))
        assert [page.complete for page in found] == [False, True]
        again = await pages(adapter, "people", found[-1].cursor)
        assert [page.complete for page in again] == [False], "the version is known now"


async def test_a_deletion_that_is_told_is_one(tmp_path: Path) -> None:
    gone = row("b", _sdc_deleted_at="2026-01-01T00:00:00Z")
    told = tap(tmp_path, since=[row("a"), gone, state({"at": 6})], FULL_TABLE=[row("a"), gone])
    async with opened("singer", tmp_path, MARKED, **told) as adapter:
        (page,) = await pages(adapter, "people", json.dumps(["changed", 0, {"at": 5}]))
        assert (list(page.gone), [record.key for record in page.records]) == (["b"], ["a"])
        assert set(await records(adapter, "people")) == {"a"}


async def test_numbers_keep_their_digits(tmp_path: Path) -> None:
    """F86."""
    line = '{"type": "RECORD", "stream": "people", "record": {"id": 9007199254740993, "name": 0.1234567890123456789}}'
    async with opened("singer", tmp_path, SPEC, **tap(tmp_path, FULL_TABLE=[line])) as adapter:
        found = await records(adapter, "people")
    assert str(found["9007199254740993"]["name"]) == "0.1234567890123456789"


async def test_what_a_tap_cannot_do_is_told(tmp_path: Path) -> None:
    async with opened("singer", tmp_path, ObjectSpec("persons", "id", ()), **tap(tmp_path)) as adapter:
        with pytest.raises(NotFound, match="no stream 'persons'"):
            await adapter.describe("persons")
    by_name = ObjectSpec("people", "id", (), cursor="name")
    async with opened("singer", tmp_path, by_name, **tap(tmp_path)) as adapter:
        with pytest.raises(Unsupported, match="no increments by 'name', but: changed"):
            await adapter.describe("people")
    batch = {"type": "BATCH", "stream": "people", "manifest": []}
    async with opened("singer", tmp_path, SPEC, **tap(tmp_path, FULL_TABLE=[batch])) as adapter:
        with pytest.raises(Unsupported, match="batches of files"):
            await pages(adapter, "people")
        with pytest.raises(Unsupported, match='expected direction = "pull"'):
            await adapter.push("people", [Write("delete", "a")])


def target(folder: Path, code: str) -> dict[str, Any]:
    """A target that does this with `lines`, the messages that it is given."""
    program = folder / "target.py"
    program.write_text(f"import json, sys\nlines = [json.loads(line) for line in sys.stdin]\n{code}\n")
    return {"target": [sys.executable, str(program)], "target_settings": {"password": "another secret"}}


ACKNOWLEDGE = 'print(json.dumps(next(line["value"] for line in lines if line["type"] == "STATE")))'


async def test_records_are_given_whole_and_acknowledged_by_their_state(tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    told = tap(tmp_path, FULL_TABLE=[row("a", note="ours not"), row("b")])
    code = f"open({str(kept)!r}, 'w').write(json.dumps(lines))\n{ACKNOWLEDGE}"
    async with opened("singer", tmp_path, SPEC, **told, **target(tmp_path, code)) as adapter:
        outcomes = await adapter.push(
            "people",
            [
                Write("update", "a", {"name": "Ann"}),
                Write("create", "c", {"name": "Cem"}),
                Write("create", "b", {"name": "Ben"}),
                Write("update", "z", {"name": "Zoe"}),
                Write("update", "b", {"name": "Ben"}, b"older"),
                Write("update", "b", {"nothing": 1}),
                Write("create", None, {"name": "x"}),
            ],
        )
    assert outcomes[:5] == [Written("a"), Written("c"), Clash("id", "b"), Missing(), Stale()]
    assert [outcome.fields for outcome in outcomes[5:] if isinstance(outcome, Rejected)] == [("nothing",), ("id",)]
    messages = json.loads(kept.read_text())
    assert [message["type"] for message in messages] == ["SCHEMA", "RECORD", "RECORD", "STATE"]
    assert messages[0]["key_properties"] == ["id"]
    assert [message["record"] for message in messages[1:3]] == [
        {"id": "a", "name": "Ann", "note": "ours not"},
        {"id": "c", "name": "Cem"},
    ]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("pass", "ended without saying that it has kept the records"),
        ("sys.exit('disk full: another secret')", "it failed"),
        ('print(json.dumps({"bookmarks": {}}))', "ended without saying"),
    ],
)
async def test_what_a_target_does_not_acknowledge_is_unknown(tmp_path: Path, code: str, why: str) -> None:
    """F97."""
    told = tap(tmp_path, FULL_TABLE=[row("a")])
    async with opened("singer", tmp_path, SPEC, **told, **target(tmp_path, code)) as adapter:
        (outcome,) = await adapter.push("people", [Write("update", "a", {"name": "Ann"})])
    assert isinstance(outcome, Unknown)
    assert why in outcome.reason
    assert "another secret" not in outcome.reason


async def test_what_a_target_acknowledged_is_written_however_it_ends(tmp_path: Path) -> None:
    told = tap(tmp_path, FULL_TABLE=[row("a")])
    code = f"{ACKNOWLEDGE}\nsys.stdout.flush()\nsys.exit(7)"
    async with opened("singer", tmp_path, SPEC, **told, **target(tmp_path, code)) as adapter:
        assert await adapter.push("people", [Write("update", "a", {"name": "Ann"})]) == [Written("a")]


async def test_a_password_is_in_no_error_of_a_published_tap(database: Database, tmp_path: Path) -> None:
    options = connectors.tap(database)
    options["settings"]["port"] = 9
    async with opened("singer", tmp_path, ObjectSpec("public-people", "id", ()), **options) as adapter:
        with pytest.raises(Transient) as told:
            await adapter.describe("public-people")
    assert connectors.PASSWORD not in str(told.value)
    assert connectors.PASSWORD not in repr(options["tap"])
