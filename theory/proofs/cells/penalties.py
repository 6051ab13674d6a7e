"""Proven bounds of the critical interference penalty at one point of the (density, importance) plane.

Below: an antipodal state whose loss, enclosed in ball arithmetic, is so much less than that of an axis; or the closed
form (r ℓ₀ − κ)/2 of the limit of small overlaps. Above: a penalty at which `certified_cells` proves that the axis is
the global minimum, and so, by monotony, at every larger one; or the closed bound min(1, r) ℓ₀. docs/open-problems.md
has the arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from ...boundaries import critical_penalty, storage_cost
from ...enclosures import enclosure
from ...models import IndependentFeatures, ToyModel
from ...numerics import check_number
from .cells import LEAST_DENSITY, DiagramCell, certified_cells

# Penalties at which a proof is tried: λ_c and these shares of r ℓ₀ more, without and with divisions of the cell.
MARGINS, DIVISIONS = (0.01, 0.02, 0.05, 0.1, 0.2), (0, 2)
# Width of the cell around a point, as a share of its density and importance.
THIN = 2.0**-20
# Next to r = 1, where both axes cost nearly the same, a search doesn't come to an end: the bound there is that at this
# importance and (2 + √2) ℓ₀ for each unit of importance that is missing.
NEARLY_ONE, SLOPE = 0.998, 3.4143
# By how much the closed form is rounded down, as a share of r ℓ₀.
ROUNDED = 1e-13


@dataclass(frozen=True)
class PenaltyBounds:
    """What is proved about λ_c at a point.

    Attributes:
        density: 1 − S.
        importance: r.
        lower: for every λ below it a pair is stored: no global minimiser has w₁w₂ = 0, and one has w₁w₂ < 0.
        upper: for every λ from it on, one feature has an axis and the other is dropped.
        lower_by: "state", "closed form" or "zero".
        upper_by: "search" or "closed bound".
    """

    density: float
    importance: float
    lower: float
    upper: float
    lower_by: str
    upper_by: str


def penalty_bounds(density: float, importance: float) -> PenaltyBounds:
    """Return proven bounds of λ_c(p, r).

    Args:
        density: p in [0.01, 1].
        importance: r > 0.

    Raises:
        ValueError: if the density isn't within [0.01, 1], or as `critical_penalty`.

    Example:
        >>> bounds = penalty_bounds(0.3, 0.6)
        >>> round(bounds.lower, 6), bounds.lower_by, bounds.upper < 1.05 * bounds.lower, bounds.upper_by
        (0.017737, 'state', True, 'search')
    """
    density = check_number("density", density, above=0, most=1)
    importance = check_number("importance", importance, above=0)
    if not LEAST_DENSITY <= density <= 1:
        raise ValueError(f"density must be within [{LEAST_DENSITY}, 1], got {density}")
    if importance > 1:
        # With the features exchanged the loss is r times that with 1 / r.
        other = penalty_bounds(density, 1 / importance)
        lower, upper = other.lower * importance * (1 - ROUNDED), other.upper * importance * (1 + ROUNDED)
        return PenaltyBounds(density, importance, lower, upper, other.lower_by, other.upper_by)
    found = critical_penalty(density, importance)
    dropped = importance * (density / 3 - density**2 / 4)
    lower, lower_by = max((dropped - float(storage_cost(density))) / 2 - ROUNDED * dropped, 0.0), "closed form"
    if found.overlap < 0:
        by_state = _gain(density, importance, found.weights, found.bias)
        if by_state > lower:
            lower, lower_by = by_state, "state"
    if lower == 0:
        lower_by = "zero"
    near = min(importance, NEARLY_ONE)
    upper, upper_by = _proved_above(density, near, dropped * near / importance)
    if importance > near:
        upper = min(upper + SLOPE * (1 - near) * dropped / importance * (1 + ROUNDED), dropped * (1 + ROUNDED))
    return PenaltyBounds(density, importance, lower, upper, lower_by, upper_by)


def _gain(density: float, importance: float, weights: np.ndarray, bias: np.ndarray) -> float:
    """Return [r ℓ₀ − L] / 2 w₁² w₂² at a state, rounded down."""
    model = ToyModel(2, 1, IndependentFeatures(density), (1.0, importance))
    loss = enclosure(model, weights, bias).loss.upper
    p, r, (w1, w2) = Fraction(density), Fraction(importance), map(Fraction, weights[0].tolist())
    gain = (r * (p / 3 - p**2 / 4) - loss) / (2 * w1**2 * w2**2)
    return float(np.nextafter(float(gain), -np.inf))


def _proved_above(density: float, importance: float, dropped: float) -> tuple[float, str]:
    """Return the least penalty that is tried and proved to be too large for a pair, and how."""
    penalty = float(critical_penalty(density, importance).penalty)
    ends = []
    for value in (density, importance):
        wide = value * (1 + THIN)
        ends.append((value, wide) if wide <= 1 else (value * (1 - THIN), value))
    margins = MARGINS if penalty > 0 else (0.0, *MARGINS)
    for margin in margins:
        above = penalty + margin * dropped
        if above >= dropped:
            break
        for divisions in DIVISIONS:
            (proof,), _ = certified_cells([DiagramCell(ends[0], ends[1], (above, above))], divisions=divisions)
            if proof.phase == "axis(1) + drop(2)":
                return above, "search"
    return dropped * (1 + ROUNDED), "closed bound"
