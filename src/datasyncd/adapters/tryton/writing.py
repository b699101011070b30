"""Writing: the writes of one push, each on the condition that nobody wrote its record since, and what became of it.

The server carries out a call as one transaction, and one bad record in it stops all. So the writes of a push are sent
together, and halved until each bad one is alone. What they expect goes with them: the timestamps of the records and of
the children that they change, which the server compares (`_timestamp`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any, TypeAlias

import msgspec

from datasyncd.adapters.contract import Key, Missing, Native, Outcome, Record, Rejected, Stale, Unknown, Write, Written
from datasyncd.adapters.errors import AdapterError, Unauthorised
from datasyncd.adapters.sql.form import Unfit

from .change import change
from .lookup import Lookup
from .model import Bound, Models
from .names import KEY
from .refusal import refusal
from .selection import Held, Selection
from .session import Changed, Refused, Session, Unsure

TRIES = 3
"""How often a write that names no version is begun anew if somebody else is quicker."""


class Step(msgspec.Struct):
    """A write that is ready to be sent."""

    index: int
    fields: dict[str, Native]
    id: int | None = None
    values: dict[str, Any] = {}
    stamps: dict[str, str] = {}


Send: TypeAlias = "Callable[[Sequence[Step]], Awaitable[Sequence[Key]]]"
"""Sends steps in one call, and tells the keys of their records."""


class Push:
    """The writes of one push."""

    def __init__(
        self,
        session: Session,
        models: Models,
        selection: Selection,
        writes: Sequence[Write],
        look: Callable[[Sequence[Key]], Awaitable[dict[Key, Held]]],
    ) -> None:
        self._session = session
        self._models = models
        self._selection = selection
        self._model = selection.model
        self._writes = writes
        self._look = look
        self._lookup = Lookup(session)
        self._bounds: dict[str, Bound] = dict(selection.bounds)
        self._outcomes: list[Outcome | None] = [None] * len(writes)

    async def run(self) -> list[Outcome]:
        """Make the writes; one outcome each. Raises what went wrong with the whole call if nothing was written.

        If the server stops to take writes in the middle, those that were not sent are answered `Stale`: they are not
        applied, and are read and planned again.
        """
        try:
            await self._learn()
            for wave in _waves(self._writes):
                await self._wave(wave)
        except AdapterError:
            if not any(isinstance(each, Written | Unknown) for each in self._outcomes):
                raise
        return [Stale() if outcome is None else outcome for outcome in self._outcomes]

    async def _learn(self) -> None:
        """What the writes name: fields that are mapped, others, and the records that values stand for."""
        for native in {name for write in self._writes for name in write.fields}:
            if native not in self._bounds:
                bound = await self._models.bind(self._model, native)
                if bound is not None:
                    self._bounds[native] = bound
        named = [
            (bound, value)
            for write in self._writes
            for native, value in write.fields.items()
            if (bound := self._bounds.get(native)) is not None and bound.target is not None and _is_fit(bound, value)
        ]
        await self._lookup.learn(named)

    async def _wave(self, indices: Sequence[int]) -> None:
        """Writes of different records; those that name no version are begun anew if somebody else is quicker."""
        for _ in range(TRIES):
            keys = [key for i in indices if self._writes[i].op != "create" and (key := self._writes[i].key) is not None]
            held = await self._look(keys) if keys else {}
            ready: dict[str, list[Step]] = {"create": [], "update": [], "delete": []}
            for index in indices:
                write = self._writes[index]
                found = self._ready(index, write, held.get(write.key or ""))
                if isinstance(found, Step):
                    ready[write.op].append(found)
                else:
                    self._outcomes[index] = found
            await self._halved(ready["create"], self._create)
            await self._halved(ready["update"], self._update)
            await self._halved(ready["delete"], self._delete)
            indices = [i for i in indices if isinstance(self._outcomes[i], Stale) and self._writes[i].version is None]
            if not indices:
                return

    def _ready(self, index: int, write: Write, held: Held | None) -> Step | Outcome:
        """What is to be sent, or what is answered without that."""
        if write.op == "delete" and (held is None or held.survivor is not None):
            return Written(write.key or "")
        if write.op != "create":
            if held is None or held.survivor is not None:
                return Missing()
            if write.version is not None and _version(held) != write.version:
                return Stale()
        step = Step(index, dict(write.fields))
        if held is not None:
            step.id, step.stamps = held.id, held.stamps
        if write.op != "delete":
            unknown = tuple(name for name in write.fields if name not in self._bounds)
            if unknown:
                return Rejected(f"{self._model.name} has no field {', '.join(unknown)} that can be mapped", unknown)
            fields = {name: value for name, value in write.fields.items() if name != KEY}
            values = change(self._bounds, fields, held, self._lookup)
            if isinstance(values, Rejected):
                return values
            step.values = values
            if held is not None and not values:
                return Written(str(held.id))
        return step

    # Calls

    async def _halved(self, steps: Sequence[Step], send: Send) -> None:
        """Send steps together; if the server refuses them, their halves."""
        if not steps:
            return
        try:
            keys = await send(steps)
        except Unsure as error:
            for step in steps:
                self._outcomes[step.index] = Unknown(f"{self._session.place}: {error}")
        except (Refused, Changed) as error:
            if len(steps) > 1:
                middle = len(steps) // 2
                await self._halved(steps[:middle], send)
                await self._halved(steps[middle:], send)
                return
            (step,) = steps
            if isinstance(error, Refused):
                self._forbidden(self._writes[step.index])
                self._outcomes[step.index] = refusal(error.said, self._model, self._bounds, step.fields)
            else:
                self._outcomes[step.index] = Stale()
        else:
            for step, key in zip(steps, keys, strict=True):
                self._outcomes[step.index] = Written(key)

    async def _create(self, steps: Sequence[Step]) -> Sequence[Key]:
        ids = await self._session.tell(self._model.name, "create", [step.values for step in steps])
        return [str(each) for each in ids]

    async def _update(self, steps: Sequence[Step]) -> Sequence[Key]:
        words = [word for step in steps for word in ([step.id], step.values)]
        await self._session.tell(self._model.name, "write", *words, _timestamp=_stamps(steps))
        return [str(step.id) for step in steps]

    async def _delete(self, steps: Sequence[Step]) -> Sequence[Key]:
        ids = [step.id for step in steps]
        await self._session.tell(self._model.name, "delete", ids, _timestamp=_stamps(steps))
        return [str(step.id) for step in steps]

    def _forbidden(self, write: Write) -> None:
        """Raises `Unauthorised` if the user may not do at all what was refused."""
        rights = self._model.rights
        may = {"create": rights.create, "update": rights.write, "delete": rights.delete}
        if not may[write.op]:
            raise Unauthorised(
                f"{self._session.place}: the user may not {write.op} records of {self._model.name}: give a group of"
                " the user that access"
            )


def _stamps(steps: Iterable[Step]) -> dict[str, str]:
    return {name: stamp for step in steps for name, stamp in step.stamps.items()}


def _version(held: Held) -> object:
    return held.record.version if isinstance(held.record, Record) else None


def _is_fit(bound: Bound, value: Native) -> bool:
    try:
        for each in value if isinstance(value, list) else [value]:
            if each is not None:
                bound.form.to_wire(each)
    except Unfit:
        return False
    return True


def _waves(writes: Sequence[Write]) -> list[list[int]]:
    """The numbers of the writes in groups in which no record comes twice, in order."""
    waves: list[list[int]] = []
    times: dict[Key, int] = {}
    for index, write in enumerate(writes):
        wave = 0
        if write.key is not None:
            wave = times.get(write.key, 0)
            times[write.key] = wave + 1
        while len(waves) <= wave:
            waves.append([])
        waves[wave].append(index)
    return waves
