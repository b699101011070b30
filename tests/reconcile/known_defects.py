"""Cases that the core does not handle yet. Not part of the suite: run this file by its name.

Each test says what should hold; it moves to the file of its subject once it does.
"""

from __future__ import annotations

from .world import linked, system


def test_a_system_that_takes_whole_records_keeps_the_fields_that_nobody_changed() -> None:
    """`whole_record`; F25, F61: a write of one field must carry all the others as they are."""
    contact = linked("crm", system("mail", whole_record=True), name="Ann", city="Rome")

    contact.edits("crm", name="Anna")
    contact.syncs()

    assert contact.shows("city") == {"crm": "Rome", "mail": "Rome"}
