"""Searches over rows of G of three features, with the budget of boxes that they share.

What every row and bias satisfies if L ≤ U bounds the domain of these searches (docs/proofs-three.md); `rows` has
their compiled code.
"""

from __future__ import annotations

import math

import numpy as np

from ...numerics import FloatArray

# Most boxes of one search.
ROW_BOXES = 20_000


def row_limits(density: float, share: float) -> tuple[float, float, float]:
    """Return S, β_low, β_high that bound ‖W_i‖² and b_i of every output with f_i ≤ share < p/3 (docs/proofs-three.md).

    Args:
        density: p.
        share: a bound on f_i, U / I_i.
    """
    tau = math.sqrt(3 * share / density) * (1 + 1e-12)
    steep = 1 + 2 * tau / (1 - tau) if tau < 1 else math.inf
    if not steep < 512:
        return math.inf, -math.inf, math.inf
    size = math.ceil(4 * steep + 0.01) / 4
    high = math.ceil(4 * (math.sqrt(share) + density / 2 + density * size) + 0.01) / 4
    return size, -3 * size, high


class RowSearch:
    """Bounds of single rows, at one density and loss to beat.

    Attributes:
        upper: the loss to beat.
        size: a bound of every entry of G where L ≤ U; infinite if there is none.
        boxes: number of boxes that were looked at.
        budget: most boxes to look at.
    """

    def __init__(self, density: float, importance: tuple[float, float, float], upper: float, budget: int = 0) -> None:
        """Find the domain of rows.

        Args:
            density: p.
            importance: I_1, I_2, I_3.
            upper: a proven upper bound of min L.
            budget: most boxes to look at.
        """
        # Compiles, or loads what has been compiled before.
        from . import rows

        self._rows = rows
        self._p = density
        self.upper, self.boxes, self.budget = upper, 0, budget
        limits = [row_limits(density, upper / share) for share in importance]
        self.size = max(size for size, _, _ in limits)
        self._low, self._high = min(low for _, low, _ in limits), max(high for _, _, high in limits)

    @property
    def spent(self) -> bool:
        """Whether no box may be looked at any more."""
        return self.boxes >= self.budget

    def first_domain(self, own: int) -> FloatArray:
        """Return a box of (k_1, k_2, k_3, β) that holds every row where L ≤ U, k_own being its own overlap."""
        low, high = np.full(4, -self.size), np.full(4, self.size)
        low[own], low[3], high[3] = 0, self._low, self._high
        return np.array([low, high])

    def lowest(
        self, own: int, v: tuple[float, float], tilt: FloatArray, domain: FloatArray, starts: FloatArray
    ) -> tuple[float, FloatArray]:
        """Return an approximate minimum of f + t·k over rows orthogonal to (v_1, v_2, 1), and where it is."""
        best = np.empty(5)
        cell = np.array((v[0], v[0], v[1], v[1]))
        problem = self._rows.RowProblem(self._p, own, cell, np.zeros(2), tilt, domain)
        return float(self._rows.lowest_row(problem, starts, best)), best

    def excluded(
        self,
        own: int,
        ends: FloatArray,
        slope: FloatArray,
        tilt: FloatArray,
        domain: FloatArray,
        target: float,
        smallest: float = 0.0,
    ) -> FloatArray | None:
        """Show that F ≥ target on a domain but for a hull, or return None if that fails or takes too many boxes.

        Args:
            own: index of the row's own feature, 0 or 2.
            ends: a's ends, then b's.
            slope: κ.
            tilt: t.
            domain: lower ends of k_1, k_2, k_3, β, and upper ends; shape (2, 4).
            target: what F is compared with.
            smallest: boxes that aren't wider may be left over; 0 for none.

        Returns:
            The hull of what is left over, like a domain. Its lower ends are above the upper ones if nothing is.
        """
        hull = np.empty((2, 4))
        problem = self._rows.RowProblem(self._p, own, ends, slope, tilt, domain)
        most = min(ROW_BOXES, self.budget - self.boxes)
        status, boxes = self._rows.exclude_rows(problem, target, smallest, most, hull)
        self.boxes += boxes
        return hull if status == self._rows.EXCLUDED else None
