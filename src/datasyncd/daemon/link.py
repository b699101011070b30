"""Link: one system's part in one entity, ready to be pulled from and pushed to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import msgspec

from datasyncd.adapters.contract import Adapter, Answer, Cursor, Key, Moment, Native, ObjectSpec, Record
from datasyncd.adapters.digest import ABSENT, row_digest
from datasyncd.adapters.translate.mapping import Translation
from datasyncd.reconcile.fingerprint import Fingerprinter
from datasyncd.reconcile.reading import Reading
from datasyncd.reconcile.rules import EntityRule, FieldNumber, LinkRule, Value

LONGEST_RAW = 500
"""Characters of an unreadable value that quarantine keeps."""


class Link:
    """Rules, translation and adapter of one link, and what this process knows of its pulls."""

    def __init__(
        self, rule: LinkRule, entity: EntityRule, adapter: Adapter, translation: Translation, spec: ObjectSpec
    ) -> None:
        self.rule = rule
        self.entity = entity
        self.adapter = adapter
        self.translation = translation
        self.spec = spec
        self.capabilities = adapter.capabilities(spec.object)
        self.columns = spec.columns
        self.natives = translation.natives
        self.natives_mapped = frozenset(name for names in self.natives.values() for name in names)
        self.complete_began = Moment(-1, 0)
        """Begin of the last complete pull in this process."""
        self.last_began = Moment(-1, 0)
        """Begin of the last pull in this process: an answer since then has not come back yet."""
        self.standing: Cursor | None = None
        """Where pulls are not incremental: the cursor of the last complete one in this process."""
        self.wants_full = True
        """The next pull is a complete one."""
        self.holds_lost = False
        """A guard holds what the object seems to have lost: pulls are complete ones until it is decided."""
        self.early: dict[Key, int] = {}
        """Where readings by key may be old: hints that were read once, by generation; a later reading settles them."""
        self.drifts = False
        """Most readings lost some field: only complete pulls show when it is back."""

    async def read(self, keys: Sequence[Key], *, strong: bool = False) -> Sequence[Answer]:
        """Records by key, as they are when they are asked for if it has to be `strong`."""
        if strong and self.rule.stale_us:
            return await self.adapter.read(self.object, keys, strong=True)
        return await self.adapter.read(self.object, keys)

    @property
    def name(self) -> str:
        return f"{self.rule.system}.{self.rule.entity}"

    @property
    def key(self) -> tuple[str, str]:
        """System and entity."""
        return self.rule.system, self.rule.entity

    @property
    def system(self) -> str:
        return self.rule.system

    @property
    def object(self) -> str:
        return self.rule.object

    def digest_of(self, record: Record) -> bytes:
        """Digest of a native row, its version included."""
        if isinstance(record.version, bytes) and self.rule.version_order == "digest":
            return record.version
        fields = record.fields
        return row_digest([*(fields.get(name, ABSENT) for name in self.columns), record.version])

    def reading(
        self,
        record: Record,
        digest: bytes,
        began: Moment,
        arrived_at: int,
        fp: Fingerprinter,
        *,
        by_id: bool,
        strong: bool = False,
    ) -> Reading:
        """A record in canonical values. `strong`: it is not older than its begin, whatever the system promises."""
        read = self.translation.reading(record)
        invalid = (
            {
                number: (fp(["invalid", row_digest([raw])]), reason, _shown(raw))
                for number, (raw, reason) in read.invalid.items()
            }
            if read.invalid
            else {}
        )
        return Reading(
            record.key, read.values, digest, began.seq, began.at, arrived_at, read.edited_at, record.version,
            invalid, by_id, stale=self.rule.stale_us > 0 and not strong,
        )  # fmt: skip

    def carried(self, record: Record) -> dict[str, Native]:
        """What of a record is sent back as it was read, where only whole ones are taken: all that is mapped."""
        writable = self.translation.is_writable
        return {name: raw for name, raw in record.fields.items() if name in self.natives_mapped and writable(name)}

    def native(self, values: Mapping[FieldNumber, Value]) -> tuple[dict[str, Native], dict[FieldNumber, str]]:
        """Native fields, and the reason for each value that the system cannot hold."""
        return self.translation.native(values)


def _shown(raw: Native) -> str:
    """A raw value as a person is shown it, cut to a bounded length."""
    if isinstance(raw, int) and raw.bit_length() > 1_000:
        return "(an integer of more than 300 digits)"
    text = str(raw) if isinstance(raw, str | Decimal) else repr(raw)
    return text[:LONGEST_RAW].encode("utf-8", "backslashreplace").decode()


class Counts(msgspec.Struct):
    """What a cycle did."""

    read: int = 0
    echoes: int = 0
    """Writes of ours that came back and were recognised."""
    created: int = 0
    updated: int = 0
    deleted: int = 0
    changed: int = 0
    """Clusters that a reading changed."""
    refused: int = 0
    unknown: int = 0
    held: int = 0

    def wrote(self, op: str) -> None:
        if op == "create":
            self.created += 1
        elif op == "update":
            self.updated += 1
        else:
            self.deleted += 1

    def add(self, other: Counts) -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
