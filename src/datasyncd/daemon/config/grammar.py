"""The grammar of the config file: its tables and keys as typed structs. Field types stand in `fields`.

    [daemon]  [systems.S]  [entities.E]  [entities.E.fields]  [links.S.E]

Keys of the language that this version does not build are named in `not_built`, and refused by name. `stand_ins` are
what stands for required keys that are missing or wrong, so that the rest of the table can be checked all the same.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal, TypeAlias

import msgspec

from datasyncd.reconcile.rules import OnDelete

from .fields import AnyField, Name, Places
from .quantities import Duration, Share

Direction: TypeAlias = Literal["pull", "push", "both"]
KeyName: TypeAlias = Annotated[Name | tuple[Name, ...], msgspec.Meta(description="a name, or a list of names")]


class Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table of the file."""

    not_built: ClassVar[tuple[str, ...]] = ()
    stand_ins: ClassVar[dict[str, object]] = {}


class Daemon(Table, frozen=True, kw_only=True):
    """`[daemon]`: where it lives and what it listens to."""

    state_dir: Name | None = None
    """Folder of state.db, control.sock and reports. Default: $STATE_DIRECTORY (systemd), else `var`."""
    listen: str = "127.0.0.1:8377"
    """HOST:PORT of the console, webhooks, metrics; "" = none."""
    secrets: Name | None = None
    """TOML file with credentials by name, which only its owner may read."""


class Archive(Table, frozen=True, kw_only=True):
    """With `on_delete = "archive"`: the field that is set instead of a delete, and to what."""

    stand_ins: ClassVar[dict[str, object]] = {"field": "", "value": None}

    field: Name
    value: Any
    """Of the field's own type; which that is, this table does not know."""


class Entity(Table, frozen=True, kw_only=True):
    """`[entities.E]`: a kind of thing that systems share."""

    stand_ins: ClassVar[dict[str, object]] = {"identify": (), "fields": {}}

    identify: Annotated[
        tuple[str | tuple[str, ...], ...],
        msgspec.Meta(min_length=1, description="a list of one or more names of fields"),
    ]
    """Match keys in order of trust; a list inside is a compound key."""
    fields: dict[str, AnyField]
    """What is known of such a thing: `name = { type = "...", ... }`."""
    on_delete: OnDelete = OnDelete.UNLINK
    """A record deleted in one system: deleted in all, marked, left in the others and reported, or just left."""
    archive: Archive | None = None
    """What `on_delete = "archive"` writes."""
    first_contact: str = "report"
    """Two records that already exist and differ: newest, report, fill_blanks, or a system's name."""

    @property
    def groups(self) -> dict[str, tuple[str, ...]]:
        """The names of the fields that move as one value, sorted, by the name of their group."""
        groups: dict[str, list[str]] = {}
        for name in sorted(self.fields):
            if group := self.fields[name].group:
                groups.setdefault(group, []).append(name)
        return {group: tuple(names) for group, names in groups.items()}

    @property
    def registers(self) -> list[str]:
        """What has a value of its own: fields, and groups in place of their members."""
        return list(dict.fromkeys(field.group or name for name, field in self.fields.items()))

    @property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """`identify`, with each key as the names of its fields."""
        return tuple((key,) if isinstance(key, str) else key for key in self.identify)


class Mapped(Table, frozen=True, kw_only=True):
    """One field of a link's `map`, written in full."""

    stand_ins: ClassVar[dict[str, object]] = {"field": ""}

    field: Name
    """Native name."""
    direction: Direction | None = None
    """Default: the link's."""
    values: dict[str, bool | int | str] | None = None
    """Native value to canonical one; of several for one canonical value the first is written."""
    separator: Name | None = None
    """Of a set that is written as text; "json" for a JSON array."""
    zone: Name | None = None
    """Of a datetime that is local time there without saying so, such as "Europe/Berlin". Default: UTC."""
    form: Name | None = None
    """Of money, a country or a language: which of its native forms the system has."""
    locale: Name | None = None
    """Of a country with `form = "name"`: the language of the names. Default: en."""
    currency: Name | None = None
    """Of money: what amounts are in that stand there without a currency."""
    digits: dict[str, Places] | None = None
    """Of money that is counted in the smallest unit: by currency, how many digits that unit is after the point."""
    lossy: bool = False
    """What the column cannot keep as it is (it rounds, trims or respells it) is written all the same, and the other
    systems keep the value as it was. Otherwise it is refused."""


def _share(default: str) -> Share:
    """A factory instead of a value, which msgspec could not put into a JSON Schema."""
    made: Share = msgspec.field(default_factory=lambda: Share.parse(default))
    return made


class Guard(Table, frozen=True, kw_only=True):
    """What a link may write in an hour, by class, before a person is asked."""

    create: Share = _share("off")
    """Records that come."""
    update: Share = _share("50%")
    """Records that change."""
    clear: Share = _share("20%")
    """Values that become blank."""
    delete: Share = _share("10%")
    """Records that go."""
    consent: Share = _share("10%")
    """Consents that are raised."""
    at_least: Annotated[int, msgspec.Meta(ge=0, le=2**31, description="a whole number of 0 or more")] = 10
    """Below so many records a class is not held."""


class Link(Table, frozen=True, kw_only=True):
    """`[links.S.E]`: how the system S holds the entity E.

    Without `live`, `every` and `cron` a link runs when somebody asks for it (`sync`), and each minute under `run`.
    """

    stand_ins: ClassVar[dict[str, object]] = {"object": "", "key": "", "direction": "both", "map": {}}

    object: Name
    """Table, file, endpoint: what the adapter calls it."""
    key: KeyName
    """Native name of the record's own id; a list: of the fields that make it together."""
    direction: Direction
    """Its edits count (pull), it is written (push), or both."""
    map: dict[str, Name | Mapped]
    """Field to native name, or to a table that says more."""
    edited_at: Name | None = None
    """Native name of the field that says when a record was edited. Default: the time of reading counts."""
    cursor: Name | None = None
    """Native name of the field that an incremental pull goes by."""
    live: bool = False
    """Changes are noticed as they are made."""
    every: Duration | None = None
    """How often it is pulled."""
    cron: Name | None = None
    """When it is pulled: minute, hour, day, month and weekday, such as "0 2 * * *"."""
    sweep: Duration | None = None
    """How often everything is read, where increments can miss edits or deletes."""
    where: str | None = None
    """Which records this system gets at all: an expression over fields."""
    guard: Guard = msgspec.field(default_factory=Guard)
    """How much may change in an hour before a person is asked."""
    opt_in: Literal["write", "strict"] | None = None
    """May it raise a consent without a conditional write? Default: over a blank only."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The native names that make the record's own id, one or more."""
        return (self.key,) if isinstance(self.key, str) else self.key

    @property
    def mapped(self) -> dict[str, Mapped]:
        """`map`, with each field written in full and its direction filled in."""
        mapped = {
            name: Mapped(field=native) if isinstance(native, str) else native for name, native in self.map.items()
        }
        return {
            name: entry if entry.direction else msgspec.structs.replace(entry, direction=self.direction)
            for name, entry in mapped.items()
        }

    def pulls(self, name: str) -> bool:
        """Edits of this field there count."""
        return self.mapped[name].direction != "push"

    def pushes(self, name: str) -> bool:
        """This field is written there."""
        return self.mapped[name].direction != "pull"


class Document(Table, frozen=True, kw_only=True):
    """The whole file. What is in a system's table depends on its adapter."""

    not_built: ClassVar[tuple[str, ...]] = ("events", "audiences", "purposes", "alerts")

    include: tuple[Name, ...] = ()
    """More files of the same grammar: names, or patterns with `*` and `?`, relative to this file."""
    systems: dict[str, dict[str, Any]] = {}
    """The systems, by name: `[systems.NAME]`."""
    entities: dict[str, Entity] = {}
    """The kinds of things, by name: `[entities.NAME]`."""
    links: dict[str, dict[str, Link]] = {}
    """How systems hold entities: `[links.SYSTEM.ENTITY]`."""
    daemon: Daemon = Daemon()
    """Where the daemon lives and what it listens to."""
