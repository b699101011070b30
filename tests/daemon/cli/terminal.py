"""A terminal: a command that believes somebody sits before it.

with Terminal(["datasyncd", "init"], cwd=folder) as terminal:
    terminal.sees("First file")
    terminal.types("crm.db")
"""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

PATIENCE_S = 30


class Terminal:
    """One command in a pseudo terminal."""

    def __init__(self, words: Sequence[str], cwd: Path) -> None:
        self._ours, theirs = pty.openpty()
        environ = {**os.environ, "NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "120"}
        environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self._process = subprocess.Popen(
            words, cwd=cwd, env=environ, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self.text = ""
        self._seen = 0

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._ours)

    def sees(self, text: str) -> None:
        """Wait until this stands on the screen, after what was seen before."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.text[self._seen :]:
            assert time.monotonic() < deadline, f"{text!r} is not in:\n{self.text}"
            assert self._read() or text in self.text[self._seen :], f"{text!r} is not in:\n{self.text}"
        self._seen = self.text.index(text, self._seen) + len(text)

    def types(self, line: str) -> None:
        os.write(self._ours, f"{line}\n".encode())

    def ends(self) -> int:
        """Read to the end; the exit code."""
        deadline = time.monotonic() + PATIENCE_S
        while self._read():
            assert time.monotonic() < deadline, self.text
        return self._process.wait(PATIENCE_S)

    def _read(self) -> bool:
        """Take in what is written; False once the command has ended."""
        if not select.select([self._ours], [], [], 1.0)[0]:
            return True
        try:
            part = os.read(self._ours, 4096)
        except OSError:  # Linux says so when the other side is closed
            return False
        self.text += re.sub("\r", "", part.decode(errors="replace"))
        return bool(part)
