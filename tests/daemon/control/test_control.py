"""Control: a command reaches the daemon that serves a state folder, and nobody else does."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from datasyncd.daemon.control import message, server
from datasyncd.daemon.control.address import SOCKET
from datasyncd.daemon.control.client import NoAnswer, NotRunning, ask
from datasyncd.daemon.control.message import Failure
from datasyncd.daemon.control.server import AlreadyServed, Handler, Server


async def echo(arguments: dict[str, Any]) -> Any:
    return arguments


async def fails(arguments: dict[str, Any]) -> Any:
    raise Failure("no such thing", 64, {"nearest": "thing"})


async def breaks(arguments: dict[str, Any]) -> Any:
    raise KeyError(arguments["email"])


async def sleeps(arguments: dict[str, Any]) -> Any:
    await anyio.sleep(30)


async def grows(arguments: dict[str, Any]) -> Any:
    return "x" * message.LARGEST


HANDLERS: dict[str, Handler] = {"echo": echo, "fails": fails, "breaks": breaks, "sleeps": sleeps, "grows": grows}


@contextlib.asynccontextmanager
async def serving(folder: Path, handlers: dict[str, Handler] = HANDLERS) -> AsyncIterator[None]:
    async with anyio.create_task_group() as tasks:
        await tasks.start(Server(handlers).serve, folder)
        yield
        tasks.cancel_scope.cancel()


async def asked(folder: Path, command: str, timeout: float = 5.0, **arguments: Any) -> Any:
    return await anyio.to_thread.run_sync(partial(ask, str(folder), command, arguments, timeout))


async def test_a_command_is_answered_and_knows_who_asked(tmp_path: Path) -> None:
    async with serving(tmp_path):
        answer = await asked(tmp_path, "echo", text="näher\n", by="somebody else")

    assert answer["text"] == "näher\n"
    assert answer["by"] == "root" if os.geteuid() == 0 else answer["by"] != "somebody else"


async def test_a_failure_keeps_its_exit_code_and_details(tmp_path: Path) -> None:
    async with serving(tmp_path):
        with pytest.raises(Failure) as failure:
            await asked(tmp_path, "fails")

    assert (failure.value.text, failure.value.exit_code, failure.value.details) == (
        "no such thing", 64, {"nearest": "thing"},
    )  # fmt: skip


async def test_a_bug_is_told_without_what_it_says_of_persons_and_the_server_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with serving(tmp_path):
        with pytest.raises(Failure) as failure:
            await asked(tmp_path, "breaks", email="ann@example.org")
        assert await asked(tmp_path, "echo", n=1)

    assert failure.value.exit_code == 70
    assert "ann@example.org" not in failure.value.text + capsys.readouterr().out


async def test_an_unknown_command_and_an_answer_that_is_too_large_are_failures(tmp_path: Path) -> None:
    async with serving(tmp_path):
        for command in ("dance", "grows"):
            with pytest.raises(Failure) as failure:
                await asked(tmp_path, command)
            assert failure.value.exit_code == 64


async def test_no_answer_in_time_is_told_as_such(tmp_path: Path) -> None:
    async with serving(tmp_path):
        with pytest.raises(NoAnswer, match="in time"):
            await asked(tmp_path, "sleeps", timeout=0.1)


@pytest.mark.parametrize("line", [b"{}\n", b"no json\n", b"[]\n", b'{"command": 1}\n', b"\xff\xff\n"])
async def test_what_is_no_request_is_answered_as_a_failure(tmp_path: Path, line: bytes) -> None:
    async with serving(tmp_path), await anyio.connect_unix(tmp_path / SOCKET) as stream:
        await stream.send(line)
        answer = json.loads(await stream.receive())

    assert answer["error"]["exit_code"] == 64


async def test_a_request_without_an_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LARGEST", 1000)
    async with serving(tmp_path), await anyio.connect_unix(tmp_path / SOCKET) as stream:
        await stream.send(b"x" * 2000)
        answer = json.loads(await stream.receive())

    assert "16 MiB" in answer["error"]["text"]


async def test_a_silent_client_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "REQUEST_S", 0.05)
    async with serving(tmp_path), await anyio.connect_unix(tmp_path / SOCKET) as stream:
        with pytest.raises(anyio.EndOfStream), anyio.fail_after(5):
            await stream.receive()


async def test_the_socket_is_its_owners_alone_and_goes_with_the_server(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    async with serving(folder):
        assert stat.S_IMODE((folder / SOCKET).stat().st_mode) == 0o600
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert os.listdir(folder) == [SOCKET]

    assert os.listdir(folder) == []
    with pytest.raises(NotRunning):
        await asked(folder, "echo")


async def test_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_peer", lambda stream: 4_000_000)
    async with serving(tmp_path):
        with pytest.raises(Failure) as failure:
            await asked(tmp_path, "echo")

    assert failure.value.exit_code == 77


async def test_a_process_of_another_user_is_told_apart_by_the_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root asks as another user; anybody else asks a daemon that takes itself for another user's."""
    user = os.geteuid()
    become = "os.setuid(65534); " if user == 0 else ""
    code = (
        f"import os, socket, sys; {become}s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]);"
        "s.sendall(b'{}'); print(s.recv(1000).decode())"
    )
    async with serving(tmp_path):
        if user != 0:
            monkeypatch.setattr(os, "geteuid", lambda: user + 1)
        (tmp_path / SOCKET).chmod(0o666)
        for folder in (tmp_path, *tmp_path.parents):
            if folder != folder.parent and folder.stat().st_uid == user:
                folder.chmod(folder.stat().st_mode | 0o011)
        done = await anyio.run_process([sys.executable, "-c", code, str(tmp_path / SOCKET)], check=False)

    assert "only the daemon's user" in done.stdout.decode()


async def test_a_second_server_does_not_take_the_place_of_the_first(tmp_path: Path) -> None:
    async with serving(tmp_path):
        with pytest.raises(AlreadyServed):
            await Server(HANDLERS).serve(tmp_path)
        assert await asked(tmp_path, "echo", n=1)


async def test_what_a_crash_left_behind_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / SOCKET))
    with pytest.raises(NotRunning):
        await asked(tmp_path, "echo")

    async with serving(tmp_path):
        assert await asked(tmp_path, "echo", n=1)


async def test_a_state_folder_may_have_a_long_path(tmp_path: Path) -> None:
    folder = tmp_path.joinpath(*(["a-rather-long-name-of-a-folder"] * 6))
    async with serving(folder):
        assert await asked(folder, "echo", n=1)


@pytest.mark.parametrize("backlog", [1, server.BACKLOG])
async def test_many_ask_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, backlog: int) -> None:
    monkeypatch.setattr(server, "BACKLOG", backlog)
    answers = []

    async def one(n: int) -> None:
        answers.append((await asked(tmp_path, "echo", n=n))["n"])

    async with serving(tmp_path), anyio.create_task_group() as tasks:
        for n in range(60):
            tasks.start_soon(one, n)

    assert sorted(answers) == list(range(60))


async def test_an_answer_may_be_large(tmp_path: Path) -> None:
    text = "x" * 5_000_000
    async with serving(tmp_path):
        assert (await asked(tmp_path, "echo", text=text))["text"] == text


def test_the_client_imports_nothing_heavy() -> None:
    code = "import sys, datasyncd.daemon.control.client; print(*sys.modules)"

    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()

    assert not {"asyncio", "anyio", "aiohttp", "msgspec", "sqlite3", "pathlib", "datasyncd.state"} & set(loaded)


async def test_a_text_that_is_no_unicode_breaks_no_answer(tmp_path: Path) -> None:
    """A name from a file may hold bytes that are no UTF-8; Python keeps them as lone surrogates."""

    async def name(arguments: dict[str, Any]) -> Any:
        if arguments.get("fails"):
            raise Failure("no column \udce9t\udce9", 1, {"\udce9": ["\udce9"]})
        return {"column": "\udce9t\udce9", "\udce9": [1, None, ("\udce9",)]}

    async with serving(tmp_path, {"name": name}):
        assert await asked(tmp_path, "name") == {"column": "\\udce9t\\udce9", "\\udce9": [1, None, ["\\udce9"]]}
        with pytest.raises(Failure) as failure:
            await asked(tmp_path, "name", fails=True)

    assert failure.value.text == "no column \\udce9t\\udce9"


async def test_a_request_that_is_no_unicode_is_answered(tmp_path: Path) -> None:
    async with serving(tmp_path):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / SOCKET))
            client.sendall(b'{"command": "\\ud800"}\n{"command": "\xe9"}\n')
            with anyio.fail_after(5):
                answer = await anyio.to_thread.run_sync(client.recv, 4000)
        assert b"error" in answer
        assert await asked(tmp_path, "echo", n=1)
