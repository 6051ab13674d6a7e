"""What is said when somebody presses Ctrl-C: commands only say what is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from .console import complain

INTERRUPTED = 130


@contextmanager
def keeping(kept: Callable[[], str], *, goes_on: bool = True) -> Iterator[None]:
    """Let work say what is kept of it if it is interrupted.

    Args:
        kept: returns what is kept by then, in words; empty for nothing.
        goes_on: whether the same command goes on from there.

    Raises:
        InterruptedRunError: for Ctrl-C.
    """
    from ..progress import InterruptedRunError

    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedRunError(kept(), goes_on=goes_on) from None


def tell(kept: str, *, goes_on: bool) -> int:
    """Say that a command was interrupted and what is kept of its work, and return its exit code."""
    ending = "; the same command goes on from there" if goes_on else ""
    complain(f"interrupted: {kept}{ending}" if kept else "interrupted")
    return INTERRUPTED
