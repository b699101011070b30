"""MariaDB and MySQL: addresses of databases, and what is wrong with one."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from datasyncd.adapters.errors import OptionError
from datasyncd.adapters.mysql.adapter import MysqlOptions
from datasyncd.adapters.mysql.dsn import address, arguments, fault

RIGHT: dict[str, dict[str, Any]] = {
    "mysql://u:p@db.example.com:3307/crm": {"host": "db.example.com", "port": 3307, "user": "u", "database": "crm"},
    "mariadb://u@h/d": {"host": "h", "port": 3306, "user": "u", "password": b""},
    "mysql://h": {"host": "h", "user": None, "database": None},
    "mysql://u:p%40%2F%23ss%C3%A9@h/d%25": {"password": "p@/#ssé".encode(), "database": "d%"},
    "mysql://u:p@[::1]:3306/d": {"host": "::1"},
    "mysql://me%40tenant:p@h/d": {"user": "me@tenant"},
    "mysql://u@localhost/d?socket=/run/mysqld/mysqld.sock": {"unix_socket": "/run/mysqld/mysqld.sock"},
}
WRONG = {
    "": "it is empty",
    "host=h password=s3cret": "does not begin with mysql://",
    "postgresql://u:s3cret@h/d": "does not begin with mysql://",
    "mysql://u:s3cret/x@h/d": "ends too early",
    "mysql://u:s3cret#x@h/d": "ends too early",
    "mysql://u:s3cret@h x/d": "a blank in its host or database",
    "mysql://u:s3cret@[h/d": "square brackets",
    "mysql://u:s3cret@h:s3cret/d": "no number from 1 to 65535",
    "mysql://u:s3cret@h,i/d": "it has several hosts",
    "mysql://u:s3cret@h/d?ssl-mode=s3cret": "its `ssl-mode` is none of disabled, required, verify_ca, verify_identity",
    "mysql://u:s3cret@h/d?s3cret=1": "behind its . may stand ssl-mode, ssl-ca, ssl-cert, ssl-key, socket",
    "mysql://u:s3cret@h/d?sslmode": "behind its . may stand",
}


@pytest.mark.parametrize("dsn", RIGHT)
def test_the_driver_is_told_what_an_address_says(dsn: str) -> None:
    assert fault(dsn) == ""
    told = arguments(dsn)
    assert {name: told.get(name) for name in RIGHT[dsn]} == RIGHT[dsn]
    assert "ssl" not in told


@pytest.mark.parametrize("dsn", WRONG)
def test_what_is_wrong_is_said_and_nothing_of_it_quoted(dsn: str) -> None:
    with pytest.raises(OptionError, match=f"`dsn`: .*(?:{WRONG[dsn]}).*; expected mysql://USER:") as raised:
        MysqlOptions(dsn=dsn)

    assert "s3cret" not in str(raised.value)


def test_how_a_connection_is_encrypted_is_as_strict_as_it_says() -> None:
    required, authority, identity = (
        arguments(f"mysql://h/d?ssl-mode={mode}")["ssl"] for mode in ("required", "verify_ca", "verify_identity")
    )
    assert (required.verify_mode, required.check_hostname) == (ssl.CERT_NONE, False)
    assert (authority.verify_mode, authority.check_hostname) == (ssl.CERT_REQUIRED, False)
    assert (identity.verify_mode, identity.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_an_address_has_no_secret_in_it() -> None:
    assert address("mysql://u:p%40ss@db.example.com:3307/crm?ssl-mode=required") == "db.example.com:3307/crm"
    assert address("mysql:///crm?socket=/run/mysqld/mysqld.sock") == "/run/mysqld/mysqld.sock/crm"
    assert "s3cret" not in repr(MysqlOptions(dsn="mysql://u:s3cret@h/d"))
