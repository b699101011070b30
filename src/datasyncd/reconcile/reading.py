"""Reading: one record as a system showed it, in canonical values."""

from __future__ import annotations

import msgspec

from .rules import FieldNumber, Value


class Reading(msgspec.Struct, gc=False):
    """One record as read, in canonical values. A mapped field in neither `values` nor `invalid` is absent."""

    ext_id: str
    values: dict[FieldNumber, Value]
    digest: bytes
    """Of the native row, its version included."""
    seq: int
    """Global sequence when the reading began."""
    began_at: int
    arrived_at: int
    edited_at: int | None = None
    version: object = None
    invalid: dict[FieldNumber, tuple[bytes, str, str]] = {}
    """Present and untranslatable: fingerprint of the raw value, the reason, and the raw value for a person to see."""
    by_id: bool = False
    stale: bool = False
    """It may show an older state: it neither ends a ghost nor acknowledges."""
    listed_at: int = 0
    """Begin of the last pull that listed every record: what it showed unchanged is not noted anywhere else."""
