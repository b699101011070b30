"""Writing: the writes of one push, each a request of its own, and what became of it.

A card is written whole: it is read, the named fields are changed in it, and it is put back on the condition that nobody
changed it since. What the map does not name is sent as it was read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeAlias

import anyio
import msgspec

from datasyncd.adapters.contract import (
    Clash,
    Key,
    Missing,
    Native,
    Outcome,
    Record,
    Rejected,
    Stale,
    Unknown,
    Write,
    Written,
)
from datasyncd.adapters.digest import alike_but
from datasyncd.adapters.errors import AdapterError
from datasyncd.adapters.http.client import AT_ONCE, Answer, Lost, TooLarge

from . import multistatus
from .address_book import AddressBook, Found, Held
from .card import Card, NotACard, sent
from .names import KEY, UID, NativeName, name_of
from .reading import Selection
from .trouble import (
    BAD_REQUEST,
    CONFLICT,
    CREATED,
    FORBIDDEN,
    GONE,
    MISSING,
    NO_CONTENT,
    OK,
    STALE,
    TOO_LARGE,
    UNPROCESSABLE,
    WRONG_KIND,
    is_unsure,
)
from .values import fields_of, new_card, unfit
from .values import write as write_fields

Attempt: TypeAlias = "Callable[[int, Write, Found], Awaitable[Outcome]]"

TRIES = 3
"""How often an unconditional write is begun anew if somebody else is quicker."""

_DONE = (OK, CREATED, NO_CONTENT)
_REFUSALS = {
    "valid-address-data": "the server takes the card for no valid vCard",
    "supported-address-data": "the server does not take cards of this version",
    "max-resource-size": "the card is larger than the server takes",
}
"""Conditions that a card did not meet (RFC 6352, 6.3.2.1)."""
_SAME_UID = "no-uid-conflict"


class Put(msgspec.Struct, frozen=True):
    """A card that was written."""

    key: Key
    tag: str | None
    """The ETag that the server answered with."""
    before: Record | None = None
    """The record at the version that the write named."""


class Push:
    """The writes of one push."""

    def __init__(self, book: AddressBook, selection: Selection, writes: Sequence[Write]) -> None:
        self._book = book
        self._selection = selection
        self._writes = writes
        self._outcomes: list[Outcome | None] = [None] * len(writes)
        self._put: dict[int, Put] = {}
        self._trouble: AdapterError | None = None

    async def run(self) -> list[Outcome]:
        """Make the writes; one outcome each. Raises what went wrong with the whole call if nothing was written.

        If the server stops to take writes in the middle, those that were not sent are answered `Stale`: they are not
        applied, and are read and planned again.
        """
        keys = [write.key for write in self._writes if write.key is not None and write.op != "create"]
        held = await self._book.cards(keys) if keys else {}
        by_key: dict[Key | None, list[int]] = {}
        for index, write in enumerate(self._writes):
            by_key.setdefault(write.key, []).append(index)
        limit = anyio.CapacityLimiter(AT_ONCE)
        async with anyio.create_task_group() as tasks:
            for key, indices in by_key.items():
                tasks.start_soon(self._in_order, limit, indices, held.get(key or ""))
        if self._trouble is not None and not any(isinstance(each, Written | Unknown) for each in self._outcomes):
            raise self._trouble
        await self._show()
        return [Stale() if outcome is None else outcome for outcome in self._outcomes]

    async def _in_order(self, limit: anyio.CapacityLimiter, indices: Sequence[int], held: Found) -> None:
        """The writes of one card."""
        async with limit:
            for index in indices:
                if self._trouble is not None:
                    return
                try:
                    if index != indices[0]:
                        held = (await self._book.cards([self._writes[index].key or ""]))[self._writes[index].key or ""]
                    self._outcomes[index] = await self._one(index, held)
                except AdapterError as error:
                    self._trouble = error

    async def _one(self, index: int, held: Found) -> Outcome:
        write = self._writes[index]
        try:
            match write.op:
                case "create":
                    return await self._create(index, write)
                case "update":
                    return await self._again(index, write, held, self._update)
            return await self._again(index, write, held, self._delete)
        except (Lost, TooLarge) as error:
            return Unknown(f"{self._book.place}: the answer was lost ({str(error) or 'it is too large'})")

    async def _again(self, index: int, write: Write, held: Found, attempt: Attempt) -> Outcome:
        """A write that names no version is begun anew if somebody else was quicker."""
        outcome = await attempt(index, write, held)
        for _ in range(TRIES - 1):
            if write.version is not None or not isinstance(outcome, Stale):
                break
            outcome = await attempt(index, write, (await self._book.cards([write.key or ""]))[write.key or ""])
        return outcome

    # One write

    async def _create(self, index: int, write: Write) -> Outcome:
        fields, refused = self._named(write)
        key = write.key
        if key is None or not self._book.is_key(key):
            return Rejected(f"{KEY}: a new card needs one, without slashes and control characters", (KEY,))
        if fields.pop(KEY, key) not in (key, ""):
            refused[KEY] = "is not that of the new card"
        uid = key.removesuffix(".vcf")
        for name, value in fields.items():
            if isinstance(name, NativeName) and _is_uid(name) and value:
                uid = str(value)
                refused |= {name.native: why} if (why := unfit(uid)) else {}
        if refused:
            return _rejected(refused)
        named = {name: value for name, value in fields.items() if isinstance(name, NativeName) and not _is_uid(name)}
        card, refused = new_card(uid, self._selection.names, named)
        if refused:
            return _rejected(refused)
        answer = await self._book.put(key, sent(card.text), None)
        if answer.status == STALE:
            there = (await self._book.cards([key]))[key]
            return _not_taken() if there is None else Clash(KEY, key)
        return self._answered(index, answer, Put(key, answer.headers.get("etag")))

    async def _update(self, index: int, write: Write, held: Found) -> Outcome:
        key = write.key or ""
        fields, refused = self._named(write)
        if fields.pop(KEY, key) != key:
            refused[KEY] = "a card stays where it is"
        if refused:
            return _rejected(refused)
        now = None if held is None else self._selection.record_of(key, held)
        if held is None or now is None:
            return Missing()
        if not isinstance(now, Record) or not isinstance(held, Held):
            return Rejected("what is there is quarantined: it is not a card that can be read")
        if write.version is not None and write.version != now.version:
            return Stale()
        return await self._change(
            index, write, held, now, {n: v for n, v in fields.items() if isinstance(n, NativeName)}
        )

    async def _change(
        self, index: int, write: Write, held: Held, now: Record, fields: dict[NativeName, Native]
    ) -> Outcome:
        card = Card.read(held.text)
        uids = [name for name in fields if _is_uid(name)]
        before = fields_of(card, uids)
        moved = {name.native: "the UID of a card never changes" for name in uids if fields[name] != before[name.native]}
        refused = moved or write_fields(card, self._selection.names, {n: v for n, v in fields.items() if n not in uids})
        if refused:
            return _rejected(refused)
        named = now if write.version is not None else None
        if card.text == held.text:
            return Written(now.key, now, alone=named is not None)
        answer = await self._book.put(now.key, sent(card.text), held.tag)
        if answer.status == STALE:
            return await self._stale(now.key, held.tag)
        return self._answered(index, answer, Put(now.key, answer.headers.get("etag"), named))

    async def _delete(self, index: int, write: Write, held: Found) -> Outcome:
        key = write.key or ""
        if held is None or (isinstance(held, Held) and _is_group(held)):
            return Written(key)
        if write.version is not None and write.version != self._selection.version_of(held.tag):
            return Stale()
        if not held.tag:
            return Rejected("the server does not say which version of the card it has")
        answer = await self._book.delete(key, held.tag)
        if answer.status in (MISSING, GONE):
            return Written(key)
        if answer.status == STALE:
            return await self._stale(key, held.tag)
        return self._answered(index, answer, None)

    def _named(self, write: Write) -> tuple[dict[NativeName | str, Native], dict[str, str]]:
        """What a write is to change, by names taken apart and the key; and what no card has."""
        fields: dict[NativeName | str, Native] = {}
        refused: dict[str, str] = {}
        for native, value in write.fields.items():
            name = name_of(native)
            if native == KEY:
                fields[KEY] = value
            elif name is None:
                refused[native] = "no card has such a field"
            else:
                fields[name] = value
        return fields, refused

    # What was answered

    async def _stale(self, key: Key, tag: str) -> Outcome:
        """A condition was not met. There are servers that say so of a card that is too large for them."""
        there = (await self._book.cards([key]))[key]
        return _not_taken() if there is not None and there.tag == tag else Stale()

    def _answered(self, index: int, answer: Answer, put: Put | None) -> Outcome:
        write = self._writes[index]
        if answer.status in _DONE:
            if put is None:
                return Written(write.key or "")
            self._put[index] = put
            return Written(put.key)
        if is_unsure(answer):
            return Unknown(f"{self._book.place}: the server failed (status {answer.status})")
        why = multistatus.precondition(answer.body) if answer.status in (FORBIDDEN, CONFLICT) else ""
        if why == _SAME_UID:
            return Clash(UID, self._other(answer))
        if why in _REFUSALS:
            return Rejected(_REFUSALS[why])
        if answer.status == TOO_LARGE:
            return Rejected(_REFUSALS["max-resource-size"])
        if answer.status in (BAD_REQUEST, WRONG_KIND, UNPROCESSABLE):
            return Rejected(f"the server does not take the card (status {answer.status})")
        raise self._book.trouble(answer)

    def _other(self, answer: Answer) -> Key | None:
        """The card that has the same UID, where the server names it."""
        href = multistatus.parsed(answer.body).find(f".//{multistatus.DAV}href")
        return None if href is None else self._book.key_of((href.text or "").strip())

    async def _show(self) -> None:
        """Show what the cards are after the writes, where the ETag proves that it is these writes' doing alone."""
        if not self._put:
            return
        try:
            found = await self._book.cards([put.key for put in self._put.values()])
        except (AdapterError, TooLarge):
            return
        for index, put in self._put.items():
            held = found[put.key]
            if not isinstance(held, Held) or held.tag != put.tag:
                continue
            image = self._selection.record_of(put.key, held)
            if isinstance(image, Record):
                alone = put.before is not None and alike_but(
                    self._writes[index].fields, put.before.fields, image.fields
                )
                self._outcomes[index] = Written(put.key, image, alone)


def _is_uid(name: NativeName | str) -> bool:
    return isinstance(name, NativeName) and name.lines.property == UID


def _is_group(held: Held) -> bool:
    try:
        return Card.read(held.text).is_group
    except NotACard:
        return False


def _rejected(refused: dict[str, str]) -> Rejected:
    return Rejected("; ".join(f"{name}: {why}" for name, why in refused.items()), tuple(refused))


def _not_taken() -> Rejected:
    return Rejected("the server does not take the card, though nobody else changed it; it may be too large")
