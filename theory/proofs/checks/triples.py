"""The check of a certificate of three features in two dimensions (docs/proofs-three.md).

It shares no code with the search. Sums, coverage and the minimum itself are checked in rational numbers
(`minimum`). That single rows of G cost as much as is claimed is checked in float64 with proven rounding, by
moments that are computed in another way than the search does (`rows`, `recurrence`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import permutations
from typing import NamedTuple

import numpy as np
from flint import fmpq

from ...numerics import FloatArray, Interval, Range, as_fmpq, as_fraction, cores
from ..certificates import UNIT, Certificate, NullCell, NullProof, Quarter
from .account import Account, FailedCheckError, require
from .minimum import (
    FREE,
    M,
    N,
    Ranges,
    TripleModel,
    convexity,
    gram_ranges,
    loss_and_slopes,
    rounded_outward,
    square_root,
)

MAX_LEVEL = 40
# Numbers of units that are float64 numbers.
EXACT = 2**53
# Importances, and one over them, up to this.
EXTREME = Fraction(2**20)
# Entries of G up to this.
LARGEST = 512
# Most boxes of rows for one row of one cell, and for all.
MOST_BOXES, MOST_OF_ALL = 1_000_000, 1_000_000_000
# Half-width of the box around the minimiser in which it is enclosed.
NEAR = fmpq(1, 2**20)

Signs = tuple[int, ...]


class Limits(NamedTuple):
    """What holds for every row and bias of W and b with L ≤ threshold.

    Attributes:
        size: |G_ij| isn't larger.
        low: least bias.
        high: greatest bias.
    """

    size: Fraction
    low: Fraction
    high: Fraction


class Place(NamedTuple):
    """Where the minimum is.

    Attributes:
        near: box of the free coordinates in which L is strictly convex.
        enclosed: box in it that holds the only minimiser of all.
        loss: range of the minimum.
    """

    near: Ranges
    enclosed: Ranges
    loss: Range


def check_nulls(
    certificate: Certificate, proof: NullProof, account: Account, report: Callable[[int], None] | None
) -> None:
    """Establish all that a certificate of three features claims.

    Args:
        certificate: what is claimed.
        proof: its cells of null vectors.
        account: of what is established, added to.
        report: called with the number of cells checked so far.

    Raises:
        FailedCheckError: with the first thing that fails.
    """
    density, importance, penalty = certificate.model
    require(len(importance) == N, "cells of null vectors prove something about three features only")
    require(penalty == 0, "penalties aren't covered")
    require(all(1 / EXTREME <= x <= EXTREME for x in importance), "importances are too large or too small")
    model = TripleModel(as_fmpq(density), tuple(as_fmpq(x) for x in importance))
    limits = row_limits(density, importance, proof.threshold)
    account.checked.append(f"minimisers have |G_ij| <= {limits.size}, biases from {limits.low} to {limits.high}")
    check_cover(proof.cells, importance)
    account.checked.append(f"{len(proof.cells)} cells cover the null vectors")
    spare = [_spare(cell, proof.threshold) for cell in proof.cells]
    left = [cell for cell, x in zip(proof.cells, spare, strict=True) if x is not None]
    account.checked.append(f"{len(proof.cells) - len(left)} of them cost more than the threshold if no row costs less")
    place = _minimum(model, proof, left)
    account.checked.append(f"the other {len(left)} hold one stationary point, the global minimiser")
    _check_claims(certificate, model, place)
    account.checked.append("the claims hold if no row costs less than the cells say")
    _check_rows(certificate, proof, limits, spare, account, report)
    account.checked.append(f"no row does ({account.parts} boxes of rows)")


def row_limits(density: Fraction, importance: Sequence[Fraction], threshold: Fraction) -> Limits:
    """Return what holds for all rows and biases where L ≤ threshold.

    An output whose feature has G_ii = s > 1 costs at least I_i p/3 ((s − 1)/(s + 1))².

    Raises:
        FailedCheckError: if that doesn't bound them.
    """
    share = min(importance)
    require(0 < threshold < share * density / 3, "the threshold doesn't bound the rows of G")
    size = Fraction(1)
    while not share * density / 3 * ((size - 1) / (size + 1)) ** 2 > threshold:
        size += Fraction(1, 4)
        require(size <= LARGEST, "the threshold doesn't bound the rows of G well enough")
    # ‖x_i − y‖ ≥ E[y] − E[x_i] ≥ β + p/2 (G_ii + …) − p/2, and two overlaps are at least −size.
    root = square_root(as_fmpq(threshold / share)).high
    high = as_fraction(root) + density / 2 + density * size
    return Limits(size, -3 * size, Fraction(math.ceil(4 * high), 4))


def check_cover(cells: Sequence[NullCell], importance: Sequence[Fraction]) -> None:
    """Establish that cells hold the null vectors of all W, up to exchanges of features of one importance.

    An exchange and a factor make an entry of largest size of v the entry 1 of the first feature of its importance. If
    the two others are alike, another exchange makes |v_j| ≤ |v_k|.

    Raises:
        FailedCheckError: if a part of the square |v_j|, |v_k| ≤ 1 is left out, or held twice.
    """
    charts: dict[int, set[Quarter]] = {c: set() for c in range(N) if importance[c] not in importance[:c]}
    for cell in cells:
        require(cell.chart in charts, f"there is no chart {cell.chart}")
        require(0 <= cell.place[0] <= MAX_LEVEL, "a cell is too small")
        require(cell.place not in charts[cell.chart], f"the cell {cell.place} is listed twice")
        charts[cell.chart].add(cell.place)
    for chart, given in charts.items():
        j, k = (i for i in range(N) if i != chart)
        alike = importance[j] == importance[k]
        deepest = max((level for level, _, _ in given), default=0)
        todo: list[Quarter] = [(0, 0, 0)]
        while todo:
            place = todo.pop()
            level, row, column = place
            if place in given:
                given.remove(place)
            elif not (alike and _exchanged(place)):
                require(level < deepest, f"the cells of chart {chart} leave out {place}")
                todo += [(level + 1, 2 * row + x, 2 * column + y) for x in (0, 1) for y in (0, 1)]
        require(not given, f"a cell of chart {chart} lies outside of the square or inside another")


def _exchanged(place: Quarter) -> bool:
    """Return whether |v_j| ≥ |v_k| all over a cell."""
    level, row, column = place
    count = 2**level
    ends = [(2 * x - count, 2 * x + 2 - count) for x in (row, column)]
    least = 0 if ends[0][0] < 0 < ends[0][1] else min(abs(x) for x in ends[0])
    return bool(least >= max(abs(x) for x in ends[1]))


def _half_width(cell: NullCell) -> Fraction:
    return Fraction(1, 2 ** cell.place[0])


def _spare(cell: NullCell, threshold: Fraction) -> int | None:
    """Return how much more than its target a row of a cell may cost if L ≤ threshold, in units; None if that can't be.

    Σ_i (I_i f_i + Λ_i · k_i) ≥ Σ_i target_i + Σ_i μ_i · (v − centre).

    Raises:
        FailedCheckError: if numbers are too large, or rows have no boxes that need some.
    """
    steep = sum(abs(sum(column)) for column in zip(*cell.slopes, strict=True))
    known = sum(cell.targets) - steep * _half_width(cell)
    more = threshold / UNIT - known
    spare = None if more < 0 else math.floor(more)
    numbers = (*cell.multipliers, *(x for slope in cell.slopes for x in slope), *cell.targets, spare or 0)
    ends = [x for row in cell.rows for end in row for x in end]
    require(max(map(abs, (*numbers, *ends))) < EXACT // 4, f"the numbers of cell {cell.place} are too large")
    require(spare is None or len(cell.rows) == N, f"the bounds of cell {cell.place} don't add up to the threshold")
    return spare


# --- The minimum ---------------------------------------------------------------------------------------------------


def _minimum(model: TripleModel, proof: NullProof, left: Sequence[NullCell]) -> Place:
    """Enclose the global minimiser, from boxes of rows that hold those of all W and b with L ≤ threshold."""
    boxes = [box for cell in left if (box := _free_box(cell)) is not None]
    require(bool(boxes), "no cell may hold a minimiser")
    box = tuple(Range(min(x.low for x in sides), max(x.high for x in sides)) for sides in zip(*boxes, strict=True))
    point = [as_fmpq(x) for x in proof.point]
    require(_within([Range(x, x) for x in point], box), "the point isn't where minimisers may be")
    weights = [[fmpq(0)] * N for _ in range(M)]
    for (h, k), x in zip(FREE, point, strict=False):
        weights[h][k] = x
    loss, slopes = loss_and_slopes(model, [tuple(row) for row in weights], tuple(point[len(FREE) :]))
    require(loss <= as_fmpq(proof.threshold), "the point costs more than the threshold")
    square = sum((x * x for x in slopes), fmpq(0))
    least = convexity(model, box)
    require(least > 0, "the loss isn't shown to be convex where minimisers may be")
    # |θ − θ*| ≤ |∇L(θ)| / λ, and L(θ*) ≥ L(θ) − |∇L(θ)|² / 2λ.
    require(square <= (NEAR * least) ** 2, "the point isn't close enough to the minimiser")
    near = tuple(Range(x - NEAR, x + NEAR) for x in point)
    least = convexity(model, near)
    require(least > 0, "the loss isn't shown to be convex around the minimiser")
    radius = square_root(square).high / least
    return Place(near, tuple(Range(x - radius, x + radius) for x in point), Range(loss - square / (2 * least), loss))


def _free_box(cell: NullCell) -> Ranges | None:
    """Return ranges of the free coordinates of what a cell holds, or None if that is nothing.

    Raises:
        FailedCheckError: if W_1 may be 0, or W_1 and W_2 may be parallel.
    """
    features = (*(i for i in range(N) if i != cell.chart), cell.chart)
    gram: list[list[Range | None]] = [[None] * N for _ in range(N)]
    bias: list[Range | None] = [None] * N
    for i, (low, high) in zip(features, cell.rows, strict=True):
        sides = [Range(as_fmpq(x * UNIT), as_fmpq(y * UNIT)) for x, y in zip(low, high, strict=True)]
        bias[i] = sides[N]
        # Two rows hold each overlap.
        for j, side in zip(features, sides[:N], strict=True):
            other = gram[j][i] or side
            gram[i][j] = gram[j][i] = Range(max(side.low, other.low), min(side.high, other.high))
    if any(side.low > side.high for side in (*(x for row in gram for x in row if x), *(x for x in bias if x))):
        return None
    columns = _factor([[x for x in row if x] for row in gram])
    if columns is None:
        raise FailedCheckError(f"the cell {cell.place} doesn't bound the weights")
    return (*columns, *(x for x in bias if x))


def _factor(gram: Sequence[Sequence[Range]]) -> Ranges | None:
    """Return ranges of W_11, W_12, W_13, W_22, W_23 for all G of rank 2 in a box, if W_11 and W_22 are positive."""
    first = _root(gram[0][0])
    if not first.low > 0:
        return None
    second, third = (_quotient(gram[0][k], first) for k in (1, 2))
    rest = _difference(gram[1][1], second.squared())
    if not rest.low > 0:
        return None
    pivot = _root(rest)
    if not pivot.low > 0:
        return None
    return first, second, third, pivot, _quotient(_difference(gram[1][2], second.times(third)), pivot)


def _root(given: Range) -> Range:
    if given.low <= 0:
        return Range(fmpq(0), square_root(max(given.high, fmpq(0))).high)
    return Range(square_root(given.low).low, square_root(given.high).high)


def _difference(one: Range, other: Range) -> Range:
    return Range(one.low - other.high, one.high - other.low)


def _quotient(one: Range, other: Range) -> Range:
    """Return the range of quotients by a positive number."""
    return rounded_outward(one.times(Range(1 / other.high, 1 / other.low)))


def _within(inner: Sequence[Range], outer: Sequence[Range]) -> bool:
    return all(one.within(other) for one, other in zip(inner, outer, strict=True))


# --- The claims ----------------------------------------------------------------------------------------------------


def _check_claims(certificate: Certificate, model: TripleModel, place: Place) -> None:
    require(len(certificate.minimisers) == 1, "there is one minimiser to enclose")
    (claim,) = certificate.minimisers
    require(_holds(certificate.loss, place.loss), "the global minimum may lie outside of its interval")
    require(_holds(claim.loss, place.loss), "the minimiser's loss may lie outside of its interval")
    require(claim.weights[N] == Interval(Fraction(0), Fraction(0)), "W_21 must be 0")
    sides = tuple(_range(claim.weights[h * N + k]) for h, k in FREE) + tuple(map(_range, claim.bias))
    require(_within(place.enclosed, sides), "the minimiser may lie outside of its enclosure")
    require(_within(sides, place.near), "the enclosure may hold another stationary point")
    if claim.curvature is not None:
        least = as_fmpq(claim.curvature)
        require(least > 0 and convexity(model, sides, wanted=least) > 0, "the curvature may be smaller than is claimed")
    if claim.symmetric:
        require(_symmetric(model, place), "features of one importance aren't shown to stand in the minimiser alike")
    require(certificate.phase == claim.phase, "the phase is that of the minimiser")
    require(claim.phase in ("", _label(sides)), f"the phase isn't shown to be {claim.phase!r}")


def _range(interval: Interval) -> Range:
    return Range(as_fmpq(interval.lower), as_fmpq(interval.upper))


def _holds(outer: Interval, inner: Range) -> bool:
    return bool(as_fmpq(outer.lower) <= inner.low and inner.high <= as_fmpq(outer.upper))


def _gram(sides: Ranges) -> list[list[Range]]:
    """Return ranges of G."""
    zero = Range(fmpq(0), fmpq(0))
    W = [[zero] * N for _ in range(M)]
    for (h, k), side in zip(FREE, sides, strict=False):
        W[h][k] = side
    return gram_ranges(W)


def _symmetric(model: TripleModel, place: Place) -> bool:
    """Return whether exchanges of features of one importance lead from the minimiser back to itself.

    They lead to a minimiser, and if that is in the box in which L is strictly convex, it is the same one.
    """
    share, gram, bias = model.importance, _gram(place.enclosed), place.enclosed[len(FREE) :]
    orders = [order for order in permutations(range(N)) if all(share[i] == share[j] for i, j in enumerate(order))]
    for order in orders:
        moved = _factor([[gram[i][j] for j in order] for i in order])
        if moved is None or not _within((*moved, *(bias[i] for i in order)), place.near):
            return False
    return len(orders) > 1


def _label(sides: Ranges) -> str | None:
    """Return the label of all weights and biases in a box, all of whose overlaps have a sign, or None."""
    gram, bias = _gram(sides), sides[len(FREE) :]
    overlaps = [gram[i][j] for i in range(N) for j in range(i)]
    alive = all(
        bias[i].low + sum((max(gram[i][j].low, fmpq(0)) for j in range(N)), fmpq(0)) > 0 and gram[i][i].low > 0
        for i in range(N)
    )
    if not alive or any(side.low <= 0 <= side.high for side in overlaps):
        return None
    return "triangle(1,2,3)" if all(side.high < 0 for side in overlaps) else "cluster(1,2,3)"


# --- The rows ------------------------------------------------------------------------------------------------------


def _check_rows(
    certificate: Certificate,
    proof: NullProof,
    limits: Limits,
    spare: Sequence[int | None],
    account: Account,
    report: Callable[[int], None] | None,
) -> None:
    density, importance, _ = certificate.model

    def verified(job: tuple[NullCell, int | None]) -> tuple[bool, int]:
        return rows_verified(density, importance, limits, *job)

    with ThreadPoolExecutor(cores()) as pool:
        results = pool.map(verified, zip(proof.cells, spare, strict=True))
        try:
            for cell, (holds, boxes) in zip(proof.cells, results, strict=True):
                account.parts += boxes
                require(holds, f"a row of cell {cell.place} of chart {cell.chart} may cost less than is claimed")
                require(account.parts <= MOST_OF_ALL, f"the check's budget of {MOST_OF_ALL:,} boxes is spent")
                account.boxes += 1
                if report is not None:
                    report(account.boxes)
        finally:
            # What waits isn't started any more.
            pool.shutdown(wait=False, cancel_futures=True)


def rows_verified(
    density: Fraction, importance: Sequence[Fraction], limits: Limits, cell: NullCell, spare: int | None
) -> tuple[bool, int]:
    """Return whether no row of a cell costs less than is claimed, and the number of boxes looked at.

    Args:
        density: p.
        importance: I_1, I_2, I_3.
        limits: of rows and biases.
        cell: what is claimed.
        spare: how much more than its target each row costs outside of its box, in units; None where there is no box.
    """
    # Compiles, or loads what has been compiled before.
    from .rows import Claim, verify

    unit, total = float(UNIT), 0
    level, row, column = cell.place
    half = 2.0**-level
    jk, jc, kc = (x * unit for x in cell.multipliers)
    features = (*(i for i in range(N) if i != cell.chart), cell.chart)
    for place, (feature, tilt) in enumerate(zip(features, ((0, jk, jc), (-jk, 0, kc), (-jc, -kc, 0)), strict=True)):
        target, slope = cell.targets[place], cell.slopes[place]
        claim = Claim(
            density=float(density),
            importance=float(importance[feature]),
            own=place,
            a=(2 * row + 1) * half - 1,
            b=(2 * column + 1) * half - 1,
            half=half,
            first=float(tilt[0]),
            second=float(tilt[1]),
            third=float(tilt[2]),
            slope_a=slope[0] * unit,
            slope_b=slope[1] * unit,
            target=target * unit,
            # More than is spare.
            outside=(target if spare is None else target + spare + 1) * unit,
        )
        inner = np.array(cell.rows[place]) * unit if spare is not None else np.array([[1.0] * 4, [-1.0] * 4])
        holds, boxes = verify(claim, _domain(limits, place), inner, MOST_BOXES)
        total += boxes
        if not holds:
            return False, total
    return True, total


def _domain(limits: Limits, own: int) -> FloatArray:
    """Return the box of (k_1, k_2, k_3, β) that holds every row; all its ends are multiples of 1/4."""
    size = float(limits.size)
    domain = np.array([[-size] * N + [float(limits.low)], [size] * N + [float(limits.high)]])
    domain[0, own] = 0
    return domain
