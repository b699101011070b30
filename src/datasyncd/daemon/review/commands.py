"""Commands: what a person asks of the state, by name, for the running daemon and for a state that none uses.

Arguments come as JSON objects and are checked here; an answer is JSON, its keys those that scripts rely on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec

from datasyncd.state.transaction import Tx

from . import conflicts, explain, guards, history, identity, quarantine, settle
from .refusal import Misused
from .terms import Terms


class Asked(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The arguments of a command; `by` is who asks."""

    by: str = "somebody"


class Conflicts(Asked, frozen=True, kw_only=True):
    every: bool = False
    group: bool = False
    after: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1)] | None = None

    def answer(self, tx: Tx, terms: Terms) -> Any:
        found = conflicts.conflicts(tx, terms, every=self.every, after=self.after, limit=self.limit)
        return conflicts.causes(found) if self.group else found


class ConflictShow(Asked, frozen=True, kw_only=True):
    id: str

    def answer(self, tx: Tx, terms: Terms) -> Any:
        return conflicts.conflict(tx, terms, self.id)


class Resolve(Asked, frozen=True, kw_only=True):
    ids: tuple[str, ...] = ()
    where: str | None = None
    use: str | None = None
    source: str | None = None
    newest: bool = False
    dismiss: bool = False
    release: bool = False
    digest: str | None = None
    preview: bool = False

    def answer(self, tx: Tx, terms: Terms) -> Any:
        way = settle.Way(
            use=self.use, source=self.source, newest=self.newest, dismiss=self.dismiss, release=self.release
        )
        return settle.resolve(
            tx, terms, way, by=self.by, ids=self.ids, where=self.where, digest=self.digest, preview=self.preview
        )


class Explain(Asked, frozen=True, kw_only=True):
    entity: str
    key: str
    field: str | None = None

    def answer(self, tx: Tx, terms: Terms) -> Any:
        return explain.explain(tx, terms, self.entity, self.key, self.field)


class History(Asked, frozen=True, kw_only=True):
    entity: str
    key: str
    as_of: str | None = None

    def answer(self, tx: Tx, terms: Terms) -> Any:
        if self.as_of is not None:
            return history.as_of(tx, terms, self.entity, self.key, self.as_of)
        return history.history(tx, terms, self.entity, self.key)


class Guards(Asked, frozen=True, kw_only=True):
    every: bool = False

    def answer(self, tx: Tx, terms: Terms) -> Any:
        return guards.guards(tx, terms, every=self.every)


class GuardShow(Asked, frozen=True, kw_only=True):
    id: str

    def answer(self, tx: Tx, terms: Terms) -> Any:
        return guards.guard(tx, terms, self.id)


class GuardApprove(Asked, frozen=True, kw_only=True):
    id: str
    digest: str | None = None

    def answer(self, tx: Tx, terms: Terms) -> Any:
        return guards.approve(tx, terms, self.id, by=self.by, digest=self.digest)


class Merge(Asked, frozen=True, kw_only=True):
    entity: str
    key: str
    other: str

    def answer(self, tx: Tx, terms: Terms) -> Any:
        return identity.merge(tx, terms, self.entity, self.key, self.other, by=self.by)


class Split(Asked, frozen=True, kw_only=True):
    entity: str
    record: str

    def answer(self, tx: Tx, terms: Terms) -> Any:
        return identity.split(tx, terms, self.entity, self.record, by=self.by)


class Quarantine(Asked, frozen=True, kw_only=True):
    def answer(self, tx: Tx, terms: Terms) -> Any:
        return quarantine.quarantine(tx, terms)


class QuarantineShow(Asked, frozen=True, kw_only=True):
    id: str

    def answer(self, tx: Tx, terms: Terms) -> Any:
        return quarantine.show(tx, terms, self.id)


class QuarantineRetry(Asked, frozen=True, kw_only=True):
    ids: tuple[str, ...] = ()
    every: bool = False

    def answer(self, tx: Tx, terms: Terms) -> Any:
        return quarantine.retry(tx, terms, self.ids, by=self.by, every=self.every)


class QuarantineDrop(Asked, frozen=True, kw_only=True):
    ids: tuple[str, ...] = ()
    every: bool = False

    def answer(self, tx: Tx, terms: Terms) -> Any:
        return quarantine.drop(tx, terms, self.ids, by=self.by, every=self.every)


READS: Mapping[str, type[Any]] = {
    "conflicts": Conflicts,
    "conflicts.show": ConflictShow,
    "explain": Explain,
    "history": History,
    "guard": Guards,
    "guard.show": GuardShow,
    "quarantine": Quarantine,
    "quarantine.show": QuarantineShow,
}
"""Commands that change nothing."""

WRITES: Mapping[str, type[Any]] = {
    "resolve": Resolve,
    "guard.approve": GuardApprove,
    "identity.merge": Merge,
    "identity.split": Split,
    "quarantine.retry": QuarantineRetry,
    "quarantine.drop": QuarantineDrop,
}
"""Commands after which systems may be owed something."""

COMMANDS: Mapping[str, type[Any]] = {**READS, **WRITES}


def step(command: str, arguments: Mapping[str, Any], terms: Terms) -> Callable[[Tx], Any]:
    """A command as one step over a transaction; its answer is made of JSON values. Raises `Misused`, `Unable`."""
    try:
        asked = msgspec.convert(dict(arguments), COMMANDS[command])
    except msgspec.ValidationError as error:
        raise Misused(f"{command}: {error}") from None

    def run(tx: Tx) -> Any:
        return msgspec.to_builtins(asked.answer(tx, terms))

    return run
