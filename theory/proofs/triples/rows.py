"""Compiled branch and bound for one row of G = WᵀW among three features: rows orthogonal to a vector v.

A row (k_1, k_2, k_3) with k · v = 0 and v = (a, b, 1) is fixed by (k_1, k_2), as k_3 = −(a k_1 + b k_2). The row's own
feature is the first (`own` = 0) or the third (`own` = 2). What is bounded below is

    F = f(k, β) + tilt · k − κ · ((a, b) − centre)

over boxes of (k_1, k_2, β) and one cell of (a, b). On such a box the convex part E[y²] of f lies above its tangent at
the centre and the concave part −2 E[x y] above its values at the corners, and (k, β, a, b) is in the convex hull of its
values at the box's 32 corners, because it is affine in each of the five variables (docs/proofs-three.md).

Importing this module compiles it, or loads what an earlier process compiled.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from ...numerics import machine_code
from .moments import ROUNDING, output_loss, own_moment, row_moments

# Boxes are cut along the direction of the greatest width times this: the root of a feature's second moment is smaller
# than that of the bias's input 1.
STEEPNESS = np.array([0.7, 0.7, 1.0])
# Narrower boxes would need products of more bits than a float64 has.
NARROWEST = 2.0**-22
# The same where numbers are larger than this.
LARGE, NARROWEST_LARGE = 32.0, 2.0**-10
DIFFERENCE = 1e-6
# What `exclude_rows` says.
EXCLUDED, FOUND_LOWER, OUT_OF_BOXES = 0, 1, 2


@numba.njit(nogil=True)
def _third(a: float, b: float, first: float, second: float) -> float:
    return -(a * first + b * second)


@numba.njit(nogil=True)
def _loss(p: float, own: int, first: float, second: float, third: float, bias: float) -> float:
    if own == 0:
        return output_loss(p, first, second, third, bias)
    return output_loss(p, third, first, second, bias)


@numba.njit(nogil=True)
def _thirds(cell: Any, low: Any, high: Any, thirds: Any) -> tuple[float, float]:
    """Fill k_3 at the corners of (k_1, k_2) and (a, b), shape (2, 2, 2, 2), and return its range."""
    thinnest, thickest = np.inf, -np.inf
    for i, j, at_a, at_b in np.ndindex(2, 2, 2, 2):
        k_3 = _third(cell[at_a], cell[2 + at_b], high[0] if i else low[0], high[1] if j else low[1])
        thirds[i, j, at_a, at_b] = k_3
        thinnest, thickest = min(thinnest, k_3), max(thickest, k_3)
    return thinnest, thickest


@numba.njit(nogil=True)
def _own_moment(p: float, own: int, first: float, second: float, third: float, bias: float) -> float:
    if own == 0:
        return own_moment(p, first, second, third, bias)
    return own_moment(p, third, first, second, bias)


@numba.njit(nogil=True)
def _compare(
    p: float, own: int, cell: Any, slope: Any, tilt: Any, low: Any, high: Any, thirds: Any, size: float, target: float
) -> int:
    """Return EXCLUDED if F ≥ target on a box, FOUND_LOWER if F is less at its centre, OUT_OF_BOXES if neither is known.

    Args:
        p: density.
        own: 0 or 2.
        cell: a's ends, then b's.
        slope: κ.
        tilt: t.
        low: lower ends of (k_1, k_2, β).
        high: upper ends.
        thirds: k_3 at the corners.
        size: a bound of |k_1| + |k_2| + |k_3| + |β|.
        target: what F is compared with.
    """
    a, b = (cell[0] + cell[1]) / 2, (cell[2] + cell[3]) / 2
    first, second, bias = (low[0] + high[0]) / 2, (low[1] + high[1]) / 2, (low[2] + high[2]) / 2
    third = _third(a, b, first, second)
    if own == 0:
        m_1, m_2, m_3, m_0 = row_moments(p, first, second, third, bias)
        overlap = m_1
    else:
        m_3, m_1, m_2, m_0 = row_moments(p, third, first, second, bias)
        overlap = m_3
    square = m_1 * first + m_2 * second + m_3 * third + m_0 * bias
    linear = tilt[0] * first + tilt[1] * second + tilt[2] * third
    if p / 3 - 2 * overlap + square + linear < target:
        return 1
    # Errors of the moments, of products with them, and of what is linear.
    drift = abs(tilt[0]) + abs(tilt[1]) + abs(tilt[2]) + abs(slope[0]) + abs(slope[1])
    needed = target - p / 3 + 4 * ROUNDING * (1 + size) * (1 + size + drift)
    for i in range(2):
        k_1 = high[0] if i else low[0]
        for j in range(2):
            k_2 = high[1] if j else low[1]
            thin, thick = thirds[i, j].min(), thirds[i, j].max()
            for top in range(2):
                beta = high[2] if top else low[2]
                thin_moment = _own_moment(p, own, k_1, k_2, thin, beta)
                thick_moment = _own_moment(p, own, k_1, k_2, thick, beta)
                rise = (thick_moment - thin_moment) / (thick - thin) if thick > thin else 0.0
                for at_a in range(2):
                    for at_b in range(2):
                        k_3 = thirds[i, j, at_a, at_b]
                        # E[y²] ≥ 2 E[y_c z] − E[y_c²], y_c being y at the centre; E[x y] is below its chord.
                        value = 2 * (m_1 * k_1 + m_2 * k_2 + m_3 * k_3 + m_0 * beta) - square
                        value -= 2 * (thin_moment + rise * (k_3 - thin))
                        value += tilt[0] * k_1 + tilt[1] * k_2 + tilt[2] * k_3
                        value -= slope[0] * (cell[at_a] - a) + slope[1] * (cell[2 + at_b] - b)
                        if value < needed:
                            return 2
    return 0


def _exclude_rows(
    p: float,
    own: int,
    cell: Any,
    slope: Any,
    tilt: Any,
    domain: Any,
    target: float,
    smallest: float,
    max_boxes: int,
    hull: Any,
) -> tuple[int, int]:
    """Show that F ≥ target for all rows of the domain, or find where not.

    Args:
        p: density.
        own: index of the row's own feature, 0 or 2.
        cell: a's ends, then b's.
        slope: κ.
        tilt: t.
        domain: lower ends of k_1, k_2, k_3, β, and upper ends; shape (2, 4).
        target: what F is compared with.
        smallest: boxes that aren't wider are left over, and enter `hull`; 0 to leave none.
        max_boxes: most boxes to look at.
        hull: filled with the least box of (k_1, k_2, k_3, β) that holds all that is left over; shape (2, 4).

    Returns:
        EXCLUDED, FOUND_LOWER (F is lower at a point; only if `smallest` is 0) or OUT_OF_BOXES, and the number of boxes.
        The hull means something only with EXCLUDED.
    """
    a, b = (cell[0] + cell[1]) / 2, (cell[2] + cell[3]) / 2
    hull[0, :] = np.inf
    hull[1, :] = -np.inf
    # Depth first: each halving leaves one box behind.
    lows, highs, thirds = np.empty((400, 3)), np.empty((400, 3)), np.empty((2, 2, 2, 2))
    pick = np.array([0, 1, 3])
    for d in range(3):
        lows[0, d], highs[0, d] = domain[0, pick[d]], domain[1, pick[d]]
    count, boxes = 1, 0
    while count > 0:
        count -= 1
        low, high = lows[count], highs[count]
        boxes += 1
        if boxes > max_boxes or count > 396:
            return 2, boxes
        thinnest, thickest = _thirds(cell, low, high, thirds)
        if thickest < domain[0, 2] or thinnest > domain[1, 2]:
            continue
        size = max(abs(thinnest), abs(thickest))
        for d in range(3):
            size += max(abs(low[d]), abs(high[d]))
        state = _compare(p, own, cell, slope, tilt, low, high, thirds, size, target)
        if state == 0:
            continue
        if state == 1 and smallest == 0.0:
            third = _third(a, b, (low[0] + high[0]) / 2, (low[1] + high[1]) / 2)
            if domain[0, 2] <= third <= domain[1, 2]:
                return 1, boxes
        widest, cut = 0.0, 0
        for d in range(3):
            width = (high[d] - low[d]) * STEEPNESS[d]
            if width > widest:
                widest, cut = width, d
        if widest < NARROWEST or (size > LARGE and widest < NARROWEST_LARGE):
            return 2, boxes
        if widest <= smallest:
            for d in range(3):
                hull[0, pick[d]] = min(hull[0, pick[d]], low[d])
                hull[1, pick[d]] = max(hull[1, pick[d]], high[d])
            hull[0, 2], hull[1, 2] = min(hull[0, 2], thinnest), max(hull[1, 2], thickest)
            continue
        middle = (low[cut] + high[cut]) / 2
        for d in range(3):
            lows[count + 1, d], highs[count + 1, d] = low[d], high[d]
        highs[count, cut] = middle
        lows[count + 1, cut] = middle
        count += 2
    return 0, boxes


def _lowest_row(p: float, own: int, a: float, b: float, tilt: Any, domain: Any, starts: Any, best: Any) -> float:
    """Return a low value of f(k, β) + t·k at fixed v, by compass search; nothing is proven.

    Args:
        p: density.
        own: 0 or 2.
        a: first entry of v.
        b: second entry of v.
        tilt: t.
        domain: as in `exclude_rows`.
        starts: (k_1, k_2, β) to start from, shape (S, 3).
        best: filled with (k_1, k_2, k_3, β) and ∂(f + t·k)/∂k_3 there.
    """
    lowest = np.inf
    best[:] = 0.0
    x = np.empty(3)
    for start in range(starts.shape[0]):
        for d in range(3):
            x[d] = starts[start, d]
        value = np.inf
        step = 0.125
        while step > 1e-6:
            moved = False
            for d in range(3):
                for sign in (-1.0, 1.0):
                    old = x[d]
                    x[d] = old + sign * step
                    third = _third(a, b, x[0], x[1])
                    inside = domain[0, 0] <= x[0] <= domain[1, 0] and domain[0, 2] <= third <= domain[1, 2]
                    now = np.inf
                    if inside:
                        now = _loss(p, own, x[0], x[1], third, x[2])
                        now += tilt[0] * x[0] + tilt[1] * x[1] + tilt[2] * third
                    if now < value - 1e-14:
                        value, moved = now, True
                    else:
                        x[d] = old
            if not moved:
                step /= 4
        if value < lowest:
            lowest = value
            best[0], best[1], best[2], best[3] = x[0], x[1], _third(a, b, x[0], x[1]), x[2]
    ahead = _loss(p, own, best[0], best[1], best[2] + DIFFERENCE, best[3])
    behind = _loss(p, own, best[0], best[1], best[2] - DIFFERENCE, best[3])
    best[4] = (ahead - behind) / (2 * DIFFERENCE) + tilt[2]
    return lowest


VECTOR, TABLE = "float64[::1]", "float64[:,::1]"
exclude_rows = machine_code(
    _exclude_rows,
    f"Tuple((int64, int64))(float64, int64, {VECTOR}, {VECTOR}, {VECTOR}, {TABLE}, float64, float64, int64, {TABLE})",
    nogil=True,
)
lowest_row = machine_code(
    _lowest_row,
    f"float64(float64, int64, float64, float64, {VECTOR}, {TABLE}, {TABLE}, {VECTOR})",
    nogil=True,
)
