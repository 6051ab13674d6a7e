"""Training beside geometry: many equal features, one feature unlike the others, free packings, Thomson points.

`uniform` holds trained models against the best packings, `branch_runs` against followed minima, `free_packings`
searches with all weights free against the atlas, and `spheres` features against the Thomson problem. Begin with
`uniform`, and docs/uniform.md:

    >>> import numpy as np
    >>> from tegum.compare.geometry import thomson_comparison
    >>> comparison = thomson_comparison(np.array([[1.0, -0.5, -0.5], [0.0, 0.75**0.5, -(0.75**0.5)]]))
    >>> comparison.alignment.distance < 1e-6
    True
"""

from .branch_runs import DEAD, ELSEWHERE, ENDINGS, BranchRuns, branch_account, train_along
from .free_packings import FreeRow, survey
from .spheres import TOLERANCE, ThomsonComparison, represented, thomson_comparison
from .uniform import NOTHING, UniformRun, UniformSweep, check_uniform, train_uniform, uniform_run

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
    "check_uniform",
    "represented",
    "survey",
    "thomson_comparison",
    "train_along",
    "train_uniform",
    "uniform_run",
]
