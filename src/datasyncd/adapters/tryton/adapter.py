"""The adapter of Tryton: the contract, over the models of one database."""

from __future__ import annotations

import re
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
    Moved,
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
from datasyncd.adapters.http.client import Client
from datasyncd.adapters.registry import AdapterKind, manifest_of

from .model import Models
from .names import KEY
from .pulling import MARK, PAGE, Pulling
from .searching import ASKED, comparable, domain, matches
from .selection import Held, Selection, forwards
from .session import Session
from .writing import Push

LATE_S = 300.0
"""Longest time after we gave up in which a server may still carry out a call."""
HOPS = 20
"""Longest chain of parties of which each was merged into the next that is followed."""

Seconds = Annotated[float, msgspec.Meta(gt=0, le=3600, description="a number of seconds above 0, up to 3600")]
Overlap = Annotated[float, msgspec.Meta(ge=0, description="a number of seconds, 0 or more")]
_IS_KEY = re.compile("[1-9][0-9]{0,17}").fullmatch


class TrytonOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Options of a system with `adapter = "tryton"`."""

    url: Annotated[str, msgspec.Meta(examples=["https://tryton.example.com/"])]
    """The server."""
    database: Annotated[str, msgspec.Meta(min_length=1)]
    """The database on it."""
    user: Annotated[str, msgspec.Meta(min_length=1)]
    """Who the daemon is there."""
    password: str
    """Of that user, usually as a credential."""
    ca: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    """File with the certificate of the authority that vouches for the server; else those of this machine count."""
    unencrypted: bool = False
    """`http://` is taken for a server that is not this machine: everybody on the way can read the password."""
    overlap_s: Overlap = 300.0
    """With a `cursor`: as long as the longest transaction takes there. So much is read again each time."""
    timeout_s: Seconds = 60.0
    """How long to wait for an answer."""
    connect_s: Seconds = 10.0
    """How long to wait for a connection."""

    def __post_init__(self) -> None:
        if why := fault(self.url, self.unencrypted):
            raise OptionError("url", why)
        if ":" in self.user:
            raise OptionError("user", "a name cannot have a colon in it")

    def __repr__(self) -> str:
        return "TrytonOptions(...)"


class TrytonAdapter:
    """Models of one database."""

    def __init__(self, context: Context, options: TrytonOptions) -> None:
        self._context = context
        url = URL(options.url if options.url.endswith("/") else f"{options.url}/", encoded=True)
        self._client = Client(
            f"{context.system}: {url.host}",
            {},
            None if options.ca is None else context.base / options.ca,
            connect_s=options.connect_s,
            timeout_s=options.timeout_s,
        )
        self._session = Session(
            self._client, url, options.database, options.user, options.password, lambda: context.begin().at
        )
        self._models = Models(self._session)
        self._selections: dict[str, Selection] = {}
        self._overlap = round(options.overlap_s * 1e6)

    def capabilities(self, object: str) -> Capabilities:
        """What the timestamps that the server compares, and its transactions, promise."""
        spec = self._context.objects.get(object)
        return Capabilities(
            condition=Condition.ENFORCED,
            version_order=VersionOrder.DIGEST,
            assigns_key=True,
            forward=forwards(object),
            late_s=LATE_S,
            search_lag_s=0.0,
            pull_is_reading=True,
            deletions=Deletions.ABSENCE,
            incremental=spec is not None and spec.cursor is not None,
            batch=PAGE,
        )

    async def describe(self, object: str) -> Schema:
        """The fields of the model as the server tells them, and what else the map names."""
        spec = self._context.objects.get(object)
        if spec is not None and spec.key != KEY:
            raise Unsupported(f'{self._context.system}: a record is named by its number: `key = "{KEY}"` expected')
        if spec is not None and spec.cursor not in (None, MARK):
            raise Unsupported(f'{self._context.system}: changes are told by one field only: `cursor = "{MARK}"`')
        self._models.forget()
        self._selections.pop(object, None)
        model = await self._models.model(object)
        names = dict.fromkeys([*model.fields, *(spec.columns if spec is not None else ())])
        bounds = [bound for name in names if (bound := await self._models.bind(model, name)) is not None]
        lacks: list[str] = []
        if spec is not None and all(name in {bound.name.native for bound in bounds} for name in spec.columns):
            selection = self._selections[object] = await Selection.of(self._models, spec, self._context.system)
            for each in (model, *selection.groups.values()):
                missing = [op for op in ("create", "write", "delete") if not getattr(each.rights, op)]
                lacks += [f"the user may not {op} records of {each.name}: see its access rights" for op in missing]
        return Schema(object, tuple(bound.column for bound in bounds), key_assigned=True, lacks=tuple(lacks))

    async def pull(self, object: str, since: Cursor | None) -> AsyncIterator[Page]:
        """All records by ascending id, or those that were written since a cursor."""
        async for page in (await self._pulling(object)).pages(since):
            yield page

    async def read(self, object: str, keys: Sequence[Key], *, strong: bool = False) -> Sequence[Answer]:
        """Records by key, two hundred in one call; parties that were merged away name where they live on."""
        held = await self._look(object, keys)
        moved = {key: found.survivor for key, found in held.items() if found.survivor is not None}
        survivors = await self._survivors(object, moved)
        answers: list[Answer] = []
        for key in keys:
            found = held.get(key)
            if key in moved:
                last = survivors.get(key)
                answers.append(Gone(key) if last is None else Moved(key, last))
            else:
                answers.append(Gone(key) if found is None else found.record)
        return answers

    async def find(self, object: str, field: str, values: Sequence[Native]) -> Sequence[Record]:
        """Records by a value; texts with an @ are compared without case."""
        selection = await self._selection(object)
        bound = selection.bounds.get(field)
        if bound is None:
            raise NotFound(f"{self._context.system}: no link maps the field {field!r} of {object}")
        pulling = await self._pulling(object)
        found: dict[int, Record] = {}
        for start in range(0, len(values), ASKED):
            part = values[start : start + ASKED]
            sought = domain(bound, part)
            wanted = {comparable(value) for value in part}
            last = 0
            while sought is not None:
                rows = await pulling.rows(sought, last)
                for held in rows:
                    record = held.record
                    if isinstance(record, Record) and held.survivor is None and matches(record.fields[field], wanted):
                        found[held.id] = record
                if len(rows) < PAGE:
                    break
                last = rows[-1].id
        return list(found.values())

    async def push(self, object: str, writes: Sequence[Write]) -> Sequence[Outcome]:
        """Apply the writes; see `writing.Push`."""
        if not writes:
            return []
        selection = await self._selection(object)

        async def look(keys: Sequence[Key]) -> dict[Key, Held]:
            return await self._look(object, keys)

        return await Push(self._session, self._models, selection, writes, look).run()

    async def watch(self, object: str) -> AsyncIterator[Hint]:
        """The server tells its own clients alone of changes as they happen."""
        raise Unsupported(f"{self._context.system}: a Tryton server tells of no changes by itself; use `every`")
        yield Hint()

    async def aclose(self) -> None:
        """Close all connections; a call that runs is cut short."""
        await self._client.aclose()

    def concerns(self) -> Sequence[str]:
        """What a map that reads the first child of a kind does not show."""
        return [
            f"{self._context.system}: {count} records of {object} have more than one {shown} in use: the first counts"
            for object, selection in self._selections.items()
            for shown, count in selection.several.items()
            if count
        ]

    def figures(self) -> Mapping[str, int]:
        """Nothing is measured."""
        return {}

    async def _look(self, object: str, keys: Sequence[Key]) -> dict[Key, Held]:
        """What there is for these keys now."""
        pulling = await self._pulling(object)
        ids = sorted({int(key) for key in keys if _IS_KEY(key)})
        found: dict[Key, Held] = {}
        for start in range(0, len(ids), PAGE):
            for held in await pulling.rows([[KEY, "in", ids[start : start + PAGE]]], 0):
                found[str(held.id)] = held
        return found

    async def _survivors(self, object: str, moved: Mapping[Key, Key]) -> dict[Key, Key]:
        """Where those that were merged away live on now; of whom that is gone, too: nothing."""
        ahead, survivors = dict(moved), dict[Key, Key]()
        for _ in range(HOPS):
            if not ahead:
                break
            held = await self._look(object, sorted(set(ahead.values())))
            for key, into in list(ahead.items()):
                found = held.get(into)
                if found is None:
                    del ahead[key]
                elif found.survivor is None:
                    survivors[key] = ahead.pop(key)
                else:
                    ahead[key] = found.survivor
        return survivors

    async def _pulling(self, object: str) -> Pulling:
        return Pulling(self._session, await self._selection(object), self._context.begin, self._overlap)

    async def _selection(self, object: str) -> Selection:
        if object not in self._selections:
            spec = self._spec(object)
            self._selections[object] = await Selection.of(self._models, spec, self._context.system)
        return self._selections[object]

    def _spec(self, object: str) -> ObjectSpec:
        try:
            return self._context.objects[object]
        except KeyError:
            raise NotFound(f"{self._context.system}: no link uses the model {object!r}") from None


KIND = AdapterKind(
    name="tryton",
    options=TrytonOptions,
    open=TrytonAdapter,
    text_only=False,
    manifest=manifest_of(__package__),
)
