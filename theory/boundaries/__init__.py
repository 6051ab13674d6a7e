"""theory/boundaries."""

from .curves import BoundaryCurve, coexistence_curve, phase_boundaries, seed_diagram, stability_limit
from .exponents import Exponents
from .map import BoundaryMap, boundary_map
from .named_points import SpecialPoint, special_points
from .pair_penalty import CriticalPenalty, critical_penalty, storage_cost
from .precise_meetings import PreciseMeeting, PreciseMinimum, PrecisePiece, precise_meeting, precise_minimum
from .segments import BoundarySegment

__all__ = [
    "BoundaryCurve",
    "BoundaryMap",
    "BoundarySegment",
    "CriticalPenalty",
    "Exponents",
    "PreciseMeeting",
    "PreciseMinimum",
    "PrecisePiece",
    "SpecialPoint",
    "boundary_map",
    "coexistence_curve",
    "critical_penalty",
    "phase_boundaries",
    "precise_meeting",
    "precise_minimum",
    "seed_diagram",
    "special_points",
    "stability_limit",
    "storage_cost",
]
