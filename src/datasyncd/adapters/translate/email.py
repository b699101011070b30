"""E-mail address: the domain in lower case and as it is displayed, the local part as it was written.

The syntax is that of RFC 5321 without quoted local parts and address literals, which no mailing system takes,
and of RFC 6531 for other scripts. A domain may be anything that is a host name: whether mail can be delivered
is not a question of syntax. Spaces and tabs around an address are not part of it.
"""

from __future__ import annotations

import re
from functools import lru_cache

from datasyncd.adapters.contract import Native
from datasyncd.reconcile.rules import Value

from .field_type import REMEMBERED, FieldTypeOptions, Invalid, Reader, longest, too_long
from .text import text_of

LONGEST_ADDRESS = 254
"""Octets of an address: RFC 5321, 4.5.3.1.3, with the errata of RFC 3696."""
LONGEST_DOMAIN = 253
"""Octets of a domain name: RFC 1035, 2.3.4."""

# Labels with "--" in third place are Punycode, which must be proved, or reserved (RFC 5890, 2.3.1).
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"(?!..--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PLAIN = re.compile(rf"{_ATOM}(?:\.{_ATOM})*@({_LABEL}(?:\.{_LABEL})*)").fullmatch


def email_reader(options: FieldTypeOptions) -> Reader:
    limit = min(longest(options), LONGEST_ADDRESS)

    def read(raw: Native) -> Value:
        if raw.__class__ is not str:
            if raw is None:
                return None
            raw = text_of(raw, "an e-mail address")
        if len(raw) <= limit and (match := _PLAIN(raw)):
            at = match.start(1)
            if len(raw) - at <= LONGEST_DOMAIN:
                domain = raw[at:]
                return raw if domain.islower() else raw[:at] + domain.lower()
        text = raw.strip(" \t")
        if not text:
            return None
        if len(text) > limit:
            raise too_long(limit)
        if len(text) != len(raw):
            return read(text)
        address = _address(text)
        if address is None:
            raise Invalid("an e-mail address (name@domain) expected")
        if len(address) > limit:
            raise too_long(limit)
        return address

    return read


@lru_cache(REMEMBERED)
def _address(text: str) -> str | None:
    """What is not plain: other scripts, Punycode; None where `text` is no address."""
    from email_validator import EmailNotValidError, validate_email

    try:
        found = validate_email(text, check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError:
        return None
    return text[: text.rindex("@") + 1] + found.domain
