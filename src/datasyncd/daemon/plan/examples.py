"""Examples: a few writes of each kind, with what is there, what would be, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from datasyncd.adapters.contract import Record
from datasyncd.reconcile.cluster import BindingState, Cluster
from datasyncd.reconcile.delivery import Plan
from datasyncd.reconcile.rules import CONSENT_IN, CONSENT_OUT, FieldNumber, FieldRule, Value, WriteClass
from datasyncd.state.transaction import Tx

from ..link import Link
from ..review.explain import reasons
from ..review.terms import Terms, shown
from .result import Change, Example

KINDS = ("opt_out", "opt_in", "clear", "delete", "update", "create")
"""In the order in which they are shown."""
CLASSES = {
    WriteClass.CREATE: "create",
    WriteClass.UPDATE: "update",
    WriteClass.CLEAR: "clear",
    WriteClass.DELETE: "delete",
    WriteClass.CONSENT: "opt_in",
}


class Examples:
    """At most so many of each kind, system and entity."""

    def __init__(self, terms: Terms, most: int) -> None:
        self.terms = terms
        self._most = most
        self._found: dict[tuple[str, str, str, str], list[Example]] = {}

    def wants(self, link: Link, action: str, kind: str) -> bool:
        """Whether another one is of use."""
        return len(self._found.get((link.system, link.rule.entity, action, kind), ())) < self._most

    def add(
        self,
        tx: Tx,
        link: Link,
        cluster: Cluster,
        action: str,
        kind: str,
        values: Mapping[FieldNumber, Value],
        there: Record | None,
        why: str | None = None,
    ) -> None:
        """One more. `values`: what is written; `there`: the record as it is now; `why`: in place of where each comes
        from."""
        rules = [link.entity.fields[number] for number in sorted(values)]
        was = _canonical(link, there, values)
        because = reasons(tx, self.terms, cluster, rules) if why is None else {rule.name: why for rule in rules}
        fields = {
            rule.name: Change(shown(rule, was.get(rule.number)), shown(rule, values[rule.number]), because[rule.name])
            for rule in rules
        }
        self._keep(Example(link.system, link.rule.entity, self.terms.key_of(cluster), action, kind, fields))

    def add_delete(
        self, link: Link, cluster: Cluster, action: str, there: Record | None, because: str | None = None
    ) -> None:
        """One more record that goes; without a reason: since it is deleted elsewhere."""
        gone = sorted({b.system for b in cluster.bindings if b.state == BindingState.GONE and b.system != link.system})
        because = because or (f"deleted in {' and '.join(gone)}" if gone else "a person decided so")
        rules = [link.entity.fields[number] for number in sorted(link.rule.fields)]
        was = _canonical(link, there, link.rule.fields)
        fields = {
            rule.name: Change(shown(rule, was[rule.number]), None, because)
            for rule in rules
            if was.get(rule.number) is not None
        }
        self._keep(Example(link.system, link.rule.entity, self.terms.key_of(cluster), action, "delete", fields))

    def all(self) -> list[Example]:
        """Changes of consent first, then by system."""
        found = [example for several in self._found.values() for example in several]
        return sorted(found, key=lambda each: KINDS.index(each.kind) if each.kind in KINDS[:2] else len(KINDS))

    def _keep(self, example: Example) -> None:
        place = (example.system, example.entity, example.action, example.kind)
        self._found.setdefault(place, []).append(example)


def kind_of(planned: Plan, fields: Mapping[FieldNumber, FieldRule]) -> str:
    """The first kind that fits a write."""
    if planned.op != "update":
        return planned.op
    kinds = {kind_of_field(fields[number], field.value, field.write_class) for number, field in planned.fields.items()}
    return next(kind for kind in KINDS if kind in kinds)


def kind_of_field(rule: FieldRule, value: Value, write_class: WriteClass) -> str:
    """The kind of one field of an update."""
    if rule.consent and value == CONSENT_OUT:
        return "opt_out"
    if rule.consent and value == CONSENT_IN:
        return "opt_in"
    return CLASSES[write_class]


def _canonical(link: Link, there: Record | None, numbers: Iterable[FieldNumber]) -> dict[FieldNumber, Value]:
    """Some fields of a record; one that cannot be read as it stands."""
    if there is None:
        return {}
    reading = link.translation.reading(there)
    raw = {number: value for number, (value, _reason) in reading.invalid.items()}
    return {number: reading.values.get(number, raw.get(number)) for number in numbers}
