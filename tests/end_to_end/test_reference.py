"""The reference says what the code says: options of adapters, types, policies, defaults, functions and exit codes."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
import pytest

from datasyncd.adapters import registry
from datasyncd.adapters.translate import FieldTypeOptions, Invalid
from datasyncd.adapters.translate.document import DEEPEST, document_reader
from datasyncd.adapters.translate.numbers import MOST_DIGITS
from datasyncd.daemon.catalogue import options
from datasyncd.daemon.cli import stopped
from datasyncd.daemon.config import fields, grammar
from datasyncd.daemon.config.expressions import FUNCTIONS
from datasyncd.daemon.config.quantities import Share
from datasyncd.reconcile.rules import Policy
from tests.end_to_end.example import ROOT

REFERENCE = ROOT / "docs/reference"
CONFIG = (REFERENCE / "config.md").read_text(encoding="utf-8")


def rows(text: str, head: str) -> list[list[str]]:
    """The cells of the table that begins with this line."""
    lines = text[text.index(head) :].split("\n")[2:]
    table = lines[: next(n for n, line in enumerate(lines) if not line.startswith("|"))]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table]


def words(cell: str) -> list[str]:
    """What stands in code in a cell."""
    return re.findall(r"`([^`]+)`", cell)


def says_default(cell: str, default: Any) -> bool:
    """Whether a cell names this default; one that is not told as a value is told in words."""
    if re.fullmatch(r"`[^`]+`", cell):
        said: bool = json.loads(cell.strip("`")) == default
        return said
    return default in (None, [], {}, "", ())


def test_the_options_of_every_adapter_are_as_they_are_declared() -> None:
    told: dict[tuple[str, str], str] = {}
    adapters: list[str] = []
    for kinds, key, default, _meaning in rows(CONFIG, "| adapter | key | default | meaning |"):
        adapters = words(kinds) or adapters
        told.update({(adapter, words(key)[0]): default for adapter in adapters})
    declared = {
        (name, option.name): option for name in registry.names() for option in options(registry.find(name).options)
    }

    assert sorted(set(declared) ^ set(told)) == []
    wrong = [
        place
        for place, option in declared.items()
        if not (told[place] == "required" if option.required else says_default(told[place], option.default))
    ]
    assert wrong == []


def types() -> Iterator[type[fields.Field]]:
    """Every type that a field can have."""
    for each in get_args(fields.AnyField):
        assert issubclass(each, fields.Field)
        yield each


def test_every_type_has_its_options_and_its_policies_with_the_default_first() -> None:
    told: dict[str, tuple[str, list[str]]] = {}
    policies: list[str] = []
    for names, own, said in rows(CONFIG, "| type | own options | policies"):
        policies = [*(policies if "the same" in said else []), *words(said)]
        told.update(dict.fromkeys(words(names), (own, policies)))
    common = {field.name for field in msgspec.structs.fields(fields.Field)}

    assert sorted(told) == sorted(str(each.__struct_config__.tag) for each in types())
    for each in types():
        own, policies = told[str(each.__struct_config__.tag)]
        known = {field.encode_name: field.default for field in msgspec.structs.fields(each)}
        assert sorted(policies) == sorted(each.policies), each
        assert policies[0] == known["policy"], each
        assert {name for name in known if name not in common} <= set(words(own)), each


def test_every_policy_is_told() -> None:
    told = [name for policy, _who in rows(CONFIG, "| policy | who wins |") for name in words(policy)]

    assert sorted(told) == sorted(Policy)


def test_every_function_is_told_as_the_code_tells_it() -> None:
    told = dict(rows(CONFIG, "| function | gives |"))

    assert told == {f"`{function.signature}`": function.doc for function in FUNCTIONS.values()}


@pytest.mark.parametrize(
    ("heading", "table"),
    [
        ("## `[daemon]`", grammar.Daemon),
        ("## `[entities.NAME]`", grammar.Entity),
        ("| key of every field | default | meaning |", fields.Field),
        ("## `[links.SYSTEM.ENTITY]`", grammar.Link),
    ],
)
def test_the_defaults_of_a_table_are_those_of_the_code(heading: str, table: type[msgspec.Struct]) -> None:
    section = CONFIG[CONFIG.index(heading) :]
    head = heading if heading.startswith("|") else "| key | default | meaning |"
    known = {field.encode_name: field for field in msgspec.structs.fields(table)}
    wrong = []
    for keys, default, _meaning in rows(section, head):
        for key in words(keys):
            field = known[key]
            value = None if field.default is msgspec.NODEFAULT else msgspec.to_builtins(field.default)
            right = default == "required" if field.required else says_default(default, value)
            wrong += [] if right or (default != "required" and not default.startswith("`")) else [key]

    assert wrong == []


def test_the_limits_of_the_guards_are_those_of_the_code() -> None:
    text = CONFIG[CONFIG.index("In `guard`, shares") :].split("\n\n")[0]
    told = {key: json.loads(said) for key, said in re.findall(r"`(\w+)` \((?:[a-z]+,\s)?`([^`]+)`\)", text)}
    guard = grammar.Guard()

    assert {key: Share.parse(said) if isinstance(said, str) else said for key, said in told.items()} == {
        field.encode_name: getattr(guard, field.name) for field in msgspec.structs.fields(guard)
    }


@pytest.mark.parametrize(
    ("document", "is_taken"),
    [
        ("1" + "0" * (MOST_DIGITS - 1) + "." + "1" * MOST_DIGITS, True),
        (f"1e{MOST_DIGITS}", False),
        ("1" + "0" * MOST_DIGITS, False),
        ("0." + "0" * MOST_DIGITS + "1", False),
        ("[" * DEEPEST + "1" + "]" * DEEPEST, True),
        ("[" * (DEEPEST + 1) + "1" + "]" * (DEEPEST + 1), False),
        ('{"a": 1, "a": 2}', False),
    ],
)
def test_the_limits_of_a_document_are_told(document: str, is_taken: bool) -> None:
    text = " ".join(CONFIG[CONFIG.index("**A document**") :].split("\n\n")[0].split())
    assert f"at most {MOST_DIGITS} before the point and {MOST_DIGITS} after it" in text
    assert f"`1e{MOST_DIGITS}` in it is quarantined, and so is one of more than {DEEPEST} levels" in text
    read = document_reader(FieldTypeOptions(name="json"))

    with contextlib.nullcontext() if is_taken else pytest.raises(Invalid):
        assert read(document) is not None


def test_every_exit_code_of_the_program_is_told() -> None:
    text = (REFERENCE / "exit-codes.md").read_text(encoding="utf-8")
    told = {int(code) for code, _meaning, _do in rows(text, "| code | meaning | what to do |")}
    used = {value for name, value in vars(stopped).items() if name.isupper() and isinstance(value, int)}

    assert used <= told
