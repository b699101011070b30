"""The contract between the daemon and a system: what is read, what is written, what is answered.

An adapter knows its wire format and its limits. It knows nothing of versions, conflicts or other systems.
Everything that crosses this border is *native*: named and typed as the system has it. Translation to and
from canonical values is done by `adapters.translate`, never by an adapter.

Errors of a whole call are exceptions (`adapters.errors`); what happened to one write is a value (`Outcome`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from .keeps import Keeps

Key: TypeAlias = str
"""A record's own id in its system, always as text (composite keys: a JSON array of texts)."""

Native: TypeAlias = Any
"""A value as the system holds it: None, bool, int, float, str, bytes, or a list or dict of these.

A column of JSON may also have a `Decimal`: a number with more digits than a float holds (`adapters.number`).
Any column may have an `Undecodable`.
"""


class Undecodable(msgspec.Struct, frozen=True):
    """A value that is there and that nobody can read: bytes where there should be text. It makes its field invalid and
    no other one, it counts for the version of its record, and no system is ever asked to write it."""

    data: bytes
    """As it is stored."""
    encoding: str
    """What it should be text in."""

    @property
    def reason(self) -> str:
        """What is wrong, without the value."""
        return f"text in {self.encoding} expected, not bytes that are none"

    def __repr__(self) -> str:
        """As a person is shown it."""
        return repr(self.data)


Version: TypeAlias = int | bytes | None
"""What a system tells of a record's version: a counter, or an opaque tag or digest. None: it tells nothing."""

Cursor: TypeAlias = str
"""Position of an incremental pull: opaque text, made and understood by the adapter alone."""


class Moment(msgspec.Struct, frozen=True, order=True, array_like=True):
    """When a reading began. Made by `Context.begin` just before the system is asked; opaque to adapters."""

    seq: int
    """The daemon's global sequence at that moment."""
    at: int
    """Microseconds since 1970 of the daemon's own clock."""


class ObjectSpec(msgspec.Struct, frozen=True):
    """What the config uses of one object (table, file, endpoint) of a system."""

    object: str
    key: str
    """Native name of the record's own id; of a composite one the first."""
    fields: tuple[str, ...]
    """Native names that are mapped, in the order of the map; a link touches no others."""
    edited_at: str | None = None
    """Native name of the field that says when the record was edited."""
    cursor: str | None = None
    """Native name of the field that an incremental pull goes by."""
    more_keys: tuple[str, ...] = ()
    """The further native names of a composite key, for adapters whose kind says `composite_keys`."""

    @property
    def keys(self) -> tuple[str, ...]:
        """All native names of the record's own id."""
        return (self.key, *self.more_keys)

    @property
    def columns(self) -> tuple[str, ...]:
        """All native names that a reading needs, each once: keys, fields, edited_at, cursor."""
        extra = (self.edited_at, self.cursor)
        return tuple(dict.fromkeys((*self.keys, *self.fields, *(name for name in extra if name is not None))))


class Context(msgspec.Struct, frozen=True):
    """What an adapter is given when it is opened."""

    system: str
    """Name of the system in the config, for error texts."""
    base: Path
    """Folder that relative paths in the options are relative to."""
    begin: Callable[[], Moment]
    """Call it just before asking the system for a page; put the result into `Page.began`."""
    objects: Mapping[str, ObjectSpec]
    """The objects that the config uses, by their name."""
    looks: bool = False
    """What is read is kept nowhere: no system may take a cursor that comes back for a promise that it is."""


class Record(msgspec.Struct):
    """One record as read. A mapped field that the system did not mention is missing from `fields`."""

    key: Key
    fields: dict[str, Native]
    version: Version = None


class Gone(msgspec.Struct, frozen=True):
    """The answer to a read by key: no such record (any more)."""

    key: Key


class Moved(msgspec.Struct, frozen=True):
    """The answer to a read by key, where `forward` is promised: the record was merged into another one."""

    key: Key
    survivor: Key
    """The record that it lives on in, now; never the key of one that was merged away itself."""


class Malformed(msgspec.Struct, frozen=True):
    """A row that could not be made a record: it is quarantined, its neighbours go on."""

    key: Key | None
    place: str
    """Where it stands, for a person: file and line, or table and row id. Holds no personal data."""
    reason: str
    """What is wrong with it, without the place: rows with one reason are shown as one cause."""
    digest: bytes = b""
    """Of a row without a key, where its place may move: names the row instead of the place."""


Answer: TypeAlias = Record | Gone | Moved | Malformed
"""What a read by key says of one record."""


class Page(msgspec.Struct):
    """Some records of a pull."""

    records: Sequence[Record]
    began: Moment
    """When the content of this page was asked for: no record in it is older than that."""
    cursor: Cursor | None = None
    """Position after this page; kept once everything before it is committed."""
    complete: bool = False
    """On the last page of a pull that listed every record that exists."""
    malformed: Sequence[Malformed] = ()
    gone: Sequence[Key] = ()
    """Records that the system told to be deleted or merged away, and that were not there when this page was asked
    for."""
    unchanged: bool = False
    """The only page of a pull: since its cursor, nothing changed but by writes that this adapter answered."""


class Hint(msgspec.Struct, frozen=True):
    """Something may have changed: one record, or (key None) anything in the object. Never a value."""

    key: Key | None = None


Op: TypeAlias = Literal["create", "update", "delete"]


class Write(msgspec.Struct):
    """One write of one record."""

    op: Op
    key: Key | None
    """None for a create whose key the system makes."""
    fields: dict[str, Native] = {}
    """The native fields that change, and no others. With `whole_record`: these, and all other mapped ones as they were
    read just before; what is not mapped is the adapter's to keep."""
    version: Version = None
    """The version that the record must still have (`condition = enforced`), as last read; None: unconditional."""
    idem_key: str = ""
    """The same for each repetition of one attempt."""
    origin: str = ""
    """Our origin tag, for systems that have a place for it."""


class Written(msgspec.Struct, frozen=True):
    """The write was applied. `image`: the whole record as stored, with its version, if the system answers with it.

    `alone`: between the image and the record at the version that the write named, nothing differs but fields of the
    write. False: something does, or it is not known.
    """

    key: Key
    image: Record | None = None
    alone: bool = False


class Stale(msgspec.Struct, frozen=True):
    """Not applied: the record has another version than expected."""


class Missing(msgspec.Struct, frozen=True):
    """Not applied: there is no such record. A delete of what is gone answers `Written`."""


class Clash(msgspec.Struct, frozen=True):
    """Not applied: another live record has this value of a unique field. `key` names it where the system does."""

    field: str | None
    key: Key | None = None


class Rejected(msgspec.Struct, frozen=True):
    """Not applied, and will not be if sent again: the reason, and the native fields at fault (empty: the record).

    The rest is sent again without these fields, of a new record, too.
    """

    reason: str
    fields: tuple[str, ...] = ()


class Unknown(msgspec.Struct, frozen=True):
    """It was sent, and nobody knows whether it was or will be applied."""

    reason: str


Outcome: TypeAlias = Written | Stale | Missing | Clash | Rejected | Unknown


class Condition(StrEnum):
    """What a system does with the version that a write expects."""

    ENFORCED = "enforced"
    """A write that expects an older version is refused."""
    VISIBLE = "visible"
    """None is refused, and each save of a record, whoever makes it, counts its version up by one (`counter`)."""
    NONE = "none"


class VersionOrder(StrEnum):
    """What two versions of one record can tell."""

    COUNTER = "counter"
    UNIQUE = "unique"
    DIGEST = "digest"


class Deletions(StrEnum):
    """How a system shows that a record was deleted."""

    TOLD = "told"
    ABSENCE = "absence"
    INVISIBLE = "invisible"


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a system promises for an object. A wrong declaration is a data-loss bug."""

    condition: Condition = Condition.NONE
    """What becomes of a write that expects an older version: refused, noticed afterwards, or nothing."""
    last_look: str = ""
    """Where none is refused: what comes right after the adapter itself has compared the version, in words such as
    "the file is replaced"; "": it does not compare."""
    remedy: str = ""
    """Where none is refused: what in the config would change that, one sentence."""
    version_order: VersionOrder = VersionOrder.DIGEST
    """What two versions tell: older and newer, another one, or another content."""
    returns_image: bool = False
    """A write is answered with the record as stored."""
    create_key: bool = False
    """Honours an idempotency key on create, for `late_s` and `search_lag_s` together at least: what is sent again under
    its key, just as it was, makes nothing new."""
    assigns_key: bool = False
    """The system makes the key of a new record; otherwise `Write.key` of a create names it."""
    unique: tuple[str, ...] = ()
    """Native fields of which the system refuses a second live record with the same value."""
    forward: bool = False
    """A record that was merged away names the one that survived: a read by key answers `Moved`."""
    late_s: float = 900.0
    """Seconds after which a write without an answer is applied no more."""
    search_lag_s: float = 300.0
    """Seconds after which a change shows in searches and pulls."""
    read_max_s: float = 60.0
    """Seconds after which a reading is too old to be used."""
    stale_s: float = 0.0
    """Seconds by which a reading by key may be old. Above 0 only where versions count, and `strong` readings exist."""
    pull_is_reading: bool = False
    """The rows of a pull are as good as readings by key."""
    whole_record: bool = False
    """A write replaces the whole record."""
    deletions: Deletions = Deletions.ABSENCE
    """How a deleted record shows: it is told, it is absent from a complete pull, or not at all."""
    incremental: bool = False
    """A pull since a cursor returns only what changed since; otherwise each pull is complete."""
    tells_unchanged: bool = False
    """Where pulls are not incremental: one since the cursor of a complete pull, by the same adapter, is a single
    `unchanged` page if nobody else changed anything since, and complete otherwise."""
    watches: bool = False
    """It tells of changes as they happen."""
    batch: int = 500
    """Most writes of one push; 0: a push rewrites the object, so a batch is all that is due."""
    read_only: bool = False
    """Nothing can be written."""


class Column(msgspec.Struct, frozen=True):
    """One native field of an object, as the system declares it."""

    name: str
    kind: Literal["text", "integer", "float", "boolean", "json", "list", "bytes", "any"]
    """What Python type its values have: `text` str, `json` any JSON value, `list` a list, `any` whatever is put in."""
    nullable: bool = True
    writable: bool = True
    max_length: int | None = None
    """Most characters of a text, and of each text in a list."""
    bounds: tuple[int, int] | None = None
    """Least and greatest whole number."""
    digits: tuple[int, int] | None = None
    """Of decimal numbers as text: how many digits are kept, and how many of them after the point. More than those are
    rounded, and more before the point are refused."""
    keeps: Keeps | None = None
    """Which values come back as they were written, if not all that it takes; what it makes of the others. What `digits`
    says need not be said again."""
    labels: tuple[str, ...] = ()
    """The only texts that it takes, and that a list in it may have; none: any."""
    takes_empty: bool = True
    """An empty text is a value of it."""
    takes_nul: bool = True
    """Texts may have the character U+0000."""
    required: bool = False
    """No record is made unless the fields of its write give it a value. A key that `Write.key` can give is none."""
    why_not: str = ""
    """Why it is not writable, and what would change that, where the system says it."""
    why_required: str = ""
    """Why it is required, and what would change that, where there is more to say than that it may not be NULL."""


class Schema(msgspec.Struct, frozen=True):
    """What an object looks like now."""

    object: str
    columns: tuple[Column, ...]
    key_assigned: bool = False
    """The system makes the key of a new record."""
    lacks: tuple[str, ...] = ()
    """What the daemon may not do there with whole records, one sentence each with what would allow it."""
    warns: tuple[str, ...] = ()
    """What somebody should know of it although it can be read and written, one sentence each with what to do."""
    absent: bool = False
    """The object is not there: it has no records, and the first push makes it."""


class Adapter(Protocol):
    """One system. Raises only the errors of `adapters.errors`; never one for a single record.

    On cancel: at any moment, without losing what was acknowledged; a write that may have been sent is the
    caller's to treat as `Unknown`.
    """

    def capabilities(self, object: str) -> Capabilities:
        """What the system promises for this object; known without asking it."""
        ...

    async def describe(self, object: str) -> Schema:
        """The object's fields as they are now. Raises `NotFound`, `Unreachable`, `Unauthorised`."""
        ...

    def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        """All records (`since` None), or those that changed since. Every record at least once.

        The last page of a full pull is `complete` only if every record that exists was listed.
        """
        ...

    async def read(self, object: str, keys: Sequence[Key], *, strong: bool = False) -> Sequence[Answer]:
        """The present truth by key: one answer a key, in order, each with the key that was asked for.

        Where `stale_s` is above 0 it may be as old as that, but not if `strong` is set; elsewhere that is never set.
        """
        ...

    async def find(self, object: str, field: str, values: Sequence[Native]) -> Sequence[Record]:
        """Records whose native `field` has one of `values` (text compared without case where it is an address)."""
        ...

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Apply the writes: one outcome a write, in order, never fewer."""
        ...

    def watch(self, object: str) -> AsyncIterator[Hint]:
        """Hints of changes, for ever, and one as soon as it listens: nobody was told what changed before.

        Raises `Unsupported` where `watches` is false.
        """
        ...

    async def aclose(self) -> None:
        """Free everything; may be called at any moment, also twice."""
        ...


@runtime_checkable
class Concerned(Protocol):
    """An adapter that knows of its system, beside its answers, what somebody should know."""

    def concerns(self) -> Sequence[str]:
        """As of the last call: one sentence each, with what to do."""
        ...

    def figures(self) -> Mapping[str, int]:
        """What was measured of it by then, by names that end with a unit."""
        ...
