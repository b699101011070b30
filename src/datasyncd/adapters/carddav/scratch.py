"""Scratch: an address book that is made for the conformance suite.

A card's fields have names of their own: the suite sees them by its names.
"""

from __future__ import annotations

from yarl import URL

from datasyncd.adapters.contract import Native
from datasyncd.adapters.errors import Transient
from datasyncd.adapters.http.client import Client, Lost
from datasyncd.adapters.testing.scratch import SecondConnection, Site

from .names import KEY
from .server import client_of, folder_of
from .trouble import CREATED, GONE, MISSING, NO_CONTENT, OK, trouble

_MKCOL = b"""<?xml version="1.0" encoding="utf-8"?>
<D:mkcol xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><D:set><D:prop><D:resourcetype><D:collection/>
<C:addressbook/></D:resourcetype></D:prop></D:set></D:mkcol>"""
"""RFC 5689, 3."""


class CarddavScratch(SecondConnection):
    """An address book of people."""

    text_only = True
    many = 250
    names = {
        "id": KEY,
        "name": "FN",
        "email": "EMAIL;TYPE=work",
        "amount": "X-AMOUNT",
        "changed": "REV",
        "note": "NOTE",
    }

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.made = f"the address book {site.object}"
        self._client: Client | None = None

    async def make(self) -> None:
        self._client = client_of(self.site.system, self.site.base, self.options)
        await self._ask("MKCOL", _MKCOL, {"Content-Type": "application/xml; charset=utf-8"})

    async def remove(self) -> None:
        await super().remove()
        if self._client is not None:
            try:
                await self._ask("DELETE", b"", {})
            finally:
                await self._client.aclose()

    def stored(self, field: str, value: Native) -> Native:
        return value.replace("\r\n", "\n") if isinstance(value, str) else value

    async def _ask(self, method: str, body: bytes, headers: dict[str, str]) -> None:
        assert self._client is not None
        url = folder_of(self.options).join(URL(f"{self.site.object}/"))
        place = f"{self._client.place}: {self.site.object}"
        try:
            answer = await self._client.send(method, url, body, headers, asks=False)
        except Lost as error:
            raise Transient(f"{place}: the connection was lost ({error})") from None
        over = (MISSING, GONE) if method == "DELETE" else ()
        if answer.status not in (OK, CREATED, NO_CONTENT, *over):
            raise trouble(answer, place, 0)
