"""theory/spheres."""

from .alignment import Alignment, best_alignment
from .codes import SphericalCode, spherical_code
from .coulomb import coulomb_energy
from .hulls import hull_edges
from .point_groups import SAME, rotation_axes, symmetries
from .thomson import ThomsonMinimum, thomson_minimum

__all__ = [
    "SAME",
    "Alignment",
    "SphericalCode",
    "ThomsonMinimum",
    "best_alignment",
    "coulomb_energy",
    "hull_edges",
    "rotation_axes",
    "spherical_code",
    "symmetries",
    "thomson_minimum",
]
