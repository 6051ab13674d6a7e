"""What single arguments must be, and how those that aren't are refused."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import numpy as np


def is_real(value: Any) -> bool:
    """Return whether a value is a real number, not an array of them, and not a truth value."""
    return isinstance(value, (int, float, Fraction, np.integer, np.floating)) and not isinstance(value, bool)


def check_count(name: str, value: Any, least: int = 1, most: int | None = None) -> None:
    """Raise `ValueError` unless a value is a whole number, Python's or NumPy's, of at least `least`, up to `most`."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be an integer {allowed}, got {value!r}")


def check_rate(name: str, value: Any, *, zero: bool = False) -> None:
    """Raise `ValueError` unless a value is finite and positive, or 0 where that may be."""
    if not (is_real(value) and np.isfinite(float(value)) and (value > 0 or (zero and value == 0))):
        raise ValueError(f"{name} must be finite and {'not negative' if zero else 'positive'}, got {value!r}")


def check_choice(name: str, value: Any, options: Iterable[str]) -> None:
    """Raise `ValueError` unless a value is one of the options."""
    if not isinstance(value, str) or value not in options:
        raise ValueError(f"{name} must be one of {', '.join(options)}, got {value!r}")


def check_kind(name: str, value: Any, kind: type) -> None:
    """Raise `ValueError` unless a value is one of a kind of record."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise ValueError(f"{name} must be {article} {kind.__name__}, got {type(value).__name__}")
