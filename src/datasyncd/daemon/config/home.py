"""Home: where the config file is and where its daemon lives, found with nothing but the standard library.

`datasyncd status` has to be quick: it needs the state folder, and none of the rest.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

PLACES = (Path("config.toml"), Path("/etc/datasyncd/config.toml"))
"""Where the file is looked for when nobody says where it is."""
VARIABLE = "DATASYNCD_CONFIG"
DEFAULT_STATE_DIR = "var"
_DAEMON = re.compile(r"^[ \t]*\[[ \t]*daemon[ \t]*\].*?(?=^[ \t]*\[|\Z)", re.MULTILINE | re.DOTALL)
_STATE_DIR = re.compile(r"^[ \t]*state_dir[ \t]*=.*$", re.MULTILINE)


def place(option: Path | None = None, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The config file: `--config`, $DATASYNCD_CONFIG, or the first of `PLACES` that exists."""
    if option is not None:
        return option
    if named := environ.get(VARIABLE):
        return Path(named)
    return next((known for known in PLACES if known.is_file()), None)


def folder(base: Path, declared: str | None, environ: Mapping[str, str] = os.environ) -> Path:
    """The state folder: as declared, else $STATE_DIRECTORY (systemd), else `var` beside the file."""
    if declared is not None:
        return base / declared
    if given := environ.get("STATE_DIRECTORY"):
        return Path(given.split(":")[0])  # systemd.exec(5): several are separated by colons
    return base / DEFAULT_STATE_DIR


def likely_state_folder(path: Path, environ: Mapping[str, str] = os.environ) -> Path:
    """Where the daemon of a file that cannot be read as a whole most likely lives: as its `[daemon]` alone says."""
    try:
        table = _DAEMON.search(path.read_text(encoding="utf-8-sig", errors="replace"))
    except OSError:
        table = None
    line = _STATE_DIR.search(table.group()) if table is not None else None
    try:
        declared = tomllib.loads(line.group())["state_dir"] if line is not None else None
    except ValueError:
        declared = None
    return folder(path.absolute().parent, declared if isinstance(declared, str) and declared else None, environ)


def state_folder(path: Path, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The state folder that a file declares; None where its `[daemon]` cannot be read, for `load_home` to say why."""
    try:
        declared = tomllib.loads(path.read_text(encoding="utf-8-sig")).get("daemon", {}).get("state_dir")
    except (OSError, ValueError, AttributeError):
        return None
    if declared is not None and (not isinstance(declared, str) or not declared):
        return None
    return folder(path.absolute().parent, declared, environ)
