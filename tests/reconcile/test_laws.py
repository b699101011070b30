"""Laws: a policy whose winner depends on the order, the grouping or a repetition cannot be loaded."""

from __future__ import annotations

import pytest

from datasyncd.reconcile.cluster import Cluster
from datasyncd.reconcile.laws import UnlawfulPolicy, Winner, lawful
from datasyncd.reconcile.policies import _WINNERS
from datasyncd.reconcile.register import Sib
from datasyncd.reconcile.rules import EntityRule, FieldRule, Policy


def first_told(_cluster: Cluster, sibs: list[Sib], _rule: FieldRule, _entity: EntityRule) -> Sib:
    return sibs[0]


def last_told(_cluster: Cluster, sibs: list[Sib], _rule: FieldRule, _entity: EntityRule) -> Sib:
    return sibs[-1]


def latest_told(_cluster: Cluster, sibs: list[Sib], _rule: FieldRule, _entity: EntityRule) -> Sib:
    """By the clock alone: of equal times the one that was told first."""
    return max(sibs, key=lambda sib: sib.ts)


def most_named(_cluster: Cluster, sibs: list[Sib], _rule: FieldRule, _entity: EntityRule) -> Sib:
    """The value that most of them have: once a part was decided, its votes are gone."""
    values = [sib.val for sib in sibs]
    return max(sibs, key=lambda sib: (values.count(sib.val), str(sib.val), sib.actor))


def of_even_numbers_the_last(_cluster: Cluster, sibs: list[Sib], _rule: FieldRule, _entity: EntityRule) -> Sib:
    """Depends on how many were told."""
    ordered = sorted(sibs, key=lambda sib: (sib.actor, sib.n))
    return ordered[-1] if len(sibs) < 5 else ordered[0]


@pytest.mark.parametrize(
    ("winner", "law"),
    [
        (first_told, "commutative"),
        (last_told, "commutative"),
        (latest_told, "commutative"),
        (most_named, "associative"),
        (of_even_numbers_the_last, "idempotent"),
    ],
)
def test_a_policy_that_breaks_a_law_is_refused(winner: Winner, law: str) -> None:
    with pytest.raises(UnlawfulPolicy, match=law):
        lawful(Policy.LATEST, winner)


def test_those_that_a_config_may_name_keep_them() -> None:
    assert set(_WINNERS) == {*Policy} - {Policy.MANUAL, Policy.UNION, Policy.COUNTER}, "these have no winner"
    for policy, winner in _WINNERS.items():
        assert lawful(policy, winner) is winner


def test_a_choice_by_type_is_tried_with_each_type_that_it_knows() -> None:
    def by_consents_alone(cluster: Cluster, sibs: list[Sib], rule: FieldRule, entity: EntityRule) -> Sib:
        good = _WINNERS[Policy.MOST_RESTRICTIVE]
        return good(cluster, sibs, rule, entity) if rule.consent else sibs[0]

    with pytest.raises(UnlawfulPolicy, match="boolean"):
        lawful(Policy.MOST_RESTRICTIVE, by_consents_alone)
