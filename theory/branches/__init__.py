"""theory/branches."""

from .branch import Branch, follow_branches
from .diagram import Arc, BranchDiagram, Change, apart, branch_diagram
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
