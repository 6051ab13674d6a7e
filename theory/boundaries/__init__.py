"""Curves where two minima cost the same or one stops being one, and the special points on them.

`paths` follows minima from cell to cell of a plane, `equations` says what holds on a boundary, `curves` traces each
once with the help of `atlas`; `meetings`, `precise_meetings` and `degenerate` solve for the points where several meet
or a transition changes its nature, which `third_derivatives` tell; `named_points`, `segments` and `exponents` say what
they are, and `map` holds it all. `crossings` and `grid_curves` find the optimum's boundaries alone, for any number of
features. `pair_penalty` is the surface that ends the storage of a pair. Begin with `map`, and
docs/boundaries.md:

    >>> from tegum.theory.boundaries import critical_penalty
    >>> str(critical_penalty(0.1, 1.0).status)
    'first order'
"""

from .crossings import Crossing, grid_crossings
from .curves import BoundaryCurve, seed_diagram
from .exponents import Exponents
from .grid_curves import GridBoundaries, grid_boundaries
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
    "Crossing",
    "Exponents",
    "GridBoundaries",
    "PreciseMeeting",
    "PreciseMinimum",
    "PrecisePiece",
    "SpecialPoint",
    "boundary_map",
    "coexistence_curve",
    "critical_penalty",
    "grid_boundaries",
    "grid_crossings",
    "phase_boundaries",
    "precise_meeting",
    "precise_minimum",
    "seed_diagram",
    "special_points",
    "stability_limit",
    "storage_cost",
]
