"""Streams of Redis: what trimming loses and what it does not, what others may add, and what a cursor is good for."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from datasyncd.adapters.contract import Concerned, Gone, Hint, Malformed, ObjectSpec, Record, Write, Written
from datasyncd.adapters.errors import NotFound
from datasyncd.adapters.redis import fold as folding
from datasyncd.adapters.testing.desk import malformed, one, opened, pages, records
from tests.servers.redis import Server

PEOPLE = ObjectSpec("people", "id", ("name", "amount"))


def state(key: str, **fields: Any) -> bytes:
    return json.dumps({"id": key, **fields}).encode()


def trim(redis: Server, most: int) -> None:
    """Somebody trims the stream to its last entries."""
    with redis.connected() as client:
        client.xtrim("people", maxlen=most, approximate=False)


def figures(adapter: object) -> Mapping[str, int]:
    return cast("Concerned", adapter).figures()


async def test_what_is_trimmed_after_it_was_read_is_kept(redis: Server, tmp_path: Path) -> None:
    redis.send({key: state(key) for key in "abc"})
    async with opened("redis", tmp_path, PEOPLE, **redis.options()) as adapter:
        cursor = (await pages(adapter, "people"))[-1].cursor
        redis.send({"d": state("d"), "a": None})
        await adapter.read("people", ["d"])
        trim(redis, 0)

        told = await pages(adapter, "people", cursor)
        assert {record.key for page in told for record in page.records} == {"b", "c", "d"}
        assert told[-1].complete, "which entries are missing is not known, but all records are"
        assert await records(adapter, "people", told[-1].cursor) == {}
        assert figures(adapter)["lost_entries"] == 0
        assert cast("Concerned", adapter).concerns() == []


async def test_what_was_trimmed_before_anybody_read_it_is_said_and_deletes_nobody(
    redis: Server, tmp_path: Path
) -> None:
    redis.send({key: state(key) for key in "abc"})
    async with opened("redis", tmp_path, PEOPLE, **redis.options()) as adapter:
        cursor = (await pages(adapter, "people"))[-1].cursor
        redis.send({key: state(key) for key in "defg"})
        trim(redis, 1)

        told = await pages(adapter, "people", cursor)
        assert {record.key for page in told for record in page.records} == {"a", "b", "c", "g"}
        assert [key for page in told for key in page.gone] == []
        assert figures(adapter)["lost_entries"] == 3
        [concern] = cast("Concerned", adapter).concerns()
        assert "3 entries" in concern
        assert "send all records again" in concern


@pytest.mark.parametrize("meant", [False, True])
async def test_a_stream_that_had_been_trimmed_before_is_complete_only_if_that_is_said(
    redis: Server, tmp_path: Path, meant: bool
) -> None:
    redis.send({key: state(key) for key in "abc"})
    trim(redis, 1)
    async with opened("redis", tmp_path, PEOPLE, **redis.options(trimmed_is_complete=meant)) as adapter:
        (*_, last) = await pages(adapter, "people")
        assert last.complete == meant
        assert set(await records(adapter, "people")) == {"c"}
        assert figures(adapter)["lost_entries"] == 0


async def test_a_fold_that_somebody_deleted_is_made_anew_and_proves_no_deletion(redis: Server, tmp_path: Path) -> None:
    redis.send({key: state(key) for key in "abc"})
    async with opened("redis", tmp_path, PEOPLE, **redis.options()) as adapter:
        cursor = (await pages(adapter, "people"))[-1].cursor
        trim(redis, 1)
        with redis.connected() as client:
            client.delete(*[key for key in cast("list[bytes]", client.keys("*")) if key != b"people"])

        for since in (cursor, None):
            told = await pages(adapter, "people", since)
            assert {record.key for page in told for record in page.records} == {"c"}
            assert not any(page.complete or page.gone for page in told)
        [vanished, there] = await adapter.read("people", ["a", "c"])
        assert isinstance(vanished, Malformed), "nothing of it is left, and nobody deleted it"
        assert isinstance(there, Record)
        redis.send({"b": None})
        assert await adapter.read("people", ["b"]) == [Gone("b")]


@pytest.mark.parametrize("id", ["*", "1-1"])
async def test_a_stream_that_was_deleted_takes_no_record_with_it(redis: Server, tmp_path: Path, id: str) -> None:
    """Also where the new one begins with lower IDs (F36, F75)."""
    redis.send({key: state(key) for key in "abc"})
    async with opened("redis", tmp_path, PEOPLE, **redis.options()) as adapter:
        cursor = (await pages(adapter, "people"))[-1].cursor
        with redis.connected() as client:
            client.delete("people")
            told = await pages(adapter, "people", cursor)
            assert not any(page.complete or page.gone for page in told)
            client.xadd("people", {"key": "b", "data": state("b", name="new")}, id=id)

        told = await pages(adapter, "people", cursor)
        assert not any(page.complete or page.gone for page in told)
        found = await records(adapter, "people")
        assert set(found) == {"a", "b", "c"}
        assert found["b"]["name"] == "new"
        assert isinstance((await adapter.push("people", [Write("update", "a", {"name": "x"})]))[0], Written)


async def test_more_entries_than_are_folded_at_once_are_folded_before_anything_is_said(
    redis: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folding, "AT_A_TIME", 7)
    redis.send({f"k{n}": state(f"k{n}") for n in range(50)})
    async with opened("redis", tmp_path, PEOPLE, **redis.options()) as adapter:
        assert (await one(adapter, "people", "k49")).key == "k49"
        redis.send({f"k{n}": state(f"k{n}", name="new") for n in range(50)})
        (outcome,) = await adapter.push("people", [Write("update", "k0", {"amount": 1})])
        assert isinstance(outcome, Written)
        assert (await one(adapter, "people", "k0")).fields == {"id": "k0", "name": "new", "amount": 1}
        assert len(await records(adapter, "people")) == 50
        assert figures(adapter) == {"added_entries": 101, "lost_entries": 0, "unread_entries": 0}


async def test_an_increment_shows_the_present_state_alone(redis: Server, tmp_path: Path) -> None:
    """What came twice, or was overtaken, is no reading (F43, F45, F46)."""
    async with opened("redis", tmp_path, PEOPLE, **redis.options()) as adapter:
        cursor = (await pages(adapter, "people"))[-1].cursor
        for name in ("first", "second", "second"):
            redis.send({"a": state("a", name=name)})
        redis.send({"b": state("b")})
        redis.send({"b": None})

        told = await pages(adapter, "people", cursor)
        assert [(record.key, record.fields["name"]) for page in told for record in page.records] == [("a", "second")]
        assert [key for page in told for key in page.gone] == ["b"]
        assert await records(adapter, "people", told[-1].cursor) == {}


async def test_what_is_no_record_is_kept_out_and_the_others_go_on(redis: Server, tmp_path: Path) -> None:
    redis.send({"a": state("a"), "b": b"very secret", "c": state("another")})
    with redis.connected() as client:
        client.xadd("people", {"data": state("d")})
        client.xadd("people", {"key": "e"})
        client.xadd("people", {b"key": b"\xff", b"data": b"{}"})
    async with opened("redis", tmp_path, PEOPLE, **redis.options()) as adapter:
        cursor = (await pages(adapter, "people"))[-1].cursor
        assert set(await records(adapter, "people")) == {"a"}
        rows = await malformed(adapter, "people")
        assert {row.key for row in rows} == {"b", "c", None}
        assert "secret" not in "".join(row.reason for row in rows)
        assert figures(adapter)["unread_entries"] == 2
        [concern] = cast("Concerned", adapter).concerns()
        assert "2 entries had no `key`" in concern
        with redis.connected() as client:
            client.xadd("people", {b"key": b"\xff", b"tombstone": b"1"})
        assert [key for page in await pages(adapter, "people", cursor) for key in page.gone] == []
        assert await adapter.read("people", ["\udcff", "\ud800"]) == [Gone("\udcff"), Gone("\ud800")]
        (outcome,) = await adapter.push("people", [Write("create", "\ud800", {})])
        assert not isinstance(outcome, Written)


KEYS = ["a.b", "two words", "ann@example.org", "{x}", "*", "Zoë", "new\nline", "a\0b", "王", "1 2"]


async def test_any_text_is_a_key(redis: Server, tmp_path: Path) -> None:
    async with opened("redis", tmp_path, PEOPLE, **redis.options()) as adapter:
        outcomes = await adapter.push("people", [Write("create", key, {"name": key}) for key in KEYS])
        assert [outcome.key for outcome in outcomes if isinstance(outcome, Written)] == KEYS
        found = await records(adapter, "people")
        assert {key: fields["name"] for key, fields in found.items()} == {key: key for key in KEYS}
        assert set(redis.last()) == set(KEYS)


async def test_absent_null_and_blank_are_three_things(redis: Server, tmp_path: Path) -> None:
    """F79, F80."""
    redis.send({"a": state("a"), "b": state("b", name=None), "c": state("c", name="")})
    async with opened("redis", tmp_path, PEOPLE, **redis.options()) as adapter:
        found = await records(adapter, "people")
        assert found == {"a": {"id": "a"}, "b": {"id": "b", "name": None}, "c": {"id": "c", "name": ""}}
    async with opened("redis", tmp_path, PEOPLE, **redis.options(missing_is_blank=True)) as adapter:
        assert (await one(adapter, "people", "a")).fields == {"id": "a", "name": None, "amount": None}


async def test_numbers_of_others_keep_their_digits(redis: Server, tmp_path: Path) -> None:
    """F86."""
    redis.send({"7": b'{"id": 7, "big": 12345678901234567890.10, "amount": 1.10, "name": "x"}'})
    async with opened("redis", tmp_path, PEOPLE, **redis.options()) as adapter:
        found = await one(adapter, "people", "7")
        (outcome,) = await adapter.push("people", [Write("update", "7", {"name": "y"}, found.version)])

        assert isinstance(outcome, Written)
        assert outcome.alone
        assert redis.last()["7"] == b'{"id": 7, "big": 12345678901234567890.10, "amount": 1.10, "name": "y"}'


async def test_several_streams_do_not_mix(redis: Server, tmp_path: Path) -> None:
    specs = [ObjectSpec(name, "id", ("name",)) for name in ("{crm}:people", "{crm}:firms")]
    redis.send({"a": state("a")}, "{crm}:people")
    redis.send({"b": state("b")}, "{crm}:firms")
    async with opened("redis", tmp_path, *specs, **redis.options()) as adapter:
        assert set(await records(adapter, "{crm}:people")) == {"a"}
        assert set(await records(adapter, "{crm}:firms")) == {"b"}


async def test_what_is_no_stream_is_not_found(redis: Server, tmp_path: Path) -> None:
    with redis.connected() as client:
        client.set("people", "x")
    async with opened("redis", tmp_path, PEOPLE, **redis.options()) as adapter:
        with pytest.raises(NotFound, match="no stream"):
            await adapter.describe("people")


async def test_a_stream_that_is_not_there_is_made_by_the_first_write(redis: Server, tmp_path: Path) -> None:
    async with opened("redis", tmp_path, PEOPLE, **redis.options()) as adapter:
        assert (await adapter.describe("people")).absent
        await adapter.push("people", [Write("create", "a", {"name": "a"})])
        assert not (await adapter.describe("people")).absent
        assert json.loads(redis.last()["a"] or b"") == {"id": "a", "name": "a", "amount": None}


async def test_a_record_is_found_by_a_value_of_any_case(redis: Server, tmp_path: Path) -> None:
    redis.send({"a": state("a", name="Ann@Example.org"), "b": state("b", name="b", amount=1)})
    async with opened("redis", tmp_path, PEOPLE, **redis.options()) as adapter:
        assert [r.key for r in await adapter.find("people", "name", ["ann@example.ORG", "c"])] == ["a"]
        assert [r.key for r in await adapter.find("people", "amount", [True, 1])] == ["b"]
        with pytest.raises(NotFound):
            await adapter.find("people", "nothing", ["x"])


async def test_a_watch_names_the_record_that_changed_and_sees_a_new_stream(
    redis: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasyncd.adapters.redis.reading.BLOCK_S", 0.3)
    redis.send({"a": state("a")})
    async with opened("redis", tmp_path, PEOPLE, **redis.options()) as adapter:
        hints = aiter(adapter.watch("people"))
        with anyio.fail_after(10):
            assert await anext(hints) == Hint()
            redis.send({"a.b": state("a.b")})
            assert await anext(hints) == Hint("a.b")
            (answer,) = await adapter.read("people", ["a.b"])
            assert isinstance(answer, Record)
            with redis.connected() as client:
                client.delete("people")
                client.xadd("people", {"key": "c", "data": state("c")}, id="1-1")
            assert await anext(hints) == Hint()
        await hints.aclose()  # type: ignore[attr-defined]
