"""How long work says how far it is, and that it was stopped."""

from __future__ import annotations

from collections.abc import Callable

# Called with the name of a stage, and how much of it is done.
Report = Callable[[str, float], None]


def quiet(_: str, __: float) -> None:
    """Say nothing: the `Report` of a caller who didn't ask."""


class InterruptedRunError(Exception):
    """Training was stopped; what was finished is kept, and the same call goes on from there."""
