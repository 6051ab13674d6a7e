"""The end of the check of three features: a minimum that is the only one in a small box, in rational numbers.

L is a polynomial in moments of its outputs (docs/proofs-three.md), so that loss and gradient at a rational point are
rational numbers. All second derivatives are differences of moments that increase in every slope and in the bias: their
values at two corners enclose them over a box. Where the Hessian is positive definite all over the box, it holds at most
one stationary point, and a gradient says how far away that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement
from math import isqrt
from typing import NamedTuple

from flint import fmpq, fmpq_mat

from ...numerics import Range
from .exact_moments import ExactMoments

N, M = 3, 2
# Coordinates: W_11, W_12, W_13, W_22, W_23 by (row, column), then the biases. W_21 = 0.
FREE = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2))
SIZE = len(FREE) + N
# Entries of matrices are rounded outward, and their middles, to multiples of this.
GRID = 2**64
# Boxes to look at: halving all eight sides takes 511.
MAX_PARTS = 1000

Ranges = tuple[Range, ...]
Row = tuple[fmpq, ...]
PATTERNS = tuple(tuple(j for j in range(N) if number >> j & 1) for number in range(2**N))


class TripleModel(NamedTuple):
    """Density and importances in rational numbers."""

    density: fmpq
    importance: tuple[fmpq, ...]


class _Output:
    """Expectations of one output at one row of G and bias."""

    def __init__(self, density: fmpq, row: Row, bias: fmpq, at_zero: int = 0) -> None:
        self._p, self._row, self._bias = density, row, bias
        self._moments = ExactMoments(0, at_zero), ExactMoments(1)

    def expected(self, features: Sequence[int], order: int, active: int | None = None) -> fmpq:
        """Return E[Π x_j R_order(z)] over `features`, restricted to inputs where `active` is active."""
        needed = {*features} if active is None else {*features, active}
        total = fmpq(0)
        for pattern in PATTERNS:
            if needed <= {*pattern}:
                slopes, powers = [self._row[j] for j in pattern], [features.count(j) for j in pattern]
                total += self._chance(pattern) * self._moments[order].moment(self._bias, slopes, powers)
        return total

    def expected_at_one(self, features: Sequence[int], own: int) -> fmpq:
        """Return E[Π x_j [z > 0]] where `own` is active and has x_own = 1."""
        total = fmpq(0)
        offset = self._bias + self._row[own]
        for pattern in PATTERNS:
            if {*features, own} <= {*pattern}:
                others = [j for j in pattern if j != own]
                slopes, powers = [self._row[j] for j in others], [features.count(j) for j in others]
                total += self._chance(pattern) * self._moments[0].moment(offset, slopes, powers)
        return total

    def _chance(self, pattern: Sequence[int]) -> fmpq:
        return self._p ** len(pattern) * (1 - self._p) ** (N - len(pattern))


def loss_and_slopes(model: TripleModel, weights: Sequence[Row], bias: Row) -> tuple[fmpq, list[fmpq]]:
    """Return L and its derivatives in the free coordinates, exactly.

    Args:
        model: density and importances.
        weights: W, two rows of three.
        bias: b.
    """
    p = model.density
    gram = [[sum((row[i] * row[j] for row in weights), fmpq(0)) for j in range(N)] for i in range(N)]
    loss, gamma, slopes = fmpq(0), [], []
    for i, share in enumerate(model.importance):
        output = _Output(p, tuple(gram[i]), bias[i])
        products = [output.expected((j,), 1) for j in range(N)]
        mean = output.expected((), 1)
        # E[y²] = E[y z].
        square = sum((k * x for k, x in zip(gram[i], products, strict=True)), bias[i] * mean)
        loss += share * (p / 3 - 2 * products[i] + square)
        gamma.append([2 * share * (products[j] - output.expected((i, j), 0)) for j in range(N)])
        slopes.append(2 * share * (mean - output.expected((i,), 0)))
    by_weight = [sum(((gamma[k][j] + gamma[j][k]) * weights[h][j] for j in range(N)), fmpq(0)) for h, k in FREE]
    return loss, by_weight + slopes


def _sum(ranges: Sequence[Range]) -> Range:
    return Range(sum((x.low for x in ranges), fmpq(0)), sum((x.high for x in ranges), fmpq(0)))


def _scaled(factor: fmpq, given: Range) -> Range:
    """Return the range of factor · x, factor ≥ 0."""
    return Range(factor * given.low, factor * given.high)


def rounded_outward(given: Range, grid: int = GRID) -> Range:
    """Return a range around a range whose ends are multiples of 1/grid."""
    low, high = given
    return Range(fmpq(low.p * grid // low.q, grid), fmpq(-(-high.p * grid // high.q), grid))


def square_root(value: fmpq, grid: int = GRID**2) -> Range:
    """Return a range that holds the root of a number that isn't negative."""
    square = value.p * grid * grid // value.q
    root = isqrt(int(square))
    return Range(fmpq(root, grid), fmpq(root + 1, grid))


def _row_derivatives(density: fmpq, i: int, row: Ranges) -> tuple[list[Range], list[list[Range]]] | None:
    """Enclose ∂f_i and ∂²f_i in (G_i1, G_i2, G_i3, b_i) over a box, or return None if G_ii may be 0.

    With x̃ = (x, 1) these are 2 E[x̃_j y] − 2 E[x_i x̃_j 1] and 2 E[x̃_j x̃_k 1] − 2 E[x_i x̃_j x̃_k δ(z)]. Integrated by
    parts over u_i, E[u_i^α … δ(z)] = (E[… 1 at u_i = 1] − α E[u_i^{α−1} … 1]) / G_ii, and 1 = [z > 0] increases.
    """
    own = row[i]
    if not own.low > 0:
        return None
    ends = [
        _Output(density, tuple(getattr(side, name) for side in row[:N]), getattr(row[N], name), at_zero)
        for name, at_zero in (("low", 0), ("high", 1))
    ]

    def between(features: Sequence[int], order: int, active: int | None = None) -> Range:
        low, high = (end.expected(features, order, active) for end in ends)
        return Range(low, high)

    inputs = [(j,) for j in range(N)] + [()]
    first, second = [], [[Range(fmpq(0), fmpq(0))] * (N + 1) for _ in range(N + 1)]
    for features in inputs:
        above, below = between(features, 1), between((i, *features), 0)
        first.append(Range(2 * (above.low - below.high), 2 * (above.high - below.low)))
    for j, k in combinations_with_replacement(range(N + 1), 2):
        features = (*inputs[j], *inputs[k])
        on = between(features, 0)
        at_one = [end.expected_at_one(features, i) for end in ends]
        power = 1 + features.count(i)
        inside = between(features, 0, active=i)
        kink = Range(max(at_one[0] - power * inside.high, fmpq(0)), at_one[1] - power * inside.low)
        kink = Range(kink.low / own.high, kink.high / own.low)
        second[j][k] = second[k][j] = rounded_outward(Range(2 * (on.low - kink.high), 2 * (on.high - kink.low)))
    return [rounded_outward(side) for side in first], second


def gram_ranges(weights: Sequence[Sequence[Range]]) -> list[list[Range]]:
    """Return ranges of G over a box of weights, two rows of three."""

    def entry(i: int, j: int) -> Range:
        return _sum([row[i].squared() if i == j else row[i].times(row[j]) for row in weights])

    return [[entry(i, j) for j in range(N)] for i in range(N)]


def _hessian(model: TripleModel, box: Ranges) -> list[list[Range]] | None:
    """Enclose ∂²L in the free coordinates over a box of them, or return None if a feature may not be stored."""
    zero = Range(fmpq(0), fmpq(0))
    W = [[zero] * N for _ in range(M)]
    for (h, k), side in zip(FREE, box[: len(FREE)], strict=True):
        W[h][k] = side
    bias = box[len(FREE) :]
    gram = gram_ranges(W)
    gamma: list[list[Range]] = []
    parts: list[list[list[Range]]] = [[[] for _ in range(SIZE)] for _ in range(SIZE)]
    for i, share in enumerate(model.importance):
        found = _row_derivatives(model.density, i, (*gram[i], bias[i]))
        if found is None:
            return None
        first, second = found
        gamma.append([_scaled(share, side) for side in first[:N]])
        # ∂(G_i1, G_i2, G_i3, b_i)/∂θ by column: ∂G_ij/∂W_hk = δ_jk W_hi + δ_ik W_hj.
        columns: list[list[tuple[int, Range]]] = []
        for h, k in FREE:
            column = [(k, W[h][i])]
            if k == i:
                column = [(j, _scaled(fmpq(2), W[h][i]) if j == i else W[h][j]) for j in range(N)]
            columns.append([(j, side) for j, side in column if side != zero])
        columns += [[(N, Range(fmpq(1), fmpq(1)))] if b == i else [] for b in range(N)]
        for x in range(SIZE):
            for y in range(x + 1):
                parts[x][y] += [
                    _scaled(share, one.times(other).times(second[j][k]))
                    for j, one in columns[x]
                    for k, other in columns[y]
                ]
    # ∂²G_ij / ∂W_hk ∂W_hl = δ_ik δ_jl + δ_il δ_jk.
    for x, (h, k) in enumerate(FREE):
        for y, (other, j) in enumerate(FREE[: x + 1]):
            if other == h:
                parts[x][y] += [gamma[k][j], gamma[j][k]]
    return [[_sum(parts[max(x, y)][min(x, y)]) for y in range(SIZE)] for x in range(SIZE)]


def _positive_definite(matrix: Sequence[Sequence[fmpq]], shift: fmpq) -> bool:
    """Return whether a symmetric matrix minus a multiple of 1 is positive definite: its pivots are positive."""
    rows = fmpq_mat([[x - (shift if i == j else 0) for j, x in enumerate(row)] for i, row in enumerate(matrix)])
    size = rows.nrows()
    for i in range(size):
        if not rows[i, i] > 0:
            return False
        for j in range(i + 1, size):
            factor = rows[j, i] / rows[i, i]
            for k in range(i + 1, size):
                rows[j, k] -= factor * rows[i, k]
    return True


def _least_curvature(model: TripleModel, box: Ranges, wanted: fmpq | None = None) -> fmpq:
    """Return a positive lower bound of the eigenvalues of ∂²L all over a box, or 0.

    Every symmetric matrix between two is the middle one and one whose norm is at most its largest sum of a row's sizes.
    """
    hessian = _hessian(model, box)
    if hessian is None:
        return fmpq(0)
    sides = [[rounded_outward(side) for side in row] for row in hessian]
    middle = [[side.middle for side in row] for row in sides]
    radius = max(sum((side.width / 2 for side in row), fmpq(0)) for row in sides)
    if wanted is not None:
        return wanted if _positive_definite(middle, wanted + radius) else fmpq(0)
    least = fmpq(1, 2**40)
    if not _positive_definite(middle, least + radius):
        return fmpq(0)
    while _positive_definite(middle, 2 * least + radius):
        least *= 2
    return max(share * least for share in (fmpq(1), fmpq(3, 2)) if _positive_definite(middle, share * least + radius))


def convexity(model: TripleModel, box: Ranges, wanted: fmpq | None = None, max_parts: int = MAX_PARTS) -> fmpq:
    """Return λ > 0 such that ∂²L ≥ λ all over a box of the free coordinates, or 0 if none is proved.

    Args:
        model: density and importances.
        box: ranges of W_11, W_12, W_13, W_22, W_23, b_1, b_2, b_3.
        wanted: the λ to prove; None for about the largest that can be.
        max_parts: most boxes to look at; the widest sides are cut where the Hessian's enclosure is too wide.
    """
    found, waiting, looked = [], [box], 0
    while waiting:
        part = waiting.pop()
        looked += 1
        least = _least_curvature(model, part, wanted)
        if least > 0:
            found.append(least)
            continue
        widest = max(range(SIZE), key=lambda d: part[d].width)
        # Cutting doesn't help where a single point is against it.
        middle = tuple(Range(side.middle, side.middle) for side in part)
        if looked >= max_parts or part[widest].width == 0 or not _least_curvature(model, middle, wanted) > 0:
            return fmpq(0)
        waiting += [(*part[:widest], half, *part[widest + 1 :]) for half in part[widest].halves()]
    return min(found)
