"""Rows split over threads: what works on them, compiled code or NumPy, releases the interpreter's lock.

A pool lives as long as its call, so that work on threads may split its own rows without waiting for its own pool.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


def cores() -> int:
    """Return the number of threads that work is split over."""
    return os.cpu_count() or 1


def slices(count: int, size: int) -> list[slice]:
    """Return slices that cover `range(count)` in pieces of at most `size`; one that is empty for no rows."""
    return [slice(begin, min(begin + size, count)) for begin in range(0, max(count, 1), size)]


def even_size(count: int, most: int) -> int:
    """Return a size of slices, at most `most`, by which all cores are busy to the end."""
    return max(1, min(most, -(-count // cores())))


def over_slices(
    work: Callable[[slice], Result], count: int, size: int, *, interrupt: Callable[[], None] | None = None
) -> list[Result]:
    """Return what `work` makes of slices of `count` rows, in their order, on all cores; a single slice runs in place.

    Args:
        work: called with a slice.
        count: rows.
        size: most rows of a slice.
        interrupt: called if a slice has failed or Ctrl-C was pressed, so that those which run can give up.

    Raises:
        BaseException: what the first slice that failed raised, or KeyboardInterrupt. Slices that hadn't begun never do.
    """
    pieces = slices(count, size)
    if len(pieces) == 1:
        return [work(pieces[0])]
    pool = ThreadPoolExecutor(min(cores(), len(pieces)))
    try:
        return list(pool.map(work, pieces))
    except BaseException:
        if interrupt is not None:
            interrupt()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
