"""The connection to a Redis server: that it is lost, refused and found again, and what becomes of what was sent."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest

from datasyncd.adapters.contract import Clash, Missing, ObjectSpec, Outcome, Rejected, Stale, Unknown, Write, Written
from datasyncd.adapters.errors import OptionError, Transient, Unauthorised, Unreachable, Unsupported
from datasyncd.adapters.redis import writing
from datasyncd.adapters.redis.adapter import RedisOptions
from datasyncd.adapters.testing.desk import one, opened, pages, records
from tests.servers.proxy import Fault, between
from tests.servers.redis import PASSWORD, Server
from tests.servers.tls import certificate, encrypting

PEOPLE = ObjectSpec("people", "id", ("name", "amount"))


def through(port: int, redis: Server, **more: Any) -> dict[str, Any]:
    return redis.options(url=f"redis://127.0.0.1:{port}", **more)


def count(redis: Server) -> Any:
    """How many entries there are."""
    with redis.connected() as client:
        return client.xlen("people")


def is_written(outcomes: Sequence[Outcome]) -> list[bool]:
    return [isinstance(outcome, Written) for outcome in outcomes]


async def test_a_lost_answer_is_unknown_and_the_same_write_again_has_one_effect(redis: Server, tmp_path: Path) -> None:
    """F43."""
    async with (
        between(redis.port) as proxy,
        opened("redis", tmp_path, PEOPLE, **through(proxy.port, redis)) as adapter,
    ):
        await pages(adapter, "people")
        write = Write("create", "a", {"name": "a"}, idem_key="1")
        proxy.fault = Fault("answer lost", b"write")
        (lost,) = await adapter.push("people", [write])
        assert isinstance(lost, Unknown)
        assert count(redis) == 1

        assert await adapter.push("people", [write]) == [Clash("id", "a")]
        assert count(redis) == 1
        assert (await one(adapter, "people", "a")).fields["name"] == "a"


async def test_a_request_that_never_arrived_is_unknown_and_nothing_is_sent_later(redis: Server, tmp_path: Path) -> None:
    async with (
        between(redis.port) as proxy,
        opened("redis", tmp_path, PEOPLE, **through(proxy.port, redis)) as adapter,
    ):
        await pages(adapter, "people")
        proxy.fault = Fault("request lost", b"write")
        (lost,) = await adapter.push("people", [Write("create", "a", {"name": "a"})])
        assert isinstance(lost, Unknown)
        assert await records(adapter, "people") == {}
        await anyio.sleep(0.2)
        assert count(redis) == 0


async def test_a_server_that_does_not_answer_is_waited_for_as_long_as_said(redis: Server, tmp_path: Path) -> None:
    options = redis.options(timeout_s=0.3, connect_s=0.3)
    async with opened("redis", tmp_path, PEOPLE, **options) as adapter:
        await pages(adapter, "people")
        with redis.standing_still(), pytest.raises(Unreachable, match="does not answer"):
            await adapter.read("people", ["a"])
        assert await records(adapter, "people") == {}


async def test_a_server_that_was_restarted_is_found_again(redis: Server, tmp_path: Path) -> None:
    async with opened("redis", tmp_path, PEOPLE, **redis.options()) as adapter:
        await adapter.push("people", [Write("create", "a", {"name": "a"})])
        cursor = (await pages(adapter, "people"))[-1].cursor
        hints = aiter(adapter.watch("people"))
        await anext(hints)
        redis.stop(signal.SIGKILL)
        try:
            with anyio.fail_after(5), pytest.raises(Transient):
                await anext(hints)
            with pytest.raises(Unreachable, match="cannot be reached"):
                await pages(adapter, "people", cursor)
        finally:
            redis.start()
        await adapter.push("people", [Write("create", "b", {"name": "b"})])
        assert set(await records(adapter, "people", cursor)) == {"b"}


@pytest.mark.parametrize("other", [{"password": "wrong"}, {"user": "", "password": ""}, {"user": "", "password": "x"}])
async def test_who_is_not_let_in_is_told_so(redis: Server, tmp_path: Path, other: dict[str, str]) -> None:
    async with opened("redis", tmp_path, PEOPLE, **{**redis.options(), **other}) as adapter:
        with pytest.raises(Unauthorised, match="does not let this user in") as raised:
            await adapter.describe("people")
        assert PASSWORD not in str(raised.value)


async def test_a_missing_right_is_told(redis: Server, tmp_path: Path) -> None:
    options = redis.options(user="nobody", password="nobody")
    async with opened("redis", tmp_path, PEOPLE, **options) as adapter:
        with pytest.raises(Unauthorised, match="does not allow"):
            await adapter.describe("people")


async def test_the_rights_of_the_guide_are_enough(redis: Server, tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs/how-to/connect-redis.md").read_text(encoding="utf-8")
    [rights] = [line for line in text.splitlines() if line.startswith("ACL SETUSER")]
    with redis.connected() as client:
        words = rights.replace("crm:contacts", "people").replace(">PASSWORD", ">narrow").split()
        client.execute_command(*words)  # type: ignore[no-untyped-call]
    async with opened("redis", tmp_path, PEOPLE, **redis.options(user="datasyncd", password="narrow")) as adapter:
        cursor = (await pages(adapter, "people"))[-1].cursor
        hints = aiter(adapter.watch("people"))
        await anext(hints)
        assert is_written(await adapter.push("people", [Write("create", "a", {"name": "a"})])) == [True]
        await anext(hints)
        assert set(await records(adapter, "people", cursor)) == {"a"}
        assert set(await records(adapter, "people")) == {"a"}
        assert is_written(await adapter.push("people", [Write("delete", "a")])) == [True]
        await hints.aclose()  # type: ignore[attr-defined]


async def test_a_server_without_memory_takes_nothing_and_is_tried_again(redis: Server, tmp_path: Path) -> None:
    async with opened("redis", tmp_path, PEOPLE, **redis.options()) as adapter:
        await adapter.push("people", [Write("create", "a", {"name": "a"})])
        with redis.connected() as client:
            client.config_set("maxmemory", "1")
            try:
                with pytest.raises(Transient, match="no memory left"):
                    await adapter.push("people", [Write("create", "b", {"name": "b"})])
            finally:
                client.config_set("maxmemory", "0")
        assert is_written(await adapter.push("people", [Write("create", "b", {"name": "b"})])) == [True]


async def test_an_entry_that_is_too_large_is_refused_with_the_field(
    redis: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "LARGEST", 1000)
    async with opened("redis", tmp_path, PEOPLE, **redis.options()) as adapter:
        (outcome,) = await adapter.push("people", [Write("create", "a", {"name": "x" * 1000, "amount": 1})])
        assert isinstance(outcome, Rejected)
        assert outcome.fields == ("name",)


async def test_a_push_of_any_size_is_made_in_parts(
    redis: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "AT_A_TIME", 100)
    keys = [f"k{n}" for n in range(20)]
    async with opened("redis", tmp_path, PEOPLE, **redis.options()) as adapter:
        outcomes = await adapter.push("people", [Write("create", key, {"name": "x" * 50}) for key in keys])
        assert [outcome.key for outcome in outcomes if isinstance(outcome, Written)] == keys


async def test_two_who_write_at_once_lose_nothing(redis: Server, tmp_path: Path) -> None:
    """Each adds a field of its own to the same records, on no condition (F23)."""
    keys = [f"k{n}" for n in range(50)]
    spec = ObjectSpec("people", "id", ("one", "two"))
    async with (
        opened("redis", tmp_path, spec, **redis.options()) as one_side,
        opened("redis", tmp_path, spec, **redis.options()) as other,
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
                assert (found[key][name] == 1) == isinstance(outcome, Written)


async def test_writes_of_one_record_are_made_in_their_order(redis: Server, tmp_path: Path) -> None:
    async with opened("redis", tmp_path, PEOPLE, **redis.options()) as adapter:
        outcomes = await adapter.push(
            "people",
            [
                Write("create", "a", {"name": "1"}),
                Write("update", "a", {"name": "2"}),
                Write("update", "b", {"name": "2"}),
                Write("delete", "a"),
                Write("create", "a", {"name": "3"}),
                Write("create", None, {"name": "4"}),
            ],
        )
        assert is_written(outcomes) == [True, True, False, True, True, False]
        assert outcomes[2] == Missing()
        assert {key: fields["name"] for key, fields in (await records(adapter, "people")).items()} == {"a": "3"}


async def test_scripts_that_the_server_has_forgotten_are_sent_again(redis: Server, tmp_path: Path) -> None:
    async with opened("redis", tmp_path, PEOPLE, **redis.options()) as adapter:
        await pages(adapter, "people")
        with redis.connected() as client:
            client.script_flush()
        assert is_written(await adapter.push("people", [Write("create", "a", {"name": "a"})])) == [True]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "expected rediss://HOST/DATABASE"),
        ("http://redis.example.com", "expected rediss://HOST/DATABASE"),
        ("rediss://ann:secret@redis.example.com", "options of their own"),
        ("rediss://redis.example.com/people", "a database has a number"),
        ("rediss://redis.example.com:99999", "cannot be read"),
        ("redis://redis.example.com", "would be sent unencrypted"),
    ],
)
def test_an_address_that_cannot_be_right_is_refused_and_not_quoted(url: str, why: str) -> None:
    with pytest.raises(OptionError, match=why) as raised:
        RedisOptions(url=url)
    assert "secret" not in str(raised.value)


def test_options_show_no_secret() -> None:
    options = RedisOptions(url="redis://redis.example.com/3", unencrypted=True, password="secret", user="ann")
    assert "secret" not in repr(options)
    with pytest.raises(OptionError, match="password"):
        RedisOptions(url="rediss://redis.example.com", user="ann")


async def test_a_password_is_not_sent_to_a_server_that_does_not_encrypt(redis: Server, tmp_path: Path) -> None:
    options = redis.options(url=redis.url.replace("redis://", "rediss://"), connect_s=2.0)
    async with opened("redis", tmp_path, PEOPLE, **options) as adapter:
        with pytest.raises(Unreachable):
            await adapter.describe("people")


async def test_an_encrypted_server_is_believed_by_its_authority_alone(redis: Server, tmp_path: Path) -> None:
    made, key = certificate(tmp_path)
    async with encrypting(redis.port, made, key) as port:
        url = f"rediss://127.0.0.1:{port}"
        async with opened("redis", tmp_path, PEOPLE, **redis.options(url=url, ca="server.pem")) as adapter:
            assert is_written(await adapter.push("people", [Write("create", "a", {"name": "a"})])) == [True]
            assert set(await records(adapter, "people")) == {"a"}
        for wrong, why in (
            ({"url": url}, "not trusted"),
            ({"url": url, "ca": "none.pem"}, "`ca`"),
            ({"url": f"rediss://localhost:{port}", "ca": "server.pem"}, "not trusted"),
        ):
            async with opened("redis", tmp_path, PEOPLE, **redis.options(**wrong)) as adapter:
                with pytest.raises(Unreachable, match=why):
                    await adapter.describe("people")


async def test_without_the_extra_it_says_what_to_install(
    redis: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    async with opened("redis", tmp_path, PEOPLE, **redis.options()) as adapter:
        with pytest.raises(Unsupported, match=r"pip install 'datasyncd\[redis\]'"):
            await adapter.describe("people")
