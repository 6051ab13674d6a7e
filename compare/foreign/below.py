"""What lies below some weights: the minimum to which the exact loss leads down, and the cheapest that is known."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from tegum.theory.geometry import phase
from tegum.theory.minima import MAX_SEARCHED_FEATURES, CriticalPoint, downhill, local_minima, polish, random_minima
from tegum.theory.models import IndependentFeatures, ToyModel
from tegum.theory.numerics import FloatArray, Summarised

from ..progress import Report
from .parts import ALL_MINIMA, MOST_WITH_HESSIAN, has_hessian, too_long, worked_out

# Features up to which the best minimum is looked for without being asked, and the random starts for that.
SEARCHED, STARTS = 6, 32


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
        phase=phase(found.weights, found.bias),
        loss=found.loss,
        gradient_norm=found.gradient_norm,
        distance=found.moved,
        status="by gradients" if found.ended else "unfinished",
        weights=found.weights,
        bias=found.bias,
    )


def _exchanges(model: ToyModel) -> NDArray[np.int64] | None:
    """Return all relabellings of features that are equal in everything; None where the law may tell them apart."""
    if not isinstance(model.features, IndependentFeatures):
        return None
    if any(np.ptp(values) != 0 for values in (model.densities(), model.importances())):
        return None
    return np.array(list(permutations(range(model.n_features))))


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
    if n <= MAX_SEARCHED_FEATURES:
        points = minima or worked_out(ALL_MINIMA, left_out, lambda: local_minima(model))
        if points is not None:
            told = "the cheapest of a census that finds all minima (computed, docs/minima.md)"
            return BestKnown(points[0].phase, points[0].loss, "census", told)
        told = "the minimum below these weights; nothing else is known"
    elif n <= (SEARCHED if np.isfinite(seconds) else MOST_WITH_HESSIAN):
        search = "a search for the best"
        found = worked_out(search, left_out, lambda: random_minima(model, starts=STARTS, exchanges=_exchanges(model)))
        if found and (below is None or found[0].loss <= below.loss):
            told = f"best of {STARTS} random starts, reached by {found[0].hits}; a cheaper one may be missed"
            return BestKnown(found[0].phase, found[0].loss, "search", told)
        told = "the minimum below these weights; nothing else is known"
        if found is not None:
            told = f"the minimum below, which {STARTS} random starts don't beat; a cheaper one may be missed"
    else:
        left_out.append(
            f"the best that there is isn't known: minima of {n} features aren't searched for"
            + (f" unless --full asks for it, by {STARTS} random starts" if n <= MOST_WITH_HESSIAN else "")
        )
        told = "the minimum below these weights; nothing else is known"
    if below is None or below.status == "unfinished":
        return None
    return BestKnown(below.phase, below.loss, "descent", told)
