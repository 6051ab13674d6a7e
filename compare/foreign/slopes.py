"""Which way is down from some weights: how the exact loss bends there, and along what it falls."""

from __future__ import annotations

import numpy as np

from tegum.theory.minima import Landscape, estimated_curvature, flatness, smallest_curvature
from tegum.theory.models import ToyModel
from tegum.theory.numerics import FloatArray, check_shape, reals

from ..progress import Report
from .parts import has_hessian, too_long

# A gradient up to this share of Σ_i I_i E[x_i²] is taken for none: weights in float32 leave a hundredth of it.
CRITICAL = 1e-6
# Parts of a direction that are named, and the least share of them.
NAMED, LEAST_SHARE = 3, 0.05
KINDS = {
    "minimum": "a local minimum: the gradient vanishes and every curvature is positive",
    "degenerate": "a critical point that is flat in some direction",
    "saddle": "a saddle: the gradient vanishes and a curvature is negative",
    "neither": "neither a minimum nor a saddle: the gradient doesn't vanish",
    "critical": "a critical point whose curvatures aren't known",
}


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


def kind_of(model: ToyModel, gradient: FloatArray, curvature: float | None, error: float) -> str:
    """Return which of `KINDS` weights are, by gradient, smallest curvature, and what that has to exceed to count."""
    if np.linalg.norm(gradient) > CRITICAL * _scale(model):
        return "neither"
    if curvature is None:
        return "critical"
    return "saddle" if curvature < -error else "minimum" if curvature > error else "degenerate"


def escape_of(
    gradient: FloatArray, kind: str, curvature: float | None, error: float, direction: FloatArray | None
) -> FloatArray | None:
    """Return a unit direction in which the loss falls."""
    if curvature is not None and direction is not None and curvature < -error:
        return -direction if gradient @ direction > 0 else direction
    return -gradient / np.linalg.norm(gradient) if kind == "neither" else None


def curvature_of(
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
    if has_hessian(model):
        report("curvature", 0.0)
        landscape = Landscape(model.take((None,)))
        theta = landscape.join(weights[None], bias[None])
        values, directions = smallest_curvature(landscape, theta)
        return float(values[0]), float(flatness(landscape.expand(theta)[2])[0]), directions[0]
    if too_long("curvature", a_gradient, seconds, left_out):
        return None
    found = estimated_curvature(model, weights, bias, seconds=seconds, report=lambda share: report("curvature", share))
    return found.curvature, found.error, found.direction
