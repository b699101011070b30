"""Item: one write of a plan, named so that it can be known again when the plan is carried out.

A write is named by its entity, the record that founded its cluster, the target, what is done, and the field; it is
the same write as long as the target holds the same there and would be given the same value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeAlias

import msgspec

from datasyncd.adapters.contract import Op
from datasyncd.adapters.digest import row_digest
from datasyncd.adapters.translate.mapping import Reading
from datasyncd.reconcile.cluster import Cluster
from datasyncd.reconcile.delivery import Plan
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.reconcile.rules import FieldNumber, Value

from ..link import Link

SALT_BYTES = 16

Unit: TypeAlias = "tuple[str | None, bytes, bytes]"
"""What is sent or left out as one: a field (None: the whole record), the digest that names it, and that of what is
there and of what is written."""


class Field(msgspec.Struct, omit_defaults=True):
    """One field of a write."""

    to: Value
    there: str = ""
    """Digest of what the record holds now; empty: there is no record."""


class Item(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One write of one record."""

    entity: str
    founder: str
    """`system:object:id` of the record that founded the cluster."""
    target: str
    """The system that is written to."""
    op: Op
    key: str = ""
    """What a person knows the record by."""
    there: str = ""
    """For a delete: digest of what the record holds."""
    fields: dict[str, Field] = {}


class Digests:
    """Names and contents of items, under a salt: what a record holds now cannot be guessed from a plan."""

    def __init__(self, salt: bytes) -> None:
        self._digest = Fingerprinter(salt)

    def there(self, reading: Reading, number: FieldNumber) -> str:
        """Of one field as a record holds it; what cannot be read is compared as it stands."""
        return self._digest(_held(reading, number)).hex()

    def whole(self, reading: Reading, link: Link) -> str:
        """Of all that a link maps of a record."""
        return self._digest([_held(reading, number) for number in sorted(link.rule.fields)]).hex()

    def units(self, item: Item) -> Iterator[Unit]:
        """A create and a delete are one unit each; of an update each field is one."""
        name = [item.entity, item.founder, item.target, item.op]
        if item.op == "update":
            for field, change in item.fields.items():
                yield field, self._digest([*name, field]), self._digest([change.there, change.to])
        else:
            values = sorted((field, change.to) for field, change in item.fields.items())
            yield None, self._digest(name), self._digest([item.there, values])


def founder_of(cluster: Cluster) -> str:
    """The first of all records that ever belonged to a cluster."""
    first = min(cluster.bindings, key=lambda binding: binding.id, default=None)
    return "" if first is None else f"{first.system}:{first.object}:{first.ext_id}"


def item_of(
    link: Link, planned: Plan, values: Mapping[FieldNumber, Value], there: Reading | None, digests: Digests
) -> Item:
    """The item of a write; `values`: what is sent; `there`: its record as it is now."""
    item = Item(entity=link.rule.entity, founder=founder_of(planned.cluster), target=link.system, op=planned.op)
    if planned.op == "delete":
        item.there = "" if there is None else digests.whole(there, link)
        return item
    fields = link.entity.fields
    item.fields = {
        fields[number].name: Field(value, "" if there is None else digests.there(there, number))
        for number, value in values.items()
    }
    return item


def _held(reading: Reading, number: FieldNumber) -> list[object]:
    if number in reading.values:
        return ["value", reading.values[number]]
    if number in reading.invalid:
        return ["raw", row_digest([reading.invalid[number][0]])]
    return ["absent"]
