"""What exact theory says of one trained model: its loss, its features, whether it is a minimum, and which is below."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from tegum.theory.geometry import (
    TRAINED_TOLERANCE,
    PhaseFactor,
    feature_dimensionality,
    feature_norms,
    phase,
    phase_factors,
)
from tegum.theory.loss import ExactLoss, expected_loss
from tegum.theory.minima import CriticalPoint, Landscape, best_bias, inputs_of
from tegum.theory.models import ToyModel
from tegum.theory.numerics import (
    FloatArray,
    Summarised,
    check_callable,
    check_kind,
    check_number,
    members,
    reals,
)

from ..progress import Report, quiet
from .below import Below, BestKnown, best_known, minimum_below
from .overlaps import largest_overlap, welch_bound
from .parts import BEST_BIAS, MOST_WITH_HESSIAN, check_best_bias, too_long, worked_out
from .slopes import curvature_of, escape_of, kind_of, told_direction

# Seconds that each of curvature and descent may take.
SECONDS = 45.0
# How many times as long as curvature or descent the best bias takes.
BIAS_TIMES = 3.0


@dataclass(frozen=True, eq=False)
class Diagnosis(Summarised):
    """What is found of one model; `left_out` says what isn't, and why.

    Attributes:
        model: what it was trained for.
        loss: exact expected loss, a sum over features.
        bias_given: whether there was a bias; else it is 0.
        best_bias: of the weights as they are, shape (n,), where there was none; None where that is left out.
        best_bias_loss: the loss with it.
        mean_loss: that divided by the number of features.
        loss_error: of the loss: a bound for few interacting features, an estimate for many (docs/errors.md).
        feature_losses: I_i E(x_i − x'_i)², without penalties, shape (n,).
        norms: ‖W_i‖, shape (n,).
        dimensionalities: D_i, shape (n,).
        phase: label of the nearest structure, within the tolerance.
        factors: its parts.
        tolerance: that of `phase`.
        stored: features that are neither dropped nor dead.
        largest_overlap: largest |cos| of the angle between two stored features, 0 for fewer than two.
        overlap_of: which two, counted from 0; none if that is 0.
        welch_bound: √((k − m) / (m (k − 1))) for k stored features in m dimensions, below which no such largest
            overlap lies; 0 for k ≤ m. Source: Welch 1974, DOI 10.1109/TIT.1974.1055219.
        gradient_norm: Euclidean norm in (W, b).
        kind: one of `KINDS`.
        curvature: smallest second derivative along a unit direction, rotations left out; None if left out.
        curvature_error: 0 for the exact Hessian's, else an estimate.
        escape: unit direction in which the loss falls, as packed parameters, shape (P,); None at a minimum.
        escape_told: that in words, "" at a minimum.
        below: the minimum below, None if left out.
        best: the best that is known, None if that is nothing.
        left_out: what wasn't worked out, a sentence each.
    """

    model: ToyModel
    loss: float
    bias_given: bool
    best_bias: FloatArray | None
    best_bias_loss: float | None
    mean_loss: float
    loss_error: float
    feature_losses: FloatArray
    norms: FloatArray
    dimensionalities: FloatArray
    phase: str
    factors: tuple[PhaseFactor, ...]
    tolerance: float
    stored: int
    largest_overlap: float
    overlap_of: tuple[int, ...]
    welch_bound: float
    gradient_norm: float
    kind: str
    curvature: float | None
    curvature_error: float
    escape: FloatArray | None
    escape_told: str
    below: Below | None
    best: BestKnown | None
    left_out: tuple[str, ...]

    def to_plain(self) -> dict[str, Any]:
        """Return all of it as plain values, which JSON can hold; features are counted from 1."""
        names = {i: factor.name for factor in self.factors for i in factor.features}
        numbers = {i: number for number, factor in enumerate(self.factors, 1) for i in factor.features}
        escape = None
        if self.escape is not None:
            moved, shifted = Landscape(self.model).split(self.escape)
            escape = {"told": self.escape_told, "weights": moved.tolist(), "bias": shifted.tolist()}
        below, best = self.below, self.best
        return {
            "model": self.model.to_plain(),
            "told": self.model.describe(),
            "bias_given": self.bias_given,
            "best_bias": None if self.best_bias is None else self.best_bias.tolist(),
            "best_bias_loss": self.best_bias_loss,
            **{name: getattr(self, name) for name in ("loss", "mean_loss", "loss_error", "gradient_norm", "phase")},
            **{name: getattr(self, name) for name in ("tolerance", "stored", "largest_overlap", "welch_bound")},
            "largest_overlap_of": [i + 1 for i in self.overlap_of],
            "is": self.kind,
            "curvature": self.curvature,
            "curvature_error": self.curvature_error,
            "escape": escape,
            "below": below and {**vars(below), "weights": below.weights.tolist(), "bias": below.bias.tolist()},
            "best_known": best and dict(vars(best)),
            "left_out": list(self.left_out),
            "features": [
                {
                    "feature": i + 1,
                    "loss": float(self.feature_losses[i]),
                    "norm": float(self.norms[i]),
                    "dimensionality": float(self.dimensionalities[i]),
                    "shape": names[i],
                    "factor": numbers[i],
                }
                for i in range(len(self.norms))
            ],
        }


def diagnose(
    model: ToyModel,
    weights: Any,
    bias: Any,
    *,
    tolerance: float = TRAINED_TOLERANCE,
    seconds: float = SECONDS,
    minima: tuple[CriticalPoint, ...] | None = None,
    report: Report = quiet,
) -> Diagnosis:
    """Return what exact theory says of one model's weights.

    Args:
        model: what they were trained for, a single model.
        weights: W, shape (n_hidden, n_features); tensors are taken.
        bias: b, shape (n_features,); None if it wasn't kept: it is taken for 0, and the best one is worked out.
        tolerance: of the phase label (`tegum.theory.phase`).
        seconds: that curvature and descent may each take where they go by gradients; infinite for all it takes, which
            also searches for minima of seven and eight features.
        minima: all minima, cheapest first, if they are known already.
        report: is called with the name of a stage and the share of it that is done.

    Raises:
        ValueError: if the model is a batch, shapes don't fit, or an entry, or the loss in float64, isn't finite.

    Example:
        >>> from tegum.theory import IndependentFeatures, ToyModel
        >>> found = diagnose(ToyModel(2, 1, IndependentFeatures(0.1)), [[1.0, -1.0]], [0.0, 0.0])
        >>> found.phase, found.kind, found.below.status
        ('digon(1,2)', 'neither', 'minimum')
    """
    check_kind("model", model, ToyModel)
    seconds = check_number("seconds", seconds, least=0, infinite=True)
    check_callable("report", report, 2)
    if minima is not None:
        minima = members("minima", minima, CriticalPoint, least=1)
    if model.batch_shape != ():
        raise ValueError(f"diagnose takes a single model, got batch shape {model.batch_shape}: take one of them")
    W = reals("weights", weights, (model.n_hidden, model.n_features))
    b = np.zeros(model.n_features) if bias is None else reals("bias", bias, (model.n_features,))
    report("loss", 0.0)
    evaluated = ExactLoss(model).engine.evaluate(W, b, 0, outputs=True)
    loss = float(evaluated.loss)
    if not np.isfinite(loss):
        raise ValueError("weights and bias must be small enough for float64 to hold the loss")
    report("gradient", 0.0)
    began = time.monotonic()
    landscape = Landscape(model)
    gradient = landscape.gradients(landscape.join(W, b))
    a_gradient = time.monotonic() - began
    left_out: list[str] = []
    chosen = None
    if bias is None and model.bias != "none":
        chosen = worked_out(BEST_BIAS, left_out, lambda: _best_bias(model, W, a_gradient, seconds, left_out, report))
    bend = worked_out("curvature", left_out, lambda: curvature_of(model, W, b, a_gradient, seconds, left_out, report))
    curvature, error, direction = bend if bend is not None else (None, 0.0, None)
    kind = kind_of(model, gradient, curvature, error)
    escape = escape_of(gradient, kind, curvature, error, direction)
    below = worked_out(
        "the minimum below", left_out, lambda: minimum_below(model, W, b, a_gradient, seconds, left_out, report)
    )
    best = best_known(model, below, seconds, minima, left_out, report)
    factors = phase_factors(W, b, tolerance)
    stored = sorted(i for one in factors if one.name not in ("drop", "dead") for i in one.features)
    overlap, pair = largest_overlap(W, stored)
    return Diagnosis(
        model=model,
        loss=loss,
        bias_given=bias is not None,
        best_bias=chosen,
        best_bias_loss=None if chosen is None else float(expected_loss(model, W, chosen)),
        mean_loss=loss / model.n_features,
        loss_error=float(evaluated.error),
        feature_losses=np.asarray(evaluated.output_losses) * model.importances(),
        norms=feature_norms(W),
        dimensionalities=feature_dimensionality(W),
        phase=phase(W, b, tolerance, inputs_of(model)),
        factors=factors,
        tolerance=tolerance,
        stored=len(stored),
        largest_overlap=overlap,
        overlap_of=pair,
        welch_bound=welch_bound(len(stored), model.n_hidden),
        gradient_norm=float(np.linalg.norm(gradient)),
        kind=kind,
        curvature=curvature,
        curvature_error=error,
        escape=escape,
        escape_told="" if escape is None else told_direction(*landscape.split(escape)),
        below=below,
        best=best,
        left_out=tuple(left_out),
    )


def _best_bias(
    model: ToyModel, weights: FloatArray, a_gradient: float, seconds: float, left_out: list[str], report: Report
) -> FloatArray | None:
    """Return the best bias for the weights as they are."""
    check_best_bias(model)
    few = model.n_features <= MOST_WITH_HESSIAN
    if not few and too_long(BEST_BIAS, BIAS_TIMES * a_gradient, seconds, left_out):
        return None
    report("best bias", 0.0)
    return np.asarray(best_bias(model, weights))
