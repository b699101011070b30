"""Groups in the config: fields that move as one value agree on all that decides about it."""

from __future__ import annotations

from pathlib import Path

import pytest

from datasyncd.daemon.config.compile import compile_rules, mapped_fields

from .sample import changed, loaded, said
from .test_compile import PROMISED

NAME = 'first_name  = { type = "text", never_clear = true, owner = "lifecycle", doc = "given name" }\n'
ADDRESS = 'street = { type = "text", group = "address" }\ncity = { type = "text", group = "address" }\n'
CRM = 'sms_opt_in = "sms", score = "n" }'


def with_address(fields: str = ADDRESS, crm: str = 'street = "Street", city = "City", ') -> str:
    return changed((NAME, NAME + fields), (CRM, crm + CRM))


def test_members_of_a_group_are_one_field_of_the_rules(tmp_path: Path) -> None:
    config = loaded(with_address(), tmp_path)
    names = config.entities["contact"].registers
    assert "address" in names
    assert not {"street", "city"} & set(names)

    numbers = {name: number for number, name in enumerate(names)}
    rules = compile_rules(config, lambda _entity, name: numbers[name], PROMISED)["contact"]
    rule = rules.fields[numbers["address"]]
    assert (rule.name, rule.type, rule.members) == ("address", "group", ("city", "street"))
    mapped = mapped_fields(config, "crm", "contact", lambda _entity, name: numbers[name])
    assert [(m.number, m.native, m.member, m.whole) for m in mapped if m.member] == [
        (numbers["address"], "Street", "street", True),
        (numbers["address"], "City", "city", True),
    ]


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (
            'street = { type = "text", group = "address" }\n'
            'city = { type = "text", group = "address", policy = "manual" }\n',
            'entities.contact.fields.street.group: policy, authority and never_clear expected as in "city": '
            "they are one value",
        ),
        (
            'street = { type = "text", group = "email" }\ncity = { type = "text", group = "email" }\n',
            '"email" found; expected a name of letters, digits and underscores that no field has',
        ),
        (
            'street = { type = "set", group = "address" }\ncity = { type = "text", group = "address" }\n',
            "entities.contact.fields.street.group: type set goes field by field, not in a group",
        ),
        (
            'street = { type = "integer", policy = "max", group = "a" }\ncity = { type = "text", group = "a" }\n',
            "entities.contact.fields.street.group: policy max goes field by field, not in a group",
        ),
    ],
)
def test_what_does_not_go_in_a_group_is_said(fields: str, problem: str, tmp_path: Path) -> None:
    assert any(problem in line for line in said(with_address(fields), tmp_path))


def test_a_link_that_reads_a_group_maps_all_of_it(tmp_path: Path) -> None:
    problems = said(with_address(crm='street = "Street", '), tmp_path)
    assert problems == [
        '43: links.crm.contact.map.street: "address" moves as one value: expected city as well, or direction = "push"'
    ]


def test_a_link_that_only_receives_a_group_may_map_a_part(tmp_path: Path) -> None:
    loaded(with_address(crm='street = { field = "Street", direction = "push" }, '), tmp_path)
