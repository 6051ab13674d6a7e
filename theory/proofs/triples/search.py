"""Proven lower bounds of the least loss of three features in two dimensions, by branch and bound over null vectors.

W has three columns in two dimensions, so that W v = 0 for some v ≠ 0, and every row of G = WᵀW is orthogonal to v. Once
v is given, the outputs share nothing but the symmetry of G, which may be dropped or paid for by multipliers:

    L(W, b) ≥ Σ_i I_i φ_i(v),      φ_i(v) = min { f_i(k, β) + t_i · k : k · v = 0 },      Σ_i I_i t_i · G_i = 0.

That is a minimum over two dimensions, v = (a, b, 1) up to the order of features, of sums of minima over three
(docs/proofs-three.md). `triple_rows` bounds the inner ones, and `triple_cells` puts them together, over cells of v.
"""

from __future__ import annotations

import heapq
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from ...numerics import FloatArray
from .cells import OWN, Cell, CellBounds, Triple

# Half-width of the first cells of v.
FIRST_WIDTH = 1 / 8
# Cells are not cut below this width, so that products with entries of boxes stay exact.
NARROWEST_CELL = 2.0**-16
# Boxes of an inner search.
ROW_BOXES = 20_000


@dataclass(frozen=True)
class TripleBound:
    """A proven lower bound of min L, and cells that hold the null vectors of all W with L ≤ upper.

    Attributes:
        lower: no W and b have a smaller loss.
        upper: the loss to beat, as given.
        cells: what is left, with boxes of the rows of G and of biases.
        looked_at: number of cells of v.
        boxes: number of boxes of rows.
        seconds: processor time taken.
        history: boxes and lower bound along the way.
        reason: why the search ended.
    """

    lower: float
    upper: float
    cells: tuple[Cell, ...]
    looked_at: int
    boxes: int
    seconds: float
    history: tuple[tuple[int, float], ...]
    reason: str


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


def charts(density: float, importance: tuple[float, float, float]) -> list[Triple]:
    """Return the charts v_c = 1 that are needed: one for each different importance."""
    found = []
    for c in range(3):
        if importance[c] in importance[:c]:
            continue
        j, k = (i for i in range(3) if i != c)
        shares = (importance[j], importance[k], importance[c])
        found.append(Triple(density, shares, (j, k, c), importance[j] == importance[k]))
    return found


class TripleSearch:
    """Branch and bound over null vectors, best first.

    Args:
        density: p.
        importance: I_1, I_2, I_3.
        upper: a proven upper bound of min L.
    """

    def __init__(self, density: float, importance: tuple[float, float, float], upper: float) -> None:
        """Lay out the first cells."""
        # Compiles, or loads what has been compiled before.
        from . import rows as triple_rows

        self._rows = triple_rows
        self._p, self._upper = density, upper
        self._boxes = self._cells = self._numbers = 0
        self._open: list[Cell] = []
        self._narrow: list[Cell] = []
        self._history: list[tuple[int, float]] = []
        self._seconds = 0.0
        self._max_boxes = 0
        self._started = False
        limits = [row_limits(density, upper / share) for share in importance]
        self.size = max(size for size, _, _ in limits)
        self._importance = importance
        self._low, self._high = min(low for _, low, _ in limits), max(high for _, _, high in limits)

    def first_domain(self, own: int) -> FloatArray:
        """Return a box of (k_1, k_2, k_3, β) that holds every row where L ≤ U, k_own being its own overlap."""
        low, high = np.full(4, -self.size), np.full(4, self.size)
        low[own], low[3], high[3] = 0, self._low, self._high
        return np.array([low, high])

    def _first_cells(self) -> Iterator[Cell]:
        edges = np.arange(-1, 1, 2 * FIRST_WIDTH)
        for chart in charts(self._p, self._importance):
            domains = np.stack([self.first_domain(own) for own in OWN])
            for a, b in product(edges, edges):
                ends = (float(a), float(a + 2 * FIRST_WIDTH), float(b), float(b + 2 * FIRST_WIDTH))
                yield Cell(-math.inf, 0, chart, ends, domains)

    def run(self, gap: float, max_boxes: int, report: Callable[[int, float, int], None] | None = None) -> TripleBound:
        """Search until the bound is within `gap` of the loss to beat; a second run goes on from where the first ended.

        Args:
            gap: wanted distance of the bounds.
            max_boxes: most boxes of rows, those of earlier runs included.
            report: called for every cell that is cut, with boxes, lower bound and number of open cells.
        """
        if not math.isfinite(self.size):
            return TripleBound(-math.inf, self._upper, (), 0, 0, 0.0, (), "rows of G aren't bounded")
        began = time.process_time()
        self._max_boxes = max_boxes
        if not self._started:
            self._started = True
            for cell in self._first_cells():
                self._look(cell)
        reason = "bounds are close"
        while self._open and self._open[0].lower < self._upper - gap:
            self._note()
            if report is not None:
                report(self._boxes, self._lower(), len(self._open))
            if self._boxes >= max_boxes:
                reason = "box budget spent"
                break
            cell = heapq.heappop(self._open)
            if 2 * cell.half_width <= NARROWEST_CELL:
                self._narrow.append(cell)
                continue
            for ends in cell.quarters():
                self._look(Cell(cell.lower, 0, cell.chart, ends, cell.domains, cell.rows, cell.multipliers))
        if self._narrow:
            reason = "cells are as narrow as they may be"
        self._note()
        self._seconds += time.process_time() - began
        left = tuple(sorted([*self._narrow, *self._open]))
        return TripleBound(
            self._lower(),
            self._upper,
            left,
            self._cells,
            self._boxes,
            self._seconds,
            tuple(self._history),
            reason,
        )

    def _lower(self) -> float:
        return min((cell.lower for cell in (*self._open[:1], *self._narrow)), default=self._upper)

    def _note(self) -> None:
        lower = self._lower()
        if not self._history or lower > self._history[-1][1]:
            self._history.append((self._boxes, lower))

    def _look(self, cell: Cell) -> None:
        """Bound the loss over a cell, and keep it unless it can't hold a minimiser."""
        a_0, a_1, b_0, b_1 = cell.ends
        if cell.chart.ordered and a_0 * a_1 >= 0 and min(abs(a_0), abs(a_1)) >= max(abs(b_0), abs(b_1)):
            # All of it has |a| ≥ |b|: exchanging the two features leads to another cell.
            return
        if self._boxes >= self._max_boxes:
            self._keep(cell)
            return
        self._cells += 1
        bounds = CellBounds(self, cell)
        cell.lower = max(cell.lower, bounds.lower())
        if cell.lower > self._upper:
            return
        cell.domains = bounds.domains()
        if (cell.domains[:, 0] > cell.domains[:, 1]).any():
            return
        cell.rows, cell.multipliers = bounds.rows, bounds.multipliers
        self._keep(cell)

    def _keep(self, cell: Cell) -> None:
        self._numbers += 1
        cell.number = self._numbers
        heapq.heappush(self._open, cell)

    def lowest(self, own: int, a: float, b: float, tilt: FloatArray, domain: FloatArray, starts: FloatArray) -> Any:
        """Return an approximate minimum of f + t·k over rows orthogonal to (a, b, 1), and where it is."""
        best = np.empty(5)
        return self._rows.lowest_row(self._p, own, a, b, tilt, domain, starts, best), best

    def exclude(
        self,
        own: int,
        ends: FloatArray,
        slope: FloatArray,
        tilt: FloatArray,
        domain: FloatArray,
        target: float,
        smallest: float,
    ) -> tuple[int, FloatArray]:
        """Run `exclude_rows`, counting boxes."""
        hull = np.empty((2, 4))
        status, boxes = self._rows.exclude_rows(
            self._p, own, ends, slope, tilt, domain, target, smallest, ROW_BOXES, hull
        )
        self._boxes += boxes
        return status, hull

    @property
    def upper(self) -> float:
        """The loss to beat."""
        return self._upper
