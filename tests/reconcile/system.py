"""A system in the tests: memory that does what the test says, at the moment that the test says."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from random import Random
from typing import Any

import msgspec

from datasyncd.adapters.contract import (
    Answer,
    Capabilities,
    Condition,
    Context,
    Cursor,
    Deletions,
    Gone,
    Key,
    Malformed,
    Native,
    Outcome,
    Page,
    Record,
    VersionOrder,
    Write,
    Written,
)
from datasyncd.adapters.digest import ABSENT, row_digest
from datasyncd.adapters.errors import AdapterError
from datasyncd.adapters.memory.adapter import MemoryAdapter
from datasyncd.adapters.memory.faults import Fate, Faults
from datasyncd.adapters.memory.history import Versioned
from datasyncd.adapters.memory.world import Image, MemorySystem
from datasyncd.reconcile.rules import OptIn, WriteClass

OBJECT = "people"

Interruption = Callable[[], object]


class Plan(msgspec.Struct, kw_only=True):
    """How one system takes part: what it promises, what is mapped, and which way it goes."""

    name: str
    capabilities: Capabilities
    only: tuple[str, ...] = ()
    """Mapped fields; none: all."""
    pull: tuple[str, ...] = ()
    """Fields that only come from here."""
    push: tuple[str, ...] = ()
    """Fields that only go there."""
    key: str = "id"
    """Name of the field that is the record's own id."""
    where: Callable[[Any], bool] | None = None
    opt_in: OptIn = OptIn.BLANK
    edited_at: bool = False
    guards: dict[WriteClass, float] = {}
    at_least: int = 10
    stored_form: Callable[[str, Native], Native] = lambda field, value: value
    """What the system makes of a value; `declared`: it says so."""
    declared: bool = False
    refuses: Callable[[str, Native], str | None] = lambda field, value: None
    lag_s: float = 0.0
    page: int = 100


def system(
    name: str,
    condition: str = "enforced",
    *,
    version_order: str = "",
    image: bool = True,
    late_s: float = 0.0,
    search_lag_s: float = 0.0,
    read_max_s: float = 60.0,
    pull_is_reading: bool = True,
    incremental: bool = False,
    tells_deletes: bool = False,
    assigns_key: bool = True,
    create_key: bool = False,
    whole_record: bool = False,
    forward: bool = False,
    stale_s: float = 0.0,
    unique: tuple[str, ...] = (),
    batch: int = 500,
    **plan: Any,
) -> Plan:
    """A system's plan; by default one that is as good as a database table with a version column."""
    counts = condition != "none"
    capabilities = Capabilities(
        condition=Condition(condition),
        version_order=VersionOrder(version_order or ("counter" if counts else "digest")),
        returns_image=image,
        late_s=late_s,
        search_lag_s=search_lag_s,
        read_max_s=read_max_s,
        pull_is_reading=pull_is_reading,
        incremental=incremental,
        deletions=Deletions.TOLD if tells_deletes else Deletions.ABSENCE,
        assigns_key=assigns_key,
        create_key=create_key,
        whole_record=whole_record,
        forward=forward,
        stale_s=stale_s,
        unique=unique,
        batch=batch,
    )
    return Plan(name=name, capabilities=capabilities, **plan)


class Script(Faults):
    """Faults that the test has ordered, one call at a time."""

    def __init__(self) -> None:
        super().__init__(Random(0))
        self.fates: deque[Fate] = deque()
        self.failures: deque[AdapterError] = deque()
        self.down: AdapterError | None = None
        self.late_by_s = 0.0
        self.old_s = 0.0
        """How old the readings by key are that need not be strong."""

    def age_s(self, stale_s: float) -> float:
        return self.old_s

    def strike(self) -> None:
        if self.failures:
            raise self.failures.popleft()
        if self.down is not None:
            raise self.down

    def fate(self, late_s: float) -> Fate:
        return self.fates.popleft() if self.fates else Fate.ANSWERED

    def delay_s(self, late_s: float) -> float:
        return self.late_by_s


class Table(MemorySystem):
    """Memory in which the record's own id may be one of its fields."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(
            plan.capabilities, stored_form=plan.stored_form, refuses=plan.refuses, lag_s=lambda: plan.lag_s
        )
        self.key = plan.key
        self.blank: dict[str, Native] = {}
        """A new record has every field."""

    def land(self, object: str, write: Write, versioned: Versioned, image: Image | None = None) -> Outcome:
        """A write that changes the key is a rename."""
        if write.op == "create":
            write = msgspec.structs.replace(write, fields={**self.blank, **write.fields})
        renamed = write.fields.get(self.key)
        if write.op != "update" or renamed is None or renamed == write.key:
            return super().land(object, write, versioned, image)
        outcome = super().land(object, write, versioned)
        if isinstance(outcome, Written):
            assert write.key is not None
            self.rename(object, write.key, renamed)
            return Written(renamed, image(renamed, self.histories(object)[renamed].now) if image else None)
        return outcome

    def forget(self, field: str, *keys: Key) -> None:
        """Somebody saves these records without a field."""
        for key in keys:
            fields = self.holds(OBJECT)[key]
            self._write(OBJECT, key, {name: value for name, value in fields.items() if name != field})

    def rename(self, object: str, key: Key, renamed: Key) -> None:
        fields = self.holds(object)[key]
        self.delete(object, key)
        self.create(object, {**fields, self.key: renamed}, renamed)


class Desk(MemoryAdapter):
    """The adapter of a table: notes what is sent, and lets things happen in the middle of a call."""

    def __init__(self, context: Context, table: Table, script: Script, page: int) -> None:
        super().__init__(context, table, script, page=page)
        self.table = table
        self.script = script
        self.sent: list[Write] = []
        self.reads: list[Sequence[Key]] = []
        self.absent: set[str] = set()
        """Native fields that readings leave out."""
        self.malformed: set[Key] = set()
        """Records that cannot be read."""
        self.hides: set[Key] = set()
        """Records that a reading by key does not find just now."""
        self.twice = False
        """Pulls list every record twice."""
        self.replays: deque[Record] = deque()
        """Older answers that the next readings by key give once more."""
        self.waiting: dict[str, deque[Interruption]] = {}
        """What happens at the next `reading` (after the system answered), `writing` (before the write lands),
        `written` (after it landed), `page` (after the page was asked for)."""

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        async for page in super().pull(object, since):
            records = [self._seen(record) for record in page.records if record.key not in self.malformed]
            broken = [Malformed(r.key, f"row {r.key}", "broken") for r in page.records if r.key in self.malformed]
            self._now("page")
            if self.twice:
                records = [*records, *records]
            yield Page(records, page.began, page.cursor, page.complete, broken, page.gone)

    async def read(self, object: str, keys: Sequence[Key], *, strong: bool = False) -> Sequence[Answer]:
        self.reads.append(list(keys))
        answers = [self._answer(answer) for answer in await super().read(object, keys, strong=strong)]
        self._now("reading")
        return answers

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        self._now("writing")
        outcomes = await super().push(object, writes)
        self.sent.extend(writes)
        self._now("written")
        return outcomes

    def _answer(self, answer: Answer) -> Answer:
        if answer.key in self.hides and answer.key is not None:
            return Gone(answer.key)
        if self.replays and self.replays[0].key == answer.key:
            return self.replays.popleft()
        if answer.key in self.malformed:
            return Malformed(answer.key, f"row {answer.key}", "broken")
        return self._seen(answer) if isinstance(answer, Record) else answer

    def _seen(self, record: Record) -> Record:
        if not self.absent:
            return record
        fields = {name: value for name, value in record.fields.items() if name not in self.absent}
        version = record.version
        if self.table.capabilities.version_order is VersionOrder.DIGEST:
            version = row_digest([fields.get(name, ABSENT) for name in record.fields])
        return Record(record.key, fields, version)

    def _now(self, moment: str) -> None:
        waiting = self.waiting.get(moment)
        if waiting:
            waiting.popleft()()
