"""Multistatus: requests and answers of WebDAV and CardDAV in XML (RFC 4918, 6352, 6578).

What a server sends is read with the extra `carddav`: a document that declares anything of its own is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from xml.etree import ElementTree

import msgspec

from datasyncd.adapters.errors import Unsupported

DAV = "{DAV:}"
CARD = "{urn:ietf:params:xml:ns:carddav}"
SERVER = "{http://calendarserver.org/ns/}"

ETAG = f"{DAV}getetag"
DATA = f"{CARD}address-data"
TAG = f"{SERVER}getctag"
TYPE = f"{DAV}resourcetype"
REPORTS = f"{DAV}supported-report-set"
RIGHTS = f"{DAV}current-user-privilege-set"
SYNC = f"{DAV}sync-collection"
TOKEN = f"{DAV}sync-token"
BOOK = f"{CARD}addressbook"

_STATUS = re.compile(r"HTTP/\S+ ([0-9]{3})").match
_OK = 200


class NotXml(ValueError):
    """An answer cannot be read. Says nothing of what is in it."""


class Response(msgspec.Struct, frozen=True):
    """What is said of one resource."""

    href: str
    status: int
    """Of the resource, where it has one of its own; else 200."""
    properties: dict[str, Any]
    """The properties that were found: their elements by name."""

    def text(self, name: str) -> str | None:
        element = self.properties.get(name)
        return None if element is None else element.text or ""


class Multistatus(msgspec.Struct, frozen=True):
    """An answer about several resources."""

    responses: list[Response]
    token: str | None = None
    """The sync token after it."""


def read(body: bytes) -> Multistatus:
    """Raises `NotXml`."""
    root = parsed(body)
    if root.tag != f"{DAV}multistatus":
        raise NotXml("it is no multistatus")
    token = root.find(TOKEN)
    return Multistatus(
        [_response(element) for element in root.iter(f"{DAV}response")],
        None if token is None else (token.text or "").strip() or None,
    )


def precondition(body: bytes) -> str:
    """The name of the condition that an error says was not met; "": it says none (RFC 4918, 16)."""
    try:
        root = parsed(body)
    except NotXml:
        return ""
    if root.tag != f"{DAV}error":
        return ""
    return next((str(element.tag).rpartition("}")[2] for element in root), "")


def parsed(body: bytes) -> Any:
    """The root of a document. Raises `NotXml`, and `Unsupported` without the extra."""
    try:
        from defusedxml.common import DefusedXmlException
        from defusedxml.ElementTree import fromstring
    except ImportError:
        raise Unsupported("CardDAV needs one more package: pip install 'datasyncd[carddav]'") from None
    try:
        return fromstring(body, forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError, LookupError) as error:
        raise NotXml(type(error).__name__) from None


def propfind(names: Iterable[str]) -> bytes:
    """A request for these properties."""
    root = ElementTree.Element(f"{DAV}propfind")
    _properties(root, names)
    return _document(root)


def sync_collection(token: str) -> bytes:
    """A request for what has changed since a token; "": for everything (RFC 6578, 3.2)."""
    root = ElementTree.Element(SYNC)
    ElementTree.SubElement(root, TOKEN).text = token
    ElementTree.SubElement(root, f"{DAV}sync-level").text = "1"
    _properties(root, [ETAG])
    return _document(root)


def multiget(hrefs: Iterable[str]) -> bytes:
    """A request for whole cards by their addresses (RFC 6352, 8.7)."""
    root = ElementTree.Element(f"{CARD}addressbook-multiget")
    _properties(root, [ETAG, DATA])
    for href in hrefs:
        ElementTree.SubElement(root, f"{DAV}href").text = href
    return _document(root)


def query(name: str, texts: Sequence[str]) -> bytes:
    """A request for whole cards of which a property contains one of these texts, in any case (RFC 6352, 8.6)."""
    root = ElementTree.Element(f"{CARD}addressbook-query")
    _properties(root, [ETAG, DATA])
    filters = ElementTree.SubElement(root, f"{CARD}filter", test="anyof")
    about = ElementTree.SubElement(filters, f"{CARD}prop-filter", name=name, test="anyof")
    for text in texts:
        match = {"collation": "i;unicode-casemap", "match-type": "contains"}
        ElementTree.SubElement(about, f"{CARD}text-match", match).text = text
    return _document(root)


def _response(element: Any) -> Response:
    href, status = element.find(f"{DAV}href"), element.find(f"{DAV}status")
    return Response(
        "" if href is None else (href.text or "").strip(),
        _OK if status is None else _code(status.text),
        {found.tag: found for found in _found(element)},
    )


def _found(element: Any) -> Iterator[Any]:
    for propstat in element.findall(f"{DAV}propstat"):
        status, properties = propstat.find(f"{DAV}status"), propstat.find(f"{DAV}prop")
        if properties is not None and (status is None or _code(status.text) == _OK):
            yield from properties


def _code(text: str | None) -> int:
    found = _STATUS((text or "").strip())
    return int(found[1]) if found else 0


def _properties(root: ElementTree.Element, names: Iterable[str]) -> None:
    wanted = ElementTree.SubElement(root, f"{DAV}prop")
    for name in names:
        ElementTree.SubElement(wanted, name)


def _document(root: ElementTree.Element) -> bytes:
    document: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return document
