"""How long work takes, measured on its first part: a constant would be of another machine."""

from __future__ import annotations

import time
from collections.abc import Callable

# Seconds from which a wait is worth a word, that are measured at least, and between two words to a file.
TOLD, MEASURED, APART = 10.0, 1.0, 30.0
# The first of many pieces may wait for code to be compiled: an estimate takes this share, or so many seconds.
ENOUGH, LONG = 0.05, 20.0
# What is reported so soon after a stage began was there before: it's no measure of what is left.
AT_ONCE = 0.2


class Estimate:
    """How long one stage of work takes, by what is done of it so far.

    Args:
        began: when it began, by `clock`.
        clock: seconds, by whatever clock.
    """

    def __init__(self, began: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Know nothing yet."""
        self._clock = clock
        self._since, self._from = began, 0.0
        self._done = 0.0

    def note(self, share: float) -> None:
        """Take note of the share that is done now."""
        now = self._clock()
        if now - self._since <= AT_ONCE and share > self._done:
            self._since, self._from = now, share
        self._done = share

    @property
    def elapsed(self) -> float:
        """Seconds since it began, without what was there before."""
        return self._clock() - self._since

    @property
    def left(self) -> float | None:
        """Seconds that are left, or None as long as that can't be told."""
        elapsed, done = self.elapsed, self._done - self._from
        measured = (elapsed >= MEASURED and done >= ENOUGH) or elapsed >= LONG
        return elapsed * (1 - self._done) / done if measured and done > 0 else None


def duration(seconds: float) -> str:
    """Return a time in words, no more precise than an estimate is.

    Example:
        >>> duration(8.3), duration(47), duration(140), duration(5400)
        ('8 s', '45 s', '2 min', '1 h 30 min')
    """
    if seconds < TOLD:
        return f"{max(round(seconds), 1)} s"
    if (near := 5 * round(seconds / 5)) <= 90:
        return f"{near} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"
