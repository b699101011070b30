"""Fields: the types that `[entities.E.fields]` knows.

    email  = { type = "email", max_length = 200 }
    status = { type = "enum", values = ["lead", "active"], policy = "authority", authority = ["billing"] }
    sms    = { type = "consent", channel = "sms", authorised = ["prefs"] }

Each type is a struct with the options that go with it, and says which policies suit it.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias

import msgspec

from datasyncd.reconcile.rules import Policy

Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, description="a name")]
"""A text that is not empty."""

Length: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=65_536, description="a whole number from 1 to 65536")]


Places: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=8, description="a whole number from 0 to 8")]


class Field(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"):
    """What all fields have."""

    policies: ClassVar[tuple[Policy, ...]] = (Policy.LATEST, Policy.AUTHORITY, Policy.MANUAL)
    """The policies that suit the type."""

    policy: Policy = Policy.LATEST
    """Which of edits that did not know of each other counts."""
    authority: tuple[str, ...] = ()
    """With `policy = "authority"`: the systems whose edits count, in order of rank."""
    never_clear: bool = False
    """A blank never replaces a value."""
    required: bool = False
    """Every link of the entity must map it."""
    group: Name | None = None
    """Fields with the same group move as one value."""
    derive: Name | None = None
    """An expression over the entity's other fields: computed, and only pushed."""
    owner: str = ""
    """Who answers for the field, for people."""
    doc: str = ""
    """What the field means, for people."""

    @property
    def type(self) -> str:
        return str(self.__struct_config__.tag)


class Text(Field, frozen=True, kw_only=True, tag="text"):
    max_length: Length | None = None
    """Most characters; a longer value is invalid."""


class Email(Field, frozen=True, kw_only=True, tag="email"):
    max_length: Length | None = None


class Url(Field, frozen=True, kw_only=True, tag="url"):
    max_length: Length | None = None


class Phone(Field, frozen=True, kw_only=True, tag="phone"):
    region: Name | None = None
    """The country (ISO 3166) of numbers written without one; if none, such numbers are invalid."""


class _Ordered(Field, frozen=True, kw_only=True):
    policies: ClassVar[tuple[Policy, ...]] = (*Field.policies, Policy.MAX, Policy.MIN)


class _Number(_Ordered, frozen=True, kw_only=True):
    policies: ClassVar[tuple[Policy, ...]] = (*_Ordered.policies, Policy.COUNTER)


class Integer(_Number, frozen=True, kw_only=True, tag="integer"):
    pass


class Decimal(_Number, frozen=True, kw_only=True, tag="decimal"):
    pass


class Date(_Ordered, frozen=True, kw_only=True, tag="date"):
    pass


class DateTime(_Ordered, frozen=True, kw_only=True, tag="datetime"):
    pass


class Boolean(Field, frozen=True, kw_only=True, tag="boolean"):
    policies: ClassVar[tuple[Policy, ...]] = (*Field.policies, Policy.MOST_RESTRICTIVE, Policy.MOST_PERMISSIVE)


class Enum(Field, frozen=True, kw_only=True, tag="enum"):
    stand_ins: ClassVar[dict[str, object]] = {"values": ()}

    values: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, description="a list of one or more names")]


class Money(Field, frozen=True, kw_only=True, tag="money"):
    """An exact amount and its currency."""

    currency: Name | None = None
    """The only currency (ISO 4217) that the field has; if none, it has any."""
    digits: dict[str, Places] = {}
    """Digits of amounts after the point by currency, where that is not what ISO 4217 says."""


class Country(Field, frozen=True, kw_only=True, tag="country"):
    """The two letters of ISO 3166-1."""


class Language(Field, frozen=True, kw_only=True, tag="language"):
    """A tag of BCP 47."""


class Json(Field, frozen=True, kw_only=True, tag="json"):
    """A JSON document, compared by its content."""

    max_length: Length | None = None
    """Most characters of its canonical text."""


class Set(Field, frozen=True, kw_only=True, tag="set"):
    """Texts without order."""

    policies: ClassVar[tuple[Policy, ...]] = (Policy.UNION, *Field.policies)

    policy: Policy = Policy.UNION
    """Which of edits that did not know of each other counts."""
    max_length: Length | None = None
    """Most characters of an element."""


class Consent(Field, frozen=True, kw_only=True, tag="consent"):
    """What a person allowed on one channel, for one purpose."""

    policies: ClassVar[tuple[Policy, ...]] = (Policy.MOST_RESTRICTIVE,)

    policy: Policy = Policy.MOST_RESTRICTIVE
    channel: Name | None = None
    """What it is a consent to: sms, email, ... Default: what the field's name says."""
    purpose: Name | None = None
    authorised: tuple[str, ...] = ()
    """The systems that may collect an opt-in; none: nobody raises it again after an opt-out."""


AnyField: TypeAlias = (
    Text | Email | Url | Phone | Integer | Decimal | Money | Date | DateTime | Boolean | Enum | Set | Consent | Country
    | Language | Json
)  # fmt: skip
