"""Pulling: the pages of a pull, by ascending id, so that what others edit meanwhile moves nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from datasyncd.adapters.contract import Cursor, Key, Malformed, Moment, Page, Record
from datasyncd.adapters.errors import Unsupported
from datasyncd.adapters.sql import overlap

from .names import KEY
from .selection import Held, Selection
from .session import Session
from .values import INSTANT

PAGE = 200
"""Records that are asked for at once."""
MARK = "write_date"
"""The only cursor: when a record was written, which the server keeps."""
_MADE = "create_date"


class Pulling:
    """Pulls of one model."""

    def __init__(self, session: Session, selection: Selection, begin: Callable[[], Moment], overlap_us: int) -> None:
        self._session = session
        self._selection = selection
        self._begin = begin
        self._overlap = overlap_us

    async def pages(self, since: Cursor | None) -> AsyncIterator[Page]:
        """All records, or those that were written since a cursor, they or the children that are mapped."""
        cursor = self._selection.spec.cursor
        seen = overlap.seen_in(since, cursor)
        asked = self._begin()
        mark = None if cursor is None else await self._newest(asked.at)
        position = None
        if cursor is not None:
            position = overlap.position(cursor, seen, mark or (seen[-1][1] if seen else None), asked.at, self._overlap)
        if not seen:
            self._selection.several.clear()
        domain = _since(self._selection, overlap.begin(seen, asked.at, self._overlap)) if seen else []
        last = 0
        while True:
            began = self._begin()
            rows = await self.rows(domain, last)
            page = self._page(rows, began, told=bool(seen))
            if len(rows) < PAGE:
                page.cursor, page.complete = position, not seen
                yield page
                return
            yield page
            last = rows[-1].id

    async def rows(self, domain: Sequence[Any], behind: int) -> list[Held]:
        """The next records by id that a domain finds, those that are not active too."""
        selection = self._selection
        wanted = [["id", ">", behind], domain] if domain else [["id", ">", behind]]
        rows = await self._session.ask(
            selection.spec.object, "search_read", wanted, 0, PAGE, [[KEY, "ASC"]], selection.asked, active_test=False
        )
        ids = [behind, *(row[KEY] for row in rows)]
        if any(former >= later for former, later in pairwise(ids)):
            raise Unsupported(f"{self._session.place}: the server does not list {selection.spec.object} by its ids")
        if not domain:
            selection.count_several(rows)
        return [selection.held(row) for row in rows]

    def _page(self, rows: Sequence[Held], began: Moment, *, told: bool) -> Page:
        """`told`: what was merged away is told as gone."""
        there = [held.record for held in rows if held.survivor is None]
        gone: list[Key] = [str(held.id) for held in rows if held.survivor is not None]
        return Page(
            [record for record in there if isinstance(record, Record)],
            began,
            malformed=[record for record in there if isinstance(record, Malformed)],
            gone=gone if told else [],
        )

    async def _newest(self, now_us: int) -> str | None:
        """When the last record was written, of the model and of the children that are mapped; never later than now."""
        found: list[str] = []
        for model in (self._selection.model.name, *(each.name for each in self._selection.groups.values())):
            for name in (MARK, _MADE):
                order = [[name, "DESC NULLS LAST"]]
                rows = await self._session.ask(model, "search_read", [], 0, 1, order, [name], active_test=False)
                found += [INSTANT.decode(row[name]) for row in rows if row[name] is not None]
        if not found:
            return None
        return min(max(found, key=datetime.fromisoformat), _shown(now_us), key=datetime.fromisoformat)


def _since(selection: Selection, mark: str) -> list[Any]:
    """A domain: written at that instant or later. A record that was only made may have no instant of writing."""
    instant = INSTANT.to_wire(mark)
    changed = [[MARK, ">=", instant], [_MADE, ">=", instant]]
    for first in dict.fromkeys(first for first, _ in selection.groups):
        changed += [[f"{first}.{MARK}", ">=", instant], [f"{first}.{_MADE}", ">=", instant]]
    return ["OR", *changed]


def _shown(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).isoformat()
