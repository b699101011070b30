"""PostgreSQL stops, crashes and comes back, and the network to it loses, cuts and delays what is said.

People go on in all stores that they reach. Afterwards all stores show the same, nothing is lost, nothing is doubled,
and each clash is reported with both values; while it lasts, `status` says which system waits and why.
"""

from __future__ import annotations

import os
import random
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.postgres_store import PostgresPrefs, config
from tests.end_to_end.three_stores import Daemon, Stores, until
from tests.servers.postgres import Server, running
from tests.servers.proxy import Fault, How, Proxy, between_in_a_thread
from tests.torture import launcher, tally
from tests.torture.load import Load, everybody
from tests.torture.processes import launched, nothing_is_locked, nothing_was_logged_of_a_bug, settled, wait_for_pause

IMPATIENT = ('changes = "datasyncd.changes"\ntimeout_s = 1.0\nlock_s = 0.5\nconnect_s = 2.0', "live = true")
"""An answer is waited for 6 s: the second of the statement, and what the server may need to say so."""
GIVEN_UP_S = 7.0
"""Later than the daemon waits, and earlier than the server ends a transaction that stands still."""
TOO_LATE_S = 12.0
"""Later than that, too."""
SOON_S = 90.0
"""A record of which nobody knows whether it was made is made anew after 30 s."""
REACHABLE = ("crm", "mail")
AWAY = re.compile(
    r"prefs: 127\.0\.0\.1:\d+/\w+: (.*see that (the server|it) runs.*|the server does not take connections now.*"
    r"|the connection was lost.*|the server ended the connection.*|the server did not answer in time.*"
    r"|the server breaks the connection off.*)"
)
"""A place, a cause, and a next step where somebody can do something."""

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A server of this module, which may be ended in any way."""
    with running() as server:
        yield server


@pytest.fixture
def prefs(server: Server) -> Iterator[PostgresPrefs]:
    with PostgresPrefs.of(server.database()) as prefs:
        yield prefs


@pytest.fixture
def stores(tmp_path: Path, prefs: PostgresPrefs) -> Stores:
    """Stores in step, one of which is a PostgreSQL server."""
    return in_step(tmp_path, prefs, prefs.database.dsn())


@pytest.fixture
def network(server: Server) -> Iterator[Proxy]:
    """What is between the daemon and the server; people reach it without."""
    with between_in_a_thread(server.port) as proxy:
        yield proxy


@pytest.fixture
def far(tmp_path: Path, prefs: PostgresPrefs, server: Server, network: Proxy) -> Stores:
    """The same stores behind a network."""
    return in_step(tmp_path, prefs, prefs.database.dsn().replace(str(server.port), str(network.port)))


def in_step(folder: Path, prefs: PostgresPrefs, dsn: str) -> Stores:
    stores = Stores.of(folder, everybody(), config(dsn, IMPATIENT), prefs=prefs)
    assert stores.sync().code == 0
    return stores


def says_who_waits_and_why(daemon: Daemon, torment: tally.Torment) -> None:
    """`status` names the system and the reason, in the link and as a problem, and no other link."""

    def said() -> bool:
        status = daemon.status()
        if status is None:
            return False
        links = {link["system"]: link for link in status["links"]}
        found = [problem for problem in status["problems"] if problem["code"] == "failing"]
        if links["prefs"]["state"] != "failing" or not found:
            return False
        (problem,) = found
        assert AWAY.match(links["prefs"]["last_error"]), links["prefs"]["last_error"]
        tally.said(torment, links["prefs"]["last_error"])
        assert (problem["link"], problem["fix"]) == ("prefs.contact", "datasyncd check")
        assert problem["text"].startswith(links["prefs"]["last_error"])
        assert [links[name]["state"] for name in REACHABLE if links[name]["state"] == "failing"] == []
        return True

    until(said)


def clash(load: Load, daemon: Daemon, *systems: str) -> None:
    """While the daemon stands still, so that it carries nothing from one to the other."""

    def stands_still() -> bool:
        daemon.signal(signal.SIGSTOP)
        wait_for_pause(daemon.process)
        if nothing_is_locked(load.stores):
            return True
        daemon.signal(signal.SIGCONT)  # nobody could edit what it holds
        return False

    until(stands_still)
    load.clash(*systems)


def stop(server: Server, mode: signal.Signals) -> None:
    tally.count(tally.SERVER_ENDS, mode.name)
    server.stop(mode)


def arm(network: Proxy, fault: Fault) -> None:
    """The next request that it is meant for meets this fault."""
    which = fault.words.decode().rstrip("\0") or f"request {fault.nth}"
    tally.count(tally.REQUEST_SPOILT, f"{fault.how} {fault.seconds} {which}")
    network.fault = fault


def both_go_on(stores: Stores) -> bool:
    """Those that are not away show the same."""
    crm, mail = (stores.by_name[name].rows() for name in REACHABLE)
    notes = {person: {**row, "note": None} for person, row in crm.items()}
    return notes == {person: {**row, "note": None} for person, row in mail.items()}


# The server --------------------------------------------------------------------------------------------------------


STOPS = [
    pytest.param(signal.SIGINT, id="fast"),
    pytest.param(signal.SIGQUIT, id="immediate"),
    pytest.param(signal.SIGKILL, id="kill -9"),
]
MOMENTS_S = (0.0, 0.05, 0.1, 0.2, 0.4)
"""Between the last edits and the stop."""


@pytest.mark.parametrize("mode", STOPS)
def test_the_server_stops_and_comes_back_again_and_again(stores: Stores, server: Server, mode: signal.Signals) -> None:
    load = Load(stores)
    with stores.daemon() as daemon:
        for number, moment in enumerate(MOMENTS_S):
            load.round()
            clash(load, daemon, "prefs", REACHABLE[number % 2])
            daemon.signal(signal.SIGCONT)
            time.sleep(moment)
            stop(server, mode)
            try:
                load.round(REACHABLE)
                says_who_waits_and_why(daemon, tally.SERVER_ENDS)
                load.round(REACHABLE)
                until(lambda: both_go_on(stores))
            finally:
                server.start()
            load.round()
        until(load.arrived, SOON_S)
        assert daemon.process.poll() is None

    load.check()
    nothing_was_logged_of_a_bug(stores)


@pytest.mark.parametrize("mode", STOPS)
@pytest.mark.parametrize("point", launcher.POSTGRES_POINTS)
def test_the_server_ends_at_a_point_of_a_write(
    stores: Stores, server: Server, mode: signal.Signals, point: str
) -> None:
    load = Load(stores, comes=False)
    with launched(stores, f"end:{server.pid}:{mode.value}", point, 1, "run") as process:
        load.round()
        until(lambda: server.has_ended)
        server.stop()
        load.round(REACHABLE)
        server.start()
        load.round()
        until(load.arrived, SOON_S)
        assert process.poll() is None

    load.check()
    nothing_was_logged_of_a_bug(stores)


def test_the_server_waits_for_its_last_connection_and_takes_no_new_one(stores: Stores, server: Server) -> None:
    """A smart stop does not end as long as the daemon listens: somebody has to stop it in another way."""
    load = Load(stores)
    with stores.daemon() as daemon:
        load.round()
        until(load.arrived, SOON_S)
        server.signal(signal.SIGTERM)
        try:
            for _ in range(3):
                load.round(REACHABLE)
                until(lambda: both_go_on(stores))
        finally:
            stop(server, signal.SIGINT)
            server.start()
        load.round()
        until(load.arrived, SOON_S)
        assert daemon.process.poll() is None

    load.check()
    nothing_was_logged_of_a_bug(stores)


def test_processes_of_the_server_are_killed(stores: Stores, server: Server, prefs: PostgresPrefs) -> None:
    """The server then ends all connections and recovers as after a crash."""
    load = Load(stores)
    ours = f"application_name = 'datasyncd prefs' AND datname = '{prefs.database.name}'"

    def recovers_from_a_kill() -> None:
        starts, serving = server.starts, list[int]()

        def serves() -> bool:
            """After each recovery it takes the daemon a moment to come back."""
            serving[:] = map(int, server.run(f"SELECT pid FROM pg_stat_activity WHERE {ours}").split())
            return bool(serving)

        until(serves)
        tally.count(tally.BACKEND_KILLED, "SIGKILL")
        os.kill(serving[0], signal.SIGKILL)
        until(lambda: server.starts > starts)

    with stores.daemon() as daemon:
        until(lambda: load.arrived() and daemon.status() is not None)
        for moment in MOMENTS_S:
            load.round()
            time.sleep(moment)
            recovers_from_a_kill()
        until(load.arrived, SOON_S)
        assert daemon.process.poll() is None

    load.check()
    nothing_was_logged_of_a_bug(stores)


def test_the_server_and_the_daemon_end_together(stores: Stores, server: Server) -> None:
    load = Load(stores)
    for moment in (0.3, 0.8, 1.2, 1.6):
        with stores.daemon() as daemon:
            load.round()
            time.sleep(moment)
            daemon.signal(signal.SIGKILL)
            tally.count(tally.KILLED_AT_A_TIME, "with the server")
            stop(server, signal.SIGKILL)
        load.round(REACHABLE)
        done = stores.sync()
        assert done.code == 75
        assert [name for name, why in done.document["failed"].items() if AWAY.match(why)] == ["prefs.contact"]
        server.start()

    settled(stores)
    load.check()
    nothing_was_logged_of_a_bug(stores)


# The network -------------------------------------------------------------------------------------------------------


def test_the_network_is_away_and_comes_back(far: Stores, network: Proxy) -> None:
    load = Load(far)
    with far.daemon() as daemon:
        for number in range(5):
            load.round()
            clash(load, daemon, "prefs", REACHABLE[number % 2])
            daemon.signal(signal.SIGCONT)
            tally.count(tally.NETWORK_CUT, "all connections")
            network.cut()
            load.round()
            says_who_waits_and_why(daemon, tally.NETWORK_CUT)
            load.clash("prefs", REACHABLE[number % 2])
            load.round()
            network.mend()
            load.round()
        until(load.arrived, SOON_S)
        assert daemon.process.poll() is None

    load.check()
    nothing_was_logged_of_a_bug(far)


BREAKS: tuple[How, ...] = ("request lost", "answer lost", "half an answer")
REQUESTS = 14
"""From connecting to the end of a delivery there are about so many."""


@pytest.mark.parametrize("how", BREAKS)
def test_a_connection_breaks_at_the_nth_request(far: Stores, network: Proxy, how: How) -> None:
    load = Load(far)
    with far.daemon() as daemon:
        for nth in range(1, REQUESTS + 1):
            befalls(Fault(how, nth=nth), load, network)
        assert daemon.process.poll() is None

    load.check()
    nothing_was_logged_of_a_bug(far)


LAGS = [("answer late", GIVEN_UP_S), ("request late", GIVEN_UP_S), ("request late", TOO_LATE_S), ("silence", 0.0)]


@pytest.mark.parametrize(("how", "seconds"), LAGS)
def test_a_connection_hangs_at_the_nth_request(far: Stores, network: Proxy, how: How, seconds: float) -> None:
    load = Load(far)
    with far.daemon() as daemon:
        for nth in (1, 4, 7, 10):
            befalls(Fault(how, nth=nth, seconds=seconds), load, network)
        assert daemon.process.poll() is None

    load.check()
    nothing_was_logged_of_a_bug(far)


@pytest.mark.parametrize(("how", "seconds"), [*((how, 0.0) for how in BREAKS), *LAGS])
def test_a_commit_is_lost_cut_or_late(far: Stores, network: Proxy, how: How, seconds: float) -> None:
    """Of records that are made, changed and deleted."""
    load = Load(far)
    with far.daemon() as daemon:
        for _ in range(3):
            arm(network, Fault(how, b"COMMIT\0", seconds=seconds))
            load.round(REACHABLE)
            until(lambda: network.fault is None, SOON_S)
            load.round(REACHABLE)
            clash(load, daemon, "prefs", "crm")
            daemon.signal(signal.SIGCONT)
        until(load.arrived, SOON_S)
        assert daemon.process.poll() is None

    load.check()
    nothing_was_logged_of_a_bug(far)


def befalls(fault: Fault, load: Load, network: Proxy) -> None:
    """People work until a fault has begun, and it does no harm."""
    arm(network, fault)
    while network.fault is not None:
        load.round()
        time.sleep(0.1)
    until(load.arrived, SOON_S)


# Everything at once ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2])
def test_faults_of_all_kinds_at_random(far: Stores, network: Proxy, server: Server, seed: int) -> None:
    load, chance = Load(far, seed), random.Random(seed)
    hows: list[Any] = [(how, 0.0) for how in BREAKS] + LAGS
    for _ in range(4):
        with far.daemon():
            tally.count(tally.KILLED_AT_A_TIME, "with a broken network")
            for _ in range(5):
                how, seconds = chance.choice(hows)
                if network.fault is None:
                    arm(network, Fault(how, nth=chance.randint(1, REQUESTS), seconds=seconds))
                load.round()
                time.sleep(chance.uniform(0.0, 1.0))
            stop(server, chance.choice((signal.SIGINT, signal.SIGQUIT, signal.SIGKILL)))
            load.round(REACHABLE)
            server.start()
    network.fault = None

    settled(far)
    load.check()
    nothing_was_logged_of_a_bug(far)
