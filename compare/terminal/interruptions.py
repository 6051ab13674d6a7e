"""What is said when work is stopped by Ctrl-C or a signal: commands only say what is kept."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from .screen import complain

# Exit code of a command that Ctrl-C stopped, as shells have it.
INTERRUPTED = 130
# What shells make the exit code of a signal of.
BY_SIGNAL = 128
# Sent when a cluster's time is up, and when a terminal is closed; not every system has both.
STOPPING = ("SIGTERM", "SIGHUP")

# Those that came.
_received: list[int] = []


@contextmanager
def stoppable() -> Iterator[None]:
    """Let signals that ask a process to end interrupt the block as Ctrl-C does.

    One that is ignored, as under nohup, or that somebody else handles stays so; other threads than the main one can't
    handle any.
    """
    before = {}
    if threading.current_thread() is threading.main_thread():
        numbers = [getattr(signal, name) for name in STOPPING if hasattr(signal, name)]
        free = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]
        before = {number: signal.signal(number, _stop) for number in free}
    _received.clear()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, _: FrameType | None) -> None:
    _received.append(number)
    raise KeyboardInterrupt


@contextmanager
def keeping(kept: Callable[[], str], *, goes_on: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Let work say what is kept of it if it is interrupted.

    Args:
        kept: returns what is kept by then, in words; empty for nothing.
        goes_on: returns whether the same command goes on from there.

    Raises:
        InterruptedRunError: for Ctrl-C.
    """
    from ..progress import InterruptedRunError

    try:
        yield
    except KeyboardInterrupt:
        raise InterruptedRunError(kept(), goes_on=goes_on()) from None


def tell(kept: str, *, goes_on: bool) -> int:
    """Say that a command was interrupted and what is kept of its work, and return its exit code."""
    ending = "; the same command goes on from there" if goes_on else ""
    by = f" by {signal.Signals(_received[0]).name}" if _received else ""
    complain(f"interrupted{by}: {kept}{ending}" if kept else f"interrupted{by}")
    return BY_SIGNAL + _received[0] if _received else INTERRUPTED
