"""The polytopes of the literature, by exact corners, and which of them a model's features form.

`corners` says what follows from a polytope's corners: dimensionalities, frames, energies, tegum products; `solids` has
those that are known by name, and `recognition` tells which one a tegum factor is closest to. Begin with `solids`, and
docs/geometry.md:

    >>> from tegum.theory import polytope
    >>> [str(share) for share in polytope("pentagon").dimensionality]
    ['2/5', '2/5', '2/5', '2/5', '2/5']
"""

from .corners import SAME, Polytope, points_of_gram, tegum_product
from .recognition import Likeness, Recognised, likeness, recognise
from .solids import polytope

__all__ = [
    "SAME",
    "Likeness",
    "Polytope",
    "Recognised",
    "likeness",
    "points_of_gram",
    "polytope",
    "recognise",
    "tegum_product",
]
