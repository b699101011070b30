"""Pulls of an address book: what changed and what is gone, and what is concluded from nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from aiohttp import web

from datasyncd.adapters.contract import Adapter, Gone, Malformed, ObjectSpec, Page, Record
from datasyncd.adapters.errors import NotFound, Transient, Unsupported
from datasyncd.adapters.testing.desk import malformed, opened, pages, records
from tests.adapters.carddav.cards import card
from tests.servers.front import Front
from tests.servers.radicale import Book

FIELDS = ("FN", "EMAIL", "CATEGORIES")


def spec_of(book: Book, *fields: str) -> ObjectSpec:
    return ObjectSpec(book.name, "href", fields or FIELDS)


async def mark(adapter: Adapter, book: Book, since: str | None = None) -> str:
    """The cursor after a pull."""
    cursor = (await pages(adapter, book.name, since))[-1].cursor
    assert cursor is not None
    return cursor


def told(found: list[Page]) -> tuple[set[str], set[str], bool]:
    """Keys that are there, keys that are gone, and whether that is all that there is."""
    there = {record.key for page in found for record in page.records}
    return there, {key for page in found for key in page.gone}, any(page.complete for page in found)


async def test_nothing_is_read_where_nothing_changed(book: Book, tmp_path: Path) -> None:
    book.put("a.vcf", card("Ann"))
    async with opened("carddav", tmp_path, spec_of(book), **book.options()) as adapter:
        cursor = await mark(adapter, book)

        (page,) = await pages(adapter, book.name, cursor)

        assert (list(page.records), list(page.gone), page.complete, page.cursor) == ([], [], False, cursor)


async def test_a_token_that_has_expired_makes_a_complete_pull_and_no_deletion(book: Book, tmp_path: Path) -> None:
    """F75: even if cards were deleted meanwhile, only the complete pull says so."""
    for name in ("a", "b", "c"):
        book.put(f"{name}.vcf", card(name))
    async with opened("carddav", tmp_path, spec_of(book), **book.options()) as adapter:
        cursor = await mark(adapter, book)
        book.delete("b.vcf")
        book.put("c.vcf", card("c", "TITLE:changed"))
        book.forget_tokens()

        found = await pages(adapter, book.name, cursor)

        assert told(found) == ({"a.vcf", "c.vcf"}, set(), True)
        assert found[-1].cursor not in (None, cursor)
        book.delete("a.vcf")
        assert told(await pages(adapter, book.name, found[-1].cursor)) == (set(), {"a.vcf"}, False)


@pytest.mark.parametrize(
    "cursor", ["", "no json", "[]", '["sync", ""]', '["sync", "not a token"]', '["other", "x"]', "7"]
)
async def test_a_cursor_that_means_nothing_makes_a_complete_pull(book: Book, tmp_path: Path, cursor: str) -> None:
    book.put("a.vcf", card("Ann"))
    async with opened("carddav", tmp_path, spec_of(book), **book.options()) as adapter:
        assert told(await pages(adapter, book.name, cursor)) == ({"a.vcf"}, set(), True)


async def test_a_card_that_was_deleted_and_made_again_is_there(book: Book, tmp_path: Path) -> None:
    for name in ("a", "b"):
        book.put(f"{name}.vcf", card(name))
    async with opened("carddav", tmp_path, spec_of(book), **book.options()) as adapter:
        cursor = await mark(adapter, book)
        book.delete("a.vcf")
        book.delete("b.vcf")
        pull = adapter.pull(book.name, cursor)
        book.put("a.vcf", card("a", "TITLE:again"))

        found = [page async for page in pull]

        assert told(found) == ({"a.vcf"}, {"b.vcf"}, False)


async def test_a_card_that_goes_while_a_complete_pull_runs_is_not_told_as_gone(
    book: Book, front: Front, tmp_path: Path
) -> None:
    for name in ("a", "b"):
        book.put(f"{name}.vcf", card(name))

    async def deletes(request: web.Request) -> web.Response | None:
        if b"addressbook-multiget" in await request.read() and "b.vcf" in book.names():
            book.delete("b.vcf")
        return None

    front.rule = deletes
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        assert told(await pages(adapter, book.name)) == ({"a.vcf"}, set(), True)


async def test_what_is_no_person_is_no_record(book: Book, tmp_path: Path) -> None:
    book.put("a.vcf", card("Ann"))
    book.put("g.vcf", card("Friends", "X-ADDRESSBOOKSERVER-KIND:group", "X-ADDRESSBOOKSERVER-MEMBER:urn:uuid:1"))
    book.put("h.vcf", card("Others", "KIND:group", version="4.0"))
    async with opened("carddav", tmp_path, spec_of(book), **book.options()) as adapter:
        assert set(await records(adapter, book.name)) == {"a.vcf"}
        assert await adapter.read(book.name, ["g.vcf", "h.vcf"]) == [Gone("g.vcf"), Gone("h.vcf")]


async def test_a_card_that_cannot_be_read_is_named_and_the_others_are_read(
    book: Book, front: Front, tmp_path: Path
) -> None:
    """F88."""
    book.put("a.vcf", card("Ann"))
    book.put("old.vcf", card("Old"))

    async def old(request: web.Request) -> web.Response | None:
        answer = await front.passed_on(request)
        assert isinstance(answer.body, bytes)
        answer.body = answer.body.replace(b"VERSION:3.0\nUID:uid-Old", b"VERSION:2.1\nUID:uid-Old").replace(
            b"VERSION:3.0\r\nUID:uid-Old", b"VERSION:2.1\r\nUID:uid-Old"
        )
        return answer

    front.rule = old
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        expected = Malformed("old.vcf", f"{book.name}/old.vcf", "its VERSION is none of 3.0, 4.0")
        assert await malformed(adapter, book.name) == [expected]
        assert set(await records(adapter, book.name)) == {"a.vcf"}
        answers = await adapter.read(book.name, ["old.vcf", "a.vcf"])
        assert [type(answer) for answer in answers] == [Malformed, Record]


async def test_signs_that_xml_does_not_know_make_no_other_card_unreadable(
    book: Book, front: Front, tmp_path: Path
) -> None:
    """F88: an answer about many cards cannot be read, so each is asked for alone."""
    book.put("a.vcf", card("Ann"))
    book.put("b.vcf", card("Ben", "NOTE:x"))

    async def raw(request: web.Request) -> web.Response | None:
        answer = await front.passed_on(request)
        assert isinstance(answer.body, bytes)
        answer.body = answer.body.replace(b"NOTE:x", b"NOTE:\x01")
        return answer

    front.rule = raw
    async with opened("carddav", tmp_path, spec_of(book, "FN", "NOTE"), **book.options(front.url)) as adapter:
        assert await records(adapter, book.name) == {
            "a.vcf": {"href": "a.vcf", "FN": "Ann", "NOTE": ""},
            "b.vcf": {"href": "b.vcf", "FN": "Ben", "NOTE": "\x01"},
        }


async def test_a_server_without_sync_tokens_is_listed_when_its_tag_differs(
    book: Book, front: Front, tmp_path: Path
) -> None:
    async def knows_no_sync(request: web.Request) -> web.Response | None:
        if b"sync-collection" in await request.read():
            return web.Response(status=501)
        return None

    front.rule = knows_no_sync
    book.put("a.vcf", card("Ann"))
    book.put("b.vcf", card("Ben"))
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        found = await pages(adapter, book.name)
        assert told(found) == ({"a.vcf", "b.vcf"}, set(), True)

    async def says_so(request: web.Request) -> web.Response | None:
        assert b"sync-collection" not in await request.read()
        answer = await front.passed_on(request)
        assert isinstance(answer.body, bytes)
        answer.body = answer.body.replace(b"<sync-collection />", b"<expand-property />")
        return answer

    front.rule = says_so
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        cursor = await mark(adapter, book)
        assert told(await pages(adapter, book.name, cursor)) == (set(), set(), False)
        book.delete("b.vcf")
        assert told(await pages(adapter, book.name, cursor)) == ({"a.vcf"}, set(), True)


async def test_a_server_without_tokens_and_tags_is_listed_each_time(book: Book, front: Front, tmp_path: Path) -> None:
    async def knows_neither(request: web.Request) -> web.Response | None:
        if b"sync-collection" in await request.read():
            return web.Response(status=403, text='<error xmlns="DAV:"><supported-report/></error>')
        answer = await front.passed_on(request)
        assert isinstance(answer.body, bytes)
        answer.body = answer.body.replace(b"getctag", b"other")
        return answer

    front.rule = knows_neither
    book.put("a.vcf", card("Ann"))
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        for _ in range(2):
            found = await pages(adapter, book.name)
            assert (told(found), found[-1].cursor) == (({"a.vcf"}, set(), True), None)


async def test_a_list_of_changes_in_several_parts_is_read_to_its_end(book: Book, front: Front, tmp_path: Path) -> None:
    """F35: the end is what the server says (RFC 6578, 3.6)."""
    for name in "abcd":
        book.put(f"{name}.vcf", card(name))
    parts = {"": ("ab", "urn:1"), "urn:1": ("cd", "urn:2")}

    async def in_parts(request: web.Request) -> web.Response | None:
        asked = (await request.read()).decode()
        if "sync-collection" not in asked:
            return None
        token = asked.partition("sync-token>")[2].partition("<")[0] if "sync-token>" in asked else ""
        names, after = parts[token]
        return changes(book, names, after, truncated=token == "")

    front.rule = in_parts
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        found = await pages(adapter, book.name)

        assert told(found) == ({f"{name}.vcf" for name in "abcd"}, set(), True)
        assert found[-1].cursor == '["sync", "urn:2"]'


async def test_a_server_that_gives_the_same_part_again_and_again_is_stopped(
    book: Book, front: Front, tmp_path: Path
) -> None:
    """F36."""

    async def again(request: web.Request) -> web.Response | None:
        if b"sync-collection" in await request.read():
            return changes(book, "a", "urn:1", truncated=True)
        return None

    front.rule = again
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        with pytest.raises(Transient, match="the same part of its changes again and again"):
            await pages(adapter, book.name)


async def test_cards_that_the_server_names_by_another_path_are_not_taken_for_gone(
    book: Book, front: Front, tmp_path: Path
) -> None:
    """F75: as behind a proxy that changes paths."""
    book.put("a.vcf", card("Ann"))

    async def elsewhere(request: web.Request) -> web.Response | None:
        if b"sync-collection" not in await request.read():
            return None
        answer = await front.passed_on(request)
        assert isinstance(answer.body, bytes)
        answer.body = answer.body.replace(b"<href>/ann/", b"<href>/inside/ann/")
        return answer

    front.rule = elsewhere
    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        with pytest.raises(Unsupported, match="by another path"):
            await pages(adapter, book.name)


async def test_names_of_cards_may_have_any_sign(book: Book, tmp_path: Path) -> None:
    keys = ["ann@example.org", "a b.vcf", "100%.vcf", "Zoë.vcf", "a+b=c;d&e.vcf", "%41.vcf", "#1~.vcf"]
    for number, key in enumerate(keys):
        book.put(key, card(f"n{number}"))
    async with opened("carddav", tmp_path, spec_of(book), **book.options()) as adapter:
        pulled = await records(adapter, book.name)
        assert {key: fields["FN"] for key, fields in pulled.items()} == {
            key: f"n{number}" for number, key in enumerate(keys)
        }
        answers = await adapter.read(book.name, keys)
        assert [answer.key for answer in answers if isinstance(answer, Record)] == keys
        nobody = ["", ".", ".."]
        assert await adapter.read(book.name, nobody) == [Gone(key) for key in nobody]
        elsewhere = await adapter.read(book.name, ["../a", "a/../b", "\n", "\0", "\ud800"])
        assert {type(answer) for answer in elsewhere} == {Malformed}, "no server is asked for what is not in the book"


async def test_values_are_found_whatever_the_server_can_be_asked_for(book: Book, tmp_path: Path) -> None:
    book.put("a.vcf", card("Ann", "EMAIL:Ann@Example.org", "X-ACCOUNT:A-1", "TEL:tel:+15550100"))
    book.put("b.vcf", card("Ben", "EMAIL:ben@example.org", "EMAIL:ann@example.org", "X-ACCOUNT:A-12"))
    book.put("c.vcf", card("Łukasz", "ORG:Bell\\, Inc", "NOTE:one\\, two"))
    fields = ("FN", "EMAIL", "X-ACCOUNT", "TEL", "ORG", "NOTE", "N.family")
    async with opened("carddav", tmp_path, spec_of(book, *fields), **book.options()) as adapter:

        async def found(field: str, *values: str) -> list[str]:
            return sorted(record.key for record in await adapter.find(book.name, field, values))

        assert await found("EMAIL", "ANN@example.org") == ["a.vcf"]
        assert await found("X-ACCOUNT", "A-1", "nobody") == ["a.vcf"]
        assert await found("X-ACCOUNT", "a-1") == []
        assert await found("TEL", "+15550100") == ["a.vcf"]
        assert await found("ORG", "Bell, Inc") == ["c.vcf"]
        assert await found("NOTE", "one, two") == ["c.vcf"]
        assert await found("N.family", "Ben", "Łukasz") == ["b.vcf", "c.vcf"]
        assert await found("FN", "Łukasz") == ["c.vcf"]
        assert await found("href", "b.vcf", "nobody") == ["b.vcf"]
        with pytest.raises(NotFound, match="no card has a field"):
            await found("no_such_field", "x")


async def test_a_search_of_which_the_server_shows_a_part_only_reads_the_whole_book(
    book: Book, front: Front, tmp_path: Path
) -> None:
    """F33."""
    for name in "abc":
        book.put(f"{name}.vcf", card(name, "EMAIL:ann@example.org"))

    async def a_part(request: web.Request) -> web.Response | None:
        if b"addressbook-query" not in await request.read():
            return None
        path = f"{book.server.path}{book.name}/"
        said = f"<response><href>{path}</href><status>HTTP/1.1 507 Insufficient Storage</status></response>"
        text = f'<multistatus xmlns="DAV:">{said}</multistatus>'
        return web.Response(status=207, text=text, content_type="application/xml")

    async def none(request: web.Request) -> web.Response | None:
        return web.Response(status=403) if b"addressbook-query" in await request.read() else None

    async with opened("carddav", tmp_path, spec_of(book), **book.options(front.url)) as adapter:
        for front.rule in (a_part, none):
            found = await adapter.find(book.name, "EMAIL", ["ann@example.org"])
            assert sorted(record.key for record in found) == ["a.vcf", "b.vcf", "c.vcf"]


def changes(book: Book, names: str, token: str, *, truncated: bool) -> web.Response:
    """An answer to a sync-collection."""
    path = f"{book.server.path}{book.name}/"
    said = "".join(
        f"<response><href>{path}{name}.vcf</href><propstat><prop><getetag>x</getetag></prop>"
        "<status>HTTP/1.1 200 OK</status></propstat></response>"
        for name in names
    )
    if truncated:
        said += f"<response><href>{path}</href><status>HTTP/1.1 507 Insufficient Storage</status></response>"
    text = f'<multistatus xmlns="DAV:">{said}<sync-token>{token}</sync-token></multistatus>'
    return web.Response(status=207, text=text, content_type="application/xml")
