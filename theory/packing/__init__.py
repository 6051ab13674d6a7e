"""Which polytopes many equal features form: the best use of hidden dimensions at each density.

`polytope` finds the best scale and bias of one of the `shapes` by its `losses`, some from `counted_patterns`; `best`
compares an atlas of them, `transitions` says where along the densities the best changes; `finite` packs given sizes,
`classes` features of several importances, `free` a few points with all weights free, and `shared_axis` lets features
share one axis. Begin with `best`, and docs/packing.md:

    >>> from tegum.theory.packing import packed
    >>> pair = packed("digon", 0.1)
    >>> round(pair.loss, 10), round(pair.scale, 4)  # the global minimum of two features in one dimension
    (0.003319484, 1.0116)
"""

from .best import BestPacking, best_packing
from .classes import Factor, SharedPacking, class_factors, mixed_factors, shared_packing
from .finite import FinitePacking, finite_packing
from .free import MAX_CORNERS, FreePacking, free_packing
from .polytope import Packed, packed
from .shared_axis import OneAxis, one_axis, shared_axes
from .transitions import Transition, packing_transitions

__all__ = [
    "MAX_CORNERS",
    "BestPacking",
    "Factor",
    "FinitePacking",
    "FreePacking",
    "OneAxis",
    "Packed",
    "SharedPacking",
    "Transition",
    "best_packing",
    "class_factors",
    "finite_packing",
    "free_packing",
    "mixed_factors",
    "one_axis",
    "packed",
    "packing_transitions",
    "shared_axes",
    "shared_packing",
]
