"""The check of a certificate of three features in two dimensions (docs/proofs-three.md).

It shares no code with the search. Sums, coverage and the minimum itself are checked in rational numbers
(`minimum`). That single rows of G cost as much as is claimed is checked in float64 with proven rounding, by
moments that are computed in another way than the search does (`rows`, `recurrence`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import partial
from itertools import chain
from typing import NamedTuple

import numpy as np

from ...numerics import FloatArray, as_fmpq, as_fraction, over_slices
from ..certificates import UNIT, Certificate, NullCell, NullProof, Quarter
from .account import Account, require
from .minimum import N, TripleModel, square_root
from .place import check_claims, minimum_place

MAX_LEVEL = 40
# Numbers of units that are float64 numbers.
EXACT = 2**53
# Importances, and one over them, up to this.
EXTREME = Fraction(2**20)
# Entries of G up to this.
LARGEST = 512
# Most boxes of rows for one row of one cell, and for all.
MOST_BOXES, MOST_OF_ALL = 1_000_000, 1_000_000_000
# Cells whose rows are checked before progress is told, and those that a thread takes at once.
AT_ONCE, SLICE = 64, 4

# A cell with its spare, as `_spare` says it.
Job = tuple[NullCell, int | None]


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
    place = minimum_place(model, proof, left)
    account.checked.append(f"the other {len(left)} hold one stationary point, the global minimiser")
    check_claims(certificate, model, place)
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


def _check_rows(
    certificate: Certificate,
    proof: NullProof,
    limits: Limits,
    spare: Sequence[int | None],
    account: Account,
    report: Callable[[int], None] | None,
) -> None:
    density, importance, _ = certificate.model
    jobs = list(zip(proof.cells, spare, strict=True))
    for begin in range(0, len(jobs), AT_ONCE):
        part = jobs[begin : begin + AT_ONCE]
        verified = partial(_rows_of_slice, density, importance, limits, part)
        for (cell, _), (holds, boxes) in zip(part, chain(*over_slices(verified, len(part), SLICE)), strict=True):
            account.parts += boxes
            require(holds, f"a row of cell {cell.place} of chart {cell.chart} may cost less than is claimed")
            require(account.parts <= MOST_OF_ALL, f"the check's budget of {MOST_OF_ALL:,} boxes is spent")
            account.boxes += 1
            if report is not None:
                report(account.boxes)


def _rows_of_slice(
    density: Fraction, importance: Sequence[Fraction], limits: Limits, jobs: Sequence[Job], piece: slice
) -> list[tuple[bool, int]]:
    return [rows_verified(density, importance, limits, cell, spare) for cell, spare in jobs[piece]]


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
