"""Promises 04 to 09: what a write does, what it leaves alone, and what is answered."""

from __future__ import annotations

from datasyncd.adapters.contract import Clash, Condition, Gone, Rejected, Stale, Write, Written

from .desk import records
from .stage import PEOPLE, Stage, person
from .steps import creation, done, opened, present, read, update


class WritePromises:
    """What becomes of writes."""

    async def test_04_a_created_record_is_what_the_image_says(self, stage: Stage) -> None:
        async with opened(stage) as adapter:
            schema = await adapter.describe("people")
            written = await done(adapter, creation(schema, "n1", person(stage, "n1")))

            made = await present(adapter, written.key)
            if adapter.capabilities("people").returns_image:
                assert written.image == made
            assert {name: made.fields[name] for name in PEOPLE.fields} == person(stage, "n1")
            assert list(await stage.holds()) == [written.key]
            assert list(await records(adapter, "people")) == [written.key]

    async def test_05_an_update_changes_the_named_fields_alone(self, stage: Stage) -> None:
        """F25."""
        await stage.insert({key: {**person(stage, key), "note": "not ours"} for key in "abc"})
        before = await stage.holds()
        async with opened(stage) as adapter:
            record = await present(adapter, "b")
            written = await done(adapter, await update(adapter, "b", {"name": "B"}, record.version))

            assert await stage.holds() == {**before, "b": {**before["b"], "name": "B"}}
            if adapter.capabilities("people").returns_image:
                assert written.image == await present(adapter, "b")

    async def test_05_what_is_not_mapped_stays_as_somebody_else_left_it(self, stage: Stage) -> None:
        """Also where a write replaces the whole record, and also if it was changed since we read."""
        await stage.insert({key: {**person(stage, key), "note": "first"} for key in "ab"})
        async with opened(stage) as adapter:
            write = await update(adapter, "a", {"name": "ours"})
            await stage.update("a", {"note": "second"})
            before = await stage.holds()

            await done(adapter, write)

            assert await stage.holds() == {**before, "a": {**before["a"], "name": "ours"}}
            assert before["a"]["note"] == "second"

    async def test_05_the_version_that_an_image_has_is_good_for_the_next_write(self, stage: Stage) -> None:
        await stage.insert({"a": person(stage, "a")})
        async with opened(stage) as adapter:
            version = (await present(adapter, "a")).version
            for name in ("first", "second", "third"):
                written = await done(adapter, await update(adapter, "a", {"name": name}, version))
                version = written.image.version if written.image else (await present(adapter, "a")).version

            assert (await stage.holds())["a"]["name"] == "third"

    async def test_06_a_conditional_write_on_a_changed_record_changes_nothing(self, stage: Stage) -> None:
        await stage.insert({key: person(stage, key) for key in "abc"})
        async with opened(stage) as adapter:
            if adapter.capabilities("people").condition is not Condition.ENFORCED:
                # Not promised: then an expected version that is right stops nothing.
                version = (await present(adapter, "a")).version
                outcomes = await adapter.push("people", [await update(adapter, "a", {"name": "ours"}, version)])
                assert isinstance(outcomes[0], Written)
                return
            old = {key: (await present(adapter, key)).version for key in "abc"}
            await stage.update("a", {"name": "theirs"})
            await stage.update("b", {"email": "theirs"})

            outcomes = await adapter.push(
                "people",
                [
                    await update(adapter, "a", {"name": "ours"}, old["a"]),
                    Write("delete", "b", version=old["b"]),
                    await update(adapter, "c", {"name": "ours"}, old["c"]),
                ],
            )

            assert list(outcomes[:2]) == [Stale(), Stale()]
            assert isinstance(outcomes[2], Written)
            held = await stage.holds()
            assert [held["a"]["name"], held["b"]["email"], held["c"]["name"]] == ["theirs", "theirs", "ours"]

    async def test_07_the_same_update_twice_has_one_effect(self, stage: Stage) -> None:
        await stage.insert({key: person(stage, key) for key in "ab"})
        async with opened(stage) as adapter:
            write = await update(adapter, "a", {"name": "once"})
            write.idem_key = "i1"
            for _ in range(2):
                await done(adapter, write)

            held = await stage.holds()
            assert {key: row["name"] for key, row in held.items()} == {"a": "once", "b": "b"}

    async def test_07_the_same_creation_twice_makes_one_record(self, stage: Stage) -> None:
        async with opened(stage) as adapter:
            schema = await adapter.describe("people")
            write = creation(schema, "n1", person(stage, "n1"))
            first = await done(adapter, write)

            (second,) = await adapter.push("people", [write])

            assert isinstance(second, Written | Clash)
            if schema.key_assigned and not adapter.capabilities("people").create_key:
                # It makes the keys, and honours none of ours: the daemon searches before it creates again.
                assert set(await stage.holds()) == {first.key, second.key}
            else:
                assert second.key == first.key
                assert list(await stage.holds()) == [first.key]

    async def test_08_a_delete_is_a_delete_and_no_error_the_second_time(self, stage: Stage) -> None:
        """F76."""
        await stage.insert({key: person(stage, key) for key in "abc"})
        async with opened(stage) as adapter:
            version = (await present(adapter, "b")).version
            for write in (Write("delete", "b", version=version), Write("delete", "b"), Write("delete", "nobody")):
                await done(adapter, write)

            assert sorted(await stage.holds()) == ["a", "c"]
            assert await read(adapter, ["b"]) == [Gone("b")]
            assert sorted(await records(adapter, "people")) == ["a", "c"]

    async def test_09_one_bad_record_stops_nothing_but_itself(self, stage: Stage) -> None:
        """F88."""
        await stage.insert({key: person(stage, key) for key in "abc"})
        async with opened(stage) as adapter:
            outcomes = await adapter.push(
                "people",
                [
                    await update(adapter, "a", {"name": "A"}),
                    await update(adapter, "b", {"name": "B", **stage.bad()}),
                    await update(adapter, "c", {"name": "C"}),
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
