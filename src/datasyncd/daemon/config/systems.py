"""Systems: each `[systems.S]` table as the options of its adapter, with credentials filled in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from datasyncd.adapters import registry

from .credentials import Credentials, credentials_in
from .lines import KeyPath
from .problems import Findings
from .tables import INVALID, Reader, expected, found

FindAdapter: TypeAlias = Callable[[str], registry.AdapterKind]


class System(msgspec.Struct, frozen=True):
    """One account of one product. Its text leaves the options out: they hold secrets."""

    name: str
    adapter: registry.AdapterKind
    options: msgspec.Struct
    base: Path
    """The folder that relative paths in it are relative to: that of the file in which it stands."""

    def __repr__(self) -> str:
        return f"System({self.name!r}, adapter={self.adapter.name!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("name", self.name), ("adapter", self.adapter.name)]


def read_systems(
    tables: dict[str, dict[str, Any]],
    folder_of: Callable[[KeyPath], Path],
    credentials: Credentials,
    findings: Findings,
    find: FindAdapter,
) -> dict[str, System]:
    """The systems whose tables are right, in the order of the file."""
    systems: dict[str, System] = {}
    for name, table in tables.items():
        path: KeyPath = ("systems", name)
        adapter = _adapter(table, path, findings, find)
        if adapter is not None:
            raw = {key: value for key, value in table.items() if key != "adapter"}
            options = _options(adapter.options, raw, path, credentials, findings)
            if options is not INVALID:
                systems[name] = System(name, adapter, options, folder_of(path))
    return systems


def _adapter(
    table: dict[str, Any], path: KeyPath, findings: Findings, find: FindAdapter
) -> registry.AdapterKind | None:
    name = table.get("adapter")
    path = (*path, "adapter")
    if name is None:
        findings.error(path, "missing; expected the name of an adapter, such as those that `datasyncd adapters` lists")
    elif not isinstance(name, str):
        findings.error(path, f"expected {expected(str)}; found {found(name)}")
    else:
        try:
            return find(name)
        except registry.NotBuilt as known:
            findings.error(path, f'the adapter "{known.name}" is not built yet in this version')
        except registry.UnknownAdapter as unknown:
            findings.error(path, "unknown adapter; `datasyncd adapters` lists them", unknown.nearest)
        except ImportError as error:
            findings.error(path, f'the adapter "{name}" needs something that is not installed: {error}')
        except Exception as error:  # of whatever package brings the adapter
            findings.error(path, f'the adapter "{name}" cannot be loaded: {type(error).__name__}: {error}')
    return None


def _options(
    struct: type[msgspec.Struct], raw: dict[str, Any], path: KeyPath, credentials: Credentials, findings: Findings
) -> Any:
    """The options, or `INVALID`. An adapter's own words about a secret are not passed on: they may quote it."""
    filled = credentials.fill(raw, path, findings)
    return Reader(findings, credentials_in(raw, path)).read(struct, filled, path)
