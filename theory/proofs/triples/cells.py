"""One cell of null vectors of three features in two dimensions: the rows of G there, and bounds of their losses.

For all W whose null vector v = (a, b, 1) lies in the cell, Σ_i I_i F_i is bounded by the three outputs one by one, to
second order in the cell's width; the same search tells where rows and biases are if L ≤ U (docs/proofs-three.md).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import NamedTuple

import numpy as np

from ...numerics import FloatArray
from .row_search import RowSearch

# The inner minima over a cell of half-width w are bounded to within this times w², which is about their curvature.
CURVATURE = 0.5
# Steps uphill in the multipliers at each cell, and their length for importance 1.
ASCENTS, ASCENT = 3, 0.15
# Roundings of Σ_i I_i T_i − …, a dozen operations, relative to its terms.
SUM_ROUNDING = 4e-15
# Boxes start with ends that are multiples of 2^−this of their widths.
GRID_BITS = 6
# Thinner boxes are made this thick.
THINNEST = 2.0**-22
# Which coordinates of v belong to the row of each feature, and where its own overlap is: features (j, k, c), v_c = 1.
OWN = (0, 0, 2)
# Row and place of each overlap, G_jk, G_jc and G_kc, in both of the rows that hold it.
SHARED = (((0, 1), (1, 1)), ((0, 2), (2, 0)), ((1, 2), (2, 1)))


@dataclass(frozen=True)
class Triple:
    """What is asked: density, importances in the order (j, k, c) of a chart v_c = 1, and the loss to beat.

    Attributes:
        density: p.
        importance: I of features j, k, c.
        order: j, k, c.
        ordered: whether |a| ≤ |b| may be assumed, because j and k are alike.
    """

    density: float
    importance: tuple[float, float, float]
    order: tuple[int, int, int]
    ordered: bool


@dataclass(order=True)
class Cell:
    """A cell of (a, b) with what is known about all W whose null vector lies in it.

    Attributes:
        lower: proven bound below L.
        number: breaks ties.
        chart: which features j, k, c are.
        ends: a's ends, then b's.
        domains: for each of the rows j, k, c a box of (k_1, k_2, k_3, β) that holds it where L ≤ U; shape (3, 2, 4).
        rows: approximate minimisers, shape (3, 5).
        multipliers: λ_jk, λ_jc, λ_kc.
    """

    lower: float
    number: int
    chart: Triple = field(compare=False)
    ends: tuple[float, float, float, float] = field(compare=False)
    domains: FloatArray = field(compare=False)
    rows: FloatArray | None = field(compare=False, default=None)
    multipliers: tuple[float, float, float] = field(compare=False, default=(0.0, 0.0, 0.0))

    @property
    def half_width(self) -> float:
        """Half of the cell's width."""
        return (self.ends[1] - self.ends[0]) / 2

    @property
    def centre(self) -> tuple[float, float]:
        """The middles of a and of b."""
        a_0, a_1, b_0, b_1 = self.ends
        return (a_0 + a_1) / 2, (b_0 + b_1) / 2

    @property
    def place(self) -> tuple[int, int, int]:
        """Level, i and j: the cell is number i and j of 2^level from −1 to 1."""
        level = round(-math.log2(self.half_width))
        return level, round((self.ends[0] + 1) * 2 ** (level - 1)), round((self.ends[2] + 1) * 2 ** (level - 1))

    def quarters(self) -> Iterator[tuple[float, float, float, float]]:
        """Yield the ends of the four halves of halves."""
        a_0, a_1, b_0, b_1 = self.ends
        a, b = (a_0 + a_1) / 2, (b_0 + b_1) / 2
        for left, right in ((a_0, a), (a, a_1)):
            for bottom, top in ((b_0, b), (b, b_1)):
                yield left, right, bottom, top


def coarse_box(hull: FloatArray) -> FloatArray:
    """Return a box around a box whose ends are multiples of a 64th of its widths or less, powers of two.

    Boxes that come of halving it then have ends of few bits (docs/proofs-three.md).
    """
    low, high = hull
    if not (low <= high).all():
        return hull
    grid = 2.0 ** (np.floor(np.log2(np.maximum(high - low, THINNEST))) - GRID_BITS)
    return np.array([np.floor(low / grid) * grid, np.ceil(high / grid) * grid])


def smallest_box(spare: float) -> float:
    """Return how wide boxes of rows may be that are left over: about as wide as what costs less than `spare` more."""
    return max(2.0**-18, min(0.25, 1.5 * math.sqrt(max(spare, 0))))


def _couple(domains: FloatArray) -> None:
    """Narrow the domains of three rows, shape (3, 2, 4), by what they know of each other.

    Two rows hold each overlap, and |G_jk|² ≤ G_jj G_kk.
    """
    for one, other in SHARED:
        low = max(domains[one[0], 0, one[1]], domains[other[0], 0, other[1]])
        high = min(domains[one[0], 1, one[1]], domains[other[0], 1, other[1]])
        squares = (max(float(domains[row, 1, OWN[row]]), 0.0) for row in (one[0], other[0]))
        most = math.sqrt(math.prod(squares)) * (1 + 1e-12)
        for row, column in (one, other):
            domains[row, 0, column], domains[row, 1, column] = max(low, -most), min(high, most)


class Multipliers(NamedTuple):
    """λ_jk, λ_jc, λ_kc, the entries of Λ, which is antisymmetric."""

    jk: float
    jc: float
    kc: float

    def tilts(self, importance: tuple[float, float, float]) -> list[FloatArray]:
        """Return t_j, t_k and t_c, rows of Λ over their importance, each in the order of its own row."""
        return [
            np.array((0, self.jk, self.jc)) / importance[0],
            np.array((0, -self.jk, self.kc)) / importance[1],
            np.array((-self.jc, -self.kc, 0)) / importance[2],
        ]


class Estimate(NamedTuple):
    """Inner minima at the centre of a cell, which a bound starts from; nothing is proven.

    Attributes:
        multipliers: what was paid for the symmetry of G.
        rows: where the minima are, shape (3, 5).
        values: f_i + t_i · k there, shape (3,).
        slopes: κ of each row.
        sum: Σ_i I_i f_i less the most that Σ_i I_i κ_i · (v − centre) takes off it over the cell.
        drop: what that is.
    """

    multipliers: Multipliers
    rows: FloatArray
    values: FloatArray
    slopes: tuple[FloatArray, ...]
    sum: float
    drop: float


class CellBounds:
    """Lower bounds of the three outputs over one cell: I_i F_i ≥ I_i T_i, with F_i as in `rows`."""

    def __init__(self, search: RowSearch, cell: Cell) -> None:
        """Estimate the minima at the cell's centre."""
        self._search, self._cell = search, cell
        self._I = cell.chart.importance
        a_0, a_1, b_0, b_1 = cell.ends
        self._ends = [np.array(cell.ends), np.array((b_0, b_1, a_0, a_1)), np.array(cell.ends)]
        self._proven: FloatArray | None = None
        self._at = self._estimate(Multipliers(*cell.multipliers), cell.rows, everywhere=cell.rows is None)
        if len(set(self._I)) > 1:
            self._raise_multipliers()

    @property
    def estimate(self) -> Estimate:
        """Where the inner minima are at the cell's centre."""
        return self._at

    def _raise_multipliers(self) -> None:
        """Go uphill in the multipliers of G's symmetry: the slope is by how much rows differ about an overlap."""
        step = ASCENT * min(self._I)
        for _ in range(ASCENTS):
            j, k, c = self._at.rows
            slopes = (j[1] - k[1], j[2] - c[0], k[2] - c[1])
            raised = Multipliers(*(x + step * float(s) for x, s in zip(self._at.multipliers, slopes, strict=True)))
            higher = self._estimate(raised, self._at.rows, everywhere=False)
            if higher.sum < self._at.sum:
                step /= 3
            else:
                self._at = higher

    def _starts(self, i: int) -> FloatArray:
        """Return a grid over the part of the domain where minimisers are likely."""
        low, high = np.maximum(self._cell.domains[i, 0], -0.6), np.minimum(self._cell.domains[i, 1], 1.1)
        shares = (0.1, 0.5, 0.9)
        axes = [[low[d] + share * (high[d] - low[d]) for share in shares] for d in (0, 1, 3)]
        return np.array(list(product(*axes)))

    def _estimate(self, multipliers: Multipliers, near: FloatArray | None, everywhere: bool) -> Estimate:
        """Minimise rows from those near the minima, and from a grid of them if `everywhere`."""
        rows, values, slopes = np.empty((3, 5)), np.empty(3), []
        total = np.zeros(2)
        a, b = self._cell.centre
        for i, (own, tilt) in enumerate(zip(OWN, multipliers.tilts(self._I), strict=True)):
            starts = np.empty((0, 3)) if near is None else np.ascontiguousarray(near[i : i + 1, [0, 1, 3]])
            if everywhere:
                starts = np.concatenate([self._starts(i), starts])
            v = (b, a) if i == 1 else (a, b)
            values[i], rows[i] = self._search.lowest(own, v, tilt, self._cell.domains[i], starts)
            if not math.isfinite(values[i]):
                # Rows at the centre that are close to the domain will do: nothing is claimed about these values.
                values[i], rows[i] = self._search.lowest(own, v, tilt, self._search.first_domain(own), self._starts(i))
            k_1, k_2, _, _, steep = rows[i]
            slope = np.array((-k_1 * steep, -k_2 * steep))
            slopes.append(slope)
            total += self._I[i] * (slope[::-1] if i == 1 else slope)
        drop = float(np.abs(total).sum()) * self._cell.half_width
        return Estimate(multipliers, rows, values, tuple(slopes), float(np.dot(self._I, values)) - drop, drop)

    def _targets(self) -> FloatArray:
        """Return what the inner minima are compared with: just what is needed, or about what can be had."""
        loose = CURVATURE * self._cell.half_width**2
        spare = self._at.sum - self._search.upper
        share = spare / sum(self._I) * (1 - 1e-9) if spare > 0 else 0.0
        return self._at.values - max(share, loose)

    def lower(self) -> float:
        """Return a proven bound below L for all W whose null vector lies in the cell; −∞ if there is none."""
        targets = self._targets()
        if not self._all_above(targets):
            # The estimates may have missed the lowest minima, or the cell is too wide for them to be bounded so well.
            self._at = self._estimate(self._at.multipliers, self._cell.rows, everywhere=True)
            targets = self._targets()
            if not self._all_above(targets):
                targets = targets - 8 * CURVATURE * self._cell.half_width**2
                if not self._all_above(targets):
                    return -math.inf
        self._proven = targets
        return self._sum(targets)

    def _all_above(self, targets: FloatArray) -> bool:
        return all(self._excluded(i, float(targets[i])) is not None for i in range(3))

    def _sum(self, targets: FloatArray) -> float:
        """Return Σ_i I_i T_i less what the cell's width takes off, rounded to the safe side."""
        # Sizes of what cancels in the sum over the cell, and in Σ_i I_i t_i · G_i = 0.
        steep = sum(share * float(np.abs(slope).sum()) for share, slope in zip(self._I, self._at.slopes, strict=True))
        overlaps = 2 * sum(abs(x) for x in self._at.multipliers) * self._search.size
        size = float(np.dot(self._I, np.abs(targets))) + self._at.drop + steep * self._cell.half_width + overlaps
        return float(np.dot(self._I, targets)) - self._at.drop - SUM_ROUNDING * size

    def domains(self) -> FloatArray:
        """Return smaller boxes that still hold the rows and biases of all W and b with L ≤ U."""
        if self._proven is None:
            return self._cell.domains
        found = self._cell.domains.copy()
        for i in range(3):
            # I_i F_i = L − Σ_{l≠i} I_l F_l − Σ_l I_l κ_l · (v − centre) ≤ U − …
            spare = self._search.upper - self._sum(self._proven)
            target = self._proven[i] + spare / self._I[i] * (1 + 1e-9)
            target += SUM_ROUNDING * (1 + abs(target))
            hull = self._excluded(i, target, smallest_box(target - self._at.values[i]))
            if hull is not None:
                found[i, 0] = np.maximum(found[i, 0], hull[0])
                found[i, 1] = np.minimum(found[i, 1], hull[1])
        _couple(found)
        for i in range(3):
            low, high = coarse_box(found[i])
            found[i, 0] = np.maximum(self._cell.domains[i, 0], low)
            found[i, 1] = np.minimum(self._cell.domains[i, 1], high)
        return found

    def _excluded(self, i: int, target: float, smallest: float = 0.0) -> FloatArray | None:
        tilt = self._at.multipliers.tilts(self._I)[i]
        domain = self._cell.domains[i]
        return self._search.excluded(OWN[i], self._ends[i], self._at.slopes[i], tilt, domain, target, smallest)
