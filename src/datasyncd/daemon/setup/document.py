"""Document: a proposal as a commented config."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from ..config.credentials import variable_of
from .propose import Field, Proposal

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def document(proposal: Proposal, folder: Path, authorised: Sequence[str] = ()) -> str:
    """The text of a config that lies in `folder`. `authorised`: the systems that may collect an opt-in."""
    return "\n".join(
        [
            *_head(proposal),
            *_systems(proposal, folder),
            *_entity(proposal, authorised),
            *(line for name in proposal.stores for line in _link(proposal, name)),
        ]
    )


def _head(proposal: Proposal) -> Iterator[str]:
    names = " and ".join(f"{name} ({store.object})" for name, store in proposal.stores.items())
    yield f"# Keeps {names} the same. What each key means: `datasyncd schema`, and docs/reference/config.md."
    yield "# `datasyncd check` compares this file with the systems; `datasyncd sync` keeps them the same once."
    yield ""
    yield "[daemon]"
    yield 'state_dir = "var"   # what the daemon remembers, and the socket that its commands talk to'
    yield 'listen    = ""      # "127.0.0.1:8377" would serve /healthz there'
    yield ""


def _systems(proposal: Proposal, folder: Path) -> Iterator[str]:
    for name, store in proposal.stores.items():
        yield f"[systems.{_key(name)}]"
        yield f"adapter = {_text(store.adapter)}"
        if isinstance(store.place, str):
            yield f"dsn     = {_dsn(name, store.place)}"
        elif store.adapter == "sqlite":
            yield f"path    = {_text(_path(store.place, folder))}"
        else:
            yield f"path    = {_text(_path(store.place, folder))}   # the folder; each object is a file in it"
        yield ""


def _dsn(name: str, address: str) -> str:
    """In the clear where it holds no secret."""
    if not holds_password(address):
        return _text(address)
    credential = credential_of(name)
    return f"{{ credential = {_text(credential)} }}   # from systemd, ${variable_of(credential)} or a file of secrets"


def holds_password(address: str) -> bool:
    """Whether the address of a server is a secret."""
    parts = urlsplit(address)
    return parts.password is not None or "password" in parse_qs(parts.query, keep_blank_values=True)


def credential_of(system: str) -> str:
    """The credential that is the address of a system."""
    return f"{system}-dsn"


def _entity(proposal: Proposal, authorised: Sequence[str]) -> Iterator[str]:
    entity = _key(proposal.entity)
    yield f"[entities.{entity}]"
    yield f"identify      = {_list(proposal.identify)}   # whose record is it? In order of trust"
    yield 'first_contact = "report"   # two records that both exist and differ: a person chooses'
    yield 'on_delete     = "unlink"   # a record deleted in one system stays in the other'
    yield ""
    yield f"[entities.{entity}.fields]"
    width = max(len(_key(field.name)) for field in proposal.fields)
    for field in proposal.fields:
        comment = ""
        if field.type == "consent":
            comment = "   # nobody raises it again after an opt-out: name the systems that may in `authorised`"
        options = _options(field, authorised)
        yield f"{_key(field.name).ljust(width)} = {{ {options} }}{'' if authorised else comment}"
    yield ""


def _options(field: Field, authorised: Sequence[str]) -> str:
    options = [f"type = {_text(field.type)}"]
    if field.region is not None:
        options.append(f"region = {_text(field.region)}")
    if field.channel is not None:
        options.append(f"channel = {_text(field.channel)}")
        if authorised:
            options.append(f"authorised = {_list(authorised)}")
    return ", ".join(options)


def _link(proposal: Proposal, name: str) -> Iterator[str]:
    link = f"links.{_key(name)}.{_key(proposal.entity)}"
    yield f"[{link}]"
    yield f"object    = {_text(proposal.stores[name].object)}"
    yield f"key       = {_text(proposal.keys[name])}   # the record's own id there"
    if name in proposal.edited_at:
        yield f"edited_at = {_text(proposal.edited_at[name])}   # when a record was edited"
    yield 'direction = "both"'
    if isinstance(proposal.stores[name].place, str):
        guide = f"docs/how-to/connect-{proposal.stores[name].adapter}.md"
        yield f'every     = "30s"   # {guide} says how changes are noticed as they are made'
    else:
        yield "live      = true   # changes are noticed as they are made"
    yield ""
    yield f"[{link}.map]"
    width = max(len(_key(field.name)) for field in proposal.fields)
    for field in proposal.fields:
        line = f"{_key(field.name).ljust(width)} = {_mapped(field, name)}"
        yield f"{line}   # the column rounds it; the other system keeps it" if name in field.lossy else line
    yield ""


def _mapped(field: Field, name: str) -> str:
    column, values = _text(field.columns[name]), field.values.get(name, {})
    if name in field.lossy:
        return f"{{ field = {column}, lossy = true }}"
    if not values:
        return column
    words = ", ".join(f"{_key(word)} = {_text(meaning)}" for word, meaning in values.items())
    return f"{{ field = {column}, values = {{ {words} }} }}"


def _path(path: Path, folder: Path) -> str:
    """Relative to the folder where it is inside it."""
    whole, base = path.resolve(), folder.resolve()
    return os.path.relpath(whole, base) if whole.is_relative_to(base) else str(whole)


def _list(names: Sequence[str]) -> str:
    return "[" + ", ".join(map(_text, names)) + "]"


def _text(value: str | bool) -> str:
    """A value as TOML writes it; its basic strings have the escapes of JSON."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)
