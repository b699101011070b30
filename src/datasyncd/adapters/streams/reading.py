"""Reading many things at once, with a bound on how many."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio

Question = TypeVar("Question")
Answer = TypeVar("Answer")


async def in_parallel(
    ask: Callable[[Question], Awaitable[Answer]], questions: Sequence[Question], most: int
) -> list[Answer]:
    """The answers in the order of the questions, `most` asked at once. The first error ends all, and is raised."""
    answers: dict[int, Answer] = {}
    failed: list[Exception] = []
    waiting = iter(enumerate(questions))

    async def work(scope: anyio.CancelScope) -> None:
        for place, question in waiting:
            try:
                answers[place] = await ask(question)
            except Exception as error:
                failed.append(error)
                scope.cancel()

    async with anyio.create_task_group() as tasks:
        for _ in range(min(most, len(questions))):
            tasks.start_soon(work, tasks.cancel_scope)
    if failed:
        raise failed[0]
    return [answers[place] for place in range(len(questions))]
