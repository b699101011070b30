"""Known names: what the file declares, so that a name that dangles can be told, and its nearest be named."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from .fields import AnyField
from .grammar import Document
from .lines import KeyPath
from .problems import Findings, nearest


class Known(msgspec.Struct, frozen=True):
    """The names in one file, also of tables that are wrong themselves."""

    systems: tuple[str, ...]
    entities: dict[str, tuple[str, ...]]
    """The names of the fields by entity."""
    links: frozenset[tuple[str, str]]
    """(system, entity)"""
    fields: dict[str, dict[str, AnyField]]
    """By entity and name: the fields whose type could be read."""


def known_names(raw: dict[str, Any], document: Document) -> Known:
    links = _table(raw.get("links"))
    return Known(
        systems=tuple(_table(raw.get("systems"))),
        entities={
            name: tuple(_table(_table(entity).get("fields"))) for name, entity in _table(raw.get("entities")).items()
        },
        links=frozenset((system, entity) for system, table in links.items() for entity in _table(table)),
        fields={name: entity.fields for name, entity in document.entities.items()},
    )


def check_known(name: str, known: Iterable[str], noun: str, path: KeyPath, findings: Findings) -> bool:
    """Report a name that dangles."""
    known = tuple(known)
    if name in known:
        return True
    findings.error(path, f'no {noun} "{name}"', nearest(name, known))
    return False


def _table(raw: object) -> dict[str, Any]:
    return raw if isinstance(raw, dict) else {}
