"""Where the global minimiser of three features is, and what is claimed about it, in rational numbers.

Boxes of rows of G and biases that hold every minimiser give a box of weights (docs/proofs-three.md). Where the loss is
strictly convex on it, a point with a small gradient tells where the only minimiser is.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations
from typing import NamedTuple

from flint import fmpq

from ...numerics import Interval, Range, as_fmpq
from ..certificates import UNIT, Certificate, NullCell, NullProof
from .account import FailedCheckError, require
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

# Coordinates of the point up to this, and their denominators, and those of enclosures whose curvature is checked.
LARGEST, FINEST = 512, 2**256
# Half-width of the box around the minimiser in which it is enclosed.
NEAR = fmpq(1, 2**20)


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


def minimum_place(model: TripleModel, proof: NullProof, left: Sequence[NullCell]) -> Place:
    """Enclose the global minimiser, from boxes of rows that hold those of all W and b with L ≤ threshold.

    Args:
        model: density and importances.
        proof: its threshold and point.
        left: cells that may hold its null vector.

    Raises:
        FailedCheckError: with what isn't shown.
    """
    boxes = [box for cell in left if (box := _free_box(cell)) is not None]
    require(bool(boxes), "no cell may hold a minimiser")
    box = tuple(Range(min(x.low for x in sides), max(x.high for x in sides)) for sides in zip(*boxes, strict=True))
    require(all(abs(x) <= LARGEST and x.denominator <= FINEST for x in proof.point), "the point has too many digits")
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


def check_claims(certificate: Certificate, model: TripleModel, place: Place) -> None:
    """Establish what a certificate claims about the minimum and its minimiser.

    Raises:
        FailedCheckError: with the first claim that isn't established.
    """
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
        box = tuple(rounded_outward(side, FINEST) for side in sides)
        require(least > 0 and convexity(model, box, wanted=least) > 0, "the curvature may be smaller than is claimed")
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
