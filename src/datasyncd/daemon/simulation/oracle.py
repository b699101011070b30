"""Oracle: it knows every edit and what its author had seen, and says what must hold when all is quiet.

It never looks at the daemon's contexts: an edit is named by its value, and has seen the edit whose value stood
there before it, and all that that one had seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence, Set

import msgspec

from datasyncd.adapters.contract import Condition
from datasyncd.reconcile.cluster import Cluster
from datasyncd.reconcile.effects import ReportKind
from datasyncd.reconcile.policies import resolve
from datasyncd.reconcile.register import Hold
from datasyncd.reconcile.rules import CONSENT_OUT, EntityRule, Policy
from datasyncd.state.codec import pack
from datasyncd.state.records import StoredReport

from .systems import EMAIL, NAMES, OBJECT, POINTS, SMS, STATUS, TAGS, Form, System, plain

UNIQUE = ("name", "city", "language", "address")
"""Fields in which each value is written once."""


BYTES, BYTES_A_BINDING, BYTES_A_FIELD = 150, 60, 60
"""What a cluster may take: 1.5 kB for ten fields in two records."""
SEARCH_US = 15_000_000
"""The longest time from the begin of a search to the record that is made because of it, slow calls included."""


SEEN_US = 30_000_000
"""The longest time between two readings of a record, outages and crashes included."""


class Edit(msgspec.Struct, frozen=True):
    """One edit by a person."""

    system: str
    key: str
    field: str
    value: object
    at: int


class Broken(AssertionError):
    """A property does not hold; the text is a story."""


class Oracle:
    """All that people did."""

    def __init__(self) -> None:
        self.edits: list[Edit] = []
        self.deletes: list[tuple[str, str, Mapping[str, object]]] = []
        self._seen: dict[tuple[str, object], set[object]] = {}
        """(field, value) -> values that its author had seen, itself included."""
        self._shared: set[tuple[str, object]] = set()
        """(field, value) that several records of one person began with: nobody knows which of them says it last."""
        self._elements: dict[tuple[str, str], tuple[set[str], set[str]]] = {}
        """Elements of a set that people added to a record, and removed from it. Each is added once in a history."""
        self.renamed: list[str] = []
        """Addresses that somebody got or gave up."""
        self.born: dict[tuple[str, str], int] = {}
        """When people made a record: by system and key."""
        self._steps: dict[tuple[str, str], list[tuple[int, int]]] = {}
        """When and by how much people moved the counter of each record."""
        self.merged: dict[tuple[str, str], tuple[str, Mapping[str, object]]] = {}
        """Records that somebody merged into another one: by system and key the survivor's key, and what they held."""
        self.reactions = 0
        """How often something in a system wrote a value in its own way."""
        self._cleared: dict[str, set[object]] = {}
        """By field: values that somebody who had seen them has cleared."""

    def edited(self, edit: Edit, before: object) -> None:
        """Somebody wrote `edit.value` where `before` stood."""
        if edit.field in UNIQUE:
            edit, before = msgspec.structs.replace(edit, value=plain(edit.value)), plain(before)
        self.edits.append(edit)
        if edit.field == "points":
            step = int(str(edit.value)) - int(str(before or 0))
            self._steps.setdefault((edit.system, edit.key), []).append((edit.at, step))
        if edit.field == "tags":
            added, removed = self._elements.setdefault((edit.system, edit.key), (set(), set()))
            old, new = set(str(before or "").split(";")) - {""}, set(str(edit.value or "").split(";")) - {""}
            added |= new - old
            removed |= old - new
        if edit.field in UNIQUE and edit.value is not None:
            if (edit.field, edit.value) in self._seen:
                self._shared.add((edit.field, edit.value))
            known = self._seen.setdefault((edit.field, edit.value), {edit.value})
            known |= self._seen.get((edit.field, before), set())
        elif edit.field in UNIQUE:
            self._cleared.setdefault(edit.field, set()).update(self._seen.get((edit.field, before), set()))

    def elements(self, records: Iterable[tuple[str, str]]) -> set[str]:
        """What nobody removed of all that was added: who removes an element has seen it."""
        pairs = [self._elements[record] for record in records if record in self._elements]
        return set().union(*(added for added, _ in pairs)) - set().union(*(removed for _, removed in pairs))

    def has_seen(self, field: str, held: object, value: object) -> bool:
        """Whether whoever wrote `held` had seen `value`."""
        return value == held or value in self._seen.get((field, held), ())

    def takes_back(self, field: str, held: object, value: object) -> bool:
        """Whether a write of `value` over `held` undoes an edit by somebody who had seen it."""
        return value not in (None, held) and (field, value) not in self._shared and self.has_seen(field, held, value)

    def counted(self, record: tuple[str, str]) -> int:
        """The sum of all steps that people made in a record."""
        return sum(step for _at, step in self._steps.get(record, ()))

    def counted_from(self, record: tuple[str, str], joined: int) -> set[int]:
        """The same for a record that joined a cluster which others had founded: what it showed when it was first read,
        at some moment until then, is not counted."""
        steps = self._steps.get(record, [])
        rest = sum(step for at, step in steps if at > joined)
        out = {rest}
        for _at, step in reversed([early for early in steps if early[0] <= joined]):
            rest += step
            out.add(rest)
        return out

    def deleted(self, system: str, key: str, held: Mapping[str, object]) -> None:
        """Somebody deleted a record that held this."""
        self.deletes.append((system, key, held))

    def gone(self) -> dict[tuple[str, str], Mapping[str, object]]:
        """What was deleted, and what it held; who deletes a survivor deletes all that was merged into it."""
        out = {(system, key): held for system, key, held in self.deletes}
        for record, (_survivor, held) in self.merged.items():
            end = record
            while end in self.merged:
                end = end[0], self.merged[end][0]
            if end in out:
                out[record] = held
        return out

    def overwritten(self, field: str) -> set[object]:
        """Values that somebody who had seen them has replaced."""
        out = set(self._cleared.get(field, ()))
        for (name, value), seen in self._seen.items():
            if name == field:
                out |= seen - {value}
        return out


def check(
    oracle: Oracle,
    systems: list[System],
    clusters: Iterable[Cluster],
    reports: Iterable[StoredReport],
    kept_out: set[tuple[str, str]],
    entity: EntityRule,
    known: Sequence[Cluster] = (),
    joined: Mapping[tuple[str, str], int] = {},
    asked: Set[str] = frozenset(),
    decided: Set[int] = frozenset(),
) -> None:
    """The properties P1 to P5, P8 and P9, once nothing moves any more. Raises `Broken`.

    `kept_out`: system and key of quarantined records; `known`: clusters of states that are no longer there;
    `joined`: when a record was bound to a cluster that others had made; `asked`: systems where a person has to say
    whose a record is, and creates wait for that; `decided`: clusters that a person merged or took records out of.
    """
    everything = list(clusters)
    told = list(reports)
    worlds = {system.name: system.world.holds(OBJECT) for system in systems}
    _nothing_lost(oracle, systems, worlds, told, everything, kept_out, known)
    for cluster in everything:
        _converged(cluster, worlds, entity, told, asked)
        _bounded(cluster, told, asked)
    grown = [cluster for cluster in everything if cluster.id not in decided]
    # A write vouches for no edit of a field that no reading shows.
    hidden = set().union(*(system.world.ever_lost for system in systems))
    if "points" not in hidden:
        _counted(oracle, grown, entity, told, joined)
    if "tags" not in hidden:
        _elements_exact(oracle, grown, entity, told, systems)
    _opt_outs_hold(oracle, everything, worlds, systems)
    _deleters_had_seen(oracle, everything, told, systems)
    _nobody_twice(systems, oracle)
    _nobody_deleted_by_us(oracle, [*everything, *known], systems)


def _nothing_lost(
    oracle: Oracle,
    systems: list[System],
    worlds: Mapping[str, Mapping[str, Mapping[str, object]]],
    reports: list[StoredReport],
    clusters: list[Cluster],
    kept_out: set[tuple[str, str]],
    known: Sequence[Cluster],
) -> None:
    """P2: an edit that nobody who had seen it replaced stands somewhere, or is in a report."""
    gone = (
        {(b.system, b.ext_id) for c in (*clusters, *known) if c.state in ("dead", "deleting") for b in c.bindings}
        | {(system, key) for system, key, _held in oracle.deletes}
        | oracle.merged.keys()
        | kept_out
    )
    for field in UNIQUE:
        overwritten = oracle.overwritten(field)
        stands = {_held(record, field) for records in worlds.values() for record in records.values()}
        number = NAMES[field]
        told = {_one(c.value) for report in reports if report.field == number for c in report.body.candidates}
        registers = {_one(sib.val) for c in clusters if number in c.regs for sib in c.regs[number].sibs}
        for edit in oracle.edits:
            if edit.field != field or edit.value is None or edit.value in overwritten:
                continue
            if edit.value in stands or edit.value in told or (edit.system, edit.key) in gone:
                continue
            if _in_the_window(edit, systems) and (
                not _tells(edit, systems) or _is_told(edit, reports, clusters, known)
            ):
                continue
            if edit.value in registers and any(c.state == "held" for c in clusters):
                continue
            raise Broken(f"P2: the edit {edit} is nowhere and in no report")


def _in_the_window(edit: Edit, systems: list[System]) -> bool:
    """Whether a write that nothing could stop covered the edit, which came after the reading that it was based on."""
    system = next(s for s in systems if s.name == edit.system)
    covered = system.world.covered
    if edit.field == "address" and isinstance(edit.value, tuple):
        based = [covered.get(part) for part in zip(("street", "zip"), edit.value, strict=True)]
    else:
        based = [covered.get((edit.field, edit.value))]
    found = any(read is not None and edit.at >= read for read in based)
    system.world.seen["lost save in a window"] += found
    return found


def _covered(system: System, field: str, value: object) -> bool:
    """Whether a write that nothing could stop covered this value after it was last looked at."""
    edits = [edit for edit in system.world.covered if edit == (field, value)]
    return bool(edits) or system.promise.capabilities.whole_record


def _tells(edit: Edit, systems: list[System]) -> bool:
    """Whether the system shows afterwards that a write covered an edit."""
    return next(s for s in systems if s.name == edit.system).promise.capabilities.condition is Condition.VISIBLE


def _is_told(edit: Edit, reports: list[StoredReport], *clusters: Sequence[Cluster]) -> bool:
    """Whether it is reported that a write of this field may have covered an edit of this record."""
    record = (edit.system, edit.key)
    holders = {c.id for known in clusters for c in known if record in {(b.system, b.ext_id) for b in c.bindings}}
    return any(
        (r.kind, r.field, r.system) == (ReportKind.POSSIBLE_OVERWRITE, NAMES[edit.field], edit.system)
        and r.cluster_id in holders
        for r in reports
    )


def _converged(
    cluster: Cluster,
    worlds: Mapping[str, Mapping[str, Mapping[str, object]]],
    entity: EntityRule,
    reports: list[StoredReport],
    asked: Set[str],
) -> None:
    """P1: every live record shows the winner, unless a person has to choose."""
    if cluster.state != "live":
        if cluster.state == "held" and not any(
            r.cluster_id == cluster.id and r.state == "open" and r.field is None for r in reports
        ):
            raise Broken(f"P1: cluster {cluster.id} is held without a report")
        return
    live = list(cluster.live())
    told = {r.system for r in reports if r.cluster_id == cluster.id and r.field is None} | asked
    for system in entity.links:
        if not (cluster.used(system) or cluster.no_create or system in cluster.body.stopped or system in told):
            raise Broken(f"P1: cluster {cluster.id} has no record in {system}, and nothing says why")
    for number, rule in entity.fields.items():
        if number == EMAIL:
            continue
        reg = cluster.regs.get(number)
        choice = resolve(cluster, reg, rule, entity)
        if not choice.decided or (reg is not None and reg.hold):
            apart = reg is not None and reg.hold == Hold.APART
            states = {r.state for r in reports if r.cluster_id == cluster.id and r.field == number}
            if not (states if apart else states & {"open"}):
                raise Broken(f"P1: {rule.name} of cluster {cluster.id} waits without a report")
            continue
        if any(r.cluster_id == cluster.id and r.field == number and r.kind == "opt_in_held" for r in reports):
            continue
        refused = {r.system for r in reports if _is_refusal(r, cluster, number)}
        shown = {
            b.system: _native(number, _held(worlds[b.system].get(b.ext_id, {}), rule.name))
            for b in live
            if number in entity.links[b.system].pushes and b.system not in refused
        }
        if any(value != _one(choice.value) for value in shown.values()):
            raise Broken(f"P1: {rule.name} of cluster {cluster.id} should be {choice.value!r} everywhere: {shown}")


def _is_refusal(report: StoredReport, cluster: Cluster, field: int) -> bool:
    """Whether it says that a system does not take a field of this cluster."""
    kinds = (ReportKind.CLASH, ReportKind.REFUSED)
    return report.cluster_id == cluster.id and report.field == field and report.state == "open" and report.kind in kinds


def check_times(
    oracle: Oracle,
    reports: Iterable[StoredReport],
    entity: EntityRule,
    noticed: Mapping[tuple[int, ...], int],
    listed: Sequence[Listed],
) -> None:
    """P10: whatever clocks say, an edit is the later of two if its record was listed without it after the other one had
    been read.

    `noticed`: when each edit was read, by field and dot.
    """
    made: dict[tuple[int, object], Edit] = {}
    for edit in oracle.edits:
        known = made.get((NAMES[edit.field], edit.value))
        if known is None or known.at < edit.at:
            made[NAMES[edit.field], edit.value] = edit
    for report in reports:
        number = report.field
        if report.kind != ReportKind.CONFLICT or number is None or entity.fields[number].policy is not Policy.LATEST:
            continue
        values = {_one(candidate.value): candidate.dot for candidate in report.body.candidates}
        chosen = values.get(_one(report.body.chosen))
        won = noticed.get((number, *chosen)) if chosen is not None and report.body.has_choice else None
        for value, dot in values.items():
            later = made.get((number, value))
            if won is None or dot == chosen or later is None:
                continue
            if dot is None or noticed.get((number, *dot), 0) < later.at:
                continue  # the same was entered again, after the report
            if any(pull.system == later.system and won < pull.began and pull.ended < later.at for pull in listed):
                raise Broken(f"P10: {report.body.chosen!r} counts, and {value!r} was entered after it had been read")


def check_apart(oracle: Oracle, systems: list[System], splits: Sequence[Split]) -> None:
    """P11: what is edited after a person told two records apart stays on its side."""
    worlds = {system.name: system.world.holds(OBJECT) for system in systems}
    for split in splits:
        for side, other in ((split.alone, split.others), (split.others, split.alone)):
            for edit in oracle.edits:
                if edit.at <= split.at or (edit.system, edit.key) not in side or edit.field not in UNIQUE:
                    continue
                for system, key in other:
                    if edit.value is not None and _held(worlds[system].get(key, {}), edit.field) == edit.value:
                        raise Broken(f"P11: {edit} crossed over to {system}:{key}, which it was told apart from")


class Listed(msgspec.Struct, frozen=True):
    """A complete pull: a record is known to have been as it was shown there."""

    system: str
    began: int
    ended: int


class Split(msgspec.Struct, frozen=True):
    """A person took a record out of a cluster."""

    at: int
    alone: frozenset[tuple[str, str]]
    others: frozenset[tuple[str, str]]


def check_forms(oracle: Oracle, systems: list[System]) -> None:
    """P6: a form that a system is known to keep stays there."""
    if any(system.promise.form is Form.UNDECLARED for system in systems) or "name" not in systems[0].world.columns:
        return
    typed = {str(edit.value).upper() for edit in oracle.edits if edit.field == "name" and _has_form(edit, systems)}
    for system in systems if typed or any(s.promise.form is Form.DECLARED for s in systems) else ():
        for key, record in system.world.holds(OBJECT).items():
            name = record.get("name")
            lossy = system.promise.form is Form.DECLARED
            if name is not None and name == name.upper() and not lossy and name not in typed:
                raise Broken(f"P6: {system.name}:{key} holds {name!r}, which is another system's form of it")


def _has_form(edit: Edit, systems: list[System]) -> bool:
    return next(s for s in systems if s.name == edit.system).promise.form is Form.DECLARED


def check_nothing_taken_back(oracle: Oracle, systems: list[System]) -> None:
    """P6: where nothing fails, no write takes a record back to what it held before its last edit."""
    for system in systems:
        for key, held, written in system.world.wrote:
            after = {**held, **written}
            for field in UNIQUE:
                before, value = _held(held, field), _held(after, field)
                if oracle.takes_back(field, before, value) and not _covered(system, field, before):
                    raise Broken(f"P6: a write took {field} of {system.name}:{key} back from {before!r} to {value!r}")


def address_of(record: Mapping[str, object]) -> object:
    """The address of a record as one value; None: it has none."""
    parts = (record.get("street"), record.get("zip"))
    return None if parts == (None, None) else parts


def _held(record: Mapping[str, object], field: str) -> object:
    return address_of(record) if field == "address" else plain(record.get(field))


def _one(value: object) -> object:
    """A value of a register as the oracle names it."""
    return (value.get("street"), value.get("zip")) if isinstance(value, dict) else plain(value)


def _counted(
    oracle: Oracle,
    clusters: list[Cluster],
    entity: EntityRule,
    reports: list[StoredReport],
    joined: Mapping[tuple[str, str], int],
) -> None:
    """P3: a counter is the exact sum of the steps that people made, or it is reported that it may not be."""
    for cluster in clusters if POINTS in entity.fields else ():
        if cluster.state != "live" or any(binding.state != "live" for binding in cluster.bindings):
            continue
        if any(report.cluster_id == cluster.id and report.field == POINTS for report in reports):
            continue
        reg = cluster.regs.get(POINTS)
        value = resolve(cluster, reg, entity.fields[POINTS], entity).value
        records = {(binding.system, binding.ext_id) for binding in cluster.bindings}
        if oracle.renamed and not any(record in oracle.born and record not in joined for record in records):
            # A record of ours whose key somebody had changed before we knew of it: it counts from what it showed.
            continue
        sums = {0}
        for binding in cluster.bindings:
            record = (binding.system, binding.ext_id)
            if record in joined and record in oracle.born:
                sums = {a + b for a in sums for b in oracle.counted_from(record, joined[record])}
            else:
                sums = {a + oracle.counted(record) for a in sums}
        if (value or 0) not in sums:
            raise Broken(f"P3: the points of cluster {cluster.id} are {value!r}, and people counted {sorted(sums)}")


def _elements_exact(
    oracle: Oracle, clusters: list[Cluster], entity: EntityRule, reports: list[StoredReport], systems: list[System]
) -> None:
    """P3: a set holds exactly what was added and not removed, or it is reported that it may not."""
    covered = any(name == "tags" for system in systems for name, _ in system.world.covered)
    for cluster in clusters if TAGS in entity.fields and not covered else ():
        if cluster.state != "live" or any(binding.state != "live" for binding in cluster.bindings):
            continue
        if any(report.cluster_id == cluster.id and report.field == TAGS for report in reports):
            continue
        value = resolve(cluster, cluster.regs.get(TAGS), entity.fields[TAGS], entity).value
        expected = oracle.elements((b.system, b.ext_id) for b in cluster.bindings)
        if set(value or ()) != expected:
            raise Broken(f"P3: the tags of cluster {cluster.id} are {value!r}, and people left {sorted(expected)}")


def _deleters_had_seen(
    oracle: Oracle, clusters: list[Cluster], reports: list[StoredReport], systems: list[System]
) -> None:
    """P4: what was deleted everywhere because of one delete had been seen by whoever deleted, or is in a report."""
    deleted = oracle.gone()
    told = {_one(c.value) for report in reports for c in report.body.candidates if not isinstance(c.value, list)}
    for cluster in clusters:
        records = {(b.system, b.ext_id) for b in cluster.bindings}
        if cluster.state != "dead" or records & deleted.keys() == records:
            continue
        for edit in oracle.edits:
            record = (edit.system, edit.key)
            if record not in records or record in deleted or edit.field not in UNIQUE or edit.value is None:
                continue
            if edit.value in told or edit.value in oracle.overwritten(edit.field) or _in_the_window(edit, systems):
                continue
            holders = [deleted[other] for other in records if other in deleted]
            if not any(oracle.has_seen(edit.field, _held(held, edit.field), edit.value) for held in holders):
                raise Broken(f"P4: the edit {edit} was deleted by somebody who had not seen it")


def _native(number: int, value: object) -> object:
    """A native value in canonical form."""
    if value is None or value == "":
        return None
    if number == SMS:
        return "in" if value in ("true", True) else CONSENT_OUT
    if number == TAGS:
        return sorted(value) if isinstance(value, list) else sorted(str(value).split(";"))
    return value


def _bounded(cluster: Cluster, reports: list[StoredReport], asked: Set[str]) -> None:
    """P8: no attempts, and unless a person has to choose one sibling a register, seen by no more actors than can still
    edit it; and all in few bytes."""
    if any(attempt.op != "create" or attempt.system not in asked for attempt in cluster.attempts):
        raise Broken(f"P8: cluster {cluster.id} still has attempts: {cluster.attempts}")
    if cluster.state != "live":
        return
    for number, reg in cluster.regs.items():
        waits = any(r.cluster_id == cluster.id and r.field == number and r.state == "open" for r in reports)
        if len(reg.sibs) > 1 and not reg.hold and not waits:
            raise Broken(f"P8: field {number} of cluster {cluster.id} at rest has siblings {reg.sibs}, {reg.ctx}")
        if len(reg.sibs) == 1 and not reg.hold and len(reg.ctx) > len(list(cluster.live())) + 1:
            raise Broken(f"P8: field {number} of cluster {cluster.id} at rest has the context {reg.ctx}")
    fields, bindings = len(cluster.regs), len(cluster.bindings)
    stored = len(pack(cluster.body)) + sum(len(pack(binding.body)) for binding in cluster.bindings)
    if stored > BYTES + bindings * (BYTES_A_BINDING + fields * BYTES_A_FIELD):
        raise Broken(f"P8: cluster {cluster.id} takes {stored} bytes for {fields} fields in {bindings} records")


def _opt_outs_hold(
    oracle: Oracle,
    clusters: list[Cluster],
    worlds: Mapping[str, Mapping[str, Mapping[str, object]]],
    systems: list[System],
) -> None:
    """P5: an opt-out after which nobody opted in where that may be collected holds in every system.

    In a system without versions, one made just before our own write of a consent cannot be told from it.
    """
    for cluster in clusters:
        if cluster.state != "live":
            continue
        live = {(b.system, b.ext_id) for b in cluster.live()}
        ever = {(b.system, b.ext_id) for b in cluster.bindings}
        acts = sorted((e for e in oracle.edits if e.field == "sms" and (e.system, e.key) in ever), key=lambda e: e.at)
        # What was set and set back between two readings is not promised to be seen.
        outs = [
            e.at
            for e in acts
            if e.value == "false"
            and (e.system, e.key) in live
            and (_tells(e, systems) or not _in_the_window(msgspec.structs.replace(e, value=(e.key, e.value)), systems))
            and not any(
                (o.system, o.key) == (e.system, e.key) and o is not e and abs(o.at - e.at) < SEEN_US for o in acts
            )
        ]
        last = max(outs, default=None)
        if last is None or any(e.value == "true" and e.system == "a" and e.at >= last for e in acts):
            continue
        for binding in cluster.live():
            value = worlds[binding.system].get(binding.ext_id, {}).get("sms")
            if _native(SMS, value) != CONSENT_OUT:
                raise Broken(f"P5: an opt-out of cluster {cluster.id} does not hold in {binding.system}: {value!r}")


def _nobody_twice(systems: list[System], oracle: Oracle) -> None:
    """P9: we made no second record of a person, and none beside one that searches had shown for a while."""
    made = oracle.born.keys()
    for system in systems:
        by_email: dict[object, list[str]] = {}
        for key, record in system.world.holds(OBJECT).items():
            by_email.setdefault(record.get("email"), []).append(key)
        histories = system.world.histories(OBJECT)
        late = round(system.promise.capabilities.late_s * 1e6)
        for email, keys in by_email.items():
            if email in oracle.renamed:
                continue
            ours = [key for key in keys if (system.name, key) not in made]
            theirs = [key for key in keys if (system.name, key) in made]
            if len(ours) > 1:
                raise Broken(f"P9: we made one person several times in {system.name}: {ours}")
            for key in ours:
                at = histories[key].first.at
                if any(histories[other].first.shown_at + SEARCH_US + late < at for other in theirs):
                    raise Broken(f"P9: we made {key} in {system.name} beside {theirs}")


def _nobody_deleted_by_us(oracle: Oracle, clusters: list[Cluster], systems: list[System]) -> None:
    """P4: nothing is deleted without a person's delete of a record of the same cluster."""
    deleted = oracle.gone().keys()
    for cluster in clusters:
        for binding in cluster.bindings:
            world = next(s.world for s in systems if s.name == binding.system)
            name = (binding.system, binding.ext_id)
            if binding.ext_id in world.holds(OBJECT) or binding.state == "live" or name in oracle.merged:
                continue
            fellows = [c for c in clusters if any((b.system, b.ext_id) == name for b in c.bindings)]
            if not any((b.system, b.ext_id) in deleted for c in fellows for b in c.bindings):
                raise Broken(f"P4: {binding.system}:{binding.ext_id} was deleted, and nobody deleted that person")


__all__ = [
    "STATUS",
    "Broken",
    "Edit",
    "Listed",
    "Oracle",
    "Split",
    "address_of",
    "check",
    "check_apart",
    "check_forms",
    "check_nothing_taken_back",
    "check_times",
]
