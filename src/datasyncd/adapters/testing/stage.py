"""The stage of the conformance suite: a real system, what stands in it, and somebody else who writes into it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import msgspec

from datasyncd.adapters.contract import Adapter, Key, Native, ObjectSpec

PEOPLE = ObjectSpec("people", "id", ("name", "email", "amount"))
"""What the suite maps. The object has two columns more: `changed`, which an increment can go by, and `note`, which is
never mapped. `amount` and `changed` are numbers where there are any, the others texts."""

MARKED = msgspec.structs.replace(PEOPLE, cursor="changed")

COLUMNS = (PEOPLE.key, *PEOPLE.fields, "changed", "note")
"""All columns of the object."""


class Stage(ABC):
    """A real system with one empty object `people`, and somebody else who writes into it."""

    text_only: ClassVar[bool] = False
    """All values are text, so that `amount` is, too."""
    many: ClassVar[int] = 2500
    """Records that need several pages."""
    made: str = "what the stage has made"
    """What stands in the system while the stage does, in words: `the table datasyncd_certify_1a2b`."""

    async def make(self) -> None:  # noqa: B027  # a stage may stand already
        """Make the object, empty. Called once, before all else."""

    async def remove(self) -> None:  # noqa: B027
        """Remove all that was made; called at the end whatever happened, also if `make` did not get far."""

    @abstractmethod
    def open(self, spec: ObjectSpec) -> Adapter:
        """A new adapter for the same system, each time; the suite closes it."""

    @abstractmethod
    async def insert(self, records: Mapping[Key, Mapping[str, Native]]) -> None:
        """Somebody else makes records."""

    @abstractmethod
    async def update(self, key: Key, fields: Mapping[str, Native]) -> None:
        """Somebody else changes fields of a record."""

    @abstractmethod
    async def delete(self, key: Key) -> None:
        """Somebody else deletes a record."""

    async def merge(self, key: Key, survivor: Key) -> None:
        """Somebody else merges a record into another one; only where the adapter promises `forward`."""
        raise NotImplementedError("override `merge` of the stage: the adapter promises `forward`")

    @abstractmethod
    async def holds(self) -> Mapping[Key, Mapping[str, Native]]:
        """All fields of all records, as somebody else sees them."""

    def stored(self, field: str, value: Native) -> Native:
        """What a lossy system says that it makes of a value."""
        return value

    def takes(self, field: str, value: Native) -> bool:
        """Whether the system can hold the value at all, as it is set up: what it cannot is not tried."""
        return True

    def bad(self) -> dict[str, Native]:
        """Fields that the system refuses, the first of them being at fault."""
        return {"no_such_field": "x"}


TEXTS = [
    "",
    " leading and trailing ",
    "tab\tand \"quotes\", 'both' kinds; a|b\\c",
    "two\nlines",
    "carriage\r\nreturn",
    "Zoë Łukasiewicz 王小明 Δημήτρης",
    "👩‍👩‍👧‍👦 🎉",
    "e\u0301 is not \u00e9",
    "\u202eright to left\u202c\u2028line\u2029paragraph",
    "0012", "1e3", "NULL", "null", "true", "#hash", "=1+1", "-",
    "2025-01-01T00:30:00+14:00",
    "2024-12-31",
    "123456789012345678901234567890.123456789",
    "x" * 200_000,
]  # fmt: skip
"""Values that have been lost, cut, split or taken for others somewhere."""

NUMBERS = [0, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), None]


def person(stage: Stage, key: Key, **more: Native) -> dict[str, Native]:
    """The fields of some person."""
    number: Native = "1" if stage.text_only else 1
    texts = {name: str(value) for name, value in more.items()} if stage.text_only else more
    return {"name": key, "email": f"{key}@example.org", "amount": number, **texts}
