"""The shapes that are packed: a polytope's corners, and the share that a stretched one has free."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from ..numerics import FloatArray, gamma
from ..polytopes import Polytope, polytope

# Roundings of an overlap of unit vectors, besides those for each dimension.
OVERLAP = 6
# Polytopes with a free share: the coordinates that it is the square of. It is their number over d for a tight frame.
STRETCHED = {"antiprism": (2,), "2-3 duoantiprism": (0, 1)}


def corners(solid: Polytope, share: float) -> FloatArray:
    """Return a polytope's corners, shape (d, k), with the free share of those that have one; NaN leaves them alone."""
    points = np.asarray(solid.points)
    if np.isnan(share):
        return points
    rows = list(STRETCHED[solid.name])
    tight = len(rows) / solid.dim
    factors = np.full((solid.dim, 1), np.sqrt((1 - share) / (1 - tight)))
    factors[rows] = np.sqrt(share / tight)
    return np.asarray(points * factors)


@dataclass(frozen=True, eq=False)
class Shape:
    """A polytope with the place x = (log ‖W_i‖², bias, free share if there is one) of its features.

    Attributes:
        solid: the polytope.
        rows: the coordinates that the free share is the square of, none where there is no free share.
    """

    solid: Polytope
    rows: tuple[int, ...]

    @classmethod
    def of(cls, shape: str | Polytope) -> Shape:
        """Return the shape of a name, stretched where it can be, or of a polytope as it is.

        Raises:
            ValueError: if there is no polytope of the name.
        """
        return cls(shape, ()) if isinstance(shape, Polytope) else _named(shape)

    @cached_property
    def alike(self) -> bool:
        """Whether all corners see the same overlaps, but for their rounding."""
        close = 2 * float(gamma(self.solid.dim + OVERLAP))
        return bool(np.ptp(np.sort(self.solid.gram, axis=1), axis=0).max() <= close)

    def share(self, x: FloatArray) -> float:
        """Return the free share at a place, NaN where there is none."""
        return float(x[2]) if self.rows else float("nan")

    def corners(self, x: FloatArray) -> FloatArray:
        """Return the corners at a place, shape (d, k)."""
        return corners(self.solid, self.share(x))

    def weights(self, x: FloatArray) -> FloatArray:
        """Return W at a place, shape (d, k)."""
        return np.asarray(np.sqrt(np.exp(x[0])) * self.corners(x))

    def steps(self, share: float) -> FloatArray:
        """Return the derivatives of the logarithms of squared coordinates in the share, shape (d, 1)."""
        steps = np.full((self.solid.dim, 1), -1 / (1 - share))
        steps[list(self.rows)] = 1 / share
        return steps


@lru_cache(maxsize=128)
def _named(name: str) -> Shape:
    """Return the shape of a name, whose overlaps are worked out once."""
    return Shape(polytope(name), STRETCHED.get(name, ()))
