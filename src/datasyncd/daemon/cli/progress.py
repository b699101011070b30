"""Progress of a `sync`, on a terminal only."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from ..cycle import Progress


@contextlib.contextmanager
def progress(word: str = "written") -> Iterator[Progress | None]:
    """A callback that shows what was read and written (or what else `word` says) by link; None where nobody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bar
    from rich.progress import TaskID, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), TextColumn("{task.fields[read]} read"),
               TextColumn(f"{{task.fields[written]}} {word}"), TimeElapsedColumn())  # fmt: skip
    counts: dict[str, tuple[TaskID, int, int]] = {}
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:

        def note(link: str, read: int, written: int) -> None:
            if link not in counts:
                counts[link] = (bar.add_task(link, total=None, read=0, written=0), 0, 0)
            task, read_before, written_before = counts[link]
            counts[link] = (task, read_before + read, written_before + written)
            bar.update(task, read=read_before + read, written=written_before + written)

        yield note
