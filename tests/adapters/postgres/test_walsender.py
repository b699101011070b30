"""PostgreSQL: the stream of a slot over an encrypted connection, with a password, and when what comes is no stream."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import struct
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from datasyncd.adapters.errors import Transient
from datasyncd.adapters.postgres.pgoutput import Lsn
from datasyncd.adapters.postgres.walsender import Walsender
from datasyncd.adapters.testing.desk import opened
from tests.adapters.postgres.streamed import CONTACTS, HERE, made, news, start
from tests.servers.postgres import Server, streaming

PASSWORD = "open sesame"
"""Of a role in a server of the test."""


@pytest.fixture(scope="module")
def strict() -> Iterator[Server]:
    """A server that asks one role for its password."""
    with streaming() as server:
        rules = server.folder / "data" / "pg_hba.conf"
        rules.write_text(f"host all strict 127.0.0.1/32 scram-sha-256\n{rules.read_text()}")
        server.run(f"CREATE ROLE strict LOGIN REPLICATION PASSWORD '{PASSWORD}'; SELECT pg_reload_conf()")
        yield server


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate and its key, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    words = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run(["openssl", "req", *words, "-keyout", file, "-out", f"{file}.crt"], check=True, capture_output=True)
    with file.open("a") as out:
        out.write(Path(f"{file}.crt").read_text())
    return file


async def test_an_encrypted_stream_with_a_password_tells_thousands_of_changes(
    strict: Server, certificate: Path
) -> None:
    shop = await made(strict.database())
    await shop.run("GRANT ALL ON contacts TO strict")
    async with encrypting(strict.port, certificate) as port:
        dsn = shop.dsn(f"strict:{PASSWORD.replace(' ', '%20')}").replace(f":{strict.port}/", f":{port}/")
        async with opened("postgres", HERE, CONTACTS, dsn=f"{dsn}?sslmode=require", slot=shop.name) as adapter:
            cursor = await start(adapter)
            await shop.run("INSERT INTO contacts SELECT n, repeat('long ', 400) FROM generate_series(100, 6000) n")
            await shop.run("UPDATE contacts SET name = 'x' WHERE id = 1", "DELETE FROM contacts WHERE id = 2")

            there, gone, _ = await news(adapter, cursor)
            assert there == {"1", *map(str, range(100, 6001))}
            assert gone == {"2"}


@asynccontextmanager
async def encrypting(port: int, certificate: Path) -> AsyncIterator[int]:
    """A port that speaks TLS as a PostgreSQL server does, before one that does not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    known: list[asyncio.StreamWriter] = []

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.readexactly(8) == struct.pack(">II", 8, 80877103), "TLS is asked for first"
        writer.write(b"S")
        await writer.start_tls(context)
        there, back = await asyncio.open_connection("127.0.0.1", port)
        known.extend((writer, back))
        await asyncio.gather(pipe(reader, back), pipe(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in known:
            writer.transport.abort()
        await asyncio.sleep(0.05)  # the loop closes them in its next turns


# What comes, by a server that is none ------------------------------------------------------------------------------


class Wire(asyncio.Transport):
    """What is written stays here."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """The taking over."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def abort(self) -> None:
        self.aborted = True


class Connection:
    """As far as a walsender needs one of asyncpg."""

    def __init__(self) -> None:
        self._transport = Wire()

    def terminate(self) -> None:
        self._transport.abort()


async def streaming_over(connection: Connection, heard: list[bytes]) -> Walsender:
    """A walsender whose stream has begun."""
    sender = Walsender(connection, "s", "desk")
    asyncio.get_running_loop().call_soon(sender.data_received, message(b"W", b"\0\0\0"))
    await sender.start("p", heard.append, lambda: None)
    connection._transport.written = b""
    return sender


def message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack(">I", len(body) + 4) + body


def keepalive(position: Lsn, *, answer: bool) -> bytes:
    return message(b"d", struct.pack(">cQqB", b"k", position, 0, answer))


def told(data: bytes) -> bytes:
    return message(b"d", struct.pack(">cQQq", b"w", 0, 0, 0) + data)


async def test_messages_arrive_whole_however_they_are_cut() -> None:
    sent = told(b"one") + keepalive(500, answer=False) + told(b"") + told(b"three" * 1000)
    for size in (1, 2, 7, 4096, len(sent)):
        heard: list[bytes] = []
        sender = await streaming_over(Connection(), heard)
        for start_at in range(0, len(sent), size):
            sender.data_received(sent[start_at : start_at + size])
        assert (heard, sender.position) == ([b"one", b"", b"three" * 1000], 500)


async def test_the_question_whether_we_are_there_is_answered_with_what_is_committed_and_no_more() -> None:
    connection = Connection()
    sender = await streaming_over(connection, [])
    sender.acknowledge(300)
    connection._transport.written = b""
    sender.data_received(keepalive(500, answer=True))

    kind, written, flushed, applied, _, _ = struct.unpack(">cQQQqB", connection._transport.written[5:])
    assert (kind, written, flushed, applied) == (b"r", 500, 300, 300)
    sender.acknowledge(200)
    assert struct.unpack(">cQQQqB", connection._transport.written[-34:])[2] == 300, "it never goes back"


@pytest.mark.parametrize("garbage", [b"d\0\0\0\1", b"d\xff\xff\xff\xff" + bytes(9), message(b"d", b"k\0")])
async def test_what_is_no_replication_ends_the_stream(garbage: bytes) -> None:
    connection = Connection()
    sender = await streaming_over(connection, [])
    sender.data_received(garbage)

    assert connection._transport.aborted
    assert sender.ended is not None
    with pytest.raises(Transient, match="the stream of changes has ended"):
        await sender.question(1.0)


async def test_a_server_that_says_nothing_is_found_out() -> None:
    sender = await streaming_over(Connection(), [])

    assert not await sender.question(0.05)


async def test_a_connection_that_is_lost_ends_whoever_waits() -> None:
    sender = Walsender(Connection(), "s", "desk")
    asyncio.get_running_loop().call_later(0.01, sender.connection_lost, ConnectionResetError())

    with pytest.raises(Transient, match="the connection was lost"):
        await sender.ask("IDENTIFY_SYSTEM")
