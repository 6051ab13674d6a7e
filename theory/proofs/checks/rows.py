"""Compiled check of one claim about a row of G: no row of a domain costs less than is claimed (docs/proofs-three.md).

The row k = (k_1, k_2, k_3) of output `own`, in the order of the chart, is orthogonal to a null vector (a, b, 1), so
that k_3 = −(a k_1 + b k_2). For every (a, b) of a cell of half-width w around its centre, and every row and bias of a
domain,

    I f(k, β) + Λ · k − μ · ((a, b) − centre) ≥ target,

and ≥ `outside` where row and bias aren't in an inner box. The domain is cut into boxes of (k_1, k_2, β). On each the
convex part E[y²] of f lies above its tangent at the box's centre, and the concave part −2 E[x y] above its least value
at the corners. Between the two ends of k_3 at a corner what is left is linear in (a, b).

Nothing here is shared with the search that made the claim.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from ...numerics import FloatArray, machine_code, type_of
from .recurrence import ROUNDING, mean_output, own_product

# Directions are cut by their widths times this: slopes meet amplitudes, whose second moment is less than 1.
WEIGHT_OF_SLOPES = 0.7
# Narrower boxes are given up.
NARROWEST = 2.0**-40
# Boxes that wait: each halving leaves one behind.
DEEPEST = 400
# Where k_1, k_2 and β are in (k_1, k_2, k_3, β).
PLACES = (0, 1, 3)
# Rounding of a bound is less than this times I (1 + Z)² + |Λ| Z + |μ| w, where |k_1| + |k_2| + |k_3| + |β| ≤ Z.
MARGIN = 2.0**-45
assert MARGIN >= 4 * ROUNDING


class Claim(NamedTuple):
    """What is claimed, in float64 numbers that mean themselves, but for density and importance.

    Attributes:
        density: p, rounded to the nearest.
        importance: I, rounded to the nearest.
        own: place of the output's own feature, 0, 1 or 2.
        a: centre of the cell.
        b: centre of the cell.
        half: w.
        first: Λ_1.
        second: Λ_2.
        third: Λ_3.
        slope_a: μ_1.
        slope_b: μ_2.
        target: lower bound inside.
        outside: lower bound outside of the inner box, no less.
    """

    density: float
    importance: float
    own: int
    a: float
    b: float
    half: float
    first: float
    second: float
    third: float
    slope_a: float
    slope_b: float
    target: float
    outside: float


class _Tangent(NamedTuple):
    """E[y²] ≥ square + 2 Σ_j m_j (k_j − centre_j) + 2 m_0 (β − bias)."""

    k_1: float
    k_2: float
    k_3: float
    bias: float
    m_1: float
    m_2: float
    m_3: float
    m_0: float
    square: float


@numba.njit(nogil=True, error_model="numpy")
def _own(claim: Any, k_1: float, k_2: float, k_3: float, bias: float) -> float:
    """Return E[x_own y]."""
    if claim.own == 0:
        return own_product(claim.density, k_1, k_2, k_3, bias)
    if claim.own == 1:
        return own_product(claim.density, k_2, k_1, k_3, bias)
    return own_product(claim.density, k_3, k_1, k_2, bias)


@numba.njit(nogil=True, error_model="numpy")
def _tangent(claim: Any, low: Any, high: Any) -> Any:
    p, k_1, k_2, bias = claim.density, (low[0] + high[0]) / 2, (low[1] + high[1]) / 2, (low[2] + high[2]) / 2
    k_3 = -(claim.a * k_1 + claim.b * k_2)
    m_1 = own_product(p, k_1, k_2, k_3, bias)
    m_2 = own_product(p, k_2, k_1, k_3, bias)
    m_3 = own_product(p, k_3, k_1, k_2, bias)
    m_0 = mean_output(p, k_1, k_2, k_3, bias)
    # E[y²] = E[y z].
    square = m_1 * k_1 + m_2 * k_2 + m_3 * k_3 + m_0 * bias
    return _Tangent(k_1, k_2, k_3, bias, m_1, m_2, m_3, m_0, square)


@numba.njit(nogil=True, error_model="numpy")
def _at_centre(claim: Any, at: Any) -> float:
    """Return the claim's left side at the centre of a box and of the cell."""
    overlap = at.m_1 if claim.own == 0 else (at.m_2 if claim.own == 1 else at.m_3)
    linear = claim.first * at.k_1 + claim.second * at.k_2 + claim.third * at.k_3
    return float(claim.importance * (claim.density / 3 + at.square - 2 * overlap) + linear)


@numba.njit(nogil=True, error_model="numpy")
def _at_corner(claim: Any, at: Any, k_1: float, k_2: float, bias: float) -> float:
    """Return the least bound over the cell at one corner of a box."""
    k_3, reach = -(claim.a * k_1 + claim.b * k_2), claim.half * (abs(k_1) + abs(k_2))
    thin, thick = _own(claim, k_1, k_2, k_3 - reach, bias), _own(claim, k_1, k_2, k_3 + reach, bias)
    # Over k_3, E[x y] is convex: it lies below its chord.
    rise = (thick - thin) / (2 * reach) if reach > 0 else 0.0
    tangent = at.m_1 * (k_1 - at.k_1) + at.m_2 * (k_2 - at.k_2) + at.m_3 * (k_3 - at.k_3) + at.m_0 * (bias - at.bias)
    middle = claim.importance * (claim.density / 3 + at.square + 2 * tangent - (thin + thick))
    middle += claim.first * k_1 + claim.second * k_2 + claim.third * k_3
    steep = 2 * claim.importance * (at.m_3 - rise) + claim.third
    return float(middle - claim.half * (abs(steep * k_1 + claim.slope_a) + abs(steep * k_2 + claim.slope_b)))


@numba.njit(nogil=True, error_model="numpy")
def _holds(claim: Any, low: Any, high: Any, needed: float) -> bool:
    """Return whether the bound is at least `needed` on a box of (k_1, k_2, β)."""
    at = _tangent(claim, low, high)
    # A number that isn't one proves nothing.
    if not _at_centre(claim, at) >= needed:
        return False
    for i in range(2):
        for j in range(2):
            for m in range(2):
                corner = high[0] if i else low[0], high[1] if j else low[1], high[2] if m else low[2]
                if not _at_corner(claim, at, *corner) >= needed:
                    return False
    return True


@numba.njit(nogil=True, error_model="numpy")
def _thirds(claim: Any, low: Any, high: Any) -> tuple[float, float]:
    """Return the range of k_3 on a box."""
    thinnest, thickest = np.inf, -np.inf
    for i in range(2):
        for j in range(2):
            k_1, k_2 = high[0] if i else low[0], high[1] if j else low[1]
            k_3, reach = -(claim.a * k_1 + claim.b * k_2), claim.half * (abs(k_1) + abs(k_2))
            thinnest, thickest = min(thinnest, k_3 - reach), max(thickest, k_3 + reach)
    return thinnest, thickest


def _verify(claim: Any, domain: Any, inner: Any, max_boxes: int) -> tuple[bool, int]:
    # Depth first.
    lows, highs = np.empty((DEEPEST, 3)), np.empty((DEEPEST, 3))
    for d in range(3):
        lows[0, d], highs[0, d] = domain[0, PLACES[d]], domain[1, PLACES[d]]
    multipliers = abs(claim.first) + abs(claim.second) + abs(claim.third)
    slopes = claim.half * (abs(claim.slope_a) + abs(claim.slope_b))
    count, boxes = 1, 0
    while count > 0:
        if boxes >= max_boxes or count > DEEPEST - 2:
            return False, boxes
        boxes += 1
        count -= 1
        low, high = lows[count], highs[count]
        thinnest, thickest = _thirds(claim, low, high)
        size = max(abs(thinnest), abs(thickest))
        for d in range(3):
            size += max(abs(low[d]), abs(high[d]))
        thinnest, thickest = thinnest - MARGIN * size, thickest + MARGIN * size
        if thickest < domain[0, 2] or thinnest > domain[1, 2]:
            continue
        inside = inner[0, 2] <= max(thinnest, domain[0, 2]) and min(thickest, domain[1, 2]) <= inner[1, 2]
        for d in range(3):
            inside = inside and inner[0, PLACES[d]] <= low[d] and high[d] <= inner[1, PLACES[d]]
        margin = MARGIN * (claim.importance * (1 + size) * (1 + size) + multipliers * size + slopes)
        if _holds(claim, low, high, (claim.target if inside else claim.outside) + margin):
            continue
        widest, cut = 0.0, 0
        for d in range(3):
            width = (high[d] - low[d]) * (WEIGHT_OF_SLOPES if d < 2 else 1.0)
            if width > widest:
                widest, cut = width, d
        if not widest > NARROWEST:
            return False, boxes
        middle = (low[cut] + high[cut]) / 2
        for d in range(3):
            lows[count + 1, d], highs[count + 1, d] = low[d], high[d]
        highs[count, cut] = middle
        lows[count + 1, cut] = middle
        count += 2
    return True, boxes


_CLAIM = type_of(Claim(0.0, 0.0, 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0))
_TABLE = numba.float64[:, ::1]
_FOUND = type_of((True, 0))
_verified = machine_code(_verify, _FOUND(_CLAIM, _TABLE, _TABLE, numba.int64), nogil=True, error_model="numpy")


def verify(claim: Claim, domain: FloatArray, inner: FloatArray, max_boxes: int) -> tuple[bool, int]:
    """Return whether a claim is proved, and how many boxes that took.

    Args:
        claim: what is claimed.
        domain: lower ends of k_1, k_2, k_3 and β, and upper ends; shape (2, 4).
        inner: likewise, the box outside of which `claim.outside` is claimed; lower ends above upper ones for none.
        max_boxes: most boxes to look at.
    """
    found, boxes = _verified(claim, domain, inner, max_boxes)
    return bool(found), int(boxes)
