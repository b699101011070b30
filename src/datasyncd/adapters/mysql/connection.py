"""A connection: statements with values in them, and what the server answers. Nothing else here touches the driver.

The driver comes with the extra `mysql`, and is imported when a connection is first wanted.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import anyio
import msgspec

from datasyncd.adapters.errors import Unsupported

FOUND_ROWS = 2
"""Flag of a client that counts the rows that were found, and not only those that an update made different."""

LONGEST_PACKET = 1_000_000
"""Bytes of statements that are sent at once, where there are several."""


class ServerError(Exception):
    """The server refused a statement. `text` may quote values."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code)
        self.code = code
        self.text = text


class Lost(Exception):
    """The connection is gone: whether what was sent last had an effect is not known by this."""


class Done(msgspec.Struct, frozen=True):
    """What a statement did."""

    rows: list[tuple[Any, ...]]
    """What it shows."""
    count: int
    """How many rows it found or made."""
    made: int
    """The number that the server gave to a new row."""


class Connection:
    """One session. After any error but a `ServerError`, it is of no more use."""

    def __init__(self, driver: Any, answer_s: float) -> None:
        """`answer_s`: how long to wait for the answer to a statement."""
        self._driver = driver
        self._answer_s = answer_s
        self.variables: dict[str, str] = {}
        """What the server says of itself."""

    @property
    def is_mariadb(self) -> bool:
        return "mariadb" in self.variables.get("version", "").lower()

    @property
    def longest(self) -> int:
        """Bytes that the server takes in one statement."""
        return int(self.variables.get("max_allowed_packet", LONGEST_PACKET))

    async def fetch(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """The rows that a statement shows. Raises `ServerError`, `Lost`, `TimeoutError`."""
        return (await self._run(self.statement(sql, *values))).rows

    async def execute(self, sql: str, *values: Any) -> int:
        """How many rows a statement found or made."""
        return (await self._run(self.statement(sql, *values))).count

    def statement(self, sql: str, *values: Any) -> str:
        """A statement with its values; each %s stands for one."""
        return sql % tuple(map(self._literal, values))

    def _literal(self, value: Any) -> str:
        # The driver would put bytes among the text as they are, which then is none.
        literal: str = f"x'{value.hex()}'" if isinstance(value, bytes) else self._driver.literal(value)
        return literal

    async def each(self, statements: Sequence[str], goes_on: Callable[[ServerError], bool]) -> list[Done | ServerError]:
        """Statements one after another, sent together. `goes_on`: a refusal that stops nothing but its statement; any
        other is raised, and what stands behind it is not done."""
        answers: list[Done | ServerError] = []
        while len(answers) < len(statements):
            answers += await self._together(_as_many(statements[len(answers) :]))
            last = answers[-1]
            if isinstance(last, ServerError) and not goes_on(last):
                raise last
        return answers

    async def _together(self, statements: Sequence[str]) -> list[Done | ServerError]:
        """The answers up to the first refusal, behind which the server leaves the rest of what was sent undone."""
        answers: list[Done | ServerError] = []
        async with self._driver.cursor() as cursor:
            try:
                while len(answers) < len(statements):
                    with _said(), anyio.fail_after(self._answer_s):
                        await (cursor.nextset() if answers else cursor.execute("; ".join(statements)))
                    answers.append(await _done(cursor))
            except ServerError as refused:
                answers.append(refused)
        return answers

    async def _run(self, statement: str) -> Done:
        with _said(), anyio.fail_after(self._answer_s):
            async with self._driver.cursor() as cursor:
                await cursor.execute(statement)
                return await _done(cursor)

    def is_closed(self) -> bool:
        """Whether it is known to be: also while it stands still, the server may end it."""
        return not self._driver.connected or bool(self._driver._stream_broken)

    def terminate(self) -> None:
        """Close it at once, whatever it is doing, and send nothing more."""
        transport = self._driver._transport
        if transport is not None:
            transport.abort()
        self._driver.close()


async def connect(arguments: dict[str, Any], connect_s: float, answer_s: float) -> Connection:
    """A new connection. Raises `ServerError`, `Lost`, `TimeoutError`, and `Unsupported` without the driver."""
    try:
        import asyncmy
    except ImportError:
        raise Unsupported("MariaDB and MySQL need one more package: pip install 'datasyncd[mysql]'") from None
    with _said(), anyio.fail_after(connect_s):
        driver = await asyncmy.connect(
            **arguments, charset="utf8mb4", autocommit=None, client_flag=FOUND_ROWS, conv=_conversions(),
            connect_timeout=max(1, round(connect_s)), program_name="datasyncd",
        )  # fmt: skip
    return Connection(driver, answer_s)


@contextlib.contextmanager
def _said() -> Iterator[None]:
    """The driver's errors as those of this module."""
    try:
        yield
    except _errors().MySQLError as error:
        cause = error.__cause__
        raise (cause if isinstance(cause, OSError) else _told(error)) from None


_CLIENT = 2000
"""Codes from here to 2999 are the driver's: the connection failed, or is out of step."""


def _told(error: Any) -> ServerError | Lost:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    text = str(error.args[-1]) if error.args else ""
    if code == 0 or _CLIENT <= code < _CLIENT + 1000:
        return Lost(text)
    return ServerError(code, text)


def _errors() -> Any:
    from asyncmy import errors

    return errors


def _conversions() -> dict[Any, Any]:
    """Whole and binary numbers are made numbers; decimal numbers, dates and times stay texts."""
    from asyncmy import converters
    from asyncmy.constants import FIELD_TYPE as TYPE

    whole = (TYPE.TINY, TYPE.SHORT, TYPE.LONG, TYPE.LONGLONG, TYPE.INT24, TYPE.YEAR)
    kept = {kind: made for kind, made in converters.conversions.items() if not isinstance(kind, int)}
    return {**kept, **dict.fromkeys(whole, int), TYPE.FLOAT: float, TYPE.DOUBLE: float}


async def _done(cursor: Any) -> Done:
    rows = list(await cursor.fetchall()) if cursor.description else []
    return Done(rows, cursor.rowcount, cursor.lastrowid)


def _as_many(statements: Sequence[str]) -> Sequence[str]:
    """As many as are sent at once, one at least."""
    size = 0
    for count, statement in enumerate(statements):
        size += len(statement.encode())
        if count and size > LONGEST_PACKET:
            return statements[:count]
    return statements
