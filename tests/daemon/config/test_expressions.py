"""Expressions: what may be written, what it means, and what is said of the rest."""

from __future__ import annotations

import keyword
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from datasyncd.daemon.config.expressions import FUNCTIONS, ExpressionInvalid, compile_where
from datasyncd.reconcile.rules import Value

TYPES = {
    "name": "text",
    "mail": "email",
    "status": "enum",
    "score": "integer",
    "paid": "decimal",
    "vip": "boolean",
    "born": "date",
    "seen": "datetime",
    "tags": "set",
    "sms": "consent",
    "post": "consent",
    "value": "any",
}
VALUES = {"status": ("lead", "active")}

ADA: dict[str, Value] = {
    "name": "Ada",
    "mail": "ada@example.com",
    "status": "active",
    "score": 7,
    "paid": "19.90",
    "vip": True,
    "born": "1980-12-10",
    "seen": "2024-03-01T12:00:00Z",
    "tags": ["new", "vip"],
    "sms": "in",
    "post": "out",
    "value": 3,
}
BLANK: dict[str, Value] = dict.fromkeys(TYPES)


def holds(text: str, record: dict[str, Value]) -> bool:
    return compile_where(text, TYPES, VALUES)(record)


@pytest.mark.parametrize(
    "text",
    [
        "sms or post",
        "sms and not post",
        'sms == "in" and post == "out"',
        'post != "in"',
        'sms in ("in", "unknown")',
        'post not in ["in", "unknown"]',
        "sms != post",
        "name",
        "vip",
        "vip == True",
        "tags",
        "score",
        'name == "Ada"',
        'name < "Adb"',
        '"da" in name',
        'name + "!" == "Ada!"',
        'lower(name) == "ada"',
        'upper(name) == "ADA"',
        "len(name) == 3",
        "len(tags) == 2",
        'starts(mail, "ada@")',
        'ends(mail, "example.com")',
        'status in ("lead", "active")',
        'status not in ("lead",)',
        '"vip" in tags',
        '"old" not in tags',
        "score * 2 >= 10.5",
        "1 < score < 10",
        "-score < 0",
        "score / 2 == 3.5",
        "score in (6, 7.0)",
        "paid + 0.1 == 20",
        "paid > score",
        "paid - score == 12.9",
        'born >= "1980-12-10"',
        'born in ("1980-12-10", "1990-01-01")',
        'seen >= "2024-03-01"',
        'seen == "2024-03-01T13:00:00+01:00"',
        'seen < "2024-03-01T12:00:00.5Z"',
        "value == 3",
        'value != "three"',
        "not blank(name)",
        "name or unlikely".replace("unlikely", "vip"),
        "  (sms)\n",
    ],
)
def test_an_expression_that_holds(text: str) -> None:
    assert holds(text, ADA)


@pytest.mark.parametrize(
    "text",
    [
        "post",
        "sms and post",
        "name == 'ada'",
        "score > 7",
        "not vip",
        "'x' in tags",
        "seen > '2024-03-01T12:00:00Z'",
        "value > 'three'",
        "value in tags",
        "value < 'x' < value",
    ],
)
def test_an_expression_that_does_not_hold(text: str) -> None:
    assert not holds(text, ADA)


@pytest.mark.parametrize(
    "text",
    [
        "name",
        "sms",
        "vip",
        "tags",
        "score",
        "name == 'x'",
        "name != 'x'",
        "name < 'x'",
        "score >= 0",
        "score + 1 > 0",
        "-score < 1",
        "score / 0 == 0",
        "paid == 0",
        "'x' in tags",
        "'x' not in tags",
        "name in ('x',)",
        "name not in ('x',)",
        "name in mail",
        "len(name) == 0",
        "lower(name) == ''",
        "starts(name, '')",
        "born < '2000-01-01'",
        "seen != '2000-01-01'",
        "vip == False",
        "sms == 'in'",
        "sms == 'out'",
        "value == 3",
    ],
)
def test_a_blank_makes_a_comparison_false(text: str) -> None:
    assert holds(text, BLANK) is False
    assert holds(text, {}) is False


@pytest.mark.parametrize("name", TYPES)
def test_a_blank_can_be_asked_for(name: str) -> None:
    assert holds(f"blank({name})", BLANK)
    assert holds(f"blank({name})", {})
    assert not holds(f"blank({name})", ADA)


def test_an_unknown_consent_is_no_consent() -> None:
    assert not holds("sms", BLANK)
    assert holds("not sms", BLANK)
    assert holds("sms == 'unknown'", BLANK)
    assert holds("sms in ('out', 'unknown')", BLANK)
    assert holds("sms != 'in'", BLANK)
    assert not holds("blank(sms)", {"sms": "out"})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not an expression: invalid syntax"),
        ("sms and", "not an expression: invalid syntax"),
        ("sms; post", "not an expression: invalid syntax"),
        ("1" * 5000, "longer than 2000 characters"),
        ("not " * 40 + "sms", "more than 30 levels deep"),
        ("nam", 'unknown name "nam"; name'),
        ("vip == true", 'unknown name "true"; True'),
        ("lenn(name)", 'unknown function "lenn"; len'),
        ("sum(score)", 'unknown function "sum"'),
        ("name.upper()", '"name.upper()" is not part of the language'),
        ("name.__class__", '"name.__class__" is not part of the language'),
        ("tags[0]", '"tags[0]" is not part of the language'),
        ("score ** 2", '"score ** 2" is not part of the language'),
        ("score % 2", '"score % 2" is not part of the language'),
        ("~score", '"~score" is not part of the language'),
        ("[x for x in tags]", '"[x for x in tags]" is not part of the language'),
        ("lambda: 1", '"lambda: 1" is not part of the language'),
        ("name if vip else mail", '"name if vip else mail" is not part of the language'),
        ("f'{name}'", "\"f'{name}'\" is not part of the language"),
        ("(score := 1)", '"score := 1" is not part of the language'),
        ("len(*tags)", '"*tags" is not part of the language'),
        ("lower(text=name)", '"lower(text=name)" is not part of the language'),
        ("name + " * 20 + "b''", "a literal of type bytes is not part of the language"),
        ("name == None", "None is not part of the language; use blank()"),
        ("score == 1j", "a literal of type complex is not part of the language"),
        ("score == 1e999", "a literal of type float is not part of the language"),
        ("name is 'x'", '"is" is not part of the language; use "==" or blank()'),
        ("score == '7'", '"==" does not go with a number and a text'),
        ("name + score", '"+" does not go with a text and a number'),
        ("name * 2 == 'AdaAda'", '"*" does not go with a text and a number'),
        ("-name == 'x'", '"-" does not go with a text'),
        ("vip == 1", '"==" does not go with a boolean and a number'),
        ("vip > False", 'a boolean has no order, so ">" does not go with it'),
        ("sms < post", 'a consent has no order, so "<" does not go with it'),
        ("sms == True", '"==" does not go with a consent and a boolean'),
        ("sms == 'yes'", 'a consent is "in", "out" or "unknown"'),
        ("sms == 'unknwon'", 'a consent is "in", "out" or "unknown"; unknown'),
        ("sms in ('in', 'of')", 'a consent is "in", "out" or "unknown"'),
        ("tags == 'vip'", '"==" does not go with a set and a text'),
        ("tags == tags", 'a set does not go with "=="; use "in", len() or blank()'),
        ("score in tags", '"in" does not go with a number and a set'),
        ("name in score", '"in" does not go with a text and a number'),
        ("score in ('7',)", '"in" does not go with a number and a text'),
        ("name in ('x', mail)", 'a list after "in" holds literals only'),
        ("'a' in tags in tags", '"in" stands in no chain of comparisons; use "and"'),
        ("born < '2000'", '"2000" is not a date; write it as 2024-01-31 or 2024-01-31T18:00:00Z'),
        ("seen < 'yesterday'", '"yesterday" is not a datetime; write it as 2024-01-31 or 2024-01-31T18:00:00Z'),
        ("born < seen", '"<" does not go with a date and a datetime'),
        ("status == 'actve'", '"status" is never "actve"; active'),
        ("status in ('lead', 'gone')", '"status" is never "gone"'),
        ("lower(score) == 'x'", "lower() does not go with a number"),
        ("len(name, mail) > 1", "len() takes 1 argument, not 2"),
        ("starts(name)", "starts() takes 2 arguments, not 1"),
    ],
)
def test_what_is_not_an_expression_says_why(text: str, reason: str) -> None:
    with pytest.raises(ExpressionInvalid) as invalid:
        compile_where(text, TYPES, VALUES)

    near = f"; {invalid.value.nearest}" if invalid.value.nearest else ""
    assert invalid.value.text + near == reason


@pytest.mark.parametrize("text", [r'name == "\d"', "\0", "\ud800", "((sms)", "name == 'x"])
def test_what_python_itself_refuses_is_no_expression(text: str) -> None:
    with pytest.raises(ExpressionInvalid, match="not an expression"):
        compile_where(text, TYPES)


def test_values_of_another_type_than_expected_do_not_raise() -> None:
    odd: dict[str, Value] = {name: "odd" if name in ("score", "paid", "vip") else 3 for name in TYPES}

    for text in ("score > 1", "paid > 1", "vip == True", "len(name) > 1", "'x' in tags", "born < '2000-01-01'", "seen"):
        assert holds(text, odd) is False


def test_numbers_are_exact() -> None:
    assert holds("paid + 0.2 == 0.3", {"paid": "0.1"})
    assert holds("paid == 0.30", {"paid": "0.3"})
    assert holds("paid > 9007199254740992", {"paid": "9007199254740993"})


def test_every_function_says_what_it_does() -> None:
    assert all(function.doc and not keyword.iskeyword(name) for name, function in FUNCTIONS.items())


UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""The machine may have other things to do."""

SIGNS = "and or not in is == != < >= + - * / ( ) [ ] , . : ** lambda if else \\ 'x' 'in' '2024-01-31' 1 0 0.5 True None"
PARTS = st.sampled_from([*TYPES, *FUNCTIONS, *SIGNS.split()])
CANONICAL = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.lists(st.text(max_size=3), max_size=3)
)


@UNHURRIED
@given(st.lists(PARTS, max_size=14).map(" ".join), st.fixed_dictionaries({}, optional=dict.fromkeys(TYPES, CANONICAL)))
@example("score / 0 > 0", {"score": 1})
@example("paid * paid > 0", {"paid": "9e999999999"})
def test_any_text_gives_a_truth_or_says_why_not(text: str, record: dict[str, Any]) -> None:
    try:
        where = compile_where(text, TYPES, VALUES)
    except ExpressionInvalid:
        return
    assert where(record) in (True, False)


@UNHURRIED
@given(st.text(max_size=60))
@example("(" * 1000)
@example("-" * 1500 + "1")
@example("1" + "+1" * 900)
@example("name" + ".a" * 900)
@example("name" + "()" * 900)
def test_no_text_at_all_does_anything_else(text: str) -> None:
    with suppress(ExpressionInvalid):
        compile_where(text, TYPES, VALUES)
