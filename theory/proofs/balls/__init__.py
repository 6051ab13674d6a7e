"""Bounds of the loss of two features in one dimension over boxes of weights, in ball arithmetic and exact rationals.

This is what checks rest on. `moments` encloses the moments of one output, `bounds` the loss of a box, `curvature` its
Hessian, `exclusion` decides when a box holds no global minimum, and `convex_core` and `axis_core` enclose the minimiser
in a box. Nothing here knows the search. Begin with `bounds`:

    >>> from flint import fmpq
    >>> from tegum.theory.numerics import Range
    >>> from tegum.theory.proofs.balls import WeightBox
    >>> WeightBox(Range(fmpq(0), fmpq(1)), Range(fmpq(-1), fmpq(0))).mirrored().first
    Range(low=-1, high=0)
"""

from .axis_core import axis_minimiser
from .bounds import PairBounds
from .boxes import Pair, WeightBox
from .convex_core import Minimiser, above_on_grid, convex_minimiser, polished
from .exclusion import excluded

__all__ = [
    "Minimiser",
    "Pair",
    "PairBounds",
    "WeightBox",
    "above_on_grid",
    "axis_minimiser",
    "convex_minimiser",
    "excluded",
    "polished",
]
