"""Promises 04, 05, 08 and 09: what a write does, what it leaves alone, and what is answered."""

from __future__ import annotations

import anyio

from datasyncd.adapters.contract import (
    Adapter,
    Clash,
    Condition,
    Deletions,
    Gone,
    Key,
    Rejected,
    Write,
    Written,
)
from datasyncd.adapters.errors import Transient

from .promise import NotPromised, a, expect, none, promise, same
from .stage import PEOPLE, Stage, person
from .steps import creation, done, listed, opened, present, push, read, update, writes

OTHERS = ("o1", "o2", "o3")
"""Records that somebody else edits, and we do not."""
ROUNDS = 10
"""So often we make, change and delete a record meanwhile."""
TRIES = 20
LARGEST_BATCH = 1_000
"""Writes that a batch is tried with at most."""


class WritePromises:
    """What becomes of writes."""

    @promise
    async def test_04_a_created_record_is_what_the_image_says(self, stage: Stage) -> None:
        async with opened(stage) as adapter:
            await writes(adapter)
            schema = await adapter.describe("people")
            written = await done(adapter, creation(schema, "n1", person(stage, "n1")))

            if not schema.key_assigned:
                same(written.key, "n1", "the key of a new record, which was told with it")
            made = await present(adapter, written.key)
            if adapter.capabilities("people").returns_image:
                same(written.image, made, "the image that answers a creation, against what is read")
            held = {name: made.fields.get(name) for name in PEOPLE.fields}
            same(held, person(stage, "n1"), "what a new record holds")
            same(list(await stage.holds()), [written.key], "the keys that somebody else sees after a creation")
            same(
                list(await listed(adapter, [written.key])), [written.key], "the keys that a pull lists after a creation"
            )

    @promise
    async def test_04_who_makes_the_key_is_as_declared(self, stage: Stage) -> None:
        async with opened(stage) as adapter:
            await writes(adapter)
            if not adapter.capabilities("people").assigns_key:
                raise NotPromised("a new record has the key that it is sent with")
            written = await done(adapter, Write("create", None, dict(person(stage, "n1")), idem_key="create n1"))

            same(list(await stage.holds()), [written.key], "the key that the system made, against what somebody sees")

    @promise
    async def test_04_a_second_record_with_a_unique_value_is_told_from_the_first(self, stage: Stage) -> None:
        async with opened(stage) as adapter:
            await writes(adapter)
            fields = [name for name in adapter.capabilities("people").unique if name in PEOPLE.fields]
            if not fields:
                raise NotPromised("no mapped field is unique")
            schema = await adapter.describe("people")
            first = person(stage, "n1")
            await done(adapter, creation(schema, "n1", first))
            for field in fields:
                second = {**person(stage, "n2"), "amount": "2" if stage.text_only else 2, field: first[field]}
                (outcome,) = await push(adapter, creation(schema, "n2", second))
                clash = a(Clash, outcome, f"the outcome of a second record with the same {field}, which is unique")
                same(clash.field, field, "the field that clashes")
                same(len(await stage.holds()), 1, "how many records there are after a clash")

    @promise
    async def test_05_an_update_changes_the_named_fields_alone(self, stage: Stage) -> None:
        """F25."""
        await stage.insert({key: {**person(stage, key), "note": "not ours"} for key in "abc"})
        before = await stage.holds()
        async with opened(stage) as adapter:
            await writes(adapter)
            record = await present(adapter, "b")
            written = await done(adapter, await update(adapter, "b", {"name": "B"}, record.version))

            same(await stage.holds(), {**before, "b": {**before["b"], "name": "B"}}, "what is there after an update")
            if adapter.capabilities("people").returns_image:
                same(written.image, await present(adapter, "b"), "the image that answers an update, against a read")

    @promise
    async def test_05_what_is_not_mapped_stays_as_somebody_else_left_it(self, stage: Stage) -> None:
        """Also where a write replaces the whole record, and also if it was changed since we read."""
        await stage.insert({key: {**person(stage, key), "note": "first"} for key in "ab"})
        async with opened(stage) as adapter:
            await writes(adapter)
            write = await update(adapter, "a", {"name": "ours"})
            await stage.update("a", {"note": "second"})
            before = await stage.holds()

            await done(adapter, write)

            same(await stage.holds(), {**before, "a": {**before["a"], "name": "ours"}}, "what is there after an update")
            same(before["a"]["note"], "second", "what somebody else has written")

    @promise
    async def test_05_what_others_edit_meanwhile_is_left_alone(self, stage: Stage) -> None:
        await stage.insert({key: person(stage, key) for key in ("a", "b", *OTHERS)})
        async with opened(stage) as adapter:
            await writes(adapter)
            promised = adapter.capabilities("people")
            if promised.batch == 0 and promised.condition is not Condition.ENFORCED:
                raise NotPromised("a push rewrites the object, and refuses no stale write")
            schema = await adapter.describe("people")
            over = anyio.Event()
            last: dict[Key, str] = {}

            async def others() -> None:
                n = 0
                while not over.is_set() or n < len(OTHERS):
                    key = OTHERS[n % len(OTHERS)]
                    await stage.update(key, {"name": f"edit {n}"})
                    last[key] = f"edit {n}"
                    n += 1
                    await anyio.sleep(0.001)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(others)
                for n in range(ROUNDS):
                    made = await _now(adapter, creation(schema, f"n{n}", person(stage, f"n{n}")))
                    await _now(adapter, await update(adapter, "a", {"name": f"ours {n}"}))
                    await _now(adapter, Write("delete", made.key))
                over.set()

            held = await stage.holds()
            same(set(held), {"a", "b", *OTHERS}, "who is there after our writes")
            names = {key: row.get("name") for key, row in held.items()}
            same(names, {"a": f"ours {ROUNDS - 1}", "b": "b", **last}, "the last edits, of ours and of somebody else")

    @promise
    async def test_08_a_delete_is_a_delete_and_no_error_the_second_time(self, stage: Stage) -> None:
        """F76."""
        await stage.insert({key: person(stage, key) for key in "abc"})
        async with opened(stage) as adapter:
            await writes(adapter)
            version = (await present(adapter, "b")).version
            for write in (Write("delete", "b", version=version), Write("delete", "b"), Write("delete", "nobody")):
                await done(adapter, write)

            same(sorted(await stage.holds()), ["a", "c"], "who is left after a deletion")
            same(list(await read(adapter, ["b"])), [Gone("b")], "the answer to a read of what we deleted")
            if adapter.capabilities("people").deletions is not Deletions.INVISIBLE:
                same(sorted(await listed(adapter, "ac")), ["a", "c"], "what a pull lists after a deletion")

    @promise
    async def test_09_one_bad_record_stops_nothing_but_itself(self, stage: Stage) -> None:
        """F88."""
        await stage.insert({key: person(stage, key) for key in "abc"})
        async with opened(stage) as adapter:
            await writes(adapter)
            outcomes = await push(
                adapter,
                await update(adapter, "a", {"name": "A"}),
                await update(adapter, "b", {"name": "B", **stage.bad()}),
                await update(adapter, "c", {"name": "C"}),
            )

            kinds = [type(outcome).__name__ for outcome in outcomes]
            same(kinds, ["Written", "Rejected", "Written"], "the outcomes of three writes, the second being bad")
            refused = a(Rejected, outcomes[1], "the outcome of a bad write")
            expect(refused.reason, "a write is refused without a reason")
            same(refused.fields, (next(iter(stage.bad())),), "the fields at fault")
            held = await stage.holds()
            same([held[key]["name"] for key in "abc"], ["A", "b", "C"], "the names after a batch with a bad write")

    @promise
    async def test_09_a_new_record_that_is_refused_for_one_field_is_made_without_it(self, stage: Stage) -> None:
        fields = person(stage, "n1")
        async with opened(stage) as adapter:
            await writes(adapter)
            schema = await adapter.describe("people")
            (outcome,) = await push(adapter, creation(schema, "n1", {**fields, **stage.bad()}))

            refused = a(Rejected, outcome, "the outcome of a new record with a bad field")
            same(refused.fields, (next(iter(stage.bad())),), "the fields at fault")
            same(dict(await stage.holds()), {}, "what is there after a refusal")

            rest = {name: value for name, value in fields.items() if name not in refused.fields}
            written = await done(adapter, creation(schema, "n1", rest))
            held = (await stage.holds())[written.key]
            same({name: held[name] for name in rest}, rest, "what the record holds that was made without the field")

    @promise
    async def test_09_every_write_has_its_outcome_in_order(self, stage: Stage) -> None:
        await stage.insert({key: person(stage, key) for key in "ab"})
        async with opened(stage) as adapter:
            await writes(adapter)
            same(list(await adapter.push("people", [])), [], "the outcomes of no writes")
            outcomes = await push(adapter, *(Write("delete", key) for key in ("b", "nobody", "a")))

            same(outcomes, [Written("b"), Written("nobody"), Written("a")], "the outcomes of three deletions")

    @promise
    async def test_09_a_batch_as_large_as_declared_is_taken(self, stage: Stage) -> None:
        async with opened(stage) as adapter:
            await writes(adapter)
            most = min(adapter.capabilities("people").batch or LARGEST_BATCH, LARGEST_BATCH)
            schema = await adapter.describe("people")
            batch = [creation(schema, f"n{n:04}", person(stage, f"n{n:04}")) for n in range(most)]
            outcomes = await push(adapter, *batch)

            bad = [outcome for outcome in outcomes if not isinstance(outcome, Written)]
            none(bad, "the outcomes of a batch of the declared size that are not Written")
            same(len(await stage.holds()), most, "how many records there are after it")


async def _now(adapter: Adapter, write: Write) -> Written:
    """Push one write, which succeeds as soon as the system is not busy."""
    for _ in range(TRIES):
        try:
            return await done(adapter, write)
        except Transient:
            await anyio.sleep(0.02)
    return await done(adapter, write)
