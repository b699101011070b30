"""The registry of adapters: which kinds of system there are, and where the code of each stands.

A *kind* is what a config names with `adapter = "..."`. Some are built in; others come from installed packages that
declare the entry point `datasyncd.adapters`, each pointing to an `AdapterKind`. Nothing of a kind is imported before
it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, resources
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

import msgspec

from .contract import Adapter, Context

if TYPE_CHECKING:
    from .testing.scratch import Scratch, Site

GROUP = "datasyncd.adapters"
"""Name of the entry points by which other packages add kinds."""

_BUILT_IN = {
    "amqp": "datasyncd.adapters.amqp.adapter",
    "airbyte": "datasyncd.adapters.airbyte.adapter",
    "carddav": "datasyncd.adapters.carddav.adapter",
    "csv": "datasyncd.adapters.csv.adapter",
    "duckdb": "datasyncd.adapters.duckdb.adapter",
    "jsonl": "datasyncd.adapters.jsonl.adapter",
    "mysql": "datasyncd.adapters.mysql.adapter",
    "nats": "datasyncd.adapters.nats.adapter",
    "parquet": "datasyncd.adapters.parquet.adapter",
    "postgres": "datasyncd.adapters.postgres.adapter",
    "redis": "datasyncd.adapters.redis.adapter",
    "singer": "datasyncd.adapters.singer.adapter",
    "sqlite": "datasyncd.adapters.sqlite.adapter",
    "tryton": "datasyncd.adapters.tryton.adapter",
}
"""Name of a kind -> module that holds it as `KIND`."""

_NAMED = (
    "airbyte", "amqp", "carddav", "duckdb", "hubspot", "kafka", "mqtt", "mysql", "nats", "postgres", "redis", "rest",
    "segment", "singer", "stripe", "webhook",
)  # fmt: skip
"""What a config shall be able to name one day; what of it no module holds is not built yet."""


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `manifest.toml` in an adapter's folder says to people who choose one."""

    name: str
    title: str
    serves: tuple[str, ...]
    """Rows of the mission that it serves: `sources`, `destinations`, ..."""
    summary: str


@dataclass(frozen=True)
class AdapterKind:
    """One kind of system: its options and how it is opened."""

    name: str
    options: type[msgspec.Struct]
    """What a config says of a system of this kind beside `adapter`; unknown keys are errors."""
    open: Callable[[Context, Any], Adapter]
    """Make an adapter from its context and its options. Does not touch the system yet."""
    text_only: bool
    """Every value is text, as in CSV; blank is the empty text."""
    manifest: Manifest
    composite_keys: bool = False
    """A record's own id may be made of several fields."""
    stage: Callable[[Site], Scratch] | None = None
    """How a scratch object is made in a system of this kind, for the conformance suite: a subclass of
    `adapters.testing.Scratch`. Without it, no system of this kind can be certified."""


class UnknownAdapter(KeyError):
    """No kind has this name; `nearest` is the one that may have been meant."""

    def __init__(self, name: str, nearest: str | None) -> None:
        super().__init__(name)
        self.name = name
        self.nearest = nearest

    def __str__(self) -> str:
        hint = f"; did you mean {self.nearest!r}?" if self.nearest else ""
        return f"there is no adapter {self.name!r}{hint}"


class NotBuilt(UnknownAdapter):
    """The name belongs to a kind that this version does not have yet."""

    def __str__(self) -> str:
        return f"the adapter {self.name!r} is not built yet in this version"


def names() -> list[str]:
    """Names of all kinds, sorted."""
    return sorted({*_BUILT_IN, *_from_packages()})


def is_taken(name: str) -> bool:
    """Whether a kind has this name, or one that is not built yet will."""
    return name in _NAMED or name == "memory" or name in names()


def package_of(name: str) -> str | None:
    """Name and version of the package that brings a kind; None: it is built in, or nobody brings it."""
    point = None if name in _BUILT_IN else _from_packages().get(name)
    return None if point is None or point.dist is None else f"{point.dist.name} {point.dist.version}"


def find(name: str) -> AdapterKind:
    """The kind of this name. Raises `UnknownAdapter`, `NotBuilt`; no package takes a name that is built in."""
    if module := _BUILT_IN.get(name):
        kind: AdapterKind = import_module(module).KIND
        return kind
    installed = _from_packages()
    if name not in installed:
        if name in _NAMED:
            raise NotBuilt(name, None)
        raise UnknownAdapter(name, _nearest(name, {*_BUILT_IN, *installed}))
    loaded = installed[name].load()
    if not isinstance(loaded, AdapterKind):
        raise TypeError(f"the entry point {name!r} of {GROUP} is no AdapterKind but {type(loaded).__name__}")
    return loaded


def manifest_of(package: str) -> Manifest:
    """Read the `manifest.toml` that lies in a package's folder."""
    text = resources.files(package).joinpath("manifest.toml").read_bytes()
    return msgspec.toml.decode(text, type=Manifest)


def _from_packages() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def _nearest(name: str, among: set[str]) -> str | None:
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, sorted(among), n=1)), None)
