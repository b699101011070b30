"""Promise 11: values survive."""

from __future__ import annotations

from collections.abc import Sequence

from datasyncd.adapters.contract import Native, Record, Written

from .desk import records
from .stage import NUMBERS, TEXTS, Stage, person
from .steps import creation, opened, read


class ValuePromises:
    """Whatever is written is read again."""

    async def test_11_texts_survive(self, stage: Stage) -> None:
        await self._survive(stage, "name", TEXTS)

    async def test_11_numbers_and_null_survive(self, stage: Stage) -> None:
        if stage.text_only:
            # Numbers are texts there, whatever they were.
            await self._survive(stage, "name", ["0", "-1", "9223372036854775807", "0.10"])
            return
        await self._survive(stage, "amount", NUMBERS)

    async def _survive(self, stage: Stage, field: str, values: Sequence[Native]) -> None:
        """Values that we write are read back by us and by others, and those that others write by us."""
        expected = {f"v{n:02}": stage.stored(field, value) for n, value in enumerate(values)}
        async with opened(stage) as adapter:
            schema = await adapter.describe("people")
            created = [
                creation(schema, f"v{n:02}", {**person(stage, f"v{n:02}"), field: value})
                for n, value in enumerate(values)
            ]
            outcomes = await adapter.push("people", created)
            keys = [outcome.key for outcome in outcomes if isinstance(outcome, Written)]
            assert len(keys) == len(values), outcomes

            found = [record.fields[field] for record in await read(adapter, keys) if isinstance(record, Record)]
            assert found == list(expected.values())
            held = await stage.holds()
            assert [held[key][field] for key in keys] == list(expected.values())

            theirs = {f"t{key}": {**person(stage, key), field: value} for key, value in zip(keys, values, strict=True)}
            await stage.insert(theirs)
            pulled = await records(adapter, "people")
            assert [pulled[key][field] for key in theirs] == list(expected.values())
