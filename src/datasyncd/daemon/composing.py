"""Composing: what is sent for a plan, in the words of its system, and the note that is made before it is.

A field that the system cannot hold stays out and is quarantined, and the rest goes on, of a new record, too. That one
is made only if it can do without: it must still be known by its keys, must not lose an opt-out, and must have what the
system asks for.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import msgspec

from datasyncd.adapters.contract import Native, Record, Version, Write
from datasyncd.reconcile import answer
from datasyncd.reconcile.cluster import Attempt, AttemptStatus
from datasyncd.reconcile.delivery import Plan, attempt_of
from datasyncd.reconcile.effects import Effects, ReportKind
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.reconcile.identity import MatchKey, keys_of_values
from datasyncd.reconcile.rules import CONSENT_OUT, EntityRule, FieldNumber, Value
from datasyncd.state.transaction import Tx

from .link import Link
from .oversight import Sending

MOST_TRIES = 6
"""How often one new record is sent at most, each time without what was refused the time before."""


class Creation(msgspec.Struct):
    """A new record in the words of its system."""

    native: dict[str, Native]
    left_out: dict[FieldNumber, str]
    """Fields that it is made without, each with a sentence that says why."""
    barred: str = ""
    """Why it is not made at all."""


class Composer:
    """Makes the writes of one link."""

    def __init__(self, link: Link, fp: Fingerprinter) -> None:
        self._link = link
        self._fp = fp
        self.present: Mapping[str, Record] = {}
        """Records as they were read just before: what a whole one is made of."""

    def compose(self, tx: Tx, planned: Plan, effects: Effects, before: Sending | None) -> Sending | None:
        """The write of a plan; None: nothing of it can be sent. What cannot is taken out of the plan, and reported.

        `before`: how a create was sent the last time, with what has to be left out now.
        """
        if planned.repeats is not None:
            return self._repeat(planned, planned.repeats)
        if planned.op == "create":
            return self._create(tx, planned, effects, before)
        native, refused = self._link.native(planned.values())
        if refused:
            for number, why in _named(self._link, refused).items():
                self._block(planned, frozenset({number}), why, effects)
            planned.leave_out(refused)
            if planned.is_empty:
                return None
        assert planned.binding is not None
        if self._link.rule.whole_record and planned.op == "update":
            native = {**self._link.carried(self.present[planned.binding.ext_id]), **native}
        attempt, write = self._attempt(tx, planned, native)
        write.key = planned.binding.ext_id
        write.version = planned.binding.version if self._link.rule.condition == "enforced" else _seen(planned)
        return Sending(planned, attempt, write)

    def _create(self, tx: Tx, planned: Plan, effects: Effects, before: Sending | None) -> Sending | None:
        values = planned.values()
        made = creation(self._link, values, before.left_out if before is not None else {})
        if made.barred:
            self._block(planned, frozenset(), made.barred, effects)
            return None
        planned.leave_out(made.left_out)
        attempt, write = self._attempt(tx, planned, made.native)
        self._key(tx, planned, attempt, write)
        # A blank that the system has no form for is no loss: what it puts there instead is looked at.
        left_out = {n: why for n, why in made.left_out.items() if values.get(n) is not None} if made.left_out else {}
        return Sending(planned, attempt, write, left_out, 1 if before is None else before.tries + 1)

    def _repeat(self, planned: Plan, lost: Attempt) -> Sending:
        """The same create once more, under the same key and the same note."""
        lost.status = AttemptStatus.OPEN
        native = creation(self._link, planned.values(), {}).native
        write = Write("create", lost.ext_id, native, idem_key=lost.idem_key, origin=_origin(planned))
        return Sending(planned, lost, write)

    def _block(self, planned: Plan, numbers: frozenset[FieldNumber], why: str, effects: Effects) -> None:
        rule = self._link.rule
        answer.block(
            planned.cluster, planned.binding, numbers, why, ReportKind.REFUSED, rule, self._fp, effects
        )  # fmt: skip

    def _attempt(self, tx: Tx, planned: Plan, native: dict[str, Native]) -> tuple[Attempt, Write]:
        attempt = attempt_of(planned, tx.next(), self._fp)
        attempt.idem_key = f"{attempt.id}"
        return attempt, Write(planned.op, None, native, idem_key=attempt.idem_key, origin=_origin(planned))

    def _key(self, tx: Tx, planned: Plan, attempt: Attempt, write: Write) -> None:
        """A create: the key it is sent with, where the system does not make one, and what to search it by."""
        link = self._link
        attempt.body.keys = self._keys_sent(planned)
        attempt.body.noted_at = tx.at
        if link.rule.key_field is not None and attempt.body.names(link.rule.key_field):
            write.key = str(write.fields[link.spec.key])
        elif not link.rule.assigns_key:
            write.key = self._fp.match("key", attempt.id, []).hex()
        attempt.ext_id = write.key

    def _keys_sent(self, planned: Plan) -> list[MatchKey]:
        """Match keys of a record as it is sent: the cluster's own, where all their fields are sent as founded."""
        entity = self._link.entity
        if planned.founded.keys() >= entity.matched:
            return sorted(planned.cluster.keys)
        return keys_of_values(planned.values(), entity, self._fp)


def _origin(planned: Plan) -> str:
    return f"datasyncd:{planned.cluster.id}"


def creation(link: Link, values: Mapping[FieldNumber, Value], refused: Mapping[FieldNumber, str]) -> Creation:
    """What is sent to make a record. `values`: all that it is owed; `refused`: what the system would not take of it."""
    sent = {number: value for number, value in values.items() if number not in refused} if refused else values
    native, unfit = link.native(sent)
    required = link.translation.required
    if not refused and not unfit and native.keys() >= required.keys():
        return Creation(native, {})
    left_out = {**refused, **_named(link, unfit)}
    kept = {number: value for number, value in sent.items() if number not in unfit}
    lacking = {name: number for name, number in required.items() if name not in native}
    # What is not known is blank, if the system has a form for that.
    blanks, _ = link.native({number: None for number in lacking.values() if number not in left_out})
    native = {**blanks, **native}
    return Creation(native, left_out, _barred(link, values, kept, left_out, lacking.keys() - native.keys()))


def reasons(left_out: Mapping[FieldNumber, str]) -> str:
    """Why these fields are left out, each reason once."""
    return "; ".join(dict.fromkeys(left_out[number] for number in sorted(left_out)))


def _named(link: Link, refused: Mapping[FieldNumber, str]) -> dict[FieldNumber, str]:
    """Why the system cannot hold these values, with its names of the fields."""
    return {number: f"{link.translation.native_name(number)}: {refused[number]}" for number in sorted(refused)}


def _barred(
    link: Link,
    values: Mapping[FieldNumber, Value],
    kept: Mapping[FieldNumber, Value],
    left_out: Mapping[FieldNumber, str],
    lacking: Collection[str],
) -> str:
    """Why a record is not made; "": it is."""
    why = reasons(left_out)
    if lacking:
        needs = f"no record is made without {', '.join(sorted(lacking))}"
        return f"{why}; {needs}" if why else needs
    if not left_out:
        return ""
    if not kept or link.rule.key_field in left_out:
        return why
    if any(link.entity.fields[number].consent and values.get(number) == CONSENT_OUT for number in left_out):
        return f"{why}; no record is made without its opt-out"
    by_its_own_id = not link.rule.assigns_key or link.rule.create_key
    if not by_its_own_id and _is_known(values, link.entity) and not _is_known(kept, link.entity):
        # If its answer were lost, it would be taken for somebody else's.
        return f"{why}; no record is made without anything that it is recognised by"
    return ""


def _is_known(values: Mapping[FieldNumber, Value], entity: EntityRule) -> bool:
    """Whether a record with these values has a match key."""
    return any(all(values.get(number) not in (None, "") for number in numbers) for numbers in entity.identify)


def _seen(planned: Plan) -> Version:
    """The version to compare with just before writing, where the system compares but cannot refuse."""
    version: Version = planned.binding.version if planned.binding is not None else None
    return version
