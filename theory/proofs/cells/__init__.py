"""theory/proofs/cells."""

from .cells import CellProof, DiagramCell, certified_cells
from .penalties import PenaltyBounds, penalty_bounds

__all__ = [
    "CellProof",
    "DiagramCell",
    "PenaltyBounds",
    "certified_cells",
    "penalty_bounds",
]
