"""Another process that works in a DuckDB file, for tests and for the conformance suite.

DuckDB's locks hold between processes, so that somebody else in this one would be nobody else. The process opens the
file for each piece of work, and waits for it if it is locked.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
from typing import Any, Literal, TypeAlias

from datasyncd.adapters.files.patience import in_thread

What: TypeAlias = Literal["run", "hold", "look", "held", "leave", "die"]
"""`run`: open the file, execute, close it; `hold`: open it until `leave`, and `look`: to read only; `held`: execute in
it meanwhile; `die`: execute, and die with the file open."""

PAUSE_S = 0.005


class Another:
    """The other process. `aclose` ends it."""

    def __init__(self, path: str, patience_s: float = 0.0) -> None:
        """`patience_s`: how long it waits for a file that is locked."""
        self._path = path
        self._patience_s = patience_s
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()

    async def asks(self, what: What, *statements: tuple[str, Any]) -> Any:
        """Have something done; the event loop goes on. Raises `RuntimeError` with what DuckDB said."""
        return await in_thread(self.ask, what, *statements)

    def ask(self, what: What, *statements: tuple[str, Any]) -> Any:
        """Have statements executed, each with its values; the rows of the last one."""
        with self._turn:
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE
                )
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            pickle.dump((what, self._path, statements, self._patience_s), self._process.stdin)
            self._process.stdin.flush()
            if what == "die":
                self._process.wait()
                return None
            done, answer = pickle.load(self._process.stdout)
        if not done:
            raise RuntimeError(answer)
        return answer

    async def aclose(self) -> None:
        """End the process."""
        await in_thread(self.close)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.close()
            self._process.wait()
            self._process.stdout.close()
            self._process = None


class _Work:
    """What the other process does."""

    def __init__(self) -> None:
        self._held: Any = None

    def do(self, what: What, path: str, statements: tuple[tuple[str, Any], ...], patience_s: float) -> Any:
        if what == "leave":
            self._held.close()
            return None
        if what in ("hold", "look"):
            self._held = _opened(path, patience_s, read_only=what == "look")
            return None
        connection = self._held if what == "held" else _opened(path, patience_s)
        answer: Any = None
        try:
            for sql, values in statements:
                answer = connection.execute(sql, values).fetchall()
        finally:
            if what == "die":
                os._exit(0)
            if what == "run":
                connection.close()
        return answer


def _opened(path: str, patience_s: float, *, read_only: bool = False) -> Any:
    import duckdb

    deadline = time.monotonic() + patience_s
    while True:
        try:
            return duckdb.connect(path, read_only=read_only)
        except duckdb.IOException as error:
            if "Could not set lock" not in str(error) or time.monotonic() >= deadline:
                raise
            time.sleep(PAUSE_S)


def main() -> None:
    """Do what is asked on standard input, until it ends."""
    work = _Work()
    while True:
        try:
            asked = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = True, work.do(*asked)
        except Exception as error:  # whoever asked is told
            answer = False, f"{type(error).__name__}: {error}"
        pickle.dump(answer, sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
