"""Forms: how values of each type of MariaDB and MySQL cross the border.

What has no native form of its own (decimal numbers, dates, enums, ...) comes and goes as text, so that no value is too
large, too early or zero for Python. Values go out as literals of the statement.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation

from datasyncd.adapters.contract import Native
from datasyncd.adapters.keeps import DAYS, ITS_OWN, TRIMMED, UUIDS, Keeps, floats, moments, padded, times
from datasyncd.adapters.number import shortest
from datasyncd.adapters.sql import form
from datasyncd.adapters.sql.form import Unfit

_DATE = r"\d{4}-\d\d-\d\d"
_ISO = _DATE + r"T\d\d:\d\d:\d\d(?:\.\d{6})?"
_LONGEST_NUMBER = 200
"""Characters of a decimal number; a column has 65 digits."""


class Form(form.Form, frozen=True):
    """How values of one type are read and written."""

    can_be_key: bool = False
    compared: str = "{}"
    """SQL of what a value is compared with; {} stands for the column."""
    exact: bool = True
    """What is equal for the server is the same value."""


def form_of(data_type: str, column_type: str, *, is_json: bool, labels: Sequence[str]) -> Form:
    """The form of a type by its name in the catalog, and as it was declared."""
    if is_json:
        return _JSON
    if data_type == "tinyint" and column_type.startswith("tinyint(1)"):
        return _BOOLEAN
    if data_type == "bit":
        return _BOOLEAN_BIT if column_type == "bit(1)" else _BITS
    if data_type == "set":
        return Form("list", to_wire=_set_of(labels), decode=_listed)
    return _FORMS.get(data_type, _SPOKEN)


def keeps_of(data_type: str, scale: int | None, places: int, octets: int) -> Keeps | None:
    """What a type without labels gives back as it was written; None: all that it takes. `scale`: of numbers, `places`:
    of seconds, `octets`: its length."""
    match data_type:
        case "char":
            return TRIMMED
        case "float":
            return floats(single=True, places=scale)
        case "double":
            return None if scale is None else floats(places=scale)
        case "date":
            return DAYS
        case "datetime" | "timestamp":
            return moments(utc=data_type == "timestamp", places=places)
        case "time":
            return times(places)
        case "uuid":
            return UUIDS
        case "binary":
            return padded(octets)
        case "json":
            return _BINARY_JSON
        case "bit":
            return None
    return None if data_type in _FORMS else ITS_OWN


def _in_binary(value: Native) -> Native:
    """What MySQL makes of a JSON value: it has whole numbers of 64 bits, and binary floats."""
    if isinstance(value, dict):
        return {name: _in_binary(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_in_binary(inner) for inner in value]
    if isinstance(value, Decimal) or (type(value) is int and not -(2**63) <= value < 2**64):
        return float(value)
    return value


_BINARY_JSON = Keeps("JSON whose numbers are whole ones of 64 bits, or have about 15 digits", _in_binary)


def _integer(value: Native) -> int:
    if type(value) is not int:
        raise Unfit("a whole number expected")
    return value


def _decimal(value: Native) -> Decimal:
    """A number, so that it is compared as one, and not as a text or a binary fraction."""
    text = form.text(value)
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise Unfit("a decimal number expected") from None
    if not number.is_finite() or max(abs(number.adjusted()), len(text)) > _LONGEST_NUMBER:
        raise Unfit("a decimal number that a column has digits for expected")
    return number


def _double(value: Native) -> float:
    number = form.a_float(value)
    if number - number != 0:
        raise Unfit("a finite number expected")
    return number


def _single(value: Native) -> float:
    try:
        number: float = struct.unpack("<f", struct.pack("<f", _double(value)))[0]
    except OverflowError:
        raise Unfit("a number of 32 bits expected") from None
    return number


def _utc(text: str) -> str:
    return form.iso(text) + "Z"


def _truth(value: int) -> bool | int:
    """0 and 1; any other number that somebody wrote stays what it is."""
    return value if value not in (0, 1) else value == 1


def _listed(text: str) -> list[str]:
    return text.split(",") if text else []


def _set_of(labels: Sequence[str]) -> Callable[[Native], str]:
    def to_wire(value: Native) -> str:
        if type(value) is not list or any(label not in labels for label in value):
            raise Unfit("a list of the labels of its type expected")
        return ",".join(label for label in labels if label in value)

    return to_wire


def _never(value: Native) -> str:
    raise Unfit("values of this type are only read")


_SPOKEN = Form("text", "CAST({} AS CHAR)", form.whole_text)
"""Types that are read and written in the words of the server."""
_TEXT = Form("text", to_wire=form.whole_text, can_be_key=True, key=r"(?s).*", exact=False)
_INTEGER = Form("integer", to_wire=_integer, can_be_key=True, key=r"0|-?[1-9]\d{0,19}")
_BITS = Form("integer", "{} + 0", _integer)
_BOOLEAN = Form("boolean", to_wire=form.boolean, decode=_truth)
_BOOLEAN_BIT = Form("boolean", "{} + 0", form.boolean, _truth)
_BYTES = Form("bytes", to_wire=form.blob)
_JSON = Form("json", to_wire=form.json_text, decode=form.decoded)
_SHAPE = Form("text", "ST_AsText({})", _never)

_FORMS = {
    **dict.fromkeys(("char", "varchar", "tinytext", "text", "mediumtext", "longtext"), _TEXT),
    **dict.fromkeys(("tinyint", "smallint", "mediumint", "int", "bigint", "year"), _INTEGER),
    **dict.fromkeys(("binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"), _BYTES),
    **dict.fromkeys(("geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
                     "geometrycollection", "geomcollection"), _SHAPE),
    "decimal": Form("text", to_wire=_decimal, decode=form.trimmed, can_be_key=True, key=r"-?\d{1,65}(?:\.\d{1,38})?"),
    "double": Form("float", to_wire=_double),
    # The server writes a number of 32 bits with six digits, but not one of 64.
    "float": Form("float", "{} + 0e0", _single, shortest, compared="{} + 0e0"),
    "date": Form("text", to_wire=form.whole_text, can_be_key=True, key=_DATE),
    "datetime": Form("text", to_wire=form.moment, decode=form.iso, can_be_key=True, key=_ISO),
    "timestamp": Form("text", to_wire=form.moment, decode=_utc, can_be_key=True, key=_ISO + "Z"),
    "time": Form("text", to_wire=form.whole_text, decode=form.trimmed),
    "enum": Form("text", to_wire=form.whole_text),
    "uuid": Form("text", to_wire=form.whole_text, can_be_key=True, key=r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}"),
    "json": _JSON,
}  # fmt: skip
