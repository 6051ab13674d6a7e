"""Proven lower bounds of the least loss of three features in two dimensions, by branch and bound over null vectors.

W has three columns in two dimensions, so that W v = 0 for some v ≠ 0, and every row of G = WᵀW is orthogonal to v. Once
v is given, the outputs share nothing but the symmetry of G, which may be dropped or paid for by multipliers:

    L(W, b) ≥ Σ_i I_i φ_i(v),      φ_i(v) = min { f_i(k, β) + t_i · k : k · v = 0 },      Σ_i I_i t_i · G_i = 0.

That is a minimum over two dimensions, v = (a, b, 1) up to the order of features, of sums of minima over three
(docs/proofs-three.md). `rows` bounds the inner ones, and `cells` puts them together, over cells of v.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

import numpy as np

from ..certificates import BUDGET_SPENT, NullCell
from .cells import OWN, Cell, CellBounds, Triple
from .listing import closed_cell, open_cell
from .row_search import RowSearch

Number = float | Fraction

# Half-width of the first cells of v.
FIRST_WIDTH = 1 / 8
# Cells are not cut below this width, so that products with entries of boxes stay exact.
NARROWEST_CELL = 2.0**-16


@dataclass(frozen=True)
class TripleBound:
    """A proven lower bound of min L, and cells that hold the null vectors of all W with L ≤ upper.

    Attributes:
        lower: no W and b have a smaller loss.
        upper: the loss to beat, as given.
        cells: what is left, with boxes of the rows of G and of biases.
        closed: what isn't, as a certificate lists it.
        boxes: number of boxes of rows that were looked at.
        history: boxes and lower bound along the way.
        reason: why the search ended.
    """

    lower: float
    upper: float
    cells: tuple[Cell, ...]
    closed: tuple[NullCell, ...]
    boxes: int
    history: tuple[tuple[int, float], ...]
    reason: str


def charts(density: float, importance: tuple[Number, Number, Number]) -> list[Triple]:
    """Return the charts v_c = 1 that are needed: one for each different importance."""
    found = []
    for c in range(3):
        if importance[c] in importance[:c]:
            continue
        j, k = (i for i in range(3) if i != c)
        shares = (float(importance[j]), float(importance[k]), float(importance[c]))
        found.append(Triple(density, shares, (j, k, c), importance[j] == importance[k]))
    return found


class TripleSearch:
    """Branch and bound over null vectors, best first.

    Args:
        density: p.
        importance: I_1, I_2, I_3; which of them are equal is taken from the numbers as they are given.
        upper: a proven upper bound of min L.
    """

    def __init__(self, density: float, importance: tuple[Number, Number, Number], upper: float) -> None:
        """Know nothing yet."""
        one, two, three = importance
        self.rows = RowSearch(density, (float(one), float(two), float(three)), upper)
        self._p, self._importance, self._upper = density, importance, upper
        self._numbers = 0
        self._open: list[Cell] = []
        self._narrow: list[Cell] = []
        self._closed: list[NullCell] = []
        self._history: list[tuple[int, float]] = []
        self._started = False

    def first_cells(self) -> Iterator[Cell]:
        """Yield cells that hold the null vectors of all W, up to exchanges of features of one importance."""
        edges = np.arange(-1, 1, 2 * FIRST_WIDTH)
        for chart in charts(self._p, self._importance):
            domains = np.stack([self.rows.first_domain(own) for own in OWN])
            for a, b in product(edges, edges):
                ends = (float(a), float(a + 2 * FIRST_WIDTH), float(b), float(b + 2 * FIRST_WIDTH))
                yield Cell(-math.inf, 0, chart, ends, domains)

    def run(self, gap: float, max_boxes: int, report: Callable[[int, float, int], None] | None = None) -> TripleBound:
        """Search until the bound is within `gap` of the loss to beat; a second run goes on from where the first ended.

        Args:
            gap: wanted distance of the bounds.
            max_boxes: most boxes of rows to look at, those of earlier runs included.
            report: called for every cell that is cut, with boxes, lower bound and number of open cells.
        """
        if not math.isfinite(self.rows.size):
            return TripleBound(-math.inf, self._upper, (), (), 0, (), "rows of G aren't bounded")
        self.rows.budget = max_boxes
        if not self._started:
            self._started = True
            for cell in self.first_cells():
                self._look(cell)
        reason = "bounds are close"
        while self._open and self._open[0].lower < self._upper - gap:
            self._note()
            if report is not None:
                report(self.rows.boxes, self._lower(), len(self._open))
            if self.rows.spent:
                reason = BUDGET_SPENT
                break
            self._cut(heapq.heappop(self._open))
        if self._narrow:
            reason = "cells are as narrow as they may be"
        self._note()
        left = tuple(sorted([*self._narrow, *self._open]))
        return TripleBound(
            self._lower(), self._upper, left, tuple(self._closed), self.rows.boxes, tuple(self._history), reason
        )

    def opened(self, cells: tuple[Cell, ...]) -> tuple[NullCell, ...] | None:
        """Return what a certificate lists of cells that are left, or None if it can't be proved within the budget."""
        found = []
        for cell in cells:
            listed = open_cell(self.rows, cell, CellBounds(self.rows, cell).estimate)
            if listed is None:
                return None
            found.append(listed)
        return tuple(found)

    def _lower(self) -> float:
        return min((cell.lower for cell in (*self._open[:1], *self._narrow)), default=self._upper)

    def _note(self) -> None:
        lower = self._lower()
        if not self._history or lower > self._history[-1][1]:
            self._history.append((self.rows.boxes, lower))

    def _cut(self, cell: Cell) -> None:
        """Look at the four parts of a cell, or put it aside if they would be too narrow."""
        if 2 * cell.half_width <= NARROWEST_CELL:
            self._narrow.append(cell)
            return
        for ends in cell.quarters():
            self._look(Cell(cell.lower, 0, cell.chart, ends, cell.domains, cell.rows, cell.multipliers))

    def _look(self, cell: Cell) -> None:
        """Bound the loss over a cell, and keep it unless it can't hold a minimiser."""
        a_0, a_1, b_0, b_1 = cell.ends
        if cell.chart.ordered and a_0 * a_1 >= 0 and min(abs(a_0), abs(a_1)) >= max(abs(b_0), abs(b_1)):
            # All of it has |a| ≥ |b|: exchanging the two features leads to another cell.
            return
        if self.rows.spent:
            self._keep(cell)
            return
        bounds = CellBounds(self.rows, cell)
        cell.lower = max(cell.lower, bounds.lower())
        excluded = cell.lower > self._upper
        if not excluded:
            domains = bounds.domains()
            excluded = bool((domains[:, 0] > domains[:, 1]).any())
            if not excluded:
                cell.domains = domains
        cell.rows, cell.multipliers = bounds.estimate.rows, bounds.estimate.multipliers
        if not excluded:
            self._keep(cell)
            return
        listed = closed_cell(self.rows, cell, bounds.estimate)
        if listed is not None:
            self._closed.append(listed)
        elif self.rows.spent:
            self._keep(cell)
        else:
            # Excluded by what is known of larger cells, not by itself alone: its parts may be.
            self._cut(cell)

    def _keep(self, cell: Cell) -> None:
        self._numbers += 1
        cell.number = self._numbers
        heapq.heappush(self._open, cell)
