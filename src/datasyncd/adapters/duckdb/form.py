"""Forms: how values of each type of DuckDB cross the border.

What has no native form of its own (decimal numbers, dates, uuid, enums, ...) comes and goes as text, made by DuckDB, so
that no value is too large, too early or infinite for Python. Values go out as texts, bytes apart, a list of them for
each column; DuckDB casts each to the type of its column.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

import msgspec

from datasyncd.adapters.contract import Native
from datasyncd.adapters.keeps import DAYS, ITS_OWN, UUIDS, Keeps, floats, moments, numbers, times
from datasyncd.adapters.sql import form
from datasyncd.adapters.sql.form import Unfit

_PLAIN_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,9})?").fullmatch
_encode = msgspec.json.Encoder().encode

INTEGERS = {
    **{f"{'U' if not signed else ''}{name}": (-(1 << (bits - 1)) if signed else 0, (1 << (bits - signed)) - 1)
       for name, bits in (("TINYINT", 8), ("SMALLINT", 16), ("INTEGER", 32), ("BIGINT", 64), ("HUGEINT", 128))
       for signed in (True, False)},
}  # fmt: skip
"""Type of whole numbers -> the least and the greatest one."""


_KEEPS = {
    "UUID": UUIDS,
    "DATE": DAYS,
    "FLOAT": floats(single=True),
    "TIME": times(6),
    "TIMESTAMP": moments(utc=False),
    "TIMESTAMP_S": moments(utc=False, places=0),
    "TIMESTAMP_MS": moments(utc=False, places=3),
    "TIMESTAMP_NS": moments(utc=False),
    "TIMESTAMP WITH TIME ZONE": moments(utc=True),
}


_KEPT = ("VARCHAR", "BOOLEAN", "DOUBLE", "BLOB", "JSON", "BIGNUM")
_KEPT_ELEMENTS = {"VARCHAR": None, "UUID": UUIDS, "DATE": DAYS}


class Form(form.Form, frozen=True):
    """How values of one type are read and written."""

    can_be_key: bool = False
    cast: str = "CAST({} AS TYPE)"
    """SQL of the column's value of one that is sent; {} stands for it, TYPE for the column's type."""
    wire: str = "VARCHAR"
    """Type of what is sent."""
    only_read: bool = False

    def given(self, sent: str, type: str) -> str:
        """SQL of the column's value of one that is sent."""
        return self.cast.replace("TYPE", type).replace("{}", sent)


@lru_cache
def form_of(type: str) -> Form:
    """The form of a type as the catalog shows it, such as DECIMAL(18,3) or VARCHAR[]."""
    if type.endswith("]"):
        return _list_of(type[: type.rindex("[")])
    name = type.partition("(")[0]
    if name in _NESTED:
        return _NESTED_READ if _holds_opaque(type) else _NESTED_FORM
    if type in INTEGERS:
        return _INTEGER
    return _FORMS.get(name, _SPOKEN)


@lru_cache
def keeps_of(type: str) -> Keeps | None:
    """What a type gives back as it was written; None: all that it takes."""
    if type in _KEEPS:
        return _KEEPS[type]
    element = type.removesuffix("[]")
    if element != type:
        return _KEPT_ELEMENTS.get(element, numbers() if element in INTEGERS else ITS_OWN)
    kept = type in INTEGERS or type in _KEPT or type.startswith(("DECIMAL(", "ENUM("))
    return None if kept else ITS_OWN


def _list_of(element: str) -> Form:
    if element.endswith("]") or element.partition("(")[0] in _NESTED:
        return _NESTED_READ if _holds_opaque(element) else _NESTED_FORM
    read = f"CAST({{}} AS {element}[])" if element in _PLAIN_ELEMENTS else "CAST({} AS VARCHAR[])"
    if element == "FLOAT":
        read = f"CAST({read} AS DOUBLE[])"
    return Form("list", read, _list, cast="CAST(CAST(CAST({} AS JSON) AS VARCHAR[]) AS TYPE)")


def _holds_opaque(type: str) -> bool:
    """Whether parts of a nested type would not come back as they were written."""
    bare = re.sub(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"", "", type)
    return re.search(r"\b(?:JSON|UNION|VARIANT|BIGNUM)\b", bare) is not None


def _integer(value: Native) -> str:
    if type(value) is not int:
        raise Unfit("a whole number expected")
    return str(value)


def _float(value: Native) -> str:
    return repr(form.a_float(value))


def _boolean(value: Native) -> str:
    return "true" if form.boolean(value) else "false"


def _json(value: Native) -> str:
    return form.whole_text(form.json_text(value))


def _list(value: Native) -> str:
    if type(value) is not list or any(isinstance(item, list | dict) for item in value):
        raise Unfit("a list of texts, numbers, true or false expected")
    return _nested(value)


def _nested(value: Native) -> str:
    """A list or an object as JSON whose numbers are texts: DuckDB takes them from there with all their digits."""
    if not isinstance(value, list | dict):
        raise Unfit("a list or an object expected")
    try:
        return form.whole_text(_encode(_spelt(value)).decode())
    except (TypeError, ValueError, RecursionError):
        raise Unfit("a value that JSON has a form for expected") from None


def _spelt(value: Native) -> Native:
    if isinstance(value, dict):
        return {name: _spelt(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_spelt(inner) for inner in value]
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        return str(value)
    return value


def _never(value: Native) -> str:
    raise Unfit("values of this type are only read")


def _decoded(text: str) -> Native:
    """A value of a nested type; the text itself if it has a number that JSON has no form for."""
    try:
        return form.decoded(text)
    except msgspec.DecodeError:
        return text


def _moment(text: str) -> str:
    return form.iso(text) if _PLAIN_MOMENT(text) else text


def _utc(text: str) -> str:
    plain = text.removesuffix("+00")
    return form.iso(plain) + "Z" if _PLAIN_MOMENT(plain) else text


_AS_TEXT = "CAST({} AS VARCHAR)"
_ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6,9})?"

_SPOKEN = Form("text", _AS_TEXT, form.whole_text)
"""Types that are read and written in the words of DuckDB."""
_INTEGER = Form("integer", to_wire=_integer, can_be_key=True, key=r"0|-?[1-9]\d{0,38}")
_MOMENT = Form("text", _AS_TEXT, form.moment, _moment, can_be_key=True, key=_ISO)
_NESTED_FORM = Form("json", "CAST(to_json({}) AS VARCHAR)", _nested, _decoded, cast="CAST(CAST({} AS JSON) AS TYPE)")
_NESTED_READ = Form("json", "CAST(to_json({}) AS VARCHAR)", _never, _decoded, only_read=True)
_NESTED = frozenset({"STRUCT", "MAP", "UNION"})
_PLAIN_ELEMENTS = frozenset({"VARCHAR", "BOOLEAN", "DOUBLE", *INTEGERS})

_FORMS = {
    "VARCHAR": Form("text", to_wire=form.whole_text, can_be_key=True, key=r"(?s).*", cast="{}"),
    "BIGNUM": Form("integer", _AS_TEXT, _integer, int),
    "BOOLEAN": Form("boolean", to_wire=_boolean, can_be_key=True, key="true|false"),
    # By its shortest text, so that 0.1 is 0.1 and not what is left of it in 32 bits.
    "FLOAT": Form("float", "CAST(CAST({} AS VARCHAR) AS DOUBLE)", _float),
    "DOUBLE": Form("float", to_wire=_float),
    "DECIMAL": Form("text", _AS_TEXT, form.text, form.trimmed, can_be_key=True,
                    key=r"0|-?(?:[1-9]\d{0,37}|0(?=\.))(?:\.\d{0,37}[1-9])?"),
    "BLOB": Form("bytes", to_wire=form.blob, cast="{}", wire="BLOB"),
    "JSON": Form("json", _AS_TEXT, _json, form.decoded),
    "VARIANT": _NESTED_READ,
    "UUID": Form("text", _AS_TEXT, form.whole_text, can_be_key=True,
                 key=r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"),
    "DATE": Form("text", _AS_TEXT, form.whole_text, can_be_key=True, key=r"\d{4}-\d\d-\d\d"),
    "ENUM": Form("text", _AS_TEXT, form.whole_text, can_be_key=True, key=r"(?s).*"),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), _MOMENT),
    "TIMESTAMP WITH TIME ZONE": Form("text", _AS_TEXT, form.moment, _utc, can_be_key=True, key=_ISO + "Z"),
}  # fmt: skip
