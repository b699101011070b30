"""Errors of a whole call to a system, named by what the caller does about them.

    AdapterError
    |-- Transient            try again later, by itself (lock, time-out before sending, server restarting)
    |   |-- Throttled        try again after `after_s` seconds, this system only
    |   `-- Unreachable      the system, its file or its folder is not there now: exit code 75, never a deletion
    |-- Unauthorised         stop and tell: a person must renew a credential or grant a right
    |-- NotFound             the object or a mapped field does not exist (any more): schema drift or a wrong map
    `-- Unsupported          the adapter cannot do this; a config that needs it does not pass `check`

Texts name the system, the place, the cause and the next step. They never hold a record's values.
"""

from __future__ import annotations


class AdapterError(Exception):
    """Base of all errors that an adapter may raise."""


class Transient(AdapterError):
    """May go away by itself: the caller waits with back-off and tries again."""


class Throttled(Transient):
    """The system asked us to wait."""

    def __init__(self, text: str, after_s: float) -> None:
        super().__init__(text)
        self.after_s = after_s


class Unreachable(Transient):
    """The system is not there: not a deletion of anything."""


class Unauthorised(AdapterError):
    """A credential was refused or a right is missing."""


class NotFound(AdapterError):
    """An object or a field that the map names does not exist."""


class Unsupported(AdapterError):
    """Not something this adapter can do."""


class OptionError(ValueError):
    """An option of a system has a value that it cannot have. The text says why and never quotes it: it may be a secret.

    Raised while options are made; no error of a call.
    """

    def __init__(self, option: str, text: str) -> None:
        super().__init__(f"`{option}`: {text}")
        self.option = option
        self.text = text


def named(error: AdapterError, name: str) -> AdapterError:
    """The same error with a name before its text."""
    text = f"{name}: {error}"
    return Throttled(text, error.after_s) if isinstance(error, Throttled) else type(error)(text)
