"""A real NATS server with JetStream, from the package index: one a test process, streams of its own for each test."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import anyio
from nats.aio.client import Client
from nats.js.api import StreamConfig
from nats.js.errors import APIError, NotFoundError

from tests.servers.postgres import free_port, watched

PROGRAM = Path(sysconfig.get_path("scripts"), "nats-server")
START_S = 30
_numbers = itertools.count(1)
HOST = "127.0.0.1"
USER, PASSWORD = "ann", "pässword: 1"
OWNER = ("owner", "owner")
"""Who may do everything."""
LARGEST = 1024 * 1024
"""Octets of a message."""


def rights_of_the_page() -> str:
    """What the guide gives to the daemon, for the streams of the tests."""
    text = (Path(__file__).parents[2] / "docs/how-to/connect-nats.md").read_text(encoding="utf-8")
    rights = text[text.index("permissions: {") + len("permissions: ") : text.index("}}\n") + 1]
    return rights.replace("crm.contacts", "people").replace("CONTACTS", "*")


class Server:
    """One server, in a folder of its own."""

    def __init__(self, folder: Path, tls: tuple[Path, Path] | None = None) -> None:
        """`tls`: a certificate and its key."""
        self.folder = folder
        self._tls = "" if tls is None else f'tls {{cert_file: "{tls[0]}", key_file: "{tls[1]}"}}'
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://{HOST}:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        (self.folder / "data").mkdir(exist_ok=True)
        users = ", ".join(
            f'{{user: "{user}", password: "{password}"{rights}}}'
            for user, password, rights in (
                (*OWNER, ""),
                (USER, PASSWORD, ""),
                ("reader", "reader", ', permissions: {publish: ["$JS.API.>"], subscribe: ["_INBOX.>"]}'),
                ("narrow", "narrow", f", permissions: {rights_of_the_page()}"),
                ("nobody", "nobody", ', permissions: {publish: ["none"], subscribe: ["_INBOX.>"]}'),
            )
        )
        config = self.folder / "config"
        config.write_text(
            f"""listen: "{HOST}:{self.port}"\npid_file: "{self.folder}/data/postmaster.pid"\nmax_payload: {LARGEST}
            jetstream {{store_dir: "{self.folder}/data"}}\nauthorization {{users: [{users}]}}\n{self._tls}\n""",
            encoding="utf-8",
        )
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM, "-c", config], stdout=log, stderr=log, cwd=self.folder, start_new_session=True
            )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(OSError):
                socket.create_connection((HOST, self.port), 1).close()
                return
            time.sleep(0.02)
        raise AssertionError(f"the server does not start: {(self.folder / 'log').read_text()}")

    def stop(self, mode: signal.Signals = signal.SIGTERM) -> None:
        """Stop it: SIGTERM in good order, SIGKILL is a crash."""
        if self._process is not None:
            self._process.send_signal(mode)
            self._process.wait(START_S)
            self._process = None

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """It takes connections, and does nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)


class Streams:
    """The streams of one test, and somebody else who works with them."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def options(self, **more: Any) -> dict[str, Any]:
        """What a config says of the server."""
        return {"url": self.server.url, "user": USER, "password": PASSWORD, **more}

    def connected(self) -> Connected:
        return Connected(self.server.url)

    async def make(self, object: str = "people", **settings: Any) -> str:
        """A stream that holds an object."""
        # A server does not always make a stream anew at once whose name it has just deleted.
        name = f"{object.replace('.', '_')}_{next(_numbers)}"
        config = {"name": name, "subjects": [f"{object}.*"], "max_msgs_per_subject": 1, **settings}
        async with self.connected() as client:
            await client.jetstream().add_stream(StreamConfig(**config))
        return name

    async def put(self, states: Mapping[str, bytes], **headers: str) -> None:
        """Messages by their subjects."""
        async with self.connected() as client:
            stream = client.jetstream()
            told = [await stream.publish_async(each, data, headers=headers or None) for each, data in states.items()]
            for answer in told:
                await answer

    async def last(self, subject: str) -> bytes:
        """The last message of a subject; empty: a tombstone, or none."""
        async with self.connected() as client:
            stream = client.jetstream()
            with suppress(NotFoundError):
                found = await stream.get_last_msg(await stream.find_stream_name_by_subject(subject), subject)
                return found.data or b""
        return b""

    async def all_last(self, object: str) -> dict[str, bytes]:
        """The last message of each key; empty: a tombstone."""
        async with self.connected() as client:
            stream = client.jetstream()
            name = await stream.find_stream_name_by_subject(f"{object}.*")
            found = (await stream.stream_info(name, f"{object}.*")).state.subjects or {}
            return {
                subject.removeprefix(f"{object}."): (await stream.get_last_msg(name, subject)).data or b""
                for subject in sorted(found)
            }

    async def clear(self) -> None:
        async with self.connected() as client:
            stream = client.jetstream()
            for info in await stream.streams_info():
                with suppress(APIError):
                    await stream.delete_stream(info.config.name or "")


class Connected:
    """A connection of somebody else."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = Client()

    async def __aenter__(self) -> Client:
        user, password = OWNER
        await self._client.connect(self._url, user=user, password=password, allow_reconnect=False)
        return self._client

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()


@contextmanager
def running(tls: tuple[Path, Path] | None = None) -> Iterator[Server]:
    """A server that runs, and is gone afterwards, also if the tests are killed."""
    folder = Path(tempfile.mkdtemp(prefix="datasyncd-nats-"))
    with watched(folder):
        server = Server(folder, tls)
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGKILL)
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def streams(server: Server) -> Iterator[Streams]:
    """Streams that are gone afterwards."""
    found = Streams(server)
    try:
        yield found
    finally:
        anyio.run(found.clear)
