"""Accounts: where each edit of a text went. Texts are unique, so that a value names its edit.

An edit is in the final value, or another edit replaced it in the store that showed it, or a report names it.
There is no fourth place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tests.end_to_end.three_stores import Edit, Row

TEXTS = ("email", "first_name", "last_name", "city", "note")


def lost(edits: Iterable[Edit], final: Mapping[str, Row], reports: Sequence[Mapping[str, Any]]) -> list[Edit]:
    """Edits of texts that went nowhere."""
    texts = [edit for edit in edits if edit.field in TEXTS]
    replaced = {(edit.person, edit.field, edit.replaced) for edit in texts}
    reported = {
        (report["field"], candidate["value"], candidate["system"])
        for report in reports
        if report["field"] in TEXTS
        for candidate in report["candidates"]
    }
    return [
        edit
        for edit in texts
        if final[edit.person][edit.field] != edit.value
        and (edit.person, edit.field, edit.value) not in replaced
        and (edit.field, edit.value, edit.system) not in reported
    ]


def invented(edits: Iterable[Edit], reports: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Reports of texts that nobody typed there, or of which one author had seen the other's."""
    made = {(edit.field, edit.value): edit for edit in edits if edit.field in TEXTS}
    wrong = []
    for report in reports:
        if report["field"] not in TEXTS:
            continue
        found = [made.get((report["field"], candidate["value"])) for candidate in report["candidates"]]
        sources = [candidate["system"] for candidate in report["candidates"]]
        known = [edit for edit in found if edit is not None]
        followed = any(a.value in set(_before(b, made)) for a in known for b in known)
        if len(known) != len(found) or [edit.system for edit in known] != sources or followed or len(found) < 2:
            wrong.append(report)
    return wrong


def _before(edit: Edit, made: Mapping[tuple[str, Any], Edit]) -> Iterator[Any]:
    """The values that its author's store had shown, as far as edits replaced one another."""
    at: Edit | None = edit
    while at is not None:
        yield at.replaced
        at = made.get((edit.field, at.replaced))
