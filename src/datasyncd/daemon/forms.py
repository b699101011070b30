"""Forms: what a system makes of what it is sent without having declared it (trims, cuts, rounds, changes case).

The form that it keeps counts as an edit, travels once, and is then what everybody holds. One such reading says little,
since somebody may have saved the record at that moment; the second one of a field is reported, and every further one
counts there.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from datasyncd.reconcile.effects import Altered, Effects, Report, ReportKind, ReportState
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.state.transaction import Tx

from .link import Link

META = "altered:"
_numbers = msgspec.msgpack.Decoder(list[int])


def note(tx: Tx, link: Link, fp: Fingerprinter, effects: Effects) -> None:
    """Report what came back in another form, where it is not the first time; the first one is remembered."""
    if not effects.altered:
        return
    name = f"{META}{link.name}"
    kept = tx.meta(name)
    once = set(_numbers.decode(kept)) if kept is not None else set()
    for altered in effects.altered:
        if altered.field in once:
            effects.reports.append(_report(link, fp, altered))
        once.add(altered.field)
    effects.altered = []
    _keep(tx, name, once & link.rule.fields)


def _keep(tx: Tx, name: str, numbers: Iterable[int]) -> None:
    tx.set_meta(name, msgspec.msgpack.encode(sorted(numbers)))


def _report(link: Link, fp: Fingerprinter, altered: Altered) -> Report:
    """One for a field of a system, whoever it was seen with; it shows the case that was found second."""
    system, field = altered.system, link.entity.fields[altered.field].name
    text = (
        f"{system} keeps another form of {field} than it is sent, at least twice so far; that form counts as an edit "
        f"and reaches the other systems. If something is lost by it, do not push {field} to {system}, and correct the "
        "value elsewhere"
    )
    return Report(
        fp.of_dots(f"{ReportKind.UNDECLARED_FORM}:{system}", 0, altered.field, []), ReportKind.UNDECLARED_FORM,
        altered.cluster_id, altered.field, ReportState.OPEN, [altered.sent, altered.kept], system=system, text=text,
    )  # fmt: skip
