"""Proofs of the global minimum for three features in two dimensions (docs/proofs-three.md).

`search` shows where W and b with a loss as small as that of the best minimum known must be; `convexity`
shows that there is room for one critical point there, and the two together enclose the global minimum.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import permutations
from typing import Any

import numpy as np
from flint import arb, ctx
from numpy.typing import NDArray

from ...enclosures import enclosure
from ...geometry import phase
from ...minima import global_minimum
from ...models import ToyModel
from ...numerics import FloatArray, Interval, as_fmpq, between, check_count
from ..certificates import (
    BUDGET_SPENT,
    NOT_PROVED,
    PROVED,
    UNIT,
    Certificate,
    EnclosedMinimum,
    NullCell,
    NullProof,
    certified_model,
)
from .convexity import PRECISION, convexity
from .search import TripleBound, TripleSearch

# By default: half a minute where a proof is easy.
MAX_ROW_BOXES = 120_000_000
# Gaps at which convexity is tried.
GAPS = (1e-4, 1e-6, 1e-8, 1e-9, 1e-10, 1e-11)
# Overlaps above this share of the norms have the sign that the label rests on, all over the enclosure.
CLEAR = 1e-3
# Half-width of the box around the minimiser in which its images under exchanges of features are looked for.
NEAR = 1e-6
# Enclosures are this much wider than they need be, so that a checker need not find the best bound of the curvature.
ROOM = 4
# Their ends are multiples of this, outward.
GRID = Fraction(1, 2**120)

Balls = NDArray[Any]


def certify_triple(
    model: ToyModel,
    *,
    gap: float = 0.0,
    max_boxes: int = MAX_ROW_BOXES,
    report: Callable[[int, float, int], None] | None = None,
) -> Certificate:
    """Prove which minimum of one model with n = 3, m = 2 is the global one, or bound it from both sides.

    "proved" means: there is one minimiser, up to rotations, reflections and exchanges of features of one importance,
    and it is enclosed in the frame where W_21 = 0. Its label is "" where an overlap is too close to 0 for its sign to
    be known.

    Args:
        model: three independent features of one density, amplitudes uniform on [0, 1], in two dimensions, any
            importances, no penalties. Its parameters mean exactly the numbers that they are.
        gap: the search may stop once the bounds are this close; 0 to go on until the minimiser is enclosed.
        max_boxes: most boxes of rows of G to look at.
        report: called during the search with the number of boxes, the lower bound, and the number of open cells.

    Returns:
        A certificate, with status "proved" or "not proved: …".

    Raises:
        ValueError: if the model is another one, `gap` is negative or `max_boxes` isn't a positive integer.

    Example:
        >>> from tegum.theory import IndependentFeatures
        >>> certify_triple(ToyModel(3, 2, IndependentFeatures(0.7)), max_boxes=1000).reason
        'box budget spent'
    """
    exact = certified_model(model, 3, 2)
    density, importance, _ = exact
    if not (isinstance(gap, (int, float)) and gap >= 0):
        raise ValueError(f"gap must be a number, at least 0, got {gap!r}")
    check_count("max_boxes", max_boxes)
    best = global_minimum(model)
    # Upper triangular but for what rounding leaves.
    W, b = best.weights.copy(), best.bias
    W[1, 0] = 0
    at = enclosure(model, W, b, order=1, width=1e-25)
    upper = math.nextafter(float(at.loss.upper), math.inf)
    search = TripleSearch(float(density), importance, upper)
    curvature = 0.0
    opened: tuple[NullCell, ...] = ()
    for wanted in GAPS:
        found = search.run(max(wanted, gap), int(max_boxes), report)
        if found.lower < upper - max(wanted, gap):
            break
        opened, curvature = _convex_rest(search, found, (density, importance), W, b)
        if curvature > 0 or wanted <= gap or search.rows.spent:
            break
    lower = Fraction(max(found.lower, 0.0))
    minimisers: tuple[EnclosedMinimum, ...] = ()
    if curvature > 0:
        weights, bias, lower = _minimiser(at.gradient, at.loss, curvature, W, b)
        symmetric = _symmetric((density, importance), W, b, weights, bias)
        label = phase(W, b) if _clear(W) else ""
        inside = Interval(lower, at.loss.upper)
        enclosed = tuple(weights.flat), tuple(bias)
        minimisers = (EnclosedMinimum(*enclosed, inside, label, Fraction(curvature), symmetric),)
    spent = search.rows.spent and not minimisers
    point = (W[0, 0], W[0, 1], W[0, 2], W[1, 1], W[1, 2], *b)
    return Certificate(
        model=exact,
        status=PROVED if minimisers else f"{NOT_PROVED}: {_missing(found, upper - max(wanted, gap), spent)}",
        loss=Interval(min(lower, at.loss.upper), at.loss.upper),
        minimisers=minimisers,
        phase=minimisers[0].phase if minimisers else "",
        boxes=search.rows.boxes,
        budget=int(max_boxes),
        left=len(found.cells),
        reason=BUDGET_SPENT if spent else found.reason,
        history=tuple((boxes, bound) for boxes, bound in found.history if bound >= 0),
        proof=NullProof(Fraction(upper), tuple(Fraction(float(x)) for x in point), (*found.closed, *opened)),
    )


def _missing(found: TripleBound, wanted: float, spent: bool) -> str:
    if spent or found.lower < wanted:
        return f"{BUDGET_SPENT if spent else found.reason}, {len(found.cells)} cells are left"
    return "the loss isn't shown to be convex where minimisers may be"


def _convex_rest(
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


def _minimiser(
    gradient: NDArray[Any] | None, loss: Interval, curvature: float, W: NDArray[Any], b: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any], Fraction]:
    """Return intervals around the minimiser and a lower bound of its loss, by strong convexity from a point nearby.

    With ∇ the gradient there, the minimiser is within ‖∇‖/λ, and its loss at most ‖∇‖²/(2λ) smaller.
    """
    assert gradient is not None
    square = sum((max(abs(x.lower), abs(x.upper)) ** 2 for x in np.delete(gradient, 3)), Fraction(0)) * ROOM**2
    # The root, rounded upward.
    radius = Fraction(math.sqrt(float(square)) * (1 + 1e-12) / curvature) + Fraction(1, 2**100)
    around = np.frompyfunc(
        lambda x: Interval(_below(Fraction(float(x)) - radius), -_below(-Fraction(float(x)) - radius)), 1, 1
    )
    weights = np.asarray(around(W), dtype=object)
    weights[1, 0] = Interval(Fraction(0), Fraction(0))
    return weights, np.asarray(around(b), dtype=object), _below(loss.lower - square / (2 * Fraction(curvature)))


def _below(x: Fraction) -> Fraction:
    """Return a number on the grid of enclosures that isn't larger."""
    return x // GRID * GRID


def _clear(W: NDArray[Any]) -> bool:
    gram = W.T @ W
    sizes = np.sqrt(np.diag(gram))
    return bool((np.abs(gram) > CLEAR * np.outer(sizes, sizes)).all())


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


def _symmetric(
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
