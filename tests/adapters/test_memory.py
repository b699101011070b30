"""The system in memory does what its promises and faults say, without a clock, a thread or an event loop."""

from __future__ import annotations

from collections.abc import Coroutine, Iterator
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import msgspec
import pytest

from datasyncd.adapters.contract import (
    Capabilities,
    Clash,
    Condition,
    Gone,
    Missing,
    Moved,
    ObjectSpec,
    Record,
    Rejected,
    Stale,
    Unknown,
    VersionOrder,
    Write,
    Written,
)
from datasyncd.adapters.errors import AdapterError, Throttled, Transient, Unsupported
from datasyncd.adapters.memory.adapter import MemoryAdapter
from datasyncd.adapters.memory.faults import Faults
from datasyncd.adapters.memory.world import MemorySystem
from datasyncd.adapters.testing.desk import context, pages

T = TypeVar("T")

PEOPLE = ObjectSpec("people", "id", ("name", "email"))
PLAIN = Capabilities(
    condition=Condition.ENFORCED,
    version_order=VersionOrder.COUNTER,
    returns_image=True,
    late_s=60.0,
    search_lag_s=10.0,
    incremental=True,
)


def promising(**changes: Any) -> MemorySystem:
    """A system with one person, and promises that differ from the plain ones."""
    world = MemorySystem(msgspec.structs.replace(PLAIN, **changes))
    world.create("people", {"name": "Ann", "email": "ann@x.org"}, key="1")
    return world


def looking_at(world: MemorySystem, **faults: float) -> MemoryAdapter:
    return MemoryAdapter(context(Path(), PEOPLE), world, Faults(Random(5), **faults))


def now(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that never waits."""
    try:
        work.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    raise AssertionError("it waited for something")


def test_a_call_needs_no_event_loop() -> None:
    desk = looking_at(promising())

    (page,) = now(pages(desk, "people"))

    assert page.records == [Record("1", {"id": "1", "name": "Ann", "email": "ann@x.org"}, 1)]
    assert page.complete


def test_the_expected_version_counts_where_it_is_enforced_and_only_there() -> None:
    for condition, expected in ((Condition.ENFORCED, "Anna"), (Condition.VISIBLE, "A"), (Condition.NONE, "A")):
        world = promising(condition=condition)
        world.edit("people", "1", name="Anna")

        (outcome,) = now(looking_at(world).push("people", [Write("update", "1", {"name": "A"}, version=1)]))

        assert (outcome == Stale(), world.holds("people")["1"]["name"]) == (expected == "Anna", expected)


@pytest.mark.parametrize(
    ("order", "versions"),
    [(VersionOrder.COUNTER, [1, 2]), (VersionOrder.UNIQUE, [b"tag 1", b"tag 2"])],
)
def test_each_save_makes_a_version_even_without_a_change(order: VersionOrder, versions: list[object]) -> None:
    world = promising(version_order=order)
    desk = looking_at(world)
    (before,) = now(desk.read("people", ["1"]))
    world.edit("people", "1")
    (after,) = now(desk.read("people", ["1"]))

    assert [row.version for row in (before, after) if isinstance(row, Record)] == versions


def test_a_digest_is_the_same_when_a_value_comes_back() -> None:
    world = promising(version_order=VersionOrder.DIGEST)
    desk = looking_at(world)
    before = now(desk.read("people", ["1"]))
    world.edit("people", "1", name="Anna")
    assert now(desk.read("people", ["1"])) != before
    world.edit("people", "1", name="Ann")

    assert now(desk.read("people", ["1"])) == before


def test_the_stored_form_is_what_everybody_reads() -> None:
    world = MemorySystem(PLAIN, stored_form=lambda field, value: value.lower() if field == "email" else value)
    world.create("people", {"email": "ANN@X.ORG"}, key="1")

    (outcome,) = now(looking_at(world).push("people", [Write("update", "1", {"email": "Bob@x.org", "name": "Bob"})]))

    assert outcome == Written("1", Record("1", {"id": "1", "name": "Bob", "email": "bob@x.org"}, 2))


def test_a_whole_record_forgets_what_is_not_sent() -> None:
    world = promising(whole_record=True)

    now(looking_at(world).push("people", [Write("update", "1", {"name": "A"})]))

    assert world.holds("people") == {"1": {"name": "A"}}


def test_unique_values_and_refused_ones_stop_only_their_write() -> None:
    world = MemorySystem(
        msgspec.structs.replace(PLAIN, unique=("email",), assigns_key=True),
        refuses=lambda field, value: "too long" if len(value or "") > 9 else None,
    )
    world.create("people", {"email": "a@x.org"}, key="1")
    writes = [
        Write("create", None, {"email": "a@x.org"}),
        Write("create", None, {"name": "much too long"}),
        Write("create", None, {"email": "b@x.org"}),
        Write("update", "9", {"email": "c@x.org"}),
        Write("update", "1", {"email": "a@x.org"}),
    ]

    outcomes = now(looking_at(world).push("people", writes))

    assert outcomes[:2] == [Clash("email", "1"), Rejected("too long", ("name",))]
    assert outcomes[3] == Missing()
    assert [outcome.key for outcome in outcomes if isinstance(outcome, Written)] == ["people-2", "1"]


@pytest.mark.parametrize("honoured", [True, False])
def test_a_repeated_idempotency_key_answers_with_what_it_made_as_it_was(honoured: bool) -> None:
    world = MemorySystem(msgspec.structs.replace(PLAIN, create_key=honoured, assigns_key=True))
    desk = looking_at(world)
    write = Write("create", None, {"name": "A"}, idem_key="k1")
    (first,) = now(desk.push("people", [write]))
    world.edit("people", "people-1", name="changed")

    (second,) = now(desk.push("people", [write]))

    assert (second == first) is honoured
    assert len(world.holds("people")) == (1 if honoured else 2)


def test_an_unknown_write_lands_at_once_later_or_never() -> None:
    landed: dict[str, int] = {"at once": 0, "later": 0, "never": 0}
    for seed in range(40):
        world = promising(returns_image=False)
        desk = MemoryAdapter(context(Path(), PEOPLE), world, Faults(Random(seed), unknown=1.0))
        (outcome,) = now(desk.push("people", [Write("update", "1", {"name": "A"}, version=1)]))
        assert isinstance(outcome, Unknown)
        at_once = world.holds("people")["1"]["name"] == "A"
        world.advance(60_000_000)
        later = world.holds("people")["1"]["name"] == "A"
        landed["at once" if at_once else "later" if later else "never"] += 1

    assert all(landed.values()), landed


def test_a_late_write_on_a_changed_record_lands_only_where_nothing_enforces_the_version() -> None:
    for condition, expected in ((Condition.ENFORCED, "theirs"), (Condition.VISIBLE, "ours")):
        world = promising(condition=condition)
        world.land_later("people", Write("update", "1", {"name": "ours"}, version=1), lambda state: state.count, 5.0)
        world.edit("people", "1", name="theirs")

        world.advance(10_000_000)

        assert world.holds("people")["1"]["name"] == expected


def test_searches_and_pulls_lag_and_reads_by_key_do_not() -> None:
    world = MemorySystem(PLAIN, lag_s=lambda: 3.0)
    desk = looking_at(world)
    world.create("people", {"email": "a@x.org"}, key="1")

    assert now(pages(desk, "people"))[0].records == []
    assert now(desk.find("people", "email", ["A@x.org"])) == []
    assert isinstance(now(desk.read("people", ["1"]))[0], Record)

    world.advance(3_000_000)
    assert len(now(desk.find("people", "email", ["A@x.org"]))) == 1


def test_an_increment_reaches_back_over_the_lag_of_searches() -> None:
    lags = iter([8.0, 0.0])
    world = MemorySystem(PLAIN, lag_s=lambda: next(lags))
    desk = looking_at(world)
    world.advance(100_000_000)
    world.create("people", {"name": "late"}, key="1")
    world.advance(101_000_000)
    world.create("people", {"name": "early"}, key="2")
    (first,) = now(pages(desk, "people"))
    assert [record.key for record in first.records] == ["2"]

    world.advance(109_000_000)
    (second,) = now(pages(desk, "people", first.cursor))

    assert [record.key for record in second.records] == ["1", "2"]
    assert not second.complete


def test_a_merged_record_names_its_survivor_where_it_forwards() -> None:
    for forward in (True, False):
        world = promising(forward=forward)
        world.create("people", {"name": "Ann too"}, key="2")
        world.merge("people", "1", survivor="2")

        (answer,) = now(looking_at(world).read("people", ["1"]))

        assert answer == (Moved("1", "2") if forward else Gone("1"))


def test_a_record_that_was_merged_into_one_which_is_gone_is_gone() -> None:
    world = promising(forward=True)
    for key in ("2", "3"):
        world.create("people", {"name": "Ann too"}, key=key)
    world.merge("people", "1", survivor="2")
    world.merge("people", "2", survivor="3")
    desk = looking_at(world)
    assert now(desk.read("people", ["1", "2"])) == [Moved("1", "3"), Moved("2", "3")]

    world.delete("people", "3")
    assert now(desk.read("people", ["1", "2", "3"])) == [Gone("1"), Gone("2"), Gone("3")]


def test_a_stale_read_answers_a_state_of_before() -> None:
    world = promising(stale_s=10.0)
    world.advance(50_000_000)
    world.edit("people", "1", name="new")
    world.advance(51_000_000)
    desk = looking_at(world)

    names = {
        row.fields["name"] for _ in range(30) for row in now(desk.read("people", ["1"])) if isinstance(row, Record)
    }

    assert names == {"Ann", "new"}


def test_a_slow_reading_shows_what_was_there_when_it_was_asked() -> None:
    world = promising()
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:  # after it was asked, before it answers
            world.edit("people", "1", name="later")

    desk = MemoryAdapter(context(Path(), PEOPLE), world, Faults(Random(1), slow=1.0), sleep)

    (page,) = now(pages(desk, "people"))

    assert page.records[0].fields["name"] == "Ann"
    assert all(waits)


def test_a_call_that_is_refused_or_throttled_has_no_effect() -> None:
    world = promising()
    write = Write("update", "1", {"name": "A"})

    with pytest.raises(Transient, match="refused"):
        now(looking_at(world, refused=1.0).push("people", [write]))
    with pytest.raises(Throttled) as throttled:
        now(looking_at(world, throttled=1.0).push("people", [write]))

    assert throttled.value.after_s > 0
    assert world.holds("people")["1"]["name"] == "Ann"


def test_an_absent_field_is_left_out_and_the_key_never() -> None:
    (record,) = now(looking_at(promising(), absent=1.0).read("people", ["1"]))

    assert isinstance(record, Record)
    assert record.fields == {"id": "1"}


def test_what_is_read_only_or_tells_of_no_changes_says_so() -> None:
    desk = looking_at(promising(read_only=True))
    with pytest.raises(Unsupported):
        now(desk.push("people", [Write("delete", "1")]))

    async def watched() -> None:
        async for _ in desk.watch("people"):
            pass

    with pytest.raises(Unsupported):
        now(watched())


def story(seed: int) -> Iterator[object]:
    """Everything that is seen of some calls with all faults."""
    random = Random(seed)
    world = promising(condition=Condition.VISIBLE)
    chances = {"refused": 0.1, "throttled": 0.1, "unknown": 0.3, "slow": 0.3, "absent": 0.1}
    desk = MemoryAdapter(context(Path(), PEOPLE), world, Faults(random, **chances))
    for n in range(200):
        world.advance(world.now + random.randrange(5_000_000))
        try:
            yield now(desk.push("people", [Write("update", "1", {"name": str(n)}), Write("create", str(n), {})]))
            yield now(pages(desk, "people"))
        except AdapterError as error:
            yield repr(error)
    yield world.holds("people")


def test_the_same_seed_tells_the_same_story() -> None:
    assert list(story(1)) == list(story(1))
    assert list(story(1)) != list(story(2))
