"""The store that is a bucket of S3, or of a service that speaks like it.

An object is put as a whole and appears at once, so that no upload is ever seen half done. With `If-Match` the service
compares the ETag of what is there, and replaces it only if it is still that one (Amazon's guide: "Conditional writes").
Services that do not know this leave it out without a word, so it is tried before the first write.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Hashable
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from datasyncd.adapters.errors import AdapterError, Throttled, Transient, Unauthorised, Unreachable, Unsupported

from .address import Address
from .options import FolderOptions
from .store import Content, Doubt, NoFile, Promises

if TYPE_CHECKING:
    from obstore.store import S3Store as Bucket

T = TypeVar("T")

LARGEST = 1 << 30
"""Bytes of a file; it is held in memory whole."""
LATE_S = 60.0
"""Longest time after we gave up in which a request can still be carried out."""
PAUSE_S = 5.0
"""How long to leave a service alone that says it is asked too much."""

_IDLE = timedelta(seconds=20)
"""How long a connection is kept that nobody uses."""
_UNSURE = ("500", "502", "504")
_PROBE = ".datasyncd-probe"
_STATUS = re.compile(r"status code: (\d{3})").search
_CODE = re.compile(r"<Code>(\w+)</Code>").search
_SECOND_THOUGHTS = "it is not known whether the service has replaced the file"


class S3Store:
    """Objects behind a prefix of a bucket."""

    def __init__(self, address: Address, options: FolderOptions, *, settle_s: float) -> None:
        self.promises = Promises(
            # Against the one service that it was tried with, an edit got lost all the same, and it is not known why:
            # until it is, nothing is promised of the comparison.
            compares=False,
            last_look="the object is put",
            tells_stamps=True,
            tells_unchanged=True,
            settle_s=settle_s,
            late_s=LATE_S,
        )
        self._address = address
        self._options = options
        self._bucket: Bucket | None = None
        self._tried = not options.conditional
        self._closed = False

    def shown(self, name: str) -> str:
        return f"{self._address.shown}/{name}"

    async def read(self, name: str) -> Content:
        """One answer has both the bytes and their ETag."""
        import obstore

        found = await self._asked(name, obstore.get_async(self._opened(), name))
        if found.meta["size"] > LARGEST:
            raise Unsupported(f"{self.shown(name)} is larger than {LARGEST >> 20} MB")
        data = bytes(await self._asked(name, found.bytes_async()))
        return Content(data, self._tag(name, found.meta))

    async def stamp(self, name: str) -> Hashable:
        import obstore

        return self._tag(name, await self._asked(name, obstore.head_async(self._opened(), name)))

    async def replace(self, name: str, seen: Content, data: bytes) -> bool:
        """On crash: the object is the old or the new one; which, only reading it tells."""
        if not self._options.conditional:
            if await self.stamp(name) != seen.stamp:
                return False
            return await self._put(name, data, "overwrite")
        await self._try(name)
        return await self._put(name, data, {"e_tag": seen.stamp})

    async def create(self, name: str, data: bytes) -> bool:
        return await self._put(name, data, "create")

    async def may_be_made(self, name: str) -> None:
        """A bucket has no folders: what was not found can be made."""

    async def remove(self, name: str) -> None:
        import obstore

        await self._asked(name, obstore.delete_async(self._opened(), name))

    def locked(self, name: str, *, shared: bool) -> AbstractAsyncContextManager[None]:
        return nullcontext()

    async def changes(self, name: str) -> AsyncIterator[bool]:
        raise Unsupported(f"{self._address.shown} tells of no changes; use `every`")
        yield False

    async def aclose(self) -> None:
        self._closed = True
        self._bucket = None

    def _opened(self) -> Bucket:
        try:
            from obstore.store import S3Store as Bucket
        except ImportError:
            raise Unsupported("S3 needs one more package: pip install 'datasyncd[s3]'") from None
        if self._closed:
            raise Transient(f"{self._address.shown} was closed")
        if self._bucket is None:
            options = self._options
            given: dict[str, Any] = {"region": options.region}
            if options.endpoint:
                given["endpoint"] = options.endpoint
            if options.access_key:
                given |= {"access_key_id": options.access_key, "secret_access_key": options.secret_key}
            if options.session_token:
                given["session_token"] = options.session_token
            limit = timedelta(seconds=options.timeout_s)
            self._bucket = Bucket(
                self._address.host,
                prefix=self._address.folder or None,
                client_options={
                    "timeout": limit,
                    "connect_timeout": limit,
                    "pool_idle_timeout": _IDLE,
                    "allow_http": True,
                },
                # What was sent once may have arrived: the daemon decides what is sent again.
                retry_config={"max_retries": 0, "retry_timeout": limit},
                **given,
            )
        return self._bucket

    def _tag(self, name: str, meta: Any) -> Hashable:
        tag: str | None = meta["e_tag"]
        if tag is None:
            raise Unsupported(f"{self.shown(name)}: the service tells no ETag")
        return tag

    async def _put(self, name: str, data: bytes, mode: Any) -> bool:
        import obstore
        from obstore import exceptions

        try:
            with anyio.fail_after(self._options.timeout_s):
                await obstore.put_async(self._opened(), name, data, mode=mode, use_multipart=False)
        except (exceptions.PreconditionError, exceptions.AlreadyExistsError):
            return False
        except TimeoutError:
            raise Doubt(f"{_SECOND_THOUGHTS}: it did not answer in time") from None
        except (exceptions.BaseError, OSError) as error:
            said = str(error)
            status = _STATUS(said)
            if status is not None and status[1] == "409":  # somebody else was replacing it at the same moment
                return False
            if "Connect," not in said if status is None else status[1] in _UNSURE:
                raise Doubt(f"{_SECOND_THOUGHTS}: {'its answer' if status is None else 'it'} failed") from None
            raise self._trouble(name, error) from None
        return True

    async def _try(self, name: str) -> None:
        """Raise `Unsupported` if the service does not compare ETags: it would then replace what nobody read."""
        if self._tried:
            return
        probe = f"{name.rpartition('/')[0]}/{_PROBE}".removeprefix("/")
        if await self._put(probe, b"Whether ETags are compared here.\n", {"e_tag": '"nothing"'}):
            raise Unsupported(
                f"{self._address.shown}: the service does not compare ETags (it took {_PROBE}, which can be deleted); "
                "say `conditional = false`"
            )
        self._tried = True

    async def _asked(self, name: str, asked: Awaitable[T]) -> T:
        from obstore import exceptions

        try:
            with anyio.fail_after(self._options.timeout_s):
                return await asked
        except TimeoutError:
            raise Transient(f"{self.shown(name)}: the service did not answer in time") from None
        except (exceptions.BaseError, OSError) as error:
            raise self._trouble(name, error) from None

    def _trouble(self, name: str, error: Exception) -> AdapterError:
        """What the service says is not passed on: it may quote a key."""
        said, place = str(error), self.shown(name)
        status, code = _STATUS(said), _CODE(said)
        number = 0 if status is None else int(status[1])
        told = f" ({code[1]})" if code is not None else f" (status {number})" if number else ""
        if code is not None and code[1] == "NoSuchBucket":
            return Unreachable(f"{place}: there is no such bucket; see `path`, `region` and `endpoint`")
        if number in (401, 403):
            return Unauthorised(f"{place}: the service does not allow it{told}; see the keys, and what they may do")
        if isinstance(error, FileNotFoundError):
            return NoFile(f"{place}: there is no such object")
        if number in (429, 503):
            return Throttled(f"{place}: the service asks to wait{told}", PAUSE_S)
        if number == 0:
            return Unreachable(f"{place}: the service does not answer; see that it runs, and that `endpoint` is right")
        return Transient(f"{place}: the service failed{told}")
