"""A connection: the file opened for one call, in a thread, and closed again.

Nobody else can open the file to write it meanwhile, and nobody at all while we write; so it is held for as long as the
call takes, and not longer. The package comes with the extra `duckdb`, and is imported when it is first wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import anyio

from datasyncd.adapters.errors import Transient, Unauthorised, Unsupported
from datasyncd.adapters.files.patience import in_thread, to_its_end

from .file import File
from .trouble import DuckdbError, holder, no_database

if TYPE_CHECKING:
    import duckdb

T = TypeVar("T")

PAUSE_S = 0.02
"""Between two tries for the lock of the file."""


class Connection:
    """The database, open."""

    def __init__(self, file: File, *, read_only: bool, memory_mb: int, timeout_s: float) -> None:
        """`timeout_s`: a statement is cut short after so long."""
        self.file = file
        self._read_only = read_only
        self._settings: dict[str, str | bool | int | float | list[str]] = {
            "threads": 1,
            "memory_limit": f"{memory_mb}MB",
            # A daemon loads no code from the network.
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
        self._timeout_s = timeout_s
        self._raw: duckdb.DuckDBPyConnection | None = None
        self._descriptor: int | None = None
        self._stopped = False
        self._locked_by = "another system of this daemon"

    async def open(self, lock_s: float) -> None:
        """Open the file. Raises `Transient` if somebody else has it for longer, `Unreachable`, `Unauthorised`."""
        deadline = anyio.current_time() + lock_s
        try:
            while not await in_thread(self._try):
                if anyio.current_time() >= deadline:
                    raise Transient(f"{self.file.place} is locked by {self._locked_by}")
                await anyio.sleep(PAUSE_S)
        except BaseException:
            await self.close()
            raise

    async def fetch(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """All rows that a statement finds."""
        with anyio.fail_after(self._timeout_s):
            return await to_its_end(self._run(lambda raw: raw.execute(sql, values).fetchall()), hurry=self.terminate)

    async def execute(self, sql: str, *values: Any) -> None:
        """Run a statement."""
        with anyio.fail_after(self._timeout_s):
            await to_its_end(self._run(lambda raw: raw.execute(sql, values)), hurry=self.terminate)

    async def commit(self) -> None:
        """Commit, however long that takes."""
        await to_its_end(self._run(lambda raw: raw.execute("COMMIT")))

    async def settle(self) -> None:
        """After commits: put them from the log into the file, so that its state is known before others can open it."""
        await to_its_end(self._run(self._settle))

    def is_still_there(self) -> bool:
        """Whether the path still leads to the file that is open."""
        return self._descriptor is not None and self.file.is_still(self._descriptor)

    def is_closed(self) -> bool:
        """Whether nothing is held."""
        return self._descriptor is None

    def terminate(self) -> None:
        """Make what runs fail at once, and whatever is asked next."""
        self._stopped = True
        if self._raw is not None:
            self._raw.interrupt()

    async def close(self) -> None:
        """Close the file; what was not committed is undone."""
        if self._descriptor is not None:
            await in_thread(self._close)

    async def _run(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        return await in_thread(self._work, work)

    def _work(self, work: Callable[[duckdb.DuckDBPyConnection], T]) -> T:
        import duckdb

        if self._raw is None or self._stopped:
            raise DuckdbError("InterruptException", "")
        try:
            return work(self._raw)
        except duckdb.Error as error:
            raise DuckdbError(type(error).__name__, str(error)) from None

    def _try(self) -> bool:
        """Open the file; false, and nothing held, if somebody else has it."""
        try:
            import duckdb
        except ImportError:
            raise Unsupported("DuckDB needs one more package: pip install 'datasyncd[duckdb]'") from None
        if not self._read_only and not self.file.may_be_written() and self.file.path.exists():
            raise Unauthorised(f"{self.file.place}: give the daemon's user the right to write the file and its folder")
        descriptor = self.file.take()
        if descriptor is None:
            return False
        try:
            raw = duckdb.connect(str(self.file.path), read_only=self._read_only, config=self._settings)
        except duckdb.Error as error:
            self.file.leave(descriptor)
            said = DuckdbError(type(error).__name__, str(error))
            if (locked_by := holder(said)) is None:
                raise no_database(said, self.file.place) from None
            self._locked_by = locked_by
            return False
        except BaseException:
            self.file.leave(descriptor)
            raise
        self._raw, self._descriptor = raw, descriptor
        self.file.seen(self.file.look(descriptor))
        raw.execute("SET TimeZone = 'UTC'")
        return True

    def _settle(self, raw: duckdb.DuckDBPyConnection) -> None:
        assert self._descriptor is not None
        self.file.known = None
        raw.execute("CHECKPOINT")
        self.file.known = self.file.look(self._descriptor)

    def _close(self) -> None:
        raw, descriptor = self._raw, self._descriptor
        self._raw = self._descriptor = None
        try:
            if raw is not None:
                raw.close()
        finally:
            if descriptor is not None:
                self.file.leave(descriptor)
