"""`demo`."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .asking import common
from .screen import count, show_json, table
from .stopped import UNAVAILABLE, USAGE, stop

if TYPE_CHECKING:
    from ..demo.tour import Script, Step, Story, Tour

NEEDS_A_PERSON = 1
COUNT = 3


@click.command()
@common
@click.option("--story", "number", type=click.IntRange(1, COUNT), help="This one alone.")
@click.option(
    "--keep",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Play in this folder, which must be new or empty, and leave all there to be looked at.",
)
def demo(config: Path | None, as_json: bool, number: int | None, keep: Path | None) -> None:
    """A tour: three stories on six small systems in a temporary folder, with what was seen where.

    The systems and the config are the demo's own. Exits 1 if a story did not show what it should.
    """
    from ..demo.stage import CommandFailed
    from ..demo.stories import STORIES

    scripts = {place: story() for place, story in enumerate(STORIES, 1) if number in (None, place)}
    show: Show | None = None if as_json else Show()
    with _folder(keep) as folder:
        try:
            done = _play(scripts, folder, show)
        except CommandFailed as failed:
            stop(f"the systems of the demo could not be brought in step: {failed}", UNAVAILABLE)
        done.folder = str(folder) if keep else None
    if as_json:
        import msgspec

        show_json(msgspec.to_builtins(done))
    else:
        _show_end(done)
    sys.exit(0 if done.held else NEEDS_A_PERSON)


@contextlib.contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Where the demo plays. Leaves with 64 if that is somebody else's."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="datasyncd-demo-") as folder:
            yield Path(folder)
        return
    if keep.exists() and any(keep.iterdir()):
        stop(f"{keep} is not empty: name a new folder", USAGE)
    keep.mkdir(parents=True, exist_ok=True)
    yield keep.absolute()


def _play(scripts: dict[int, Script], folder: Path, show: Show | None) -> Tour:
    from ..demo.stage import Stage
    from ..demo.tour import Tour, play

    began = time.monotonic()
    stage = Stage(folder)
    stories: list[Story] = []
    with _waiting() as waits:
        waits("six systems are made and brought in step")
        stage.set_up()
        waits(None)
        if show is not None:
            show.begins()
        for number, script in scripts.items():
            if show is not None:
                show.story(number, script)
            going_on = f"story {number}: {script.title}"

            def tell(step: Step, going_on: str = going_on) -> None:
                waits(None)
                if show is not None:
                    show.step(step)
                waits(going_on)

            waits(going_on)
            stories.append(play(number, script, stage, tell))
            waits(None)
            if show is not None:
                show.over(stories[-1])
    return Tour(stories, all(story.held for story in stories), round(time.monotonic() - began, 3), None)


@contextlib.contextmanager
def _waiting() -> Iterator[Callable[[str | None], None]]:
    """Shows what is going on, on a terminal only; None: takes it away, so that something else can be shown."""
    if not sys.stderr.isatty():
        yield lambda _text: None
        return
    from rich.console import Console
    from rich.status import Status

    status = Status("", console=Console(stderr=True))

    def waits(text: str | None) -> None:
        status.stop()
        if text is not None:
            status.update(text)
            status.start()

    try:
        yield waits
    finally:
        status.stop()


class Show:
    """The stories for people, as they are played."""

    def begins(self) -> None:
        click.echo(
            "A coffee shop with six systems: shop and billing (SQLite), the support desk and the preference centre\n"
            "(JSON lines), the e-mail and the SMS platform (CSV). After each step `datasyncd sync` runs once."
        )

    def story(self, number: int, script: Script) -> None:
        click.echo(f"\n{number}  {script.title}")

    def step(self, step: Step) -> None:
        click.echo(f"\n   {step.does}\n")
        rows = [(each.store, each.field, each.before, each.after, _verdict(each.held, each.expected))
                for each in step.seen]  # fmt: skip
        table(("where", "field", "before", "after", ""), rows, indent="     ")

    def over(self, story: Story) -> None:
        if story.problem:
            click.echo(f"\n   {story.problem}")


def _verdict(held: bool, expected: str | None) -> str:
    return "" if held else f"should be {expected or '(blank)'}"


def _show_end(done: Tour) -> None:
    lost = [story for story in done.stories if not story.held]
    click.echo()
    for story in lost:
        click.echo(f"story {story.number} did not show what it should: {story.title}")
    if not lost:
        click.echo(f"{count(len(done.stories), 'story', 'stories')}, all as it should be, in {done.seconds:.1f} s")
    if done.folder:
        click.echo(f"kept in {done.folder}: begin with config.toml there, and `datasyncd explain contact KEY`")
