"""Asking: a command's answer comes from the running daemon; without one, from the state itself.

Opened so, the state is held for the moment of the command alone, and no daemon can start meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from ..control.client import NotRunning, ask
from ..control.message import Failure
from .stopped import UNAVAILABLE, stop, stop_for_config

if TYPE_CHECKING:
    from ..config.problems import Problem

F = TypeVar("F", bound=Callable[..., Any])

TIMEOUT_S = 60.0
BROKEN = "the config file is not valid, and the running daemon goes on with the one that it has read"


def common(command: F) -> F:
    """The options that every command has."""
    command = click.option("--json", "as_json", is_flag=True, help="One JSON document, with stable keys.")(command)
    return click.option(
        "--config",
        "config",
        type=click.Path(path_type=Path),
        help="The config file. Default: $DATASYNCD_CONFIG, ./config.toml, /etc/datasyncd/config.toml.",
    )(command)


def state_folder(config: Path | None) -> tuple[Path, Path]:
    """The config file and the state folder, whatever the rest of the file says. Leaves with 78."""
    path, folder, problems = whereabouts(config)
    if path is None or problems:
        stop_for_config(problems)
    return path, folder


def whereabouts(config: Path | None) -> tuple[Path | None, Path, Sequence[Problem]]:
    """The config file, its state folder, and why that cannot be read from it: then the folder is a good guess.

    A running daemon is to be found also while somebody edits its config.
    """
    from ..config import home

    path = home.place(config)
    known = home.state_folder(path) if path is not None else None
    if path is not None and known is not None:
        return path, known, ()
    from ..config.load import find, load_home
    from ..config.problems import ConfigInvalid

    try:
        path = find(config)
        return path, load_home(path).state_dir, ()
    except ConfigInvalid as invalid:
        return path, home.likely_state_folder(path or home.PLACES[0]), invalid.problems


def ask_daemon(config: Path | None, command: str, arguments: Mapping[str, Any], timeout: float | None) -> Any:
    """The running daemon's answer, with a word on a config file that it could not start with any more.

    Raises `NotRunning`. Leaves with the refusal's exit code, or with 78 if nobody answers and the file is not valid.
    """
    _path, folder, problems = whereabouts(config)
    try:
        found = ask(str(folder), command, dict(arguments), timeout)
    except NotRunning:
        if problems:
            stop_for_config(problems)
        raise
    except Failure as failure:
        stop(failure.text, failure.exit_code)
    if problems:
        click.echo(f"datasyncd: {BROKEN}: {'; '.join(map(str, problems))}", err=True)
    return found


def answer(config: Path | None, command: str, arguments: Mapping[str, Any], timeout: float | None = TIMEOUT_S) -> Any:
    """The answer to one of `review.commands`. Leaves with the refusal's exit code."""
    return answer_of(config, command, arguments, timeout)[0]


def answer_of(
    config: Path | None, command: str, arguments: Mapping[str, Any], timeout: float | None = TIMEOUT_S
) -> tuple[Any, bool]:
    """The same, and whether a running daemon gave it, which goes on with what was decided at once."""
    try:
        return ask_daemon(config, command, arguments, timeout), True
    except NotRunning:
        return _from_state(config, command, arguments), False


def input_file(file: Path) -> None:
    """Look whether a file that a command is to read is there. Leaves with 69 if not."""
    if not file.exists():
        stop(f"{file}: no such file", UNAVAILABLE)


def me() -> str:
    """Who asks, by the system's name."""
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"


def _from_state(path: Path | None, command: str, arguments: Mapping[str, Any]) -> Any:
    import anyio

    from ..engine import Engine
    from ..review import commands
    from ..review.refusal import Unable
    from ..review.terms import Terms

    settings = load_config(path)

    async def run() -> Any:
        async with Engine.open(settings, command, attach=False) as engine:
            terms = Terms.of(settings, engine.rules, engine.store.fingerprints)
            step = commands.step(command, {**arguments, "by": me()}, terms)
            return await engine.store.transact(step)

    try:
        return anyio.run(run)
    except Unable as refusal:
        stop(refusal.text, refusal.exit_code)


def load_config(path: Path | None) -> Any:
    """The whole config. Leaves with 78 and all that is wrong with it."""
    from ..config.load import find, load
    from ..config.problems import ConfigInvalid

    try:
        return load(find(path))
    except ConfigInvalid as invalid:
        stop_for_config(invalid.problems)
