"""Writes to an address book: under a condition, with all that is not mapped left as it is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiohttp import web

from datasyncd.adapters.contract import (
    Adapter,
    Clash,
    Gone,
    Missing,
    ObjectSpec,
    Outcome,
    Record,
    Rejected,
    Stale,
    Unknown,
    Write,
    Written,
)
from datasyncd.adapters.errors import Throttled, Transient, Unauthorised
from datasyncd.adapters.testing.desk import one, opened
from tests.adapters.carddav.cards import card, fields_in
from tests.servers.front import Front
from tests.servers.radicale import LARGEST_CARD, Book

RICH = (
    "item1.EMAIL;TYPE=INTERNET,pref:ann@example.org", "item1.X-ABLABEL:_$!<Other>!$_", "EMAIL;TYPE=work:a@acme.example",
    "PHOTO;ENCODING=b;TYPE=JPEG:" + "QUJD" * 60, "X-SOCIALPROFILE;TYPE=mastodon:https://example.social/@ann",
    "ADR;TYPE=home:;;1 Elm St;Springfield;IL;62701;USA", "NOTE:two\\nlines", "CATEGORIES:friends,tea\\, coffee",
)  # fmt: skip


def spec_of(book: Book, *fields: str) -> ObjectSpec:
    return ObjectSpec(book.name, "href", fields or ("FN", "EMAIL"))


async def pushed(adapter: Adapter, book: Book, *writes: Write) -> Sequence[Outcome]:
    return await adapter.push(book.name, writes)


def update(key: str, version: Any = None, **fields: Any) -> Write:
    return Write("update", key, fields, version)


async def test_every_line_that_is_not_mapped_stays(book: Book, tmp_path: Path) -> None:
    """F26: on a server that writes cards anew itself, in an order of its own."""
    book.put("a.vcf", card("Ann", *RICH))
    before = sorted(book.card("a.vcf").splitlines())
    async with opened("carddav", tmp_path, spec_of(book), **book.options()) as adapter:
        (outcome,) = await pushed(adapter, book, Write("update", "a.vcf", {"EMAIL": "new@example.org"}))

    assert isinstance(outcome, Written)
    after = sorted(book.card("a.vcf").splitlines())
    assert [line for line in before if line not in after] == ["item1.EMAIL;TYPE=INTERNET,pref:ann@example.org"]
    assert [line for line in after if line not in before] == ["item1.EMAIL;TYPE=INTERNET,pref:new@example.org"]


async def test_what_is_sent_is_the_card_with_one_line_changed(book: Book, front: Front, tmp_path: Path) -> None:
    """F25: whatever the server makes of it then."""
    held = card("Ann", *RICH, "X-FOLDED:one\r\n  and two", 'X-ODD;X-P="a:b;c":d\\e')
    sent: list[bytes] = []

    async def as_put(request: web.Request) -> web.Response | None:
        if request.method == "PUT":
            sent.append(await request.read())
            return None
        answer = await front.passed_on(request)
        assert isinstance(answer.body, bytes)
        begin, end = answer.body.find(b"BEGIN:VCARD"), answer.body.find(b"END:VCARD")
        if begin >= 0 and not sent:
            answer.body = answer.body[:begin] + held.encode()[: -len("END:VCARD\r\n")] + answer.body[end:]
        return answer

    book.put("a.vcf", card("Ann"))
    front.rule = as_put
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        await pushed(adapter, book, update("a.vcf", FN="Ann Bell"))

    assert sent == [held.replace("FN:Ann\r\n", "FN:Ann Bell\r\n").encode()]


async def test_an_edit_between_our_reading_and_our_write_is_never_written_over(
    book: Book, front: Front, tmp_path: Path
) -> None:
    book.put("a.vcf", card("Ann"))

    async def quicker(request: web.Request) -> web.Response | None:
        if request.method == "PUT" and "TITLE" not in book.card("a.vcf"):
            book.put("a.vcf", card("Ann", "TITLE:theirs"))
        return None

    front.rule = quicker
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        version = (await one(adapter, book.name, "a.vcf")).version

        assert await pushed(adapter, book, update("a.vcf", version, FN="ours")) == [Stale()]
        assert fields_in(book.card("a.vcf"))["FN"] == "Ann"

        book.put("a.vcf", card("Ann"))
        (outcome,) = await pushed(adapter, book, update("a.vcf", FN="ours"))
        assert isinstance(outcome, Written), "an unconditional write is begun anew"
        held = fields_in(book.card("a.vcf"))
        assert (held["FN"], held["TITLE"]) == ("ours", "theirs")


async def test_a_card_that_goes_between_our_reading_and_our_write_stays_gone(
    book: Book, front: Front, tmp_path: Path
) -> None:
    """F73."""
    book.put("a.vcf", card("Ann"))

    async def deletes(request: web.Request) -> web.Response | None:
        if request.method == "PUT" and "a.vcf" in book.names():
            book.delete("a.vcf")
        return None

    front.rule = deletes
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        version = (await one(adapter, book.name, "a.vcf")).version
        assert await pushed(adapter, book, update("a.vcf", version, FN="ours")) == [Stale()]
        assert await pushed(adapter, book, update("a.vcf", version, FN="ours"), update("a.vcf", FN="x")) == [
            Missing(),
            Missing(),
        ]
    assert book.names() == []


async def test_a_card_that_is_edited_between_our_reading_and_our_delete_stays(
    book: Book, front: Front, tmp_path: Path
) -> None:
    """F72."""
    book.put("a.vcf", card("Ann"))

    async def quicker(request: web.Request) -> web.Response | None:
        if request.method == "DELETE" and "TITLE" not in book.card("a.vcf"):
            book.put("a.vcf", card("Ann", "TITLE:theirs"))
        return None

    front.rule = quicker
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        version = (await one(adapter, book.name, "a.vcf")).version
        assert await pushed(adapter, book, Write("delete", "a.vcf", version=version)) == [Stale()]
        assert fields_in(book.card("a.vcf"))["TITLE"] == "theirs"


async def test_a_lost_answer_is_unknown_and_the_request_is_not_sent_again(
    book: Book, front: Front, tmp_path: Path
) -> None:
    """The write was made; sent once more, it would be answered as if somebody else had been quicker."""
    book.put("a.vcf", card("Ann"))
    puts = 0

    async def hangs_up(request: web.Request) -> web.Response | None:
        nonlocal puts
        if request.method != "PUT":
            return None
        puts += 1
        await front.passed_on(request)
        assert request.transport is not None
        request.transport.close()
        return web.Response()

    front.rule = hangs_up
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        (outcome,) = await pushed(adapter, book, update("a.vcf", FN="ours"))

        assert isinstance(outcome, Unknown)
        assert puts == 1
        assert (await one(adapter, book.name, "a.vcf")).fields["FN"] == "ours"


async def test_a_write_whose_answer_takes_too_long_is_unknown(book: Book, front: Front, tmp_path: Path) -> None:
    book.put("a.vcf", card("Ann"))

    async def sleeps(request: web.Request) -> web.Response | None:
        if request.method in ("PUT", "DELETE"):
            await anyio.sleep(5)
        return None

    front.rule = sleeps
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url, timeout_s=0.3)) as adapter:
        outcomes = await pushed(
            adapter, book, update("a.vcf", FN="ours"), Write("create", "b", {"FN": "new"}), Write("delete", "a.vcf")
        )
        assert [type(outcome) for outcome in outcomes] == [Unknown, Unknown, Unknown]


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_a_server_that_fails_does_not_say_whether_a_write_was_made(
    book: Book, front: Front, tmp_path: Path, status: int
) -> None:
    async def fails(request: web.Request) -> web.Response | None:
        return web.Response(status=status) if request.method == "PUT" else None

    front.rule = fails
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        (outcome,) = await pushed(adapter, book, Write("create", "a", {"FN": "Ann"}))
        assert isinstance(outcome, Unknown)


@pytest.mark.parametrize(
    ("status", "headers", "error"),
    [
        (429, {"Retry-After": "7"}, Throttled),
        (503, {}, Throttled),
        (507, {}, Transient),
        (423, {}, Transient),
        (401, {}, Unauthorised),
        (403, {}, Unauthorised),
    ],
)
async def test_a_server_that_takes_no_writes_stops_the_batch_and_none_is_taken_for_made(
    book: Book, front: Front, tmp_path: Path, status: int, headers: dict[str, str], error: type[Exception]
) -> None:
    async def none(request: web.Request) -> web.Response | None:
        return web.Response(status=status, headers=headers) if request.method == "PUT" else None

    async def second(request: web.Request) -> web.Response | None:
        return None if request.path.endswith("/k0") else await none(request)

    writes = [Write("create", f"k{n}", {"FN": f"N{n}"}) for n in range(20)]
    front.rule = none
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        with pytest.raises(error):
            await pushed(adapter, book, *writes)
        front.asked.clear()
        front.rule = second
        first, *others = await pushed(adapter, book, *writes)

        assert isinstance(first, Written)
        assert others == [Stale()] * 19
        assert len([method for method, _path in front.asked if method == "PUT"]) < 10, "the rest is not even sent"
    assert book.names() == ["k0"]


@pytest.mark.parametrize(
    ("status", "condition", "reason"),
    [
        (403, "max-resource-size", "larger than the server takes"),
        (403, "valid-address-data", "no valid vCard"),
        (409, "supported-address-data", "does not take cards of this version"),
        (413, "", "larger than the server takes"),
        (400, "", "does not take the card"),
        (412, "", "it may be too large"),
    ],
)
async def test_a_card_that_the_server_refuses_is_answered_with_its_reason(
    book: Book, front: Front, tmp_path: Path, status: int, condition: str, reason: str
) -> None:
    """F88."""
    body = f'<error xmlns="DAV:"><{condition} xmlns="urn:ietf:params:xml:ns:carddav"/></error>' if condition else ""

    async def refuses(request: web.Request) -> web.Response | None:
        if request.method == "PUT" and request.path.endswith("/bad"):
            return web.Response(status=status, text=body)
        return None

    book.put("bad", card("Ann"))
    front.rule = refuses
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        version = (await one(adapter, book.name, "bad")).version
        refused, made = await pushed(
            adapter, book, update("bad", version, FN="x"), Write("create", "good", {"FN": "Ben"})
        )
        assert isinstance(refused, Rejected)
        assert reason in refused.reason
        assert isinstance(made, Written)


async def test_a_card_that_is_too_large_for_the_real_server_is_refused(book: Book, tmp_path: Path) -> None:
    async with opened("carddav", tmp_path, spec_of(book, "FN", "NOTE"), **book.options()) as adapter:
        (outcome,) = await pushed(adapter, book, Write("create", "a", {"FN": "Ann", "NOTE": "x" * LARGEST_CARD}))

    assert isinstance(outcome, Rejected)


async def test_a_second_card_of_one_uid_is_a_clash(book: Book, tmp_path: Path) -> None:
    book.put("a.vcf", card("Ann"))
    async with opened("carddav", tmp_path, spec_of(book, "FN", "UID"), **book.options()) as adapter:
        outcomes = await pushed(
            adapter,
            book,
            Write("create", "b", {"FN": "Ann", "UID": "uid-Ann"}),
            Write("create", "a.vcf", {"FN": "other"}),
            update("a.vcf", UID="another"),
            update("a.vcf", UID="uid-Ann", FN="Ann B"),
        )

    assert outcomes[:2] == [Clash("UID"), Clash("href", "a.vcf")]
    assert outcomes[2] == Rejected("UID: the UID of a card never changes", ("UID",))
    assert isinstance(outcomes[3], Written)
    assert book.names() == ["a.vcf"]


async def test_a_server_that_names_the_card_with_the_same_uid_is_heard(
    book: Book, front: Front, tmp_path: Path
) -> None:
    """RFC 6352, 6.3.2.1."""
    conflict = (
        '<error xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><C:no-uid-conflict>'
        f"<href>{book.server.path}{book.name}/a%20b.vcf</href></C:no-uid-conflict></error>"
    )

    async def names_it(request: web.Request) -> web.Response | None:
        return web.Response(status=403, text=conflict) if request.method == "PUT" else None

    front.rule = names_it
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        assert await pushed(adapter, book, Write("create", "c", {"FN": "Ann"})) == [Clash("UID", "a b.vcf")]


async def test_a_server_has_four_requests_at_a_time_at_most(book: Book, front: Front, tmp_path: Path) -> None:
    now, most = 0, 0

    async def slow(request: web.Request) -> web.Response | None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await anyio.sleep(0.02)
        now -= 1
        return None

    front.rule = slow
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        outcomes = await pushed(adapter, book, *(Write("create", f"k{n}", {"FN": f"N{n}"}) for n in range(30)))

    assert {type(outcome) for outcome in outcomes} == {Written}
    assert most == 4


async def test_what_radicale_makes_of_a_comma_that_nobody_escaped_is_its_own_doing(book: Book, tmp_path: Path) -> None:
    """A limit that the adapter's page tells of; what we write is escaped, and stays."""
    book.put("a.vcf", card("Ann", "NOTE:one, two", "URL:https://example.org/?a=b,c"))
    assert "NOTE:one\r\n" in book.card("a.vcf")
    assert "URL:https://example.org/?a=b\r\n" in book.card("a.vcf")

    fields = {"NOTE": "one, two; three", "URL": "https://example.org/?a=b,c;d"}
    async with opened("carddav", tmp_path, spec_of(book, *fields), **book.options()) as adapter:
        await pushed(adapter, book, Write("update", "a.vcf", fields))
        assert (await one(adapter, book.name, "a.vcf")).fields == {"href": "a.vcf", **fields}


async def test_a_new_card_has_a_uid_and_a_name(book: Book, tmp_path: Path) -> None:
    async with opened(
        "carddav", tmp_path, spec_of(book, "EMAIL", "CATEGORIES", "N.given"), **book.options()
    ) as adapter:
        new = Write("create", "5f", {"EMAIL": "ann@example.org", "CATEGORIES": ["b,c", "a"], "N.given": "Ann"})
        (outcome,) = await pushed(adapter, book, new)
        assert isinstance(outcome, Written)
        assert outcome.image == await one(adapter, book.name, "5f")

    assert fields_in(book.card("5f")) | {"N": ""} == {
        "VERSION": "3.0", "UID": "5f", "FN": "Ann", "N": "", "EMAIL": "ann@example.org", "CATEGORIES": "['b,c', 'a']",
    }  # fmt: skip


@pytest.mark.parametrize("key", [None, "", ".", "..", "a\nb", "../b"])
async def test_a_new_card_without_an_address_is_refused(book: Book, tmp_path: Path, key: str | None) -> None:
    async with opened("carddav", tmp_path, spec_of(book), **book.options()) as adapter:
        (outcome,) = await pushed(adapter, book, Write("create", key, {"FN": "Ann"}))

    assert isinstance(outcome, Rejected)
    assert outcome.fields == ("href",)
    assert book.names() == []


async def test_what_is_there_already_is_not_sent(book: Book, front: Front, tmp_path: Path) -> None:
    book.put("a.vcf", card("Ann", "EMAIL:ann@example.org"))
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        held = await one(adapter, book.name, "a.vcf")
        (outcome,) = await pushed(adapter, book, update("a.vcf", held.version, FN="Ann", EMAIL="ann@example.org"))

    assert outcome == Written("a.vcf", held, alone=True)
    assert "PUT" not in [method for method, _path in front.asked]


async def test_an_image_is_shown_only_if_it_is_proved(book: Book, front: Front, tmp_path: Path) -> None:
    """What somebody else writes between our write and our look is not taken for our doing."""
    book.put("a.vcf", card("Ann", "EMAIL:ann@example.org"))

    async def edits_after(request: web.Request) -> web.Response | None:
        if request.method != "PUT":
            return None
        answer = await front.passed_on(request)
        book.put("a.vcf", book.card("a.vcf").replace("ann@", "theirs@"))
        return answer

    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        version = (await one(adapter, book.name, "a.vcf")).version
        (proved,) = await pushed(adapter, book, update("a.vcf", version, FN="first"))
        assert isinstance(proved, Written)
        assert (proved.image, proved.alone) == (await one(adapter, book.name, "a.vcf"), True)

        front.rule = edits_after
        assert await pushed(adapter, book, update("a.vcf", FN="second")) == [Written("a.vcf")]
        assert (await one(adapter, book.name, "a.vcf")).fields["EMAIL"] == "theirs@example.org"


async def test_lists_of_cards_are_never_written_to(book: Book, tmp_path: Path) -> None:
    book.put("g.vcf", card("Friends", "X-ADDRESSBOOKSERVER-KIND:group"))
    async with opened("carddav", tmp_path, spec_of(book), **book.options()) as adapter:
        assert await pushed(adapter, book, update("g.vcf", FN="x"), Write("delete", "g.vcf")) == [
            Missing(),
            Written("g.vcf"),
        ]
    assert book.names() == ["g.vcf"]


async def test_the_version_is_another_one_under_another_map(book: Book, tmp_path: Path) -> None:
    """What was read under the old map is then read anew."""
    book.put("a.vcf", card("Ann"))
    versions = []
    for fields in (("FN",), ("FN", "EMAIL"), ("FN",)):
        async with opened("carddav", tmp_path, spec_of(book, *fields), **book.options()) as adapter:
            found = await one(adapter, book.name, "a.vcf")
            assert isinstance(found, Record)
            versions.append(found.version)

    assert versions[0] == versions[2] != versions[1]


async def test_reading_after_a_delete_says_gone(book: Book, tmp_path: Path) -> None:
    book.put("a.vcf", card("Ann"))
    async with opened("carddav", tmp_path, spec_of(book), **book.options()) as adapter:
        version = (await one(adapter, book.name, "a.vcf")).version
        assert await pushed(adapter, book, Write("delete", "a.vcf", version=version)) == [Written("a.vcf")]
        assert await adapter.read(book.name, ["a.vcf"]) == [Gone("a.vcf")]
