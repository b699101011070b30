"""Docstrings of fields: what the source says of a field is what people are told of it."""

from __future__ import annotations

import msgspec
import pytest

from datasyncd.adapters import registry
from datasyncd.adapters.contract import Capabilities
from datasyncd.daemon.config.docstrings import field_docs, summary


class Base(msgspec.Struct):
    """What all have.

    More of it.
    """

    path: str
    """Where it
    is."""
    silent: int = 0


class Derived(Base):
    """Some have more."""

    mode: str = ""
    """How."""
    path: str
    """Where it really is."""


def test_the_text_below_a_field_is_its_doc_and_a_subclass_has_the_last_word() -> None:
    assert field_docs(Base) == {"path": "Where it is."}
    assert field_docs(Derived) == {"path": "Where it really is.", "mode": "How."}
    assert summary(Base) == "What all have."


def test_a_struct_without_source_has_no_docs() -> None:
    made = msgspec.defstruct("Made", [("path", str)])

    assert field_docs(made) == {}


@pytest.mark.parametrize("name", registry.names())
def test_every_option_of_a_kind_is_described(name: str) -> None:
    options = registry.find(name).options

    assert set(field_docs(options)) == {field.name for field in msgspec.structs.fields(options)}


def test_every_capability_is_described() -> None:
    silent = {field.name for field in msgspec.structs.fields(Capabilities)} - set(field_docs(Capabilities))

    assert silent == set()
