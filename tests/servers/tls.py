"""Encryption in the tests: a certificate of this machine, and a front that encrypts for a server that cannot."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

HOST = "127.0.0.1"
START_S = 60


def certificate(folder: Path) -> tuple[Path, Path]:
    """A new certificate, of 127.0.0.1 alone, which vouches for itself; and its key."""
    made, key = folder / "server.pem", folder / "server.key"
    words = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tests"]
    subprocess.run(
        ["openssl", *words, "-addext", f"subjectAltName=IP:{HOST}", "-keyout", key, "-out", made],
        capture_output=True, timeout=START_S, check=True,
    )  # fmt: skip
    return made, key


@asynccontextmanager
async def encrypting(target: int, made: Path, key: Path) -> AsyncIterator[int]:
    """A port that encrypts what is said with a port of this machine."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made, key)

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ssl.SSLError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(HOST, target)
        await asyncio.gather(pass_on(reader, back), pass_on(there, writer))

    server = await asyncio.start_server(serve, HOST, 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0.05)
