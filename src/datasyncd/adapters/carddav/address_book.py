"""An address book: one collection of cards on a server, as WebDAV and CardDAV speak of it (RFC 4918, 6352, 6578)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias
from urllib.parse import quote, unquote, urlsplit

import msgspec
from yarl import URL

from datasyncd.adapters.contract import Key
from datasyncd.adapters.errors import AdapterError, NotFound, Transient, Unsupported
from datasyncd.adapters.http.client import LARGEST, Answer, Client, Lost, TooLarge

from . import multistatus
from .multistatus import BOOK, DATA, ETAG, REPORTS, RIGHTS, SYNC, TAG, TYPE, Multistatus, NotXml, Response
from .trouble import (
    BAD_REQUEST,
    CONFLICT,
    FORBIDDEN,
    FULL,
    GONE,
    MISSING,
    MULTISTATUS,
    NOT_ALLOWED,
    NOT_BUILT,
    OK,
    STALE,
    WRONG_KIND,
    trouble,
)

_UNFIT = re.compile("[/\x00-\x1f\x7f\ud800-\udfff]").search
_NO_NAMES = ("", ".", "..")
_XML = "application/xml; charset=utf-8"
_CARD = "text/vcard; charset=utf-8"
_NO_TOKEN = (BAD_REQUEST, FORBIDDEN, CONFLICT, GONE, STALE)
"""Answers to a sync token that has expired or that the server does not know; RFC 6578, 3.2, names 403 and 409."""
_NO_REPORT = (BAD_REQUEST, NOT_ALLOWED, WRONG_KIND, NOT_BUILT)
"""Answers of a server that does not know a report."""


class Held(msgspec.Struct, frozen=True):
    """A card as the server has it."""

    tag: str
    """Its ETag, as the server writes it."""
    text: str


class Unreadable(msgspec.Struct, frozen=True):
    """The server has something that cannot be read."""

    reason: str
    tag: str = ""


Found: TypeAlias = "Held | Unreadable | None"
"""What there is for a key; None: nothing."""


def _nothing_or_unfit(key: Key) -> Found:
    """What there is for a key that no server is asked for."""
    return None if key in _NO_NAMES else Unreadable("its address has a slash or a control character in it")


class Features(msgspec.Struct, frozen=True):
    """What a server says of an address book."""

    syncs: bool
    """It tells what changed since a token."""
    tag: str | None
    """Changes whenever anything in the book does, where the server has such a thing."""
    rights: frozenset[str] | None
    """What the user may do; None: the server does not say it."""


class Changes(msgspec.Struct, frozen=True):
    """What has changed, or everything."""

    keys: list[Key]
    gone: list[Key]
    token: str


class AddressBook:
    """One collection; its own address ends with a slash."""

    def __init__(self, client: Client, url: URL, place: str, now_us: Callable[[], int]) -> None:
        self.place = place
        self._client = client
        self._url = url
        self._path = unquote(url.raw_path)
        self._now_us = now_us

    # Keys

    def key_of(self, href: str) -> Key | None:
        """The key of an address that the server gives; None: the book itself, or a collection in it.

        Raises `Unsupported` for what is not in the book: if its cards were left out, they would seem to be deleted.
        """
        path = urlsplit(href).path
        folder, _, last = path.rpartition("/")
        if unquote(path).rstrip("/") == self._path.rstrip("/"):
            return None
        if not unquote(path).startswith(self._path):
            raise Unsupported(
                f"{self.place}: the server names its cards by another path than that of `url` and `object`"
            )
        return unquote(last) if last and unquote(folder) + "/" == self._path else None

    def is_key(self, key: Key) -> bool:
        """Whether a text can be the last part of an address. With a slash, servers take it for another place."""
        return key not in _NO_NAMES and not _UNFIT(key)

    def _of(self, key: Key) -> URL:
        return self._url.with_path(self._raw(key), encoded=True)

    def _raw(self, key: Key) -> str:
        return self._url.raw_path + quote(key, safe="")

    # What it is

    async def look(self) -> Features:
        """What the server says of the book now. Raises `NotFound` if it is none."""
        found = await self._multistatus("PROPFIND", multistatus.propfind([TYPE, TAG, REPORTS, RIGHTS]), "0")
        about = next((each for each in found.responses if self.key_of(each.href) is None), None)
        kind = None if about is None else about.properties.get(TYPE)
        if about is None or kind is None or kind.find(BOOK) is None:
            raise NotFound(f"{self.place}: what is there is no address book; see `url` and `object`")
        reports, rights = about.properties.get(REPORTS), about.properties.get(RIGHTS)
        return Features(
            reports is None or any(element.tag == SYNC for element in reports.iter()),
            about.text(TAG) or None,
            None if rights is None else frozenset(str(e.tag).rpartition("}")[2] for e in rights.iter()),
        )

    # What is in it

    async def since(self, token: str) -> Changes | None:
        """What changed since a token, everything for ""; None: the server does not tell, or not since this one, which
        has expired. That is no deletion of anything."""
        keys: dict[Key, bool] = {}
        seen = {token}
        while True:
            answer = await self._ask("REPORT", multistatus.sync_collection(token))
            if (
                answer.status in (_NO_TOKEN if token else _NO_REPORT)
                or multistatus.precondition(answer.body) == "supported-report"
            ):
                return None
            found = self._read(answer)
            truncated = self._sort(found.responses, keys)
            if found.token is None:
                raise Transient(f"{self.place}: the server's answer has no sync token")
            if not truncated:
                break
            if found.token in seen:
                raise Transient(f"{self.place}: the server gives the same part of its changes again and again")
            token = found.token
            seen.add(token)
        return Changes(
            [k for k, there in keys.items() if there], [k for k, there in keys.items() if not there], found.token
        )

    async def everything(self) -> list[Key]:
        """The keys of all cards, as a listing of the collection has them."""
        found = await self._multistatus("PROPFIND", multistatus.propfind([ETAG, TYPE]), "1")
        keys: dict[Key, bool] = {}
        if self._sort(found.responses, keys):
            raise Transient(f"{self.place}: the server lists a part of its cards only")
        return [key for key, there in keys.items() if there]

    async def cards(self, keys: Sequence[Key]) -> dict[Key, Found]:
        """What there is for these keys now."""
        wanted = [key for key in dict.fromkeys(keys) if self.is_key(key)]
        found = await self._multiget(wanted) if wanted else {}
        return {key: found[key] if key in found else _nothing_or_unfit(key) for key in keys}

    async def containing(self, name: str, texts: Sequence[str]) -> dict[Key, Found] | None:
        """Cards of which a property contains one of these texts, and perhaps others; None: the server does not tell."""
        answer = await self._ask("REPORT", multistatus.query(name, texts), "1")
        if answer.status != MULTISTATUS:
            return None
        try:
            responses = multistatus.read(answer.body).responses
        except NotXml:
            return None
        if any(each.status == FULL for each in responses):
            return None
        return self._held(responses)

    async def _multiget(self, keys: Sequence[Key]) -> dict[Key, Found]:
        try:
            answer = await self._ask("REPORT", multistatus.multiget(map(self._raw, keys)), "1")
            found = self._held(self._read_xml(answer).responses)
        except TooLarge:
            if len(keys) == 1:
                return {keys[0]: Unreadable(f"it has more than {LARGEST >> 20} MB")}
            middle = len(keys) // 2
            return {**await self._multiget(keys[:middle]), **await self._multiget(keys[middle:])}
        except NotXml:
            found = {}  # one card with signs that XML has no form for makes all of the answer unreadable
        return {key: found[key] if key in found else await self._get(key) for key in keys}

    async def _get(self, key: Key) -> Found:
        try:
            answer = await self._sent(
                "GET", self._of(key), b"", {"Accept": "text/vcard", "Accept-Encoding": "identity"}
            )
        except TooLarge:
            return Unreadable(f"it has more than {LARGEST >> 20} MB")
        if answer.status in (MISSING, GONE):
            return None
        if answer.status != OK:
            raise trouble(answer, self.place, self._now_us())
        tag = self._tagged(answer.headers.get("etag"))
        try:
            return Held(tag, answer.body.decode())
        except UnicodeDecodeError:
            return Unreadable("it is not UTF-8 text", tag)

    def _held(self, responses: Iterable[Response]) -> dict[Key, Found]:
        found: dict[Key, Found] = {}
        for each in responses:
            key = self.key_of(each.href)
            if key is None:
                continue
            text = each.text(DATA)
            if each.status in (MISSING, GONE):
                found[key] = None
            elif each.status != OK:
                raise Transient(f"{self.place}: the server gives no answer about some cards (status {each.status})")
            elif text is None:
                found[key] = Unreadable("the server gives no card for it", each.text(ETAG) or "")
            else:
                found[key] = Held(self._tagged(each.text(ETAG)), text)
        return found

    def _tagged(self, tag: str | None) -> str:
        if not tag:
            raise Unsupported(f"{self.place}: the server gives its cards no ETag, so that no write can be conditional")
        return tag

    def _sort(self, responses: Iterable[Response], keys: dict[Key, bool]) -> bool:
        """Note which keys are there and which are gone; whether the server has told a part only."""
        truncated = False
        for each in responses:
            key = self.key_of(each.href)
            if key is None:
                truncated = truncated or each.status == FULL
                continue
            kind = each.properties.get(TYPE)
            if kind is None or kind.find(f"{multistatus.DAV}collection") is None:
                keys[key] = each.status not in (MISSING, GONE)
        return truncated

    # Writes

    async def put(self, key: Key, card: bytes, tag: str | None) -> Answer:
        """Write a card over the one with this ETag, or, without one, where there is none. Raises `Lost`, `TooLarge`."""
        condition = {"If-None-Match": "*"} if tag is None else {"If-Match": tag}
        return await self._client.send("PUT", self._of(key), card, {"Content-Type": _CARD, **condition}, asks=False)

    async def delete(self, key: Key, tag: str) -> Answer:
        """Delete the card with this ETag. Raises `Lost`, `TooLarge`."""
        return await self._client.send("DELETE", self._of(key), b"", {"If-Match": tag}, asks=False)

    def trouble(self, answer: Answer) -> AdapterError:
        return trouble(answer, self.place, self._now_us())

    # Requests

    async def _multistatus(self, method: str, body: bytes, depth: str) -> Multistatus:
        try:
            return self._read(await self._ask(method, body, depth))
        except TooLarge:
            raise Unsupported(f"{self.place}: the server lists more than {LARGEST >> 20} MB at once") from None

    def _read(self, answer: Answer) -> Multistatus:
        try:
            return self._read_xml(answer)
        except NotXml:
            raise Transient(f"{self.place}: the server's answer is not the XML that it should be") from None

    def _read_xml(self, answer: Answer) -> Multistatus:
        if answer.status != MULTISTATUS:
            raise trouble(answer, self.place, self._now_us())
        return multistatus.read(answer.body)

    async def _ask(self, method: str, body: bytes, depth: str = "0") -> Answer:
        headers: Mapping[str, str] = {"Content-Type": _XML, "Depth": depth}
        return await self._sent(method, self._url, body, headers)

    async def _sent(self, method: str, url: URL, body: bytes, headers: Mapping[str, str]) -> Answer:
        try:
            return await self._client.send(method, url, body, headers, asks=True)
        except Lost as error:
            raise Transient(f"{self.place}: the connection was lost ({error})") from None
