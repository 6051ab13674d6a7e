"""What an option that names a parameter and its range stands for, as density=0.01:1."""

from __future__ import annotations

import math
import re
from typing import Any

NUMBERED = re.compile(r"^(density|importance)\.(\d+(?:,\d+)*)$")


def ranged(option: str, text: str) -> tuple[Any, ...]:
    """Return name, low, high and perhaps the scale that an option names.

    Raises:
        ValueError: if it names none.

    Example:
        >>> ranged("--x", "density.2=1e-3:1:log")
        ('density[2]', 0.001, 1.0, 'log')
    """
    name, _, rest = text.partition("=")
    parts = rest.split(":")
    try:
        low, high = (float(part) for part in parts[:2])
        finite = math.isfinite(low) and math.isfinite(high)
    except ValueError:
        finite = False
    if not finite or len(parts) > 3:
        raise ValueError(f"{option} must be NAME=LOW:HIGH, with :log or :linear if need be, got {text!r}")
    # Brackets mean something to shells; both ways of writing are understood.
    return (NUMBERED.sub(r"\1[\2]", name.strip().replace("-", "_")), low, high, *parts[2:])
