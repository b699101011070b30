"""Names: identifiers as they stand in SQL, and objects as a config names them."""

from __future__ import annotations

import re


class Names:
    """How one kind of server writes names."""

    def __init__(self, quote: str, plain: str) -> None:
        """`quote`: the sign around a name that is no plain one; `plain`: a pattern of names that need none."""
        part = f"{quote}(?:[^{quote}]|{quote}{quote})+{quote}|[^{quote}.]+"
        self._quote = quote
        self._parts = re.compile(rf"(?:(?P<schema>{part})\.)?(?P<name>{part})").fullmatch
        self._plain = re.compile(plain).fullmatch

    def quoted(self, name: str) -> str:
        """An identifier, always quoted."""
        return "".join((self._quote, name.replace(self._quote, self._quote * 2), self._quote))

    def shown(self, name: str) -> str:
        """An identifier for people: quoted where SQL would take it for another one."""
        return name if self._plain(name) else self.quoted(name)

    def split(self, object: str) -> tuple[str | None, str] | None:
        """Schema, if it is said, and name of an object; None: it is no name.

        Unlike in SQL, capital letters need no quotes: a config names things as they are.
        """
        found = self._parts(object)
        if found is None:
            return None
        schema, name = found["schema"], found["name"]
        return (None if schema is None else self._bare(schema)), self._bare(name)

    def _bare(self, part: str) -> str:
        return part[1:-1].replace(self._quote * 2, self._quote) if part.startswith(self._quote) else part
