"""Downhill and curvature by exact gradients alone: for models in which more features interact than have a Hessian.

Minima found here are not critical to rounding, and curvatures are estimates: Lanczos' method on differences of
gradients, whose smallest Ritz value lies above the smallest curvature. What is negative beyond its error is a direction
in which the loss falls; what is positive may have missed one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize

from ..loss import checked_parameters
from ..models import ToyModel
from ..numerics import FloatArray, Summarised, check_callable, check_kind, check_number, reals
from .frames import distance
from .landscape import Landscape

# Largest slope in a parameter at which a descent ends, steps that are remembered, and evaluations at most.
SLOPE, HISTORY, MOST_EVALUATIONS = 1e-9, 20, 5_000
# Steps of Lanczos' method, and the distance over which gradients are compared: their error of about 1e-10 becomes 1e-6.
LANCZOS, APART = 60, 1e-4
# Error of a curvature by such a difference, as a share of the largest that was met.
DIFFERENCE = 1e-5

Report = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class Downhill(Summarised):
    """Where one model's weights end, or stop, when they are followed downhill by gradients.

    Attributes:
        weights: shape (n_hidden, n_features).
        bias: shape (n_features,).
        loss: exact expected loss.
        gradient_norm: there.
        moved: distance from the start in (W, b), rotations of the hidden space left out.
        evaluations: of loss and gradient.
        ended: whether the loss falls no further; else time was up.
    """

    weights: FloatArray
    bias: FloatArray
    loss: float
    gradient_norm: float
    moved: float
    evaluations: int
    ended: bool


@dataclass(frozen=True, eq=False)
class CurvatureEstimate(Summarised):
    """The smallest curvature that Lanczos' method met.

    Attributes:
        curvature: second derivative along `direction`, rotations of the hidden space left out.
        error: of it, an estimate: the residual, and what differences leave.
        direction: a unit vector of packed parameters, shape (P,).
        ended: whether all steps were taken; else time was up.
    """

    curvature: float
    error: float
    direction: FloatArray
    ended: bool


class _TimeUpError(Exception):
    """No more evaluations."""


def _single(model: ToyModel, weights: FloatArray, bias: FloatArray) -> tuple[Landscape, FloatArray]:
    check_kind("model", model, ToyModel)
    if model.batch_shape != ():
        raise ValueError(f"expected a single model, got batch shape {model.batch_shape}: take one of them")
    weights = reals("weights", weights, (model.n_hidden, model.n_features))
    bias = reals("bias", bias, (model.n_features,))
    weights, bias = checked_parameters(model, weights, bias)
    landscape = Landscape(model)
    return landscape, landscape.join(weights, bias)


def downhill(
    model: ToyModel,
    weights: FloatArray,
    bias: FloatArray,
    *,
    seconds: float = np.inf,
    report: Report | None = None,
) -> Downhill:
    """Follow one model's weights downhill on the exact loss by L-BFGS.

    Args:
        model: a single model.
        weights: W, shape (n_hidden, n_features).
        bias: b, shape (n_features,).
        seconds: after which it stops where it is.
        report: is called with the share of the time that is gone.

    Raises:
        ValueError: if the model is a batch, shapes don't fit, or float64 doesn't hold the loss at the start.
    """
    seconds = check_number("seconds", seconds, least=0, infinite=True)
    check_callable("report", report, 1, optional=True)
    landscape, start = _single(model, weights, bias)
    began, count = time.monotonic(), 0
    best: tuple[float, FloatArray, float] = (np.inf, start, np.inf)

    def value(theta: FloatArray) -> tuple[float, FloatArray]:
        nonlocal best, count
        gone = time.monotonic() - began
        if report is not None:
            report(min(gone / seconds, 1.0) if np.isfinite(seconds) else 0.0)
        if count and gone > seconds:
            raise _TimeUpError
        count += 1
        loss, gradient = landscape.losses_and_gradients(theta)
        if count == 1 and not (np.isfinite(loss) and np.isfinite(gradient).all()):
            raise ValueError("weights and bias must be small enough for float64 to hold the loss and its gradient")
        if loss < best[0]:
            best = float(loss), theta.copy(), float(np.linalg.norm(gradient))
        return float(loss), gradient

    ended = True
    options = {"maxcor": HISTORY, "gtol": SLOPE, "ftol": 1e-15, "maxfun": MOST_EVALUATIONS, "maxiter": MOST_EVALUATIONS}
    try:
        found: Any = minimize(value, start, jac=True, method="L-BFGS-B", options=options)  # type: ignore[call-overload]
        ended = found.nfev < MOST_EVALUATIONS
    except _TimeUpError:
        ended = False
    loss, theta, norm = best
    ends = landscape.split(theta)
    begins = landscape.split(start)
    moved = float(distance((begins[0][None], begins[1][None]), (ends[0][None], ends[1][None]))[0])
    return Downhill(*ends, loss, norm, moved, count, ended)


def estimated_curvature(
    model: ToyModel,
    weights: FloatArray,
    bias: FloatArray,
    *,
    seconds: float = np.inf,
    report: Report | None = None,
) -> CurvatureEstimate:
    """Return the smallest curvature of the exact loss that differences of gradients show, and its direction.

    Args:
        model: a single model.
        weights: W, shape (n_hidden, n_features).
        bias: b, shape (n_features,).
        seconds: after which no further step is taken.
        report: is called with the share of the steps that are done.

    Raises:
        ValueError: if the model is a batch, or shapes don't fit.
    """
    seconds = check_number("seconds", seconds, least=0, infinite=True)
    check_callable("report", report, 1, optional=True)
    landscape, theta = _single(model, weights, bias)
    began, turns = time.monotonic(), _rotations(landscape, theta)
    vector = np.random.default_rng(0).normal(size=len(theta))
    vector -= turns @ (turns.T @ vector)
    basis = [vector / np.linalg.norm(vector)]
    diagonal: list[float] = []
    beside: list[float] = []
    steps = min(LANCZOS, max(len(theta) - turns.shape[1], 1))
    for step in range(steps):
        ahead, back = (landscape.gradients(theta + sign * APART * basis[-1]) for sign in (1, -1))
        if not (np.isfinite(ahead).all() and np.isfinite(back).all()):
            raise ValueError("weights and bias must be small enough for float64 to hold gradients, got larger ones")
        product = (ahead - back) / (2 * APART)
        diagonal.append(float(basis[-1] @ product))
        # Orthogonal to rotations and to all steps before, twice: once leaves rounding's share of them.
        for _ in range(2):
            product -= turns @ (turns.T @ product)
            product -= np.stack(basis).T @ (np.stack(basis) @ product)
        beside.append(float(np.linalg.norm(product)))
        if report is not None:
            report((step + 1) / steps)
        last = step + 1 == steps or beside[-1] <= DIFFERENCE * max(map(abs, diagonal))
        if last or time.monotonic() - began > seconds:
            break
        basis.append(product / beside[-1])
    values, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(beside[:-1], 1) + np.diag(beside[:-1], -1))
    error = beside[-1] * abs(vectors[-1, 0]) + DIFFERENCE * np.abs(values).max()
    return CurvatureEstimate(float(values[0]), float(error), np.stack(basis).T @ vectors[:, 0], last)


def _rotations(landscape: Landscape, theta: FloatArray) -> FloatArray:
    """Return an orthonormal basis of the directions that rotations of the hidden space generate, shape (P, r)."""
    weights, _ = landscape.split(theta)
    m, n = weights.shape
    turns = []
    for row in range(m):
        for other in range(row):
            turn = np.zeros((m, n))
            turn[row], turn[other] = weights[other], -weights[row]
            # Biases stay, as many of them as there are.
            turns.append(np.pad(turn.ravel(), (0, len(theta) - turn.size)))
    if not turns:
        return np.zeros((len(theta), 0))
    directions, spectrum, _ = np.linalg.svd(np.stack(turns, axis=-1), full_matrices=False)
    return np.asarray(directions[:, spectrum > 1e-9 * max(spectrum[0], 1e-300)])
