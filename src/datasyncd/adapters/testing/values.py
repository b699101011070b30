"""Promise 11: values survive."""

from __future__ import annotations

from collections.abc import Sequence

from datasyncd.adapters.contract import Native, Record, Written

from .promise import none, promise, same
from .stage import NUMBERS, TEXTS, Stage, person
from .steps import creation, listed, opened, push, read


class ValuePromises:
    """Whatever is written is read again."""

    @promise
    async def test_11_texts_survive(self, stage: Stage) -> None:
        await self._survive(stage, "name", TEXTS)

    @promise
    async def test_11_numbers_and_null_survive(self, stage: Stage) -> None:
        if stage.text_only:
            # Numbers are texts there, whatever they were.
            await self._survive(stage, "name", ["0", "-1", "9223372036854775807", "0.10"])
            return
        await self._survive(stage, "amount", NUMBERS)

    async def _survive(self, stage: Stage, field: str, tried: Sequence[Native]) -> None:
        """Values that we write are read back by us and by others, and those that others write by us."""
        values = [value for value in tried if stage.takes(field, value)]
        expected = [stage.stored(field, value) for value in values]
        async with opened(stage) as adapter:
            keys: list[str] = []
            if not adapter.capabilities("people").read_only:
                schema = await adapter.describe("people")
                created = [
                    creation(schema, f"v{n:02}", {**person(stage, f"v{n:02}"), field: value})
                    for n, value in enumerate(values)
                ]
                outcomes = await push(adapter, *created)
                bad = [outcome for outcome in outcomes if not isinstance(outcome, Written)]
                none(bad, "the outcomes of new records that are not Written")
                keys = [outcome.key for outcome in outcomes if isinstance(outcome, Written)]

                found = [record.fields[field] for record in await read(adapter, keys) if isinstance(record, Record)]
                _each(found, expected, "what we read of what we wrote")
                held = await stage.holds()
                _each([held[key][field] for key in keys], expected, "what somebody else sees of what we wrote")

            theirs = {f"t{n:02}": {**person(stage, f"t{n:02}"), field: value} for n, value in enumerate(values)}
            await stage.insert(theirs)
            pulled = await listed(adapter, [*keys, *theirs])
            _each([pulled.get(key, {}).get(field) for key in theirs], expected, "what we pull of what somebody wrote")


def _each(found: Sequence[Native], expected: Sequence[Native], what: str) -> None:
    """Value by value, so that a text names the one at fault."""
    same(len(found), len(expected), f"{what}: how many values there are")
    for one, other in zip(found, expected, strict=True):
        same((type(one).__name__, one), (type(other).__name__, other), what)
