"""Proofs over whole cells of densities and importances of the diagram of two features, penalties included.

`cells` proves which phase is the global minimum at every point of a cell; `columns` bounds what every rival costs over
a column of cells, `small_overlap` what a small overlap costs, and `penalties` proves bounds of the critical
interference penalty. Begin with `cells`, and docs/certified-diagram.md:

    >>> from tegum.theory.proofs.cells import penalty_bounds
    >>> bounds = penalty_bounds(0.1, 1.0)
    >>> bounds.lower <= bounds.upper
    True
"""

from .cells import CellProof, DiagramCell, certified_cells
from .penalties import PenaltyBounds, penalty_bounds

__all__ = [
    "CellProof",
    "DiagramCell",
    "PenaltyBounds",
    "certified_cells",
    "penalty_bounds",
]
