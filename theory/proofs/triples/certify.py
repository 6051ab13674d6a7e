"""Proofs of the global minimum for three features in two dimensions (docs/proofs-three.md).

`search` shows where W and b with a loss as small as that of the best minimum known must be; `uniqueness`
shows that there is room for one critical point there, and the two together enclose the global minimum.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...enclosures import enclosure
from ...geometry import phase
from ...minima import global_minimum
from ...models import ToyModel
from ...numerics import Interval, check_callable, check_count, check_kind, check_number
from ..certificates import (
    BUDGET_SPENT,
    NOT_PROVED,
    PROVED,
    Certificate,
    EnclosedMinimum,
    NullCell,
    NullProof,
    certified_model,
)
from .search import TripleBound, TripleSearch
from .uniqueness import convex_rest, symmetric

# By default: half a minute where a proof is easy.
MAX_ROW_BOXES = 120_000_000
# Gaps at which convexity is tried.
GAPS = (1e-4, 1e-6, 1e-8, 1e-9, 1e-10, 1e-11)
# Overlaps above this share of the norms have the sign that the label rests on, all over the enclosure.
CLEAR = 1e-3
# Enclosures are this much wider than they need be, so that a checker need not find the best bound of the curvature.
ROOM = 4
# Their ends are multiples of this, outward.
GRID = Fraction(1, 2**120)


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
    check_kind("model", model, ToyModel)
    gap = check_number("gap", gap, least=0)
    check_count("max_boxes", max_boxes)
    check_callable("report", report, 3, optional=True)
    exact = certified_model(model, 3, 2)
    density, (one, two, three), _ = exact
    importance = one, two, three
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
        opened, curvature = convex_rest(search, found, (density, importance), W, b)
        if curvature > 0 or wanted <= gap or search.rows.spent:
            break
    lower = Fraction(max(found.lower, 0.0))
    minimisers: tuple[EnclosedMinimum, ...] = ()
    if curvature > 0:
        weights, bias, lower = _minimiser(at.gradient, at.loss, curvature, W, b)
        alike = symmetric((density, importance), W, b, weights, bias)
        label = phase(W, b) if _clear(W) else ""
        inside = Interval(lower, at.loss.upper)
        enclosed = tuple(weights.flat), tuple(bias)
        minimisers = (EnclosedMinimum(*enclosed, inside, label, Fraction(curvature), alike),)
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
