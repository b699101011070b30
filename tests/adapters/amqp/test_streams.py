"""Streams of RabbitMQ: those who come between, a stream that is another one, and a server that is gone."""

from __future__ import annotations

import json
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import aio_pika
import anyio
import pytest

from datasyncd.adapters.amqp.adapter import AmqpOptions
from datasyncd.adapters.amqp.session import StreamLog
from datasyncd.adapters.contract import (
    Concerned,
    Hint,
    Malformed,
    Missing,
    ObjectSpec,
    Outcome,
    Page,
    Record,
    Rejected,
    Stale,
    Unknown,
    Write,
    Written,
)
from datasyncd.adapters.errors import NotFound, OptionError, Transient, Unauthorised, Unreachable, Unsupported
from datasyncd.adapters.streams import log
from datasyncd.adapters.streams.log import Append
from datasyncd.adapters.testing.desk import malformed, one, opened, pages, records
from tests.servers import rabbitmq
from tests.servers.proxy import Fault, between
from tests.servers.rabbitmq import Server
from tests.servers.tls import certificate, encrypting


@pytest.fixture
async def rabbit() -> AsyncIterator[Server]:
    """A server with an empty stream of the test."""
    server = rabbitmq.found()
    await server.make()
    yield server
    await server.drop()


def spec(rabbit: Server) -> ObjectSpec:
    return ObjectSpec(rabbit.stream, "id", ("name", "amount"))


def state(key: str, **fields: Any) -> bytes:
    return json.dumps({"id": key, **fields}).encode()


def is_written(outcomes: Sequence[Outcome]) -> list[bool]:
    return [isinstance(outcome, Written) for outcome in outcomes]


class Between:
    """Somebody who publishes right before what the daemon publishes of a record."""

    def __init__(self, rabbit: Server, monkeypatch: pytest.MonkeyPatch, *states: bytes | None) -> None:
        self._rabbit = rabbit
        self._states = list(states)
        real = StreamLog.append

        async def append(log: StreamLog, entries: Sequence[Append]) -> Sequence[str]:
            if self._states and entries[0].key is not None:
                await self._rabbit.send({entries[0].key: self._states.pop(0)})
            return await real(log, entries)

        monkeypatch.setattr(StreamLog, "append", append)


async def test_who_comes_between_our_look_and_our_message_is_put_back(
    rabbit: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rabbit.send({"a": state("a", name="before")})
    async with opened("amqp", tmp_path, spec(rabbit), **rabbit.options()) as adapter:
        found = await one(adapter, rabbit.stream, "a")
        Between(rabbit, monkeypatch, state("a", name="theirs", note=1))

        outcomes = await adapter.push(rabbit.stream, [Write("update", "a", {"name": "ours"}, found.version)])

        assert outcomes == [Stale()]
        assert (await one(adapter, rabbit.stream, "a")).fields["name"] == "theirs"
        outcomes = await adapter.push(rabbit.stream, [Write("update", "a", {"amount": 1})])
        assert is_written(outcomes) == [True]
        assert (await one(adapter, rabbit.stream, "a")).fields == {"id": "a", "name": "theirs", "amount": 1}


async def test_who_comes_while_somebody_is_put_back_is_put_back_too(
    rabbit: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rabbit.send({"a": state("a", name="before")})
    async with opened("amqp", tmp_path, spec(rabbit), **rabbit.options()) as adapter:
        Between(rabbit, monkeypatch, state("a", name="second"), state("a", name="third"))

        assert await adapter.push(rabbit.stream, [Write("update", "a", {"name": "ours"})]) == [Stale()]
        assert (await one(adapter, rabbit.stream, "a")).fields["name"] == "third"


async def test_a_deletion_between_is_put_back_and_a_write_of_an_old_version_is_not_sent(
    rabbit: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await rabbit.send({"a": state("a"), "b": state("b")})
    async with opened("amqp", tmp_path, spec(rabbit), **rabbit.options()) as adapter:
        old = (await one(adapter, rabbit.stream, "b")).version
        await rabbit.send({"b": state("b", name="theirs")})
        assert await adapter.push(rabbit.stream, [Write("update", "b", {"name": "ours"}, old)]) == [Stale()]
        Between(rabbit, monkeypatch, None)

        assert await adapter.push(rabbit.stream, [Write("update", "a", {"name": "ours"})]) == [Stale()]
        assert set(await records(adapter, rabbit.stream)) == {"b"}


async def test_a_stream_that_was_made_anew_is_read_whole_and_proves_no_deletion(rabbit: Server, tmp_path: Path) -> None:
    """F36, F75."""
    await rabbit.send({key: state(key) for key in "abc"})
    async with opened("amqp", tmp_path, spec(rabbit), **rabbit.options()) as adapter:
        cursor = (await pages(adapter, rabbit.stream))[-1].cursor
    await rabbit.drop()
    await rabbit.make()
    await rabbit.send({"a": state("a", name="new")})

    async with opened("amqp", tmp_path, spec(rabbit), **rabbit.options()) as adapter:
        told = await pages(adapter, rabbit.stream, cursor)
        assert [record.key for page in told for record in page.records] == ["a"]
        assert not any(page.complete or page.gone for page in told)
        [vanished] = await adapter.read(rabbit.stream, ["b"])
        assert isinstance(vanished, Malformed), "nothing of it is left, and nobody deleted it"
    async with opened("amqp", tmp_path, spec(rabbit), **rabbit.options()) as adapter:
        assert await records(adapter, rabbit.stream, told[-1].cursor) == {}
        assert isinstance((await adapter.read(rabbit.stream, ["b"]))[0], Malformed), "also after a restart"


async def test_a_stream_that_was_made_anew_meanwhile_is_noticed(rabbit: Server, tmp_path: Path) -> None:
    await rabbit.send({key: state(key) for key in "abc"})
    async with opened("amqp", tmp_path, spec(rabbit), **rabbit.options(timeout_s=2.0)) as adapter:
        cursor = (await pages(adapter, rabbit.stream))[-1].cursor
        await rabbit.drop()
        with pytest.raises((Transient, NotFound)):
            await pages(adapter, rabbit.stream, cursor)
        await rabbit.make()
        await rabbit.send({"a": state("a", name="new")})
        with suppress(Transient):  # the server does not say of a reader that its stream is gone
            await pages(adapter, rabbit.stream, cursor)

        told = await pages(adapter, rabbit.stream, cursor)
        assert (await one(adapter, rabbit.stream, "a")).fields["name"] == "new"
        assert not any(page.complete or page.gone for page in told)
        assert isinstance((await adapter.read(rabbit.stream, ["b"]))[0], Malformed)
        assert "lost entries" in cast("Concerned", adapter).concerns()[0]


async def test_a_queue_that_would_lose_records_is_refused_and_nothing_is_taken_from_it(
    rabbit: Server, tmp_path: Path
) -> None:
    names: dict[str, dict[str, Any]] = {
        f"{rabbit.stream}_classic": {},
        f"{rabbit.stream}_aged": {"x-queue-type": "stream", "x-max-age": "1h"},
    }
    async with rabbit.channel() as channel:
        for name, arguments in names.items():
            await channel.declare_queue(name, durable=True, arguments=arguments)
            await channel.default_exchange.publish(aio_pika.Message(b"{}", headers={"key": "a"}), name)
        try:
            for name in names:
                async with opened("amqp", tmp_path, ObjectSpec(name, "id", ("name",)), **rabbit.options()) as adapter:
                    for call in (adapter.describe(name), pages(adapter, name), adapter.read(name, ["a"])):
                        with pytest.raises(Unsupported, match=r"x-queue-type|x-max-age"):
                            await call
            classic = await channel.get_queue(f"{rabbit.stream}_classic")
            assert await classic.get(timeout=5, no_ack=True) is not None
        finally:
            for name in names:
                await channel.queue_delete(name)


async def test_a_queue_that_is_not_there_is_not_made(rabbit: Server, tmp_path: Path) -> None:
    name = f"{rabbit.stream}_none"
    async with opened("amqp", tmp_path, ObjectSpec(name, "id", ("name",)), **rabbit.options()) as adapter:
        for _ in range(2):
            with pytest.raises(NotFound, match="no such queue"):
                await pages(adapter, name)


async def test_an_increment_shows_the_last_state_alone(rabbit: Server, tmp_path: Path) -> None:
    """What came twice, or was overtaken, is no reading (F43, F45, F46)."""
    async with opened("amqp", tmp_path, spec(rabbit), **rabbit.options()) as adapter:
        cursor = (await pages(adapter, rabbit.stream))[-1].cursor
        for name in ("first", "second", "second"):
            await rabbit.send({"a": state("a", name=name)})
        await rabbit.send({"b": state("b")})
        await rabbit.send({"b": None})

        told = await pages(adapter, rabbit.stream, cursor)
        assert [(record.key, record.fields["name"]) for page in told for record in page.records] == [("a", "second")]
        assert [key for page in told for key in page.gone] == ["b"]
        assert await records(adapter, rabbit.stream, told[-1].cursor) == {}


async def test_what_others_read_while_a_pull_runs_is_told_by_the_next_one(
    rabbit: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F27, F30."""
    monkeypatch.setattr("datasyncd.adapters.streams.log_adapter.PAGE", 2)
    await rabbit.send({key: state(key) for key in "abcde"})
    async with opened("amqp", tmp_path, spec(rabbit), **rabbit.options()) as adapter:
        told: list[Page] = []
        async for page in adapter.pull(rabbit.stream, None):
            if not told:
                await rabbit.send({"a": state("a", name="new")})
                assert (await one(adapter, rabbit.stream, "a")).fields["name"] == "new"
            told.append(page)

        found = await records(adapter, rabbit.stream, told[-1].cursor)
        assert {key: fields["name"] for key, fields in found.items()} == {"a": "new"}


async def test_what_is_no_record_is_kept_out_and_the_others_go_on(rabbit: Server, tmp_path: Path) -> None:
    await rabbit.send({"a": state("a"), "b": b"very secret", "c": state("another")})
    async with rabbit.channel() as channel:
        await channel.default_exchange.publish(aio_pika.Message(state("d")), rabbit.stream)
    async with opened("amqp", tmp_path, spec(rabbit), **rabbit.options()) as adapter:
        assert set(await records(adapter, rabbit.stream)) == {"a"}
        rows = await malformed(adapter, rabbit.stream)
        assert {row.key for row in rows} == {"b", "c"}
        assert "secret" not in "".join(row.reason for row in rows)
        [concern] = cast("Concerned", adapter).concerns()
        assert "1 entries had no key" in concern


async def test_numbers_of_others_keep_their_digits_and_absent_null_and_blank_differ(
    rabbit: Server, tmp_path: Path
) -> None:
    """F79, F80, F86."""
    await rabbit.send({"7": b'{"id": 7, "big": 12345678901234567890.10, "amount": 1.10, "name": "x"}'})
    await rabbit.send({"a": state("a"), "b": state("b", name=None), "c": state("c", name="")})
    async with opened("amqp", tmp_path, spec(rabbit), **rabbit.options()) as adapter:
        found = await one(adapter, rabbit.stream, "7")
        [outcome] = await adapter.push(rabbit.stream, [Write("update", "7", {"name": "y"}, found.version)])
        assert isinstance(outcome, Written)
        assert outcome.alone
        async with rabbit.channel() as channel:
            await channel.set_qos(10)
            queue = await channel.get_queue(rabbit.stream, ensure=False)
            async with queue.iterator(arguments={"x-stream-offset": "last"}, timeout=5) as messages:
                async for message in messages:
                    await message.ack()
                    if message.body:
                        break
        assert message.body == b'{"id": 7, "big": 12345678901234567890.10, "amount": 1.10, "name": "y"}'
        told = await records(adapter, rabbit.stream)
        del told["7"]
        assert told == {"a": {"id": "a"}, "b": {"id": "b", "name": None}, "c": {"id": "c", "name": ""}}


async def test_more_than_memory_is_meant_for_is_refused(
    rabbit: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log, "MOST", 5)
    await rabbit.send({f"k{n}": state(f"k{n}") for n in range(6)})
    async with opened("amqp", tmp_path, spec(rabbit), **rabbit.options()) as adapter:
        with pytest.raises(Unsupported, match="more than 5 records"):
            await pages(adapter, rabbit.stream)


async def test_writes_of_one_record_are_made_in_their_order(rabbit: Server, tmp_path: Path) -> None:
    async with opened("amqp", tmp_path, spec(rabbit), **rabbit.options()) as adapter:
        outcomes = await adapter.push(
            rabbit.stream,
            [
                Write("create", "a", {"name": "1"}),
                Write("update", "a", {"name": "2"}),
                Write("update", "b", {"name": "2"}),
                Write("delete", "a"),
                Write("create", "a", {"name": "3"}),
                Write("create", "c", {"name": "x" * 4 * 1024 * 1024}),
                Write("create", None, {"name": "4"}),
            ],
        )
        assert is_written(outcomes) == [True, True, False, True, True, False, False]
        assert outcomes[2] == Missing()
        assert isinstance(outcomes[5], Rejected)
        assert outcomes[5].fields == ("name",)
        assert {k: f["name"] for k, f in (await records(adapter, rabbit.stream)).items()} == {"a": "3"}


async def test_a_watch_names_the_record_and_says_nothing_of_our_marks(rabbit: Server, tmp_path: Path) -> None:
    async with opened("amqp", tmp_path, spec(rabbit), **rabbit.options()) as adapter:
        hints = aiter(adapter.watch(rabbit.stream))
        with anyio.fail_after(15):
            assert await anext(hints) == Hint()
            await pages(adapter, rabbit.stream)
            await rabbit.send({"a.b": state("a.b")})
            assert await anext(hints) == Hint("a.b")
            [answer] = await adapter.read(rabbit.stream, ["a.b"])
            assert isinstance(answer, Record)
        await hints.aclose()  # type: ignore[attr-defined]


def through(port: int, rabbit: Server, **more: Any) -> dict[str, Any]:
    return rabbit.options(url=f"amqp://127.0.0.1:{port}", **more)


@pytest.mark.parametrize("how", ["answer lost", "request lost"])
async def test_a_lost_answer_is_unknown_and_the_same_write_again_has_one_effect(
    rabbit: Server, tmp_path: Path, how: Any
) -> None:
    """F43."""
    async with (
        between(rabbitmq.PORT) as proxy,
        opened("amqp", tmp_path, spec(rabbit), **through(proxy.port, rabbit)) as adapter,
    ):
        await pages(adapter, rabbit.stream)
        proxy.fault = Fault(how, b"very unique")
        [lost] = await adapter.push(rabbit.stream, [Write("create", "a", {"name": "very unique"})])
        assert isinstance(lost, Unknown)

        found = await records(adapter, rabbit.stream)
        assert set(found) == ({"a"} if how == "answer lost" else set())
        await adapter.push(rabbit.stream, [Write("create", "a", {"name": "very unique"})])
        assert {k: f["name"] for k, f in (await records(adapter, rabbit.stream)).items()} == {"a": "very unique"}


async def test_a_server_that_is_out_of_reach_is_found_again(rabbit: Server, tmp_path: Path) -> None:
    async with (
        between(rabbitmq.PORT) as proxy,
        opened("amqp", tmp_path, spec(rabbit), **through(proxy.port, rabbit)) as adapter,
    ):
        await adapter.push(rabbit.stream, [Write("create", "a", {"name": "a"})])
        cursor = (await pages(adapter, rabbit.stream))[-1].cursor
        hints = aiter(adapter.watch(rabbit.stream))
        await anext(hints)
        proxy.cut()
        with anyio.fail_after(10), pytest.raises(Transient):
            await anext(hints)
        with pytest.raises(Unreachable, match="cannot be reached"):
            await pages(adapter, rabbit.stream, cursor)
        proxy.mend()
        await rabbit.send({"b": state("b")})
        assert set(await records(adapter, rabbit.stream, cursor)) == {"b"}


@pytest.mark.parametrize(
    ("other", "why"),
    [({"password": "wrong"}, "does not let this user in"), ({"url": "amqp://127.0.0.1/none"}, "virtual host")],
)
async def test_who_is_not_let_in_is_told_so(rabbit: Server, tmp_path: Path, other: dict[str, str], why: str) -> None:
    async with opened("amqp", tmp_path, spec(rabbit), **{**rabbit.options(), **other}) as adapter:
        with pytest.raises(Unauthorised, match=why):
            await adapter.describe(rabbit.stream)


async def test_an_encrypted_server_is_believed_by_its_authority_alone(rabbit: Server, tmp_path: Path) -> None:
    made, key = certificate(tmp_path)
    async with encrypting(rabbitmq.PORT, made, key) as port:
        url = f"amqps://127.0.0.1:{port}"
        async with opened("amqp", tmp_path, spec(rabbit), **rabbit.options(url=url, ca="server.pem")) as adapter:
            assert is_written(await adapter.push(rabbit.stream, [Write("create", "a", {"name": "a"})])) == [True]
        for wrong, why in (({"url": url}, "not trusted"), ({"url": url, "ca": "none.pem"}, "`ca`")):
            async with opened("amqp", tmp_path, spec(rabbit), **rabbit.options(**wrong)) as adapter:
                with pytest.raises(Unreachable, match=why):
                    await adapter.describe(rabbit.stream)


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "expected amqps://HOST/VHOST"),
        ("amqps://ann:secret@mq.example.com", "options of their own"),
        ("amqp://mq.example.com", "would be sent unencrypted"),
    ],
)
def test_an_address_that_cannot_be_right_is_refused_and_not_quoted(url: str, why: str) -> None:
    with pytest.raises(OptionError, match=why) as raised:
        AmqpOptions(url=url)
    assert "secret" not in str(raised.value)
    assert "secret" not in repr(AmqpOptions(url="amqps://mq.example.com", password="secret"))


async def test_without_the_extra_it_says_what_to_install(
    rabbit: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aio_pika", None)
    async with opened("amqp", tmp_path, spec(rabbit), **rabbit.options()) as adapter:
        with pytest.raises(Unsupported, match=r"pip install 'datasyncd\[amqp\]'"):
            await adapter.describe(rabbit.stream)
