"""theory/packing."""

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
