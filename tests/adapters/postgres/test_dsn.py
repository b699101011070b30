"""PostgreSQL: addresses of databases, and what is wrong with one."""

from __future__ import annotations

import pytest
from asyncpg.connect_utils import _parse_connect_dsn_and_args as parse

from datasyncd.adapters.errors import OptionError
from datasyncd.adapters.postgres.adapter import PostgresOptions
from datasyncd.adapters.postgres.dsn import address, fault

RIGHT = [
    "postgresql://u:p@db.example.com:5432/crm?sslmode=require",
    "postgres://u@h/d",
    "postgresql://h",
    "postgresql:///crm?host=/run/postgresql&user=u",
    "postgresql://u:p@[::1]:5432,other,third:5433/crm?target_session_attrs=read-write",
    "postgresql://u:p%40%2F%23ss@h/d",
    "postgresql://me%40tenant:p@h/d",
    "postgresql://h/d?user=me@tenant",
    "postgresql://u:p@h:/d\n",
]
WRONG = {
    "": "it is empty",
    "host=h password=s3cret": "does not begin with postgresql://",
    "s3cret": "does not begin with postgresql://",
    "http://u:s3cret@h/d": "does not begin with postgresql://",
    "postgresql://u:s3cret/x@h/d": "ends too early",
    "postgresql://u:s3cret@x@h/d": "ends too early",
    "postgresql://u:12?s3=s3cret@h/d": "ends too early",
    "postgresql://u:s3cret#x@h/d": "ends too early",
    "postgresql://u:12?s3cret@h/d": "ends too early",
    "postgresql://u:s3cret@h/d#x": "ends too early",
    "postgresql://u:s3cret@h x/d": "a blank in its host or database",
    "postgresql://u:s3cret@h/d ": "a blank in its host or database",
    "postgresql://u:s3cret@[h/d": "square brackets",
    "postgresql://u:s3cret@h:s3cret/d": "no number from 1 to 65535",
    "postgresql://u:s3cret@h:0/d": "no number from 1 to 65535",
    "postgresql://u:s3cret@h,i:65536/d": "no number from 1 to 65535",
    "postgresql://u:s3cret:h:5432/d": "its host cannot be told|no number",
    "postgresql://u:s3cret@h/d?sslmode=s3cret": "its `sslmode` is none of disable, allow",
}


@pytest.mark.parametrize("dsn", RIGHT)
def test_what_the_driver_understands_is_right(dsn: str) -> None:
    options = {"host": None, "port": None, "user": None, "passfile": None, "database": None, "ssl": None}
    options |= {"direct_tls": None, "server_settings": None, "target_session_attrs": None, "krbsrvname": None}
    parse(dsn=dsn, password=None, service=None, servicefile=None, gsslib=None, **options)

    assert fault(dsn) == ""


@pytest.mark.parametrize("dsn", WRONG)
def test_what_is_wrong_is_said_and_nothing_of_it_quoted(dsn: str) -> None:
    with pytest.raises(OptionError, match=f"`dsn`: .*(?:{WRONG[dsn]}).*; expected postgresql://USER:") as raised:
        PostgresOptions(dsn=dsn)

    assert "s3cret" not in str(raised.value)


def test_an_address_has_no_secret_in_it() -> None:
    assert (
        address("postgresql://u:p%40ss@db.example.com:5433/crm?sslmode=require&password=x") == "db.example.com:5433/crm"
    )
    assert address("postgresql:///crm?host=/run/postgresql&user=u") == "/run/postgresql/crm"
    assert address("postgresql://u:p@[::1]:5432,other/crm") == "[::1]:5432,other/crm"
    assert "s3cret" not in repr(PostgresOptions(dsn="postgresql://u:s3cret@h/d"))
