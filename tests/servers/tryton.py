"""A real Tryton server with a CRM and points of sale, on SQLite, on a free port of this machine.

    python tryton.py FOLDER serve

runs one until its standard input is closed, so that it ends with whoever started it, however that ended. Its databases
are copies of a template, which takes a while to make: once for all processes of a run of tests.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

DATABASES = CRM, SHOP = ("crm", "shop")
USER, PASSWORD = "admin", "pässword: 1"
MODULES = ("party", "sale_opportunity", "sale_point")
PATIENCE_S = 60.0
CONFIG = """[database]
uri = sqlite://
path = {folder}
[web]
listen = 127.0.0.1:{port}
[session]
max_attempt = 3
[password]
length = 4
"""


class Failed(Exception):
    """What the server answered in place of a result."""


class Database:
    """One database, and somebody else who works in it with another client."""

    def __init__(self, server: Server, name: str, user: str = USER, password: str = PASSWORD) -> None:
        self.server = server
        self.name = name
        self._user = user
        user_id, token, *_ = self._ask({}, "common.db.login", [user, {"password": password}, "en"])
        self._token = token
        login = b64encode(f"{user}:{user_id}:{token}".encode()).decode()
        self._headers = {"Authorization": f"Session {login}"}

    def options(self, url: str | None = None, **more: Any) -> dict[str, Any]:
        """What a config says of the database."""
        base = {"url": url or self.server.url, "database": self.name, "user": USER, "password": PASSWORD}
        return {**base, **more}

    def call(self, model: str, method: str, *words: Any, **context: Any) -> Any:
        """Somebody else's call, which succeeds."""
        return self._ask(self._headers, f"model.{model}.{method}", [*words, context])

    def make(self, model: str, *records: Mapping[str, Any], **context: Any) -> list[int]:
        """Records of a model; their ids."""
        made: list[int] = self.call(model, "create", records, **context)
        return made

    def write(self, model: str, id: int, **values: Any) -> None:
        self.call(model, "write", [id], values)

    def ids(self, model: str, domain: Sequence[Any] = ()) -> list[int]:
        """Of all records, those that are not active too."""
        found: list[int] = self.call(model, "search", domain, 0, None, [["id", "ASC"]], active_test=False)
        return found

    def rows(self, model: str, *names: str, id: int | None = None) -> list[dict[str, Any]]:
        """All records, those that are not active too; or one."""
        order, domain = [["id", "ASC"]], [] if id is None else [["id", "=", id]]
        found: list[dict[str, Any]] = self.call(model, "search_read", domain, 0, None, order, names, active_test=False)
        return found

    def replace_party(self, id: int, survivor: int) -> None:
        """Merge a party into another one."""
        data = {"ask": {"source": id, "destination": survivor}}
        self._wizard("party.replace", data, "replace", active_model="party.party", active_id=id)

    def _wizard(self, name: str, data: Mapping[str, Any], state: str, **context: Any) -> None:
        """Go through a wizard, with what is said in its windows."""
        session, *_ = self._ask(self._headers, f"wizard.{name}.create", [context])
        self._ask(self._headers, f"wizard.{name}.execute", [session, data, state, context])

    def clear(self, model: str) -> None:
        """Delete all records."""
        if ids := self.ids(model):
            self.call(model, "delete", ids)

    @contextmanager
    def reader(self, name: str, model: str) -> Iterator[None]:
        """Another user, who may only read the records of a model; nothing is left of that but the user."""
        if not self.ids("res.user", [["login", "=", name]]):
            self.make("res.user", {"name": name, "login": name, "password": PASSWORD})
        admins = self.ids("res.user", [["login", "=", USER]])
        (group,) = self.make("res.group", {"name": f"all of {model}", "users": [["add", admins]]})
        may = dict.fromkeys(("perm_write", "perm_create", "perm_delete"), True)
        rows = self.make(
            "ir.model.access",
            {"model": model, "group": group, "perm_read": True, **may},
            {"model": model, "perm_read": True, **dict.fromkeys(may, False)},
        )
        try:
            yield
        finally:
            self.call("ir.model.access", "delete", rows)
            self.call("res.group", "delete", [group])

    def forget_sessions(self) -> None:
        """The server knows no session any more but this one."""
        with (
            contextlib.closing(sqlite3.connect(self.server.folder / f"{self.name}.sqlite", timeout=PATIENCE_S)) as db,
            db,
        ):
            db.execute("DELETE FROM ir_session WHERE key != ?", (self._token,))

    def sells(self) -> int:
        """What a company needs that sells, once: money, a till, and a sale that is open at it."""
        if sales := self.ids("sale.point.sale"):
            return sales[0]
        (party,) = self.make("party.party", {"name": "Shop"})
        rate = {"date": date(2020, 1, 1), "rate": decimal("1")}
        euro = {"name": "Euro", "code": "EUR", "symbol": "E", "digits": 2, "rounding": decimal("0.01")}
        (currency,) = self.make("currency.currency", {**euro, "rates": [["create", [rate]]]})
        (company,) = self.make("company.company", {"party": party, "currency": currency})
        users = self.ids("res.user", [["login", "=", USER]])
        self.call("res.user", "write", users, {"companies": [["add", [company]]], "company": company})
        types = self.ids("ir.sequence.type", [["name", "=", "POS"]])
        (sequence,) = self.make("ir.sequence.strict", {"name": "Till", "sequence_type": types[0], "company": company})
        journals = self.ids("account.journal", [["type", "=", "revenue"]])
        stock, customer = (self.ids("stock.location", [["type", "=", kind]])[0] for kind in ("storage", "customer"))
        point = {
            "name": "Till 1", "company": company, "sequence": sequence, "journal": journals[0],
            "storage_location": stock, "customer_location": customer,
        }  # fmt: skip
        (till,) = self.make("sale.point", point, company=company)
        sale = {"company": company, "point": till, "date": date(2026, 11, 30)}
        return self.make("sale.point.sale", sale, company=company)[0]

    def _ask(self, headers: Mapping[str, str], method: str, words: Sequence[Any]) -> Any:
        body = json.dumps({"id": 1, "method": method, "params": words}).encode()
        connection = HTTPConnection("127.0.0.1", self.server.port, timeout=PATIENCE_S)
        try:
            heads = {"Content-Type": "application/json", **headers}
            connection.request("POST", f"/{self.name}/rpc/", body, heads)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise Failed(response.status, text[:200])
        said = json.loads(text)
        if "error" in said:
            raise Failed(said["error"])
        return said["result"]


def date(year: int, month: int, day: int) -> dict[str, Any]:
    return {"__class__": "date", "year": year, "month": month, "day": day}


def decimal(text: str) -> dict[str, Any]:
    return {"__class__": "Decimal", "decimal": text}


class Server:
    """One server."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self.url = f"http://127.0.0.1:{port}/"
        self.crm = Database(self, CRM)
        """With no parties but those of a test."""
        self.shop = Database(self, SHOP)
        """With whatever a company needs that sells."""


@contextmanager
def running(shared: Path) -> Iterator[Server]:
    """A server, gone at the end with its folder. `shared`: a folder of the run of tests, for the template."""
    template = _template(shared)
    folder = Path(tempfile.mkdtemp(prefix="datasyncd-tryton-"))
    for name in DATABASES:
        shutil.copy(template, folder / f"{name}.sqlite")
    port = _free_port()
    (folder / "trytond.conf").write_text(CONFIG.format(folder=folder, port=port))
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [sys.executable, __file__, str(folder), "serve"], stdin=subprocess.PIPE, stdout=log, stderr=log
    )
    try:
        _wait_for(port, process, folder / "log")
        yield Server(folder, port)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def _template(shared: Path) -> Path:
    """A database with the modules, made by whichever process of the run comes first."""
    made = shared / "tryton.sqlite"
    with (shared / "tryton.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            folder = shared / "tryton"
            folder.mkdir(exist_ok=True)
            (folder / "crm.sqlite").write_bytes(b"")
            (folder / "password").write_text(f"{PASSWORD}\n", encoding="utf-8")
            (folder / "trytond.conf").write_text(CONFIG.format(folder=folder, port=0))
            done = subprocess.run(
                [sys.executable, __file__, str(folder)],
                env={**os.environ, "TRYTONPASSFILE": str(folder / "password")},
                input="\n",  # no address of the administrator
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            with contextlib.closing(sqlite3.connect(folder / "crm.sqlite")) as database:
                database.execute("PRAGMA journal_mode = DELETE")  # all of it in one file
            (folder / "crm.sqlite").rename(made)
    return made


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def serve(folder: Path) -> None:
    """Run a server until standard input is closed."""
    sys.modules["email_validator"] = None  # type: ignore[assignment]  # with it, Tryton asks DNS about each address
    from trytond import config

    config.update_etc(str(folder / "trytond.conf"))
    from trytond.pool import Pool
    from trytond.wsgi import app
    from werkzeug.serving import run_simple

    def watch() -> None:
        sys.stdin.buffer.read()
        shutil.rmtree(folder, ignore_errors=True)  # also if who started it was killed
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
    Pool.start()
    for name in DATABASES:
        Pool(name).init()
    host, port = config.split_netloc(config.get("web", "listen"))
    run_simple(host, port, app, threaded=True)


def make(folder: Path) -> None:
    """Make the template. What modules bring along is taken as they bring it: that takes half the time."""
    from trytond.cli.admin import main
    from trytond.model import ModelStorage

    ModelStorage._validate = classmethod(lambda *_, **__: None)
    sys.argv = [
        "trytond-admin",
        "-c",
        str(folder / "trytond.conf"),
        "-d",
        "crm",
        "--activate-dependencies",
        "-u",
        *MODULES,
    ]
    main()


if __name__ == "__main__":
    sys.path.pop(0)  # this folder has files with the names of packages
    (make if len(sys.argv) == 2 else serve)(Path(sys.argv[1]))
