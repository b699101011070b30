"""The adapter of CardDAV: the contract, over the address books of one user."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated

import msgspec
from yarl import URL

from datasyncd.adapters.contract import (
    Answer,
    Capabilities,
    Condition,
    Context,
    Cursor,
    Deletions,
    Gone,
    Hint,
    Key,
    Native,
    ObjectSpec,
    Outcome,
    Page,
    Record,
    Schema,
    VersionOrder,
    Write,
)
from datasyncd.adapters.errors import NotFound, OptionError, Unsupported
from datasyncd.adapters.http.address import fault
from datasyncd.adapters.registry import AdapterKind, manifest_of

from .address_book import AddressBook, Features, Found
from .names import KEY, columns, doubles, name_of
from .reading import PAGE, Pulling, Selection, records_in
from .scratch import CarddavScratch
from .searching import askable, comparable, matches
from .server import client_of, folder_of
from .writing import Push

LATE_S = 300.0
"""Longest time after we gave up in which a server may still carry out a request."""
LAG_S = 30.0
"""Longest time until what was written shows in a list of changes."""
ASKED = 25
"""Values that are searched for at once."""

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600, description="a number of seconds above 0, up to 3600")]


class CarddavOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of a system with `adapter = "carddav"`."""

    url: Annotated[str, msgspec.Meta(examples=["https://dav.example.com/ann/"])]
    """The folder of the address books on the server; the `object` of a link is the name of one in it."""
    user: str = ""
    """Who the daemon is there."""
    password: str = ""
    """Of that user, usually as a credential."""
    ca: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    """File with the certificate of the authority that vouches for the server; else those of this machine count."""
    unencrypted: bool = False
    """`http://` is taken for a server that is not this machine: everybody on the way can read the password."""
    timeout_s: Seconds = 30.0
    """How long to wait for an answer."""
    connect_s: Seconds = 10.0
    """How long to wait for a connection."""

    def __post_init__(self) -> None:
        if why := fault(self.url, self.unencrypted):
            raise OptionError("url", why)
        if ":" in self.user:
            raise OptionError("user", "a name cannot have a colon in it")

    def __repr__(self) -> str:
        return "CarddavOptions(...)"


class CarddavAdapter:
    """Address books of one user."""

    def __init__(self, context: Context, options: CarddavOptions) -> None:
        self._context = context
        self._url = folder_of(options)
        self._client = client_of(context.system, context.base, options)
        self._books: dict[str, AddressBook] = {}

    def capabilities(self, object: str) -> Capabilities:
        """What ETags and sync tokens promise. A server without tokens is listed whole each time."""
        return Capabilities(
            condition=Condition.ENFORCED,
            # A card that is changed and changed back may have the same ETag again.
            version_order=VersionOrder.DIGEST,
            late_s=LATE_S,
            search_lag_s=LAG_S,
            pull_is_reading=True,
            deletions=Deletions.TOLD,
            incremental=True,
            batch=PAGE,
        )

    async def describe(self, object: str) -> Schema:
        """What a card can hold, once the server has said that it is an address book."""
        spec = self._context.objects.get(object)
        if spec is not None and spec.key != KEY:
            raise Unsupported(f'{self._context.system}: a card is named by its address: `key = "{KEY}"` expected')
        if spec is not None and (twice := doubles(spec.columns)):
            raise Unsupported(f"{self._context.system}: {' and '.join(twice)} are one field of a card: map it once")
        features = await self._book(object).look()
        return Schema(object, columns(spec.columns if spec is not None else ()), lacks=_lacking(features))

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        """All cards, or those that changed since a cursor, a hundred in one request."""
        pulling = Pulling(self._book(object), Selection.of(self._spec(object)), self._context.begin)
        async for page in pulling.pages(since):
            yield page

    async def read(self, object: str, keys: Sequence[Key], *, strong: bool = False) -> Sequence[Answer]:
        """Cards by key, a hundred in one request."""
        book, selection = self._book(object), Selection.of(self._spec(object))
        found: dict[Key, Found] = {}
        for start in range(0, len(keys), PAGE):
            found.update(await book.cards(keys[start : start + PAGE]))
        read = {key: selection.record_of(key, held) for key, held in found.items() if held is not None}
        return [read.get(key) or Gone(key) for key in keys]

    async def find(self, object: str, field: str, values: Sequence[Native]) -> Sequence[Record]:
        """Cards by a value; texts with an @ are compared without case. What a server cannot be asked for is looked for
        among all cards."""
        if name_of(field) is None and field != KEY:
            raise NotFound(f"{self._context.system}: no card has a field {field!r}")
        wanted = {comparable(value) for value in values if isinstance(value, str)}
        if not wanted:
            return []
        found = await self._candidates(object, field, sorted(wanted))
        records = records_in(Selection.of(self._spec(object)), found)
        return [record for record in records if matches(record.fields.get(field), wanted)]

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Apply the writes, each with a request of its own; see `writing.Push`."""
        if not writes:
            return []
        return await Push(self._book(object), Selection.of(self._spec(object)), writes).run()

    async def watch(self, object: str) -> AsyncIterator[Hint]:
        """CardDAV has no way to tell of changes as they happen."""
        raise Unsupported(f"{self._context.system}: a CardDAV server tells of no changes by itself; use `every`")
        yield Hint()

    async def aclose(self) -> None:
        """Close all connections; a call that runs is cut short."""
        await self._client.aclose()

    async def _candidates(self, object: str, field: str, texts: Sequence[str]) -> Mapping[Key, Found]:
        """Cards among which all are that have one of these values."""
        book = self._book(object)
        if field == KEY:
            return await book.cards(texts)
        found: dict[Key, Found] = {}
        if askable(field, texts):
            for start in range(0, len(texts), ASKED):
                part = await book.containing(field.partition(";")[0].upper(), texts[start : start + ASKED])
                if part is None:
                    break
                found.update(part)
            else:
                return found
        keys = await book.everything()
        for start in range(0, len(keys), PAGE):
            found.update(await book.cards(keys[start : start + PAGE]))
        return found

    def _book(self, object: str) -> AddressBook:
        if object not in self._books:
            url = self._url.join(URL(object.rstrip("/") + "/"))
            if url.origin() != self._url.origin():
                raise NotFound(f"{self._context.system}: {object!r} is not on the server of `url`")
            place = f"{self._client.place}: {object}"
            self._books[object] = AddressBook(self._client, url, place, lambda: self._context.begin().at)
        return self._books[object]

    def _spec(self, object: str) -> ObjectSpec:
        try:
            return self._context.objects[object]
        except KeyError:
            raise NotFound(f"{self._context.system}: no link uses the address book {object!r}") from None


def _lacking(features: Features) -> tuple[str, ...]:
    """What the user may not do, as far as the server says it (RFC 3744, 3)."""
    if features.rights is None or features.rights & {"all", "write"}:
        return ()
    needed = {"bind": "make cards", "write-content": "change cards", "unbind": "delete cards"}
    return tuple(
        f"the user may not {what}: the server gives no right `{right}`"
        for right, what in needed.items()
        if right not in features.rights
    )


KIND = AdapterKind(
    name="carddav",
    options=CarddavOptions,
    open=CarddavAdapter,
    text_only=False,
    manifest=manifest_of(__package__),
    stage=CarddavScratch,
)
