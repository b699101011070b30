"""What a plan says; the keys are part of the interface."""

from __future__ import annotations

from typing import Any

import msgspec

from ..cycle import SyncResult


class Counted(msgspec.Struct):
    """What would happen to the records of one system and entity."""

    create: int = 0
    update: int = 0
    """Records that are written to, whatever is written."""
    delete: int = 0
    held: int = 0
    """Writes, or losses of this system, that a guard holds back for a person."""
    clear: int = 0
    """Fields that become blank."""
    opt_out: int = 0
    """Consents that are lowered in records that are there."""
    opt_in: int = 0
    """Consents that are raised in records that are there."""
    merged: int = 0
    """Records that are found to describe what other records describe, too."""
    quarantined: int = 0
    """Records and fields that are kept out."""


class Change(msgspec.Struct):
    """One field of an example."""

    was: Any = msgspec.field(name="from")
    to: Any
    because: str


class Example(msgspec.Struct):
    """One write."""

    system: str
    entity: str
    key: str
    action: str
    """create, update, delete; held: it waits for an approval; refused: the system would not take it."""
    kind: str
    """What it is an example of: opt_out, opt_in, clear, create, update, delete."""
    fields: dict[str, Change]


class PlanResult(msgspec.Struct):
    """What `sync` would do now."""

    systems: dict[str, dict[str, Counted]] = {}
    """By system and entity."""
    conflicts: int = 0
    """Conflicts that would be open then."""
    quarantined: int = 0
    held: int = 0
    """Held sets that would wait for an approval."""
    examples: list[Example] = []
    """Changes of consent first."""
    read: dict[str, int] = {}
    """Records, by system."""
    seconds: float = 0.0
    failed: dict[str, str] = {}
    """Links that could not be read, and why: what depends on them is not in the plan."""

    @property
    def exit_code(self) -> int:
        """That of the `sync` which it tells of."""
        return SyncResult(
            conflicts=self.conflicts, quarantined=self.quarantined, held=self.held, failed=self.failed
        ).exit_code
