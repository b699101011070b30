"""Replay: what counted for a field after each of its edits, from the journal and the reports.

An edit that made concurrent values is named by the conflict report of its moment; every other one had seen all that
there was, so that it alone counts from then on. Values are resolved by the rules that the config has now.

A journal does not say what an author had seen of a set or of a counter. Whoever edits a record is taken to have seen
what was last read or written there.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from datasyncd.reconcile.cluster import Cluster, ClusterBody
from datasyncd.reconcile.counter import step, total
from datasyncd.reconcile.effects import Candidate, ReportKind, ReportState
from datasyncd.reconcile.policies import Choice, resolve
from datasyncd.reconcile.register import Hold, Reg, Sib
from datasyncd.reconcile.rules import EntityRule, FieldRule, Policy, Value
from datasyncd.state.records import JournalRow, StoredReport

from .seen import Edit, Write, edits_of, write_of
from .terms import Dot


class Standing(msgspec.Struct, frozen=True):
    """A field after one edit."""

    at: int
    """When the edit was read."""
    row: int
    """The journal line of the edit."""
    edit: Dot
    value: Value
    decided: bool
    """False: the values differed and a person was to choose."""
    winner: Dot | None
    """The edit that counts; None for a set or a counter, and where nobody has won."""
    report: bytes | None
    """Digest of the conflict that the edit made."""


def sent(past: Sequence[Standing], row: JournalRow, write: Write) -> Standing | None:
    """What counted when a write of ours was noted, which is what it brought; None: nothing did."""
    return past[count - 1] if (count := _known(past, row, write)) else None


def _known(past: Sequence[Standing], row: JournalRow, write: Write) -> int:
    """How many edits of `past` a write knew of."""
    for count in range(len(past), 0, -1):
        binding, incarnation, n = past[count - 1].edit
        if write.known is None:
            if past[count - 1].row < row.id:
                return count
        elif n <= write.known.get((binding, incarnation), 0):
            return count
    return 0


class Replay:
    """The past of one cluster."""

    def __init__(
        self, cluster: Cluster, entity: EntityRule, journal: Sequence[JournalRow], reports: Sequence[StoredReport]
    ) -> None:
        self._cluster = cluster
        self._entity = entity
        self._journal = journal
        self._conflicts = [report for report in reports if report.kind == ReportKind.CONFLICT]
        self._bound = {(row.at, row.binding_id) for row in journal if row.kind == "bind"}

    def field(self, rule: FieldRule) -> list[Standing]:
        """Oldest first; empty where no system ever had a value."""
        match rule.policy:
            case Policy.UNION:
                return self._set(rule)
            case Policy.COUNTER:
                return self._counter(rule)
        return self._scalar(rule)

    def agrees(self, rule: FieldRule) -> bool:
        """The replay ends with what counts now: nothing happened to the field that the journal does not tell."""
        past = self.field(rule)
        choice = resolve(self._cluster, self._cluster.regs.get(rule.number), rule, self._entity)
        if not past:
            return choice.decided and choice.value is None
        last = past[-1]
        return (last.value, last.decided) == (choice.value if choice.decided else None, choice.decided)

    def _scalar(self, rule: FieldRule) -> list[Standing]:
        out = []
        for row in self._journal:
            for edit in edits_of([row]):
                if edit.field != rule.number or edit.dot is None:
                    continue
                report = self._conflict(edit)
                if report is None:
                    out.append(Standing(row.at, row.id, edit.dot, edit.value, True, edit.dot, None))
                else:
                    choice = self._choice(rule, edit, report)
                    winner = next((c.dot for c in report.body.candidates if choice.value == c.value), None)
                    value = choice.value if choice.decided else None
                    out.append(
                        Standing(
                            row.at, row.id, edit.dot, value, choice.decided, winner if choice.decided else None,
                            report.digest,
                        )
                    )  # fmt: skip
        return out

    def _conflict(self, edit: Edit) -> StoredReport | None:
        """The report that was made in the transaction of the edit, about it."""
        for report in self._conflicts:
            if report.field == edit.field and report.first_at == edit.seen_at:
                if any(candidate.dot == edit.dot for candidate in report.body.candidates):
                    return report
        return None

    def _choice(self, rule: FieldRule, edit: Edit, report: StoredReport) -> Choice:
        """What the report said when it was made; a person's later choice is an edit of its own."""
        body = report.body
        if report.state == ReportState.SETTLED or (report.state == ReportState.OPEN and body.has_choice):
            return Choice(body.chosen, None, decided=body.has_choice)
        if report.state == ReportState.OPEN:
            return Choice(None, None, decided=False)
        first = edit.dot is not None and edit.dot[2] == 1 and (edit.seen_at, edit.binding) in self._bound
        undecided = first and self._entity.first_contact in ("report", "fill_blanks")
        return self._resolved(rule, body.candidates, Hold.MANUAL if undecided else Hold.NONE)

    def _resolved(self, rule: FieldRule, candidates: Sequence[Candidate], hold: Hold) -> Choice:
        """The choice among candidates by the rules of now."""
        dots = [candidate.dot for candidate in candidates if candidate.dot is not None]
        actors = [(dot[0], dot[1]) for dot in dots]
        sibs = [
            Sib(number, candidate.dot[2], candidate.value, candidate.edited_at)
            for number, candidate in enumerate(c for c in candidates if c.dot is not None)
            if candidate.dot is not None
        ]
        cluster = msgspec.structs.replace(self._cluster, body=ClusterBody({}, actors))
        return resolve(cluster, Reg(sibs, {}, hold), rule, self._entity)

    def _set(self, rule: FieldRule) -> list[Standing]:
        out: list[Standing] = []
        alive: dict[str, set[int]] = {}
        """By element the edits that keep it."""
        holds: dict[int, frozenset[str]] = {}
        seen: dict[int, set[int]] = {}
        """By record: its elements as last read or written, and the edits that it embodies."""
        edits: set[int] = set()
        after: list[frozenset[str]] = [frozenset()]
        """What is in it before the first edit, and after each."""
        for row in self._journal:
            if (write := write_of(row, rule.number)) is not None:
                count = _known(out, row, write)
                holds[row.binding_id] = frozenset(write.value or ()) if write.has_value else after[count]
                seen[row.binding_id] = set(range(count))
            for edit in edits_of([row]):
                if edit.field != rule.number or edit.dot is None:
                    continue
                record, now = edit.binding, frozenset(edit.value or ())
                before = holds.get(record, frozenset())
                if before == frozenset(alive) or row.kind == "choice":
                    # It showed what counted, and was read so.
                    before, seen[record] = frozenset(alive), set(edits)
                for element in before - now:
                    alive[element] = alive.get(element, set()) - seen.get(record, set())
                edits.add(len(edits))
                for element in now - before:
                    alive.setdefault(element, set()).add(len(edits) - 1)
                alive = {element: keeps for element, keeps in alive.items() if keeps}
                holds[record] = now
                seen.setdefault(record, set()).add(len(edits) - 1)
                after.append(frozenset(alive))
                out.append(Standing(row.at, row.id, edit.dot, sorted(alive) or None, True, None, None))
        return out

    def _counter(self, rule: FieldRule) -> list[Standing]:
        out: list[Standing] = []
        steps: list[Sib] = []
        held: dict[int, Value] = {}
        """By record its value as last read or written."""
        for row in self._journal:
            if (write := write_of(row, rule.number)) is not None:
                standing = sent(out, row, write)
                counted = standing.value if standing is not None else total(Reg([], {}))
                held[row.binding_id] = write.value if write.has_value else counted
            for edit in edits_of([row]):
                if edit.field != rule.number or edit.dot is None:
                    continue
                if row.kind == "choice":
                    steps = [Sib(0, 1, edit.value)]
                else:
                    steps.append(Sib(0, 1, step(held.get(edit.binding), edit.value)))
                    held[edit.binding] = edit.value
                out.append(Standing(row.at, row.id, edit.dot, total(Reg(steps, {})), True, None, None))
        return out
