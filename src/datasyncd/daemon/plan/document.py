"""The file of a plan: JSON lines, the first saying what it is, then one for each write, then one that ends it.

It holds values in the clear, so only its owner may read it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from .item import Digests, Item

VERSION = 1


class NoPlan(Exception):
    """A file is no plan, or not a whole one, or not one for this config; the text says what to do."""


class Head(msgspec.Struct, kw_only=True):
    """The first line."""

    datasyncd_plan: int
    """Version of this form."""
    made_by: str
    """Version of the program."""
    made_at: str
    config: str
    """Digest of the config that it was made for."""
    salt: str
    """Of the digests in it."""


class End(msgspec.Struct, kw_only=True):
    """The last line: without it, or with another count, the file is not whole."""

    items: int
    summary: Any
    """What `plan --json` shows."""


Line: TypeAlias = Item | End
_encode = msgspec.json.Encoder().encode
_head = msgspec.json.Decoder(Head)


class Writer:
    """Writes a plan where nobody sees it, and puts it in its place when it is whole.

    On crash: nothing is left, since what is written has no name until then.
    """

    def __init__(self, path: Path, head: Head) -> None:
        """Raises `OSError`."""
        self._path = path
        self._out = tempfile.TemporaryFile(dir=path.absolute().parent)  # noqa: SIM115 - `close` is its end
        self._items = 0
        self._line(head)

    def add(self, item: Item) -> None:
        self._items += 1
        self._line(item)

    def finish(self, summary: Any) -> None:
        """Put it in its place, readable by its owner alone. Raises `OSError`."""
        self._line(End(items=self._items, summary=summary))
        self._out.seek(0)
        descriptor, name = tempfile.mkstemp(".part", f"{self._path.name}.", self._path.absolute().parent)
        try:
            with os.fdopen(descriptor, "wb") as whole:
                shutil.copyfileobj(self._out, whole)
            os.replace(name, self._path)
        except BaseException:
            os.unlink(name)
            raise

    def close(self) -> None:
        """Forget what was not finished."""
        self._out.close()

    def _line(self, line: Head | Line) -> None:
        self._out.write(_encode(line) + b"\n")


def head_of(path: Path) -> Head:
    """Raises `NoPlan`, `OSError`."""
    with path.open("rb") as source:
        first = source.readline(1 << 16)
    try:
        head = _head.decode(first)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise NoPlan(f"{path} is no plan; make one: datasyncd plan -o FILE") from None
    if head.datasyncd_plan != VERSION:
        raise NoPlan(
            f"{path} was made by version {head.made_by} in another form; make it again: datasyncd plan -o FILE"
        )
    return head


def items_of(path: Path) -> Iterator[Item]:
    """The items one by one; the file is read once for each time. Raises `NoPlan` where it is not whole."""
    count, end = 0, -1
    with path.open("rb") as source:
        next(source)
        for number, line in enumerate(source, 2):
            try:
                if line.startswith(b'{"items":'):
                    end = msgspec.json.decode(line, type=End).items
                    break
                count += 1
                yield msgspec.json.decode(line, type=Item)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                raise NoPlan(f"{path}, line {number}: not a line of a plan") from None
    if end != count:
        raise NoPlan(
            f"{path} is not whole: its end is missing, or lines of it are; make it again: datasyncd plan -o FILE"
        )


Found: TypeAlias = Literal["same", "other", "none"]


class Index:
    """The writes of a plan: whether one is among them, and which were not met. About 250 bytes for each."""

    def __init__(self, path: Path, digests: Digests) -> None:
        """Raises `NoPlan`, `OSError`."""
        self._path = path
        self._digests = digests
        self._contents: dict[bytes, list[bytes]] = {}
        self.count = 0
        for item in items_of(path):
            for _field, name, content in digests.units(item):
                self._contents.setdefault(name, []).append(content)
                self.count += 1

    def find(self, name: bytes, content: bytes) -> Found:
        """Whether this very write is planned, another one of the same name, or none."""
        known = self._contents.get(name)
        if not known:
            return "none"
        return "same" if content in known else "other"

    def met(self, name: bytes, content: bytes) -> None:
        """This one is done."""
        self._contents[name].remove(content)

    def left(self) -> Iterator[tuple[Item, str | None, bytes]]:
        """The writes that were not met, with their fields and names."""
        for item in items_of(self._path):
            for field, name, content in self._digests.units(item):
                if content in self._contents.get(name, ()):
                    yield item, field, name
