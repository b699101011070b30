"""The page says what is done: a line for everything, and as many points as there are."""

from __future__ import annotations

from tests.torture import tally
from tests.torture.launcher import (
    BACKUP_POINTS,
    CREATION_POINTS,
    MIGRATION_POINTS,
    POSTGRES_POINTS,
    RESTORE_POINTS,
    SLOT_POINTS,
    points,
)
from tests.torture.torture_outage import STOPS


def cells(begin: str) -> list[list[str]]:
    """Of a table of the page, without its head."""
    text = tally.PAGE.read_text(encoding="utf-8")
    table = text.partition(tally.BEGIN.format(begin))[2].partition(tally.END)[0].strip().splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table]


def test_the_page_has_a_line_for_everything_that_is_done() -> None:
    shown = [(name, where, besides) for name, where, _cases, _times, besides in cells("what was done")]

    assert shown == [(tally.linked(torment), torment.where, torment.afterwards) for torment in tally.TABLE]


def test_every_point_that_there_is_was_met() -> None:
    known = {
        tally.KILLED: len({*points(), *POSTGRES_POINTS, *SLOT_POINTS}),
        tally.KILLED_AT_ITS_START: len(CREATION_POINTS + MIGRATION_POINTS),
        tally.KILLED_IN_A_COPY: len(BACKUP_POINTS + RESTORE_POINTS),
        tally.SERVER_ENDS_IN_A_WRITE: len(STOPS) * len(POSTGRES_POINTS),
    }
    met = {name: int(cases.replace(",", "")) for name, _where, cases, _times, _besides in cells("what was done")}

    assert {torment: met[tally.linked(torment)] for torment in known} == known


def test_what_is_said_belongs_to_something_that_is_done() -> None:
    said = {what for what, _message, _times in cells("what was said")}

    assert said <= {torment.what for torment in tally.TABLE}
    assert {tally.DISK_FULL.what, tally.SECOND.what, tally.NEWER.what, tally.BYTE_FLIPPED.what} <= said
