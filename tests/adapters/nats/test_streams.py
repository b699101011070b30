"""Reading streams of NATS JetStream: which can hold records, what a cursor is good for, and what others may send."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from datasyncd.adapters.contract import Gone, Hint, Malformed, ObjectSpec, Record, Write, Written
from datasyncd.adapters.errors import AdapterError, NotFound, Unreachable, Unsupported
from datasyncd.adapters.nats import reading
from datasyncd.adapters.nats.subjects import covers, key_of, subject_of
from datasyncd.adapters.testing.desk import malformed, one, opened, pages, records
from tests.servers.nats import Streams

PEOPLE = ObjectSpec("people", "id", ("name", "amount"))


def state(key: str, **fields: Any) -> bytes:
    return json.dumps({"id": key, **fields}).encode()


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"max_age": 3600}, "by their age"),
        ({"max_msgs": 100}, "max-msgs -1"),
        ({"max_bytes": 1_000_000}, "max-bytes -1"),
        ({"retention": "workqueue"}, "retention is workqueue"),
        ({"subjects": ["people.a", "people.b"]}, "takes only some messages"),
        ({"no_ack": True}, "answers no writes"),
    ],
)
async def test_a_stream_that_cannot_hold_records_is_refused_before_anything_is_read(
    streams: Streams, tmp_path: Path, settings: dict[str, Any], why: str
) -> None:
    await streams.make(**settings)
    async with opened("nats", tmp_path, PEOPLE, **streams.options()) as adapter:
        for call in (adapter.describe("people"), pages(adapter, "people"), adapter.read("people", ["a"])):
            with pytest.raises(Unsupported, match=why):
                await call
        with pytest.raises(Unsupported, match=why):
            await adapter.push("people", [Write("create", "a", {"name": "a"})])


async def test_a_stream_that_takes_no_more_when_it_is_full_holds_records(streams: Streams, tmp_path: Path) -> None:
    await streams.make(max_msgs=1, discard="new", max_msgs_per_subject=-1)
    async with opened("nats", tmp_path, PEOPLE, **streams.options()) as adapter:
        assert isinstance((await adapter.push("people", [Write("create", "a", {"name": "a"})]))[0], Written)
        with pytest.raises(AdapterError, match="no room in the stream"):
            await adapter.push("people", [Write("create", "b", {"name": "b"})])
        assert set(await records(adapter, "people")) == {"a"}


async def test_an_object_without_a_stream_is_not_found(streams: Streams, tmp_path: Path) -> None:
    for object in ("people", "peo ple", "people.*"):
        spec = ObjectSpec(object, "id", ("name",))
        async with opened("nats", tmp_path, spec, **streams.options()) as adapter:
            with pytest.raises(NotFound):
                await adapter.describe(object)


async def test_a_stream_that_was_emptied_stops_and_deletes_nobody(streams: Streams, tmp_path: Path) -> None:
    name = await streams.make()
    await streams.put({f"people.{key}": state(key) for key in "abc"})
    async with opened("nats", tmp_path, PEOPLE, **streams.options()) as adapter:
        cursor = (await pages(adapter, "people"))[-1].cursor
        async with streams.connected() as client:
            await client.jetstream().purge_stream(name)

        for call in (pages(adapter, "people"), pages(adapter, "people", cursor), adapter.read("people", ["a"])):
            with pytest.raises(Unreachable, match="empty_is_complete"):
                await call

    async with opened("nats", tmp_path, PEOPLE, **streams.options(empty_is_complete=True)) as adapter:
        assert (await pages(adapter, "people"))[-1].complete


async def test_a_stream_that_was_made_anew_is_read_whole_and_proves_no_deletion(
    streams: Streams, tmp_path: Path
) -> None:
    """F36, F75."""
    name = await streams.make()
    await streams.put({f"people.{key}": state(key) for key in "abc"})
    async with opened("nats", tmp_path, PEOPLE, **streams.options()) as adapter:
        cursor = (await pages(adapter, "people"))[-1].cursor
        before = await one(adapter, "people", "a")
        async with streams.connected() as client:
            await client.jetstream().delete_stream(name)
        await streams.make()
        await streams.put({"people.a": state("a", name="new")})

        told = await pages(adapter, "people", cursor)
        assert [record.key for page in told for record in page.records] == ["a"]
        assert not any(page.complete or page.gone for page in told)
        assert (await one(adapter, "people", "a")).version != before.version
        assert await records(adapter, "people", told[-1].cursor) == {}
        assert not any(page.complete for page in await pages(adapter, "people"))
        [vanished] = await adapter.read("people", ["b"])
        assert isinstance(vanished, Malformed), "nothing of it is left, and nobody deleted it"
        (outcome,) = await adapter.push("people", [Write("update", "a", {"name": "x"}, before.version)])
        assert not isinstance(outcome, Written)
        later = told[-1].cursor

    async with opened("nats", tmp_path, PEOPLE, **streams.options()) as adapter:
        assert await records(adapter, "people", later) == {}
        assert isinstance((await adapter.read("people", ["b"]))[0], Malformed), "also after a restart"


async def test_messages_that_were_purged_from_behind_a_cursor_prove_no_deletion(
    streams: Streams, tmp_path: Path
) -> None:
    name = await streams.make()
    await streams.put({f"people.{key}": state(key) for key in "abc"})
    async with opened("nats", tmp_path, PEOPLE, **streams.options()) as adapter:
        cursor = (await pages(adapter, "people"))[-1].cursor
        await streams.put({f"people.{key}": state(key) for key in "de"})
        async with streams.connected() as client:
            await client.jetstream().purge_stream(name, seq=5)

        told = await pages(adapter, "people", cursor)
        assert [record.key for page in told for record in page.records] == ["e"]
        assert not any(page.complete for page in told)


@pytest.mark.parametrize("bound", ["MANY", "MANY_BYTES"])
async def test_more_messages_than_are_kept_are_read_by_their_last_ones(
    streams: Streams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    """Nothing changed is left out, and deletions are told (F27, F30)."""
    monkeypatch.setattr(reading, bound, 10)
    monkeypatch.setattr(reading, "PAGE", 4)
    await streams.make(max_msgs_per_subject=-1)
    await streams.put({f"people.{key}": state(key) for key in "abc"})
    async with opened("nats", tmp_path, PEOPLE, **streams.options()) as adapter:
        cursor = (await pages(adapter, "people"))[-1].cursor
        for n in range(15):
            await streams.put({"people.a": state("a", name=str(n))})
        await streams.put({"people.b": b""})

        told = await pages(adapter, "people", cursor)
        assert [(r.key, r.fields.get("name")) for page in told for r in page.records] == [("c", None), ("a", "14")]
        assert told[-1].complete
        assert await records(adapter, "people", told[-1].cursor) == {}


async def test_an_increment_shows_the_last_state_alone(streams: Streams, tmp_path: Path) -> None:
    """What came twice, or was overtaken, is no reading (F43, F45, F46)."""
    await streams.make(max_msgs_per_subject=-1)
    async with opened("nats", tmp_path, PEOPLE, **streams.options()) as adapter:
        cursor = (await pages(adapter, "people"))[-1].cursor
        for name in ("first", "second", "second"):
            await streams.put({"people.a": state("a", name=name)})
        await streams.put({"people.b": state("b")})
        await streams.put({"people.b": b""})

        told = await pages(adapter, "people", cursor)
        assert [(record.key, record.fields["name"]) for page in told for record in page.records] == [("a", "second")]
        assert [key for page in told for key in page.gone] == ["b"]


async def test_several_objects_of_one_stream_do_not_mix(streams: Streams, tmp_path: Path) -> None:
    await streams.make("crm", subjects=["crm.>"])
    specs = [ObjectSpec(name, "id", ("name",)) for name in ("crm.people", "crm.firms")]
    await streams.put({"crm.people.a": state("a"), "crm.firms.b": state("b"), "crm.people.a.b": state("c")})
    async with opened("nats", tmp_path, *specs, **streams.options()) as adapter:
        assert set(await records(adapter, "crm.people")) == {"a"}
        assert set(await records(adapter, "crm.firms")) == {"b"}


KEYS = ["a.b", "two words", "ann@example.org", "50%", "*", ">", "Zoë", "tab\t", "a/b?c#d", "$", "-", "王"]


async def test_any_key_has_a_subject_of_its_own(streams: Streams, tmp_path: Path) -> None:
    await streams.make()
    async with opened("nats", tmp_path, PEOPLE, **streams.options()) as adapter:
        outcomes = await adapter.push("people", [Write("create", key, {"name": key}) for key in KEYS])
        assert [outcome.key for outcome in outcomes if isinstance(outcome, Written)] == KEYS
        assert {key: fields["name"] for key, fields in (await records(adapter, "people")).items()} == {
            key: key for key in KEYS
        }
        assert [(await one(adapter, "people", key)).fields["id"] for key in KEYS] == KEYS
        assert await adapter.read("people", ["k" * 1000, "\ud800", ""]) == [
            Gone("k" * 1000), Gone("\ud800"), Gone(""),
        ]  # fmt: skip
        for key in ("k" * 1000, "\ud800", ""):
            (outcome,) = await adapter.push("people", [Write("create", key, {})])
            assert not isinstance(outcome, Written)


def test_a_subject_is_written_in_one_way() -> None:
    for key in KEYS:
        subject = subject_of("people", key)
        assert subject is not None
        assert subject.count(".") == 1
        assert key_of("people", subject) == key
    assert [key_of("people", f"people.{token}") for token in ("a%2eb", "%41", "50%", "%FF")] == [None] * 4


def test_a_pattern_covers_what_it_stands_for() -> None:
    wide = ["people.*", "people.>", ">", "*.*"]
    assert all(covers(pattern, "people.*") for pattern in wide)
    assert not any(covers(pattern, "people.*") for pattern in ("people.a", "people", "people.*.*", "*", "firms.*"))


async def test_what_is_no_record_is_kept_out_and_the_others_go_on(streams: Streams, tmp_path: Path) -> None:
    await streams.make()
    await streams.put(
        {
            "people.a": state("a"), "people.b": b"very secret", "people.c": b"[1]", "people.d": state("another"),
            "people.%41": state("A"),
        }
    )  # fmt: skip
    async with opened("nats", tmp_path, PEOPLE, **streams.options()) as adapter:
        assert set(await records(adapter, "people")) == {"a"}
        rows = await malformed(adapter, "people")
        assert [row.key for row in rows] == ["b", "c", "d", None]
        assert "secret" not in "".join(row.reason for row in rows)
        (outcome,) = await adapter.push("people", [Write("update", "b", {"name": "x"})])
        assert not isinstance(outcome, Written)
        assert await streams.last("people.b") == b"very secret"


async def test_absent_null_and_blank_are_three_things(streams: Streams, tmp_path: Path) -> None:
    """F79, F80."""
    await streams.make()
    await streams.put({"people.a": state("a"), "people.b": state("b", name=None), "people.c": state("c", name="")})
    async with opened("nats", tmp_path, PEOPLE, **streams.options()) as adapter:
        found = await records(adapter, "people")
        assert found == {"a": {"id": "a"}, "b": {"id": "b", "name": None}, "c": {"id": "c", "name": ""}}


async def test_numbers_of_others_keep_their_digits(streams: Streams, tmp_path: Path) -> None:
    """F86."""
    await streams.make()
    await streams.put({"people.7": b'{"id": 7, "big": 12345678901234567890.10, "amount": 1.10, "name": "x"}'})
    async with opened("nats", tmp_path, PEOPLE, **streams.options()) as adapter:
        found = await one(adapter, "people", "7")
        assert found.fields["id"] == 7
        (outcome,) = await adapter.push("people", [Write("update", "7", {"name": "y"}, found.version)])

        assert isinstance(outcome, Written)
        assert outcome.alone
        assert await streams.last("people.7") == (
            b'{"id": 7, "big": 12345678901234567890.10, "amount": 1.10, "name": "y"}'
        )


async def test_a_record_is_found_by_a_value_of_any_case(streams: Streams, tmp_path: Path) -> None:
    await streams.make()
    await streams.put({"people.a": state("a", name="Ann@Example.org"), "people.b": state("b", name="b", amount=1)})
    async with opened("nats", tmp_path, PEOPLE, **streams.options()) as adapter:
        assert [r.key for r in await adapter.find("people", "name", ["ann@example.ORG", "c"])] == ["a"]
        assert [r.key for r in await adapter.find("people", "amount", [True, 1])] == ["b"]
        assert await adapter.find("people", "amount", [True]) == []
        with pytest.raises(NotFound):
            await adapter.find("people", "nothing", ["x"])


async def test_a_watch_names_the_record_that_changed(streams: Streams, tmp_path: Path) -> None:
    await streams.make()
    async with opened("nats", tmp_path, PEOPLE, **streams.options()) as adapter:
        hints = aiter(adapter.watch("people"))
        with anyio.fail_after(10):
            assert await anext(hints) == Hint()
            await streams.put({"people.a%2Eb": state("a.b")})
            assert await anext(hints) == Hint("a.b")
            (answer,) = await adapter.read("people", ["a.b"])
            assert isinstance(answer, Record)
        await hints.aclose()  # type: ignore[attr-defined]
