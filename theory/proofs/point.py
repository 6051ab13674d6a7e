"""The search for a proof that a minimum is the global one: cores around the cheapest minima, boxes for all the rest."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING

from flint import arb, ctx, fmpq

from ..minima import CriticalPoint, local_minima
from ..models import ToyModel
from ..numerics import Interval, as_fmpq, as_fraction, check_callable, check_count, check_kind
from .balls import PairBounds, above_on_grid
from .certificates import (
    NOT_PROVED,
    PROVED,
    Certificate,
    CertifiedModel,
    Core,
    EnclosedMinimum,
    WeightProof,
    certified_model,
    joined_phase,
)
from .checks import as_box, as_minimum, as_pair
from .pairs import TIED_LOSS, proposed_core
from .triples import MAX_ROW_BOXES, certify_triple

if TYPE_CHECKING:
    from .pairs import Problem, Searched

# Boxes of weights for two features, of rows of G for three.
MAX_BOXES = {2: 100_000, 3: MAX_ROW_BOXES}


def certify(
    model: ToyModel, *, max_boxes: int | None = None, report: Callable[[int, float, int], None] | None = None
) -> Certificate:
    """Prove which minimum of one model with n = 2, m = 1 is the global one (docs/proofs.md), or with n = 3, m = 2.

    The minima that the census finds are surrounded by cores in which nothing else can be as good; a branch and bound
    over the weights, at best biases, excludes everything else. Parameters mean exactly the numbers that they are: the
    float 0.1 is the binary fraction, `Fraction(1, 10)` is a tenth.

    Args:
        model: two independent features of one density, with amplitudes uniform on [0, 1], in one dimension; any
            importances, and an interference penalty. Or three of them in two dimensions, without penalties
            (docs/proofs-three.md); that takes minutes.
        max_boxes: most boxes to look at; 100,000 by default for two features and 120 million, of another kind, for
            three.
        report: called during the search of three features, which takes long, with the number of boxes, the lower bound
            and the number of open cells.

    Returns:
        A certificate, with status "proved" or "not proved: …".

    Raises:
        ValueError: if proofs don't cover the model, or the budget isn't a positive integer.

    Example:
        >>> from tegum.theory import IndependentFeatures
        >>> certificate = certify(ToyModel(2, 1, IndependentFeatures(Fraction(1, 10))))
        >>> certificate.status, certificate.phase, round(certificate.loss.midpoint, 10)
        ('proved', 'digon(1,2)', 0.003319484)
    """
    check_kind("model", model, ToyModel)
    triple = (model.n_features, model.n_hidden) == (3, 2)
    if max_boxes is None:
        max_boxes = MAX_BOXES[3 if triple else 2]
    check_count("max_boxes", max_boxes)
    check_callable("report", report, 3, optional=True)
    if triple:
        return certify_triple(model, max_boxes=max_boxes, report=report)
    exact = certified_model(model, 2, 1)
    # Loads numba.
    from .pairs import search_boxes

    bounds = PairBounds(as_pair(exact))
    cores, minima, failed = _cores(bounds, local_minima(model, merged=False))
    # Dropping the less important feature is always possible.
    threshold = min([*(minimum.loss.upper for minimum in minima), _dropped(bounds)])
    exponent = 0
    while not all(bounds.far(fmpq(4) ** exponent, i, as_fmpq(threshold)) for i in (0, 1)):
        exponent += 1
    found = search_boxes(_asked(exact, threshold), exponent, [as_box(core.box) for core in cores], int(max_boxes))
    boxes = {name: tuple(sorted(given)) for name, given in found.boxes.items()}
    proof = WeightProof(threshold, exponent, boxes, tuple(cores))
    # No bound of what is left says more than this.
    most = min([*(minimum.loss.lower for minimum in minima), threshold])
    lower = most if found.lower is None else min(Fraction(found.lower), most)
    cheapest = tuple(minimum for minimum in minima if minimum.loss.lower <= threshold)
    status = _status(found, failed, cheapest)
    proved = status == PROVED
    return Certificate(
        model=exact,
        status=status,
        loss=Interval(lower, threshold),
        minimisers=cheapest if proved else (),
        phase=joined_phase(cheapest) if proved else "",
        boxes=found.count,
        budget=int(max_boxes),
        left=len(found.left),
        reason=found.reason,
        history=tuple((count, bound) for count, bound in found.history if bound <= most),
        proof=proof,
    )


def _cores(
    bounds: PairBounds, points: tuple[CriticalPoint, ...]
) -> tuple[list[Core], list[EnclosedMinimum], list[str]]:
    """Return cores around the cheapest minima, with what they enclose, and why others have none."""
    cores, minima, failed = [], [], []
    for point in points:
        if point.loss > points[0].loss + TIED_LOSS * (1 + points[0].loss):
            continue
        core, found, reason = proposed_core(bounds, point)
        if core is None or found is None:
            failed.append(reason)
        else:
            cores.append(core)
            minima.append(as_minimum(found))
    return cores, minima, failed


def _dropped(bounds: PairBounds) -> Fraction:
    """Return an upper bound of the loss at axis + drop, rounded to the grid of enclosures."""
    with ctx.workprec(160):
        return as_fraction(above_on_grid(arb(min(bounds.pair.importance) * bounds.pair.dropped)))


def _asked(model: CertifiedModel, threshold: Fraction) -> Problem:
    """Return what the search is for, in floats."""
    from .pairs import Problem

    first, second = model.importance
    # The search's own margins cover the rounding of these; that of the threshold must be upward.
    return Problem(
        float(first), float(second), float(model.penalty), float(threshold) * (1 + 1e-14), float(model.density)
    )


def _status(found: Searched, failed: list[str], cheapest: tuple[EnclosedMinimum, ...]) -> str:
    missing = list(failed)
    if found.left:
        missing.insert(0, f"{found.reason}, {len(found.left)} boxes are left")
    elif not cheapest:
        missing.append("no core encloses a minimiser")
    return f"{NOT_PROVED}: {'; '.join(missing)}" if missing else PROVED
