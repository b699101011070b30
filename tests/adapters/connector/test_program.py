"""Programs that misbehave: what is told of them, what is kept from them, and that nothing of them is left."""

from __future__ import annotations

import os
import sys
from contextlib import aclosing
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from datasyncd.adapters.connector import program as program_module
from datasyncd.adapters.connector.papers import papers
from datasyncd.adapters.connector.program import Program, secrets_in
from datasyncd.adapters.errors import Transient, Unreachable

SECRET = "a very secret key"


def program(code: str, *, silence_s: float = 30.0, **environ: str) -> Program:
    """A program in Python."""
    return Program("desk: tap", [sys.executable, "-c", code], environ, [SECRET], silence_s)


async def said(run: Program) -> list[bytes]:
    """All its lines, if it ends well."""
    return [line async for line in run.lines([], Path("/"))]


def is_there(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def is_running(process: int) -> bool:
    """It is there, and no corpse that whoever took it in has yet to bury."""
    try:
        return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"
    except OSError:
        return False


async def test_lines_are_read_to_the_end() -> None:
    assert await said(program("print('one'); print(); print('two', end='')")) == [b"one", b"two"]


@pytest.mark.parametrize(
    ("code", "what"),
    [
        ("import sys; sys.exit('it broke')", r"it failed \(exit code 1\): it broke"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "it was ended by SIGKILL"),
        ("import time; print('one', flush=True); time.sleep(60)", "it has said nothing for 1 s"),
        ("import os, time; os.close(1); time.sleep(60)", "it does not end"),
    ],
)
async def test_who_ends_badly_is_tried_again_with_its_last_words(code: str, what: str) -> None:
    with pytest.raises(Transient, match=f"^desk: tap: {what}.*; it is tried again$"):
        await said(program(code, silence_s=1.0))


async def test_an_endless_line_is_not_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program_module, "LONGEST_LINE", 2**20)
    code = "import sys\nwhile True: sys.stdout.write('x' * 65536)"
    with pytest.raises(Transient, match="a line of more than 1 MB"):
        await said(program(code))


async def test_last_words_are_few_and_without_secrets() -> None:
    code = (
        f"import sys\nfor n in range(10000): print('line', n, {SECRET!r} * 30, 'x' * 900, file=sys.stderr)\nsys.exit(3)"
    )
    with pytest.raises(Transient) as told:
        await said(program(code))
    assert SECRET not in str(told.value)
    assert "line 9999" in str(told.value)
    assert len(str(told.value)) < 600


async def test_a_secret_is_taken_out_in_every_form() -> None:
    secret = 'line one of "it"\nline two & more'
    code = (
        "import json, sys, urllib.parse as parse\n"
        f"secret = {secret!r}\n"
        "forms = secret, json.dumps(secret), parse.quote(secret), secret.splitlines()[1], 'y' * 99999 + secret\n"
        "for each in forms:\n"
        "    print(each, file=sys.stderr)\n"
        "sys.exit(1)"
    )
    told = Program("desk: tap", [sys.executable, "-c", code], {}, [secret], 30.0)
    with pytest.raises(Transient) as error:
        await said(told)
    assert "line" not in str(error.value).replace("a very long line", "")


async def test_what_cannot_be_started_is_told() -> None:
    missing = Program("desk: tap", ["/no/such/program"], {}, [], 1.0)
    with pytest.raises(Unreachable, match="it cannot be started: No such file"):
        await said(missing)


async def test_it_gets_nothing_of_our_environment_that_may_be_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATASYNCD_CRM_DSN", "secret")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials")
    lines = await said(program("import os, sys; print(sorted(os.environ))", OWN="1"))
    names = lines[0].decode()
    assert "'OWN'" in names
    assert "'PATH'" in names
    assert "DATASYNCD" not in names
    assert "CREDENTIALS" not in names


@pytest.mark.parametrize("deaf", [False, True], ids=["ends when asked", "deaf to it"])
async def test_whoever_leaves_early_leaves_no_process_behind(monkeypatch: pytest.MonkeyPatch, deaf: bool) -> None:
    """A child that it has started itself ends, too."""
    monkeypatch.setattr(program_module, "GRACE_S", 0.5)
    code = (
        "import os, signal, subprocess, sys, time\n"
        + ("signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" if deaf else "")
        + "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "print(os.getpid(), child.pid, flush=True)\ntime.sleep(60)"
    )
    async with aclosing(cast("Any", program(code).lines([], Path("/")))) as lines:
        mine, child = map(int, (await anext(lines)).split())
        assert is_there(mine)
    assert not is_there(mine)
    with anyio.fail_after(5):
        while is_running(child):  # noqa: ASYNC110  # it is not ours to wait for
            await anyio.sleep(0.02)


async def test_a_cancelled_run_leaves_no_process_behind() -> None:
    run = program("import os, time; print(os.getpid(), flush=True); time.sleep(60)")
    found: list[int] = []
    with anyio.move_on_after(2):
        async with aclosing(cast("Any", run.lines([], Path("/")))) as lines:
            async for line in lines:
                found.append(int(line))
    assert len(found) == 1
    assert not is_there(found[0])


async def test_who_reads_slowly_is_waited_for(tmp_path: Path) -> None:
    """A program that writes more than a pipe takes stops until its lines are used."""
    count = tmp_path / "count"
    code = f"""
for n in range(20000):
    print('x' * 1000, flush=True)
    if n % 100 == 0: open({str(count)!r}, 'w').write(str(n))
"""
    async with aclosing(cast("Any", program(code).lines([], Path("/")))) as lines:
        await anext(lines)
        await anyio.sleep(1.0)
        assert int(count.read_text() or "0") < 5000


async def test_what_is_given_arrives_and_is_bounded_by_the_reader() -> None:
    async def pieces() -> Any:
        for n in range(1000):
            yield f"{n}\n".encode() * 100

    run = program("import sys\nprint(sum(1 for line in sys.stdin))")
    assert [line async for line in run.lines([], Path("/"), pieces())] == [b"100000"]
    ends_early = program("import sys; sys.exit(4)")
    with pytest.raises(Transient, match="exit code 4"):
        _ = [line async for line in ends_early.lines([], Path("/"), pieces())]


def test_papers_are_ours_alone_and_gone_afterwards() -> None:
    with papers() as given:
        path = Path(given.write("config.json", {"key": SECRET}))
        assert path.stat().st_mode & 0o777 == 0o600
        assert given.folder.stat().st_mode & 0o777 == 0o700
    assert not path.parent.exists()


def test_all_texts_of_settings_may_be_secrets() -> None:
    assert secrets_in({"a": "x", "b": [{"c": "y"}, 1, None]}) == ["x", "y"]
