"""`backup` and `restore`."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ..control.client import NotRunning
from .asking import ask_daemon, common, input_file, state_folder
from .screen import moment, show_json
from .stopped import UNAVAILABLE, USAGE, stop


@click.command()
@common
@click.option("--force", is_flag=True, help="Replace FILE if it is there.")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def backup(config: Path | None, as_json: bool, force: bool, file: Path) -> None:
    """A consistent copy of the state, while the daemon runs or without it.

    FILE is written whole or not at all, and only its owner may read it: it holds what the records hold.
    """
    from datasyncd.state.backup import clear
    from datasyncd.state.database import sync

    from ..review.timestamp import timestamp_or_none

    if file.exists() and not force:
        stop(f"{file}: is there already; --force replaces it", USAGE)
    # On crash: it stays until a later backup to this file finds it.
    unfinished = f".{file.name}."
    new = file.with_name(f"{unfinished}{secrets.token_hex(8)}")
    clear(file.parent, unfinished)
    with _refusals():
        try:
            _copy(config, new)
            found = _looked_at(new, config)
            _put(new, file, force)
            sync(file.parent)
        finally:
            new.unlink(missing_ok=True)
    at = timestamp_or_none(found.at)
    done = {
        "file": str(file), "at": at, "schema": found.schema, "records": found.clusters, "bytes": found.bytes,
    }  # fmt: skip
    if as_json:
        show_json(done)
    else:
        click.echo(f"{file}: {found.clusters} records, {_as_of(at)}")


@click.command()
@common
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def restore(config: Path | None, as_json: bool, file: Path) -> None:
    """Puts a backup in the place of the state, which is kept beside it.

    The daemon must not run. Afterwards everything is read anew before anything but opt-outs is written; records
    that would be made then wait in quarantine for a person.
    """
    import msgspec

    from datasyncd.state.backup import inspect
    from datasyncd.state.database import lock

    from ..clock import Clock
    from ..engine import STATE_FILE
    from ..restore import put_back

    input_file(file)
    _path, folder = state_folder(config)
    state = folder / STATE_FILE
    with _refusals():
        inspect(file)  # before a folder is made for it
        with lock(state):
            done = put_back(file, state, Clock().now)
            _give_to_owner(folder, f"{state.name}*")
    if as_json:
        return show_json(msgspec.to_builtins(done))
    click.echo(f"restored: {done.records} records, {_as_of(done.at)}")
    if done.replaced:
        click.echo(f"the state before is kept: {done.replaced}")
    click.echo("everything is read anew before anything but opt-outs is written: datasyncd sync, or start the daemon")
    return None


def _as_of(at: str | None) -> str:
    return "in which nothing was ever synchronised" if at is None else f"as of {moment(at)} UTC"


@contextlib.contextmanager
def _refusals() -> Iterator[None]:
    """Leaves with the exit code of what stands in the way."""
    try:
        yield
    except FileExistsError as error:
        stop(f"{error.filename2 or error.filename}: is there already; --force replaces it", USAGE)


def _copy(config: Path | None, new: Path) -> None:
    """A copy of the state: the daemon makes it in its own folder, or it is made here where no daemon answers."""
    from datasyncd.state.backup import copy
    from datasyncd.state.database import sync

    from ..engine import STATE_FILE

    try:
        made = Path(ask_daemon(config, "backup", {}, None)["copy"])
    except NotRunning:
        state = state_folder(config)[1] / STATE_FILE
        if not state.exists():
            stop(f"{state}: there is no state yet", UNAVAILABLE)
        return copy(state, new)
    try:
        with open(made, "rb") as source, open(new, "xb", opener=_for_owner) as target:
            shutil.copyfileobj(source, target, 1 << 20)
        sync(new)
    finally:
        made.unlink(missing_ok=True)
    return None


def _looked_at(new: Path, config: Path | None) -> Any:
    """What a copy holds. If it is damaged, so is the state, which keeps its name in the error."""
    from datasyncd.state.backup import inspect
    from datasyncd.state.errors import StateError

    from ..engine import STATE_FILE

    try:
        return inspect(new)
    except StateError as error:
        raise type(error)(str(error).replace(str(new), str(state_folder(config)[1] / STATE_FILE))) from None


def _for_owner(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _put(new: Path, file: Path, force: bool) -> None:
    """Give a finished file its name. Raises `FileExistsError` unless forced."""
    if force:
        os.replace(new, file)
        return
    try:
        os.link(new, file)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        if file.exists():
            raise FileExistsError(0, "", str(file)) from None
        os.replace(new, file)


def _give_to_owner(folder: Path, pattern: str) -> None:
    """What root restores belongs to whom the daemon runs as."""
    owner = folder.stat()
    if os.geteuid() == 0:
        for file in folder.glob(pattern):
            os.chown(file, owner.st_uid, owner.st_gid)
