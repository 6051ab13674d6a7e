"""Critical points followed along a family of models, through folds, to where they cross and where they end.

`equations` says what holds on a branch, `branch` follows one, `limits` says where it stops being a minimum and why, and
`arcs` are its parts that are minima. `diagram` finds all minima of a family and follows each, and `changes` lists where
the cheapest changes. A `Family` is made in `models`. Begin with `diagram`, and docs/deformation.md for what comes of
it:

    >>> from tegum.theory.branches import branch_diagram
    >>> from tegum.theory.models import one_more_important
    >>> diagram = branch_diagram(one_more_important(2, 1, 0.1, 0.5, 1.0), [0.6, 0.9], starts=8)
    >>> len(diagram.changes)  # from t = 0.5 to 1 the pair stays cheapest
    0
"""

from .arcs import Arc, apart
from .branch import Branch, follow_branches
from .changes import Change
from .diagram import BranchDiagram, branch_diagram
from .limits import Limit

__all__ = [
    "Arc",
    "Branch",
    "BranchDiagram",
    "Change",
    "Limit",
    "apart",
    "branch_diagram",
    "follow_branches",
]
