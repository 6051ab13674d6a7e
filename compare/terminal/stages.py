"""Progress through the stages of a long command, on standard error: what is done, how long that takes, first answers.

A terminal has a bar for each stage; a file, or another program, gets a line now and then.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .estimates import APART, TOLD, Estimate, duration
from .screen import console

if TYPE_CHECKING:
    from rich.console import Console

# Stages that say how far they are from the beginning.
COUNTED = ("training", "controls")


def watched() -> bool:
    """Return whether progress is seen: standard error is a terminal. Into a log it would write bars that are full."""
    return sys.stderr is not None and sys.stderr.isatty()


class Stages:
    """A bar for each stage, and words about all of them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Measure by a clock in seconds."""
        self._clock = clock

    def __enter__(self) -> Stages:
        """Show nothing yet."""
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        self._screen: Console = console(stderr=True)
        self._watched = watched()
        columns = (TextColumn("{task.description:16}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
        self._bars = Progress(*columns, console=self._screen)
        self._tasks: dict[str, Any] = {}
        # When the last stage began or was heard of, and when its time was told last.
        self._heard = self._clock()
        self._told: float | None = None
        self._work, self._answered = "", False
        self._estimate = Estimate(self._heard, self._clock)
        return self

    def announce(self, work: str) -> None:
        """Say what a long command is going to do, as soon as its first stage begins.

        How long that takes is measured on its first part. Bad input, found before that, stays the only line.

        Args:
            work: what, with numbers.
        """
        self._work = work

    def first(self, answer: str) -> None:
        """Give an answer that is there before the work is done; of several the first one."""
        self._begin()
        if not self._answered:
            self._answered = True
            self._say(f"first answer: {answer}")

    def report(self, stage: str, share: float) -> None:
        """Show how far a stage is; a new stage ends the ones before."""
        self._begin()
        if self._watched:
            self._bars.start()
        if stage not in self._tasks:
            self._finish()
            unknown = share == 0.0 and stage not in COUNTED
            self._tasks[stage] = self._bars.add_task(stage, total=None if unknown else 1.0)
            # A stage that isn't heard of as it begins began where the one before was heard of last.
            began = self._clock() if share == 0.0 else self._heard
            self._estimate, self._told = Estimate(began, self._clock), None
        self._bars.update(self._tasks[stage], completed=share, total=1.0 if share > 0 else None)
        self._heard = self._clock()
        self._estimate.note(share)
        self._tell(stage, share)

    def _tell(self, stage: str, share: float) -> None:
        """Say how long a stage takes, once that is known to be long; where no bar shows it, again and again."""
        left = self._estimate.left
        if left is None or share >= 1:
            return
        if self._told is None:
            if left + self._estimate.elapsed >= TOLD:
                self._say(f"{stage}: about {duration(left)} left, as measured on the first {share:.1%}")
                self._told = self._heard
        elif not self._watched and self._heard - self._told >= APART:
            self._say(f"{stage}: {share:.1%} done, about {duration(left)} left")
            self._told = self._heard

    def _begin(self) -> None:
        if self._work:
            self._say(f"{self._work}; how long that takes is told when it can be measured")
            self._work = ""

    def _say(self, words: str) -> None:
        self._screen.print(words, soft_wrap=True)

    def _finish(self) -> None:
        for task in self._tasks.values():
            self._bars.update(task, total=1.0, completed=1.0)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End what is shown."""
        if kind is None:
            self._finish()
        if self._tasks and self._watched:
            self._bars.stop()
