"""Cards as another program reads and writes them: vobject, which comes with Radicale."""

from __future__ import annotations

from collections.abc import Mapping

import vobject


def fields_in(card: str) -> dict[str, str]:
    """What a card says: each property, and each of its types, as `EMAIL;TYPE=work`."""
    found: dict[str, str] = {}
    for line in vobject.readOne(card).getChildren():
        types = line.params.get("TYPE", [])
        for name in (line.name, *(f"{line.name};TYPE={kind.lower()}" for kind in types)):
            found.setdefault(name, line.value if isinstance(line.value, str) else str(line.value))
    return found


def with_fields(card: str, fields: Mapping[str, str]) -> str:
    """The card, saying these things."""
    made = vobject.readOne(card)
    for field, value in fields.items():
        name, _, kind = field.partition(";TYPE=")
        lines = [
            line
            for line in made.contents.get(name.lower(), [])
            if not kind or kind in [each.lower() for each in line.params.get("TYPE", [])]
        ]
        line = lines[0] if lines else made.add(name)
        line.value = value
        if kind and not lines:
            line.type_param = kind
    return str(made.serialize(validate=False))


def card(name: str, *more: str, version: str = "3.0") -> str:
    """A card of a name, with these lines besides."""
    lines = ["BEGIN:VCARD", f"VERSION:{version}", f"UID:uid-{name}", f"FN:{name}", f"N:{name};;;;", *more, "END:VCARD"]
    return "".join(f"{line}\r\n" for line in lines)
