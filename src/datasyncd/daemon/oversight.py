"""Oversight: who looks at each write of a run before it is sent and after it was answered: `plan` and `apply`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from datasyncd.adapters.contract import Answer, Outcome, Write
from datasyncd.reconcile.cluster import Attempt
from datasyncd.reconcile.delivery import Plan
from datasyncd.reconcile.rules import FieldNumber
from datasyncd.state.transaction import Tx

from .link import Link


class Sending(msgspec.Struct):
    """One write with its plan and its note."""

    plan: Plan
    attempt: Attempt
    write: Write
    left_out: Mapping[FieldNumber, str] = {}
    """Of a create: fields that the record is made without, and why."""
    tries: int = 1
    """Of a create: how often it was sent, each time with less."""


class Oversight(Protocol):
    """Asked by each delivery of the run, one batch at a time."""

    @property
    def looks_first(self) -> bool:
        """Whether each record is read by key before it is written to, even where the system refuses stale writes."""
        ...

    def looked(self, link: Link, answers: Sequence[Answer]) -> None:
        """What the records of the batch hold that are planned next."""
        ...

    def leaves_out(self, link: Link, planned: Plan, *, fresh: bool) -> bool:
        """Take out of a plan what this run is not to send; True: nothing of it is left.

        What a guard holds is out already, and in `planned.held`. `fresh`: its record was looked at just now.
        """
        ...

    def answered(self, tx: Tx, link: Link, sends: Sequence[Sending], outcomes: Sequence[Outcome]) -> None:
        """What became of a batch, in the transaction that takes the answers and after it has."""
        ...
