"""Expressions: what may be written, what it means, and what is said of the rest."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from datasyncd.adapters.translate.field_type import LONGEST_VALUE, FieldTypeOptions
from datasyncd.adapters.translate.types import reader
from datasyncd.daemon.config import expressions
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
        (
            "nam == 'x' and len(xyzzy) > 1 and scor > nam",
            'unknown names "nam" (did you mean "name"?), "xyzzy" and "scor" (did you mean "score"?)',
        ),
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
        ("score == 1e999", "a number of more than 100 digits is not part of the language"),
        (f"score == 1{'0' * 100}", "a number of more than 100 digits is not part of the language"),
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
        ("if(vip)", "if() takes 2 or 3 arguments, not 1"),
        ("concat()", "concat() takes 1 or more arguments, not 0"),
        ("if(vip, name, score)", "if() gives one kind of value, not a text and a number"),
        ("if(vip, born, 'never')", '"never" is not a date; write it as 2024-01-31 or 2024-01-31T18:00:00Z'),
        ("coalesce(name, value, score)", "coalesce() gives one kind of value, not a text and a number"),
        ("concat(name, tags)", "concat() does not go with a set"),
        ("year(name)", "year() does not go with a text"),
        ("round(paid, score)", "round() keeps 0 to 10 places, written as a number"),
        ("round(paid, 11)", "round() keeps 0 to 10 places, written as a number"),
        ("round(paid, -1)", "round() keeps 0 to 10 places, written as a number"),
        ("If(vip, name, mail)", 'unknown function "If"; if'),
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
    assert all(each.doc and each.signature.startswith(f"{name}(") for name, each in FUNCTIONS.items())


@pytest.mark.parametrize(
    ("text", "position"),
    [
        ("nam", 1),
        ("  nam", 3),
        ("vip and lenn(name)", 9),
        ("name == 'Jürgen' and nam", 22),
        ("sms and (score == '7')", 10),
        ("if(vip, name, nam)", 15),
        ("if(if(vip, sms, sms), 1, nam)", 26),
        ("(vip and\n nam)", 11),
        ("(vip and\r\n nam)", 12),
        ("vip and )", 9),
    ],
)
def test_a_mistake_says_at_which_character_it_is(text: str, position: int) -> None:
    with pytest.raises(ExpressionInvalid) as invalid:
        compile_where(text, TYPES, VALUES)

    assert str(invalid.value) == f"{invalid.value.text} (character {position})"


@pytest.mark.parametrize(
    ("text", "type_", "value"),
    [
        ("name", "text", "Ada"),
        ("name + ' ' + mail", "text", "Ada ada@example.com"),
        ("concat(name, ' ', upper(mail))", "text", "Ada ADA@EXAMPLE.COM"),
        ("concat(score, '/', paid, '/', born, '/', seen)", "text", "7/19.9/1980-12-10/2024-03-01T12:00:00Z"),
        ("concat(paid * 100 / 3)", "text", "663.3333333333333333333333333"),
        ("trim('  x ')", "text", "x"),
        ("trim('  ')", "text", None),
        ("if(vip, 'gold', 'basic')", "text", "gold"),
        ("if(not vip, 'gold')", "text", None),
        ("if (score > 10, 'many', if(score > 5, 'some', 'few'))", "text", "some"),
        ("name + if(vip, '!', '')", "text", "Ada!"),
        ("if(vip, '(', ') if (')", "text", "("),
        ("coalesce('', name)", "text", "Ada"),
        ("if(vip, born, '2000-01-01')", "date", "1980-12-10"),
        ("if(vip, '2000-01-01', born)", "date", "2000-01-01"),
        ("coalesce(seen, '2000-01-01')", "datetime", "2024-03-01T12:00:00Z"),
        ("if(vip, '2024-03-01T13:00:00+01:00', seen)", "datetime", "2024-03-01T12:00:00Z"),
        ("sms", "consent", "in"),
        ("if(vip, 'unknown', sms)", "consent", None),
        ("tags", "set", ["new", "vip"]),
        ("score * 2 + 1", "integer", 15),
        ("-score", "integer", -7),
        ("score / 2", "decimal", "3.5"),
        ("score + 0.50", "decimal", "7.5"),
        ("if(vip, score, 0.5)", "decimal", "7"),
        ("1 / 3", "decimal", "0.3333333333333333333333333333"),
        ("paid", "decimal", "19.9"),
        ("paid * 0", "decimal", "0"),
        ("round(paid)", "integer", 20),
        ("round(2.5) + round(-2.5)", "integer", 0),
        ("round(score)", "integer", 7),
        ("round(paid / 3, 2)", "decimal", "6.63"),
        ("round(0.125, 2)", "decimal", "0.13"),
        ("len(tags)", "integer", 2),
        ("year(born)", "integer", 1980),
        ("year(seen)", "integer", 2024),
        ("vip and score > 1", "boolean", True),
        ("starts(name, 'x')", "boolean", False),
        ("value", "any", 3),
        ("value + 1", "decimal", "4"),
        ("if(vip, value, name)", "any", 3),
    ],
)
def test_an_expression_has_a_type_and_a_value(text: str, type_: str, value: Value) -> None:
    expression = expressions.compile(text, TYPES, VALUES)

    assert (expression.type, expression.evaluate(ADA)) == (type_, value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("name + '!'", None),
        ("concat(name, '!')", "!"),
        ("concat(name, mail)", None),
        ("coalesce(name, mail)", None),
        ("coalesce(score, paid, 0)", "0"),
        ("if(vip, 1, 2)", 2),
        ("if(sms, 1, 2)", 2),
        ("score + 1", None),
        ("lower(name)", None),
        ("len(tags)", None),
        ("round(paid, 2)", None),
        ("year(born)", None),
        ("score > 1", False),
        ("sms", None),
    ],
)
def test_what_an_expression_makes_of_blanks(text: str, value: Value) -> None:
    expression = expressions.compile(text, TYPES, VALUES)

    assert expression.evaluate(BLANK) == expression.evaluate({}) == value


def test_an_expression_says_which_fields_it_reads() -> None:
    assert expressions.compile("if(vip, name, 'x') + lower(mail)", TYPES).names == {"vip", "name", "mail"}
    assert expressions.compile("1", TYPES).names == frozenset()


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ("score / 0", {"score": 1}),
        ("score + 1", {"score": 2**63 - 1}),
        ("-score", {"score": -(2**63)}),
        ("paid * paid", {"paid": "9" * 100}),
        ("name + name", {"name": "x" * LONGEST_VALUE}),
        ("concat(name, name)", {"name": "x" * LONGEST_VALUE}),
        ("upper(name)", {"name": "ß" * LONGEST_VALUE}),
    ],
)
def test_what_is_too_large_to_be_a_value_is_blank(text: str, record: dict[str, Value]) -> None:
    assert expressions.compile(text, TYPES).evaluate(record) is None


UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""The machine may have other things to do."""

SIGNS = (
    "if ( if ( , and or not in is == != < >= + - * / ( ) [ ] , . : ** lambda if else \\ "
    "'x' 'in' '2024-01-31' 1 0 0.5 True None"
)
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
        expression = expressions.compile(text, TYPES, VALUES)
    except ExpressionInvalid:
        return
    assert where(record) in (True, False)
    expression.evaluate(record)


def calls(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Of functions and signs, whose arguments may or may not suit them."""
    return st.one_of(
        st.tuples(st.sampled_from(["+", "-", "*", "/", "==", "<", "and", "in"]), inner, inner).map(
            lambda drawn: f"({drawn[1]} {drawn[0]} {drawn[2]})"
        ),
        st.tuples(st.sampled_from(list(FUNCTIONS)), st.lists(inner, min_size=1, max_size=3)).map(
            lambda drawn: f"{drawn[0]}({', '.join(drawn[1])})"
        ),
    )


NESTED = st.recursive(st.sampled_from([*TYPES, "''", "'Ada'", "0", "2", "0.5", f"1{'0' * 90}"]), calls, max_leaves=12)
TYPED: dict[str, st.SearchStrategy[Any]] = {
    "integer": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
    "decimal": st.sampled_from([None, "0", "-0.5", "0.1", "9" * 100, f"-0.{'0' * 99}1", f"{'9' * 100}.{'9' * 100}"]),
    "boolean": st.sampled_from([None, True, False]),
    "date": st.sampled_from([None, "0001-01-01", "9999-12-31"]),
    "datetime": st.sampled_from([None, "0001-01-01T00:00:00Z", "2024-03-01T12:00:00.500000Z"]),
    "set": st.sampled_from([None, ["a"], ["new", "vip"]]),
    "consent": st.sampled_from([None, "in", "out"]),
    "any": CANONICAL,
}
TEXTS = st.sampled_from([None, "Ada", " x", "ß" * LONGEST_VALUE, "x" * LONGEST_VALUE])
RECORDS = st.fixed_dictionaries({name: TYPED.get(type_, TEXTS) for name, type_ in TYPES.items()})


@UNHURRIED
@given(NESTED, RECORDS)
def test_what_comes_out_is_a_canonical_value_of_the_type(text: str, record: dict[str, Value]) -> None:
    try:
        expression = expressions.compile(text, TYPES)
    except ExpressionInvalid:
        return
    value = expression.evaluate(record)

    assert value == expression.evaluate(record)
    if expression.type == "consent":
        assert value in ("in", "out", None)
    elif expression.type != "any":
        assert reader(FieldTypeOptions(name=expression.type))(value) == value


@pytest.mark.parametrize(
    "text",
    [
        "concat(" + ", ".join(["name"] * 300) + ")",
        " + ".join(["name"] * 30),
        " * ".join(["paid"] * 30),
        " and ".join(["upper(name) == mail"] * 80),
        " or ".join(["name in mail"] * 120),
    ],
)
def test_the_longest_expression_over_the_longest_values_ends_soon(text: str) -> None:
    half = "x" * (LONGEST_VALUE // 2)
    record = {"name": half + "z", "mail": half + half, "paid": "9" * 100 + "." + "9" * 100}
    expression = expressions.compile(text, TYPES)

    begin = time.process_time()
    expression.evaluate(record)

    assert time.process_time() - begin < 2


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
