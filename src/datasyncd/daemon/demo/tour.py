"""Tour: stories in steps. Each step is done, a sync follows, and what is then in the stores is compared with what
should be there.

A step that does not show what it should ends its story, and the others go on: they are about other people.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from .stage import CommandFailed, Person, Stage


class Seen(msgspec.Struct):
    """One value in one place."""

    store: str
    """The system's name in the config, or the command that showed it."""
    field: str
    """As it is called there."""
    before: str | None
    after: str | None
    expected: str | None
    held: bool
    """It is what should be there."""


class Step(msgspec.Struct):
    """Something was done, and one sync ran."""

    does: str
    """In plain words."""
    seen: list[Seen]
    seconds: float
    """How long the sync took."""

    @property
    def held(self) -> bool:
        return all(each.held for each in self.seen)


class Story(msgspec.Struct):
    """One story as it was played."""

    number: int
    title: str
    steps: list[Step] = []
    problem: str | None = None
    """What went wrong beside what was seen."""
    held: bool = False


class Tour(msgspec.Struct):
    """All that `demo` did."""

    stories: list[Story]
    held: bool
    seconds: float
    folder: str | None
    """Where everything is to be looked at, where it was kept."""


class Watched(NamedTuple):
    """A place that is looked at before a step and after it, and what it should show then."""

    store: str
    field: str
    look: Callable[[Stage], str | None]
    expected: str | None


class Act(NamedTuple):
    """One step as it is written."""

    does: str
    do: Callable[[Stage], None]
    watched: Sequence[Watched]


class Script(NamedTuple):
    """One story as it is written."""

    title: str
    acts: Sequence[Act]


Tell: TypeAlias = Callable[[Step], None]


def at(store: str, person: Person, field: str, expected: str | None) -> Watched:
    """A field of somebody's record in a store."""
    return Watched(store, field, lambda stage: stage.holds(store, person, field), expected)


def play(number: int, script: Script, stage: Stage, tell: Tell) -> Story:
    """Play one story on a stage that is set up; `tell` hears of each step as it is done."""
    story = Story(number, script.title)
    for step in _steps(script, stage, story):
        story.steps.append(step)
        tell(step)
        if not step.held:
            break
    else:
        story.held = story.problem is None
    return story


def _steps(script: Script, stage: Stage, story: Story) -> Iterator[Step]:
    for act in script.acts:
        try:
            yield _done(act, stage)
        except CommandFailed as failed:
            story.problem = str(failed)
            return


def _done(act: Act, stage: Stage) -> Step:
    before = [watched.look(stage) for watched in act.watched]
    act.do(stage)
    began = time.monotonic()
    stage.sync()
    seconds = round(time.monotonic() - began, 3)
    seen = []
    for watched, was in zip(act.watched, before, strict=True):
        now = watched.look(stage)
        seen.append(Seen(watched.store, watched.field, was, now, watched.expected, now == watched.expected))
    return Step(act.does, seen, seconds)
