"""Promises 01 to 03: pulls, increments, and readings by key and by value."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import anyio

from datasyncd.adapters.contract import Adapter, Cursor, Deletions, Gone, Key, Moved, Page, Record

from .desk import pages, records
from .promise import NotPromised, a, expect, none, promise, same
from .stage import MARKED, Stage, person
from .steps import done, eventually, listed, name_of, opened, present, read, update


class ReadingPromises:
    """What a pull and a reading tell."""

    @promise
    async def test_01_a_complete_pull_lists_every_record_once_while_others_write(self, stage: Stage) -> None:
        keys = [f"k{n:05}" for n in range(stage.many)]
        await stage.insert({key: person(stage, key) for key in keys})
        busy = [keys[0], keys[-1], keys[len(keys) // 3]]
        touched = {keys[len(keys) // 2], "k00000x", "kx"}
        async with opened(stage) as adapter:
            if adapter.capabilities("people").search_lag_s:
                await listed(adapter, keys)
            seen: list[Key] = []
            complete: list[bool] = []
            begun, over = anyio.Event(), anyio.Event()

            async def others() -> None:
                edits = count()
                while not begun.is_set():
                    await _edit(stage, busy, next(edits))
                await stage.delete(keys[len(keys) // 2])
                await stage.insert({key: person(stage, key) for key in ("k00000x", "kx")})
                while not over.is_set():
                    await _edit(stage, busy, next(edits))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(others)
                async for page in adapter.pull("people", None):
                    expect(not page.malformed, f"rows could not be read: {page.malformed}")
                    seen += [record.key for record in page.records]
                    complete.append(page.complete)
                    begun.set()
                begun.set()
                over.set()

            twice = sorted({key for key in seen if seen.count(key) > 1}) if len(set(seen)) < len(seen) else []
            none(twice, "records that a pull listed twice")
            none(set(keys) - touched - set(seen), "records that were there all the while, and that the pull left out")
            none(set(seen) - {*keys, *touched}, "records that were never there, and that the pull listed")
            same(complete, [False] * (len(complete) - 1) + [True], "which of the pages say that all was listed")
            held = set(await stage.holds())
            same(set(await listed(adapter, held)), held, "what the next pull lists")

    @promise
    async def test_01_an_empty_object_is_pulled_completely(self, stage: Stage) -> None:
        async with opened(stage) as adapter:
            found = await pages(adapter, "people")

            same([(list(page.records), page.complete) for page in found], [([], True)], "the pages of nothing")

    @promise
    async def test_02_a_pull_since_a_cursor_misses_no_change_and_survives_a_restart(self, stage: Stage) -> None:
        await stage.insert({key: person(stage, key, changed=5) for key in "abc"})
        async with opened(stage, MARKED) as adapter:
            await listed(adapter, "abc")
            if not adapter.capabilities("people").incremental:
                await _each_pull_is_complete(stage, adapter)
            cursor = await _cursor(adapter)
        await stage.update("a", {"name": "later at the same moment"})
        await stage.update("b", {"name": "later", "changed": person(stage, "b", changed=6)["changed"]})
        await stage.insert({"d": person(stage, "d", changed=5), "e": person(stage, "e", changed=6)})

        async with opened(stage, MARKED) as adapter:
            wanted = {"a": "later at the same moment", "b": "later", "d": "d", "e": "e"}
            found = await _since(adapter, cursor, wanted)
            names = {record.key: record.fields.get("name") for page in found for record in page.records}
            expect(not any(page.complete for page in found), "an increment says that it listed every record")
            same({key: names.get(key) for key in wanted}, wanted, "what changed since the cursor, after a restart")
            await stage.insert({"f": person(stage, "f", changed=7)})
            more = await _since(adapter, found[-1].cursor, ["f"])
            expect("f" in _keys(more), "a record that was made after an increment is not in the next one")

    @promise
    async def test_02_a_pull_since_a_cursor_tells_what_was_deleted(self, stage: Stage) -> None:
        await stage.insert({key: person(stage, key, changed=5) for key in "abcd"})
        async with opened(stage, MARKED) as adapter:
            await listed(adapter, "abcd")
            how = adapter.capabilities("people").deletions
            if how is Deletions.INVISIBLE:
                raise NotPromised("deletions do not show")
            if how is not Deletions.TOLD:
                await stage.delete("b")
                same(set(await listed(adapter, "acd")), set("acd"), "what a complete pull lists after a deletion")
                raise NotPromised("a deletion shows by its absence from a complete pull")
            cursor = await _cursor(adapter)
            await stage.delete("b")
            await stage.delete("c")
            await stage.insert({"c": person(stage, "c", changed=6)})

            found = await eventually(
                adapter, lambda: pages(adapter, "people", cursor), lambda got: "c" in _keys(got) and "b" in _gone(got)
            )
            same(_gone(found), {"b"}, "what an increment tells to be gone")
            expect("c" in _keys(found), "a record that was deleted and made anew is not in the increment")
            expect(not any(page.complete for page in found), "an increment says that it listed every record")

    @promise
    async def test_02_a_pull_since_a_complete_one_is_unchanged_until_somebody_else_writes(self, stage: Stage) -> None:
        async with opened(stage) as adapter:
            if not adapter.capabilities("people").tells_unchanged:
                raise NotPromised("it does not tell that nothing was changed")
            await stage.insert({"k1": person(stage, "k1"), "k2": person(stage, "k2")})
            await listed(adapter, ["k1", "k2"])
            since = (await pages(adapter, "people"))[-1].cursor
            expect(since is not None, "a complete pull ends without a cursor")
            found = [
                (page.unchanged, page.complete, page.cursor, len(page.records)) for page in await _again(adapter, since)
            ]
            same(
                found, [(True, False, since, 0)], "a pull after which nothing was changed: unchanged, complete, cursor"
            )

            if not adapter.capabilities("people").read_only:
                await done(adapter, await update(adapter, "k1", {"name": "ours"}))
                found_own = [page.unchanged for page in await _again(adapter, since)]
                same(found_own, [True], "whether it is unchanged after a write of ours alone")

            await stage.update("k2", {"name": "theirs"})
            news = (await records(adapter, "people", since)).get("k2", {}).get("name")
            same(news, "theirs", "what a pull shows that somebody else has changed since the cursor")
            *_, last = await _again(adapter, since)
            same((last.unchanged, last.complete), (False, True), "unchanged and complete, after somebody's change")
            await stage.delete("k1")
            same(set(await records(adapter, "people", last.cursor)), {"k2"}, "what is listed after a deletion")

    @promise
    async def test_03_reading_by_key_tells_the_present_truth_or_that_it_is_gone(self, stage: Stage) -> None:
        await stage.insert({key: person(stage, key) for key in "abc"})
        async with opened(stage) as adapter:
            before = await present(adapter, "b")
            await stage.update("b", {"name": "new"})
            await stage.delete("c")

            answers = await read(adapter, ["c", "b", "nobody", "a", "b"])

            same([answers[0], answers[2]], [Gone("c"), Gone("nobody")], "the answers to keys that are gone")
            names = [name_of(answer) for answer in (answers[1], answers[3], answers[4])]
            same(names, ["new", "a", "new"], "the names that are read right after a change")
            changed = a(Record, answers[1], "an answer")
            expect(changed.version != before.version, "a record has the same version before and after it was changed")
            same(list(await read(adapter, [])), [], "the answers to no keys")

    @promise
    async def test_03_a_record_that_was_merged_into_another_one_names_it(self, stage: Stage) -> None:
        await stage.insert({key: person(stage, key) for key in "abc"})
        async with opened(stage) as adapter:
            if not adapter.capabilities("people").forward:
                await stage.delete("a")
                same(list(await read(adapter, ["a"])), [Gone("a")], "one that tells of no merges has none to name")
                raise NotPromised("it tells of no merges")
            await stage.merge("a", "b")
            answers = await read(adapter, ["a", "b", "nobody"])
            same([answers[0], answers[2]], [Moved("a", "b"), Gone("nobody")], "the answers after a merge")
            same(name_of(answers[1]), "b", "the name of the one that survived")

            await stage.merge("b", "c")
            same(list(await read(adapter, ["b", "a"])), [Moved("b", "c"), Moved("a", "c")], "where it lives on now")
            same(set(await listed(adapter, "c")), {"c"}, "what a pull lists after merges")

            await stage.delete("c")
            gone = [Gone("a"), Gone("b"), Gone("c")]
            same(list(await read(adapter, list("abc"))), gone, "the answers when the last one was deleted")

    @promise
    async def test_03_a_pull_and_a_read_tell_the_same(self, stage: Stage) -> None:
        await stage.insert({key: person(stage, key) for key in "abc"})
        async with opened(stage) as adapter:
            await listed(adapter, "abc")
            if adapter.capabilities("people").pull_is_reading:
                await stage.update("b", {"name": "new"})
            pulled = [record for page in await pages(adapter, "people") for record in page.records]

            same(pulled, list(await read(adapter, [record.key for record in pulled])), "a pull and a read after it")
            if not adapter.capabilities("people").pull_is_reading:
                raise NotPromised("the rows of a pull are hints")

    @promise
    async def test_03_records_are_found_by_a_value(self, stage: Stage) -> None:
        await stage.insert({key: {**person(stage, key), "email": f"{key}@Example.org"} for key in "abc"})
        async with opened(stage) as adapter:
            wanted = ["B@example.ORG", "nobody@example.org"]
            found = await eventually(adapter, lambda: adapter.find("people", "email", wanted), len)

            same([record.key for record in found], ["b"], "who is found by an address in other letters")
            same(list(found), list(await read(adapter, ["b"])), "what is found, and what is read")
            same(list(await adapter.find("people", "name", ["A"])), [], "who is found by a name in other letters")
            same(list(await adapter.find("people", "email", [])), [], "who is found by no values")


async def _edit(stage: Stage, keys: Sequence[Key], n: int) -> None:
    """Somebody else's edit number `n`, of one of these records."""
    await stage.update(keys[n % len(keys)], {"name": f"edit {n}"})
    await anyio.sleep(0.001)


async def _each_pull_is_complete(stage: Stage, adapter: Adapter) -> None:
    """Of a system whose pulls are no increments: none since a cursor leaves out what was not changed."""
    last = (await pages(adapter, "people"))[-1]
    expect(last.complete, "pulls are no increments, and one does not say that it listed every record")
    await stage.update("a", {"name": "later"})
    again = await eventually(
        adapter,
        lambda: pages(adapter, "people", last.cursor),
        lambda got: got[-1].complete and _keys(got) == set("abc"),
    )
    same(_keys(again), set("abc"), "what a pull since a cursor lists, where pulls are no increments")
    raise NotPromised("each pull is a complete one")


async def _cursor(adapter: Adapter) -> Cursor:
    """Where increments begin that come after all that is there."""
    return a(str, (await pages(adapter, "people"))[-1].cursor, "the cursor of a complete pull")


async def _again(adapter: Adapter, since: Cursor | None) -> list[Page]:
    return await pages(adapter, "people", since)


async def _since(adapter: Adapter, since: Cursor | None, keys: Sequence[Key] | dict[Key, str]) -> list[Page]:
    """The pages of an increment that shows these records, or should."""
    return await eventually(adapter, lambda: pages(adapter, "people", since), lambda got: set(keys) <= _keys(got))


def _keys(found: Sequence[Page]) -> set[Key]:
    return {record.key for page in found for record in page.records}


def _gone(found: Sequence[Page]) -> set[Key]:
    return {key for page in found for key in page.gone}
