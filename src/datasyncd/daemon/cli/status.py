"""`status` and `version`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from datasyncd import __version__

from ..control.client import NoAnswer, NotRunning, ask
from ..control.message import Failure
from ..review.timestamp import span
from .asking import BROKEN, common, whereabouts
from .screen import ago, coloured, count, show_json, table

EXITS = {"ok": 0, "warning": 1, "critical": 2, "unknown": 3}


@click.command()
@common
@click.option("--timeout", default=5.0, show_default=True, help="Seconds to wait for the daemon's answer.")
def status(config: Path | None, as_json: bool, timeout: float) -> None:
    """Health: what was compared end to end, and what needs somebody.

    Exits 0 ok, 1 warning, 2 critical, 3 unknown (not running, no answer in time, or no config to find it by).
    """
    path, folder, broken = whereabouts(config)
    try:
        found = ask(str(folder), "status", {}, timeout)
        if broken:
            _add_broken(found, broken)
    except NotRunning:
        found = _at_rest(path, folder) if path is not None and not broken else _not_found(broken)
    except NoAnswer as failure:
        found = _unknown("no_answer", failure.text, "see the service's log")
    except Failure as failure:
        found = _unknown("refused", failure.text, "ask as the daemon's user, with the version that runs")
    if as_json:
        show_json(found)
    else:
        _show(found)
    sys.exit(EXITS[found["health"]])


@click.command()
@common
def version(config: Path | None, as_json: bool) -> None:
    """The version."""
    if as_json:
        show_json({"version": __version__})
    else:
        click.echo(f"datasyncd {__version__}")


def _add_broken(found: dict[str, Any], broken: Sequence[Any]) -> None:
    """What the daemon cannot know until it is told to read its config anew: it could not."""
    fix = "correct it (datasyncd check lists all) before the daemon is started again, which it could not be now"
    problem = {"severity": "warning", "code": "config", "link": None, "text": f"{BROKEN}: {_first(broken)}", "fix": fix}
    found["problems"].append(problem)
    if found["health"] in ("ok", "unknown"):
        found["health"] = "warning"


def _not_found(broken: Sequence[Any]) -> dict[str, Any]:
    """Nobody answers where the daemon of a config without a readable `[daemon]` would be."""
    fix = "correct it: datasyncd check lists all"
    return _unknown("config", f"the config file is not valid, and no daemon was found: {_first(broken)}", fix)


def _first(problems: Sequence[Any]) -> str:
    first, *more = map(str, problems)
    return f"{first} (and {len(more)} more)" if more else first


def _at_rest(path: Path, folder: Path) -> dict[str, Any]:
    """What the state says while no daemon runs, read without touching it."""
    found = _unknown("not_running", "no daemon works on this state", f"datasyncd run --config {path}")
    state = folder / "state.db"
    if not state.exists():
        return _unknown("in_use", *_STILL_RUNS) if _place_is_held(state) else found
    if _in_use(state):
        return _unknown("in_use", "a command that gives no answers works on this state", "wait for it to end")
    import sqlite3

    try:
        db = sqlite3.connect(f"file:{state}?mode=ro", uri=True, timeout=1.0)
        try:
            found["conflicts"] = db.execute("SELECT count(*) FROM report WHERE state = 'open'").fetchone()[0]
            found["outbox"] = db.execute("SELECT count(*) FROM outbox").fetchone()[0]
        finally:
            db.close()
    except sqlite3.Error as error:
        found["problems"].append(
            {
                "severity": "critical",
                "code": "state",
                "link": None,
                "text": f"{state}: {error}",
                "fix": "restore a backup: datasyncd restore FILE",
            }
        )
    return found


_STILL_RUNS = (
    "the state was removed, and the process that worked on it still runs",
    "it ends by itself in some seconds; see its log before another one is started",
)


def _place_is_held(state: Path) -> bool:
    """Whether somebody lives who worked on a state at this place."""
    from datasyncd.state.place import is_held

    return is_held(state)


def _in_use(state: Path) -> bool:
    """Whether somebody holds the state's lock, such as a `sync`."""
    import fcntl

    try:
        with open(f"{state}.lock", "rb") as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def _unknown(code: str, text: str, fix: str) -> dict[str, Any]:
    problem = {"severity": "critical", "code": code, "link": None, "text": text, "fix": fix}
    return {
        "health": "unknown", "version": __version__, "uptime_s": 0.0, "links": [], "conflicts": 0, "outbox": 0,
        "problems": [problem], "systems": {},
    }  # fmt: skip


def _show(found: dict[str, Any]) -> None:
    up = f", up {span(found['uptime_s'])}" if found["uptime_s"] else ""
    click.echo(
        f"{coloured(found['health'])}   datasyncd {found['version']}{up},"
        f" {count(found['conflicts'], 'open conflict')}, {count(found['outbox'], 'write')} waiting"
    )
    if found["links"]:
        click.echo()
        table(
            ("link", "state", "last success", "lag", "pending", "held", "quarantined", "failures"),
            [
                (
                    f"{link['system']}.{link['entity']}",
                    link["state"] if not link["waits_s"] else f"{link['state']} {span(link['waits_s'])}",
                    ago(link["last_success"]),
                    span(link["lag_s"]),
                    link["pending"],
                    link["held"],
                    link["quarantined"],
                    f"{link['failure_rate']:.0%}",
                )
                for link in found["links"]
            ],
        )
    for system, figures in found["systems"].items():
        click.echo(f"\n{system}: {', '.join(f'{name} {value:,}' for name, value in figures.items())}")
    for problem in found["problems"]:
        place = f"{problem['link']}: " if problem["link"] else ""
        click.echo(f"\n{coloured(problem['severity'])}: {place}{problem['text']}\n  next: {problem['fix']}")
