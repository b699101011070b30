"""Names: a native field of a record, or one of a record that it is related to.

    name                              a field of the record
    country.code                      of the one record that a field points to
    addresses.city                    of the first of the record's own children
    addresses.country.code            of what that child points to
    addresses[invoice=true].city      of the first child of which a field has this value
    categories.name                   of all records that it is put together with: a list

Tryton's parties have their e-mail addresses and telephone numbers as children; short names stand for the first of
a kind.
"""

from __future__ import annotations

import re

import msgspec

KEY = "id"
STAMP = "_timestamp"
"""What Tryton tells of a record's version: when it was written, as text."""
REPLACED = "replaced_by"
"""Where a party that was merged away names the one that survived."""

_MECHANISMS = ("email", "phone", "mobile", "fax", "website")
_SHORT = {model: {kind: f"contact_mechanisms[type={kind}].value" for kind in _MECHANISMS} for model in ("party.party",)}
_NAME = re.compile(r"(?P<first>\w+)(?:\[(?P<key>\w+)=(?P<value>[^\]]*)\])?(?:\.(?P<field>\w+))?(?:\.(?P<target>\w+))?")


class Name(msgspec.Struct, frozen=True):
    """A name taken apart."""

    native: str
    first: str
    """A field of the record itself."""
    where: tuple[str, str] | None = None
    """Of children: the field that picks one, and its value as text."""
    field: str | None = None
    """A field of the related record."""
    target: str | None = None
    """A field of what that one points to."""

    @property
    def group(self) -> tuple[str, tuple[str, str] | None]:
        """Names with the same group are about the same child."""
        return self.first, self.where


def name_of(model: str, native: str) -> Name | None:
    """What a native name of a model is made of; None: it is no name."""
    found = _NAME.fullmatch(_SHORT.get(model, {}).get(native, native))
    if found is None or (found["key"] is not None and found["field"] is None):
        return None
    where = None if found["key"] is None else (found["key"], found["value"])
    return Name(native, found["first"], where, found["field"], found["target"])
