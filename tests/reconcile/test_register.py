"""Registers: what a merge keeps, and that the order of arrival does not matter where it must not."""

from __future__ import annotations

from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from datasyncd.reconcile.clocks import Ctx, covers, join
from datasyncd.reconcile.register import Reg, Sib, elements, put, put_elements


class Edit(msgspec.Struct, frozen=True):
    """One edit: its dot, what its author had seen, and what it says."""

    actor: int
    n: int
    seen: dict[int, int]
    added: frozenset[str]
    removed: frozenset[str]


@st.composite
def histories(draw: st.DrawFn) -> list[Edit]:
    """Edits of some people who now and then learn what another one has seen, in an order that could have happened."""
    knows: dict[int, Ctx] = {actor: {} for actor in range(3)}
    sets: dict[int, frozenset[str]] = {actor: frozenset() for actor in range(3)}
    edits: list[Edit] = []
    for _ in range(draw(st.integers(1, 10))):
        actor = draw(st.integers(0, 2))
        if draw(st.booleans()):
            other = draw(st.integers(0, 2))
            knows[actor] = join(knows[actor], knows[other])
            sets[actor] = living(edits, knows[actor])
        seen = knows[actor]
        shows = sets[actor]
        added = frozenset(draw(st.sets(st.sampled_from("abc"), max_size=2))) - shows
        removed = frozenset(draw(st.sets(st.sampled_from(sorted(shows)), max_size=2))) if shows else frozenset()
        n = seen.get(actor, 0) + 1
        edits.append(Edit(actor, n, dict(seen), added, removed))
        knows[actor] = {**seen, actor: n}
        sets[actor] = (shows - removed) | added
    return edits


def living(edits: list[Edit], known: Ctx) -> frozenset[str]:
    """The elements whose addition is known, and which no removal that is known had seen."""
    out = set()
    for edit in edits:
        for element in edit.added:
            ended = any(
                element in later.removed
                and covers(later.seen, edit.actor, edit.n)
                and covers(known, later.actor, later.n)
                for later in edits
            )
            if covers(known, edit.actor, edit.n) and not ended:
                out.add(element)
    return frozenset(out)


def in_causal_order(edits: list[Edit], data: st.DataObject) -> list[Edit]:
    """Another order in which they could arrive: each one's own edits stay in order."""
    queues = {actor: [e for e in edits if e.actor == actor] for actor in {e.actor for e in edits}}
    out: list[Edit] = []
    arrived: Counter[int] = Counter()
    while any(queues.values()):
        ready = [
            actor for actor, queue in queues.items() if queue and all(arrived[a] >= n for a, n in queue[0].seen.items())
        ]
        actor = data.draw(st.sampled_from(sorted(ready)))
        out.append(queues[actor].pop(0))
        arrived[actor] += 1
    return out


def merged(edits: list[Edit]) -> Reg:
    reg = Reg([], {})
    for edit in edits:
        put(reg, edit.seen, Sib(edit.actor, edit.n, (edit.actor, edit.n)))
    return reg


def merged_sets(edits: list[Edit]) -> Reg:
    reg = Reg([], {})
    for edit in edits:
        put_elements(reg, edit.seen, Sib(edit.actor, edit.n, sorted(edit.added)), edit.removed)
    return reg


def dots(reg: Reg) -> set[tuple[int, int]]:
    return {(sib.actor, sib.n) for sib in reg.sibs}


@given(st.data())
def test_the_order_of_arrival_does_not_matter(data: st.DataObject) -> None:
    """F24: merging is the same in every order that could happen."""
    edits = data.draw(histories())
    other = in_causal_order(edits, data)

    assert dots(merged(edits)) == dots(merged(other))
    assert merged(edits).ctx == merged(other).ctx
    assert elements(merged_sets(edits)) == elements(merged_sets(other))


@given(histories())
def test_a_merge_keeps_exactly_what_nobody_who_had_seen_it_has_overwritten(edits: list[Edit]) -> None:
    kept = {
        (edit.actor, edit.n)
        for edit in edits
        if not any(covers(later.seen, edit.actor, edit.n) for later in edits if later is not edit)
    }

    assert dots(merged(edits)) == kept


@given(histories())
def test_each_merge_drops_only_what_its_author_had_seen(edits: list[Edit]) -> None:
    reg = Reg([], {})
    for edit in edits:
        before = dots(reg)
        put(reg, edit.seen, Sib(edit.actor, edit.n, None))
        assert {dot for dot in before if not covers(edit.seen, *dot)} <= dots(reg)
        assert dots(reg) <= before | {(edit.actor, edit.n)}


@given(histories())
def test_the_context_covers_every_edit_ever_merged(edits: list[Edit]) -> None:
    for reg in (merged(edits), merged_sets(edits)):
        assert all(covers(reg.ctx, edit.actor, edit.n) for edit in edits)
        assert max(reg.ctx.values()) == max(edit.n for edit in edits)


@given(histories())
def test_a_set_holds_exactly_the_additions_that_no_removal_had_seen(edits: list[Edit]) -> None:
    """Add wins over a removal whose author had not seen it; F08, F24."""
    everything: Ctx = {}
    for edit in edits:
        everything = join(everything, {edit.actor: edit.n})

    assert frozenset(elements(merged_sets(edits)) or ()) == living(edits, everything)


@given(histories())
def test_a_set_is_sorted_and_has_each_element_once(edits: list[Edit]) -> None:
    found = elements(merged_sets(edits))

    assert found is None or found == sorted(set(found))


def test_an_empty_set_is_blank() -> None:
    reg = Reg([], {})
    put_elements(reg, {}, Sib(0, 1, ["a"]), frozenset())
    put_elements(reg, {0: 1}, Sib(0, 2, []), frozenset({"a"}))

    assert elements(reg) is None
    assert reg.ctx == {0: 2}


def test_equal_values_are_no_difference() -> None:
    assert not Reg([Sib(0, 1, "a"), Sib(1, 1, "a")], {0: 1, 1: 1}).differ()
    assert Reg([Sib(0, 1, "a"), Sib(1, 1, "b")], {0: 1, 1: 1}).differ()
    assert not Reg([Sib(0, 1, "a")], {0: 1}).differ()
