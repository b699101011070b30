"""A real CardDAV server: Radicale, started on a free port of this machine with a folder of its own.

    python radicale.py FOLDER PORT

runs one until its standard input is closed, so that it ends with whoever started it, however that ended.
"""

from __future__ import annotations

import itertools
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

USER, PASSWORD = "ann", "pässword: 1"
PATIENCE_S = 30.0
LARGEST_CARD = 500_000
"""Octets."""
_MKCOL = """<?xml version="1.0"?><mkcol xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><set><prop><resourcetype>
<collection/><C:addressbook/></resourcetype></prop></set></mkcol>"""


class Book:
    """One address book, and somebody else who works in it with another program."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name
        server.ask("MKCOL", f"{server.path}{name}/", _MKCOL)

    def options(self, url: str | None = None, **more: Any) -> dict[str, Any]:
        """What a config says of the server."""
        return {"url": url or self.server.url, "user": USER, "password": PASSWORD, **more}

    def put(self, key: str, card: str) -> None:
        """Make a card, or replace it."""
        self._ask("PUT", key, card)

    def put_if(self, key: str, card: str, tag: str) -> bool:
        """Replace a card if it has this ETag still; whether it had."""
        path = f"{self.server.path}{self.name}/{quote(key)}"
        return self.server.answer("PUT", path, card, {"If-Match": tag})[0] < 300

    def tagged(self, key: str) -> tuple[str, str]:
        """A card and its ETag."""
        _status, text, headers = self._ask("GET", key)
        return text, headers["etag"]

    def card(self, key: str) -> str:
        return self._ask("GET", key)[1]

    def tag(self, key: str) -> str:
        return self._ask("GET", key)[2]["etag"]

    def delete(self, key: str) -> None:
        self._ask("DELETE", key)

    @property
    def folder(self) -> Path:
        """Where the server keeps it."""
        return self.server.folder / "collection-root" / USER / self.name

    def names(self) -> list[str]:
        return sorted(file.name for file in self.folder.iterdir() if not file.name.startswith("."))

    def forget_tokens(self) -> None:
        """The server knows none of its sync tokens any more."""
        shutil.rmtree(self.folder / ".Radicale.cache" / "sync-token", ignore_errors=True)

    def _ask(self, method: str, key: str, body: str = "") -> tuple[int, str, Mapping[str, str]]:
        return self.server.ask(method, f"{self.server.path}{self.name}/{quote(key)}", body)


class Server:
    """One server."""

    path = f"/{USER}/"

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.url = f"http://127.0.0.1:{port}{self.path}"
        self._numbers = itertools.count(1)

    def book(self) -> Book:
        """An empty address book."""
        return Book(self, f"book{next(self._numbers)}")

    def ask(self, method: str, path: str, body: str = "") -> tuple[int, str, Mapping[str, str]]:
        """Somebody else's request, which succeeds."""
        status, text, headers = self.answer(method, path, body)
        assert status < 300, (method, path, status, text)
        return status, text, headers

    def answer(
        self, method: str, path: str, body: str = "", headers: Mapping[str, str] = {}
    ) -> tuple[int, str, Mapping[str, str]]:
        """What is answered to somebody else's request."""
        login = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body.encode(), {"Authorization": f"Basic {login}", **headers})
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return response.status, response.read().decode(), found
        finally:
            connection.close()


@contextmanager
def running() -> Iterator[Server]:
    """A server, gone at the end with its folder."""
    folder = Path(tempfile.mkdtemp(prefix="datasyncd-radicale-"))
    port = _free_port()
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, __file__, str(folder), str(port)], stdin=subprocess.PIPE, stdout=log, stderr=log
    )
    try:
        server = Server(folder, port)
        _wait_for(server, process)
        yield server
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(server: Server, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            server.ask("PROPFIND", server.path)
            return
        except OSError:
            said = (server.folder / "log").read_text()
            assert process.poll() is None, said
            assert time.monotonic() < until, said
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def main(folder: Path, port: int) -> None:
    from radicale import config, server

    login = folder / "users"
    login.write_text(f"{USER}:{PASSWORD}\n", encoding="utf-8")
    configuration = config.load()
    configuration.update(
        {
            "server": {"hosts": f"127.0.0.1:{port}", "max_resource_size": str(LARGEST_CARD)},
            "auth": {
                "type": "htpasswd",
                "htpasswd_filename": str(login),
                "htpasswd_encryption": "plain",
                "delay": "0",
            },
            "storage": {"filesystem_folder": str(folder), "_filesystem_fsync": "False"},
            "logging": {"level": "warning"},
        },
        "tests",
        privileged=True,
    )
    ours, theirs = socket.socketpair()

    def watch() -> None:
        sys.stdin.buffer.read()
        ours.close()

    threading.Thread(target=watch, daemon=True).start()
    server.serve(configuration, theirs)
    shutil.rmtree(folder, ignore_errors=True)  # also if who started it was killed


if __name__ == "__main__":
    sys.path.pop(0)  # this file has the name of the package
    main(Path(sys.argv[1]), int(sys.argv[2]))
