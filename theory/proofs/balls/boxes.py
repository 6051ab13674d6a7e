"""Boxes of weights (w_1, w_2) with rational ends, and the model that proofs are about, in rational numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from flint import fmpq

from ...numerics import THIRD, Range, Summarised


class WeightBox(NamedTuple):
    """A box of weights w = (w_1, w_2)."""

    first: Range
    second: Range

    def quarters(self) -> list[WeightBox]:
        """Cut both sides in the middle."""
        return [WeightBox(a, b) for a in self.first.halves() for b in self.second.halves()]

    def within(self, other: WeightBox) -> bool:
        """Return whether it lies inside another."""
        return self.first.within(other.first) and self.second.within(other.second)

    @property
    def overlap(self) -> Range:
        """Range of g = w_1 w_2."""
        return self.first.times(self.second)

    def mirrored(self) -> WeightBox:
        """Return the box of −w."""
        return WeightBox(Range(-self.first.high, -self.first.low), Range(-self.second.high, -self.second.low))


@dataclass(frozen=True)
class Pair(Summarised):
    """The model, as exact rationals.

    Attributes:
        density: P(x_i ≠ 0).
        importance: I_1 and I_2.
        penalty: λ, on 2 w_1² w_2².
    """

    density: fmpq
    importance: tuple[fmpq, fmpq]
    penalty: fmpq

    @property
    def dropped(self) -> fmpq:
        """Cost p/3 − p²/4 of a feature that isn't stored, at importance 1."""
        return self.density * THIRD - self.density * self.density / 4
