"""What single arguments must be, and how those that aren't are refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np


def check_count(name: str, value: Any, least: int) -> None:
    """Raise `ValueError` unless a value is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")


def check_rate(name: str, value: float, *, zero: bool) -> None:
    """Raise `ValueError` unless a value is finite and positive, or 0 where that may be."""
    if not (np.isfinite(value) and (value > 0 or (zero and value == 0))):
        raise ValueError(f"{name} must be finite and {'not negative' if zero else 'positive'}, got {value!r}")


def check_choice(name: str, value: Any, options: Iterable[str]) -> None:
    """Raise `ValueError` unless a value is one of the options."""
    if value not in options:
        raise ValueError(f"{name} must be one of {', '.join(options)}, got {value!r}")


def check_kind(name: str, value: Any, kind: type) -> None:
    """Raise `ValueError` unless a value is one of a kind of record."""
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise ValueError(f"{name} must be {article} {kind.__name__}, got {value!r}")
