"""Columns: those of each kind of store, with the types that fit whole and those that they lose from.

What is in neither fits in part, value by value, or not at all; what becomes of each value is for the trip to see.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from .variants import variants

Columns: TypeAlias = Mapping[str, tuple[set[str], set[str]]]
"""Type of a column -> the field types of which every value comes back as it was, and those that a map may hold there
both ways only if it says `lossy`."""


def words(text: str) -> set[str]:
    return set(text.split())


ZONED = words("datetime:Berlin datetime:New_York datetime:+14 datetime:-12")
"""Local times without a zone: of those that come twice, the second is refused."""
FREE = {each.name for each in variants()} - ZONED - words("set set:|")
"""What any text holds; of a set whose elements are separated, those with the separator in them are refused."""
VALUES = FREE | words("set")
"""What JSON holds, where a set is a list."""
NONE: set[str] = set()
SETS = words("set set:| set:json")
TRUTH = words("boolean consent consent:numbers")
CODES = TRUTH | words("enum:numbers")
WHOLE = CODES | words("integer money:JPY money:cents money:fils money:yen")
DIGITS = words("consent:numbers enum:numbers")
"""What is a number as text: what a vocabulary calls so."""
NUMBERS = DIGITS | words("integer money:EUR money:JPY money:KWD money:cents money:fils money:yen")
FLOATS = CODES | words("money:KWD money:fils")
SHORT = FREE - words("text decimal money money:object money:minor-object datetime set:json json url")
"""What fits twenty characters."""
NUMERIC = FREE - words("text decimal phone enum money:EUR json")
"""What SQLite makes no number of."""
DATES = words("date")
MOMENTS = words("date datetime")
DECIMALS = words("decimal")
TIMES = words("datetime")

SQLITE: Columns = {
    "TEXT": (FREE, NONE),
    "VARCHAR(20)": (FREE, NONE),
    "INTEGER": (WHOLE, NONE),
    "REAL": (FLOATS, DECIMALS),
    "DECIMAL(12,2)": (NUMERIC, DECIMALS),
    "DATE": (NUMERIC, DECIMALS),
    "DATETIME": (NUMERIC, DECIMALS),
    "BOOLEAN": (TRUTH, NONE),
    "BLOB": (FREE, NONE),
    "": (FREE, NONE),
}
STRICT: Columns = {
    "TEXT": (FREE, NONE),
    "INTEGER": (WHOLE, NONE),
    "REAL": (FLOATS, DECIMALS),
    "BLOB": (FREE, NONE),
    "ANY": (FREE, NONE),
}
POSTGRES: Columns = {
    "text": (FREE - words("text"), NONE),  # U+0000
    "varchar": (FREE - words("text"), NONE),
    "varchar(20)": (SHORT, NONE),
    "char(20)": (SHORT, NONE),
    "smallint": (CODES, NONE),
    "integer": (CODES, NONE),
    "bigint": (WHOLE, NONE),
    "numeric": (NUMBERS | DECIMALS, NONE),
    "numeric(12,2)": (DIGITS, DECIMALS),
    "numeric(38,10)": (NUMBERS, DECIMALS),
    "real": (CODES, DECIMALS),
    "double precision": (FLOATS, DECIMALS),
    "boolean": (TRUTH, NONE),
    "date": (DATES, NONE),
    "timestamptz": (MOMENTS, NONE),
    "timestamp": (MOMENTS, NONE),
    "timestamptz(3)": (DATES, TIMES),
    "timestamp(0)": (DATES, TIMES | ZONED),
    "time": (NONE, NONE),
    "json": (VALUES, NONE),
    "jsonb": (VALUES - words("json text"), NONE),
    "text[]": (SETS, NONE),
    "varchar(5)[]": (NONE, NONE),
    "integer[]": (NONE, NONE),
    "numeric[]": (NONE, NONE),
    "uuid": (NONE, NONE),
    "mood": (words("enum:numbers"), NONE),
    "mood[]": (NONE, NONE),
    "interval": (NONE, NONE),
    "inet": (NONE, NONE),
    "bytea": (FREE, NONE),
    "name": (NONE, NONE),
    "bit(8)": (NONE, NONE),
    "xml": (NONE, NONE),
}
MYSQL: Columns = {
    "text": (FREE, NONE),
    "varchar(20)": (SHORT, NONE),
    "char(20)": (SHORT, NONE),
    "varchar(20) character set latin1": (SHORT - words("email"), NONE),
    "json": (VALUES, NONE),
    "set('a','b','10','9','sad')": (NONE, NONE),
    "enum('happy','sad','1','2','A','Y','N','?')": (words("consent:words enum:numbers"), NONE),
    "int": (CODES, NONE),
    "bigint": (WHOLE, NONE),
    "bigint unsigned": (CODES, NONE),
    "decimal(12,2)": (DIGITS, DECIMALS),
    "decimal(38,10)": (NUMBERS, DECIMALS),
    "decimal(12,0)": (DIGITS | words("money:fils"), DECIMALS),
    "double": (FLOATS, DECIMALS),
    "double(10,2)": (CODES, DECIMALS),
    "float": (CODES, DECIMALS),
    "tinyint(1)": (TRUTH, NONE),
    "date": (DATES, NONE),
    "datetime": (DATES, TIMES | ZONED),
    "datetime(3)": (DATES, TIMES | ZONED),
    "datetime(6)": (MOMENTS, NONE),
    "timestamp": (NONE, TIMES),
    "timestamp(6)": (NONE, NONE),  # not before 1970, and not after 2038
    "time": (NONE, NONE),
    "year": (NONE, NONE),
    "uuid": (NONE, NONE),
    "inet6": (NONE, NONE),
    "binary(16)": (words("phone"), NONE),  # of which the zeros are no part
    "varbinary(300)": (FREE, NONE),
    "blob": (FREE, NONE),
    "bit(1)": (TRUTH, NONE),
    "bit(8)": (CODES, NONE),
}
DUCKDB: Columns = {
    "VARCHAR": (FREE, NONE),
    "BOOLEAN": (TRUTH, NONE),
    "TINYINT": (CODES, NONE),
    "BIGINT": (WHOLE, NONE),
    "HUGEINT": (WHOLE, NONE),
    "DOUBLE": (FLOATS, DECIMALS),
    "FLOAT": (CODES, DECIMALS),
    "DECIMAL(18,3)": (DIGITS | words("money:EUR money:KWD money:fils"), DECIMALS),
    "DECIMAL(38,10)": (NUMBERS, DECIMALS),
    "DATE": (DATES, NONE),
    "TIMESTAMP": (MOMENTS, NONE),
    "TIMESTAMP_S": (DATES, TIMES | ZONED),
    "TIMESTAMP_MS": (DATES, TIMES | ZONED),
    "TIMESTAMP_NS": (NONE, NONE),  # not before 1677, and not after 2262
    "TIMESTAMPTZ": (MOMENTS, NONE),
    "TIME": (NONE, NONE),
    "INTERVAL": (NONE, NONE),
    "UUID": (NONE, NONE),
    "BLOB": (FREE, NONE),
    "JSON": (VALUES, NONE),
    "VARCHAR[]": (SETS, NONE),
    "INTEGER[]": (NONE, NONE),
    "DOUBLE[]": (NONE, NONE),
    "UUID[]": (NONE, NONE),
    "ENUM('happy','sad','1','2')": (words("enum:numbers"), NONE),
    "STRUCT(a INTEGER)": (NONE, NONE),
}
PARQUET: Columns = {
    "string": (FREE, NONE),
    "int16": (CODES, NONE),
    "int64": (WHOLE, NONE),
    "double": (FLOATS, DECIMALS),
    "float": (CODES, DECIMALS),
    "half": (NONE, NONE),
    "bool": (TRUTH, NONE),
    "decimal(12, 2)": (DIGITS, DECIMALS),
    "decimal(38, 10)": (NUMBERS, DECIMALS),
    "date": (DATES, NONE),
    "milliseconds of a day": (DATES, NONE),
    "binary": (FREE, NONE),
    "timestamp[us, UTC]": (MOMENTS, NONE),
    "timestamp[us]": (MOMENTS, NONE),
    "timestamp[ms, UTC]": (DATES, TIMES),
    "timestamp[ns, UTC]": (NONE, NONE),  # not before 1677, and not after 2262
    "list<string>": (SETS, NONE),
    "list<int64>": (NONE, NONE),
    "list<double>": (NONE, NONE),
    "dictionary": (FREE, NONE),
}
CELL: Columns = {"cell": (FREE, NONE)}
LATIN_1: Columns = {"cell": (FREE - words("text email country:name set:json json"), NONE)}
VALUE: Columns = {"value": (VALUES, NONE)}
"""Of a JSON object."""
CARDS: Columns = {
    "FN": (FREE - words("text"), NONE),  # control characters, and carriage returns
    "NOTE": (FREE - words("text"), NONE),
    "N.family": (FREE - words("text"), NONE),
    "TEL;TYPE=cell": (FREE - words("text"), NONE),
    "BDAY": (FREE - words("text integer decimal money:JPY money:yen"), NONE),  # 20240229 is a date there
    "REV": (FREE - words("text datetime"), TIMES | ZONED),
    "X-THING": (FREE - words("text"), NONE),
    "CATEGORIES": (SETS, NONE),
}
