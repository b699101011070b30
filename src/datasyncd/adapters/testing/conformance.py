"""The conformance suite: what every adapter promises, tested against the real system.

Each test is named by the promise, and numbered as in the list of promises. A promise that an adapter does not make
by its `capabilities` is skipped.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import ClassVar

import anyio
import anyio.lowlevel
import pytest

from datasyncd.adapters.contract import (
    Adapter,
    Clash,
    Condition,
    Deletions,
    Gone,
    Key,
    Native,
    ObjectSpec,
    Outcome,
    Record,
    Rejected,
    Schema,
    Stale,
    Write,
    Written,
)
from datasyncd.adapters.errors import AdapterError, Unsupported

from .desk import one, pages, records
from .stage import MARKED, NUMBERS, PEOPLE, TEXTS, Stage, person


@pytest.mark.asyncio
class AdapterConformance:
    """Subclass it as `Test...`, and override the fixture `stage`."""

    many: ClassVar[int] = 2500
    """Records that need several pages."""

    @pytest.fixture
    def stage(self) -> Stage:
        """The system under test."""
        raise NotImplementedError("override the fixture `stage`")

    async def test_01_a_complete_pull_lists_every_record_once_while_others_write(self, stage: Stage) -> None:
        keys = [f"k{n:05}" for n in range(self.many)]
        await stage.insert({key: person(stage, key) for key in keys})
        touched = {keys[0], keys[-1], keys[self.many // 2], "k00000x", "kx"}
        adapter = stage.open(PEOPLE)
        try:
            seen: list[Key] = []
            complete: list[bool] = []
            async for page in adapter.pull("people", None):
                assert not page.malformed
                seen += [record.key for record in page.records]
                complete.append(page.complete)
                if len(complete) == 1:
                    await stage.update(keys[0], {"name": "changed"})
                    await stage.update(keys[-1], {"name": "changed"})
                    await stage.delete(keys[self.many // 2])
                    await stage.insert({key: person(stage, key) for key in ("k00000x", "kx")})

            assert len(set(seen)) == len(seen), "no record twice"
            assert set(keys) - touched <= set(seen), "none is left out"
            assert set(seen) <= {*keys, *touched}
            assert complete == [False] * (len(complete) - 1) + [True]
            assert set(await records(adapter, "people")) == set(await stage.holds())
        finally:
            await adapter.aclose()

    async def test_01_an_empty_object_is_pulled_completely(self, stage: Stage) -> None:
        async with opened(stage) as adapter:
            (page,) = await pages(adapter, "people")

            assert (list(page.records), page.complete) == ([], True)

    async def test_02_a_pull_since_a_cursor_misses_no_change_and_survives_a_restart(self, stage: Stage) -> None:
        await stage.insert({key: person(stage, key, changed=5) for key in "abc"})
        async with opened(stage, MARKED) as adapter:
            if not adapter.capabilities("people").incremental:
                # Not promised: then every pull is a complete one.
                assert (await pages(adapter, "people"))[-1].complete
                return
            cursor = (await pages(adapter, "people"))[-1].cursor
        assert cursor is not None
        await stage.update("a", {"name": "later at the same moment"})
        await stage.insert({"d": person(stage, "d", changed=5), "e": person(stage, "e", changed=6)})

        async with opened(stage, MARKED) as adapter:
            found = await pages(adapter, "people", cursor)
            names = {record.key: record.fields["name"] for page in found for record in page.records}
            assert names.keys() >= {"a", "d", "e"}
            assert names["a"] == "later at the same moment"
            assert not any(page.complete for page in found)

            await stage.insert({"f": person(stage, "f", changed=7)})
            assert "f" in await records(adapter, "people", found[-1].cursor)

    async def test_02_a_pull_since_a_cursor_tells_what_was_deleted(self, stage: Stage) -> None:
        await stage.insert({key: person(stage, key, changed=5) for key in "abcd"})
        async with opened(stage, MARKED) as adapter:
            if adapter.capabilities("people").deletions is not Deletions.TOLD:
                # Not promised: then a complete pull shows by what it lacks.
                await stage.delete("b")
                assert "b" not in await records(adapter, "people")
                return
            cursor = (await pages(adapter, "people"))[-1].cursor
            await stage.delete("b")
            await stage.delete("c")
            await stage.insert({"c": person(stage, "c", changed=6)})

            found = await pages(adapter, "people", cursor)
            assert {key for page in found for key in page.gone} == {"b"}
            assert "c" in {record.key for page in found for record in page.records}
            assert not any(page.complete for page in found)

    async def test_02_a_pull_since_a_complete_one_is_unchanged_until_somebody_else_writes(self, stage: Stage) -> None:
        async with opened(stage) as adapter:
            if not adapter.capabilities("people").tells_unchanged:
                return
            await stage.insert({"k1": person(stage, "k1"), "k2": person(stage, "k2")})
            since = (await pages(adapter, "people"))[-1].cursor
            (nothing,) = await pages(adapter, "people", since)
            assert (nothing.unchanged, nothing.complete, nothing.cursor, list(nothing.records)) == (
                True,
                False,
                since,
                [],
            )

            await done(adapter, Write("update", "k1", {"name": "ours"}))
            assert [page.unchanged for page in await pages(adapter, "people", since)] == [True]

            await stage.update("k2", {"name": "theirs"})
            assert (await records(adapter, "people", since))["k2"]["name"] == "theirs"
            *_, last = await pages(adapter, "people", since)
            assert (last.unchanged, last.complete) == (False, True)
            await stage.delete("k1")
            assert set(await records(adapter, "people", last.cursor)) == {"k2"}

    async def test_03_reading_by_key_tells_the_present_truth_or_that_it_is_gone(self, stage: Stage) -> None:
        await stage.insert({key: person(stage, key) for key in "abc"})
        async with opened(stage) as adapter:
            before = await one(adapter, "people", "b")
            await stage.update("b", {"name": "new"})
            await stage.delete("c")

            answers = await adapter.read("people", ["c", "b", "nobody", "a", "b"])

            assert [answers[0], answers[2]] == [Gone("c"), Gone("nobody")]
            assert [name_of(answer) for answer in (answers[1], answers[3], answers[4])] == ["new", "a", "new"]
            changed = answers[1]
            assert isinstance(changed, Record)
            assert changed.version != before.version
            assert await adapter.read("people", []) == []

    async def test_03_a_pull_and_a_read_tell_the_same(self, stage: Stage) -> None:
        await stage.insert({key: person(stage, key) for key in "abc"})
        async with opened(stage) as adapter:
            pulled = [record for page in await pages(adapter, "people") for record in page.records]

            assert list(await adapter.read("people", [record.key for record in pulled])) == pulled

    async def test_03_records_are_found_by_a_value(self, stage: Stage) -> None:
        await stage.insert({key: {**person(stage, key), "email": f"{key}@Example.org"} for key in "abc"})
        async with opened(stage) as adapter:
            found = await adapter.find("people", "email", ["B@example.ORG", "nobody@example.org"])

            assert [record.key for record in found] == ["b"]
            assert list(found) == list(await adapter.read("people", ["b"]))
            assert await adapter.find("people", "name", ["A"]) == []
            assert await adapter.find("people", "email", []) == []

    async def test_04_a_created_record_is_what_the_image_says(self, stage: Stage) -> None:
        async with opened(stage) as adapter:
            schema = await adapter.describe("people")
            written = await done(adapter, creation(schema, "n1", person(stage, "n1")))

            present = await one(adapter, "people", written.key)
            if adapter.capabilities("people").returns_image:
                assert written.image == present
            assert {name: present.fields[name] for name in PEOPLE.fields} == person(stage, "n1")
            assert list(await stage.holds()) == [written.key]
            assert list(await records(adapter, "people")) == [written.key]

    async def test_05_an_update_changes_the_named_fields_alone(self, stage: Stage) -> None:
        """F25."""
        await stage.insert({key: {**person(stage, key), "note": "not ours"} for key in "abc"})
        before = await stage.holds()
        async with opened(stage) as adapter:
            record = await one(adapter, "people", "b")
            written = await done(adapter, Write("update", "b", {"name": "B"}, record.version))

            assert await stage.holds() == {**before, "b": {**before["b"], "name": "B"}}
            if adapter.capabilities("people").returns_image:
                assert written.image == await one(adapter, "people", "b")

    async def test_05_the_version_that_an_image_has_is_good_for_the_next_write(self, stage: Stage) -> None:
        await stage.insert({"a": person(stage, "a")})
        async with opened(stage) as adapter:
            version = (await one(adapter, "people", "a")).version
            for name in ("first", "second", "third"):
                written = await done(adapter, Write("update", "a", {"name": name}, version))
                version = written.image.version if written.image else (await one(adapter, "people", "a")).version

            assert (await stage.holds())["a"]["name"] == "third"

    async def test_06_a_conditional_write_on_a_changed_record_changes_nothing(self, stage: Stage) -> None:
        await stage.insert({key: person(stage, key) for key in "abc"})
        async with opened(stage) as adapter:
            if adapter.capabilities("people").condition is not Condition.ENFORCED:
                # Not promised: then an expected version that is right stops nothing.
                version = (await one(adapter, "people", "a")).version
                done = await adapter.push("people", [Write("update", "a", {"name": "ours"}, version)])
                assert isinstance(done[0], Written)
                return
            old = {key: (await one(adapter, "people", key)).version for key in "abc"}
            await stage.update("a", {"name": "theirs"})
            await stage.update("b", {"email": "theirs"})

            outcomes = await adapter.push(
                "people",
                [
                    Write("update", "a", {"name": "ours"}, old["a"]),
                    Write("delete", "b", version=old["b"]),
                    Write("update", "c", {"name": "ours"}, old["c"]),
                ],
            )

            assert list(outcomes[:2]) == [Stale(), Stale()]
            assert isinstance(outcomes[2], Written)
            held = await stage.holds()
            assert [held["a"]["name"], held["b"]["email"], held["c"]["name"]] == ["theirs", "theirs", "ours"]

    async def test_07_the_same_update_twice_has_one_effect(self, stage: Stage) -> None:
        await stage.insert({key: person(stage, key) for key in "ab"})
        async with opened(stage) as adapter:
            for _ in range(2):
                await done(adapter, Write("update", "a", {"name": "once"}, idem_key="i1"))

            held = await stage.holds()
            assert {key: row["name"] for key, row in held.items()} == {"a": "once", "b": "b"}

    async def test_07_the_same_creation_twice_makes_one_record(self, stage: Stage) -> None:
        async with opened(stage) as adapter:
            schema = await adapter.describe("people")
            if schema.key_assigned and not adapter.capabilities("people").create_key:
                pytest.skip("it makes the keys, and honours none of ours")
            write = creation(schema, "n1", person(stage, "n1"))
            first = await done(adapter, write)

            (second,) = await adapter.push("people", [write])

            assert isinstance(second, Written | Clash)
            assert second.key == first.key
            assert list(await stage.holds()) == [first.key]

    async def test_08_a_delete_is_a_delete_and_no_error_the_second_time(self, stage: Stage) -> None:
        """F76."""
        await stage.insert({key: person(stage, key) for key in "abc"})
        async with opened(stage) as adapter:
            version = (await one(adapter, "people", "b")).version
            for write in (Write("delete", "b", version=version), Write("delete", "b"), Write("delete", "nobody")):
                await done(adapter, write)

            assert sorted(await stage.holds()) == ["a", "c"]
            assert await adapter.read("people", ["b"]) == [Gone("b")]
            assert sorted(await records(adapter, "people")) == ["a", "c"]

    async def test_09_one_bad_record_stops_nothing_but_itself(self, stage: Stage) -> None:
        """F88."""
        await stage.insert({key: person(stage, key) for key in "abc"})
        async with opened(stage) as adapter:
            outcomes = await adapter.push(
                "people",
                [
                    Write("update", "a", {"name": "A"}),
                    Write("update", "b", {"name": "B", **stage.bad()}),
                    Write("update", "c", {"name": "C"}),
                ],
            )

            assert [type(outcome) for outcome in outcomes] == [Written, Rejected, Written]
            refused = outcomes[1]
            assert isinstance(refused, Rejected)
            assert refused.reason
            assert refused.fields == (next(iter(stage.bad())),)
            held = await stage.holds()
            assert [held[key]["name"] for key in "abc"] == ["A", "b", "C"]

    async def test_09_a_new_record_that_is_refused_for_one_field_is_made_without_it(self, stage: Stage) -> None:
        fields = person(stage, "n1")
        async with opened(stage) as adapter:
            schema = await adapter.describe("people")
            (refused,) = await adapter.push("people", [creation(schema, "n1", {**fields, **stage.bad()})])

            assert isinstance(refused, Rejected)
            assert refused.fields == (next(iter(stage.bad())),)
            assert await stage.holds() == {}

            rest = {name: value for name, value in fields.items() if name not in refused.fields}
            written = await done(adapter, creation(schema, "n1", rest))
            held = (await stage.holds())[written.key]
            assert {name: held[name] for name in rest} == rest

    async def test_09_every_write_has_its_outcome_in_order(self, stage: Stage) -> None:
        await stage.insert({key: person(stage, key) for key in "ab"})
        async with opened(stage) as adapter:
            assert await adapter.push("people", []) == []
            outcomes = await adapter.push("people", [Write("delete", key) for key in ("b", "nobody", "a")])

            assert outcomes == [Written("b"), Written("nobody"), Written("a")]

    async def test_11_texts_survive(self, stage: Stage) -> None:
        await self._survive(stage, "name", TEXTS)

    async def test_11_numbers_and_null_survive(self, stage: Stage) -> None:
        if stage.text_only:
            # Numbers are texts there, whatever they were.
            await self._survive(stage, "name", ["0", "-1", "9223372036854775807", "0.10"])
            return
        await self._survive(stage, "amount", NUMBERS)

    async def test_12_closing_frees_everything_at_any_moment(self, stage: Stage) -> None:
        await stage.insert({f"k{n:05}": person(stage, f"k{n:05}") for n in range(self.many)})
        await stage.open(PEOPLE).aclose()  # what is opened once a process is open now
        async with opened(stage) as adapter:
            await one(adapter, "people", "k00000")
        before = open_files(), threads()

        for closing in (self._close_in_a_pull, self._close_in_a_push, self._close_in_a_watch):
            adapter = stage.open(PEOPLE)
            with anyio.fail_after(10):
                await closing(adapter)
                await adapter.aclose()

        with anyio.move_on_after(2):  # what ends in threads of the system's own takes a moment
            while open_files() != before[0] or not threads() <= before[1]:  # noqa: ASYNC110
                await anyio.sleep(0.02)
        assert open_files() == before[0]
        assert threads() <= before[1]

    async def test_13_a_watch_hints_when_it_begins_and_at_each_change(self, stage: Stage) -> None:
        await stage.insert({"a": person(stage, "a")})
        async with opened(stage) as adapter:
            if not adapter.capabilities("people").watches:
                with pytest.raises(Unsupported):
                    await anext(aiter(adapter.watch("people")))
                return
            hints = aiter(adapter.watch("people"))
            with anyio.fail_after(5):
                await anext(hints)
            told = anyio.Event()

            async def listen() -> None:
                async for _ in hints:  # `told` as it is by then
                    told.set()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(listen)
                await anyio.sleep(0.2)
                told = anyio.Event()
                await stage.update("a", {"name": "new"})
                with anyio.fail_after(5):
                    await told.wait()
                tasks.cancel_scope.cancel()

    async def _survive(self, stage: Stage, field: str, values: Sequence[Native]) -> None:
        """Values that we write are read back by us and by others, and those that others write by us."""
        expected = {f"v{n:02}": stage.stored(field, value) for n, value in enumerate(values)}
        async with opened(stage) as adapter:
            schema = await adapter.describe("people")
            created = [
                creation(schema, f"v{n:02}", {**person(stage, f"v{n:02}"), field: value})
                for n, value in enumerate(values)
            ]
            outcomes = await adapter.push("people", created)
            keys = [outcome.key for outcome in outcomes if isinstance(outcome, Written)]
            assert len(keys) == len(values), outcomes

            read = [record.fields[field] for record in await adapter.read("people", keys) if isinstance(record, Record)]
            assert read == list(expected.values())
            held = await stage.holds()
            assert [held[key][field] for key in keys] == list(expected.values())

            theirs = {f"t{key}": {**person(stage, key), field: value} for key, value in zip(keys, values, strict=True)}
            await stage.insert(theirs)
            pulled = await records(adapter, "people")
            assert [pulled[key][field] for key in theirs] == list(expected.values())

    async def _close_in_a_pull(self, adapter: Adapter) -> None:
        async for _ in adapter.pull("people", None):
            await adapter.aclose()
            break

    async def _close_in_a_push(self, adapter: Adapter) -> None:
        async def push() -> None:
            try:
                outcomes: Sequence[Outcome] = await adapter.push("people", [Write("update", "k00000", {"name": "x"})])
                assert len(outcomes) == 1
            except AdapterError:
                pass

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(push)
            await anyio.lowlevel.checkpoint()
            await adapter.aclose()

    async def _close_in_a_watch(self, adapter: Adapter) -> None:
        if not adapter.capabilities("people").watches:
            return

        async def listen() -> None:
            async for _ in adapter.watch("people"):
                pass

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(listen)
            await anyio.sleep(0.1)
            await adapter.aclose()


class opened:
    """An adapter of the stage, closed at the end."""

    def __init__(self, stage: Stage, spec: ObjectSpec = PEOPLE) -> None:
        self._adapter = stage.open(spec)

    async def __aenter__(self) -> Adapter:
        return self._adapter

    async def __aexit__(self, *_: object) -> None:
        await self._adapter.aclose()


def creation(schema: Schema, key: Key, fields: Mapping[str, Native]) -> Write:
    """A write that makes a record, with a key where the system makes none."""
    return Write("create", None if schema.key_assigned else key, dict(fields), idem_key=f"create {key}")


async def done(adapter: Adapter, write: Write) -> Written:
    """Push one write, which succeeds."""
    (outcome,) = await adapter.push("people", [write])
    assert isinstance(outcome, Written), outcome
    return outcome


def name_of(answer: object) -> Native:
    """The name of a record that was read."""
    assert isinstance(answer, Record), answer
    return answer.fields["name"]


def open_files() -> int:
    """How many files and sockets this process has open; 0 where that cannot be told."""
    return len(os.listdir("/proc/self/fd")) if sys.platform == "linux" else 0


def threads() -> set[str]:
    """Names of the threads that belong to no pool of the event loop."""
    pools = ("asyncio_", "AnyIO worker")
    return {thread.name for thread in threading.enumerate() if not thread.name.startswith(pools)}
