"""Options that several commands share, and what their words stand for."""

from __future__ import annotations

from typing import Annotated

import typer

# What an axis of numbers, and one of whole numbers, may be written as.
GRID = "a number, a list as 0.1,0.3, or LOW:HIGH:COUNT, evenly spaced in the logarithm"
WHOLE_GRID = "a number, a list as 2,3,5, or LOW:HIGH for all in between"

# Values of one option at most.
MOST_VALUES = 1_000_000

# The number of features.
Features = Annotated[int, typer.Option("--features", help="Number of features n.")]
# The number of hidden dimensions.
Hidden = Annotated[int, typer.Option("--hidden", help="Number of hidden dimensions m.")]
# 1 − S of all features.
Density = Annotated[float, typer.Option("--density", help="Feature density 1-S, in (0, 1].")]
# The last feature's, in units of the others'.
Importance = Annotated[float, typer.Option("--importance", help="Importance of the last feature against the others.")]
# A number or a list; read by `whole_numbers`.
Seeds = Annotated[str, typer.Option(help="Number of seeds, or which, as 0,3,9 or 5:8.")]
# How weights lie in somebody's file.
Layout = Annotated[
    str, typer.Option(help="Axes of W in a file: 'hidden-feature', 'feature-hidden', or 'auto' to tell by their sizes.")
]
# The name of W in somebody's file, and of b.
WeightsName = Annotated[
    str | None, typer.Option("--weights-name", help="Name of W in the file; default told by the names of the field.")
]
BiasName = Annotated[
    str | None, typer.Option("--bias-name", help="Name of b in the file; default told by the names of the field.")
]
# Every command that prints has it.
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


class _TooManyError(ValueError):
    """A range stands for more values than fit into memory."""


def _check_count(name: str, count: int) -> None:
    """Raise `ValueError` if a range has more values than anybody asks for."""
    if count > MOST_VALUES:
        raise _TooManyError(f"--{name} must be at most {MOST_VALUES:,} values, got a range of {count:,}")


def whole_numbers(name: str, text: str) -> int | list[int]:
    """Return the whole numbers that a text stands for; one alone is no list.

    Raises:
        ValueError: if it stands for none.
    """
    try:
        if ":" in text:
            low, high = map(int, text.split(":"))
            _check_count(name, high - low + 1)
            return list(range(low, high + 1))
        values = [int(part) for part in text.split(",")]
    except _TooManyError:
        raise
    except ValueError:
        raise ValueError(f"--{name} must be {WHOLE_GRID}, got {text!r}") from None
    return values if "," in text else values[0]


def numbers(name: str, text: str) -> float | list[float]:
    """Return the values that a text stands for; one alone is no dimension.

    Raises:
        ValueError: if it stands for none.
    """
    from numpy import geomspace

    try:
        if ":" in text:
            low, high, count = text.split(":")
            ends = float(low), float(high)
            if not (min(ends) > 0 and max(ends) < float("inf")):
                raise ValueError
            _check_count(name, int(count))
            return [float(value) for value in geomspace(*ends, int(count))]
        values = [float(part) for part in text.split(",")]
    except _TooManyError:
        raise
    except ValueError:
        raise ValueError(f"--{name} must be {GRID}, got {text!r}") from None
    return values if "," in text else values[0]
