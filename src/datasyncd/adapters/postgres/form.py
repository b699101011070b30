"""Forms: how values of each type of PostgreSQL cross the border.

What has no native form of its own (numeric, dates, uuid, enums, ...) comes and goes as text, made by the server, so
that no value is too large, too early or infinite for Python. Values go out as arrays, one a column, whose elements are
of the *wire* type; the server casts each to the type of its column.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from datasyncd.adapters.contract import Native
from datasyncd.adapters.keeps import (
    ADDRESSES,
    BITS,
    DAYS,
    ITS_OWN,
    TRIMMED,
    UUIDS,
    Keeps,
    floats,
    moments,
    numbers,
    times,
)
from datasyncd.adapters.sql import form
from datasyncd.adapters.sql.form import Unfit

Wire: TypeAlias = Literal["text", "int8", "float8", "bool", "bytea"]


class Form(form.Form, frozen=True):
    """How values of one type are read and written."""

    wire: Wire = "text"
    cast: bool = True
    """The wire's value is cast to the column's type; where assignment does that by itself, it is left to it."""


def form_of(schema: str, name: str, element: str | None) -> Form:
    """The form of a type by its name in the catalog; `element` is the type of an array's elements."""
    if element is not None:
        return _PLAIN_LIST if element in _PLAIN_ELEMENTS else _LIST
    return _FORMS.get(name, _SPOKEN) if schema == "pg_catalog" else _SPOKEN


CUT = ("name", "char")
"""Types of texts that are cut without a word, unlike `varchar`."""


def keeps_of(schema: str, name: str, element: str | None, is_text: bool, typmod: int) -> Keeps | None:
    """What a type without labels gives back as it was written; None: all that it takes. `is_text`: any text is."""
    if schema != "pg_catalog":
        return None if is_text or element == "citext" else ITS_OWN
    match name if element is None else element:
        case "bpchar":
            return TRIMMED
        case "numeric":
            # Elements of an array come with the zeros at their ends.
            return ITS_OWN if element is not None else None if typmod >= 4 else numbers()
        case "int2" | "int4" | "int8" if element is not None:
            return numbers()
        case "uuid":
            return UUIDS
        case "bit" | "varbit":
            return BITS
        case "inet" if element is None:
            return ADDRESSES
        case "date":
            return DAYS
        case "timestamptz" | "timestamp" if element is None:
            return moments(utc=name == "timestamptz", places=typmod if typmod >= 0 else 6)
        case "time" if element is None:
            return times(typmod if typmod >= 0 else 6)
        case "float4" if element is None:
            return floats(single=True)
        case "text" | "varchar" | "int2" | "int4" | "int8" | "bool" | "float8" | "json" | "jsonb" | "bytea":
            return ITS_OWN if element in ("bool", "float8") else None
    return None if is_text and name not in CUT else ITS_OWN


_LARGEST = 2**63 - 1


def _integer(value: Native) -> int:
    if type(value) is not int or not -_LARGEST - 1 <= value <= _LARGEST:
        raise Unfit("a whole number of at most 64 bits expected")
    return value


def _array(value: Native) -> str:
    """A list as the text of an array ("Array Input and Output Syntax"): every element quoted but NULL."""
    if type(value) is not list:
        raise Unfit("a list expected")
    return "".join(("{", ",".join(map(_element, value)), "}"))


def _element(value: Native) -> str:
    match value:
        case None:
            return "NULL"
        case list():
            return _array(value)
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return "".join(('"', value.replace("\\", "\\\\").replace('"', '\\"'), '"'))
    raise Unfit("a list of texts, numbers, true or false expected")


_CALENDAR = "{} BETWEEN '0001-01-01' AND '9999-12-31 23:59:59.999999'"


def _moment(pattern: str) -> str:
    """ISO 8601 for the years that it has; what is earlier, later or infinite in the server's own words."""
    iso = f"replace(to_char({{}}, 'YYYY-MM-DD\"T\"HH24:MI:SS.US{pattern}'), '.000000', '')"
    return f"CASE WHEN {_CALENDAR} THEN {iso} ELSE {{}}::text END"


_SPOKEN = Form("text", "{}::text", to_wire=form.text)
"""Types that are read and written in the words of the server."""
_TEXT = Form("text", to_wire=form.text, cast=False)
_INTEGER = Form("integer", wire="int8", to_wire=_integer, cast=False)
_LIST = Form("list", "{}::text[]", to_wire=_array, can_be_key=False)
_PLAIN_LIST = Form("list", to_wire=_array, can_be_key=False)
_PLAIN_ELEMENTS = frozenset({"text", "varchar", "bool", "int2", "int4", "int8", "float8"})

_FORMS = {
    "text": _TEXT,
    "varchar": _TEXT,
    "bpchar": Form("text", "{}::text", to_wire=form.text, cast=False),
    "int2": _INTEGER,
    "int4": _INTEGER,
    "int8": _INTEGER,
    "bool": Form("boolean", wire="bool", to_wire=form.boolean, cast=False),
    # By its shortest text, so that 0.1 is 0.1 and not what is left of it in 32 bits.
    "float4": Form("float", "{}::text::float8", form.a_float, wire="float8", cast=False),
    "float8": Form("float", wire="float8", to_wire=form.a_float, cast=False),
    "numeric": Form("text", "trim_scale({})::text", to_wire=form.text),
    "timestamptz": Form("text", _moment('"Z"'), to_wire=form.text),
    "timestamp": Form("text", _moment(""), to_wire=form.text),
    # As text it would have a mask that nobody wrote.
    "inet": Form("text", "nullif(format('%s', {}), '')", to_wire=form.text),
    "json": Form("json", "{}::text", to_wire=form.json_text, decode=form.decoded, can_be_key=False),
    "jsonb": Form("json", "{}::text", to_wire=form.json_text, decode=form.decoded, can_be_key=False),
    "bytea": Form("bytes", wire="bytea", to_wire=form.blob, cast=False, can_be_key=False),
}  # fmt: skip
