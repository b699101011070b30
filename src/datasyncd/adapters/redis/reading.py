"""Reading: all records of the fold, and those that entries came of since a position."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing

import anyio

from datasyncd.adapters.contract import Cursor, Hint, Key, Malformed, Moment, Page, Record
from datasyncd.adapters.digest import row_digest
from datasyncd.adapters.errors import Transient
from datasyncd.adapters.streams.state import Held, States

from .fold import Fold, Known, fits, key_of
from .session import Lost, Session, closed

PAGE = 250
"""Records, or entries, that are asked for at once."""
BLOCK_S = 5.0
"""How long the server waits for an entry before it says that there is none."""


class Pulling:
    """Pulls of one stream."""

    def __init__(self, fold: Fold, states: States, begin: Callable[[], Moment], trimmed_is_complete: bool) -> None:
        """`trimmed_is_complete`: what was taken out before the fold began was of no record that is there."""
        self._fold = fold
        self._states = states
        self._begin = begin
        self._trimmed_is_complete = trimmed_is_complete

    async def pages(self, since: Cursor | None) -> AsyncGenerator[Page, None]:
        """All records, or what changed since a cursor. If the stream is another one now, or the fold: all, and what is
        not among them is not said to be deleted."""
        known = await self._fold.look()
        position = _position(since, known)
        if position is not None:
            after, count = position
            async with aclosing(self._since(known, after)) as pages:
                async for page, entries in pages:
                    count += entries
                    yield page
            if count == known.added:
                yield Page([], self._begin(), _cursor(known))
                return
            # Entries were taken out of the stream: of which records is not known, but the fold has them.
        whole = (bool(known.whole) or self._trimmed_is_complete) and (since is None or position is not None)
        async with aclosing(self._everything()) as listed:
            async for page in listed:
                yield page
        yield Page([], self._begin(), _cursor(known), complete=whole)

    async def find(self, matches: Callable[[Record], bool]) -> list[Record]:
        """Records that match, of all that there are."""
        found: list[Record] = []
        async with aclosing(self._everything()) as pages:
            async for page in pages:
                found += filter(matches, page.records)
        return found

    async def _since(self, known: Known, after: bytes) -> AsyncGenerator[tuple[Page, int], None]:
        """Pages, each with how many entries it is of."""
        while True:
            began = self._begin()
            entries, last, found = await self._fold.since(after, known.at, PAGE)
            if not entries:
                return
            gone = [key for key, held in found.items() if held is None or held.data is None]
            yield self._page(found, began, gone), entries
            after = last

    async def _everything(self) -> AsyncGenerator[Page, None]:
        place, listed = b"0", set[Key]()
        while True:
            began = self._begin()
            place, found = await self._fold.some(place, PAGE)
            # A hash that grows or shrinks meanwhile may show a record twice.
            fresh = {key: held for key, held in found.items() if key not in listed}
            listed.update(fresh)
            if any(held.data is not None for held in fresh.values()):
                yield self._page(fresh, began, [])
            if place == b"0":
                return

    def _page(self, found: Mapping[Key, Held | None], began: Moment, gone: list[Key]) -> Page:
        read = [
            self._states.answer(key, held.data, held.version)
            if fits(key)
            else Malformed(None, self._fold.object, "a key is no text in UTF-8", row_digest([key]))
            for key, held in found.items()
            if held is not None and held.data is not None
        ]
        return Page(
            [row for row in read if isinstance(row, Record)],
            began,
            malformed=[row for row in read if isinstance(row, Malformed)],
            gone=[key for key in gone if fits(key)],
        )


async def listen(session: Session, fold: Fold) -> AsyncGenerator[Hint, None]:
    """A hint at once, and one for each entry. Raises `Transient` when the connection is lost."""
    client = session.opened(BLOCK_S * 2, 1)
    try:
        mark = (await fold.look()).at
        yield Hint()
        while True:
            try:
                told = await session.run(client.xread({fold.object: mark}, PAGE, round(BLOCK_S * 1000)))
            except Lost as lost:
                raise Transient(f"{fold.place}: the connection was lost ({lost})") from None
            if not told:
                known = await fold.look()
                if known.at != mark:  # another stream of the same name, whose IDs may be lower
                    mark = known.at
                    yield Hint()
                continue
            entries = told[0][1]
            mark = entries[-1][0]
            for key in {fields.get(b"key") for _id, fields in entries if fields}:
                yield Hint(None if key is None else key_of(key))
    finally:
        with anyio.CancelScope(shield=True), anyio.move_on_after(1):
            await closed(client)


def _position(since: Cursor | None, known: Known) -> tuple[bytes, int] | None:
    """The ID in a cursor, and how many entries there had been by then; None: it is none of this fold."""
    try:
        born, at, added = json.loads(since or "")
    except ValueError:
        return None
    return (at.encode(), added) if born == known.born.decode() and added <= known.added else None


def _cursor(known: Known) -> Cursor:
    return json.dumps([known.born.decode(), known.at.decode(), known.added])
