"""Clusters as stored: a batch is loaded whole in five queries, and only what changed is written back."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterable, Sequence

import msgspec

from datasyncd.reconcile.cluster import (
    UNREADABLE,
    Attempt,
    AttemptBody,
    Binding,
    BindingBody,
    BindingState,
    Cluster,
    ClusterBody,
    Due,
    Owed,
)
from datasyncd.reconcile.drift import Lost
from datasyncd.reconcile.rules import FieldNumber

from .codec import Unpack, pack
from .shelf import Shelf

_cluster = Unpack.of(ClusterBody)
_binding = Unpack.of(BindingBody)
_attempt = Unpack.of(AttemptBody)
_keys = Unpack.of(list[tuple[int, bytes]])

_LIVE = BindingState.LIVE
_AT_ONCE = 512
"""Parameters of one query."""
_IN = "IN (SELECT value FROM json_each(?))"


class Head(msgspec.Struct, gc=False):
    """What tells whether a row that was read is the one that we know."""

    id: int
    cluster_id: int
    digest: bytes
    mapping: bytes
    epoch: int
    last_read_at: int
    version: object
    loud: bool
    """A write is owed or under way, or the record was missed: it is read even if it is unchanged."""


class Clusters:
    """Tables cluster, match_key, binding, suspect, attempt, outbox."""

    def __init__(self, connection: sqlite3.Connection, shelf: Shelf) -> None:
        self._db = connection
        self._shelf = shelf

    def keep(self, clusters: Iterable[Cluster]) -> None:
        """Lay clusters aside, as they are stored now, for the step that is to need them next: a delivery that sends
        what they owe, or takes the answer to what was sent."""
        self._shelf.put(clusters)

    def load_kept(self, ids: Sequence[int]) -> dict[int, Cluster]:
        """Whole clusters by id, those that were laid aside without a query; they are laid aside no longer."""
        out = {number: cluster for number in ids if (cluster := self._shelf.take(number)) is not None}
        missing = [number for number in ids if number not in out]
        if missing:
            out.update(self.load(missing))
        return out

    def heads(self, system: str, object: str, ext_ids: Sequence[str]) -> dict[str, Head]:
        """The live bindings of these records."""
        rows = self._db.execute(
            "SELECT b.ext_id, b.id, b.cluster_id, b.digest, b.mapping, b.epoch, b.last_read_at, b.version,"
            " EXISTS (SELECT 1 FROM outbox o WHERE o.cluster_id = b.cluster_id AND o.system = b.system)"
            " OR EXISTS (SELECT 1 FROM attempt a WHERE a.cluster_id = b.cluster_id AND a.system = b.system)"
            " OR EXISTS (SELECT 1 FROM suspect s WHERE s.binding_id = b.id)"
            " FROM json_each(?) k CROSS JOIN binding b"
            " ON b.system = ? AND b.object = ? AND b.ext_id = k.value AND b.life = 0",
            (json.dumps(ext_ids), system, object),
        )
        return {row[0]: Head(row[1], row[2], row[3], row[4], row[5], row[6], row[7], bool(row[8])) for row in rows}

    def gone_since(self, system: str, object: str, ext_ids: Sequence[str], seq: int, at: int | None = None) -> set[str]:
        """Which of these records were found gone, or deleted by us, after this place in the sequence, or after this
        moment, in microseconds."""
        rows = self._db.execute(
            "SELECT b.ext_id FROM json_each(?) k CROSS JOIN binding b"
            " ON b.system = ? AND b.object = ? AND b.ext_id = k.value AND b.life > 0"
            " AND (b.epoch > ? OR b.last_read_at > ?)",
            (json.dumps(ext_ids), system, object, seq, _NEVER if at is None else at),
        )
        return {row[0] for row in rows}

    def load(self, ids: Iterable[int]) -> dict[int, Cluster]:
        """Whole clusters by id; an id that does not exist is left out."""
        numbers = list(ids)
        if not numbers:
            return {}
        alone = len(numbers) == 1
        wanted = numbers[0] if alone else json.dumps(numbers)
        among = "= ?" if alone else _IN
        db = self._db
        out: dict[int, Cluster] = {}
        for row in db.execute(
            f"SELECT id, entity, body, revision, state, no_create, keys FROM cluster WHERE id {among} ORDER BY id",
            (wanted,),
        ):
            keys = frozenset(_keys(row[6]))
            out[row[0]] = Cluster(
                row[0], row[1], _cluster(row[2]), row[3], row[4], bool(row[5]), [], [], {}, keys, was_keys=keys
            )
        for row in db.execute(
            "SELECT b.cluster_id, b.id, b.system, b.object, b.ext_id, b.body, b.state, b.incarnation, b.digest,"
            " b.mapping, b.version, b.last_read_at, b.epoch, coalesce(s.first_missing_at, 0)"
            f" FROM binding b LEFT JOIN suspect s ON s.binding_id = b.id WHERE b.cluster_id {among}"
            " ORDER BY b.cluster_id, b.id",
            (wanted,),
        ):
            out[row[0]].bindings.append(
                Binding(
                    row[1], row[0], row[2], row[3], row[4], _binding(row[5]), row[6], row[7], row[8],
                    row[9], row[10], row[11], row[12], row[13], was=(row[0], row[4], row[6] == _LIVE),
                )
            )  # fmt: skip
        for row in db.execute(
            "SELECT cluster_id, id, system, op, body, binding_id, ext_id, base_version, idem_key, gave_up_at, status"
            f" FROM attempt WHERE cluster_id {among} ORDER BY id",
            (wanted,),
        ):
            out[row[0]].attempts.append(Attempt(row[1], row[0], row[2], row[3], _attempt(row[4]), *row[5:]))
        for row in db.execute(
            "SELECT cluster_id, system, lane, classes, due_at, tries, last_error"
            f" FROM outbox WHERE cluster_id {among} ORDER BY cluster_id, system",
            (wanted,),
        ):
            out[row[0]].outbox[row[1]] = Due(Owed(row[2], row[3]), row[4], row[5], row[6])
        for row in db.execute(
            "SELECT cluster_id, digest, kind, field, system FROM report"
            f" WHERE cluster_id {among} AND state = 'open' ORDER BY digest",
            (wanted,),
        ):
            if row[0] in out:
                out[row[0]].reports[row[1]] = (row[2], row[3], row[4])
        for cluster in out.values():
            cluster.was_due = cluster.outbox
        return out

    def matching(self, digests: Sequence[bytes]) -> dict[bytes, list[int]]:
        """Clusters that have these match keys, by digest."""
        out: dict[bytes, list[int]] = {}
        for start in range(0, len(digests), _AT_ONCE):
            part = digests[start : start + _AT_ONCE]
            places = ", ".join("?" * len(part))
            query = "SELECT digest, cluster_id FROM match_key WHERE digest IN (%s) ORDER BY cluster_id"
            for digest, cluster in self._db.execute(query.replace("%s", places), part):
                out.setdefault(digest, []).append(cluster)
        return out

    def creating(self, system: str, entity: str) -> list[int]:
        """Clusters with a create in this system that is under way or of unknown outcome."""
        rows = self._db.execute(
            "SELECT DISTINCT a.cluster_id FROM attempt a JOIN cluster c ON c.id = a.cluster_id"
            " WHERE a.system = ? AND a.op = 'create' AND c.entity = ? ORDER BY 1",
            (system, entity),
        )
        return [row[0] for row in rows]

    def ghosts_over(self, system: str, before: int) -> list[tuple[str | None, str | None]]:
        """Writes of unknown outcome that were given up before then: object and key of the record, if it is bound."""
        rows = self._db.execute(
            "SELECT b.object, b.ext_id FROM attempt a LEFT JOIN binding b"
            " ON b.cluster_id = a.cluster_id AND b.id = a.binding_id AND b.life = 0"
            " WHERE a.system = ? AND a.status = 'unknown' AND a.gave_up_at < ? ORDER BY a.id",
            (system, before),
        )
        return [(row[0], row[1]) for row in rows]

    def with_open_attempts(self, system: str | None = None, entity: str | None = None) -> list[int]:
        """Clusters with a write that is under way, or was when its process or delivery ended; of one link, if told."""
        rows = self._db.execute(
            "SELECT DISTINCT a.cluster_id FROM attempt AS a WHERE a.status = 'open' AND (?1 IS NULL OR a.system = ?1)"
            " AND (?2 IS NULL OR (SELECT entity FROM cluster WHERE id = a.cluster_id) = ?2) ORDER BY 1",
            (system, entity),
        )
        return [row[0] for row in rows]

    def ids(self, entity: str, after: int, limit: int) -> list[int]:
        """Ids of clusters that are not dead, in order."""
        rows = self._db.execute(
            "SELECT id FROM cluster WHERE entity = ? AND id > ? AND state <> 'dead' ORDER BY id LIMIT ?",
            (entity, after, limit),
        )
        return [row[0] for row in rows]

    def lost(
        self, system: str, object: str, seen: Collection[int], numbers: Collection[FieldNumber]
    ) -> dict[FieldNumber, Lost]:
        """What became of some fields in the records of these live bindings. Reads every binding of the object."""
        out = {number: Lost() for number in numbers}
        rows = self._db.execute(
            "SELECT id, body FROM binding WHERE system = ? AND object = ? AND life = 0", (system, object)
        )
        for id, packed in rows:
            if id not in seen:
                continue
            body = _binding(packed)
            for number, found in out.items():
                if body.knows(number):
                    found.had += 1
                    found.absent += number in body.absent
                    found.unreadable += number not in body.absent and body.blocked.get(number) == UNREADABLE
        return out

    def missing(self, system: str, object: str, seen: Iterable[int]) -> list[tuple[int, int, str]]:
        """Live bindings that are not among `seen`: (binding, cluster, ext_id)."""
        known = seen if isinstance(seen, (set, frozenset)) else set(seen)
        rows = self._db.execute(
            "SELECT id, cluster_id, ext_id FROM binding WHERE system = ? AND object = ? AND life = 0 ORDER BY id",
            (system, object),
        )
        return [(row[0], row[1], row[2]) for row in rows if row[0] not in known]

    def suspects(self, system: str, object: str) -> bool:
        """Whether a reading by key did not find some record, and no complete pull has said yet whether it is gone."""
        if self._db.execute("SELECT 1 FROM suspect LIMIT 1").fetchone() is None:
            return False  # as nearly always: whose they are is looked up in all bindings of the object
        row = self._db.execute(
            "SELECT 1 FROM suspect s JOIN binding b ON b.id = s.binding_id WHERE b.system = ? AND b.object = ?"
            " AND b.life = 0 LIMIT 1",
            (system, object),
        ).fetchone()
        return row is not None

    def bound(self, system: str, object: str) -> int:
        """How many records of an object have a live binding."""
        row = self._db.execute("SELECT n FROM bound WHERE system = ? AND object = ?", (system, object)).fetchone()
        return 0 if row is None else int(row[0])

    def save(self, clusters: Iterable[Cluster], revision: int) -> None:
        """Write back what the marks say has changed; `revision` is this transaction's place in the sequence."""
        rows = _Rows()
        for cluster in clusters:
            rows.take(cluster, revision)
            self._shelf.saved(cluster)
        rows.write(self._db)

    def add_attempts(self, attempts: Sequence[Attempt]) -> None:
        """Notes of writes that are about to be sent."""
        self._db.executemany(
            "INSERT INTO attempt (id, cluster_id, system, op, binding_id, ext_id, base_version, idem_key,"
            " gave_up_at, status, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    a.id, a.cluster_id, a.system, a.op, a.binding_id, a.ext_id, a.base_version, a.idem_key,
                    a.gave_up_at, a.status, pack(a.body),
                )
                for a in attempts
            ],
        )  # fmt: skip


class _Rows:
    """What a batch of clusters has to write, by statement."""

    def __init__(self) -> None:
        self.statements: dict[str, list[tuple[object, ...]]] = {statement: [] for statement in _IN_ORDER}
        self.bound: dict[tuple[str, str], int] = {}
        """By how much the number of live bindings moves, by system and object."""

    def take(self, cluster: Cluster, revision: int) -> None:
        add = self.statements
        if cluster.new:
            cluster.revision = revision
            add[_NEW_CLUSTER].append((cluster.id, cluster.entity, revision, cluster.state, cluster.no_create,
                                      pack(sorted(cluster.keys)), pack(cluster.body)))  # fmt: skip
        elif cluster.changed:
            cluster.revision = revision
            add[_SET_CLUSTER].append((revision, cluster.state, cluster.no_create, pack(cluster.body), cluster.id))
        if cluster.keys is not cluster.was_keys:
            if not cluster.new:
                add[_SET_KEYS].append((pack(sorted(cluster.keys)), cluster.id))
            self._keys(cluster)
        for binding in cluster.bindings:
            if binding.new or binding.changed:
                self._binding(binding)
            if binding.suspected:
                self._suspect(binding)
        if cluster.ended or cluster.marked:
            self._attempts(cluster)
        if cluster.outbox is not cluster.was_due:
            self._outbox(cluster)
        cluster.new = cluster.changed = False

    def _keys(self, cluster: Cluster) -> None:
        now = {digest for _kind, digest in cluster.keys}
        before = {digest for _kind, digest in cluster.was_keys} if cluster.was_keys else set()
        for digest in sorted(before - now) if before else ():
            self.statements[_NO_KEY].append((digest, cluster.id))
        for digest in sorted(now - before):
            self.statements[_NEW_KEY].append((digest, cluster.id))
        cluster.was_keys = cluster.keys

    def _binding(self, b: Binding) -> None:
        stored_in, now = b.was[0], (b.cluster_id, b.ext_id, b.state == _LIVE)
        if now != b.was:
            self._move(b, now)
        hot = (b.state, b.incarnation, b.digest, b.mapping, b.version, b.last_read_at, b.epoch)
        if b.new:
            life = 0 if now[2] else b.id
            self.statements[_NEW_BINDING].append(
                (b.id, b.cluster_id, b.system, b.object, b.ext_id, life, *hot, pack(b.body))
            )
        else:
            self.statements[_SET_BINDING].append((*hot, pack(b.body), stored_in, b.id))
        b.new = b.changed = False

    def _move(self, b: Binding, now: tuple[int, str, bool]) -> None:
        """The record came, went, or has another key or cluster: a statement of its own, since indexes are written."""
        cluster_id, ext_id, live = now
        if live != b.was[2]:
            where = (b.system, b.object)
            self.bound[where] = self.bound.get(where, 0) + (1 if live else -1)
        if not b.new:
            self.statements[_MOVE_BINDING].append((cluster_id, ext_id, 0 if live else b.id, b.was[0], b.id))
        b.was = now

    def _suspect(self, b: Binding) -> None:
        if b.suspect_since:
            self.statements[_NEW_SUSPECT].append((b.id, b.suspect_since))
        else:
            self.statements[_NO_SUSPECT].append((b.id,))
        b.suspected = False

    def _attempts(self, cluster: Cluster) -> None:
        for attempt_id in cluster.ended:
            self.statements[_NO_ATTEMPT].append((cluster.id, attempt_id))
        if cluster.marked:
            for a in cluster.attempts:
                if a.id in cluster.marked:
                    self.statements[_SET_ATTEMPT].append(
                        (a.status, a.gave_up_at, a.binding_id, pack(a.body), cluster.id, a.id)
                    )
        cluster.ended, cluster.marked = [], []

    def _outbox(self, cluster: Cluster) -> None:
        now, before = cluster.outbox, cluster.was_due
        for system, due in now.items():
            if before.get(system) != due:
                self.statements[_SET_DUE].append((cluster.id, system, cluster.entity, due.owed.lane, due.owed.classes,
                                                  due.due_at, due.tries, due.last_error))  # fmt: skip
        for system in before:
            if system not in now:
                self.statements[_NO_DUE].append((cluster.id, system))
        cluster.was_due = now

    def write(self, db: sqlite3.Connection) -> None:
        for statement, rows in self.statements.items():
            if rows:
                db.executemany(statement, rows)
        if self.bound:
            db.executemany(_BOUND, [(*where, n) for where, n in self.bound.items() if n])


_NEVER = 2**62
"""Microseconds: later than any moment."""
_BOUND = "INSERT INTO bound VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET n = n + excluded.n"
_NO_KEY = "DELETE FROM match_key WHERE digest = ? AND cluster_id = ?"
_NEW_KEY = "INSERT INTO match_key (digest, cluster_id) VALUES (?, ?)"
_NEW_SUSPECT = "INSERT OR IGNORE INTO suspect VALUES (?, ?)"
_NO_SUSPECT = "DELETE FROM suspect WHERE binding_id = ?"
_NO_ATTEMPT = "DELETE FROM attempt WHERE cluster_id = ? AND id = ?"
_SET_ATTEMPT = "UPDATE attempt SET status = ?, gave_up_at = ?, binding_id = ?, body = ? WHERE cluster_id = ? AND id = ?"
_NO_DUE = "DELETE FROM outbox WHERE cluster_id = ? AND system = ?"
_NEW_CLUSTER = "INSERT INTO cluster (id, entity, revision, state, no_create, keys, body) VALUES (?, ?, ?, ?, ?, ?, ?)"
_SET_CLUSTER = "UPDATE cluster SET revision = ?, state = ?, no_create = ?, body = ? WHERE id = ?"
_SET_KEYS = "UPDATE cluster SET keys = ? WHERE id = ?"
_NEW_BINDING = (
    "INSERT INTO binding (id, cluster_id, system, object, ext_id, life, state, incarnation, digest, mapping,"
    " version, last_read_at, epoch, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_SET_BINDING = (
    "UPDATE binding SET state = ?, incarnation = ?, digest = ?, mapping = ?, version = ?,"
    " last_read_at = ?, epoch = ?, body = ? WHERE cluster_id = ? AND id = ?"
)
_MOVE_BINDING = "UPDATE binding SET cluster_id = ?, ext_id = ?, life = ? WHERE cluster_id = ? AND id = ?"
_SET_DUE = (
    "INSERT OR REPLACE INTO outbox (cluster_id, system, entity, lane, classes, due_at, tries, last_error)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
_IN_ORDER = (
    _NEW_CLUSTER, _SET_CLUSTER, _SET_KEYS, _NO_KEY, _NEW_KEY, _SET_BINDING, _MOVE_BINDING, _NEW_BINDING, _NEW_SUSPECT,
    _NO_SUSPECT, _NO_ATTEMPT, _SET_ATTEMPT, _SET_DUE, _NO_DUE,
)  # fmt: skip
