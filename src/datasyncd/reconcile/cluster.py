"""Cluster: the group of records that describe one real-world thing, with all that is remembered of it.

The `*Body` structs are what is stored, one msgpack document each; the rest are columns. A cluster is loaded
whole, changed by the pure functions of this package, and written back in the same transaction; `changed`
marks say what has to be written.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, MutableMapping
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

from .clocks import Actor, Ctx
from .fingerprint import Fingerprinter
from .register import Reg, Sib
from .rules import FieldNumber, Value

ClusterId: TypeAlias = int
BindingId: TypeAlias = int


UNREADABLE: Ctx = {-1: 1}
"""In `blocked`: the raw value could not be translated. No register ever has this context."""


class ClusterState(StrEnum):
    LIVE = "live"
    DELETING = "deleting"
    HELD = "held"
    """Deleted in one system and edited in another: nothing is written before a person decides."""
    DEAD = "dead"


class BindingState(StrEnum):
    LIVE = "live"
    GONE = "gone"
    MOVED = "moved"


class AttemptStatus(StrEnum):
    OPEN = "open"
    UNKNOWN = "unknown"
    """A ghost: it may be applied at any moment until it is ended."""


# Before Python 3.12 a member of an enumeration is found by a function of its class: those that are asked for several
# times a record are looked up once.
_LIVE, _OPEN, _UNKNOWN = BindingState.LIVE, AttemptStatus.OPEN, AttemptStatus.UNKNOWN


class Shadow(msgspec.Struct, array_like=True, omit_defaults=True, gc=False):
    """One field of one binding: what the record was last known to hold, and the edits which that embodies."""

    fp: bytes
    ctx: Ctx | None = None
    """None: equal to the register's context, the state at rest."""
    val: Any = None
    """Only for sets, which need the difference."""
    wrote_at: int = 0
    depth: int = -1
    """Set while the last event here was our own write of an edit of this depth."""


PLAIN = frozenset({str, int, bool})
"""Types of which equal values have equal fingerprints."""
FOUNDER: Actor = 0
"""The actor of the record that founded a cluster."""


class ClusterBody(msgspec.Struct, array_like=True, gc=False):
    """The document of a cluster. Most fields are never edited: those stay in `founded`, and cost no register."""

    regs: dict[FieldNumber, Reg]
    actors: list[tuple[BindingId, int]]
    """Local actor number -> (binding id, incarnation); a person is (0, cluster id at birth)."""
    stopped: dict[str, bytes] = {}
    """Systems in which no record can be made: the digest of the contexts at which it was refused."""
    founded: dict[FieldNumber, Value] = {}
    """Registers that are as the first record made them: one value with the dot (FOUNDER, 1), and nothing else seen."""
    founded_at: int = 0
    """Time of these values."""

    def fold(self, apart: Collection[FieldNumber]) -> None:
        """Keep registers that are as they were founded in their short form: one state has one document. `apart`: those
        whose shadows keep values."""
        folded = [n for n, reg in self.regs.items() if n not in apart and _as_founded(reg, self.founded_at)]
        if folded:
            for number in folded:
                self.founded[number] = self.regs.pop(number).sibs[0].val
            self.founded = dict(sorted(self.founded.items()))


def _as_founded(reg: Reg, at: int) -> bool:
    if len(reg.sibs) != 1 or len(reg.ctx) != 1 or reg.ctx.get(FOUNDER) != 1 or reg.hold or reg.recent:
        return False
    sib = reg.sibs[0]
    return sib.actor == FOUNDER and sib.n == 1 and sib.ts == at and not sib.depth


class Registers(MutableMapping[FieldNumber, Reg]):
    """The registers of a cluster, in the order of their numbers; one that is as it was founded is written out when
    it is asked for."""

    __slots__ = ("body",)

    def __init__(self, body: ClusterBody) -> None:
        self.body = body

    def __getitem__(self, number: FieldNumber) -> Reg:
        reg: Reg | None = self.get(number)
        if reg is None:
            raise KeyError(number)
        return reg

    def get(self, number: FieldNumber, default: Any = None) -> Any:
        body = self.body
        reg = body.regs.get(number)
        if reg is None and number in body.founded:
            reg = Reg([Sib(FOUNDER, 1, body.founded.pop(number), body.founded_at)], {FOUNDER: 1})
            body.regs[number] = reg
        return default if reg is None else reg

    def __contains__(self, number: object) -> bool:
        return number in self.body.regs or number in self.body.founded

    def __setitem__(self, number: FieldNumber, reg: Reg) -> None:
        self.body.founded.pop(number, None)
        self.body.regs[number] = reg

    def __delitem__(self, number: FieldNumber) -> None:
        del (self.body.regs if number in self.body.regs else self.body.founded)[number]

    def __iter__(self) -> Iterator[FieldNumber]:
        return iter(sorted({*self.body.regs, *self.body.founded}))

    def __len__(self) -> int:
        return len(self.body.regs) + len(self.body.founded)


class BindingBody(msgspec.Struct, array_like=True, gc=False):
    shadow: dict[FieldNumber, Shadow]
    blocked: dict[FieldNumber, Ctx] = {}
    """Fields that the system refused, at this register context."""
    sent: list[FieldNumber] | None = None
    """For a record that one of our creates made: the fields which each of these creates named (none of them
    where it was found by matching and no answer proved it ours)."""
    absent: list[FieldNumber] = []
    """Mapped fields that the last reading did not mention."""
    shows: list[FieldNumber] = []
    """Shadows that need no more words: the record holds the register's one value, or a blank where there is no
    register, and has seen all. Each is written out before its register changes."""
    wrote_at: int = 0
    """When a create of ours wrote the values in `shows`; 0: they were read."""
    versions: dict[FieldNumber, int | bytes] = {}
    """Where versions tell of saves: in which a field was last known, where it is not the binding's."""
    written: list[FieldNumber] = []
    """Where versions count saves and stop no write: fields that we wrote since they were read, and no answer told the
    version."""

    def knows(self, number: FieldNumber) -> bool:
        """Whether there is a shadow of this field."""
        return number in self.shadow or number in self.shows


class AttemptBody(msgspec.Struct, array_like=True, gc=False):
    fields: dict[FieldNumber, tuple[bytes, Ctx, Any, int]]
    """Expected fingerprint, context, value where a set needs it, depth."""
    keys: list[tuple[int, bytes]] = []
    """Match keys as they were sent by a create."""
    founded: list[FieldNumber] = []
    """Fields that were sent as they are in `ClusterBody.founded`; each is written out before its register changes."""
    carried: list[FieldNumber] = []
    """Of `fields`, those that were sent back as they had been read, since the system takes whole records only."""
    noted_at: int = 0
    """Of a create: microseconds, just before it was sent. No record that was there before is its own."""

    @property
    def owed(self) -> list[FieldNumber]:
        """The fields for whose sake it was sent, in order."""
        return [number for number in self.numbers if number not in self.carried]

    def names(self, number: FieldNumber) -> bool:
        """Whether this field was sent."""
        return number in self.fields or number in self.founded

    @property
    def numbers(self) -> list[FieldNumber]:
        """The fields that were sent, in order."""
        return sorted([*self.fields, *self.founded]) if self.fields else self.founded


class Binding(msgspec.Struct, gc=False):
    """Membership of one record in one cluster."""

    id: BindingId
    cluster_id: ClusterId
    system: str
    object: str
    ext_id: str
    body: BindingBody
    state: str = BindingState.LIVE.value
    incarnation: int = 0
    digest: bytes = b""
    """Of the native row as last read; empty: unknown."""
    mapping: bytes = b""
    version: Any = None
    last_read_at: int = 0
    epoch: int = 0
    """Global sequence of the last send to, or answer from, this record."""
    suspect_since: int = 0
    """When the record was first missed; nothing is written to it meanwhile. 0: it is there."""
    changed: bool = False
    new: bool = False
    suspected: bool = False
    """`suspect_since` changed."""
    was: tuple[ClusterId, str, bool] = (0, "", False)
    """As stored: the cluster, the record's key, and whether it lives."""


class Attempt(msgspec.Struct, gc=False):
    """A note made before a write is sent, kept until its effect is known."""

    id: int
    cluster_id: ClusterId
    system: str
    op: str
    body: AttemptBody
    binding_id: BindingId | None = None
    ext_id: str | None = None
    """The key that a create was sent with, where we choose it."""
    base_version: Any = None
    idem_key: str = ""
    gave_up_at: int = 0
    status: str = AttemptStatus.OPEN.value


class Owed(msgspec.Struct, frozen=True, gc=False):
    """What one system is owed for one cluster: an outbox row."""

    lane: int
    classes: int


class Due(msgspec.Struct, gc=False):
    """An outbox row as stored."""

    owed: Owed
    due_at: int = 0
    tries: int = 0
    last_error: str = ""


class Cluster(msgspec.Struct, gc=False):
    """One real-world thing."""

    id: ClusterId
    entity: str
    body: ClusterBody
    revision: int = 0
    """Global sequence of its last change."""
    state: str = ClusterState.LIVE.value
    no_create: bool = False
    bindings: list[Binding] = []
    attempts: list[Attempt] = []
    outbox: dict[str, Due] = {}
    keys: frozenset[tuple[int, bytes]] = frozenset()
    """Match keys as stored: (index in `identify`, digest)."""
    changed: bool = False
    new: bool = False
    touched: set[FieldNumber] = set()
    """Fields of which a register or a shadow changed in this step."""
    edited: set[FieldNumber] = set()
    """Fields of which the register changed in this step."""
    rescan: bool = False
    """Something changed that decides what systems are owed, and is not a field."""
    reports: dict[bytes, tuple[str, FieldNumber | None, str | None]] = {}
    """Open reports: digest -> kind, field, system."""
    ended: list[int] = []
    """Attempts that are over: their rows go."""
    marked: list[int] = []
    """Attempts whose row changed."""
    was_keys: frozenset[tuple[int, bytes]] = frozenset()
    """As stored."""
    was_due: dict[str, Due] = {}
    """As stored."""
    _regs: Registers | None = None

    @property
    def regs(self) -> Registers:
        regs = self._regs
        if regs is None or regs.body is not self.body:
            regs = self._regs = Registers(self.body)
        return regs

    def live(self) -> Iterator[Binding]:
        """Bindings whose record is believed to exist."""
        return (binding for binding in self.bindings if binding.state == _LIVE)

    def binding_in(self, system: str) -> Binding | None:
        """The live binding in a system, if there is one."""
        for binding in self.bindings:
            if binding.system == system and binding.state == _LIVE:
                return binding
        return None

    @property
    def merged_away(self) -> bool:
        """A record of it lives on in somebody else's, so that all others there are of it are duplicates of theirs."""
        for binding in self.bindings:
            if binding.state != _LIVE and binding.state == BindingState.MOVED:
                if self.binding_in(binding.system) is None:
                    return True
        return False

    def used(self, system: str) -> bool:
        """Whether the cluster ever had a record in this system: such a slot is never created into again."""
        return any(binding.system == system for binding in self.bindings)

    def actor(self, binding_id: BindingId, incarnation: int) -> Actor:
        """The local number of an actor; a new one is numbered."""
        pair = (binding_id, incarnation)
        actors = self.body.actors
        for number, known in enumerate(actors):
            if known == pair:
                return number
        actors.append(pair)
        return len(actors) - 1

    def origin(self, actor: Actor) -> str | None:
        """The system that an actor belongs to; None for a person or a rule of ours."""
        binding_id = self.body.actors[actor][0]
        for binding in self.bindings:
            if binding.id == binding_id:
                return binding.system
        return None

    def shadow(self, binding: Binding, number: FieldNumber, fp: Fingerprinter) -> Shadow | None:
        """What a binding's record is known to hold of a field."""
        body = binding.body
        shadow = body.shadow.get(number)
        if shadow is None and number in body.shows:
            body.shows = [other for other in body.shows if other != number]
            known, value = self._founded_value(number)
            wrote_at = body.wrote_at if known else 0
            shadow = body.shadow[number] = Shadow(fp(value), None, None, wrote_at, 0 if wrote_at else -1)
        return shadow

    def shows(self, binding: Binding, number: FieldNumber, value: Value, fp: Fingerprinter) -> bool | None:
        """Whether a record is known to hold this value of a field; None: nothing is known of it."""
        if number in binding.body.shows and number in self.body.founded and type(value) in PLAIN:
            known = self.body.founded[number]
            return type(known) is type(value) and bool(known == value)
        if value is None and number in binding.body.shows and number not in self.regs:
            return True
        shadow = self.shadow(binding, number, fp)
        return None if shadow is None else shadow.fp == fp(value)

    def _founded_value(self, number: FieldNumber) -> tuple[bool, Value]:
        """Whether there is a register yet, and the value that all who `show` it hold."""
        if number in self.body.founded:
            return True, self.body.founded[number]
        reg = self.body.regs.get(number)
        return (False, None) if reg is None or not reg.sibs else (True, reg.sibs[0].val)

    def sent(self, attempt: Attempt, fp: Fingerprinter) -> dict[FieldNumber, bytes]:
        """Fingerprints of what an attempt was to make of each field."""
        founded = {number: fp(self._founded_value(number)[1]) for number in attempt.body.founded}
        return {number: field[0] for number, field in attempt.body.fields.items()} | founded

    def spell_out(self, attempt: Attempt, fp: Fingerprinter) -> None:
        """Note by itself what was sent as it was founded."""
        body = attempt.body
        if body.founded:
            for number in body.founded:
                body.fields[number] = (fp(self._founded_value(number)[1]), {FOUNDER: 1}, None, 0)
            body.founded = []
            self.marked = [*self.marked, attempt.id]

    def context_of(self, binding: Binding, number: FieldNumber) -> Ctx:
        """What a binding's record is known to embody of a field; nothing where there is no shadow."""
        shadow = binding.body.shadow.get(number)
        if shadow is None:
            if number not in binding.body.shows:
                return {}
        elif shadow.ctx is not None:
            return shadow.ctx
        reg = self.regs.get(number)
        return reg.ctx if reg is not None else {}

    def settle_contexts(self, number: FieldNumber, reg: Reg, fp: Fingerprinter) -> None:
        """Before a register moves: write out all that was told by what it holds now."""
        for attempt in self.attempts:
            if number in attempt.body.founded:
                self.spell_out(attempt, fp)
        for binding in self.bindings:
            shadow = self.shadow(binding, number, fp)
            if shadow is not None and shadow.ctx is None:
                shadow.ctx = reg.ctx
                binding.changed = True

    def contexts(self, numbers: Iterable[FieldNumber]) -> dict[FieldNumber, Ctx]:
        """The register contexts of these fields, in order: what a refusal or an approval was about."""
        regs, founded = self.body.regs, self.body.founded
        return {
            number: {FOUNDER: 1} if number in founded else regs[number].ctx
            for number in sorted(numbers)
            if number in founded or number in regs
        }

    def dots(self, ctx: Ctx) -> list[tuple[int, int, int]]:
        """The last edit of each author that a context covers: binding, incarnation, n."""
        return [(*self.body.actors[actor], n) for actor, n in sorted(ctx.items())]

    def ghosts(self, binding: Binding) -> list[Attempt]:
        """Writes to this record, its creates included, whose effect nobody knows."""
        if not self.attempts:
            return []
        return [attempt for attempt in self.attempts if attempt.status == _UNKNOWN and attempt.binding_id == binding.id]

    def open_attempt(self, system: str) -> Attempt | None:
        """The write to a system that is under way."""
        for attempt in self.attempts:
            if attempt.system == system and attempt.status == _OPEN:
                return attempt
        return None

    def end(self, attempt: Attempt) -> None:
        self.attempts = [other for other in self.attempts if other.id != attempt.id]
        self.ended = [*self.ended, attempt.id]
