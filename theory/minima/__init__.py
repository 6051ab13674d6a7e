"""Local minima of the exact loss: where they are searched for, and where a point is judged.

A `landscape` is the loss over packed parameters, which all of this walks on. `starts` and `products` propose where to
begin, `descent` goes downhill by the exact Hessian in the `frames` that fix rotations, `search` sorts where that ends
into classes under `exchanges` of equal features, `unseen` says how much it may have missed, `critical_points` and
`curvature` judge, kinks included, `local` puts the list together and `lists` says what it holds; `batches`, `grids`
and `diagram` do so over a grid, `random_starts` from a number of starts that is given. `polishing` leads trained
weights downhill, and `gradients` those that have no Hessian; `biases` has the best bias for given weights. `folds`
says where a minimum ends in a saddle. Begin with `local`, and docs/minima.md for what is argued and checked:

    >>> from tegum.theory import diagram_model, local_minima
    >>> [point.phase for point in local_minima(diagram_model(2, 1, 0.1, 0.1))][:2]
    ['digon(1,2)', 'axis(1) + drop(2)']
"""

from .batches import census
from .biases import best_bias
from .critical_points import GRADIENT_TOLERANCE, SAME_LOSS, CriticalPoint, examine, flatness, invariants, snap
from .curvature import INFINITESIMAL, one_sided_hessians, smallest_curvature
from .descent import CHUNK, Descent, descend
from .diagram import MOST_ON_A_PLANE, DiagramMinima, check_superposition, diagram_minima, plane_minima
from .exchanges import Exchanges
from .folds import fold_system
from .frames import SMALL, distance, frame_zeros, hold, hold_frame, in_frame, orbit_projector, placed, turned_towards
from .gradients import CurvatureEstimate, Downhill, downhill, estimated_curvature
from .grids import GridMinima, grid_minima
from .landscape import CURVATURE_ROUNDING, SLOPE_ROUNDING, Landscape, inputs_of
from .lists import Minima, check_unmerged, is_merged
from .local import (
    MAX_LISTED_FEATURES,
    MAX_SEARCHED_FEATURES,
    check_searchable,
    global_minimum,
    local_minima,
)
from .parameters import pack, unpack
from .polishing import Polished, PolishedPoint, match, polish
from .random_starts import FoundMinimum, copies, random_minima
from .search import SAME, lowest_state
from .unseen import Coverage, coverage

__all__ = [
    "CHUNK",
    "CURVATURE_ROUNDING",
    "GRADIENT_TOLERANCE",
    "INFINITESIMAL",
    "MAX_LISTED_FEATURES",
    "MAX_SEARCHED_FEATURES",
    "MOST_ON_A_PLANE",
    "SAME",
    "SAME_LOSS",
    "SLOPE_ROUNDING",
    "SMALL",
    "Coverage",
    "CriticalPoint",
    "CurvatureEstimate",
    "Descent",
    "DiagramMinima",
    "Downhill",
    "Exchanges",
    "FoundMinimum",
    "GridMinima",
    "Landscape",
    "Minima",
    "Polished",
    "PolishedPoint",
    "best_bias",
    "census",
    "check_searchable",
    "check_superposition",
    "check_unmerged",
    "copies",
    "coverage",
    "descend",
    "diagram_minima",
    "distance",
    "downhill",
    "estimated_curvature",
    "examine",
    "flatness",
    "fold_system",
    "frame_zeros",
    "global_minimum",
    "grid_minima",
    "hold",
    "hold_frame",
    "in_frame",
    "inputs_of",
    "invariants",
    "is_merged",
    "local_minima",
    "lowest_state",
    "match",
    "one_sided_hessians",
    "orbit_projector",
    "pack",
    "placed",
    "plane_minima",
    "polish",
    "random_minima",
    "smallest_curvature",
    "snap",
    "turned_towards",
    "unpack",
]
