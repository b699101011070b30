"""`status`: its exit code is the verdict, and it is quick."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import anyio.from_thread
import msgspec
import pytest

from datasyncd.daemon.control.server import Server
from datasyncd.daemon.health import Facts, LinkFacts, assess
from datasyncd.state.database import lock

from .shop import Shop

NOW = 1_767_225_600_000_000
KEYS = {"health", "version", "uptime_s", "links", "conflicts", "outbox", "problems", "systems"}


@contextlib.contextmanager
def answering(folder: Path, status: Callable[[dict[str, Any]], Awaitable[Any]]) -> Iterator[None]:
    """Somebody answers at the socket of a state folder."""
    with anyio.from_thread.start_blocking_portal() as portal:
        serving, _started = portal.start_task(Server({"status": status}).serve, folder)
        yield
        serving.cancel()


def facts(**known: Any) -> Any:
    link = LinkFacts(
        system="crm", entity="contact", state="waiting", last_success=NOW, expected_every_s=60.0, watched_s=90.0
    )
    return msgspec.to_builtins(assess(Facts(**{"at": NOW, "version": "1", "uptime_s": 90.0, "links": [link], **known})))


@pytest.mark.parametrize(
    ("known", "health", "code"),
    [
        ({}, "ok", 0),
        ({"conflicts": 1}, "warning", 1),
        ({"at": NOW + 10**10}, "critical", 2),
        ({"links": []}, "unknown", 3),
    ],
)
def test_the_exit_code_is_the_verdict(tmp_path: Path, known: dict[str, Any], health: str, code: int) -> None:
    shop, found = Shop(tmp_path), facts(**known)

    async def status(_arguments: dict[str, Any]) -> Any:
        return found

    with answering(tmp_path / "var", status):
        as_json, as_text = shop.runs("status", "--json"), shop.runs("status")

    assert (as_json.exit_code, as_json.json) == (code, found)
    assert as_text.exit_code == code
    assert as_text.out.startswith(f"{health} ")
    for problem in found["problems"]:
        assert problem["text"] in as_text.out
        assert problem["fix"] in as_text.out


def test_a_daemon_that_does_not_answer_in_time_is_unknown(tmp_path: Path) -> None:
    async def status(_arguments: dict[str, Any]) -> Any:
        await anyio.sleep(60)

    shop = Shop(tmp_path)
    with answering(tmp_path / "var", status):
        done = shop.runs("status", "--json", "--timeout", "0.1")

    assert (done.exit_code, done.json["problems"][0]["code"]) == (3, "no_answer")


def test_without_a_daemon_the_state_says_what_it_knows(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    assert shop.runs("status").exit_code == 3
    assert not (tmp_path / "var").exists(), "asking makes nothing"
    shop.disagrees()

    done = shop.runs("status", "--json")

    assert done.exit_code == 3
    assert set(done.json) == KEYS
    assert (done.json["health"], done.json["conflicts"]) == ("unknown", 1)
    assert done.json["problems"][0]["code"] == "not_running"


def test_while_a_command_holds_the_state_it_is_said_to_be_in_use(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    assert shop.runs("sync").exit_code == 0

    with lock(tmp_path / "var" / "state.db"):
        done = shop.runs("status", "--json")

    assert (done.exit_code, done.json["problems"][0]["code"]) == (3, "in_use")


def test_a_sync_that_failed_through_the_daemon_shows_until_one_went_well(tmp_path: Path) -> None:
    """No timer of these links comes within the test."""
    shop = Shop(tmp_path)
    kept = tmp_path / "kept.csv"
    with shop.daemon():
        assert shop.runs("status").exit_code == 0
        shop.sheet.rename(kept)

        assert shop.runs("sync").exit_code == 75
        failed = shop.runs("status", "--json")
        kept.rename(shop.sheet)
        assert shop.runs("sync").exit_code == 0
        well = shop.runs("status", "--json")

    [problem] = failed.json["problems"]
    assert (failed.exit_code, problem["code"], problem["link"]) == (1, "failing", "mail.contact")
    assert "contacts.csv: No such file" in problem["text"]
    assert {link["system"]: link["state"] for link in failed.json["links"]} == {"crm": "waiting", "mail": "failing"}
    assert [link["state"] for link in well.json["links"]] == ["waiting", "waiting"]
    [over] = well.json["problems"]
    assert (well.exit_code, over["severity"], over["code"]) == (1, "warning", "failure_rate")
    assert "within the last hour failed; the latest went well" in over["text"]
    assert "it has failed for " in problem["text"]


def test_it_answers_for_a_config_whose_other_parts_are_wrong(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.config.write_text(shop.config.read_text().replace("[systems.crm]", "[systems.crm]\ncolour = 1"))

    assert shop.runs("status").exit_code == 3
    assert shop.runs("sync").exit_code == 78


BROKEN = '[daemon]\nstate_dir = "state"  # ours\nlisten = ""\n\n[systems.crm\nadapter = "sqlite"\n'


@pytest.mark.parametrize("as_json", [True, False])
def test_a_running_daemon_answers_also_while_its_config_is_no_toml(tmp_path: Path, as_json: bool) -> None:
    shop = Shop(tmp_path)
    shop.config.write_text(shop.config.read_text().replace('state_dir = "var"', 'state_dir = "state"'))
    whole = shop.config.read_text()
    flags = ["--json"] if as_json else []
    found = facts()

    async def status(_arguments: dict[str, Any]) -> Any:
        return found

    with answering(tmp_path / "state", status):
        assert shop.runs("status", *flags).exit_code == 0
        shop.config.write_text(BROKEN)
        done = shop.runs("status", *flags)
        shop.config.write_text(whole)
        assert shop.runs("status", *flags).exit_code == 0

    assert done.exit_code == 1
    assert "config.toml:5" in done.out
    assert "the running daemon goes on with the one that it has read" in done.out
    if as_json:
        [problem] = done.json["problems"]
        assert (done.json["health"], problem["code"], problem["severity"]) == ("warning", "config", "warning")
        assert done.json["links"] == found["links"]


def test_a_daemon_whose_config_was_deleted_answers(tmp_path: Path) -> None:
    async def status(_arguments: dict[str, Any]) -> Any:
        return facts(at=NOW + 10**10)

    shop = Shop(tmp_path)
    shop.config.unlink()
    with answering(tmp_path / "var", status):
        done = shop.runs("status", "--json")

    assert (done.exit_code, done.json["health"]) == (2, "critical")
    assert {problem["code"] for problem in done.json["problems"]} == {"overdue", "config"}


@pytest.mark.parametrize("text", [BROKEN, "[daemon]\nstate_dir = 5\n", None])
def test_without_a_daemon_a_config_that_names_no_state_is_unknown(tmp_path: Path, text: str | None) -> None:
    shop = Shop(tmp_path)
    shop.config.unlink() if text is None else shop.config.write_text(text)

    done = shop.runs("status", "--json")

    assert (done.exit_code, done.json["health"], set(done.json)) == (3, "unknown", KEYS)
    assert [problem["code"] for problem in done.json["problems"]] == ["config"]
    assert "config.toml" in done.json["problems"][0]["text"]
    assert "critical: the config file is not valid" in shop.runs("status").out


def test_other_commands_ask_the_daemon_of_a_config_that_is_no_toml(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    with shop.daemon():
        shop.config.write_text(shop.config.read_text() + "\n[")
        explained = shop.runs("explain", "contact", "1@example.org", "--json")
        synced, backed_up = shop.runs("sync"), shop.runs("backup", str(tmp_path / "copy"))
    alone = [shop.runs(*words).exit_code for words in (["explain", "contact", "x"], ["sync"], ["backup", "/tmp/none"])]

    assert (explained.exit_code, explained.json["entity"]) == (0, "contact")
    assert "the config file is not valid, and the running daemon goes on" in explained.err
    assert (synced.exit_code, backed_up.exit_code) == (0, 0)
    assert alone == [78, 78, 78]


def test_it_imports_nothing_heavy(tmp_path: Path) -> None:
    async def status(_arguments: dict[str, Any]) -> Any:
        return facts()

    shop = Shop(tmp_path)
    code = (
        "import atexit, sys; from datasyncd.daemon.cli import main;"
        "atexit.register(lambda: print(*sys.modules, file=sys.stderr)); main()"
    )
    with answering(tmp_path / "var", status):
        words = [sys.executable, "-c", code, "status", "--config", str(shop.config)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)

    heavy = {"aiohttp", "anyio", "asyncio", "msgspec", "rich", "sqlite3", "structlog", "datasyncd.daemon.config.load"}
    assert not heavy & set(done.stderr.split())


def test_colours_are_for_terminals_only(tmp_path: Path) -> None:
    shop = Shop(tmp_path)

    assert "\x1b[" not in shop.runs("status").out
    assert "\x1b[" in on_a_terminal(shop, "status")[1]
    assert "\x1b[" not in on_a_terminal(shop, "status", NO_COLOR="1")[1]


def test_a_sync_shows_its_progress_on_a_terminal(tmp_path: Path) -> None:
    code, shown = on_a_terminal(Shop(tmp_path, customers=50), "sync")

    assert code == 0
    assert "mail.contact" in shown
    assert "written" in shown


def on_a_terminal(shop: Shop, command: str, **environ: str) -> tuple[int, str]:
    """Exit code of a command, and what a terminal gets of it."""
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "datasyncd", command, "--config", str(shop.config)]
    known = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, env={**known, "TERM": "xterm", **environ}
    )
    os.close(theirs)
    shown = b""
    with open(ours, "rb", buffering=0) as terminal, contextlib.suppress(OSError):  # EIO: the other side is closed
        while part := terminal.read(4096):
            shown += part
    return process.wait(), shown.decode()


def test_a_thread_is_enough_to_ask_while_it_answers(tmp_path: Path) -> None:
    async def status(_arguments: dict[str, Any]) -> Any:
        return facts()

    shop, codes = Shop(tmp_path), []
    with answering(tmp_path / "var", status):
        for _ in range(5):
            thread = threading.Thread(target=lambda: codes.append(shop.runs("status").exit_code))
            thread.start()
            thread.join()

    assert codes == [0] * 5
