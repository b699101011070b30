"""Laws: what a policy must keep before it may decide anything.

Systems tell their edits in every order, some of them twice, and two processes may have merged parts of them before.
A policy whose winner depends on that would have each system see another one, so each is tried out when it is loaded:
its winner is the same in every order (commutative), a part that was decided before does not change it (associative),
and neither does a value that comes twice (idempotent).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from typing import TypeAlias

from .cluster import Binding, BindingBody, Cluster, ClusterBody
from .register import Sib
from .rules import CONSENT_IN, CONSENT_OUT, EntityRule, FieldRule, LinkRule, Policy, Value

Winner: TypeAlias = Callable[[Cluster, list[Sib], FieldRule, EntityRule], Sib]
"""Which of the siblings of a field everybody is shown. There is at least one."""

_SYSTEMS = ("first", "second", "third")
_SAMPLES: dict[str, tuple[Value, ...]] = {
    "text": ("a", "b", None, "a"),
    "consent": (CONSENT_IN, CONSENT_OUT, None, CONSENT_OUT),
    "boolean": (True, False, None, False),
    "integer": (3, 7, None, 7),
}
"""By type of the field: values of four siblings, one of them twice."""
_MEASURES = {Policy.MAX: ("integer",), Policy.MIN: ("integer",)}
_CHOOSES = {Policy.MOST_RESTRICTIVE: ("consent", "boolean"), Policy.MOST_PERMISSIVE: ("consent", "boolean")}


class UnlawfulPolicy(ValueError):
    """A policy that would show different systems different values."""


def lawful(policy: Policy, winner: Winner) -> Winner:
    """The policy's function, if it keeps the laws on siblings with equal and different times and values.

    Raises `UnlawfulPolicy` with the law that it breaks.
    """
    cluster = _cluster()
    for kind in (_MEASURES | _CHOOSES).get(policy, ("text",)):
        rule = FieldRule(number=1, name="field", type=kind, policy=policy, authority=("second", "third"))
        for sibs in _siblings(kind):
            best = winner(cluster, sibs, rule, _ENTITY)
            for law, others in _the_same(cluster, sibs, rule, winner):
                if winner(cluster, others, rule, _ENTITY) is not best:
                    raise UnlawfulPolicy(
                        f"policy {policy.value!r} is not {law}: its winner among {kind} values changes"
                    )
    return winner


def _the_same(
    cluster: Cluster, sibs: Sequence[Sib], rule: FieldRule, winner: Winner
) -> Iterator[tuple[str, list[Sib]]]:
    """Siblings that must have the same winner, each with the law that says so."""
    for order in permutations(sibs):
        yield "commutative", list(order)
    for cut in range(1, len(sibs)):
        decided = winner(cluster, list(sibs[:cut]), rule, _ENTITY)
        yield "associative", [decided, *sibs[cut:]]
    yield "idempotent", [*sibs, *sibs]


def _siblings(kind: str) -> Iterator[list[Sib]]:
    """Of three systems and a person: at one time, and at times that differ."""
    for times in ((5, 5, 5, 5), (9, 5, 7, 5)):
        yield [Sib(actor, 1, value, at) for actor, (value, at) in enumerate(zip(_SAMPLES[kind], times, strict=True))]


def _cluster() -> Cluster:
    bindings = [Binding(n + 1, 1, system, "people", "1", BindingBody({})) for n, system in enumerate(_SYSTEMS)]
    actors = [*((binding.id, 0) for binding in bindings), (0, 1)]
    return Cluster(1, "contact", ClusterBody({}, actors), bindings=bindings)


_FIELD = frozenset({1})
_ENTITY = EntityRule(
    name="contact", fields={}, identify=(),
    links={
        system: LinkRule(
            system=system, entity="contact", object="people", rank=rank, fields=_FIELD, pulls=_FIELD, pushes=_FIELD
        )
        for rank, system in enumerate(_SYSTEMS)
    },
)  # fmt: skip
