"""Reading: cards as records, and the pages of a pull."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from hashlib import blake2b

import msgspec

from datasyncd.adapters.contract import Cursor, Key, Malformed, Moment, ObjectSpec, Page, Record

from .address_book import AddressBook, Changes, Found, Held, Unreadable
from .card import Card, NotACard
from .names import KEY, NativeName, name_of
from .values import fields_of

PAGE = 100
"""Cards that are asked for at once."""
_SYNC, _TAG = "sync", "tag"
_WAY = b"1"
"""Goes into versions: another number once the same card says something else to us."""


class Selection(msgspec.Struct, frozen=True):
    """What the config uses of a card."""

    spec: ObjectSpec
    names: tuple[NativeName, ...]
    """What is read, apart from the key."""

    @classmethod
    def of(cls, spec: ObjectSpec) -> Selection:
        return cls(spec, tuple(name for native in spec.columns if (name := name_of(native)) is not None))

    def version_of(self, tag: str) -> bytes:
        """The version of a card with this ETag: another one, too, once the map is another one."""
        digest = blake2b(_WAY, digest_size=8)
        digest.update("\0".join((*self.spec.columns, tag)).encode("utf-8", "surrogatepass"))
        return digest.digest()

    def record_of(self, key: Key, held: Held | Unreadable) -> Record | Malformed | None:
        """What a card says; None: it is a list of cards, which is nobody's."""
        place = f"{self.spec.object}/{key}"
        if isinstance(held, Unreadable):
            return Malformed(key, place, held.reason)
        try:
            card = Card.read(held.text)
        except NotACard as error:
            return Malformed(key, place, str(error))
        if card.is_group:
            return None
        return Record(key, self.fields_of(key, card), self.version_of(held.tag))

    def fields_of(self, key: Key, card: Card) -> dict[str, object]:
        said = {KEY: key, **fields_of(card, self.names)}
        return {name: said[name] for name in self.spec.columns if name in said}

    def page_of(self, found: Mapping[Key, Found], began: Moment, *, tells_gone: bool) -> Page:
        """`tells_gone`: what is not there is told as gone."""
        read = {key: self.record_of(key, held) for key, held in found.items() if held is not None}
        return Page(
            [record for record in read.values() if isinstance(record, Record)],
            began,
            malformed=[row for row in read.values() if isinstance(row, Malformed)],
            gone=[key for key in found if read.get(key) is None] if tells_gone else [],
        )


class Pulling:
    """Pulls of one address book."""

    def __init__(self, book: AddressBook, selection: Selection, begin: Callable[[], Moment]) -> None:
        self._book = book
        self._selection = selection
        self._begin = begin

    async def pages(self, since: Cursor | None) -> AsyncIterator[Page]:
        """All cards, or what changed since a cursor. If the server does not know its token any more: all."""
        kind, said = _read(since)
        if kind == _SYNC:
            changes = await self._book.since(said)
            if changes is not None:
                async for page in self._told(changes):
                    yield page
                return
        async for page in self._everything(said if kind == _TAG else None):
            yield page

    async def _told(self, changes: Changes) -> AsyncIterator[Page]:
        """What changed. A card that was deleted may have been made anew since: all are looked at."""
        async for page in self._parts([*changes.keys, *changes.gone], tells_gone=True):
            yield page
        yield Page([], self._begin(), _position(_SYNC, changes.token))

    async def _everything(self, tag: str | None) -> AsyncIterator[Page]:
        """`tag`: nothing is read if the book has it still."""
        began = self._begin()
        features = await self._book.look()
        listed = await self._book.since("") if features.syncs else None
        cursor: Cursor | None
        if listed is not None:
            keys, cursor = listed.keys, _position(_SYNC, listed.token)
        else:
            if tag is not None and features.tag == tag:
                yield Page([], began, _position(_TAG, tag))
                return
            # The tag was read before the list: what changes in between is found next time.
            keys = await self._book.everything()
            cursor = None if features.tag is None else _position(_TAG, features.tag)
        async for page in self._parts(keys, tells_gone=False):
            yield page
        yield Page([], self._begin(), cursor, complete=True)

    async def _parts(self, keys: Sequence[Key], *, tells_gone: bool) -> AsyncIterator[Page]:
        for start in range(0, len(keys), PAGE):
            began = self._begin()
            found = await self._book.cards(keys[start : start + PAGE])
            yield self._selection.page_of(found, began, tells_gone=tells_gone)


def records_in(selection: Selection, found: Mapping[Key, Found]) -> Iterable[Record]:
    """The cards that can be read."""
    for key, held in found.items():
        record = None if held is None else selection.record_of(key, held)
        if isinstance(record, Record):
            yield record


def _position(kind: str, mark: str) -> Cursor:
    return json.dumps([kind, mark])


def _read(cursor: Cursor | None) -> tuple[str, str]:
    """Of what kind a cursor is, and what it says; ("", ""): everything is to be read."""
    try:
        kind, mark = json.loads(cursor or "null")
    except (ValueError, TypeError):
        return "", ""
    return (kind, mark) if kind in (_SYNC, _TAG) and isinstance(mark, str) and mark else ("", "")
