"""How much a command does unless its options say: what takes less than two minutes, or with --full all of it."""

from __future__ import annotations

from typing import Annotated, TypeVar

import typer

from .given import given

Value = TypeVar("Value")

# What the documentation quotes.
Full = Annotated[
    bool, typer.Option("--full", help="Defaults as large as the documentation's numbers, which may take far longer.")
]


def by_effort(given: Value | None, quick: Value, whole: Value, *, full: bool) -> Value:
    """Return the value of an option, or its default.

    Args:
        given: what was written, or None.
        quick: the default.
        whole: that of --full.
        full: whether --full was written.

    Example:
        >>> by_effort(None, 10, 30, full=False), by_effort(None, 10, 30, full=True), by_effort(7, 10, 30, full=True)
        (10, 30, 7)
    """
    if given is not None:
        return given
    return whole if full else quick


def in_time(*free: str) -> str:
    """Return what is announced of defaults, "" if an option was written that may change how long they take.

    Args:
        *free: names of parameters that don't.
    """
    if set(given()) - {"out", "as_json", *free}:
        return ""
    return ", which takes less than two minutes on two cores that nothing else uses"


def either(quick: object, whole: object) -> str:
    """Return what the help of an option says of its defaults."""
    return f"default {quick}, with --full {whole}"
