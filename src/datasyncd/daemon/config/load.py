"""Load: the config file as a `Config`, or everything that is wrong with it.

Nothing is asked of any system here, and nothing is written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from datasyncd.adapters import registry

from . import home as places
from .credentials import Credentials, read_secrets
from .entities import check_entity, check_names
from .grammar import Daemon, Document, Entity, Link
from .home import VARIABLE, folder, place
from .known import known_names
from .lines import KeyPath, Places
from .links import check_links
from .problems import ConfigInvalid, Findings, Problem
from .sources import read_source, read_sources
from .systems import FindAdapter, System, read_systems
from .tables import Reader

LISTEN = re.compile(r"(?:\[([0-9A-Fa-f:.%]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})")


class Home(msgspec.Struct, frozen=True):
    """`[daemon]`, with everything filled in: where the daemon lives."""

    file: Path
    state_dir: Path
    listen: tuple[str, int] | None
    """Host and port."""
    secrets: Path | None


class Config(msgspec.Struct, frozen=True):
    """A config without errors. Its text leaves the content out: it holds secrets."""

    home: Home
    systems: dict[str, System]
    entities: dict[str, Entity]
    links: dict[str, dict[str, Link]]
    """By system and entity, the systems in the order in which they are declared."""
    places: Places
    digest: bytes
    """Eight bytes that change with the content of any of its files."""

    def __repr__(self) -> str:
        return f"Config({str(self.home.file)!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("file", str(self.home.file))]

    def links_of(self, entity: str) -> dict[str, Link]:
        """The links of an entity by system."""
        return {system: links[entity] for system, links in self.links.items() if entity in links}

    def findings(self) -> Findings:
        """A place for what is found wrong later, with the lines of the files."""
        return Findings(self.places)


def find(option: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path:
    """The config file: `--config`, $DATASYNCD_CONFIG, or the first of `PLACES` that exists.

    Raises `ConfigInvalid` when there is none; whether a file that was named exists is for `load` to say.
    """
    known = place(option, environ)
    if known is not None:
        return known
    looked = " and ".join(str(candidate) for candidate in places.PLACES)
    text = f"no such file, and none in {looked}; name one with --config or ${VARIABLE}, or make one: datasyncd init"
    raise ConfigInvalid([Problem(file=str(places.PLACES[0]), line=None, key="", text=text)])


def load(path: Path, environ: Mapping[str, str] = os.environ, adapter: FindAdapter = registry.find) -> Config:
    """Read and check the file and what it includes. Raises `ConfigInvalid` with all that is wrong, in their order."""
    sources = read_sources(path)
    raw = sources.raw
    findings = Findings(sources.places)
    document: Document = Reader(findings).read(Document, raw, ())
    home = _home(path, document.daemon, findings, environ)
    secrets = read_secrets(home.secrets, findings) if home.secrets else {}
    systems = read_systems(document.systems, sources.folder_of, Credentials(environ, secrets), findings, adapter)
    known = known_names(raw, document)
    for table in ("systems", "entities", "links"):
        if not raw.get(table) and findings.clean((table,)):
            findings.error((table,), f"missing; expected [{table}.{'SYSTEM.ENTITY' if table == 'links' else 'NAME'}]")
    check_names(known, findings)
    for name, entity in document.entities.items():
        check_entity(name, entity, known, findings)
    check_links(document, known, findings)
    if problems := findings.in_order():
        raise ConfigInvalid(problems)
    links = {system: document.links[system] for system in systems if system in document.links}
    return Config(home, systems, document.entities, links, sources.places, sources.digest)


def load_home(path: Path, environ: Mapping[str, str] = os.environ) -> Home:
    """`[daemon]` alone: enough to find a running daemon, whatever the rest of the file says.

    Needs no credentials and imports no adapter. Raises `ConfigInvalid`.
    """
    source = read_source(path)
    findings = Findings(Places.of_file(str(path), source.lines))
    daemon = Reader(findings).read(Daemon, source.raw.get("daemon", {}), ("daemon",))
    home = _home(path, daemon if isinstance(daemon, Daemon) else Daemon(), findings, environ)
    if problems := findings.in_order():
        raise ConfigInvalid(problems)
    return home


def _home(path: Path, daemon: Daemon, findings: Findings, environ: Mapping[str, str]) -> Home:
    base = path.absolute().parent
    state_dir = folder(base, daemon.state_dir, environ)
    return Home(
        file=path.absolute(),
        state_dir=state_dir,
        listen=_listen(daemon.listen, findings),
        secrets=base / daemon.secrets if daemon.secrets else None,
    )


def _listen(text: str, findings: Findings) -> tuple[str, int] | None:
    if not text:
        return None
    match = LISTEN.fullmatch(text)
    if match is None or int(match[3]) > 65_535:
        path: KeyPath = ("daemon", "listen")
        findings.error(path, 'expected HOST:PORT, such as "127.0.0.1:8377", or "" for none')
        return None
    return match[1] or match[2], int(match[3])
