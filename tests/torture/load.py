"""People at work whose edits have one right outcome: no two edit the same field, so that every value is foretold."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from typing import Any

from tests.end_to_end.accounts import lost
from tests.end_to_end.three_stores import SYSTEMS, Change, Edit, Row, Stores, person_named

PEOPLE, LEAVING, CLASHING = 24, 24, 24
"""How many stay, how many more are deleted one by one and never edited, and of how many two people edit the note at
once. Those who leave come first: SQLite gives the number of its last row again when that was deleted."""
OPEN = "to be settled"
OWN = {"crm": ("first_name", "note"), "mail": ("last_name", "email"), "prefs": ("city", "sms")}
"""The fields that are edited in each store."""


def everybody() -> list[Row]:
    return [person_named(n) for n in range(LEAVING + PEOPLE + CLASHING)]


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
        self._clash = [f"C{n:05}" for n in range(LEAVING + PEOPLE, LEAVING + PEOPLE + CLASHING)]
        self.clashes: dict[str, dict[str, str]] = {}
        """Whose note two people edited without knowing of each other: what each store was given."""
        self._numbers = itertools.count(1)
        self._new = itertools.count(LEAVING + PEOPLE + CLASHING)

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

    def clash(self, *systems: str) -> None:
        """A note is edited in two stores while nobody carries anything from one to the other."""
        person = self._clash.pop()
        made = []
        for system in systems:
            made += self.stores.by_name[system].edit([Change(person, "note", f"note {next(self._numbers)}")])
        assert len({edit.replaced for edit in made}) == 1, "one author has seen what the other wrote"
        self.edits += made
        self.clashes[person] = {edit.system: edit.value for edit in made}
        self.expected[person]["note"] = OPEN

    def _change(self, person: str, system: str) -> Change:
        number, field = next(self._numbers), self._chance.choice(OWN[system])
        value = f"e{number}@example.org" if field == "email" else "out" if field == "sms" else f"{field} {number}"
        return Change(person, field, value)

    def arrived(self) -> bool:
        return all(shown == self.expected for shown in self._shown().values())

    def check(self) -> None:
        """All is everywhere, once, and nothing else; nobody is asked anything but of clashes, and nothing is left."""
        self._settle()
        done = self.stores.sync()
        asked = {name: done.document[name] for name in ("conflicts", "quarantined", "held")}
        assert (done.code, done.document["failed"], asked) == (0, {}, dict.fromkeys(asked, 0))
        for system, rows in self._shown().items():
            wrong = {
                person: (rows.get(person), self.expected.get(person))
                for person in rows.keys() | self.expected.keys()
                if rows.get(person) != self.expected.get(person)
            }
            assert wrong == {}, f"{system}: {wrong}"
        reports = self.stores.json("conflicts", "list", "--all")
        assert {report["key"]: sides(report) for report in reports} == self.clashes
        assert len(reports) == len(self.clashes)
        assert lost(self.edits, self.expected, reports) == []
        again = self.stores.sync()
        assert again.written == {system: {"create": 0, "update": 0, "delete": 0} for system in SYSTEMS}

    def _settle(self) -> None:
        """Each clash is reported with both values, and the newer of them is chosen."""
        if not self.clashes:
            return
        done = self.stores.sync()
        assert (done.code, done.document["failed"], done.document["conflicts"]) == (1, {}, len(self.clashes))
        reports = self.stores.json("conflicts", "list")
        assert {report["key"]: sides(report) for report in reports} == self.clashes
        assert self.stores.json("resolve", "--where", "field == 'note'", "--newest")["refused"] == []
        self.stores.sync()
        chosen = self.stores.crm.rows()
        for person, values in self.clashes.items():
            assert chosen[person]["note"] in values.values()
            self.expected[person]["note"] = chosen[person]["note"]

    def _shown(self) -> dict[str, dict[str, Row]]:
        """What the stores show; a note of which somebody is to say what it is stands in each as it is."""
        rows = self.stores.rows()
        for person in self.clashes:
            if self.expected[person]["note"] == OPEN:
                for shown in rows.values():
                    shown[person]["note"] = OPEN
        return rows


def sides(report: Mapping[str, Any]) -> dict[str, str]:
    """What each system says in a conflict."""
    return {candidate["system"]: candidate["value"] for candidate in report["candidates"]}
