"""theory/boundaries."""

from .curves import BoundaryCurve, seed_diagram
from .exponents import Exponents
from .map import (
    BoundaryMap,
    boundary_map,
    coexistence_curve,
    phase_boundaries,
    special_points,
    stability_limit,
)
from .named_points import SpecialPoint
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
