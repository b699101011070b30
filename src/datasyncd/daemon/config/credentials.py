"""Credentials: secrets that the config only names, as in `dsn = { credential = "crm-dsn" }`.

The name is looked up in $CREDENTIALS_DIRECTORY (systemd), then as $DATASYNCD_CRM_DSN in the environment, then in the
secrets file. The value goes into an adapter's options and nowhere else: no text made here holds it.
"""

from __future__ import annotations

import os
import re
import stat
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from .lines import KeyPath
from .problems import Findings, nearest

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,100}")
_READABLE_BY_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def variable_of(name: str) -> str:
    """The environment variable of a credential."""
    return "DATASYNCD_" + re.sub("[.-]", "_", name).upper()


class Credentials:
    """The places where secrets are kept."""

    def __init__(self, environ: Mapping[str, str], secrets: Mapping[str, str]) -> None:
        self._environ = environ
        self._secrets = secrets

    def fill(self, raw: Any, path: KeyPath, findings: Findings) -> Any:
        """`raw` with each `{ credential = "name" }` in it replaced by the secret; "" where it is not found."""
        if isinstance(raw, list):
            return [self.fill(item, (*path, place), findings) for place, item in enumerate(raw)]
        if not isinstance(raw, dict):
            return raw
        if is_credential(raw):
            return self._secret(raw["credential"], (*path, "credential"), findings)
        return {key: self.fill(value, (*path, key), findings) for key, value in raw.items()}

    def _secret(self, name: object, path: KeyPath, findings: Findings) -> str:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            findings.error(path, "expected the name of a credential: letters, digits, dots, dashes and underscores")
            return ""
        variable = variable_of(name)
        secret = self._of_systemd(name, path, findings)
        if secret is None:
            secret = self._environ.get(variable, self._secrets.get(name))
        if secret is None:
            places = f"$CREDENTIALS_DIRECTORY/{name}, ${variable} and the secrets file"
            findings.error(path, f'no credential "{name}" in {places}', nearest(name, self._secrets))
            return ""
        if not secret and findings.clean(path):
            findings.error(path, f'the credential "{name}" is empty')
        return secret

    def _of_systemd(self, name: str, path: KeyPath, findings: Findings) -> str | None:
        folder = self._environ.get("CREDENTIALS_DIRECTORY")
        if not folder:
            return None
        try:
            return (Path(folder) / name).read_text(encoding="utf-8").removesuffix("\n")
        except FileNotFoundError:
            return None
        except OSError as error:
            findings.error(path, f'cannot read the credential "{name}": {error.strerror}')
        except UnicodeDecodeError:
            findings.error(path, f'the credential "{name}" is not UTF-8 text')
        return ""


def is_credential(raw: object) -> bool:
    """It is `{ credential = ... }`."""
    return isinstance(raw, dict) and raw.keys() == {"credential"}


def credentials_in(raw: object, path: KeyPath) -> dict[KeyPath, str]:
    """The place of each `{ credential = "name" }` in it, and the name."""
    if is_credential(raw):
        assert isinstance(raw, dict)
        return {path: str(raw["credential"])}
    parts: Iterable[tuple[str | int, object]] = ()
    if isinstance(raw, list):
        parts = enumerate(raw)
    elif isinstance(raw, dict):
        parts = raw.items()
    return {place: name for key, part in parts for place, name in credentials_in(part, (*path, key)).items()}


def read_secrets(file: Path, findings: Findings) -> dict[str, str]:
    """The secrets file: a flat TOML table of texts. What is wrong is reported at `[daemon] secrets`."""
    path = ("daemon", "secrets")
    try:
        with file.open("rb") as opened:
            mode = stat.S_IMODE(os.fstat(opened.fileno()).st_mode)
            content = tomllib.loads(opened.read().decode("utf-8"))
    except OSError as error:
        findings.error(path, f"cannot read {file}: {error.strerror}")
        return {}
    except (ValueError, RecursionError) as error:  # its text may quote the file
        line = re.search(r"line [0-9]+", str(error))
        findings.error(path, f"{file} is not TOML" + (f": {line.group()}" if line else ""))
        return {}
    if mode & _READABLE_BY_OTHERS:
        findings.error(path, f"{file} can be read by others (mode {mode:04o}); make it yours alone: chmod 600 {file}")
        return {}
    if any(not isinstance(secret, str) for secret in content.values()):
        findings.error(path, f'{file} holds something else than texts; expected lines such as name = "secret"')
    return {name: secret for name, secret in content.items() if isinstance(secret, str)}
