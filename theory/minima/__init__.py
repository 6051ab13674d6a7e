"""theory/minima."""

from .critical_points import GRADIENT_TOLERANCE, CriticalPoint, examine, invariants, snap
from .curvature import INFINITESIMAL, one_sided_hessians, smallest_curvature
from .descent import CHUNK, Descent, descend
from .diagram import DiagramMinima, check_superposition, diagram_minima, plane_minima
from .frames import SMALL, distance, frame_zeros, hold, hold_frame, in_frame, turned_towards
from .local import MAX_SEARCHED_FEATURES, SAME, census, global_minimum, local_minima
from .parameters import expand, pack, unpack
from .polishing import SAME_LOSS, Polished, match, polish
from .random_starts import FoundMinimum, copies, random_minima

__all__ = [
    "CHUNK",
    "GRADIENT_TOLERANCE",
    "INFINITESIMAL",
    "MAX_SEARCHED_FEATURES",
    "SAME",
    "SAME_LOSS",
    "SMALL",
    "CriticalPoint",
    "Descent",
    "DiagramMinima",
    "FoundMinimum",
    "Polished",
    "census",
    "check_superposition",
    "copies",
    "descend",
    "diagram_minima",
    "distance",
    "examine",
    "expand",
    "frame_zeros",
    "global_minimum",
    "hold",
    "hold_frame",
    "in_frame",
    "invariants",
    "local_minima",
    "match",
    "one_sided_hessians",
    "pack",
    "plane_minima",
    "polish",
    "random_minima",
    "smallest_curvature",
    "snap",
    "turned_towards",
    "unpack",
]
