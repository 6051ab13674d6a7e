"""What a certificate lists of one cell of null vectors: bounds in whole numbers that stand by themselves.

The search knows more about a cell than this, from the larger cells that it is a part of. Here the domain of rows is the
first one, so that a checker needs nothing but the cell and its numbers (docs/proofs-three.md).
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from ...numerics import FloatArray
from ..certificates import UNIT, NullCell, RowBox
from .cells import CURVATURE, GRID_BITS, OWN, THINNEST, Cell, Estimate, Multipliers, coarse_box, smallest_box
from .row_search import RowSearch


class _Claim:
    """What a certificate says about one cell: bounds of I_i F_i with numbers in units, on the first domain of rows."""

    def __init__(self, search: RowSearch, cell: Cell, at: Estimate) -> None:
        self._search, self._cell = search, cell
        self._I = cell.chart.importance
        self._multipliers = [round(x / float(UNIT)) for x in at.multipliers]
        # In the order (a, b) for all rows.
        slopes = [share * slope for share, slope in zip(self._I, at.slopes, strict=True)]
        slopes[1] = slopes[1][::-1]
        self._slopes = [tuple(round(float(x) / float(UNIT)) for x in slope) for slope in slopes]

    def sum_to_beat(self) -> int:
        """Return a number of units that the three bounds must exceed together if L > U is to follow."""
        steep: int = sum(abs(sum(column)) for column in zip(*self._slopes, strict=True))
        return math.ceil(Fraction(self._search.upper) / UNIT + steep * Fraction(self._cell.half_width))

    def targets(self, values: FloatArray) -> list[int]:
        """Return bounds in units for those of the three rows."""
        return [math.floor(share * float(x) / float(UNIT)) for share, x in zip(self._I, values, strict=True)]

    def hull(self, i: int, target: int, smallest: float = 0.0) -> FloatArray | None:
        """Show that I_i F_i ≥ target, but for a hull."""
        a_0, a_1, b_0, b_1 = self._cell.ends
        ends = np.array((b_0, b_1, a_0, a_1) if i == 1 else self._cell.ends)
        slope = np.array(self._slopes[i][::-1] if i == 1 else self._slopes[i]) * float(UNIT) / self._I[i]
        tilt = Multipliers(*(x * float(UNIT) for x in self._multipliers)).tilts(self._I)[i]
        wanted = math.nextafter(target * float(UNIT) / self._I[i], math.inf)
        domain = self._search.first_domain(OWN[i])
        return self._search.excluded(OWN[i], ends, slope, tilt, domain, wanted, smallest)

    def cell(self, targets: list[int], rows: tuple[RowBox, ...]) -> NullCell:
        """Return the record."""
        jk, jc, kc = self._multipliers
        one, two, three = self._slopes
        slopes = (one[0], one[1]), (two[0], two[1]), (three[0], three[1])
        chart = self._cell.chart.order[2]
        return NullCell(chart, self._cell.place, (jk, jc, kc), slopes, (targets[0], targets[1], targets[2]), rows)


def _in_units(hull: FloatArray) -> RowBox:
    """Return a box around a box, with some room around it: what is close to its edge may be hard to exclude."""
    low, high = coarse_box(hull)
    room = np.maximum(high - low, THINNEST) * 2.0**-GRID_BITS
    ends = np.array([np.floor((low - room) / float(UNIT)), np.ceil((high + room) / float(UNIT))])
    first, last = ends.astype(np.int64).tolist()
    return tuple(first), tuple(last)


def closed_cell(search: RowSearch, cell: Cell, at: Estimate) -> NullCell | None:
    """Return bounds that show L > U for all W whose null vector lies in a cell, or None if these fail.

    Args:
        search: of rows.
        cell: the cell.
        at: the inner minima at its centre.
    """
    spare = at.sum - search.upper
    if not spare > 0:
        return None
    claim = _Claim(search, cell, at)
    targets = claim.targets(at.values - spare / sum(cell.chart.importance))
    # Rounding downward took a little too much.
    targets[0] += max(claim.sum_to_beat() + 1 - sum(targets), 0)
    if all(claim.hull(i, targets[i]) is not None for i in range(3)):
        return claim.cell(targets, ())
    return None


def open_cell(search: RowSearch, cell: Cell, at: Estimate) -> NullCell | None:
    """Return boxes that hold the rows and biases of all W and b with L ≤ U in a cell, or None if that fails.

    Arguments as in `closed_cell`.
    """
    claim = _Claim(search, cell, at)
    targets = claim.targets(at.values - CURVATURE * cell.half_width**2)
    spare = claim.sum_to_beat() + 1 - sum(targets)
    rows: list[RowBox] = []
    for i in range(3):
        if claim.hull(i, targets[i]) is None:
            return None
        outside = float((targets[i] + spare) * UNIT) / cell.chart.importance[i]
        hull = claim.hull(i, targets[i] + spare, smallest_box(outside - at.values[i]))
        if hull is None:
            return None
        if (hull[0] > hull[1]).any():
            targets[i] += spare
            return claim.cell(targets, ())
        rows.append(_in_units(hull if i != 1 else hull[:, [1, 0, 2, 3]]))
    return claim.cell(targets, tuple(rows))
