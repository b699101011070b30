"""A server that is not there, lets nobody in, or answers what it should not: said in words that name the next step."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web

from datasyncd.adapters.carddav.adapter import CarddavOptions
from datasyncd.adapters.contract import ObjectSpec, Write
from datasyncd.adapters.errors import (
    AdapterError,
    NotFound,
    OptionError,
    Throttled,
    Transient,
    Unauthorised,
    Unreachable,
    Unsupported,
)
from datasyncd.adapters.testing.desk import NOON, opened, pages, records
from tests.adapters.carddav.cards import card
from tests.servers.front import Front, fronting
from tests.servers.radicale import PASSWORD, Book

HUNDRED_DAYS = "Sat, 14 Jun 2025 00:00:00 GMT"


def spec_of(book: Book) -> ObjectSpec:
    return ObjectSpec(book.name, "href", ("FN",))


async def refused(
    book: Book, folder: Path, object: str | None = None, key: str = "href", **options: Any
) -> AdapterError:
    """What `describe` raises."""
    spec = ObjectSpec(object or book.name, key, ("FN",))
    async with opened("carddav", folder, spec, **{**book.options(), **options}) as adapter:
        with pytest.raises(AdapterError) as raised:
            await adapter.describe(spec.object)
    assert PASSWORD not in str(raised.value)
    return raised.value


async def test_a_book_says_what_can_be_mapped(book: Book, tmp_path: Path) -> None:
    async with opened("carddav", tmp_path, spec_of(book), **book.options()) as adapter:
        schema = await adapter.describe(book.name)

    assert {"href", "FN", "EMAIL;TYPE=work"} <= {column.name for column in schema.columns}
    assert schema.lacks == ()


async def test_a_whole_path_names_a_book_too(book: Book, tmp_path: Path) -> None:
    path = f"{book.server.path}{book.name}/"
    book.put("a.vcf", card("Ann"))
    spec = ObjectSpec(path, "href", ("FN",))
    async with opened("carddav", tmp_path, spec, **book.options(f"http://127.0.0.1:{book.server.port}")) as adapter:
        assert set(await records(adapter, path)) == {"a.vcf"}


async def test_what_is_wrong_is_said_with_the_next_step(book: Book, tmp_path: Path) -> None:
    wrong = await refused(book, tmp_path, password="wrong")
    assert isinstance(wrong, Unauthorised)
    assert "does not let this user in; see `user` and `password`" in str(wrong)

    absent = await refused(book, tmp_path, object="nobody")
    assert isinstance(absent, NotFound)
    assert "there is no such address book; see `url` and `object`" in str(absent)

    folder = await refused(book, tmp_path, object=book.server.path)
    assert isinstance(folder, NotFound)
    assert "is no address book" in str(folder)

    closed = await refused(book, tmp_path, url="http://127.0.0.1:1/ann/")
    assert isinstance(closed, Unreachable)
    assert "see that the server runs, and that `url` is right" in str(closed)

    other = await refused(book, tmp_path, object="http://example.org/book/")
    assert isinstance(other, NotFound)
    assert "is not on the server of `url`" in str(other)

    key = await refused(book, tmp_path, key="UID")
    assert isinstance(key, Unsupported)
    assert '`key = "href"` expected' in str(key)


async def test_a_place_that_has_moved_is_named_and_not_followed(book: Book, front: Front, tmp_path: Path) -> None:
    """The password goes nowhere but where the config says."""

    async def moved(request: web.Request) -> web.Response | None:
        return web.Response(status=301, headers={"Location": "https://elsewhere.example/ann/"})

    front.rule = moved
    error = await refused(book, tmp_path, url=front.url)

    assert isinstance(error, NotFound)
    assert "elsewhere, at https://elsewhere.example/ann/; see `url`" in str(error)
    assert len(front.asked) == 1


@pytest.mark.parametrize(
    ("said", "waits"), [("7", 7.0), (HUNDRED_DAYS, None), ("", 60.0), ("soon", 60.0), ("9" * 30, 86_400.0)]
)
async def test_a_server_that_asks_for_patience_is_obeyed(
    book: Book, front: Front, tmp_path: Path, said: str, waits: float | None
) -> None:
    async def later(request: web.Request) -> web.Response | None:
        return web.Response(status=503, headers={"Retry-After": said} if said else {})

    front.rule = later
    error = await refused(book, tmp_path, url=front.url)

    assert isinstance(error, Throttled)
    until_then = 1_749_859_200 - NOON / 1e6
    assert error.after_s == (waits if waits is not None else max(1.0, until_then))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>welcome</html>",
        b"\xff\xfe",
        b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><multistatus xmlns="DAV:">&b;</multistatus>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><multistatus xmlns="DAV:"/>',
        b'<?xml version="1.0" encoding="nothing"?><multistatus xmlns="DAV:"/>',
    ],
)
async def test_an_answer_that_is_not_what_it_should_be_is_not_believed(
    book: Book, front: Front, tmp_path: Path, body: bytes
) -> None:
    async def odd(request: web.Request) -> web.Response | None:
        return web.Response(status=207, body=body, content_type="application/xml")

    front.rule = odd
    error = await refused(book, tmp_path, url=front.url)

    assert type(error) is Transient
    assert "not the XML that it should be" in str(error)


async def test_an_answer_without_an_end_is_not_read_to_it(
    book: Book, front: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasyncd.adapters.http.client.LARGEST", 2**20)

    async def endless(request: web.Request) -> web.StreamResponse | None:
        response = web.StreamResponse(status=207)
        await response.prepare(request)
        while True:
            await response.write(b" " * 2**16)

    front.rule = endless
    with anyio.fail_after(10):
        assert isinstance(await refused(book, tmp_path, url=front.url), Unsupported)


async def test_cards_of_which_a_hundred_are_too_large_are_asked_for_in_smaller_parts(
    book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        book.put(f"{number}.vcf", card(f"N{number}", "NOTE:" + "x" * 100_000))
    book.put("large.vcf", card("Large", "NOTE:" + "x" * 300_000))
    monkeypatch.setattr("datasyncd.adapters.http.client.LARGEST", 250_000)
    async with opened("carddav", tmp_path, spec_of(book), **book.options()) as adapter:
        found = await pages(adapter, book.name)

    assert {record.key for page in found for record in page.records} == {f"{number}.vcf" for number in range(4)}
    assert [row.key for page in found for row in page.malformed] == ["large.vcf"]
    assert found[-1].complete


async def test_rights_that_the_server_says_are_missing_are_named(book: Book, front: Front, tmp_path: Path) -> None:
    async def reader(request: web.Request) -> web.Response | None:
        answer = await front.passed_on(request)
        assert isinstance(answer.body, bytes)
        begin = answer.body.index(b"<current-user-privilege-set>")
        end = answer.body.index(b"</current-user-privilege-set>")
        answer.body = (
            answer.body[:begin] + (b"<current-user-privilege-set><privilege><read/></privilege>") + answer.body[end:]
        )
        return answer

    front.rule = reader
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        schema = await adapter.describe(book.name)

    assert schema.lacks == (
        "the user may not make cards: the server gives no right `bind`",
        "the user may not change cards: the server gives no right `write-content`",
        "the user may not delete cards: the server gives no right `unbind`",
    )


async def test_a_server_without_etags_is_not_written_to(book: Book, front: Front, tmp_path: Path) -> None:
    book.put("a.vcf", card("Ann"))

    async def without(request: web.Request) -> web.Response | None:
        answer = await front.passed_on(request)
        assert isinstance(answer.body, bytes)
        answer.body = answer.body.replace(b"getetag>", b"other>")
        answer.headers.popall("ETag", None)
        return answer

    front.rule = without
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        with pytest.raises(Unsupported, match="gives its cards no ETag"):
            await adapter.push(book.name, [Write("update", "a.vcf", {"FN": "x"})])
    assert "PUT" not in [method for method, _path in front.asked]


async def test_a_connection_that_breaks_while_it_is_asked_is_asked_once_more(
    book: Book, front: Front, tmp_path: Path
) -> None:
    book.put("a.vcf", card("Ann"))
    broken = 0

    async def breaks(request: web.Request) -> web.Response | None:
        nonlocal broken
        if len(front.asked) % 2 == 0:
            return None
        broken += 1
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    front.rule = breaks
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        assert set(await records(adapter, book.name)) == {"a.vcf"}
    assert broken == 3


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "expected https://HOST/PATH/"),
        ("dav.example.com", "expected https://HOST/PATH/"),
        ("ftp://dav.example.com/", "expected https://HOST/PATH/"),
        ("https://ann:secret@dav.example.com/", "the user and the password have options of their own"),
        ("https://dav.example.com/?x=1", "there is a [?] or # in it"),
        ("https://dav.example.com:99999/", "it cannot be read"),
        ("https://[::1/", "it cannot be read"),
        ("http://dav.example.com/ann/", "the password would be sent unencrypted"),
        ("http://10.0.0.1/ann/", "the password would be sent unencrypted"),
    ],
)
def test_an_address_that_cannot_be_right_is_refused_and_not_quoted(url: str, why: str) -> None:
    with pytest.raises(OptionError, match=why) as raised:
        CarddavOptions(url=url)
    assert "secret" not in str(raised.value)


def test_an_address_of_this_machine_needs_no_encryption() -> None:
    for host in ("localhost", "127.0.0.1:5232", "[::1]:5232"):
        CarddavOptions(url=f"http://{host}/ann/")
    CarddavOptions(url="http://10.0.0.1/ann/", unencrypted=True)
    with pytest.raises(OptionError, match="colon"):
        CarddavOptions(url="https://dav.example.com/", user="a:b")


def test_options_do_not_show_the_password() -> None:
    assert "secret" not in repr(CarddavOptions(url="https://dav.example.com/", user="ann", password="secret"))


async def test_without_the_extra_it_says_what_to_install(
    book: Book, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "defusedxml.common", None)

    error = await refused(book, tmp_path)

    assert isinstance(error, Unsupported)
    assert "pip install 'datasyncd[carddav]'" in str(error)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that vouches for itself, and its key, in one file."""
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    file = tmp_path_factory.mktemp("tls") / "server.pem"
    words = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(file), "-out", f"{file}.crt"]
    subprocess.run(["openssl", "req", *words], check=True, capture_output=True)
    with file.open("a") as out:
        out.write(Path(f"{file}.crt").read_text())
    return file


async def test_a_certificate_is_believed_if_an_authority_vouches_for_it_and_for_this_host(
    book: Book, tmp_path: Path, certificate: Path
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    book.put("a.vcf", card("Ann"))
    async with fronting(f"http://127.0.0.1:{book.server.port}", book.server.path, context) as front:
        options = book.options(front.url, ca=f"{certificate}.crt")
        async with opened("carddav", tmp_path, spec_of(book), **options) as adapter:
            assert set(await records(adapter, book.name)) == {"a.vcf"}
        unknown = await refused(book, tmp_path, url=front.url)
        elsewhere = front.url.replace("127.0.0.1", "localhost")
        other_host = await refused(book, tmp_path, url=elsewhere, ca=f"{certificate}.crt")
        asked = len(front.asked)
        plain = await refused(book, tmp_path, url=front.url.replace("https", "http"))

    for error in (unknown, other_host):
        assert isinstance(error, Unreachable)
        assert "its certificate is not trusted; see that it is valid, and `ca`" in str(error)
    assert isinstance(plain, Transient)
    assert len(front.asked) == asked


async def test_a_file_of_an_authority_that_is_not_there_is_named(book: Book, tmp_path: Path) -> None:
    error = await refused(book, tmp_path, url="https://127.0.0.1:1/", ca="none.pem")

    assert isinstance(error, Unreachable)
    assert "no certificate of an authority where `ca` says" in str(error)
