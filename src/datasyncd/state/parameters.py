"""Parameters: what goes to SQLite as it is.

The sqlite3 module looks for an adapter of every value that is no int, float or str. Before Python 3.12 each search in
vain makes an exception and throws it away, which costs as much as binding the value three times over; so the types
that rows are made of are given adapters, which change nothing.
"""

from __future__ import annotations

import sqlite3
from operator import attrgetter
from types import NoneType

from datasyncd.reconcile.cluster import AttemptStatus, BindingState, ClusterState
from datasyncd.reconcile.effects import ReportKind, ReportState
from datasyncd.reconcile.identity import Verdict
from datasyncd.reconcile.rules import WriteClass

_WORDS = (AttemptStatus, BindingState, ClusterState, ReportKind, ReportState, Verdict, WriteClass)


def register() -> None:
    """For all connections of this process."""
    sqlite3.register_adapter(bytes, bytes)
    sqlite3.register_adapter(bool, int)
    sqlite3.register_adapter(NoneType, _as_it_is)
    for words in _WORDS:
        sqlite3.register_adapter(words, attrgetter("_value_"))


def _as_it_is(value: None) -> None:
    return value
