"""Room for one minimiser only: the loss is convex on one box around all that a search has left.

Boxes of G = WᵀW become a box of weights in the frame where W_21 = 0. Where the loss is strictly convex on it
(`convexity`), it holds one minimiser, and an exchange of equal features that leads back into such a box leaves that as
it is (docs/proofs-three.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import permutations
from typing import Any

import numpy as np
from flint import arb, ctx
from numpy.typing import NDArray

from ...numerics import FloatArray, as_fmpq, between
from ..certificates import UNIT, NullCell
from .convexity import PRECISION, convexity
from .search import TripleBound, TripleSearch

# Half-width of the box around the minimiser in which its images under exchanges of features are looked for.
NEAR = 1e-6

Balls = NDArray[Any]


def convex_rest(
    search: TripleSearch,
    found: TripleBound,
    model: tuple[Fraction, Sequence[Fraction]],
    W: FloatArray,
    b: FloatArray,
) -> tuple[tuple[NullCell, ...], float]:
    """Return what a certificate lists of the cells that are left, and a bound of the curvature around them, or 0."""
    boxes = [_gram_box(cell.chart.order, cell.domains) for cell in found.cells]
    if not _unique(boxes, model, W, b) > 0:
        return (), 0.0
    opened = search.opened(found.cells)
    if opened is None:
        return (), 0.0
    boxes = [_gram_box(_order(cell), _domains(cell)) for cell in opened if cell.rows]
    return opened, _unique(boxes, model, W, b)


def _order(cell: NullCell) -> tuple[int, int, int]:
    j, k = (i for i in range(3) if i != cell.chart)
    return j, k, cell.chart


def _domains(cell: NullCell) -> FloatArray:
    """Return the boxes of a cell's rows as a search has them: each row's own overlap first, but for the last row."""
    domains = np.array(cell.rows, dtype=np.float64) * float(UNIT)
    domains[1] = domains[1][:, [1, 0, 2, 3]]
    return domains


def _gram_box(order: Sequence[int], domains: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Return the box that holds G and b of everything in a cell, shapes (2, 3, 3) and (2, 3), if there is anything."""
    place = np.argsort(order)
    gram, bias = np.empty((2, 3, 3)), np.empty((2, 3))
    for end, larger in ((0, np.maximum), (1, np.minimum)):
        (s_j, jk, jc, b_j), (s_k, kj, kc, b_k), (cj, ck, s_c, b_c) = domains[:, end]
        # Two rows know about each overlap.
        x, y, z = larger(jk, kj), larger(jc, cj), larger(kc, ck)
        gram[end] = np.array([[s_j, x, y], [x, s_k, z], [y, z, s_c]])[np.ix_(place, place)]
        bias[end] = np.array([b_j, b_k, b_c])[place]
    return (gram, bias) if (gram[0] <= gram[1]).all() else None


def _alike(importance: Sequence[Fraction]) -> list[tuple[int, ...]]:
    """Return the permutations that only exchange features of one importance."""
    return [
        order for order in permutations(range(3)) if all(importance[i] == importance[j] for i, j in enumerate(order))
    ]


def _factor(G: Sequence[Sequence[arb]]) -> Balls | None:
    """Return balls around W, upper triangular with positive pivots, for all G of rank 2 in a box."""
    if not G[0][0] > 0:
        return None
    first = G[0][0].sqrt()
    second, third = G[0][1] / first, G[0][2] / first
    rest = G[1][1] - second * second
    if not rest > 0:
        return None
    pivot = rest.sqrt()
    return np.array([[first, second, third], [arb(0), pivot, (G[1][2] - second * third) / pivot]], dtype=object)


def _unique(
    boxes: Sequence[tuple[FloatArray, FloatArray] | None],
    model: tuple[Fraction, Sequence[Fraction]],
    W: FloatArray,
    b: FloatArray,
) -> float:
    """Return a positive bound of the curvature on one box around boxes of G and b that holds W, b; 0 if there is none.

    Args:
        boxes: of G and b, as `_gram_box` gives them.
        model: density and importances.
        W: weights next to the minimiser.
        b: biases next to it.
    """
    density, importance = model
    with ctx.workprec(PRECISION):
        box = _weight_box([box for box in boxes if box is not None])
        if box is None:
            return 0.0
        weights, bias = box
        if not all(ball.contains(float(x)) for ball, x in zip((*weights.flat, *bias), (*W.flat, *b), strict=True)):
            return 0.0
        return convexity(arb(as_fmpq(density)), [arb(as_fmpq(x)) for x in importance], weights, bias)


def _weight_box(boxes: Sequence[tuple[FloatArray, FloatArray]]) -> tuple[Balls, Balls] | None:
    weights: Balls | None = None
    low, high = np.full(3, np.inf), np.full(3, -np.inf)
    for gram, bias in boxes:
        low_ends, high_ends = gram
        found = _factor(
            [
                [between(arb(float(x)), arb(float(y))) for x, y in zip(*rows, strict=True)]
                for rows in zip(low_ends, high_ends, strict=True)
            ]
        )
        if found is None:
            return None
        weights = found if weights is None else np.asarray(np.frompyfunc(arb.union, 2, 1)(weights, found))
        low, high = np.minimum(low, bias[0]), np.maximum(high, bias[1])
    if weights is None:
        return None
    return weights, np.array(
        [between(arb(float(x)), arb(float(y))) for x, y in zip(low, high, strict=True)], dtype=object
    )


def symmetric(
    model: tuple[Fraction, Sequence[Fraction]], W: NDArray[Any], b: NDArray[Any], weights: Balls, bias: Balls
) -> bool:
    """Return whether exchanges of features of one importance lead from an enclosed minimiser back to itself.

    They lead to a minimiser, and if that is in a small box in which the loss is strictly convex, it is the same one.

    Args:
        model: density and importances.
        W: weights next to the minimiser.
        b: biases next to it.
        weights: intervals around the minimiser's weights.
        bias: intervals around its biases.
    """
    orders = [order for order in _alike(model[1]) if order != (0, 1, 2)]
    if not orders:
        return False
    with ctx.workprec(PRECISION):
        near = np.array([[arb(float(x), NEAR) for x in row] for row in W], dtype=object)
        near[1, 0] = arb(0)
        near_bias = np.array([arb(float(x), NEAR) for x in b], dtype=object)
        if not convexity(arb(as_fmpq(model[0])), [arb(as_fmpq(x)) for x in model[1]], near, near_bias) > 0:
            return False
        columns = np.frompyfunc(lambda x: arb(as_fmpq(x.lower)).union(arb(as_fmpq(x.upper))), 1, 1)
        balls, bias_balls = columns(weights), columns(bias)
        gram = balls.T @ balls
        for order in orders:
            moved = _factor(gram[np.ix_(order, order)].tolist())
            if moved is None:
                return False
            found = zip((*moved.flat, *bias_balls[list(order)]), (*near.flat, *near_bias), strict=True)
            if not all(ball.contains(x) for x, ball in found):
                return False
    return True
