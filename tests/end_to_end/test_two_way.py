"""Thousands of edits on all sides of three stores: nothing is lost, nothing invented, and it comes to rest."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from datasyncd.daemon import cycle
from datasyncd.daemon.config.load import load
from datasyncd.daemon.engine import Engine
from tests.end_to_end import mysql_store
from tests.end_to_end.accounts import TEXTS, invented, lost
from tests.end_to_end.postgres_store import LIVE, STREAMED, PostgresPrefs, config
from tests.end_to_end.three_stores import FIELDS, SYSTEMS, Edit, Row, Stores, Value, person_named
from tests.end_to_end.typists import Typists

PEOPLE = 200
EDITS = {"files": 10_000, "PostgreSQL": 4_000, "PostgreSQL, by a slot": 4_000, "MariaDB": 4_000}
IN_A_ROUND = 200
BY_COMMAND = 10
"""Each so many-th round goes through the command."""


async def synced(stores: Stores, number: int) -> dict[str, Any]:
    """One `sync`; what it says."""
    if number % BY_COMMAND == 0:
        return stores.sync().document
    async with Engine.open(load(stores.config), "sync") as engine:
        result = await cycle.sync(engine)
    return {"written": result.written, "failed": result.failed, "conflicts": result.conflicts}


class Expected:
    """What everybody will see, by what each field promises."""

    def __init__(self, rows: Mapping[str, Row]) -> None:
        self.tags = {person: set(row["tags"]) for person, row in rows.items()}
        self.sms = {person: row["sms"] for person, row in rows.items()}
        self.score = {person: row["score"] for person, row in rows.items()}
        self.clashes: dict[str, dict[str, Value]] = defaultdict(dict)
        """Of `note`: what each store holds that took part in an open conflict."""

    def takes(self, edits: Iterable[Edit]) -> None:
        """The edits of one round: of one store's edits of one field, its last is what is read."""
        last: dict[tuple[str, str], dict[str, Edit]] = defaultdict(dict)
        first: dict[tuple[str, str, str], Value] = {}
        for edit in edits:
            first.setdefault((edit.person, edit.field, edit.system), edit.replaced)
            last[edit.person, edit.field][edit.system] = edit
        for (person, field), by_system in last.items():
            found = {
                system: edit.value for system, edit in by_system.items() if edit.value != first[person, field, system]
            }
            before = next(iter(first[person, field, system] for system in by_system))
            if not found:
                continue
            if field == "tags":
                for system, value in found.items():
                    shown = set(first[person, field, system])
                    self.tags[person] |= set(value) - shown
                    self.tags[person] -= shown - set(value)
            elif field == "sms":
                self.sms[person] = "out" if "out" in found.values() else next(iter(found.values()))
            elif field == "score":
                self.score[person] = max(found.values())
            elif field == "note":
                held = self.clashes[person]
                held.update(found)
                if len(held) < 2:
                    self.clashes.pop(person)
            assert field in ("tags", "note") or all(first[person, field, s] == before for s in by_system)


@pytest.fixture(params=list(EDITS))
def kind(request: pytest.FixtureRequest) -> str:
    """What the preference centre is."""
    return str(request.param)


@pytest.fixture
def stores(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stores]:
    people = [person_named(n) for n in range(PEOPLE)]
    if kind == "files":
        yield Stores.of(tmp_path, people)
        return
    if kind == "MariaDB":
        with mysql_store.MysqlPrefs.of(request.getfixturevalue("mysql")) as centre:
            yield Stores.of(tmp_path, people, mysql_store.config(centre), prefs=centre)
        return
    mode = STREAMED if "slot" in kind else LIVE
    with PostgresPrefs.of(request.getfixturevalue("database"), mode) as prefs:
        yield Stores.of(tmp_path, people, config(prefs.database.dsn(), mode), prefs=prefs)


async def test_thousands_of_edits_on_all_sides(stores: Stores, kind: str) -> None:
    typists, edits = Typists(7), []
    await synced(stores, 0)
    expected = Expected(stores.crm.rows())
    seen_clashes: set[frozenset[Value]] = set()
    for number in range(1, EDITS[kind] // IN_A_ROUND + 1):
        round_ = made_in_a_round(stores, typists, IN_A_ROUND)
        edits += round_
        expected.takes(round_)
        seen_clashes |= {frozenset(held.values()) for held in expected.clashes.values()}
        before = stores.rows()

        done = await synced(stores, number)

        assert done["failed"] == {}
        after = stores.rows()
        assert done["written"] == changed_rows(before, after)
        assert apart(after) <= set(expected.clashes)
        if number % BY_COMMAND == 0:
            assert open_clashes(stores) == dict(expected.clashes)
            settle_all(stores)
            await synced(stores, 1)
            expected.clashes.clear()

    final = stores.rows()
    reports = stores.json("conflicts", "list", "--all")
    assert len(edits) == EDITS[kind]
    assert final["crm"] == final["mail"] == final["prefs"]
    assert lost(edits, final["crm"], reports) == []
    assert invented(edits, reports) == []
    reported = {values_of(report) for report in reports if report["field"] == "note"}
    assert seen_clashes <= reported
    assert [one for one in reported if not any(one <= clash for clash in seen_clashes)] == []
    crm = final["crm"]
    assert {person: set(row["tags"]) for person, row in crm.items()} == expected.tags
    assert {person: row["sms"] for person, row in crm.items()} == expected.sms
    assert {person: row["score"] for person, row in crm.items()} == expected.score
    assert origins_that_are_not_the_authors(stores, edits, crm) == []
    at_rest = traces(stores)
    again = stores.sync()
    assert (again.code, again.document["echoes"]) == (0, 0)
    assert again.written == {system: {"create": 0, "update": 0, "delete": 0} for system in SYSTEMS}
    assert differing(at_rest, traces(stores)) == []


def made_in_a_round(stores: Stores, typists: Typists, count: int) -> list[Edit]:
    """All three stores are edited before anybody looks."""
    out = []
    for place, (system, store) in enumerate(stores.by_name.items()):
        share = count // 3 + (place < count % 3)
        out += store.edit(typists.changes(store.rows(), system, share))
    return out


def changed_rows(before: Mapping[str, Mapping[str, Row]], after: Mapping[str, Mapping[str, Row]]) -> dict[str, Any]:
    """What had to be written, as `sync` counts it."""
    return {
        system: {
            "create": len(after[system].keys() - before[system].keys()),
            "update": sum(row != after[system][person] for person, row in before[system].items()),
            "delete": 0,
        }
        for system in SYSTEMS
    }


def apart(rows: Mapping[str, Mapping[str, Row]]) -> set[str]:
    """Whom the stores do not show alike; only a conflict in `note` may be a reason."""
    crm, others = rows["crm"], (rows["mail"], rows["prefs"])
    differ = {
        (person, field)
        for person, row in crm.items()
        for field in FIELDS
        if any(other[person][field] != row[field] for other in others)
    }
    assert {field for _person, field in differ} <= {"note"}, sorted(differ)
    return {person for person, _field in differ}


def open_clashes(stores: Stores) -> dict[str, dict[str, Value]]:
    """Open conflicts as `conflicts list` has them: by person, the value of each store."""
    found = stores.json("conflicts", "list")
    assert {report["field"] for report in found} <= {"note"}
    assert len(found) == len({report["key"] for report in found})
    return {report["key"]: {c["system"]: c["value"] for c in report["candidates"]} for report in found}


def settle_all(stores: Stores) -> None:
    """A person takes the newest of each."""
    settled = stores.json("resolve", "--where", "field == 'note'", "--newest")
    assert settled["refused"] == []


def values_of(report: Mapping[str, Any]) -> frozenset[Value]:
    return frozenset(candidate["value"] for candidate in report["candidates"])


def origins_that_are_not_the_authors(stores: Stores, edits: Iterable[Edit], final: Mapping[str, Row]) -> list[Any]:
    """A value written by us and taken for an edit would name the store that it was written to."""
    authors = {(edit.field, edit.value): edit.system for edit in edits}
    wrong = []
    for person in random.Random(1).sample(sorted(final), 5):
        fields = stores.json("explain", "contact", person)["fields"]
        for field in TEXTS:
            for version in fields[field]["versions"]:
                author = authors.get((field, version["value"]))
                if author is not None and version["origin"] not in (author, "person"):
                    wrong.append((person, field, version, author))
    return wrong


def traces(stores: Stores) -> dict[str, bytes]:
    """What shows whether anybody has written: the bytes of all files, and which transaction made each row."""
    prefs = stores.by_name["prefs"]
    of_rows = prefs.traces() if isinstance(prefs, PostgresPrefs | mysql_store.MysqlPrefs) else {}
    return {**stores.bytes(), **of_rows}


def differing(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> list[str]:
    """Names of files that are not what they were."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


pytestmark = pytest.mark.timeout(180)
