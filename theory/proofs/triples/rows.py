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

from typing import Any, NamedTuple

import numba
import numpy as np

from ...numerics import FloatArray, machine_code, type_of
from .moments import ROUNDING, output_loss, own_moment, row_moments

# Boxes are cut along the direction of the greatest width times this: the root of a feature's second moment is smaller
# than that of the bias's input 1.
STEEPNESS = np.array([0.7, 0.7, 1.0])
# Narrower boxes would need products of more bits than a float64 has.
NARROWEST = 2.0**-22
# The same where numbers are larger than this.
LARGE, NARROWEST_LARGE = 32.0, 2.0**-10
DIFFERENCE = 1e-6
# Boxes that wait: each halving leaves one behind.
DEEPEST = 400
# What is known of a box, or of all of a domain.
EXCLUDED, FOUND_LOWER, OUT_OF_BOXES = 0, 1, 2
# Of a single box, when it isn't excluded but for want of a sharper bound.
UNKNOWN = OUT_OF_BOXES


class RowProblem(NamedTuple):
    """One row over one cell of null vectors.

    Attributes:
        density: p.
        own: index of the row's own feature, 0 or 2.
        cell: a's ends, then b's.
        slope: κ.
        tilt: t.
        domain: lower ends of k_1, k_2, k_3, β, and upper ends; shape (2, 4).
    """

    density: float
    own: int
    cell: FloatArray
    slope: FloatArray
    tilt: FloatArray
    domain: FloatArray


class Box(NamedTuple):
    """A box of (k_1, k_2, β): lower and upper ends."""

    low: FloatArray
    high: FloatArray


@numba.njit(nogil=True, error_model="numpy")
def _third(a: float, b: float, first: float, second: float) -> float:
    return -(a * first + b * second)


@numba.njit(nogil=True, error_model="numpy")
def _loss(p: float, own: int, first: float, second: float, third: float, bias: float) -> float:
    if own == 0:
        return output_loss(p, first, second, third, bias)
    return output_loss(p, third, first, second, bias)


@numba.njit(nogil=True, error_model="numpy")
def _thirds(cell: Any, box: Any) -> tuple[float, float]:
    """Return the range of k_3 on a box."""
    a, b = (cell[0] + cell[1]) / 2, (cell[2] + cell[3]) / 2
    thinnest, thickest = np.inf, -np.inf
    for i in range(2):
        for j in range(2):
            k_1, k_2 = box.high[0] if i else box.low[0], box.high[1] if j else box.low[1]
            reach = (cell[1] - a) * abs(k_1) + (cell[3] - b) * abs(k_2)
            k_3 = _third(a, b, k_1, k_2)
            thinnest, thickest = min(thinnest, k_3 - reach), max(thickest, k_3 + reach)
    return thinnest, thickest


@numba.njit(nogil=True, error_model="numpy")
def _own_moment(p: float, own: int, first: float, second: float, third: float, bias: float) -> float:
    if own == 0:
        return own_moment(p, first, second, third, bias)
    return own_moment(p, third, first, second, bias)


@numba.njit(nogil=True, error_model="numpy")
def _compare(problem: Any, box: Any, size: float, target: float) -> int:
    """Return EXCLUDED if F ≥ target on a box, FOUND_LOWER if F is less at its centre, UNKNOWN if neither is known.

    Args:
        problem: a `RowProblem`.
        box: a `Box`.
        size: a bound of |k_1| + |k_2| + |k_3| + |β|.
        target: what F is compared with.
    """
    p, own, cell, slope, tilt, _ = problem
    low, high = box
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
        return FOUND_LOWER
    # Errors of the moments, of products with them, and of what is linear.
    drift = abs(tilt[0]) + abs(tilt[1]) + abs(tilt[2]) + abs(slope[0]) + abs(slope[1])
    needed = target - p / 3 + 4 * ROUNDING * (1 + size) * (1 + size + drift)
    wide_a, wide_b = cell[1] - a, cell[3] - b
    for i in range(2):
        k_1 = high[0] if i else low[0]
        for j in range(2):
            k_2 = high[1] if j else low[1]
            k_3 = _third(a, b, k_1, k_2)
            reach = wide_a * abs(k_1) + wide_b * abs(k_2)
            for top in range(2):
                beta = high[2] if top else low[2]
                thin = _own_moment(p, own, k_1, k_2, k_3 - reach, beta)
                thick = _own_moment(p, own, k_1, k_2, k_3 + reach, beta)
                rise = (thick - thin) / (2 * reach) if reach > 0 else 0.0
                # E[y²] ≥ 2 E[y_c z] − E[y_c²], y_c being y at the centre; E[x y] is below its chord over k_3. What
                # follows is linear in (a, b).
                value = 2 * (m_1 * k_1 + m_2 * k_2 + m_3 * k_3 + m_0 * beta) - square - (thin + thick)
                value += tilt[0] * k_1 + tilt[1] * k_2 + tilt[2] * k_3
                steep = 2 * (m_3 - rise) + tilt[2]
                value -= wide_a * abs(steep * k_1 + slope[0]) + wide_b * abs(steep * k_2 + slope[1])
                # A number that isn't one proves nothing.
                if not value >= needed:
                    return UNKNOWN
    return EXCLUDED


def _exclude_rows(problem: Any, target: float, smallest: float, max_boxes: int, hull: Any) -> tuple[int, int]:
    """Show that F ≥ target for all rows of the domain, or find where not.

    Args:
        problem: a `RowProblem`.
        target: what F is compared with.
        smallest: boxes that aren't wider are left over, and enter `hull`; 0 to leave none.
        max_boxes: most boxes to look at.
        hull: filled with the least box of (k_1, k_2, k_3, β) that holds all that is left over; shape (2, 4).

    Returns:
        EXCLUDED, FOUND_LOWER (F is lower at a point; only if `smallest` is 0) or OUT_OF_BOXES, and the number of boxes.
        The hull means something only with EXCLUDED.
    """
    cell, domain = problem.cell, problem.domain
    a, b = (cell[0] + cell[1]) / 2, (cell[2] + cell[3]) / 2
    hull[0, :] = np.inf
    hull[1, :] = -np.inf
    # Depth first.
    lows, highs = np.empty((DEEPEST, 3)), np.empty((DEEPEST, 3))
    pick = np.array([0, 1, 3])
    for d in range(3):
        lows[0, d], highs[0, d] = domain[0, pick[d]], domain[1, pick[d]]
    count, boxes = 1, 0
    while count > 0:
        if boxes >= max_boxes or count > DEEPEST - 3:
            return OUT_OF_BOXES, boxes
        count -= 1
        box = Box(lows[count], highs[count])
        low, high = box
        boxes += 1
        thinnest, thickest = _thirds(cell, box)
        if thickest < domain[0, 2] or thinnest > domain[1, 2]:
            continue
        size = max(abs(thinnest), abs(thickest))
        for d in range(3):
            size += max(abs(low[d]), abs(high[d]))
        state = _compare(problem, box, size, target)
        if state == EXCLUDED:
            continue
        if state == FOUND_LOWER and smallest == 0.0:
            third = _third(a, b, (low[0] + high[0]) / 2, (low[1] + high[1]) / 2)
            if domain[0, 2] <= third <= domain[1, 2]:
                return FOUND_LOWER, boxes
        widest, cut = 0.0, 0
        for d in range(3):
            width = (high[d] - low[d]) * STEEPNESS[d]
            if width > widest:
                widest, cut = width, d
        if widest < NARROWEST or (size > LARGE and widest < NARROWEST_LARGE):
            return OUT_OF_BOXES, boxes
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
    return EXCLUDED, boxes


def _lowest_row(problem: Any, starts: Any, best: Any) -> float:
    """Return a low value of f(k, β) + t·k at the centre of the cell, by compass search; nothing is proven.

    Args:
        problem: a `RowProblem`.
        starts: (k_1, k_2, β) to start from, shape (S, 3).
        best: filled with (k_1, k_2, k_3, β) and ∂(f + t·k)/∂k_3 there.
    """
    p, own, cell, _, tilt, domain = problem
    a, b = (cell[0] + cell[1]) / 2, (cell[2] + cell[3]) / 2
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


_VECTOR, _TABLE = numba.float64[::1], numba.float64[:, ::1]
_PROBLEM = type_of(RowProblem(0.0, 0, np.zeros(4), np.zeros(2), np.zeros(3), np.zeros((2, 4))))
_FOUND = type_of((0, 0))
exclude_rows = machine_code(
    _exclude_rows,
    _FOUND(_PROBLEM, numba.float64, numba.float64, numba.int64, _TABLE),
    nogil=True,
    error_model="numpy",
)
lowest_row = machine_code(_lowest_row, numba.float64(_PROBLEM, _TABLE, _VECTOR), nogil=True, error_model="numpy")
