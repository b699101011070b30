"""Drift: what a link keeps of the fields that its system shows, the report of each that is lost, and what is not
written meanwhile.

Shadows stay as they are and nothing counts as blank: once the field is back, what waited is written.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec

from datasyncd.adapters.contract import Record
from datasyncd.reconcile.delivery import Plan
from datasyncd.reconcile.drift import Known, Lost, Tally, judge, suspects
from datasyncd.reconcile.effects import Report, ReportKind, ReportState
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.reconcile.rules import CONSENT_OUT, EntityRule, FieldNumber
from datasyncd.state.transaction import Tx

from .link import Link

META = "drift:"


def known(tx: Tx, system: str, entity: str) -> Known:
    """What the pulls of a link said so far."""
    kept = tx.meta(_name(system, entity))
    return Known() if kept is None else msgspec.msgpack.decode(kept, type=Known)


def count(tx: Tx, link: Link, records: Sequence[Record], tally: Tally) -> None:
    """Add the readings of a page, which were taken in already, to those of its pull."""
    columns, natives = link.natives_mapped, link.natives
    tally.read += len(records)
    for record in records:
        if not record.fields.keys() >= columns:
            for number, names in natives.items():
                if any(name not in record.fields for name in names):
                    tally.absent[number] = tally.absent.get(number, 0) + 1
    unreadable = tx.records.unreadable(link.system, link.object, [record.key for record in records])
    for number, readings in unreadable.items():
        tally.unreadable[number] = tally.unreadable.get(number, 0) + readings


def conclude(tx: Tx, link: Link, fp: Fingerprinter, tally: Tally, seen: Collection[int]) -> bool:
    """Judge a pull that has ended: report what drifts from now on, end what is back. True: something changed.

    `seen`: bindings of the records that it showed.
    """
    system, entity = link.key
    before, fields = known(tx, system, entity), link.rule.fields
    bound = tx.clusters.bound(system, link.object)
    suspected = suspects(before, tally, fields, bound)
    lost = tx.clusters.lost(system, link.object, seen, suspected) if suspected else {}
    after = judge(before, tally, lost, fields, bound, tx.at)
    link.drifts = bool(after.drifting)
    if after == before:
        return False
    _keep(tx, system, entity, after)
    effects = tx.effects("pull")
    for number in sorted(after.drifting.keys() - before.drifting.keys()):
        digest = _digest(fp, system, number, after.drifting[number])
        effects.reports.append(
            Report(
                digest, ReportKind.SCHEMA_DRIFT, 0, number, ReportState.OPEN, system=system,
                text=_text(link, number, lost[number]),
            )
        )  # fmt: skip
    tx.records.write(effects, tx.run)
    over = {number: since for number, since in before.drifting.items() if number not in after.drifting}
    for number, since in over.items():
        why = f"{system} shows it again" if number in link.rule.fields else f"{system} no longer maps it"
        tx.records.set_state([_digest(fp, system, number, since)], ReportState.SETTLED, why, tx.at)
    if over:
        tx.outbox.wake(system, entity, tx.at)
    return before.drifting != after.drifting


def release(tx: Tx, system: str, entity: str, number: FieldNumber, *, preview: bool = False) -> bool:
    """A person lets a field be written all the same; it can drift again once most readings had it. False: it does
    not drift (any more). `preview`: only say so."""
    before = known(tx, system, entity)
    if number not in before.drifting or preview:
        return number in before.drifting
    drifting = {other: since for other, since in before.drifting.items() if other != number}
    _keep(tx, system, entity, Known([other for other in before.shown if other != number], drifting))
    tx.outbox.wake(system, entity, tx.at)
    return True


def withhold(planned: Plan, drifting: Collection[FieldNumber], entity: EntityRule) -> bool:
    """Take out of an update what drifts; a record that would be made with it waits. True: nothing is left to send.

    An opt-out is never withheld.
    """
    if not drifting or planned.op == "delete":
        return False
    lost = {
        number
        for number, value in planned.values().items()
        if number in drifting and not (entity.fields[number].consent and value == CONSENT_OUT)
    }
    if planned.op == "create":
        values = planned.values()
        return any(values[number] is not None for number in lost)
    planned.leave_out(lost)
    return bool(lost) and planned.is_empty


def _name(system: str, entity: str) -> str:
    return f"{META}{system}.{entity}"


def _keep(tx: Tx, system: str, entity: str, now: Known) -> None:
    tx.set_meta(_name(system, entity), msgspec.msgpack.encode(now))


def _digest(fp: Fingerprinter, system: str, number: FieldNumber, since: int) -> bytes:
    return fp.of_dots(f"{ReportKind.SCHEMA_DRIFT}:{system}", 0, number, [(0, 0, since)])


def _text(link: Link, number: FieldNumber, lost: Lost) -> str:
    names, where = ", ".join(link.natives[number]), f"of {lost.had} records of {link.object}"
    what = [f"{lost.absent} {where} no longer have {names}"] if lost.absent else []
    if lost.unreadable:
        what.append(f"{lost.unreadable} {where} hold in {names} what cannot be read")
    return (
        f"{'; '.join(what)}. It is not written there until most have it again: put it back, or correct the link's map; "
        "an opt-out is written all the same"
    )
