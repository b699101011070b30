"""Typists: who edits what, by chance. No text is typed twice."""

from __future__ import annotations

import random
from collections.abc import Mapping

from tests.end_to_end.three_stores import FIELDS, Change, Row, Value


class Typists:
    """Who edits what, by chance."""

    def __init__(self, seed: int, *, removes: bool = True) -> None:
        self.chance = random.Random(seed)
        self.count = 0
        self.removes = removes
        """Whether tags are taken away, too."""

    def changes(self, store: Mapping[str, Row], system: str, count: int) -> list[Change]:
        """For one store that shows these rows."""
        known = {person: dict(row) for person, row in store.items()}
        out = []
        for _ in range(count):
            person = self.chance.choice(list(known))
            field = self.chance.choice(FIELDS[1:])
            change = Change(person, field, self._value(known[person], field, system))
            known[person][field] = change.value
            out.append(change)
        return out

    def _value(self, row: Row, field: str, system: str) -> Value:
        self.count += 1
        if field == "score":
            return self.count + self.chance.randrange(-50, 50)
        if field == "sms":
            return self.chance.choice(("in", "out")) if system == "prefs" else "out"
        if field == "tags":
            if self.removes and row["tags"] and self.chance.random() < 0.5:
                gone = self.chance.choice(row["tags"])
                return tuple(tag for tag in row["tags"] if tag != gone)
            return tuple(sorted((*row["tags"], f"tag{self.count}")))
        if field == "email":
            return f"e{self.count}@example.org"
        return f"{field} {self.count}"
