"""Intervals with proven ends, and the exact rationals that they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from flint import arb, fmpq


@dataclass(frozen=True)
class Interval:
    """A proven interval: the true value is at least `lower` and at most `upper`.

    Args:
        lower: left end.
        upper: right end.

    Example:
        >>> third = Interval(Fraction(33, 100), Fraction(34, 100))
        >>> third.contains("1/3"), third.midpoint
        (True, 0.335)
    """

    lower: Fraction
    upper: Fraction

    @property
    def width(self) -> Fraction:
        """The interval's length."""
        return self.upper - self.lower

    @property
    def midpoint(self) -> float:
        """The float64 number closest to the middle."""
        return float((self.lower + self.upper) / 2)

    def contains(self, value: Any) -> bool:
        """Return whether a number, taken exactly as `enclosure` takes weights, lies in the interval."""
        return self.distance(value) == 0

    def distance(self, value: Any) -> Fraction:
        """Return how far a number lies outside of the interval, 0 if it lies inside."""
        x = rational("value", value)
        return max(self.lower - x, x - self.upper, Fraction(0))


def rational(name: str, value: Any, kind: str = "a rational number") -> Fraction:
    """Return a number exactly as a fraction, or raise a `ValueError` that names it."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError("a truth value is no number")
        # NumPy's integers would stay inside the fraction, and overflow.
        return Fraction(value.item() if isinstance(value, np.generic) else value)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        raise ValueError(f"{name} must be {kind}, got {value!r}") from None


# In flint's rational numbers.
ZERO, HALF, THIRD = fmpq(0), fmpq(1, 2), fmpq(1, 3)


class Range(NamedTuple):
    """A closed interval with rational ends."""

    low: fmpq
    high: fmpq

    @property
    def width(self) -> fmpq:
        """Its length."""
        return self.high - self.low

    @property
    def middle(self) -> fmpq:
        """Its middle."""
        return (self.low + self.high) / 2

    def halves(self) -> tuple[Range, Range]:
        """Cut it in the middle."""
        return Range(self.low, self.middle), Range(self.middle, self.high)

    def times(self, other: Range) -> Range:
        """Return the range of products."""
        ends = [a * b for a in self for b in other]
        return Range(min(ends), max(ends))

    def squared(self) -> Range:
        """Return the range of squares."""
        ends = (self.low * self.low, self.high * self.high)
        return Range(ZERO if self.low <= 0 <= self.high else min(ends), max(ends))

    def ball(self) -> arb:
        """Return a ball around it."""
        return between(arb(self.low), arb(self.high))

    def within(self, other: Range) -> bool:
        """Return whether it lies inside another."""
        return bool(other.low <= self.low and self.high <= other.high)

    @property
    def size(self) -> fmpq:
        """The largest absolute value."""
        return max(abs(self.low), abs(self.high))


def between(low: arb, high: arb) -> arb:
    """Return a ball that holds everything from a lower to an upper bound."""
    return low.union(high)


def as_fmpq(value: Fraction) -> fmpq:
    """Return the same rational number in flint's representation."""
    return fmpq(value.numerator, value.denominator)


def as_fraction(value: fmpq) -> Fraction:
    """Return the same rational number in Python's representation."""
    return Fraction(int(value.p), int(value.q))


def as_interval(side: Range) -> Interval:
    """Return an interval in Python's numbers."""
    return Interval(as_fraction(side.low), as_fraction(side.high))
