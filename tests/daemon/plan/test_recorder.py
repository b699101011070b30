"""A recorder answers writes as the system would, shows them from then on, and sends none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from datasyncd.adapters.contract import (
    Capabilities,
    Clash,
    Condition,
    Gone,
    Missing,
    Native,
    ObjectSpec,
    Outcome,
    Record,
    Stale,
    VersionOrder,
    Write,
    Written,
)
from datasyncd.adapters.errors import Unsupported
from datasyncd.adapters.memory.adapter import MemoryAdapter
from datasyncd.adapters.memory.world import MemorySystem
from datasyncd.adapters.testing.desk import context
from datasyncd.daemon.plan.recorder import Recorder

PEOPLE = ObjectSpec("people", "id", ("email", "name"))
KEYED = ObjectSpec("people", "email", ("email", "name"))
PLAIN = Capabilities(condition=Condition.ENFORCED, returns_image=True, pull_is_reading=True, unique=("email",))


class Desk:
    """A system with Ann and Bob behind a recorder."""

    def __init__(self, spec: ObjectSpec = PEOPLE, **promises: Any) -> None:
        self.world = MemorySystem(msgspec.structs.replace(PLAIN, **promises))
        for key in ("ann", "bob"):
            name = f"{key}@example.org"
            self.world.create("people", {"email": name, "name": key}, name if spec is KEYED else key)
        self.before = self.world.holds("people")
        self.recorder = Recorder("app", MemoryAdapter(context(Path(), spec), self.world, page=1), {"people": spec})

    async def push(self, *writes: Write) -> Sequence[Outcome]:
        return await self.recorder.push("people", writes)

    async def read(self, key: str) -> Record | Gone:
        [answer] = await self.recorder.read("people", [key])
        assert isinstance(answer, Record | Gone)
        return answer

    async def shows(self) -> dict[str, Native]:
        """The names in a complete pull, by key; nothing was sent."""
        pages = [page async for page in self.recorder.pull("people", None)]
        assert [page.complete for page in pages] == [False] * (len(pages) - 1) + [True]
        records = [record for page in pages for record in page.records]
        for record in records:
            assert await self.read(record.key) == record
        assert self.world.holds("people") == self.before
        return {record.key: record.fields["name"] for record in records}

    async def found(self, email: str) -> list[str]:
        return [record.key for record in await self.recorder.find("people", "email", [email])]


def version(answer: Record | Gone) -> Any:
    assert isinstance(answer, Record)
    return answer.version


async def test_a_write_is_shown_by_every_way_of_reading() -> None:
    desk = Desk()

    [changed] = await desk.push(Write("update", "ann", {"name": "Anna", "email": "anna@example.org"}))

    assert isinstance(changed, Written)
    assert changed.image == await desk.read("ann")
    assert await desk.shows() == {"ann": "Anna", "bob": "bob"}
    assert (await desk.found("ANNA@example.org"), await desk.found("ann@example.org")) == (["ann"], [])


async def test_a_new_record_and_one_that_is_gone_are_shown_so() -> None:
    desk = Desk()

    made, gone = await desk.push(
        Write("create", "cyd", {"name": "Cyd", "email": "cyd@example.org"}), Write("delete", "bob")
    )

    assert (made, gone) == (Written("cyd", await desk.read("cyd")), Written("bob"))  # type: ignore[arg-type]
    assert await desk.read("bob") == Gone("bob")
    assert await desk.shows() == {"ann": "ann", "cyd": "Cyd"}
    assert (await desk.found("cyd@example.org"), await desk.found("bob@example.org")) == (["cyd"], [])
    assert await desk.push(Write("delete", "bob"), Write("update", "bob", {"name": "x"})) == [Written("bob"), Missing()]


async def test_a_new_record_can_be_changed_and_deleted() -> None:
    desk = Desk()
    await desk.push(Write("create", "cyd", {"name": "Cyd"}))
    first = version(await desk.read("cyd"))

    await desk.push(Write("update", "cyd", {"name": "Cid"}, first))

    assert version(await desk.read("cyd")) != first
    assert await desk.push(Write("update", "cyd", {"name": "x"}, first)) == [Stale()]
    assert await desk.push(Write("delete", "cyd")) == [Written("cyd")]
    assert await desk.shows() == {"ann": "ann", "bob": "bob"}


async def test_a_record_that_changed_behind_it_is_stale_and_shows_both_changes() -> None:
    desk = Desk()
    seen = version(await desk.read("ann"))
    await desk.push(Write("update", "ann", {"name": "Anna"}, seen))
    written = version(await desk.read("ann"))
    desk.world.edit("people", "ann", email="new@example.org")
    desk.before = desk.world.holds("people")

    assert await desk.push(Write("update", "ann", {"name": "x"}, written)) == [Stale()]
    both = await desk.read("ann")
    assert isinstance(both, Record)
    assert (both.fields["name"], both.fields["email"]) == ("Anna", "new@example.org")


@pytest.mark.parametrize("order", list(VersionOrder))
async def test_each_write_makes_another_version(order: VersionOrder) -> None:
    desk = Desk(version_order=order)
    versions = [version(await desk.read("ann"))]

    for name in ("Anna", "Annie"):
        await desk.push(Write("update", "ann", {"name": name}, versions[-1]))
        versions.append(version(await desk.read("ann")))

    assert len(set(versions)) == 3
    if order is VersionOrder.COUNTER:
        assert versions == sorted(versions)


async def test_a_key_and_a_unique_value_are_taken_once() -> None:
    desk = Desk()

    same_key, same_value = await desk.push(
        Write("create", "ann", {"name": "x"}), Write("create", "cyd", {"email": "BOB@example.org"})
    )

    assert (same_key, same_value) == (Clash("id", "ann"), Clash("email", "bob"))
    assert await desk.push(Write("update", "ann", {"email": "bob@example.org"})) == [Clash("email", "bob")]


async def test_a_record_whose_key_changes_is_the_same_under_another_key() -> None:
    desk = Desk(KEYED, unique=())

    [moved] = await desk.push(Write("update", "ann@example.org", {"email": "anna@example.org"}))
    clash = await desk.push(Write("update", "anna@example.org", {"email": "bob@example.org"}))

    assert isinstance(moved, Written)
    assert moved.key == "anna@example.org"
    assert clash == [Clash("email", "bob@example.org")]
    assert await desk.read("ann@example.org") == Gone("ann@example.org")
    assert await desk.shows() == {"anna@example.org": "ann", "bob@example.org": "bob"}


async def test_a_system_that_makes_its_keys_gets_one_that_stands_for_it() -> None:
    desk = Desk(assigns_key=True, returns_image=False)

    first, second = await desk.push(Write("create", None, {"name": "Cyd"}), Write("create", None, {"name": "Dee"}))

    assert (first, second) == (Written("(new 1)"), Written("(new 2)"))
    assert await desk.shows() == {"ann": "ann", "bob": "bob", "(new 1)": "Cyd", "(new 2)": "Dee"}


async def test_values_that_cannot_be_packed_are_kept_all_the_same() -> None:
    desk = Desk()

    await desk.push(Write("create", "cyd", {"name": 1 << 70}))

    assert (await desk.shows())["cyd"] == 1 << 70


async def test_what_is_read_only_is_not_written_in_appearance_either() -> None:
    with pytest.raises(Unsupported):
        await Desk(read_only=True).push(Write("delete", "ann"))
