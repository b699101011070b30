"""Lines: each key of a TOML text is found where it stands."""

from __future__ import annotations

import tomllib
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datasyncd.daemon.config.lines import KeyPath, index

EVERY_FORM = r'''# a comment with a = b
top = 1
"quoted key" = 'literal # no comment'   # a comment
a.b."c.d" = 2
text = """
x = 1
\""" # not [a.table]
"""
raw = @@@
[x]
@@@'

[table]   # [comment]
list = [
  1,      # , ]
  "]",
  { k = "v", m.n = [ [], [2] ] },
]
inline = { x = 1, y = { z = "}" }, "w w" = 3 }
when = 1979-05-27 07:32:00
[table.sub]
[ table . "sub 2" ]
k = 1
[[rows]]
id = 1
[rows.extra]
e = 1
[[rows]]
id = 2
[[rows.inner]]
i = 1
	"u\u0061" = 1
'''.replace("@@@", 3 * "'")


def test_every_form_of_toml_is_followed() -> None:
    known = index(EVERY_FORM).known

    assert {path: known[path] for path in known if not isinstance(path[-1], int)} == {
        ("top",): 2,
        ("quoted key",): 3,
        ("a",): 4,
        ("a", "b"): 4,
        ("a", "b", "c.d"): 4,
        ("text",): 5,
        ("raw",): 9,
        ("table",): 13,
        ("table", "list"): 14,
        ("table", "list", 2, "k"): 17,
        ("table", "list", 2, "m"): 17,
        ("table", "list", 2, "m", "n"): 17,
        ("table", "inline"): 19,
        ("table", "inline", "x"): 19,
        ("table", "inline", "y"): 19,
        ("table", "inline", "y", "z"): 19,
        ("table", "inline", "w w"): 19,
        ("table", "when"): 20,
        ("table", "sub"): 21,
        ("table", "sub 2"): 22,
        ("table", "sub 2", "k"): 23,
        ("rows",): 24,
        ("rows", 0, "id"): 25,
        ("rows", 0, "extra"): 26,
        ("rows", 0, "extra", "e"): 27,
        ("rows", 1, "id"): 29,
        ("rows", 1, "inner"): 30,
        ("rows", 1, "inner", 0, "i"): 31,
        ("rows", 1, "inner", 0, "ua"): 32,
    }


def test_the_paths_are_those_of_the_decoder() -> None:
    assert set(index(EVERY_FORM).known) == set(paths(tomllib.loads(EVERY_FORM)))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("table", "list", 2, "k"), 17),
        (("table", "list", 2, "none", "deeper"), 17),
        (("table", "none"), 13),
        (("x",), None),
    ],
)
def test_a_path_that_is_not_there_has_the_line_of_the_table_around_it(path: KeyPath, line: int | None) -> None:
    assert index(EVERY_FORM).of(path) == line


UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""The machine may have other things to do."""

_PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 #[]{}=,'"

keys = st.one_of(st.from_regex(r"[A-Za-z0-9_-]{1,6}", fullmatch=True), st.text(max_size=6))
scalars = st.one_of(st.integers(), st.booleans(), st.text(max_size=12), st.dates(), st.datetimes(), st.floats())
documents = st.dictionaries(
    keys,
    st.recursive(
        scalars,
        lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
        max_leaves=12,
    ),
    max_size=5,
)


@UNHURRIED
@given(documents, st.randoms(use_true_random=False))
def test_any_document_has_the_same_paths_as_for_the_decoder(document: dict[str, Any], choice: Random) -> None:
    text = written(document, choice)
    decoded = tomllib.loads(text)

    assert set(index(text).known) == set(paths(decoded))


def paths(value: Any, path: KeyPath = ()) -> list[KeyPath]:
    """The paths of everything in a decoded value."""
    items: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return [found for key, inner in items for found in ((*path, key), *paths(inner, (*path, key)))]


def written(document: dict[str, Any], choice: Random) -> str:
    """The document as TOML, in one of the forms that it may have."""
    plain, tables = [], []
    for key, value in document.items():
        if isinstance(value, dict) and choice.random() < 0.5:
            tables.append(f"[ {name(key, choice)} ] # x = 1\n" + "".join(pair(*item, choice) for item in value.items()))
        else:
            plain.append(pair(key, value, choice))
    return "".join([*plain, *tables])


def pair(key: str, value: Any, choice: Random) -> str:
    return f"{name(key, choice)} = {literal(value, choice)}" + choice.choice(["\n", " # [a]\n", "\n\n\n"])


def name(key: str, choice: Random) -> str:
    if key and key.isascii() and key.replace("_", "a").replace("-", "a").isalnum() and choice.random() < 0.7:
        return key
    return quoted(key)


def quoted(text: str) -> str:
    return '"' + "".join(c if c in _PLAIN else f"\\U{ord(c):08x}" for c in text) + '"'


def literal(value: Any, choice: Random) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            long = choice.random() < 0.3
            return f'"""\n\n{quoted(value)[1:-1]}\\\n  """' if long else quoted(value)
        case list():
            between = choice.choice([", ", ",\n  ", ", # ]\n"])
            return "[" + between.join(literal(item, choice) for item in value) + choice.choice(["", "\n"]) + "]"
        case dict():
            inner = ", ".join(f"{name(key, choice)} = {literal(item, choice)}" for key, item in value.items())
            return "{ " + inner + " }"
        case float():
            return repr(value) if "e" in repr(value) or "." in repr(value) else "nan"
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)
