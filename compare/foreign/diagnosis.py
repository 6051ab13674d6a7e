"""What exact theory says of one trained model: its loss, its features, whether it is a minimum, and which is below."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tegum.theory.geometry import (
    TRAINED_TOLERANCE,
    PhaseFactor,
    feature_dimensionality,
    feature_norms,
    phase,
    phase_factors,
)
from tegum.theory.loss import ExactLoss, expected_loss
from tegum.theory.minima import (
    MAX_SEARCHED_FEATURES,
    CriticalPoint,
    Landscape,
    best_bias,
    downhill,
    estimated_curvature,
    flatness,
    inputs_of,
    local_minima,
    polish,
    random_minima,
    smallest_curvature,
)
from tegum.theory.models import FeatureAmplitudes, IndependentFeatures, ToyModel
from tegum.theory.numerics import (
    FloatArray,
    Summarised,
    check_callable,
    check_count,
    check_kind,
    check_number,
    check_shape,
    members,
    reals,
)

from ..progress import Report, quiet
from .parts import ALL_MINIMA, BEST_BIAS, check_best_bias, worked_out

# A gradient up to this share of Σ_i I_i E[x_i²] is taken for none: weights in float32 leave a hundredth of it.
CRITICAL = 1e-6
# Parameters up to which curvatures are those of the exact Hessian, and features that it may have.
MOST_PARAMETERS, MOST_WITH_HESSIAN = 200, 8
# Features up to which the best minimum is looked for without being asked, and the random starts for that.
SEARCHED, STARTS = 6, 32
# Seconds that each of curvature and descent may take, and gradients that they need at least.
SECONDS, NEEDED = 45.0, 40
# How many times as long as `NEEDED` gradients the best bias takes.
BIAS_TIMES = 3.0
# Parts of a direction that are named, and the least share of them.
NAMED, LEAST_SHARE = 3, 0.05
KINDS = {
    "minimum": "a local minimum: the gradient vanishes and every curvature is positive",
    "degenerate": "a critical point that is flat in some direction",
    "saddle": "a saddle: the gradient vanishes and a curvature is negative",
    "neither": "neither a minimum nor a saddle: the gradient doesn't vanish",
    "critical": "a critical point whose curvatures aren't known",
}


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
        ValueError: if the model is a batch, shapes don't fit or an entry isn't finite.

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
    report("gradient", 0.0)
    began = time.monotonic()
    landscape = Landscape(model)
    gradient = landscape.gradients(landscape.join(W, b))
    a_gradient = time.monotonic() - began
    left_out: list[str] = []
    chosen = None
    if bias is None and model.bias != "none":
        chosen = worked_out(BEST_BIAS, left_out, lambda: _best_bias(model, W, a_gradient, seconds, left_out, report))
    bend = worked_out("curvature", left_out, lambda: _curvature(model, W, b, a_gradient, seconds, left_out, report))
    curvature, error, direction = bend if bend is not None else (None, 0.0, None)
    kind = _kind(model, gradient, curvature, error)
    escape = _escape(gradient, kind, curvature, error, direction)
    below = worked_out(
        "the minimum below", left_out, lambda: _below(model, W, b, a_gradient, seconds, left_out, report)
    )
    best = _best(model, below, seconds, minima, left_out, report)
    factors = phase_factors(W, b, tolerance)
    stored = sorted(i for one in factors if one.name not in ("drop", "dead") for i in one.features)
    overlap, pair = _largest_overlap(W, stored)
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


def welch_bound(vectors: int, dimensions: int) -> float:
    """Return √((k − m) / (m (k − 1))), at least which |cos| two of k vectors in m dimensions have; 0 for k ≤ m.

    Source: Welch 1974, DOI 10.1109/TIT.1974.1055219.

    Example:
        >>> welch_bound(3, 2)
        0.5
    """
    check_count("vectors", vectors, 0)
    check_count("dimensions", dimensions)
    if vectors <= dimensions:
        return 0.0
    return float(np.sqrt((vectors - dimensions) / (dimensions * (vectors - 1))))


def told_direction(weights: FloatArray, bias: FloatArray) -> str:
    """Return in words which parameters a direction changes most: the largest shares of its squared length.

    Args:
        weights: its part in W, shape (n_hidden, n_features).
        bias: its part in b, shape (n_features,).

    Example:
        >>> told_direction(np.array([[0.8, 0.0]]), np.array([0.0, 0.6]))
        'W of feature 1 (64%) and b of feature 2 (36%)'
    """
    weights, bias = reals("weights", weights, ("n_hidden", "n")), reals("bias", bias, ("n",))
    check_shape("bias", bias.shape, weights.shape[1:])
    n_features, shares = len(bias), np.stack([(weights**2).sum(axis=0), bias**2])
    shares = shares / max(shares.sum(), np.finfo(np.float64).tiny)
    order = np.argsort(-shares, axis=None, kind="stable")[:NAMED]
    found = [
        f"{'W' if k < n_features else 'b'} of feature {k % n_features + 1} ({shares.flat[k]:.0%})"
        for k in order.tolist()
        if shares.flat[k] >= LEAST_SHARE
    ]
    if not found:
        return "a direction of many parameters, none with 5% of it"
    rest = ["smaller parts"] if 1 - shares.flat[order[: len(found)]].sum() >= LEAST_SHARE else []
    *head, last = [*found, *rest]
    return f"{', '.join(head)} and {last}" if head else last


def _scale(model: ToyModel) -> float:
    """Return Σ_i I_i E[x_i²]."""
    return float((model.importances() * model.second_moments()).sum())


def _kind(model: ToyModel, gradient: FloatArray, curvature: float | None, error: float) -> str:
    if np.linalg.norm(gradient) > CRITICAL * _scale(model):
        return "neither"
    if curvature is None:
        return "critical"
    return "saddle" if curvature < -error else "minimum" if curvature > error else "degenerate"


def _escape(
    gradient: FloatArray, kind: str, curvature: float | None, error: float, direction: FloatArray | None
) -> FloatArray | None:
    """Return a unit direction in which the loss falls."""
    if curvature is not None and direction is not None and curvature < -error:
        return -direction if gradient @ direction > 0 else direction
    return -gradient / np.linalg.norm(gradient) if kind == "neither" else None


def _largest_overlap(weights: FloatArray, stored: list[int]) -> tuple[float, tuple[int, ...]]:
    if len(stored) < 2:
        return 0.0, ()
    unit = weights[:, stored] / np.linalg.norm(weights[:, stored], axis=0)
    overlaps = np.triu(np.abs(unit.T @ unit), 1)
    if not overlaps.any():
        return 0.0, ()
    first, second = divmod(int(overlaps.argmax()), len(stored))
    return float(overlaps.max()), (stored[first], stored[second])


def _best_bias(
    model: ToyModel, weights: FloatArray, a_gradient: float, seconds: float, left_out: list[str], report: Report
) -> FloatArray | None:
    """Return the best bias for the weights as they are."""
    check_best_bias(model)
    few = model.n_features <= MOST_WITH_HESSIAN
    if not few and _too_long(BEST_BIAS, BIAS_TIMES * a_gradient, seconds, left_out):
        return None
    report("best bias", 0.0)
    return np.asarray(best_bias(model, weights))


def _has_hessian(model: ToyModel) -> bool:
    """Return whether curvatures are those of the exact Hessian, in reasonable time."""
    return model.n_parameters <= MOST_PARAMETERS and model.n_features <= MOST_WITH_HESSIAN


def _too_long(what: str, a_gradient: float, seconds: float, left_out: list[str]) -> bool:
    if a_gradient * NEEDED <= seconds:
        return False
    left_out.append(
        f"{what}: a gradient takes {a_gradient:.1f} s, and at least {NEEDED} are needed, about "
        f"{a_gradient * NEEDED / 60:.0f} minutes; --full works it out"
    )
    return True


def _curvature(
    model: ToyModel,
    weights: FloatArray,
    bias: FloatArray,
    a_gradient: float,
    seconds: float,
    left_out: list[str],
    report: Report,
) -> tuple[float, float, FloatArray] | None:
    """Return the smallest curvature, what it has to exceed to count, and its direction.

    Raises:
        ValueError: for a penalty on activations: E‖Wx‖₁ has a kink of first order wherever a hidden unit is silent.
    """
    if model.activation_penalty.any():
        raise ValueError("curvatures cover models without an activation penalty, got one")
    if _has_hessian(model):
        report("curvature", 0.0)
        landscape = Landscape(model.take((None,)))
        theta = landscape.join(weights[None], bias[None])
        values, directions = smallest_curvature(landscape, theta)
        return float(values[0]), float(flatness(landscape.expand(theta)[2])[0]), directions[0]
    if _too_long("curvature", a_gradient, seconds, left_out):
        return None
    found = estimated_curvature(model, weights, bias, seconds=seconds, report=lambda share: report("curvature", share))
    return found.curvature, found.error, found.direction


def _below(
    model: ToyModel,
    weights: FloatArray,
    bias: FloatArray,
    a_gradient: float,
    seconds: float,
    left_out: list[str],
    report: Report,
) -> Below | None:
    if _has_hessian(model):
        report("descent", 0.0)
        end = polish(model, weights, bias)
        return Below(end.phase, end.loss, end.gradient_norm, end.moved, end.status, end.weights, end.bias)
    if _too_long("the minimum below", a_gradient, seconds, left_out):
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


def _exchanges(model: ToyModel) -> NDArray[np.int64] | None:
    """Return all relabellings of features that are equal in everything; None where the law may tell them apart."""
    if not isinstance(model.features, IndependentFeatures):
        return None
    if isinstance(model.features.amplitude, FeatureAmplitudes):
        return None
    if any(np.ptp(values) != 0 for values in (model.densities(), model.importances())):
        return None
    return np.array(list(permutations(range(model.n_features))))


def _best(
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
