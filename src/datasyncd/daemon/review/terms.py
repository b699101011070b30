"""Terms: the config as a review needs it: names for numbers, values as people write and read them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from datasyncd.adapters.translate import Invalid
from datasyncd.adapters.translate.types import reader
from datasyncd.reconcile.cluster import Cluster
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.reconcile.policies import resolve
from datasyncd.reconcile.rules import EntityRule, FieldNumber, FieldRule, Value

from ..config.load import Config
from ..config.translation import options_of
from .refusal import Misused, unknown

UNKNOWN = "unknown"
"""What the blank of a consent is called."""

Dot = tuple[int, int, int]
"""Binding, incarnation, n."""


class Terms:
    """What the config says, in the words of people."""

    def __init__(
        self,
        rules: Mapping[str, EntityRule],
        fp: Fingerprinter,
        readers: Mapping[FieldNumber, Callable[[Any], Value]],
    ) -> None:
        """`readers`: by field, what makes a canonical value of a text."""
        self.rules = rules
        self.fp = fp
        self._readers = readers
        self._fields = {number: (rule, entity) for entity in rules.values() for number, rule in entity.fields.items()}

    @classmethod
    def of(cls, config: Config, rules: Mapping[str, EntityRule], fp: Fingerprinter) -> Terms:
        """The terms of a loaded config whose rules are compiled."""
        readers: dict[FieldNumber, Callable[[Any], Value]] = {}
        for entity in rules.values():
            fields = config.entities[entity.name].fields
            for number, rule in entity.fields.items():
                if rule.members:
                    readers[number] = group_reader({name: reader(options_of(fields[name])) for name in rule.members})
                else:
                    readers[number] = reader(options_of(fields[rule.name]))
        return cls(rules, fp, readers)

    def entity(self, name: str) -> EntityRule:
        """Raises `Misused` for an unknown name."""
        if name not in self.rules:
            raise unknown("entity", name, self.rules)
        return self.rules[name]

    def field(self, entity: EntityRule, name: str) -> FieldRule:
        """Raises `Misused` for an unknown name."""
        for rule in entity.fields.values():
            if rule.name == name or name in rule.members:
                return rule
        raise unknown(f"field of {entity.name}", name, [rule.name for rule in entity.fields.values()])

    def rule(self, number: FieldNumber | None) -> FieldRule | None:
        """The rule of a field; None for what the config does not have (any more)."""
        found = self._fields.get(number) if number is not None else None
        return found[0] if found is not None else None

    def name(self, number: FieldNumber | None) -> str | None:
        """The name of a field; of one that the config no longer has, its number."""
        if number is None:
            return None
        rule = self.rule(number)
        return rule.name if rule is not None else f"#{number}"

    def entity_of(self, number: FieldNumber | None) -> EntityRule | None:
        """The entity that a field belongs to."""
        found = self._fields.get(number) if number is not None else None
        return found[1] if found is not None else None

    def entity_at(self, system: str, object: str) -> EntityRule | None:
        """The entity that an object of a system holds."""
        for entity in self.rules.values():
            link = entity.links.get(system)
            if link is not None and link.object == object:
                return entity
        return None

    def parse(self, rule: FieldRule, text: str) -> Value:
        """A value as a person writes it: canonical, None where it is blank. Raises `Misused`."""
        if text == "" or (rule.consent and text.casefold() == UNKNOWN):
            return None
        try:
            return self._readers[rule.number](text)
        except Invalid as refusal:
            raise Misused(f"{rule.name}: {refusal.reason}") from None

    def key_of(self, cluster: Cluster) -> str:
        """What a person knows a cluster by: the first of its identify values, else a record, else our id."""
        entity = self.rules.get(cluster.entity)
        for numbers in entity.identify if entity is not None else ():
            values = [_present(cluster, entity, number) for number in numbers if entity is not None]
            if all(value is not None for value in values):
                return ",".join(str(value) for value in values)
        for binding in cluster.bindings:
            return f"{binding.system}:{binding.ext_id}"
        return str(cluster.id)


def group_reader(readers: Mapping[str, Callable[[Any], Value]]) -> Callable[[Any], Value]:
    """What makes the value of a group of a JSON object of its members; one that is left out is blank."""

    def read(text: Any) -> Value:
        expected = f"a JSON object of {', '.join(readers)} expected"
        try:
            said = msgspec.json.decode(text) if isinstance(text, str) else text
        except msgspec.MsgspecError:
            raise Invalid(expected) from None
        if not isinstance(said, dict) or said.keys() - readers.keys():
            raise Invalid(expected)
        value: dict[str, Value] = {}
        for name, read_member in readers.items():
            try:
                value[name] = read_member(said.get(name))
            except Invalid as refusal:
                raise Invalid(f"{name}: {refusal.reason}") from None
        return value if any(part is not None for part in value.values()) else None

    return read


def _present(cluster: Cluster, entity: EntityRule, number: FieldNumber) -> Value:
    """The value of a field; where nobody has chosen yet, the first that was seen."""
    reg = cluster.regs.get(number)
    choice = resolve(cluster, reg, entity.fields[number], entity)
    if choice.decided:
        return choice.value
    return next((sib.val for sib in reg.sibs if sib.val is not None), None) if reg is not None else None


def shown(rule: FieldRule | None, value: Value) -> Value:
    """A value as it is shown: the blank of a consent has a name."""
    if value is None and rule is not None and rule.consent:
        return UNKNOWN
    return value


def dot_text(dot: Dot | None) -> str | None:
    """`<binding>.<incarnation>:<n>`."""
    return None if dot is None else f"{dot[0]}.{dot[1]}:{dot[2]}"
