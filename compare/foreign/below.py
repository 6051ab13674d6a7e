"""What lies below some weights: the minimum to which the exact loss leads down, and the cheapest that is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tegum.theory.geometry import phase
from tegum.theory.minima import (
    MAX_LISTED_FEATURES,
    MAX_SEARCHED_FEATURES,
    CriticalPoint,
    FoundMinimum,
    downhill,
    global_minimum,
    inputs_of,
    local_minima,
    polish,
)
from tegum.theory.models import ToyModel
from tegum.theory.numerics import FloatArray, Summarised

from ..progress import Report
from .parts import ALL_MINIMA, SEARCHED, has_hessian, too_long, worked_out


@dataclass(frozen=True, eq=False)
class Below(Summarised):
    """The minimum to which the exact loss leads down from some weights.

    Attributes:
        phase: its label.
        loss: exact loss.
        gradient_norm: there.
        distance: from the weights in (W, b), rotations of the hidden space left out.
        status: "minimum" or "degenerate", "saddle" or "unfinished" where none was reached, "by gradients" where the
            loss falls no further but curvatures are out of reach.
        weights: W, shape (n_hidden, n_features).
        bias: b, shape (n_features,).
    """

    phase: str
    loss: float
    gradient_norm: float
    distance: float
    status: str
    weights: FloatArray
    bias: FloatArray


@dataclass(frozen=True, eq=False)
class BestKnown(Summarised):
    """The cheapest minimum that is known of a model, and how well.

    Attributes:
        phase: its label.
        loss: exact loss.
        source: "census" of all minima, "search" from random starts, or "descent" from these weights alone.
        told: how good the knowledge is, in words.
    """

    phase: str
    loss: float
    source: str
    told: str


def minimum_below(
    model: ToyModel,
    weights: FloatArray,
    bias: FloatArray,
    a_gradient: float,
    seconds: float,
    left_out: list[str],
    report: Report,
) -> Below | None:
    """Return the minimum to which the loss leads down; None if it isn't worked out, with the reason in `left_out`."""
    if has_hessian(model):
        report("descent", 0.0)
        end = polish(model, weights, bias)
        return Below(end.phase, end.loss, end.gradient_norm, end.moved, end.status, end.weights, end.bias)
    if too_long("the minimum below", a_gradient, seconds, left_out):
        return None
    found = downhill(model, weights, bias, seconds=seconds, report=lambda share: report("descent", share))
    return Below(
        phase=phase(found.weights, found.bias, inputs=inputs_of(model)),
        loss=found.loss,
        gradient_norm=found.gradient_norm,
        distance=found.moved,
        status="by gradients" if found.ended else "unfinished",
        weights=found.weights,
        bias=found.bias,
    )


def best_known(
    model: ToyModel,
    below: Below | None,
    seconds: float,
    minima: tuple[CriticalPoint, ...] | None,
    left_out: list[str],
    report: Report,
) -> BestKnown | None:
    """Return the cheapest minimum that is known."""
    report("best known", 0.0)
    n = model.n_features
    told = "the minimum below these weights; nothing else is known"
    if n <= MAX_LISTED_FEATURES:
        points = minima or worked_out(ALL_MINIMA, left_out, lambda: local_minima(model))
        if points is not None:
            return BestKnown(points[0].phase, points[0].loss, "census", "the cheapest of a census (docs/minima.md)")
    elif minima or n <= (SEARCHED if np.isfinite(seconds) else MAX_SEARCHED_FEATURES):
        found = worked_out("a search for the best", left_out, lambda: _found(model, minima))
        if found and (below is None or found.loss <= below.loss):
            by = f", by {found.hits} of its starts" if isinstance(found, FoundMinimum) else ""
            told = f"the cheapest that a search finds{by}; a cheaper one may be missed"
            return BestKnown(found.phase, found.loss, "search", told)
        if found is not None:
            told = "the minimum below, than which a search finds nothing cheaper; a cheaper one may be missed"
    else:
        more = " unless --full asks for it" if n <= MAX_SEARCHED_FEATURES else ""
        left_out.append(f"the best that there is isn't known: minima of {n} features aren't searched for{more}")
    if below is None or below.status == "unfinished":
        return None
    return BestKnown(below.phase, below.loss, "descent", told)


def _found(model: ToyModel, minima: tuple[CriticalPoint, ...] | None) -> CriticalPoint:
    """Return the cheapest minimum of a search."""
    return minima[0] if minima else global_minimum(model)
