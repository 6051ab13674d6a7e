"""The recursion over a cube's faces as one list of operations on rows of numbers, for compiled code.

`moments.py` runs through the groups of a `CubeTable` with array operations. Here the same table is written out: every
row (a corner's z, a moment, a sum over patterns) is a sum of products of two earlier rows, times a constant,

    row ← (row or 0 + row_a row_b + row_c row_d) · scale .

Only what isn't a sum of products is left to the code that runs it: z at corners, which is summed up with twice the
digits; R_q there; and where u* lies in each cell.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..models import AnyAmplitude, FeatureAmplitudes
from ..numerics import Summarised
from .cells import FREE, HIGH, LOW, CubeTable, Group, Monomial, PatternGroup, table_of

Index = NDArray[np.int64]
Pattern = tuple[int, ...]
Term = tuple[int, int]

# The first row is zero.
ZERO = 0
# Columns of `Schedule.operations`, of `Schedule.origins`, of `Schedule.corners`, and of `Schedule.cells`.
ROW, A, B, C, D, BEGINS = range(6)
ORIGIN_ROW, TERMS, FIRST_TERM = range(3)
Z, STEP, LINEAR, SQUARE = range(4)
LOWEST, HIGHEST, LOW_OF_FIRST, LOW_OF_SECOND, HIGH_OF_FIRST, HIGH_OF_SECOND = range(6)
START, DELTA, SIZE, WEIGHTS, APEX, ORIGIN, FIRST_SLOPE = range(6, 13)


@dataclass(frozen=True, eq=False)
class Schedule(Summarised):
    """Operations that turn slopes, an offset and pattern probabilities into an output's loss and its derivatives.

    Attributes:
        order: derivatives: 0, 1 or 2.
        n_rows: rows that are kept for each output of each model.
        inputs: rows of the first slope, the offset and the first probability. What the slopes are short of follows
            them.
        results: row of E(ReLU(z) − x_0)² − E[x_0²]. The derivatives in (slopes, offset) follow it, then the second
            derivatives, the upper triangle row by row.
        constants: rows that hold a constant, and its value.
        operations: row, its first pair of factors, its second pair, and whether it begins from 0, shape (K, 6).
        scales: their constant factors, shape (K,).
        origins: for each corner, and where u* lies on the way from 0 each other cell, the row of z where free
            coordinates are nearest to 0, the number of its terms but the offset, and for each of these the slope's row
            and 0 for the low, 1 for the high end that it is multiplied with, or 2 for the point nearest to 0, shape
            (origins, 2 + 2 terms).
        corners: for each corner the rows of z, R_0(z), R_1(z) and R_2(z), shape (corners, 4).
        cells: for each other cell, from edges up, shape (cells, 12 + coordinates): the rows of its lowest and
            highest z, of the lowest z of two facets, of their highest, of max(lowest z, 0) and of δ (0 if there is
            none), the number of free coordinates, the first rows of the facets' weights (all low ends, then all high
            ends) and of u*, the row of z at the origin, and the rows of the free coordinates' slopes.
        ends: the amplitude's low and high end, where all features share them.
        end_rows: row of the first coordinate's low end, where they don't; else 0. All low ends, all high ends and the
            points nearest to 0 stand there.
        from_zero: whether u* lies on the way from 0 (`moments.py`).
    """

    order: int
    n_rows: int
    inputs: tuple[int, int, int]
    results: int
    constants: tuple[Index, NDArray[np.float64]]
    operations: NDArray[np.int32]
    scales: NDArray[np.float64]
    origins: Index
    corners: Index
    cells: Index
    ends: tuple[float, float]
    end_rows: int
    from_zero: bool


class _Rows:
    """Hands out rows, and collects the operations that fill them."""

    def __init__(self) -> None:
        self.count = 1
        self._constants: dict[float, int] = {0.0: ZERO}
        self._scaled: dict[tuple[int, float], int] = {}
        self.operations: list[tuple[int, int, int, int, int, int]] = []
        self.scales: list[float] = []

    def new(self, count: int = 1) -> int:
        """Return the first of so many new rows."""
        self.count += count
        return self.count - count

    def constant(self, value: float) -> int:
        """Return the row that holds a constant."""
        if value not in self._constants:
            self._constants[value] = self.new()
        return self._constants[value]

    def constants(self) -> tuple[Index, NDArray[np.float64]]:
        """Return the rows of constants and their values."""
        return np.array(list(self._constants.values())), np.array(list(self._constants))

    def scaled(self, row: int, factor: float) -> int:
        """Return a row times a constant; the same one if it is asked for again."""
        if factor == 1 or row == ZERO:
            return row
        if (row, factor) not in self._scaled:
            self._scaled[row, factor] = self.add(self.new(), [(row, self.constant(1.0))], factor)
        return self._scaled[row, factor]

    def add(self, row: int, terms: Iterable[Term], scale: float = 1.0) -> int:
        """Fill a row with a sum of products times a constant, and return it."""
        kept = [term for term in terms if ZERO not in term]
        kept += [(ZERO, ZERO)] * (2 - len(kept) if len(kept) < 2 else len(kept) % 2)
        for k in range(0, len(kept), 2):
            self.operations.append((row, *kept[k], *kept[k + 1], int(k == 0)))
            self.scales.append(scale if k + 2 == len(kept) else 1.0)
        return row


class _Builder:
    """Writes out one table."""

    def __init__(self, table: CubeTable, amplitude: AnyAmplitude, n: int, patterns: tuple[Pattern, ...], order: int):
        self._table, self._n, self._order = table, n, order
        self._has_many = isinstance(amplitude, FeatureAmplitudes)
        self._low, self._high = (0.0, 0.0) if self._has_many else (float(amplitude.low), float(amplitude.high))
        self._from_zero = order == 2 and amplitude.has_both_signs
        self._rows = rows = _Rows()
        self._slopes, self._offset, self._chances = rows.new(2 * n), rows.new(), rows.new(len(patterns))
        self._ends = rows.new(3 * n) if self._has_many else ZERO
        self._products: dict[Term, int] = {}
        self._moments: dict[int, int] = {q: rows.new(table.rows[q] - 1) - 1 for q in table.qs}
        self._cells: dict[int, list[int]] = {}

    def _moment(self, q: int, row: int) -> int:
        """Return the row of a row of the buffer of q; its row 0 is zero."""
        return self._moments[q] + row if row else ZERO

    def _origins(self) -> Index:
        """Return how z is summed up where the free coordinates are 0; see `Schedule.origins`."""
        codes, found = {LOW: 0, HIGH: 1, FREE: 2}, []
        kept = set(codes) if self._has_many else {s for s, end in ((LOW, self._low), (HIGH, self._high)) if end}
        for cell in range(self._table.n_cells if self._from_zero else self._table.n_corners):
            steps = [(int(place[cell]), int(state[cell])) for place, state in self._table.fixed_steps]
            terms = [(self._slopes + place, codes[state]) for place, state in steps if state in kept]
            padding = [(ZERO, 0)] * (self._n - len(terms))
            found.append([self._rows.new(), len(terms), *chain.from_iterable(terms + padding)])
        return np.array(found, dtype=np.int64)

    def _place(self, group: Group, origins: list[int], lowest: list[int], highest: list[int]) -> None:
        """Hand out the rows of a group's cells."""
        rows, size = self._rows, group.size
        is_unit = self._low == 0 and self._high == 1
        for number in range(group.cells.stop - group.cells.start):
            cell = group.cells.start + number
            low, high, start = rows.new(), rows.new(), rows.new()
            lowest.append(low)
            highest.append(high)
            first, second = (int(end) for end in group.ends[:, number])
            delta = ZERO
            if size == 1 and -1 in self._table.qs:
                delta = self._moment(-1, group.offsets[-1] + number)
            weights = rows.new(2 * size)
            apex = weights if is_unit else rows.new(size)
            origin = origins[cell] if self._from_zero else ZERO
            slopes = [self._slopes + int(j) for j in group.coordinates[:, number]]
            padding = [ZERO] * (self._n - size)
            ends = [lowest[first], lowest[second], highest[first], highest[second]]
            self._cells[cell] = [low, high, *ends, start, delta, size, weights, apex, origin, *slopes, *padding]

    def _fill(self, group: Group) -> None:
        """Fill the moments of a group of cells from those of their facets."""
        rows, size = self._rows, group.size
        cells = group.cells.stop - group.cells.start
        for q in self._table.qs:
            here = self._moment(q, group.offsets[q])
            under = self._moment(q - 1, group.offsets[q - 1]) if q > 0 else ZERO
            for step in group.steps[q]:
                if q == -1 and size == 1 and not step.factors:
                    continue
                for m in range(step.rows.stop - step.rows.start):
                    for number in range(cells):
                        place = self._cells[group.cells.start + number]
                        start, weights, apex = place[START], place[WEIGHTS], place[APEX]
                        terms = []
                        for t, (lower, upper, powers) in enumerate(step.facets):
                            for side, high in ((lower, 0), (upper, 1)):
                                row = self._moment(q, int(side[m, number]))
                                weight = weights + high * size + t
                                if row:
                                    end = int(group.coordinates[t, number]), high
                                    terms.append((row, self._with_end(weight, end, int(powers[m]))))
                        terms += [(here + int(f[m]) * cells + number, apex + int(p[m])) for p, f in step.factors]
                        if step.below is not None:
                            terms.append((under + int(step.below[m]) * cells + number, start))
                        row = here + (step.rows.start + m) * cells + number
                        rows.add(row, terms, 1 / step.divisor)

    def _with_end(self, row: int, end: Term, power: int) -> int:
        """Return a row times a power of the low (0) or the high end (1) of a coordinate."""
        coordinate, high = end
        if not self._has_many:
            factor = (self._low, self._high)[high] ** power
            return self._rows.scaled(row, factor) if factor else ZERO
        for _ in range(power):
            row = self._product(row, self._ends + high * self._n + coordinate)
        return row

    def _product(self, row: int, other: int) -> int:
        """Return the product of two rows; the same one if it is asked for again."""
        if (row, other) not in self._products:
            self._products[row, other] = self._rows.add(self._rows.new(), [(row, other)])
        return self._products[row, other]

    def _collect(self, results: int) -> None:
        """Fill the results: sums over patterns of their probabilities times the integrand and its derivatives."""
        n, rows = self._n, self._rows
        targets: dict[Pattern, list[Term]] = {(): []}
        if self._order > 0:
            targets |= {(j,): [] for j in range(n + 1)}
        if self._order > 1:
            targets |= {(j, k): [] for j in range(n + 1) for k in range(j, n + 1)}
        for patterns in self._table.pattern_groups:
            for number, pattern in enumerate(patterns.patterns.tolist()):
                variables = [*patterns.coordinates[:, number].tolist(), n]
                chance = self._chances + pattern
                for target, sums in targets.items():
                    if set(target) <= set(variables):
                        sums.append((chance, self._integrand(patterns, number, target, variables)))
        for place, sums in enumerate(targets.values()):
            rows.add(results + place, sums, 2.0)

    def _integrand(self, patterns: PatternGroup, number: int, target: Pattern, variables: list[int]) -> int:
        """Return the row of half of (ReLU(z) − x_0)² − x_0², or of a derivative, given a pattern."""
        rows, q = self._rows, 2 - len(target)
        places = tuple(variables.index(j) for j in target if j != self._n)
        plain = self._pattern_moment(patterns, number, q, places)
        if not patterns.own or q - 1 not in self._table.qs:
            return plain
        mine = self._pattern_moment(patterns, number, q - 1, (0, *places))
        return rows.add(rows.new(), [(plain, rows.constant(1.0)), (mine, rows.constant(-1.0))])

    def _pattern_moment(self, patterns: PatternGroup, number: int, q: int, factors: Pattern) -> int:
        """Return the row of E[u^α R_q(z)] given a pattern, α being a product of its places."""
        group, cells = patterns.group, patterns.group.cells.stop - patterns.group.cells.start
        monomial: Monomial = () if self._table.is_constant else tuple(sorted(factors))
        known = group.monomials[q]
        if monomial not in known:
            return ZERO
        at = group.offsets[q] + known.index(monomial) * cells + int(patterns.places[number])
        row = self._moment(q, at)
        if not self._table.is_constant:
            return row
        if not self._has_many:
            return self._rows.scaled(row, self._low ** len(factors))
        for place in factors:
            row = self._with_end(row, (int(patterns.coordinates[place, number]), 0), 1)
        return row

    def build(self) -> Schedule:
        """Return the schedule."""
        table, rows, n = self._table, self._rows, self._n
        summed = self._origins()
        origins: list[int] = summed[:, ORIGIN_ROW].tolist()
        corners = [
            [origins[c], *(self._moment(q, table.groups[0].offsets[q] + c) for q in (0, 1, 2))]
            for c in range(table.n_corners)
        ]
        lowest, highest = origins[: table.n_corners], origins[: table.n_corners]
        for group in table.groups[1:]:
            self._place(group, origins, lowest, highest)
        for group in table.groups[1:]:
            self._fill(group)
        count = (1, n + 2, n + 2 + (n + 1) * (n + 2) // 2)[self._order]
        results = rows.new(count)
        self._collect(results)
        cells: Any = [self._cells[c] for c in sorted(self._cells)]
        return Schedule(
            order=self._order,
            n_rows=rows.count,
            inputs=(self._slopes, self._offset, self._chances),
            results=results,
            constants=rows.constants(),
            operations=np.array(rows.operations, dtype=np.int32),
            scales=np.array(rows.scales),
            origins=summed,
            corners=np.array(corners, dtype=np.int64),
            cells=np.array(cells, dtype=np.int64).reshape(len(cells), FIRST_SLOPE + n),
            ends=(self._low, self._high),
            end_rows=self._ends,
            from_zero=self._from_zero,
        )


@lru_cache(maxsize=64)
def schedule(n_coordinates: int, patterns: tuple[Pattern, ...], order: int, amplitude: AnyAmplitude) -> Schedule:
    """Return the operations for the outputs of a model.

    Args:
        n_coordinates: number of features; coordinate 0 is the output's own.
        patterns: sets of active coordinates, ascending; their probabilities are inputs in this order.
        order: derivatives wanted: 0, 1 or 2.
        amplitude: law of each active feature, or one of each.
    """
    table = table_of(n_coordinates, patterns, order, amplitude)
    return _Builder(table, amplitude, n_coordinates, patterns, order).build()
