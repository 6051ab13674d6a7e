"""theory/proofs/balls."""

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
