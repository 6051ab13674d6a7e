"""compare/geometry."""

from .branch_runs import DEAD, ELSEWHERE, ENDINGS, BranchRuns, branch_account, train_along
from .free_packings import FreeRow, survey
from .spheres import TOLERANCE, ThomsonComparison, represented, thomson_comparison
from .uniform import NOTHING, UniformRun, UniformSweep, train_uniform, uniform_run

__all__ = [
    "DEAD",
    "ELSEWHERE",
    "ENDINGS",
    "NOTHING",
    "TOLERANCE",
    "BranchRuns",
    "FreeRow",
    "ThomsonComparison",
    "UniformRun",
    "UniformSweep",
    "branch_account",
    "represented",
    "survey",
    "thomson_comparison",
    "train_along",
    "train_uniform",
    "uniform_run",
]
