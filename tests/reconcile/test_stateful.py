"""Stateful tests: clocks, registers, policies and identity against models that remember everything, step by step."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from datasyncd.reconcile.clocks import Ctx, covers, dominates, join
from datasyncd.reconcile.cluster import Binding, BindingBody, BindingState, Cluster, ClusterBody, ClusterState
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.reconcile.identity import MatchKey, Verdict, identify, keys_of, keys_of_values, same
from datasyncd.reconcile.policies import resolve
from datasyncd.reconcile.register import Reg, Sib, put
from datasyncd.reconcile.rules import EntityRule, FieldRule, LinkRule, Policy

SYSTEMS = ("crm", "mail", "shop")
ACTORS = st.integers(0, len(SYSTEMS) - 1)
ALL = frozenset({1, 2})
FP = Fingerprinter(b"of this test")
ENTITY = EntityRule(
    name="contact",
    fields={n: FieldRule(number=n, name=f"f{n}", type="text", policy=Policy.LATEST) for n in ALL},
    identify=((1,), (2,)),
    links={
        name: LinkRule(system=name, entity="contact", object="people", rank=n, fields=ALL, pulls=ALL, pushes=ALL)
        for n, name in enumerate(SYSTEMS)
    },
)
VALUES: dict[str, tuple[Policy, ...]] = {
    "text": (Policy.LATEST, Policy.AUTHORITY, Policy.MAX, Policy.MIN),
    "consent": (Policy.MOST_RESTRICTIVE, Policy.MOST_PERMISSIVE),
}
"""By type of a field: the policies that may decide it."""


class Edit(msgspec.Struct, frozen=True):
    actor: int
    n: int
    seen: dict[int, int]
    value: str | None
    ts: int

    @property
    def dot(self) -> tuple[int, int]:
        return self.actor, self.n


class OneField(RuleBasedStateMachine):
    """Three systems edit one field. Two registers are told of the edits in different orders."""

    def __init__(self) -> None:
        super().__init__()
        self.edits: list[Edit] = []
        self.knows: dict[int, Ctx] = {actor: {} for actor in range(len(SYSTEMS))}
        self.early = Reg([], {})
        """Is told of each edit as it is made."""
        self.late = Reg([], {})
        """Is told when its time comes: of the edits of one system in order, and of none before what its author saw."""
        self.waiting: list[Edit] = []

    @rule(actor=ACTORS, value=st.sampled_from(["in", "out", None]), ts=st.integers(0, 3))
    def edit(self, actor: int, value: str | None, ts: int) -> None:
        seen = self.knows[actor]
        made = Edit(actor, seen.get(actor, 0) + 1, dict(seen), value, ts)
        self.edits.append(made)
        self.waiting.append(made)
        self.knows[actor] = join(seen, {actor: made.n})
        put(self.early, made.seen, Sib(actor, made.n, value, ts))

    @rule(actor=ACTORS, other=ACTORS)
    def learn(self, actor: int, other: int) -> None:
        """A record is written what another one holds: whoever edits it next has seen that."""
        before = self.knows[actor]
        self.knows[actor] = join(before, self.knows[other])
        assert dominates(self.knows[actor], before)
        assert dominates(self.knows[actor], self.knows[other])
        assert join(self.knows[other], before) == self.knows[actor]

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def tell(self, data: st.DataObject) -> None:
        """The second register is told of any edit whose author's knowledge it has."""
        ready = [edit for edit in self.waiting if dominates(self.late.ctx, edit.seen)]
        assert ready, "the oldest one is always ready"
        edit = data.draw(st.sampled_from(ready))
        self.waiting.remove(edit)
        put(self.late, edit.seen, Sib(edit.actor, edit.n, edit.value, edit.ts))

    @invariant()
    def what_nobody_who_had_seen_it_overwrote_is_kept(self) -> None:
        told = [edit for edit in self.edits if edit not in self.waiting]
        for reg, edits in ((self.early, self.edits), (self.late, told)):
            kept = {e.dot for e in edits if not any(covers(other.seen, *e.dot) for other in edits)}
            assert {(sib.actor, sib.n) for sib in reg.sibs} == kept
            assert all(covers(reg.ctx, *edit.dot) for edit in edits)
            assert len(reg.ctx) <= len(SYSTEMS)

    @precondition(lambda self: not self.waiting and self.edits)
    @invariant()
    def who_was_told_the_same_shows_the_same(self) -> None:
        assert self.early.ctx == self.late.ctx
        for kind, policies in VALUES.items():
            for policy in policies:
                shown = [_shown(reg, kind, policy) for reg in (self.early, self.late)]
                assert shown[0] == shown[1]

    @precondition(lambda self: self.early.sibs)
    @invariant()
    def a_resolution_is_no_conflict(self) -> None:
        """Somebody who has seen all decides: one value is left, whatever there was."""
        reg = Reg(list(self.early.sibs), self.early.ctx)
        chosen = _shown(reg, "text", Policy.LATEST)
        put(reg, reg.ctx, Sib(0, reg.ctx.get(0, 0) + 1, chosen, 9))
        assert [sib.val for sib in reg.sibs] == [chosen]
        assert not reg.differ()


def _shown(reg: Reg, kind: str, policy: Policy) -> Any:
    bindings = [Binding(10 + n, 1, name, "people", "1", BindingBody({})) for n, name in enumerate(SYSTEMS)]
    cluster = Cluster(1, "contact", ClusterBody({}, [(b.id, 0) for b in bindings]), bindings=bindings)
    field = FieldRule(number=1, name="f1", type=kind, policy=policy, authority=("shop", "mail"))
    choice = resolve(cluster, reg, field, ENTITY)
    assert choice.decided
    return choice.value


class WhoIsWho(RuleBasedStateMachine):
    """Records come, get other keys, go and come again in three systems; each finds its place as the daemon does."""

    def __init__(self) -> None:
        super().__init__()
        self.clusters: list[Cluster] = []
        self.values: dict[tuple[str, str], dict[int, str | None]] = {}
        """What each record that is there holds."""
        self.kept_out: set[tuple[str, str]] = set()
        self._last = 0

    def _next(self) -> int:
        self._last += 1
        return self._last

    @rule(
        system=st.sampled_from(SYSTEMS),
        first=st.sampled_from(["a", "b", None]),
        second=st.sampled_from(["x", "y", None]),
    )
    def come(self, system: str, first: str | None, second: str | None) -> None:
        name = f"r{self._next()}"
        values: dict[int, str | None] = {1: first, 2: second}
        self.values[system, name] = values
        self._place(system, name, keys_of_values(values, ENTITY, FP))

    def _place(self, system: str, name: str, keys: list[MatchKey]) -> None:
        digests = {digest for _kind, digest in keys}
        candidates = [c for c in self.clusters if digests & {digest for _kind, digest in c.keys}]
        match = identify(name, keys, candidates, [], ENTITY.links[system])
        like_it = [c for c in candidates if c.state == ClusterState.LIVE and same(keys, c.keys)]
        if match.verdict is Verdict.FOUND:
            assert not like_it, "somebody like it is known"
            cluster = Cluster(self._next(), "contact", ClusterBody({}, []))
            self.clusters.append(cluster)
            self._bind(cluster, system, name)
        elif match.verdict is Verdict.BIND:
            assert match.cluster is not None
            assert [match.cluster] == like_it
            self._bind(match.cluster, system, name)
        else:
            assert match.verdict in (Verdict.DUPLICATE, Verdict.AMBIGUOUS)
            assert len(like_it) > 1 or like_it[0].binding_in(system) is not None
            self.kept_out.add((system, name))

    def _bind(self, cluster: Cluster, system: str, name: str) -> None:
        binding = Binding(self._next(), cluster.id, system, "people", name, BindingBody({}))
        cluster.bindings = [*cluster.bindings, binding]
        actor = cluster.actor(binding.id, 0)
        for number, value in self.values[system, name].items():
            if value is not None:
                reg = cluster.regs.get(number) or Reg([], {})
                put(reg, {}, Sib(actor, 1, value))
                cluster.regs[number] = reg
        cluster.keys = keys_of(cluster, ENTITY, FP)

    @precondition(lambda self: self._bound())
    @rule(data=st.data(), value=st.sampled_from(["a", "b", "c"]))
    def get_another_key(self, data: st.DataObject, value: str) -> None:
        """Somebody who has seen all edits a key: whoever was bound stays where they are."""
        cluster, binding = data.draw(st.sampled_from(self._bound()))
        reg = cluster.regs.get(1) or Reg([], {})
        actor = cluster.actor(binding.id, 0)
        put(reg, reg.ctx, Sib(actor, reg.ctx.get(actor, 0) + 1, value))
        cluster.regs[1] = reg
        cluster.keys = keys_of(cluster, ENTITY, FP)
        assert {number for number, _digest in cluster.keys} >= {0}

    @precondition(lambda self: self._bound())
    @rule(data=st.data())
    def go(self, data: st.DataObject) -> None:
        cluster, binding = data.draw(st.sampled_from(self._bound()))
        binding.state = BindingState.GONE
        if not list(cluster.live()):
            cluster.state = ClusterState.DEAD

    def _bound(self) -> list[tuple[Cluster, Binding]]:
        return [(cluster, binding) for cluster in self.clusters for binding in cluster.live()]

    @invariant()
    def nobody_has_two_records_in_one_system(self) -> None:
        for cluster in self.clusters:
            live = [binding.system for binding in cluster.live()]
            assert len(live) == len(set(live))

    @invariant()
    def each_record_has_one_place(self) -> None:
        places = [(b.system, b.ext_id) for cluster in self.clusters for b in cluster.bindings]
        assert len(places) == len(set(places))
        assert self.kept_out.isdisjoint(places)
        assert {*places} | self.kept_out == set(self.values)

    @invariant()
    def the_dead_get_nobody(self) -> None:
        for cluster in self.clusters:
            assert (cluster.state == ClusterState.DEAD) == (not list(cluster.live()))


_LONG = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestOneField = OneField.TestCase
TestOneField.settings = _LONG
TestWhoIsWho = WhoIsWho.TestCase
TestWhoIsWho.settings = _LONG
