"""How long work says how far it is, and that it was stopped."""

from __future__ import annotations

from collections.abc import Callable

# Called with the name of a stage, and how much of it is done.
Report = Callable[[str, float], None]


def quiet(_: str, __: float) -> None:
    """Say nothing: the `Report` of a caller who didn't ask."""


class InterruptedRunError(Exception):
    """Work was stopped with Ctrl-C; what was finished is kept.

    Args:
        kept: what, in words; empty if that is nothing.
        goes_on: whether the same call goes on from there.
    """

    def __init__(self, kept: str, *, goes_on: bool = True) -> None:
        """Keep what is kept as the message."""
        super().__init__(kept)
        self.goes_on = goes_on
