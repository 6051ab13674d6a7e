"""Points on a sphere by themselves: the Thomson problem, the Tammes problem, symmetries, and distances between sets.

`thomson` finds lowest Coulomb energies, `codes` the largest angles, `point_groups` symmetries, `hulls` the edges of a
convex hull, and `alignment` how far two sets of points are apart after rotation and relabelling, with a proof.
`coulomb` and its compiled `kernels` are below. Begin with `thomson`:

    >>> from tegum.theory.spheres import coulomb_energy, thomson_minimum
    >>> round(thomson_minimum(4).energy, 9)  # the tetrahedron
    3.674234614
"""

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
