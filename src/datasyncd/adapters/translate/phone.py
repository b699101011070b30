"""Phone number: E.164, by the numbering plans of libphonenumber.

A number in international form must have a length that its country's plan knows: ranges that were opened since
the plans were published are real numbers. A national number must fit the plan of the field's region as well,
since otherwise a number of another country would be rewritten into a wrong one. Without a region, a national
number is invalid. An extension has no place in E.164.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, lru_cache
from typing import TYPE_CHECKING

import msgspec

from datasyncd.adapters.contract import Native
from datasyncd.reconcile.rules import Value

from .field_type import REMEMBERED, FieldTypeOptions, Invalid, Reader, Unusable
from .text import text_of

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

LONGEST_WRITTEN = 250
"""Characters of a number as people write it."""

_START = re.compile(r"\s*(?:tel:)?[\s(\[]*([+\uff0b]|[0-9\uff10-\uff19])", re.IGNORECASE).match
"""What the library skips in front of a number, such as a name, would be lost."""
_E164 = re.compile(r"\+[1-9][0-9]{6,14}").fullmatch


class Plan(msgspec.Struct, frozen=True):
    """What the numbering plan of a country code says of the digits after it."""

    prefix: Callable[[str], object] | None
    """Matches what may be a national prefix in front of them."""
    lengths: frozenset[int]
    fits: Callable[[str], object]
    """Matches a number of the plan, in use or not."""


class _Refused(msgspec.Struct, frozen=True):
    """Why a text is no phone number: kept beside the numbers, so that the same text is not parsed again."""

    reason: str


def phone_reader(options: FieldTypeOptions) -> Reader:
    region = options.region.upper() if options.region else None
    if region is not None:
        from phonenumbers import SUPPORTED_REGIONS

        if region not in SUPPORTED_REGIONS:
            raise Unusable("`region` must be a country code of ISO 3166, such as US")

    def read(raw: Native) -> Value:
        if raw.__class__ is not str:
            if raw is None:
                return None
            raw = text_of(raw, "a phone number")
        if not raw or raw.isspace():
            return None
        found = _number(raw, region)
        if found.__class__ is str:
            return found
        raise Invalid(found.reason)

    return read


@lru_cache(REMEMBERED)
def _number(raw: str, region: str | None) -> Value:
    """The E.164 form of what somebody wrote, or a `_Refused`."""
    if _E164(raw) and _stands(raw):
        return raw
    return _parsed(raw, region)


def _stands(e164: str) -> bool:
    """Whether the library would leave this number as it is; False: it has to be asked.

    So it is when the country's plan knows the length, and there is nothing in front that the library would
    take for a national prefix.
    """
    for digits in (1, 2, 3):
        plan = _plan(int(e164[1 : digits + 1]))
        if plan is not None:
            national = e164[digits + 1 :]
            if len(national) not in plan.lengths or national[0] == "0":
                return False
            return plan.prefix is None or plan.prefix(national) is None
    return False


@cache
def _plan(country_code: int) -> Plan | None:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata

    regions = COUNTRY_CODE_TO_REGION_CODE.get(country_code)
    if not regions:
        return None
    metadata = PhoneMetadata.metadata_for_region_or_calling_code(country_code, regions[0])
    if metadata is None or metadata.general_desc is None:
        return None
    prefix, general = metadata.national_prefix_for_parsing, metadata.general_desc
    return Plan(
        prefix=re.compile(prefix).match if prefix else None,
        lengths=frozenset(general.possible_length),
        fits=re.compile(general.national_number_pattern or "").fullmatch,
    )


def _parsed(raw: str, region: str | None) -> Value:
    import phonenumbers as plans

    if len(raw) > LONGEST_WRITTEN:
        return _Refused(f"a phone number of at most {LONGEST_WRITTEN} characters expected")
    start = _START(raw)
    if start is None:
        return _Refused("a phone number expected")
    try:
        number = plans.parse(raw, region)
    except plans.NumberParseException as error:
        if error.error_type == plans.NumberParseException.INVALID_COUNTRY_CODE:
            if region is None:
                return _Refused("a phone number with + and country code expected (the field has no region)")
            return _Refused("a phone number with a known country code expected")
        return _Refused("a phone number expected")
    if number.extension:
        return _Refused("a phone number without extension expected")
    if plans.is_possible_number_with_reason(number) != plans.ValidationResult.IS_POSSIBLE:
        return _Refused("a phone number with as many digits as its country has expected")
    # With a +, the field's region has no part in the number.
    if start[1] not in "+\uff0b" and not (_fits(number) or plans.is_valid_number(number)):
        return _Refused(f"a phone number that fits the numbering plan of {region} expected")
    e164 = plans.format_number(number, plans.PhoneNumberFormat.E164)
    if not _stands(e164) and plans.format_number(plans.parse(e164), plans.PhoneNumberFormat.E164) != e164:
        return _Refused("a phone number with one international form expected")
    return e164


def _fits(number: PhoneNumber) -> bool:
    """Whether the number has the form of a number of its country, in use or not."""
    from phonenumbers import national_significant_number

    plan = _plan(number.country_code or 0)
    return plan is not None and plan.fits(national_significant_number(number)) is not None
