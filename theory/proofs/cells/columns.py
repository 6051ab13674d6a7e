"""One column of the certified diagram: a search over boxes of weights for every cell of the column at once, compiled.

The weights are (w₁, w₂) with w₁ ≥ 0; importances are (1, r). A cell is a range of densities, the column's, times
ranges of importances and of the penalty λ 2g². For each cell the difference D = L − U is to be shown positive, U being
the loss of its candidate.
D is affine in r and in the penalty's coefficient λ and quadratic in the density. So it is enough to look at the corners
in r and λ, and at three laws of the inputs: D's Bernstein coefficients are the same differences under these laws.
docs/certified-diagram.md has the inequalities.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numba
import numpy as np

from ...numerics import compiled, machine_code, type_of
from ..floats import Chances, least_loss, shape_loss

# Rows of the table of laws: those at both ends of the densities, and the one between, which no density has.
LOWEST, BETWEEN, HIGHEST = 0, 1, 2
LAWS = 3
# Relative margin for the few roundings with which losses are put together.
MARGIN = 1e-13
# f* is bounded to this share of the square of how far a box reaches.
CLOSE = 0.1
# The bias isn't searched more closely than this.
CLOSEST = 1e-11
STACK = 4096
# Columns of the table of cells, before those of the gaps.
ANTIPODAL, SAFE_NEGATIVE, SAFE_POSITIVE, FIRST_GAP = 0, 1, 2, 3
# Columns of the table of laws.
NONE, ONE, BOTH, DROPPED = 0, 1, 2, 3
# What is looked at in turn: what costs nothing, then the middle of the box.
BY_SHAPE, BY_MIDDLE = 0, 1


class Strip(NamedTuple):
    """The strip of small overlaps: |g| ≤ `overlap` and |g| + 2h/3 ≤ `sum`, h = w₂²."""

    overlap: float
    sum: float


class BySign(NamedTuple):
    """κ of `overlap_cost` in the strip, for w₂ < 0 and for w₂ ≥ 0."""

    negative: float
    positive: float


class Limits(NamedTuple):
    """Half-width of the first boxes, smallest half-width, and the most boxes."""

    largest: float
    smallest: float
    boxes: int


@compiled
def _reach(middle: float, other: float, radius: float, other_radius: float, law: Chances) -> float:
    """Return ‖Δs x + Δg v‖ at most, over a box around (middle, other), for s = w² and g = w w′; rounded up."""
    square, product = (law.one + law.both) / 3, law.both / 4
    own = (2 * abs(middle) + radius) * radius
    cross = abs(middle) * other_radius + abs(other) * radius + radius * other_radius
    return float(np.sqrt(square * (own * own + cross * cross) + 2 * product * own * cross) * (1 + 1e-14))


@compiled
def _by_shape(low: float, high: float, active: float) -> float:
    """Return a lower bound of an output's loss by its own slope alone, for weights from `low` to `high` in size."""
    if low > 1:
        return active * shape_loss(low * low)
    if high < 1:
        return active * shape_loss(high * high)
    return 0.0


@compiled
def _from_middle(lower: float, reach: float) -> float:
    root = float(np.sqrt(lower)) * (1 - 1e-15) - reach
    return root * root * (1 - 1e-14) if root > 0 else 0.0


@compiled
def spread(overlap: float, aim: float, density: float) -> float:
    """Return min over β of E(ReLU(β − γv) − t)² for an input v of a density, rounded down; γ, t > 0.

    By how much the other feature keeps an output from the offset t that it would like (docs/open-problems.md).
    """
    off = 1 - density
    if overlap * (1 - density / 2) <= aim:
        # Never clipped: the variance of γv.
        return overlap * overlap * (density / 3 - density * density / 4) * (1 - MARGIN)
    x = density * aim * aim / (overlap * (off + float(np.sqrt(off * off + (density * aim / overlap) ** 2))))
    on = aim * aim + (x * x * x / 3 - x * aim * aim - 2 * aim * aim * aim / 3) / overlap
    return max(off * x * x + density * on - MARGIN * aim * aim, 0.0)


def _search(
    laws: Any,
    corners: Any,
    cells: Any,
    dropped: float,
    strip: Strip,
    costs: BySign,
    limits: Limits,
    alive: Any,
) -> int:
    """Search for a proof for each cell of a column, and return the number of boxes.

    Args:
        laws: for each of the three laws the probabilities of no active feature, of a given one alone and of both, and
            the loss of a dropped feature, shape (3, 4).
        corners: r and λ at the corners of each cell, shape (cells, corners, 2).
        cells: whether the candidate is the antipodal pair, whose rivals are the weights of one sign, or the dropped
            feature, whose rivals are all others; slopes w₁² from which on D is positive in the strip of small w₂, for
            w₂ < 0 and for w₂ ≥ 0; and U − r ℓ₀ for each law and corner, shape (cells, 3 + 3 corners).
        dropped: largest loss of a dropped feature in the column.
        strip: where overlaps are small.
        costs: what they cost there.
        limits: of the boxes.
        alive: shape (cells,), set to False where the search failed; cells that are still alive are proved.
    """
    half = limits.largest
    n_cells, n_corners = corners.shape[0], corners.shape[1]
    stack = np.empty((STACK, 4))
    stack[0] = (half, -half, half, half)
    stack[1] = (half, half, half, half)
    size, boxes = 2, 0
    f_1, f_2, high_1, high_2 = np.empty(LAWS), np.empty(LAWS), np.empty(LAWS), np.empty(LAWS)
    while size > 0:
        size -= 1
        m_1, m_2, rad_1, rad_2 = stack[size, 0], stack[size, 1], stack[size, 2], stack[size, 3]
        positive = m_2 > 0
        low_1, end_1 = m_1 - rad_1, m_1 + rad_1
        low_2, end_2 = abs(m_2) - rad_2, abs(m_2) + rad_2
        h, g, least_g = end_2 * end_2, end_1 * end_2, low_1 * low_2
        in_strip = g <= strip.overlap and g + 2 * h / 3 <= strip.sum
        by_overlap = (costs.positive if positive else costs.negative) * least_g * least_g if in_strip else 0.0
        # In the strip f₂ ≥ ℓ₀ (1 − h (2 − s − h)), or ≥ ℓ₀.
        saved = h * max(2 - low_1 * low_1 - low_2 * low_2, 0.0) * dropped
        # Everywhere f₂ ≥ ℓ₀ (1 − h)² + `spread` if h ≤ 1, else f₂ ≥ 0.
        saved_at_most = dropped * (1 + MARGIN)
        if h < 1:
            aim = laws[LOWEST, BOTH] ** 0.5 * (1 - h) / 2 * (1 - MARGIN)
            apart = 0.0
            if least_g > 0:
                densities = laws[LOWEST, BOTH] ** 0.5, laws[HIGHEST, BOTH] ** 0.5
                apart = min(spread(least_g, aim, densities[0]), spread(least_g, aim, densities[1]))
            saved_at_most = saved_at_most * h * (2 - h) - apart
        boxes += 1
        open_cells = 0
        for step in (BY_SHAPE, BY_MIDDLE):
            for k in range(LAWS):
                law = Chances(laws[k, NONE], laws[k, ONE], laws[k, BOTH])
                if step == BY_SHAPE:
                    f_1[k] = max(_by_shape(low_1, end_1, law.one + law.both), by_overlap)
                    f_2[k] = _by_shape(low_2, end_2, law.one + law.both)
                    high_1[k], high_2[k] = np.inf, np.inf
                    continue
                reach = _reach(m_1, m_2, rad_1, rad_2, law)
                found = least_loss(m_1 * m_1, m_1 * m_2, law, CLOSE * reach * reach + CLOSEST)
                high_1[k] = found.upper
                f_1[k] = max(f_1[k], _from_middle(found.lower, reach))
                reach = _reach(m_2, m_1, rad_2, rad_1, law)
                found = least_loss(m_2 * m_2, m_1 * m_2, law, CLOSE * reach * reach + CLOSEST)
                high_2[k] = found.upper
                f_2[k] = max(f_2[k], _from_middle(found.lower, reach))
            open_cells = 0
            for j in range(n_cells):
                if not alive[j] or (cells[j, ANTIPODAL] > 0 and not positive):
                    continue
                safe = in_strip and low_1 * low_1 > (cells[j, SAFE_POSITIVE] if positive else cells[j, SAFE_NEGATIVE])
                by_loss, by_strip, by_alone, lost = True, in_strip, True, False
                for e in range(n_corners):
                    r, penalty = corners[j, e, 0], 2 * corners[j, e, 1] * least_g * least_g
                    middle = 2 * corners[j, e, 1] * m_1 * m_1 * m_2 * m_2
                    for k in range(LAWS):
                        gap = cells[j, FIRST_GAP + LAWS * e + k]
                        margin = MARGIN * (1 + f_1[k] + r * f_2[k] + penalty)
                        safe = safe and gap <= 0
                        by_loss = by_loss and f_1[k] + r * (f_2[k] - laws[k, DROPPED]) + penalty - margin > gap
                        by_strip = by_strip and f_1[k] - r * saved + penalty - margin > gap
                        by_alone = by_alone and f_1[k] - r * saved_at_most + penalty - margin > gap
                        lost = lost or (k != BETWEEN and high_1[k] + r * (high_2[k] - laws[k, DROPPED]) + middle <= gap)
                if safe or by_loss or by_strip or by_alone:
                    continue
                too_small = max(rad_1, rad_2) <= limits.smallest
                if step == BY_MIDDLE and ((lost and not in_strip) or too_small or boxes >= limits.boxes):
                    alive[j] = False
                    continue
                open_cells += 1
            if open_cells == 0:
                break
        if open_cells > 0:
            # Halves along the wider side.
            if rad_1 >= rad_2:
                stack[size] = (m_1 - rad_1 / 2, m_2, rad_1 / 2, rad_2)
                stack[size + 1] = (m_1 + rad_1 / 2, m_2, rad_1 / 2, rad_2)
            else:
                stack[size] = (m_1, m_2 - rad_2 / 2, rad_1, rad_2 / 2)
                stack[size + 1] = (m_1, m_2 + rad_2 / 2, rad_1, rad_2 / 2)
            size += 2
    return boxes


_TABLE = numba.float64[:, ::1]
_RECORDS = map(type_of, (Strip(0.0, 0.0), BySign(0.0, 0.0), Limits(0.0, 0.0, 0)))
search = machine_code(
    _search,
    numba.int64(_TABLE, numba.float64[:, :, ::1], _TABLE, numba.float64, *_RECORDS, numba.boolean[::1]),
    nogil=True,
)
