"""Promises 01 to 03: pulls, increments, and readings by key and by value."""

from __future__ import annotations

from typing import ClassVar

from datasyncd.adapters.contract import Deletions, Gone, Key, Moved, Record

from .desk import pages, records
from .stage import MARKED, PEOPLE, Stage, person
from .steps import done, name_of, opened, present, read, update


class ReadingPromises:
    """What a pull and a reading tell."""

    many: ClassVar[int]

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

            await done(adapter, await update(adapter, "k1", {"name": "ours"}))
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
            before = await present(adapter, "b")
            await stage.update("b", {"name": "new"})
            await stage.delete("c")

            answers = await read(adapter, ["c", "b", "nobody", "a", "b"])

            assert [answers[0], answers[2]] == [Gone("c"), Gone("nobody")]
            assert [name_of(answer) for answer in (answers[1], answers[3], answers[4])] == ["new", "a", "new"]
            changed = answers[1]
            assert isinstance(changed, Record)
            assert changed.version != before.version
            assert await read(adapter, []) == []

    async def test_03_a_reading_that_must_not_be_old_is_not(self, stage: Stage) -> None:
        """Where an ordinary one may be (`stale_s`), it is asked for as `strong`."""
        await stage.insert({key: person(stage, key) for key in "ab"})
        async with opened(stage) as adapter:
            for name in map(str, range(20)):
                await stage.update("a", {"name": name})
                answers = await read(adapter, ["a", "b"])
                assert [name_of(answer) for answer in answers] == [name, "b"]
            await stage.delete("a")
            assert await read(adapter, ["a"]) == [Gone("a")]

    async def test_03_a_record_that_was_merged_into_another_one_names_it(self, stage: Stage) -> None:
        await stage.insert({key: person(stage, key) for key in "abc"})
        async with opened(stage) as adapter:
            if not adapter.capabilities("people").forward:
                await stage.delete("a")
                assert await read(adapter, ["a"]) == [Gone("a")], "one that tells of no merges has none to name"
                return
            await stage.merge("a", "b")
            answers = await read(adapter, ["a", "b", "nobody"])
            assert [answers[0], answers[2]] == [Moved("a", "b"), Gone("nobody")]
            assert name_of(answers[1]) == "b"

            await stage.merge("b", "c")
            assert await read(adapter, ["b", "a"]) == [Moved("b", "c"), Moved("a", "c")], "where it lives on now"
            assert set(await records(adapter, "people")) == {"c"}

            await stage.delete("c")
            assert await read(adapter, list("abc")) == [Gone("a"), Gone("b"), Gone("c")]

    async def test_03_a_pull_and_a_read_tell_the_same(self, stage: Stage) -> None:
        await stage.insert({key: person(stage, key) for key in "abc"})
        async with opened(stage) as adapter:
            pulled = [record for page in await pages(adapter, "people") for record in page.records]

            assert list(await read(adapter, [record.key for record in pulled])) == pulled

    async def test_03_records_are_found_by_a_value(self, stage: Stage) -> None:
        await stage.insert({key: {**person(stage, key), "email": f"{key}@Example.org"} for key in "abc"})
        async with opened(stage) as adapter:
            found = await adapter.find("people", "email", ["B@example.ORG", "nobody@example.org"])

            assert [record.key for record in found] == ["b"]
            assert list(found) == list(await read(adapter, ["b"]))
            assert await adapter.find("people", "name", ["A"]) == []
            assert await adapter.find("people", "email", []) == []
