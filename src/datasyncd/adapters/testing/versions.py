"""Promises 03, 05, 06 and 07, as far as they are about versions: what they tell, and what writes do that expect one."""

from __future__ import annotations

from itertools import pairwise

import anyio

from datasyncd.adapters.contract import (
    Adapter,
    Clash,
    Condition,
    Key,
    Native,
    Outcome,
    Stale,
    Version,
    VersionOrder,
    Write,
    Written,
)
from datasyncd.adapters.errors import Transient

from .promise import Broken, NotPromised, a, expect, promise, same
from .stage import Stage, person
from .steps import creation, done, opened, present, push, update, writes

ROUNDS = 30
"""Edits of somebody else, while we write as fast as we can."""


class VersionPromises:
    """What versions are good for."""

    @promise
    async def test_03_a_version_tells_each_save_as_declared(self, stage: Stage) -> None:
        await stage.insert({"a": person(stage, "a")})
        async with opened(stage) as adapter:
            promised = adapter.capabilities("people")
            if promised.version_order is VersionOrder.DIGEST:
                raise NotPromised("a version tells the content, and no order")
            seen = [(await present(adapter, "a")).version]
            for name in ("theirs", "a", "a"):  # back to what it was, and saved once more as it is
                await stage.update("a", {"name": name})
                seen.append((await present(adapter, "a")).version)
            if not promised.read_only:
                await done(adapter, await update(adapter, "a", {"name": "ours"}))
                seen.append((await present(adapter, "a")).version)

            if promised.version_order is VersionOrder.UNIQUE:
                expect(len(set(seen[:3])) == 3, f"versions of a record that was changed and changed back: {seen[:3]}")
                return
            counted = [a(int, version, "a version that counts") for version in seen]
            changed = [counted[0], counted[1], counted[2], *counted[4:]]
            expect(changed == sorted(set(changed)), f"versions of a record that was changed each time: {counted}")
            if promised.condition is Condition.VISIBLE:
                steps = [later - earlier for earlier, later in pairwise(counted)]
                same(steps, [1] * len(steps), "how much each save of a record raises its version")

    @promise
    async def test_05_the_version_that_an_image_has_is_good_for_the_next_write(self, stage: Stage) -> None:
        await stage.insert({"a": person(stage, "a")})
        async with opened(stage) as adapter:
            await writes(adapter)
            version: Version = (await present(adapter, "a")).version
            for name in ("first", "second", "third"):
                written = await done(adapter, await update(adapter, "a", {"name": name}, version))
                version = written.image.version if written.image else (await present(adapter, "a")).version

            same((await stage.holds())["a"]["name"], "third", "the name after three writes, each on the version before")

    @promise
    async def test_06_a_conditional_write_on_a_changed_record_changes_nothing(self, stage: Stage) -> None:
        await stage.insert({key: person(stage, key) for key in "abc"})
        async with opened(stage) as adapter:
            await writes(adapter)
            if adapter.capabilities("people").condition is not Condition.ENFORCED:
                version = (await present(adapter, "a")).version
                await done(adapter, await update(adapter, "a", {"name": "ours"}, version))
                raise NotPromised("no stale write is refused")
            old = {key: (await present(adapter, key)).version for key in "abc"}
            await stage.update("a", {"name": "theirs"})
            await stage.update("b", {"email": "theirs"})

            outcomes = await push(
                adapter,
                await update(adapter, "a", {"name": "ours"}, old["a"]),
                Write("delete", "b", version=old["b"]),
                await update(adapter, "c", {"name": "ours"}, old["c"]),
            )

            same(outcomes[:2], [Stale(), Stale()], "the outcomes of writes that expect an older version")
            a(Written, outcomes[2], "the outcome of a write that expects the present version")
            held = await stage.holds()
            names = [held.get("a", {}).get("name"), held.get("b", {}).get("email"), held["c"]["name"]]
            same(names, ["theirs", "theirs", "ours"], "what is there after stale writes")

    @promise
    async def test_06_no_edit_of_somebody_else_is_lost_while_both_write(self, stage: Stage) -> None:
        await stage.insert({"a": {**person(stage, "a"), "name": "theirs 0"}})
        async with opened(stage) as adapter:
            await writes(adapter)
            if adapter.capabilities("people").condition is not Condition.ENFORCED:
                raise NotPromised("no stale write is refused")
            over = anyio.Event()

            async def others() -> None:
                for n in range(1, ROUNDS + 1):
                    await stage.update("a", {"name": f"theirs {n}", "email": f"{n}@example.org"})
                    await anyio.sleep(0.003)
                    row = (await stage.holds())["a"]
                    seen = _edit(row.get("name")), row.get("email")
                    same(seen, (str(n), f"{n}@example.org"), "the last edit of somebody else")
                over.set()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(others)
                while not over.is_set():
                    await _write_over(adapter)
            a(Written, await _write_over(adapter), "the outcome of a write when nobody else writes")

    @promise
    async def test_07_the_same_update_twice_has_one_effect(self, stage: Stage) -> None:
        await stage.insert({key: person(stage, key) for key in "ab"})
        async with opened(stage) as adapter:
            await writes(adapter)
            write = await update(adapter, "a", {"name": "once"})
            write.idem_key = "i1"
            for _ in range(2):
                await done(adapter, write)

            names = {key: row["name"] for key, row in (await stage.holds()).items()}
            same(names, {"a": "once", "b": "b"}, "the names after the same update twice")

    @promise
    async def test_07_the_same_creation_twice_makes_one_record(self, stage: Stage) -> None:
        async with opened(stage) as adapter:
            await writes(adapter)
            schema = await adapter.describe("people")
            write = creation(schema, "n1", person(stage, "n1"))
            first = await done(adapter, write)

            (second,) = await push(adapter, write)

            key = _key_of(second)
            if adapter.capabilities("people").create_key:
                a(Written, second, "the outcome of the same creation again, where its key is honoured")
            elif schema.key_assigned:
                # It makes the keys, and honours none of ours: the daemon searches before it creates again.
                same(set(await stage.holds()), {first.key, key}, "the records after the same creation twice")
                raise NotPromised("a creation that is repeated makes another record")
            same(key, first.key, "the key that the same creation again is answered with")
            same(list(await stage.holds()), [first.key], "the records after the same creation twice")


async def _write_over(adapter: Adapter) -> Outcome | None:
    """Write on what is there now, if it is still there then; None: the system was busy."""
    try:
        now = await present(adapter, "a")
        name = f"ours, over theirs {_edit(now.fields.get('name'))}"
        (outcome,) = await push(adapter, await update(adapter, "a", {"name": name}, now.version))
    except Transient:
        await anyio.sleep(0.01)
        return None
    expect(isinstance(outcome, Written | Stale), f"a conditional write is answered {outcome}")
    return outcome


def _edit(name: Native) -> str:
    """The number of somebody else's edit that a name tells, or was written over."""
    return str(name).rpartition(" ")[2]


def _key_of(outcome: Outcome) -> Key | None:
    if isinstance(outcome, Written | Clash):
        return outcome.key
    raise Broken(f"the same creation again is answered {outcome}, expected Written or Clash")
