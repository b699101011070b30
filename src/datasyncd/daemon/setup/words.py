"""Words: what columns are usually called, so that two of them can be told to be the same field."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

import msgspec

KNOWN: Mapping[str, tuple[str, str]] = {
    "customer_id": ("text", "customer customerid customerno customernumber custid clientid kundennummer"),
    "email": ("email", "email mail emailaddress mailaddress emailaddr"),
    "phone": ("phone", "phone mobile phonenumber mobilephone mobilenumber tel telephone cell cellphone handy msisdn"),
    "first_name": ("text", "firstname fname givenname forename vorname prenom"),
    "last_name": ("text", "lastname lname surname familyname nachname nom"),
    "name": ("text", "name fullname displayname"),
    "company": ("text", "company companyname organisation organization firma"),
    "street": ("text", "street address address1 addressline1 streetaddress strasse"),
    "postal_code": ("text", "zip zipcode postcode postalcode plz"),
    "city": ("text", "city town ort"),
    "country": ("text", "country countrycode land"),
    "language": ("text", "language lang locale preferredlanguage sprache"),
    "birthday": ("date", "birthday birthdate dateofbirth dob bday geburtsdatum"),
    "tags": ("set", "tags labels"),
    "status": ("text", "status state lifecycle lifecyclestage stage"),
    "website": ("url", "website url homepage web"),
    "notes": ("text", "notes note comment comments remarks"),
}
"""Field -> type, and the names of columns that hold it, without case and signs."""

IDENTIFYING = ("customer_id", "email", "phone")
"""Fields that tell people apart, in order of trust."""

_EDITED = "updated updatedat modified modifiedat lastmodified changed changedat editedat lastupdated lastchanged"
_CREATED = "created createdat creationdate dateadded addedat inserted insertedat"
_CHANNELS = {"sms": "sms", "text": "sms", "email": "email", "mail": "email", "newsletter": "email", "phone": "phone",
             "call": "phone", "push": "push", "whatsapp": "whatsapp", "post": "post"}  # fmt: skip
_CONSENT = ("optin", "consent", "ok", "allowed", "subscribed", "permission", "marketing", "optedin", "agreed")
"""Words in the name of a column that holds a consent."""
_YES = ("y", "yes", "true", "1", "t", "j", "ja", "in", "optin", "opted_in", "subscribed", "granted")
_NO = ("n", "no", "false", "0", "f", "n", "nein", "out", "optout", "opted_out", "unsubscribed", "denied")


class Meaning(msgspec.Struct, frozen=True):
    """What a column is called after."""

    field: str
    type: str | None
    """None: its values say it."""
    channel: str | None = None
    """Of a consent."""


def meaning_of(column: str) -> Meaning | None:
    """What a column with this name holds; None for what is nobody's field: when a record was made or edited."""
    plain = plain_of(column)
    if plain in (_EDITED + " " + _CREATED).split():
        return None
    for field, (type_, names) in KNOWN.items():
        if plain in names.split():
            return Meaning(field, type_)
    if (channel := _consent_channel(column)) is not None:
        return Meaning(f"{channel}_opt_in", "consent", channel)
    return Meaning(identifier(column), None)


def says_when(column: str) -> bool:
    """Whether it is called like the time of the last edit."""
    return plain_of(column) in _EDITED.split()


def is_id(column: str) -> bool:
    """Whether it is called like a record's own id."""
    plain = plain_of(column)
    return plain in ("id", "uid", "uuid", "key", "guid", "recordid") or plain.endswith("id")


def yes_and_no(words: set[str]) -> dict[str, bool] | None:
    """What the words of a column of consents mean, with the counterpart of one that stands alone; None: unknown."""
    found: dict[str, bool] = {}
    for word in sorted(words):
        plain = word.casefold()
        if plain not in _YES and plain not in _NO:
            return None
        found[word] = plain in _YES
    for yes, no in zip(_YES, _NO, strict=True):
        for word, other, means in ((yes, no, False), (no, yes, True)):
            for form in (str, str.upper, str.capitalize):
                if found.keys() == {form(word)}:
                    found[form(other)] = means
    return dict(sorted(found.items(), key=lambda item: not item[1])) if len(found) == 2 else None


def plain_of(column: str) -> str:
    """A name without case, accents and signs."""
    folded = unicodedata.normalize("NFKD", column.casefold())
    return "".join(letter for letter in folded if letter.isalnum())


def identifier(column: str) -> str:
    """A name that expressions can use: `PreferredShop` is `preferred_shop`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", unicodedata.normalize("NFKC", column))
    name = re.sub(r"\W+", "_", spaced).strip("_").lower()
    return name if name.isidentifier() else f"field_{name}".rstrip("_")


def _consent_channel(column: str) -> str | None:
    """The channel of a consent, by the column's name."""
    parts = set(identifier(column).split("_"))
    if parts in ({"sms"}, {"newsletter"}):
        return _CHANNELS[parts.pop()]
    channel = next((known for word, known in _CHANNELS.items() if word in parts), None)
    given = any(word in parts for word in _CONSENT) or {"opt", "in"} <= parts or {"opted", "in"} <= parts
    return channel if given else None
