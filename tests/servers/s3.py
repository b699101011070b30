"""A server that speaks S3, in a process of its own: LocalBucket, whose buckets are folders of this machine.

LocalBucket obeys `If-None-Match: *` and leaves `If-Match` out without a word, as many services do. Unless it is to stay
like that, `If-Match` is added as Amazon's guide has it ("Conditional writes"): the comparison and the writing are one
step, 412 if they differ, 404 if there is nothing.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import localbucket

BUCKET = "exports"
ACCESS, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI"


class Server:
    """The server, as tests see it."""

    def __init__(self, folder: Path, process: subprocess.Popen[str], port: int) -> None:
        self.bucket = folder / "data" / BUCKET
        self.endpoint = f"http://127.0.0.1:{port}"
        self.log = folder / "log"
        """A line for each request: method, path, status."""
        self._faults = folder / "faults"
        self._process = process

    def options(self, prefix: str = "crm", **more: Any) -> dict[str, Any]:
        """Options of a folder of files there."""
        path = f"s3://{BUCKET}/{prefix}"
        return {"path": path, "endpoint": self.endpoint, "access_key": ACCESS, "secret_key": SECRET, **more}

    def fails(self, what: str = "") -> None:
        """From now on: `drop-after-put`, `drop-before-put`, `slow-down`, `internal`, `denied`, `conflict`, or not."""
        self._faults.write_text(what, encoding="utf-8")

    def requests(self, method: str) -> int:
        return sum(line.startswith(f"{method} ") for line in self.log.read_text().splitlines())

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def server(folder: Path, *, compares: bool = True) -> Iterator[Server]:
    """A server with one bucket. `compares`: it knows `If-Match`."""
    (folder / "data" / BUCKET / "crm").mkdir(parents=True)
    (folder / "faults").write_text("")
    (folder / "log").write_text("")
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.servers.s3", str(folder), str(int(compares))], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield Server(folder, process, int(process.stdout.readline()))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class _Handler(localbucket.S3Handler):  # type: ignore[misc]
    folder: Path
    compares: bool
    turn = threading.Lock()

    def _write_object(self, bucket: str, key: str, write: Callable[[Any], str]) -> str:
        fault = (self.folder / "faults").read_text()
        if fault == "drop-before-put":
            self._hang_up()
        with self.turn:
            expected = self.headers.get("If-Match")
            if expected is not None and self.compares:
                target = self._object_path(bucket, key)
                if not target.exists():
                    raise localbucket.S3Error(HTTPStatus.NOT_FOUND, "NoSuchKey", "The specified key does not exist.")
                if not localbucket.etag_matches(expected, localbucket.object_etag(target)):
                    raise self._precondition_failed_error()
            etag: str = super()._write_object(bucket, key, write)
        if fault == "drop-after-put":
            self._hang_up()
        return etag

    def do_PUT(self) -> None:
        if not self._refused():
            super().do_PUT()

    def do_POST(self) -> None:
        """DeleteObjects, which LocalBucket does not have."""
        bucket, _, query = self.path.strip("/").partition("?")
        if query != "delete":
            super().do_POST()
            return
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        keys = re.findall(r"<Key>(.*?)</Key>", body)
        for key in keys:
            (self.data_root / bucket / key).unlink(missing_ok=True)
        deleted = "".join(f"<Deleted><Key>{key}</Key></Deleted>" for key in keys)
        answer = f"<DeleteResult>{deleted}</DeleteResult>".encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def do_GET(self) -> None:
        """LocalBucket looks at an object's ETag and at its bytes one after the other; S3 answers with both as they were
        at one moment."""
        if not self._refused():
            with self.turn:
                super().do_GET()

    def _refused(self) -> bool:
        status, code = {
            "slow-down": (HTTPStatus.SERVICE_UNAVAILABLE, "SlowDown"),
            "internal": (HTTPStatus.INTERNAL_SERVER_ERROR, "InternalError"),
            "denied": (HTTPStatus.FORBIDDEN, "AccessDenied"),
            "conflict": (HTTPStatus.CONFLICT, "ConditionalRequestConflict"),
        }.get((self.folder / "faults").read_text(), (None, ""))
        if status is None or (code == "ConditionalRequestConflict" and self.command != "PUT"):
            return False
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{ACCESS}</Message></Error>".encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        return True

    def _hang_up(self) -> None:
        self.connection.shutdown(socket.SHUT_RDWR)
        raise ConnectionAbortedError

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        with open(self.folder / "log", "a") as log:
            log.write(f"{self.command} {re.sub(r'[?].*', '', self.path)} {code}\n")

    def log_message(self, format: str, *args: Any) -> None:
        pass


def main(folder: Path, compares: bool) -> None:
    _Handler.folder, _Handler.compares = folder, compares
    _Handler.data_root = (folder / "data").resolve()
    listening = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    listening.handle_error = lambda *_: None  # type: ignore[method-assign]
    print(listening.server_address[1], flush=True)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    while os.getppid() != 1:  # the tests are gone
        time.sleep(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] == "1")
