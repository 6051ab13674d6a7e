"""Intervals of floats and boxes of one output's parameters, for compiled code.

Numba passes these records without any cost: they are taken apart when it compiles.
"""

from __future__ import annotations

from typing import NamedTuple

from ...numerics import compiled


class Span(NamedTuple):
    """The numbers from `low` to `high`."""

    low: float
    high: float


class OutputBox(NamedTuple):
    """Ranges of an output's own slope s, the other feature's slope g, and the bias β."""

    s: Span
    g: Span
    bias: Span


@compiled
def product(a: Span, b: Span) -> Span:
    """Return the range of products; exact but for the last bit."""
    return Span(
        min(min(a.low * b.low, a.low * b.high), min(a.high * b.low, a.high * b.high)),
        max(max(a.low * b.low, a.low * b.high), max(a.high * b.low, a.high * b.high)),
    )


@compiled
def squared(a: Span) -> Span:
    """Return the range of squares."""
    low, high = min(a.low * a.low, a.high * a.high), max(a.low * a.low, a.high * a.high)
    return Span(0.0 if a.low <= 0 <= a.high else low, high)


@compiled
def size(a: Span) -> float:
    """Return the largest absolute value."""
    return max(-a.low, a.high)
