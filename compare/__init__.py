"""Theory beside training.

`phase_diagram` computes exact minima, boundaries and trained models as one dataset (`diagram`, `dataset`); `agreement`
accounts for every run (`ledger`); `figures` draws; `published` holds the fixed candidates of 2022; `cli` is the command
line. `foreign` holds other people's results against theory: whole weights (`weights`) or a table of two numbers for
each cell (`cell_table`). `basins` counts which minimum seeds end in, `basin_planes` maps where in the plane of initial
weights they come from. `thomson` solves the Thomson problem, with the energies of `coulomb`, compiled in
`coulomb_kernels`, and the symmetries of `point_groups`; `spherical_codes` solves the Tammes problem.
`sphere_comparison` holds features against the first, with the `alignment` of two sets of points. `uniform` holds models
of many equal features against the best packings. `point_figures` draws configurations. Names are loaded when they are
first used, so that the command line starts without torch.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tegum.theory.spheres.alignment import Alignment, best_alignment
    from tegum.theory.geometry.arrangements import arrangement
    from .basins.planes import basin_plane
    from .basins.shares import BasinSettings, basin_shares, load_basins, wilson_interval
    from .geometry.branch_runs import BranchRuns, train_along
    from .foreign.cell_table import CellTable, ColumnMeaning, read_table
    from tegum.theory.spheres.coulomb import coulomb_energy
    from .diagrams.dataset import curves_of, load, minima_of, model_of, save
    from .diagrams.diagram import DiagramSettings, InterruptedRunError, phase_diagram
    from .foreign.comparison import TableAccount, compare_table, foreign_diagram, table_account
    from .diagrams.ledger import Ledger, agreement
    from .figures.points import draw_features, draw_points, save_turntable
    from .geometry.spheres import ThomsonComparison, thomson_comparison
    from tegum.theory.spheres.codes import SphericalCode, spherical_code
    from tegum.theory.spheres.thomson import ThomsonMinimum, thomson_minimum
    from .geometry.uniform import UniformRun, UniformSweep, train_uniform, uniform_run
    from .foreign.weights import WeightBatch, read_many, read_weights

__all__ = [
    "Alignment",
    "BasinSettings",
    "BranchRuns",
    "CellTable",
    "ColumnMeaning",
    "DiagramSettings",
    "InterruptedRunError",
    "Ledger",
    "SphericalCode",
    "TableAccount",
    "ThomsonComparison",
    "ThomsonMinimum",
    "UniformRun",
    "UniformSweep",
    "WeightBatch",
    "agreement",
    "arrangement",
    "basin_plane",
    "basin_shares",
    "best_alignment",
    "compare_table",
    "coulomb_energy",
    "curves_of",
    "draw_features",
    "draw_points",
    "foreign_diagram",
    "load",
    "load_basins",
    "minima_of",
    "model_of",
    "phase_diagram",
    "read_many",
    "read_table",
    "read_weights",
    "save",
    "save_turntable",
    "spherical_code",
    "table_account",
    "thomson_comparison",
    "thomson_minimum",
    "train_along",
    "train_uniform",
    "uniform_run",
    "wilson_interval",
]

_HOMES = {
    "alignment": ("Alignment", "best_alignment"),
    "arrangements": ("arrangement",),
    "basin_planes": ("basin_plane",),
    "basins": ("BasinSettings", "basin_shares", "load_basins", "wilson_interval"),
    "branch_runs": ("BranchRuns", "train_along"),
    "cell_table": ("CellTable", "ColumnMeaning", "read_table"),
    "coulomb": ("coulomb_energy",),
    "dataset": ("curves_of", "load", "minima_of", "model_of", "save"),
    "diagram": ("DiagramSettings", "InterruptedRunError", "phase_diagram"),
    "foreign": ("TableAccount", "compare_table", "foreign_diagram", "table_account"),
    "ledger": ("Ledger", "agreement"),
    "point_figures": ("draw_features", "draw_points", "save_turntable"),
    "sphere_comparison": ("ThomsonComparison", "thomson_comparison"),
    "spherical_codes": ("SphericalCode", "spherical_code"),
    "thomson": ("ThomsonMinimum", "thomson_minimum"),
    "uniform": ("UniformRun", "UniformSweep", "train_uniform", "uniform_run"),
    "weights": ("WeightBatch", "read_many", "read_weights"),
}


def __getattr__(name: str) -> Any:
    for home, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f".{home}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
