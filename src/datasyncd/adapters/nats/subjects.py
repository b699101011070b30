"""Subjects: the object, a dot, and the key of a record as one token.

A token may not hold everything that a key may (NATS documentation, "Subject-Based Messaging"): blanks and control
characters, `.`, `*` and `>` are written with % and two digits for each octet, and so is % itself. Everything else
stands for itself.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from datasyncd.adapters.contract import Key

LONGEST = 512
"""Most octets of a subject: servers end a connection on which a line of the protocol is too long, 4,096 by default."""

_SIGNS = re.compile(r"[\x00-\x20.*>%\x7f-\xa0\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u3000\ufeff]")


def subject_of(object: str, key: Key) -> str | None:
    """The subject of a record; None: there is no room for its key in one."""
    try:
        token = _SIGNS.sub(lambda sign: "".join(f"%{octet:02X}" for octet in sign.group().encode()), key)
        subject = f"{object}.{token}"
        return subject if token and len(subject.encode()) <= LONGEST else None
    except UnicodeEncodeError:
        return None


def key_of(object: str, subject: str) -> Key | None:
    """The key that a subject is of; None: it is written in another way than that of `subject_of`."""
    try:
        key = unquote_to_bytes(subject.removeprefix(f"{object}.")).decode()
    except UnicodeDecodeError:
        return None
    return key if subject_of(object, key) == subject else None


def covers(pattern: str, subject: str) -> bool:
    """Whether all that `subject` stands for, itself a pattern, is among what `pattern` stands for."""
    wide, narrow = pattern.split("."), subject.split(".")
    for place, token in enumerate(wide):
        if token == ">":
            return len(narrow) > place
        if place >= len(narrow) or narrow[place] == ">" or (token != "*" and token != narrow[place]):
            return False
    return len(wide) == len(narrow)
