"""Program: somebody else's program, run as a process: lines in, lines out, and nothing left of it.

It gets an environment of its own, without our secrets, and a process group of its own, which is ended with it. Its
lines are read as fast as they are used, and each is bounded; of what it says on standard error the last lines are kept.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import anyio
import anyio.abc
from anyio.streams.buffered import BufferedByteReceiveStream

from datasyncd.adapters.errors import Transient, Unreachable

LONGEST_LINE = 16 * 1024 * 1024
"""Most octets of a line that a program writes."""
GRACE_S = 5.0
"""How long a program may take to end once it was asked to; then it is killed."""
LAST_LINES = 5
LONGEST_WORDS = 65_536
"""Most octets of a line on standard error that is told at all."""
LONGEST_TEXT = 400
"""Most characters of what is told of its last words."""
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY",
         "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")  # fmt: skip
"""What of our environment a program gets."""
_PIECE = 65_536
_TOO_LONG = b"\0" * 16


class Program:
    """One kind of run: the command, its environment, and the secrets that its words must not tell."""

    def __init__(
        self, place: str, command: Sequence[str], environ: Mapping[str, str], secrets: Iterable[str], silence_s: float
    ) -> None:
        """`place` names it in error texts; `silence_s`: it may say nothing for so long."""
        self.place = place
        self._command = list(command)
        self._environ = {**{name: os.environ[name] for name in _KEPT if name in os.environ}, **environ}
        forms = {form for secret in secrets for form in _forms(secret) if len(form) > 3}
        self._secrets = sorted(forms, key=len, reverse=True)
        self.silence_s = silence_s
        self._running: set[_Running] = set()
        self._closed = False

    async def lines(
        self, words: Sequence[str], folder: Path, given: AsyncIterator[bytes] | None = None
    ) -> AsyncIterator[bytes]:
        """Run it with these words, give it these pieces, and yield its lines; at their end it has ended well.

        Raises `Transient` if it ends otherwise, is silent for too long or writes an endless line, and `Unreachable` if
        it cannot be started. Close the iterator (`aclosing`) to end it early.
        """
        running = await self._start(words, folder, piped=given is not None)
        try:
            running.begin(given)
            async for line in running.lines():
                yield line
            await running.ended()
        finally:
            self._running.discard(running)
            with anyio.CancelScope(shield=True):
                await running.end()

    async def aclose(self) -> None:
        """End what runs; nothing is started any more."""
        self._closed = True
        while self._running:
            await self._running.pop().end()

    async def _start(self, words: Sequence[str], folder: Path, *, piped: bool) -> _Running:
        if self._closed:
            raise Transient(f"{self.place}: it was closed")
        try:
            process = await anyio.open_process(
                [*self._command, *words],
                stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                cwd=folder,
                env=self._environ,
                start_new_session=True,
            )
        except OSError as error:
            raise Unreachable(f"{self.place}: it cannot be started: {error.strerror}") from None
        running = _Running(self, process)
        self._running.add(running)
        return running

    def told(self, said: Iterable[str]) -> str:
        """What it said, without secrets: they are taken out before anything is cut."""
        return " | ".join(map(self.clean, said))[-LONGEST_TEXT:]

    def clean(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "...")
        return text


class _Running:
    """One process."""

    def __init__(self, program: Program, process: anyio.abc.Process) -> None:
        self._program = program
        self._process = process
        self._said: deque[str] = deque(maxlen=LAST_LINES)
        self._tasks: list[asyncio.Task[None]] = []
        self._ended = False

    def begin(self, given: AsyncIterator[bytes] | None) -> None:
        """Listen to what it says of itself, and give it what it is to read."""
        self._tasks.append(asyncio.create_task(self._listen()))
        if given is not None:
            self._tasks.append(asyncio.create_task(self._give(given)))

    async def lines(self) -> AsyncIterator[bytes]:
        assert self._process.stdout is not None
        stream = BufferedByteReceiveStream(self._process.stdout)
        while True:
            try:
                with anyio.fail_after(self._program.silence_s):
                    line = await stream.receive_until(b"\n", LONGEST_LINE)
            except (anyio.IncompleteRead, anyio.EndOfStream, anyio.ClosedResourceError):
                if self._ended:
                    raise Transient(f"{self._program.place}: it was closed") from None
                if stream.buffer.strip():
                    yield stream.buffer
                return
            except anyio.DelimiterNotFound:
                raise self._trouble(f"it writes a line of more than {LONGEST_LINE >> 20} MB") from None
            except TimeoutError:
                raise self._trouble(f"it has said nothing for {self._program.silence_s:g} s") from None
            if line.strip():
                yield line

    async def ended(self) -> None:
        """Wait until it has ended. Raises `Transient` if it did not end well."""
        try:
            with anyio.fail_after(self._program.silence_s):
                code = await self._process.wait()
        except TimeoutError:
            raise self._trouble("it does not end") from None
        await asyncio.wait(self._tasks[:1], timeout=GRACE_S)
        if code != 0:
            how = f"it was ended by {signal.Signals(-code).name}" if code < 0 else f"it failed (exit code {code})"
            raise self._trouble(how)

    async def _listen(self) -> None:
        """Keep the last lines of its standard error."""
        assert self._process.stderr is not None
        rest = b""
        try:
            while True:
                rest += await self._process.stderr.receive(_PIECE)
                *whole, rest = rest.split(b"\n")
                rest = rest if len(rest) <= LONGEST_WORDS else _TOO_LONG
                self._said.extend(self._heard(line) for line in whole if line.strip())
        except (anyio.EndOfStream, anyio.ClosedResourceError, anyio.BrokenResourceError):
            if rest.strip():
                self._said.append(self._heard(rest))

    def _heard(self, line: bytes) -> str:
        """A line as it may be told; its head, once no secret is in it."""
        if len(line) > LONGEST_WORDS or line.startswith(_TOO_LONG):
            return "(a very long line)"
        return self._program.clean(line.decode(errors="replace")).strip()[:LONGEST_TEXT]

    async def end(self) -> None:
        """End what is still there of it: asked first, then killed. Nothing of it is left."""
        if self._ended:
            return
        self._ended = True
        self._signal(signal.SIGTERM)
        with anyio.move_on_after(GRACE_S):
            await self._process.wait()
        self._signal(signal.SIGKILL)  # also what it has started itself
        await self._process.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._process.aclose()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    async def _give(self, pieces: AsyncIterator[bytes]) -> None:
        assert self._process.stdin is not None
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):  # how it ended tells why
            async for piece in pieces:
                await self._process.stdin.send(piece)
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
            await self._process.stdin.aclose()

    def _trouble(self, what: str) -> Transient:
        said = self._program.told(self._said)
        return Transient(f"{self._program.place}: {what}{f': {said}' if said else ''}; it is tried again")


def _forms(secret: str) -> list[str]:
    """What a secret may look like in a text: whole, by its lines, in JSON, and in an address."""
    return [secret, *secret.splitlines(), json.dumps(secret)[1:-1], quote(secret, safe=""), quote_plus(secret)]


def secrets_in(settings: Any) -> list[str]:
    """All texts in settings: any of them may be a secret."""
    if isinstance(settings, str):
        return [settings]
    if isinstance(settings, dict):
        return [text for value in settings.values() for text in secrets_in(value)]
    if isinstance(settings, list):
        return [text for value in settings for text in secrets_in(value)]
    return []
