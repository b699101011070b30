"""An SFTP server in a process of its own, which lets one folder be seen and can be made to fail."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh

USER, PASSWORD = "ann", "correct horse"


class Server:
    """The server, as tests see it."""

    def __init__(self, folder: Path, process: subprocess.Popen[str], port: int) -> None:
        self.root = folder / "root"
        self.known_hosts = folder / "known_hosts"
        self.key = folder / "user_key"
        self.port = port
        self._faults = folder / "faults"
        self._process = process

    def path(self, at: str = "", user: str = USER) -> str:
        return f"sftp://{user}@127.0.0.1:{self.port}/{at}"

    def fails(self, *what: str) -> None:
        """From now on: `no-posix-rename`, `drop-before-rename`, `drop-after-rename`, `drop-read`, `deny`, `full`."""
        self._faults.write_text("\n".join(what), encoding="utf-8")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    """A server whose root is `folder/root`."""
    (folder / "root").mkdir(exist_ok=True)
    (folder / "faults").write_text("")
    for name in ("host_key", "user_key"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(str(folder / name))
        key.write_public_key(str(folder / f"{name}.pub"))
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.servers.sftp", str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        host = (folder / "host_key.pub").read_text()
        (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {host}")
        yield Server(folder, process, port)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class _Files(asyncssh.SFTPServer):
    """One folder, and faults as the test has asked for them."""

    folder: Path

    def __init__(self, channel: asyncssh.SSHServerChannel[bytes]) -> None:
        root = os.fsencode(self.folder / "root")
        super().__init__(channel, chroot=root)
        self._channel = channel

    def _fault(self, *names: str) -> bool:
        asked = (self.folder / "faults").read_text().split()
        return any(name in asked for name in names)

    def _drop(self) -> None:
        self._channel.get_connection().abort()
        raise asyncssh.SFTPConnectionLost("dropped")

    def open(self, path: bytes, pflags: int, attrs: asyncssh.SFTPAttrs) -> Any:
        if self._fault("deny"):
            raise asyncssh.SFTPPermissionDenied("no")
        if self._fault("drop-read") and not pflags & asyncssh.FXF_WRITE:
            self._drop()
        return super().open(path, pflags, attrs)

    def write(self, file_obj: Any, offset: int, data: bytes) -> Any:
        if self._fault("full"):
            raise asyncssh.SFTPFailure("No space left on device")
        return super().write(file_obj, offset, data)

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> Any:
        if self._fault("no-posix-rename"):
            raise asyncssh.SFTPOpUnsupported("no posix-rename")
        if self._fault("drop-before-rename"):
            self._drop()
        super().posix_rename(oldpath, newpath)
        if self._fault("drop-after-rename"):
            self._drop()


class _Login(asyncssh.SSHServer):
    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)


async def _serve(folder: Path) -> None:
    _Files.folder = folder
    listening = await asyncssh.listen(
        "127.0.0.1", 0, server_host_keys=[str(folder / "host_key")], server_factory=_Login, sftp_factory=_Files,
        authorized_client_keys=str(folder / "user_key.pub"),
    )  # fmt: skip
    print(listening.get_port(), flush=True)
    while os.getppid() != 1:  # noqa: ASYNC110  # else the tests are gone
        await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
