"""The best use of hidden dimensions for many equal features: which polytope, at which density.

Features in different tegum factors add up, so with n ≫ m the optimum fills the hidden space with copies of one
polytope: the one that saves most for each dimension it takes. What is known is an atlas of polytopes: that none beats
them isn't proved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..models import Amplitude, one_amplitude
from ..numerics import Summarised, check_kind, members
from .polytope import Packed, check_density, packed
from .shapes import Shape

# Irreducible polytopes, all corners alike. Cross-polytopes are digons, and squares too.
ATLAS = (
    "axis",
    "digon",
    *("triangle", "pentagon", "hexagon", "heptagon", "octagon"),
    *("tetrahedron", "antiprism", "cube", "icosahedron"),
    *("5-cell", "rectified 5-cell", "2-3 duoantiprism", "24-cell"),
    *("5-simplex", "6-simplex", "hemicube", "2_21", "3_21", "4_21"),
)
# Gains that differ by less than this share of the best are equal: dense constant features are stored linearly, where
# every tight frame saves the same.
TIED = 1e-10
# Densities within this factor lead from one optimum to the other.
CLOSE = 1.2


@dataclass(frozen=True, eq=False)
class BestPacking(Summarised):
    """The cheapest use of dimensions at one density.

    Attributes:
        density: 1 − S; None if exactly one feature is on.
        best: the polytope of largest gain.
        others: the rest of the atlas, best first.
        margin: difference of the gains of the best two.
        amplitude: of active features.
    """

    density: float | None
    best: Packed
    others: tuple[Packed, ...]
    margin: float
    amplitude: Amplitude

    @property
    def polytopes(self) -> tuple[Packed, ...]:
        """The whole atlas, best first."""
        return (self.best, *self.others)

    @property
    def mean(self) -> float:
        """E[x_i], which a feature that isn't represented is answered with; 0 in the limit of one feature on."""
        return 0.0 if self.density is None else self.density * float(self.amplitude.mean)

    @property
    def dropped(self) -> float:
        """What a feature that isn't represented costs, ℓ₀."""
        chance = 1.0 if self.density is None else self.density
        return chance * float(self.amplitude.second_moment) - self.mean**2


def check_among(among: Sequence[str]) -> tuple[str, ...]:
    """Return names of polytopes.

    Raises:
        ValueError: if there are none, or one is unknown.
    """
    names = members("among", among, str, least=1)
    for name in names:
        try:
            Shape.of(name)
        except ValueError as error:
            raise ValueError(f"among lists shapes: {error}") from None
    return tuple(names)


def best_packing(
    density: float | None,
    *,
    amplitude: Any = "uniform",
    among: Sequence[str] = ATLAS,
    near: BestPacking | None = None,
) -> BestPacking:
    """Return the cheapest use of hidden dimensions for equal features, many more than dimensions.

    Args:
        density: 1 − S in (0, 1); None for exactly one of many features on.
        amplitude: "uniform", "constant" (Bernoulli features), or another `Amplitude`.
        among: names of polytopes.
        near: the result at another density, whose optima are more places to start from if that is within `CLOSE`.

    Returns:
        The record, with every polytope of the atlas.

    Raises:
        ValueError: as `packed`, and if there is no polytope.

    Source:
        The question: arXiv:2209.10652, "The Geometry of Superposition", uniform superposition.

    Example:
        >>> [best_packing(density, among=("axis", "digon", "triangle", "pentagon")).best.name for density in (0.7, 0.4)]
        ['triangle', 'digon']
    """
    density = check_density(density)
    among = check_among(among)
    check_kind("near", near, BestPacking, optional=True)
    known = close_packing(near, density)
    found = [packed(name, density, amplitude=amplitude, near=known.get(name)) for name in among]
    top = max(one.gain for one in found)
    # The sort is stable: of equal ones the first of the atlas is named.
    found.sort(key=lambda one: -top if one.gain >= top - TIED * abs(top) else -one.gain)
    margin = max(found[0].gain - found[1].gain, 0.0) if len(found) > 1 else float("inf")
    return BestPacking(density, found[0], tuple(found[1:]), margin, one_amplitude("packing", amplitude))


def close_packing(packing: BestPacking | None, density: float | None) -> dict[str, Packed]:
    """Return the polytopes of a packing by name, none if its density isn't close."""
    if packing is None or packing.density is None or density is None:
        return {}
    if max(packing.density / density, density / packing.density) > CLOSE:
        return {}
    return {one.name: one for one in packing.polytopes}
