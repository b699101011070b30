"""Arrivals: whether an edit has come from one store to another, and what `status` says of a link meanwhile."""

from __future__ import annotations

import json
from typing import Any

from tests.end_to_end.three_stores import Change, Stores

PERSON = "C00003"
"""Whom these edits are about."""


def arrives(stores: Stores, source: str, target: str, field: str, value: str) -> bool:
    """Whether an edit, made now or before, has come from one store to another."""
    if stores.by_name[source].rows()[PERSON][field] != value:
        stores.by_name[source].edit([Change(PERSON, field, value)])
    return bool(stores.by_name[target].rows()[PERSON][field] == value)


def link(stores: Stores, system: str) -> dict[str, Any]:
    """What `status` says of a link."""
    found = stores.command("status", "--json")
    assert found.stdout, found.stderr
    (known,) = [link for link in json.loads(found.stdout)["links"] if link["system"] == system]
    return dict(known)
