"""A config that is right, and what the tests do with it: change a place, and see what is said."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import msgspec

from datasyncd.adapters.registry import AdapterKind, Manifest, UnknownAdapter
from datasyncd.daemon.config.load import Config, load
from datasyncd.daemon.config.problems import ConfigInvalid, nearest

SAMPLE = """\
[daemon]
state_dir = "state"
listen = "127.0.0.1:9000"

[systems.crm]
adapter = "store"
path = "crm.db"

[systems.mail]
adapter = "store"
path = "var/mail"
lock = true

[systems.billing]
adapter = "store"
path = "billing.db"

[entities.contact]
identify = ["customer_id", "email", ["phone", "first_name"]]
on_delete = "archive"
archive = { field = "status", value = "cancelled" }
first_contact = "newest"

[entities.contact.fields]
customer_id = { type = "text" }
email       = { type = "email", max_length = 200 }
phone       = { type = "phone", region = "US" }
first_name  = { type = "text", never_clear = true, owner = "lifecycle", doc = "given name" }
status      = { type = "enum", values = ["lead", "active", "cancelled"], policy = "authority", authority = ["billing"] }
sms_opt_in  = { type = "consent", channel = "sms", purpose = "news", authorised = ["crm"] }
tags        = { type = "set" }
score       = { type = "integer", policy = "max" }
seen_at     = { type = "datetime" }

[links.crm.contact]
object = "contacts"
key = "id"
direction = "both"
live = true
every = "5m"
map = { customer_id = "id", email = "mail", phone = "mobile", first_name = "name", sms_opt_in = "sms", score = "n" }

[links.mail.contact]
object = "people"
key = "Id"
edited_at = "Updated"
cursor = "Updated"
direction = "both"
opt_in = "strict"
cron = "0 2 * * *"
sweep = "1h"
where = "sms_opt_in or status in ('lead', 'active')"
guard = { delete = "5%", update = "off", at_least = 3 }

[links.mail.contact.map]
email = "Email"
sms_opt_in = { field = "SMS", values = { Y = true, N = false } }
tags = { field = "Tags", separator = "|" }
seen_at = { field = "Seen", zone = "Europe/Berlin", direction = "push" }

[links.billing.contact]
object = "accounts"
key = "account"
direction = "pull"
map = { customer_id = "customer", status = { field = "state", values = { A = "active", C = "cancelled" } } }
"""


class StoreOptions(msgspec.Struct, frozen=True):
    """Options of an adapter that exists for these tests."""

    path: str
    lock: bool = False
    mode: Literal["plain", "strict"] = "plain"
    headers: dict[str, str] = {}

    def __post_init__(self) -> None:
        if self.mode == "strict" and not self.lock:
            raise ValueError(f"mode strict of {self.path} needs a lock")


def adapter(name: str) -> AdapterKind:
    """Finds the adapter `store`."""
    if name != "store":
        raise UnknownAdapter(name, nearest(name, ["store"]))
    manifest = Manifest(name="store", title="", serves=(), summary="")
    return AdapterKind(name, StoreOptions, lambda *_: NotImplemented, text_only=False, manifest=manifest)


def changed(*changes: tuple[str, str]) -> str:
    """The sample with some places changed; each place is there once."""
    text = SAMPLE
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def loaded(text: str, folder: Path, environ: Mapping[str, str] | None = None) -> Config:
    """Load `text` as a file in `folder`."""
    file = folder / "config.toml"
    file.write_text(text)
    return load(file, environ or {}, adapter)


def said(text: str, folder: Path, environ: Mapping[str, str] | None = None) -> list[str]:
    """What is said of `text`, each problem as one line without the name of the file."""
    try:
        loaded(text, folder, environ)
    except ConfigInvalid as invalid:
        return [str(problem).removeprefix(f"{folder}/config.toml:").strip() for problem in invalid.problems]
    return []
