"""The world of one system in memory: its tables, what people do in them, and what writes do once they land."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import msgspec

from datasyncd.adapters.contract import (
    Capabilities,
    Clash,
    Condition,
    Key,
    Missing,
    Native,
    Outcome,
    Record,
    Rejected,
    Stale,
    Write,
    Written,
)

from .history import History, State, Versioned

Fields: TypeAlias = Mapping[str, Native]
Image: TypeAlias = Callable[[Key, State], Record]
"""Makes the record of a state."""


class Landing(msgspec.Struct, frozen=True):
    """A write that was sent, and will have its effect later."""

    at: int
    object: str
    write: Write
    versioned: Versioned


class MemorySystem:
    """One system: a table of records for each object.

    `stored_form(field, value)` is what it makes of a value; `refuses(field, value)` a reason why it takes none; `lag_s`
    tells for each change after how many seconds searches and pulls show it (at most `search_lag_s`).
    """

    def __init__(
        self,
        capabilities: Capabilities,
        *,
        stored_form: Callable[[str, Native], Native] = lambda field, value: value,
        refuses: Callable[[str, Native], str | None] = lambda field, value: None,
        lag_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.capabilities = capabilities
        self.now = 0
        """Microseconds."""
        self.changes: list[tuple[str, Key]] = []
        """Object and key of everything that has changed, in order."""
        self._tables: dict[str, dict[Key, History]] = {}
        self._forwards: dict[tuple[str, Key], Key] = {}
        self._made: dict[tuple[str, str], tuple[Key, State]] = {}
        """(object, idempotency key) -> what it made."""
        self._landings: list[Landing] = []
        self._stored_form = stored_form
        self._refuses = refuses
        self._lag_s = lag_s

    def create(self, object: str, fields: Fields, key: Key | None = None) -> Key:
        """Somebody makes a record."""
        key = key if key is not None else self._new_key(object)
        self._write(object, key, self._stored(fields))
        return key

    def edit(self, object: str, key: Key, **fields: Native) -> None:
        """Somebody saves a record with other values."""
        present = self.histories(object)[key].now.fields
        assert present is not None, "nobody can edit what is gone"
        self._write(object, key, {**present, **self._stored(fields)})

    def delete(self, object: str, key: Key) -> None:
        """Somebody deletes a record."""
        self._write(object, key, None)

    def merge(self, object: str, key: Key, survivor: Key) -> None:
        """Somebody merges a record into another one."""
        self._forwards[object, key] = survivor
        self.delete(object, key)

    def holds(self, object: str) -> dict[Key, dict[str, Any]]:
        """All records that are there now, by key."""
        states = {key: history.now for key, history in sorted(self.histories(object).items())}
        return {key: dict(state.fields) for key, state in states.items() if state.fields is not None}

    def histories(self, object: str) -> dict[Key, History]:
        """All records that were ever there."""
        return self._tables.setdefault(object, {})

    def forwarded(self, object: str, key: Key) -> Key:
        """The key itself, or that of the record which a merged one lives on in."""
        while self.capabilities.forward and (object, key) in self._forwards:
            key = self._forwards[object, key]
        return key

    def advance(self, now: int) -> None:
        """Time passes, and what was late lands in its order."""
        assert now >= self.now
        if not self._landings:
            self.now = now
            return
        due = sorted((landing for landing in self._landings if landing.at <= now), key=lambda landing: landing.at)
        self._landings = [landing for landing in self._landings if landing.at > now]
        for landing in due:
            self.now = landing.at
            self.land(landing.object, landing.write, landing.versioned)
        self.now = now

    def land_later(self, object: str, write: Write, versioned: Versioned, delay_s: float) -> None:
        """The write will have its effect, if then it still can."""
        self._landings.append(Landing(self.now + round(delay_s * 1e6), object, write, versioned))

    def land(self, object: str, write: Write, versioned: Versioned, image: Image | None = None) -> Outcome:
        """The effect of a write, and its answer."""
        refused = self._refused(object, write)
        if refused is not None:
            return refused
        if write.op == "create":
            return self._land_create(object, write, image)
        key = write.key or ""
        state = self.histories(object).get(key, History()).now
        if state.fields is None:
            return Written(key) if write.op == "delete" else Missing()
        enforced = self.capabilities.condition is Condition.ENFORCED and write.version is not None
        if enforced and write.version != versioned(state):
            return Stale()
        if write.op == "delete":
            self.delete(object, key)
            return Written(key)
        kept = {} if self.capabilities.whole_record else state.fields
        after = self._write(object, key, {**kept, **self._stored(write.fields)})
        # Only a version that is a digest tells that nothing else was saved since.
        alone = enforced and isinstance(write.version, bytes) and kept is state.fields
        return Written(key, image(key, after) if image else None, alone)

    def _land_create(self, object: str, write: Write, image: Image | None) -> Outcome:
        """A repeated idempotency key answers with what the first one made, as it was then."""
        token = (object, write.idem_key)
        if self.capabilities.create_key and write.idem_key and token in self._made:
            key, state = self._made[token]
            return Written(key, image(key, state) if image else None)
        if write.key is None and not self.capabilities.assigns_key:
            return Rejected("the new record has no key")
        key = write.key if write.key is not None else self._new_key(object)
        if self.histories(object).get(key, History()).now.fields is not None:
            return Clash(None, key)
        state = self._write(object, key, self._stored(write.fields))
        self._made[token] = key, state
        return Written(key, image(key, state) if image else None)

    def _refused(self, object: str, write: Write) -> Outcome | None:
        for field, value in write.fields.items():
            if (reason := self._refuses(field, value)) is not None:
                return Rejected(reason, (field,))
            if field in self.capabilities.unique and value is not None:
                taken = self._holder(object, field, self._stored_form(field, value))
                repeated = self.capabilities.create_key and (object, write.idem_key) in self._made
                if taken not in (None, write.key) and not (write.op == "create" and repeated):
                    return Clash(field, taken)
        return None

    def _holder(self, object: str, field: str, value: Native) -> Key | None:
        return next((key for key, fields in self.holds(object).items() if fields.get(field) == value), None)

    def _stored(self, fields: Fields) -> dict[str, Native]:
        return {field: self._stored_form(field, value) for field, value in fields.items()}

    def _write(self, object: str, key: Key, fields: Fields | None) -> State:
        history = self.histories(object).setdefault(key, History())
        self.changes.append((object, key))
        return history.write(fields, self.now, self.now + round(self._lag_s() * 1e6))

    def _new_key(self, object: str) -> Key:
        return f"{object}-{len(self.histories(object)) + 1}"
