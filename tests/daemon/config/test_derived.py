"""Derived fields in the config: what they are computed from, and what they may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasyncd.daemon.config.compile import compile_rules

from .sample import changed, loaded, said
from .test_compile import PROMISED

TAGS = 'tags        = { type = "set" }\n'


def with_field(field: str, mapped: str = "") -> str:
    return changed(
        (TAGS, f"{TAGS}extra = {field}\n"), ('seen_at = { field = "Seen"', f'{mapped}seen_at = {{ field = "Seen"')
    )


@pytest.mark.parametrize(
    ("field", "values", "value"),
    [
        ('{ type = "text", derive = "concat(\'Dear \', first_name)" }', {"first_name": "Ann"}, "Dear Ann"),
        ('{ type = "decimal", derive = "score * 2" }', {"score": 4}, "8"),
        ('{ type = "enum", values = ["big"], derive = "if(score > 3, \'big\', \'small\')" }', {"score": 4}, "big"),
        ('{ type = "enum", values = ["big"], derive = "if(score > 3, \'big\', \'small\')" }', {"score": 1}, None),
        ('{ type = "boolean", derive = "sms_opt_in and score > 3" }', {"score": 4, "sms_opt_in": "in"}, True),
        ('{ type = "integer", derive = "score + 1" }', {"score": None}, None),
    ],
)
def test_a_derived_field_is_compiled(field: str, values: dict[str, object], value: object, tmp_path: Path) -> None:
    config = loaded(with_field(field, 'extra = "Extra"\n'), tmp_path)
    names = config.entities["contact"].registers
    rules = compile_rules(config, lambda _entity, name: names.index(name), PROMISED)["contact"]
    (derived,) = rules.derived

    assert derived.number == names.index("extra")
    assert derived.compute(values) == value
    link = rules.links["mail"]
    assert (derived.number in link.pushes, derived.number in link.pulls) == (True, False)


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        ('{ type = "integer", derive = "score > 3" }', "derive: gives a value of type boolean; expected integer"),
        ('{ type = "integer", derive = "scre + 1" }', 'unknown name "scre"'),
        ('{ type = "set", derive = "tags" }', "derive: a field of type set cannot be computed; expected text, enum"),
        ('{ type = "text", derive = "first_name", policy = "manual" }', 'so policy "manual" has no say'),
    ],
)
def test_what_cannot_be_computed_is_said(field: str, problem: str, tmp_path: Path) -> None:
    assert any(problem in line for line in said(with_field(field), tmp_path))


def test_a_derived_field_is_not_pulled(tmp_path: Path) -> None:
    field = '{ type = "integer", derive = "score + 1" }'
    problems = said(with_field(field, 'extra = { field = "Extra", direction = "both" }\n'), tmp_path)
    assert any("is computed and only pushed" in line for line in problems)
