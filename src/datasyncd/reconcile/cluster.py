"""Cluster: the group of records that describe one real-world thing, with all that is remembered of it.

The `*Body` structs are what is stored, one msgpack document each; the rest are columns. A cluster is loaded
whole, changed by the pure functions of this package, and written back in the same transaction; `changed`
marks say what has to be written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

from .clocks import Actor, Ctx
from .register import Reg
from .rules import FieldNumber

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


class ClusterBody(msgspec.Struct, array_like=True, gc=False):
    regs: dict[FieldNumber, Reg]
    actors: list[tuple[BindingId, int]]
    """Local actor number -> (binding id, incarnation); a person is (0, cluster id at birth)."""
    stopped: dict[str, bytes] = {}
    """Systems in which no record can be made: the digest of the contexts at which it was refused."""


class BindingBody(msgspec.Struct, array_like=True, gc=False):
    shadow: dict[FieldNumber, Shadow]
    blocked: dict[FieldNumber, Ctx] = {}
    """Fields that the system refused, at this register context."""
    sent: list[FieldNumber] | None = None
    """For a record that one of our creates made: the fields which each of these creates named (none of them
    where it was found by matching and no answer proved it ours)."""
    absent: list[FieldNumber] = []
    """Mapped fields that the last reading did not mention."""


class AttemptBody(msgspec.Struct, array_like=True, gc=False):
    fields: dict[FieldNumber, tuple[bytes, Ctx, Any, int]]
    """Expected fingerprint, context, value where a set needs it, depth."""
    keys: list[tuple[int, bytes]] = []
    """Match keys as they were sent by a create."""
    texts: list[tuple[FieldNumber, Any]] = []
    """Canonical values of these keys' fields, to search by."""


class Binding(msgspec.Struct, gc=False):
    """Membership of one record in one cluster."""

    id: BindingId
    cluster_id: ClusterId
    system: str
    object: str
    ext_id: str
    body: BindingBody
    state: str = BindingState.LIVE
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
    status: str = AttemptStatus.OPEN


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
    state: str = ClusterState.LIVE
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

    @property
    def regs(self) -> dict[FieldNumber, Reg]:
        return self.body.regs

    def live(self) -> Iterator[Binding]:
        """Bindings whose record is believed to exist."""
        return (binding for binding in self.bindings if binding.state == BindingState.LIVE)

    def binding_in(self, system: str) -> Binding | None:
        """The live binding in a system, if there is one."""
        for binding in self.bindings:
            if binding.system == system and binding.state == BindingState.LIVE:
                return binding
        return None

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

    def context_of(self, binding: Binding, number: FieldNumber) -> Ctx:
        """What a binding's record is known to embody of a field; nothing where there is no shadow."""
        shadow = binding.body.shadow.get(number)
        if shadow is None:
            return {}
        if shadow.ctx is not None:
            return shadow.ctx
        reg = self.body.regs.get(number)
        return reg.ctx if reg is not None else {}

    def settle_contexts(self, number: FieldNumber, reg: Reg) -> None:
        """Before a register's context moves: write out the contexts that were "equal to it"."""
        for binding in self.bindings:
            shadow = binding.body.shadow.get(number)
            if shadow is not None and shadow.ctx is None:
                shadow.ctx = reg.ctx
                binding.changed = True

    def contexts(self, numbers: Iterable[FieldNumber]) -> dict[FieldNumber, Ctx]:
        """The register contexts of these fields, in order: what a refusal or an approval was about."""
        regs = self.body.regs
        return {number: regs[number].ctx for number in sorted(numbers) if number in regs}

    def ghosts(self, binding: Binding) -> list[Attempt]:
        """Writes to this record, its creates included, whose effect nobody knows."""
        if not self.attempts:
            return []
        return [
            attempt
            for attempt in self.attempts
            if attempt.status == AttemptStatus.UNKNOWN and attempt.binding_id == binding.id
        ]

    def open_attempt(self, system: str) -> Attempt | None:
        """The write to a system that is under way."""
        for attempt in self.attempts:
            if attempt.system == system and attempt.status == AttemptStatus.OPEN:
                return attempt
        return None

    def end(self, attempt: Attempt) -> None:
        self.attempts = [other for other in self.attempts if other.id != attempt.id]
        self.ended = [*self.ended, attempt.id]
