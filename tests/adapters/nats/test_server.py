"""The connection to a NATS server: that it is lost, refused and found again, and what becomes of what was sent."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from datasyncd.adapters.contract import Clash, Missing, ObjectSpec, Outcome, Rejected, Stale, Unknown, Write, Written
from datasyncd.adapters.errors import NotFound, OptionError, Transient, Unauthorised, Unreachable, Unsupported
from datasyncd.adapters.nats.adapter import NatsOptions
from datasyncd.adapters.testing.desk import one, opened, pages, records
from tests.servers.nats import LARGEST, PASSWORD, Streams, running
from tests.servers.proxy import Fault, between
from tests.servers.tls import certificate

PEOPLE = ObjectSpec("people", "id", ("name", "amount"))


def through(port: int, streams: Streams, **more: Any) -> dict[str, Any]:
    return streams.options(url=f"nats://127.0.0.1:{port}", **more)


async def count(streams: Streams) -> int:
    """How many messages there ever were."""
    async with streams.connected() as client:
        return (
            await client.jetstream().stream_info(await client.jetstream().find_stream_name_by_subject("people.*"))
        ).state.last_seq


def is_written(outcomes: Sequence[Outcome]) -> list[bool]:
    return [isinstance(outcome, Written) for outcome in outcomes]


async def test_a_lost_answer_is_unknown_and_the_same_write_again_has_one_effect(
    streams: Streams, tmp_path: Path
) -> None:
    """F43."""
    await streams.make(max_msgs_per_subject=-1)
    async with (
        between(streams.server.port) as proxy,
        opened("nats", tmp_path, PEOPLE, **through(proxy.port, streams)) as adapter,
    ):
        await pages(adapter, "people")
        write = Write("create", "a", {"name": "a"}, idem_key="1")
        proxy.fault = Fault("answer lost", b"HPUB people.a")
        (lost,) = await adapter.push("people", [write])
        assert isinstance(lost, Unknown)
        assert await count(streams) == 1

        (again,) = await adapter.push("people", [write])
        assert again == Clash("id", "a")
        assert await count(streams) == 1
        assert (await one(adapter, "people", "a")).fields["name"] == "a"


async def test_a_request_that_never_arrived_is_unknown_and_nothing_is_sent_later(
    streams: Streams, tmp_path: Path
) -> None:
    await streams.make()
    async with (
        between(streams.server.port) as proxy,
        opened("nats", tmp_path, PEOPLE, **through(proxy.port, streams)) as adapter,
    ):
        await pages(adapter, "people")
        proxy.fault = Fault("request lost", b"HPUB people.a")
        (lost,) = await adapter.push("people", [Write("create", "a", {"name": "a"})])
        assert isinstance(lost, Unknown)
        assert await records(adapter, "people") == {}
        await anyio.sleep(0.2)
        assert await count(streams) == 0


async def test_a_server_that_does_not_answer_is_waited_for_as_long_as_said(streams: Streams, tmp_path: Path) -> None:
    await streams.make()
    options = streams.options(timeout_s=0.3, connect_s=0.3)
    async with opened("nats", tmp_path, PEOPLE, **options) as adapter:
        await pages(adapter, "people")
        with streams.server.standing_still(), pytest.raises(Transient, match="did not answer"):
            await adapter.read("people", ["a"])
        assert await records(adapter, "people") == {}
    with streams.server.standing_still():
        async with opened("nats", tmp_path, PEOPLE, **options) as adapter:
            with pytest.raises(Unreachable, match="does not answer"):
                await adapter.read("people", ["a"])


async def test_a_server_that_was_restarted_is_found_again(streams: Streams, tmp_path: Path) -> None:
    await streams.make()
    async with opened("nats", tmp_path, PEOPLE, **streams.options()) as adapter:
        await adapter.push("people", [Write("create", "a", {"name": "a"})])
        cursor = (await pages(adapter, "people"))[-1].cursor
        hints = aiter(adapter.watch("people"))
        await anext(hints)
        streams.server.stop(signal.SIGKILL)
        try:
            with anyio.fail_after(5), pytest.raises(Transient):
                await anext(hints)
            with pytest.raises(Unreachable, match="cannot be reached"):
                await pages(adapter, "people", cursor)
        finally:
            streams.server.start()
        await adapter.push("people", [Write("create", "b", {"name": "b"})])
        assert set(await records(adapter, "people", cursor)) == {"b"}


@pytest.mark.parametrize("other", [{"password": "wrong"}, {"user": "", "password": ""}, {"user": "", "token": "t"}])
async def test_who_is_not_let_in_is_told_so(streams: Streams, tmp_path: Path, other: dict[str, str]) -> None:
    options = {**streams.options(), **other}
    if "token" in other:
        options.pop("password")
    async with opened("nats", tmp_path, PEOPLE, **options) as adapter:
        with pytest.raises(Unauthorised, match="does not let this user in") as raised:
            await adapter.describe("people")
        assert PASSWORD not in str(raised.value)


async def test_a_missing_right_is_named(streams: Streams, tmp_path: Path) -> None:
    await streams.make()
    await streams.put({"people.a": b'{"id":"a"}'})
    nobody = streams.options(user="nobody", password="nobody", timeout_s=0.5)
    async with opened("nats", tmp_path, PEOPLE, **nobody) as adapter:
        with pytest.raises(Unauthorised, match="does not allow"):
            await adapter.describe("people")
    reader = streams.options(user="reader", password="reader", timeout_s=0.5)
    async with opened("nats", tmp_path, PEOPLE, **reader) as adapter:
        assert set(await records(adapter, "people")) == {"a"}
        with pytest.raises(Unauthorised, match="does not allow"):
            await adapter.push("people", [Write("update", "a", {"name": "x"})])


async def test_the_rights_of_the_guide_are_enough(streams: Streams, tmp_path: Path) -> None:
    await streams.make()
    narrow = streams.options(user="narrow", password="narrow", timeout_s=2)
    async with opened("nats", tmp_path, PEOPLE, **narrow) as adapter:
        cursor = (await pages(adapter, "people"))[-1].cursor
        hints = aiter(adapter.watch("people"))
        await anext(hints)
        assert is_written(await adapter.push("people", [Write("create", "a", {"name": "a"})])) == [True]
        await anext(hints)
        assert is_written(await adapter.push("people", [Write("update", "a", {"name": "b"})])) == [True]
        assert set(await records(adapter, "people", cursor)) == {"a"}
        await hints.aclose()  # type: ignore[attr-defined]


async def test_a_message_that_is_too_large_is_refused_with_the_field(streams: Streams, tmp_path: Path) -> None:
    await streams.make()
    await streams.make("small", max_msg_size=2000)
    specs = [PEOPLE, ObjectSpec("small", "id", ("name", "amount"))]
    async with opened("nats", tmp_path, *specs, **streams.options()) as adapter:
        for object, size in (("people", LARGEST), ("small", 2000)):
            large = {"name": "x" * size, "amount": 1}
            (outcome,) = await adapter.push(object, [Write("create", "a", large)])
            assert isinstance(outcome, Rejected)
            assert outcome.fields == ("name",)
            assert str(size) in outcome.reason
            fits = {"name": "x" * (size - 500), "amount": 1}
            assert is_written(await adapter.push(object, [Write("create", "a", fits)])) == [True]


async def test_two_who_write_at_once_lose_nothing(streams: Streams, tmp_path: Path) -> None:
    """Each adds a field of its own to the same records, on no condition (F23)."""
    await streams.make()
    keys = [f"k{n}" for n in range(50)]
    spec = ObjectSpec("people", "id", ("one", "two"))
    async with (
        opened("nats", tmp_path, spec, **streams.options()) as one_side,
        opened("nats", tmp_path, spec, **streams.options()) as other,
    ):
        await one_side.push("people", [Write("create", key, {}) for key in keys])
        told: dict[str, Sequence[Outcome]] = {}

        async def write(name: str, adapter: Any) -> None:
            told[name] = await adapter.push("people", [Write("update", key, {name: 1}) for key in keys])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(write, "one", one_side)
            tasks.start_soon(write, "two", other)

        found = await records(one_side, "people")
        for name, outcomes in told.items():
            for key, outcome in zip(keys, outcomes, strict=True):
                assert isinstance(outcome, Written | Stale)
                assert (name in found[key]) == isinstance(outcome, Written)


async def test_writes_of_one_record_are_made_in_their_order(streams: Streams, tmp_path: Path) -> None:
    await streams.make()
    async with opened("nats", tmp_path, PEOPLE, **streams.options()) as adapter:
        outcomes = await adapter.push(
            "people",
            [
                Write("create", "a", {"name": "1"}),
                Write("update", "a", {"name": "2"}),
                Write("update", "b", {"name": "2"}),
                Write("delete", "a"),
                Write("create", "a", {"name": "3"}),
            ],
        )
        assert is_written(outcomes) == [True, True, False, True, True]
        assert outcomes[2] == Missing()
        assert {key: fields["name"] for key, fields in (await records(adapter, "people")).items()} == {"a": "3"}


async def test_the_key_in_a_state_is_that_of_its_subject(streams: Streams, tmp_path: Path) -> None:
    await streams.make()
    async with opened("nats", tmp_path, PEOPLE, **streams.options()) as adapter:
        outcomes = await adapter.push(
            "people",
            [Write("create", "a", {"id": "b"}), Write("create", "7", {"id": 7}), Write("create", None, {"name": "x"})],
        )
        assert is_written(outcomes) == [False, True, False]
        (moved,) = await adapter.push("people", [Write("update", "7", {"id": "8"})])
        assert isinstance(moved, Rejected)
        assert json.loads(await streams.last("people.7")) == {"id": 7, "name": None, "amount": None}


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "expected tls://HOST:PORT"),
        ("http://nats.example.com", "expected tls://HOST:PORT"),
        ("tls://ann:secret@nats.example.com", "options of their own"),
        ("tls://nats.example.com:4222/people", "something behind the host"),
        ("tls://nats.example.com:99999", "cannot be read"),
        ("nats://nats.example.com", "would be sent unencrypted"),
    ],
)
def test_an_address_that_cannot_be_right_is_refused_and_not_quoted(url: str, why: str) -> None:
    with pytest.raises(OptionError, match=why) as raised:
        NatsOptions(url=url)
    assert "secret" not in str(raised.value)


def test_options_show_no_secret() -> None:
    options = NatsOptions(url="nats://nats.example.com", unencrypted=True, password="secret", user="ann")
    assert "secret" not in repr(options)
    with pytest.raises(OptionError, match="token"):
        NatsOptions(url="tls://nats.example.com", user="ann", token="t")


async def test_a_password_is_not_sent_to_a_server_that_does_not_encrypt(streams: Streams, tmp_path: Path) -> None:
    options = streams.options(url=streams.server.url.replace("nats://", "tls://"))
    async with opened("nats", tmp_path, PEOPLE, **options) as adapter:
        with pytest.raises(Unauthorised, match="does not encrypt"):
            await adapter.describe("people")


async def test_an_encrypted_server_is_believed_by_its_authority_alone(tmp_path: Path) -> None:
    made, key = certificate(tmp_path)
    with running(tls=(made, key)) as server:
        streams = Streams(server)
        options = streams.options(url=f"tls://127.0.0.1:{server.port}", ca="server.pem")
        async with opened("nats", tmp_path, PEOPLE, **options) as adapter:
            with pytest.raises(NotFound):
                await adapter.describe("people")
        for wrong, why in (
            ({"ca": None}, "not trusted"),
            ({"ca": "none.pem"}, "`ca`"),
            ({"url": f"tls://localhost:{server.port}"}, "not trusted"),
        ):
            async with opened("nats", tmp_path, PEOPLE, **{**options, **wrong}) as adapter:
                with pytest.raises(Unreachable, match=why):
                    await adapter.describe("people")


async def test_without_the_extra_it_says_what_to_install(
    streams: Streams, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "nats.errors", None)
    async with opened("nats", tmp_path, PEOPLE, **streams.options()) as adapter:
        with pytest.raises(Unsupported, match=r"pip install 'datasyncd\[nats\]'"):
            await adapter.describe("people")
