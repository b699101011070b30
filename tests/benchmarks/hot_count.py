"""What became of the edits of a hot test: each value was typed once, so that it names its edit.

An edit stands, or the journal or a report names it; otherwise a write of ours covered it before anybody read it. Where
a report says that a write of that field of that record may have covered something, it is lost, but not unseen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import msgspec

from datasyncd.reconcile.effects import ReportKind
from datasyncd.state.transaction import Tx

OBJECT = "people"


class Typed(NamedTuple):
    """One edit of somebody: which record of which system now holds what."""

    system: str
    key: str
    value: str
    object: str = OBJECT


class Counted(msgspec.Struct):
    """Figures of one class."""

    edits: int = 0
    unseen: int = 0
    """Edits that are nowhere."""
    told: int = 0
    """Edits that are nowhere, of which a report says that a write may have covered one there."""
    conflicts: int = 0
    """Reports of two edits that did not know of each other."""
    writes: int = 0
    """Of ours."""
    mistaken: int = 0
    """Edits in the journal that nobody made there: echoes of our own writes taken for edits."""

    def add(self, other: Counted) -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))

    @property
    def share(self) -> float:
        """Of the edits, those that are lost, reported or not: 0.0 to 1.0."""
        return (self.unseen + self.told) / self.edits if self.edits else 0.0


def count(tx: Tx, number: int, typed: Iterable[Typed], shown: Mapping[str, Iterable[object]], since: int) -> Counted:
    """What became of edits of field `number`; `shown`: by system, the values that its records hold at the end;
    `since`: microseconds of the daemon's clock before the first edit."""
    typed = list(typed)
    made = {(edit.system, edit.value) for edit in typed}
    counted = Counted(edits=len(typed))
    kept = {value for values in shown.values() for value in values}
    warned: set[tuple[int, str | None]] = set()
    for report in tx.records.reports():
        kept |= {one.value for one in report.body.candidates if isinstance(one.value, str)}
        counted.conflicts += report.kind == ReportKind.CONFLICT
        if report.kind == ReportKind.POSSIBLE_OVERWRITE and report.field == number:
            warned.add((report.cluster_id, report.system))
    clusters = {edit: tx.cluster_of(edit.system, edit.object, edit.key) for edit in typed}
    seen: set[tuple[str | None, object]] = set()
    for cluster in sorted({found for found in clusters.values() if found is not None}):
        for row in tx.records.journal(cluster):
            if row.at < since:
                continue
            counted.writes += row.kind == "write"
            for known in row.fields if row.kind == "edit" else ():
                if known[0] == number:
                    found = (row.system, known[3])
                    counted.mistaken += found not in made or found in seen
                    seen.add(found)
                    kept.add(known[3])
    for edit in typed:
        if edit.value not in kept:
            if (clusters[edit], edit.system) in warned:
                counted.told += 1
            else:
                counted.unseen += 1
    return counted
