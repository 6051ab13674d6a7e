"""Progress through the stages of a long command, on standard error where that is a terminal."""

from __future__ import annotations

import sys
from typing import Any

from .screen import console

# Stages that say how far they are from the beginning.
COUNTED = ("training", "controls")


def watched() -> bool:
    """Return whether progress is seen: standard error is a terminal. Into a log it would write bars that are full."""
    return sys.stderr is not None and sys.stderr.isatty()


class Stages:
    """A bar for each stage, where it is seen."""

    def __enter__(self) -> Stages:
        """Show nothing yet."""
        self._tasks: dict[str, Any] = {}
        self._watched = watched()
        if not self._watched:
            return self
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description:16}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, console=console(stderr=True))
        return self

    def report(self, stage: str, share: float) -> None:
        """Show how far a stage is; a new stage ends the ones before."""
        if not self._watched:
            return
        # Bad input, found before the first stage, stays the only line.
        self._bars.start()
        if stage not in self._tasks:
            self._finish()
            unknown = share == 0.0 and stage not in COUNTED
            self._tasks[stage] = self._bars.add_task(stage, total=None if unknown else 1.0)
        self._bars.update(self._tasks[stage], completed=share)

    def _finish(self) -> None:
        for task in self._tasks.values():
            self._bars.update(task, total=1.0, completed=1.0)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End what is shown."""
        if kind is None:
            self._finish()
        if self._tasks:
            self._bars.stop()
