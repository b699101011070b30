"""`python -m datasyncd.daemon.example`: make the stores if there are none, run the daemon, say what to try."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NoReturn

import click

from datasyncd.daemon.config.load import load
from datasyncd.daemon.config.problems import ConfigInvalid
from datasyncd.daemon.engine import STATE_FILE

from . import stores
from .follow import daemon, running, until_in_step
from .steps import datasyncd, steps

FOLDER = "var"
"""Where the stores are, beside the config."""

UNAVAILABLE, TRY_AGAIN, CONFIG = 69, 75, 78
_ABOUT = {
    stores.CRM: "a CRM, in SQLite",
    stores.MAIL: "an e-mail platform, in CSV",
    stores.PREFS: "a preference centre, in JSON lines",
}


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), default="config.toml", show_default=True)
@click.option("--fresh", is_flag=True, help="Throw the stores and the state away, and start over.")
def main(path: Path, fresh: bool) -> None:
    """Run the example: three systems of one shop, and the daemon that keeps them in step."""
    try:
        home = load(path).home
    except ConfigInvalid as invalid:
        _stop("\n".join(map(str, invalid.problems)), CONFIG)
    base = home.file.parent
    folder = base / FOLDER
    if running(home.state_dir):
        text = f"A daemon works on {home.state_dir} already. How it is: {datasyncd(base)} status"
        _stop(text, TRY_AGAIN)
    if fresh:
        stores.remove(folder)
        for end in ("", "-wal", "-shm"):
            (home.state_dir / (STATE_FILE + end)).unlink(missing_ok=True)
    _say("datasyncd, the example: three systems of one shop, with the same customers.\n")
    there = stores.present(folder)
    if not there and not (home.state_dir / STATE_FILE).exists():
        stores.make(folder)
    elif len(there) < len(stores.STORES):
        lost = ", ".join(f"{FOLDER}/{store}" for store in stores.STORES if store not in there)
        _stop(f"{lost}: missing, while the rest is there. Start over with --fresh.", UNAVAILABLE)
    before = stores.count(folder)
    for (store, about), count in zip(_ABOUT.items(), before.values(), strict=True):
        _say(f"  {FOLDER}/{store!s:<18} {count:>3} contacts   {about}")
    sys.exit(_run(home.file, home.state_dir, folder, before))


def _run(config: Path, state_dir: Path, folder: Path, before: dict[str, int]) -> int:
    """The daemon's exit code, once it has ended."""
    _say("")
    child = daemon(config)
    status = until_in_step(child, state_dir, lambda system: _say(f"  {system:<6} {before[system]:>3} read"), _say)
    if status is not None:
        for system, count in stores.count(folder).items():
            if created := count - before[system]:
                _say(f"  {system:<6} {created:>3} created")
        _say("\nin step" if not status["problems"] else "\nin step; what is left needs a person:")
        for problem in status["problems"]:
            _say(f"  {problem['text']}: {problem['fix']}")
        _say("")
        _say(steps(config.parent))
        _say("Ctrl-C stops the daemon; `make run` then goes on where it was.")
    code = child.wait()
    _say("\nstopped" if code == 0 else f"\nthe daemon ended with exit code {code}")
    return code


def _say(text: str) -> None:
    print(text, flush=True)


def _stop(text: str, code: int) -> NoReturn:
    print(text, file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
