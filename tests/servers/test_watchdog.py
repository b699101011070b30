"""A server of the tests ends with them, whatever ends them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.three_stores import until

ROOT = Path(__file__).parents[2]
TESTS = """\
import sys
from tests.servers.postgres import running
with running() as server:
    print(server.port, server.folder, flush=True)
    if sys.argv[1] == "restarted":
        server.stop()
        server.start()
        print("again", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("way", ["killed", "killed while it restarts", "restarted", "at its end"])
def test_a_server_ends_with_its_tests(way: str) -> None:
    tests = subprocess.Popen(
        [sys.executable, "-c", TESTS, "restarted" if "restart" in way else ""], cwd=ROOT, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert tests.stdin is not None
    assert tests.stdout is not None
    port, folder = tests.stdout.readline().split()
    assert way == "killed while it restarts" or is_listening(int(port))

    if way == "restarted":
        tests.stdout.readline()
    if way == "at its end":
        tests.stdin.close()
    else:
        os.kill(tests.pid, signal.SIGKILL)
    tests.wait(30)

    until(lambda: not Path(folder).exists())
    assert not is_listening(int(port))
    tests.stdin.close()
    tests.stdout.close()


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
