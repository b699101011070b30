"""People at work whose edits have one right outcome: no two edit the same field, so that every value is foretold."""

from __future__ import annotations

import itertools
import random

from tests.end_to_end.accounts import lost
from tests.end_to_end.three_stores import SYSTEMS, Change, Edit, Row, Stores, person_named

PEOPLE, LEAVING = 24, 24
"""How many stay, and how many more are deleted one by one and never edited. Those come first: SQLite gives the number
of its last row again when that was deleted."""
OWN = {"crm": ("first_name", "note"), "mail": ("last_name", "email"), "prefs": ("city", "sms")}
"""The fields that are edited in each store."""


def everybody() -> list[Row]:
    return [person_named(n) for n in range(PEOPLE + LEAVING)]


class Load:
    """Edits in all three stores, and what everybody must see in the end."""

    def __init__(self, stores: Stores, seed: int = 1, *, comes: bool = True) -> None:
        """`comes`: new people come, too."""
        self.stores = stores
        self._comes = comes
        self.expected: dict[str, Row] = {row["customer_id"]: dict(row) for row in everybody()}
        self.edits: list[Edit] = []
        self._chance = random.Random(seed)
        self._stay = [f"C{n:05}" for n in range(LEAVING, LEAVING + PEOPLE)]
        self._leave = [f"C{n:05}" for n in range(LEAVING)]
        self._numbers = itertools.count(1)
        self._new = itertools.count(PEOPLE + LEAVING)

    def round(self, systems: tuple[str, ...] = SYSTEMS) -> None:
        """Each store is edited; one person is new in one of them, and one is deleted in one of them."""
        for system in systems:
            changes = [self._change(person, system) for person in self._chance.sample(self._stay, 3)]
            self.edits += self.stores.by_name[system].edit(changes)
            for change in changes:
                self.expected[change.person][change.field] = change.value
        if self._comes:
            person = person_named(next(self._new))
            self.expected[person["customer_id"]] = person
            self.stores.by_name[self._chance.choice(systems)].add([person])
        if self._leave:
            person_id = self._leave.pop()
            del self.expected[person_id]
            self.stores.by_name[self._chance.choice(systems)].delete([person_id])

    def _change(self, person: str, system: str) -> Change:
        number, field = next(self._numbers), self._chance.choice(OWN[system])
        value = f"e{number}@example.org" if field == "email" else "out" if field == "sms" else f"{field} {number}"
        return Change(person, field, value)

    def arrived(self) -> bool:
        return all(rows == self.expected for rows in self.stores.rows().values())

    def check(self) -> None:
        """All is everywhere, once, and nothing else; nobody is asked anything, and nothing is left to do."""
        done = self.stores.sync()
        asked = {name: done.document[name] for name in ("conflicts", "quarantined", "held")}
        assert (done.code, done.document["failed"], asked) == (0, {}, dict.fromkeys(asked, 0))
        for system, rows in self.stores.rows().items():
            wrong = {
                person: (rows.get(person), self.expected.get(person))
                for person in rows.keys() | self.expected.keys()
                if rows.get(person) != self.expected.get(person)
            }
            assert wrong == {}, f"{system}: {wrong}"
        assert lost(self.edits, self.expected, []) == []
        assert self.stores.json("conflicts", "list", "--all") == []
        again = self.stores.sync()
        assert again.written == {system: {"create": 0, "update": 0, "delete": 0} for system in SYSTEMS}
