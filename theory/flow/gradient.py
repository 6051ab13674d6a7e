"""Gradient flow of the exact loss, dθ/dt = −∇L(θ): what training by ever smaller steps tends to.

Rates differ by orders of magnitude: a bias relaxes at rate 2 I_i, the weights of a rare feature grow at rates
proportional to the density, and near a limit of stability rates vanish. An explicit method would have to follow the
fastest of them all the way. The exact Hessian comes with the gradient at little cost, so each model of a batch takes
linearly implicit steps of its own length instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..loss import checked_parameters
from ..minima import CHUNK, Landscape
from ..models import ToyModel
from ..numerics import (
    FloatArray,
    Summarised,
    check_count,
    check_kind,
    check_number,
    even_size,
    float_array,
    over_slices,
)

# RODAS3 (Sandu et al. 1997, DOI 10.1016/S1352-2310(97)83212-8): order 3 with an embedded order 2, stiffly accurate.
DIAGONAL = 0.5
ARGUMENTS = ((), (0.0,), (2.0, 0.0), (2.0, 0.0, 1.0))
COUPLINGS = ((), (4.0,), (1.0, -1.0), (1.0, -1.0, -8 / 3))
RESULT = (2.0, 0.0, 1.0, 1.0)
ORDER = 3
# A step may change by these factors, and aims at this share of the error that is allowed.
LEAST_CHANGE, MOST_CHANGE, SAFETY = 0.2, 5.0, 0.9
# Errors of coordinates smaller than SIZE count against it, or against the largest squared weight at the start if that
# is less: from zero, biases begin to matter on that scale. The first step is shortened alike.
SIZE, LEAST_SIZE = 1e-4, 1e-14
FIRST_STEP = 1e-9


@dataclass(frozen=True, eq=False)
class Flow(Summarised):
    """Where a batch of gradient flows is after a time, or where it has come to rest.

    Attributes:
        weights: shape (K, n_hidden, n_features).
        bias: shape (K, n_features).
        loss: exact expected loss, shape (K,).
        gradient_norm: Euclidean norm of its gradient, shape (K,).
        time: how long each has flowed, shape (K,).
        steps: steps tried, shape (K,).
        converged: whether the gradient norm fell to the target, shape (K,).
    """

    weights: FloatArray
    bias: FloatArray
    loss: FloatArray
    gradient_norm: FloatArray
    time: FloatArray
    steps: NDArray[np.int64]
    converged: NDArray[np.bool_]


def _step(
    landscape: Landscape, here: FloatArray, gradient: FloatArray, hessian: FloatArray, length: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return where a step of RODAS3 leads, and an estimate of its error, each shape (K, P)."""
    h = length[:, None]
    inverse = np.linalg.inv(hessian + np.eye(here.shape[1]) / (DIAGONAL * h[..., None]))
    slope, stages = -gradient, list[FloatArray]()
    for arguments, couplings in zip(ARGUMENTS, COUPLINGS, strict=True):
        if any(arguments):
            point = here + sum(a * k for a, k in zip(arguments, stages, strict=True))
            slope = -landscape.gradients(point)
        right = slope + sum((c * k for c, k in zip(couplings, stages, strict=True)), np.zeros(())) / h
        stages.append((inverse @ right[..., None])[..., 0])
    # The last stage is the difference between the results of orders 3 and 2.
    return here + sum(m * k for m, k in zip(RESULT, stages, strict=True)), stages[-1]


def _flow_chunk(
    landscape: Landscape, start: FloatArray, duration: float, target: float, accuracy: float, most_steps: int
) -> tuple[NDArray[Any], ...]:
    count = len(start)
    ends, losses, norms = start.copy(), np.empty(count), np.empty(count)
    times, tried = np.zeros(count), np.zeros(count, dtype=np.int64)
    running, here, time = np.arange(count), start, np.zeros(count)
    size = np.clip(np.abs(start[:, : landscape.n_hidden * landscape.n_features]).max(axis=1) ** 2, LEAST_SIZE, SIZE)
    length = np.minimum(FIRST_STEP * size / SIZE, duration)
    part = landscape
    loss, gradient, hessian = part.expand(here)
    landscape.check_held("weights and bias", loss, hessian)
    for step in range(most_steps + 1):
        norm = np.linalg.norm(gradient, axis=-1)
        ends[running], losses[running], norms[running] = here, loss, norm
        times[running], tried[running] = time, step
        going = (norm > target) & (time < duration)
        if not going.any() or step == most_steps:
            break
        if not going.all():
            running, here, time, length, size = (x[going] for x in (running, here, time, length, size))
            loss, gradient, hessian = loss[going], gradient[going], hessian[going]
            part = landscape.take(running)
        length = np.minimum(length, duration - time)
        there, error = _step(part, here, gradient, hessian, length)
        scale = accuracy * np.maximum(np.maximum(np.abs(here), np.abs(there)), size[:, None])
        relative = np.sqrt(np.mean((error / scale) ** 2, axis=-1))
        relative = np.where(np.isfinite(relative), relative, np.inf)
        accepted = relative <= 1
        time = np.where(accepted, time + length, time)
        change = SAFETY * np.maximum(relative, np.finfo(float).tiny) ** (-1 / ORDER)
        length = length * np.clip(change, LEAST_CHANGE, MOST_CHANGE)
        here = np.where(accepted[:, None], there, here)
        loss, gradient, hessian = part.expand(here)
    return ends, losses, norms, times, tried


def gradient_flow(
    model: ToyModel,
    weights: ArrayLike,
    bias: ArrayLike,
    *,
    duration: float = np.inf,
    target: float = 1e-10,
    accuracy: float = 1e-5,
    most_steps: int = 3000,
) -> Flow:
    """Follow the gradient flow dθ/dt = −∇L(θ), θ = (W, b), of the exact loss from many starts at once.

    Args:
        model: a batch of models, batch shape (K,), one for each start.
        weights: W at time 0, shape (K, n_hidden, n_features).
        bias: b at time 0, shape (K, n_features).
        duration: time to flow for; a plain gradient step of rate η is a time η.
        target: gradient norm at which a flow has come to rest.
        accuracy: error of a step, relative to each coordinate (of at least 1e-4, or the largest squared weight
            at the start if that is less).
        most_steps: steps tried before a flow is given up.

    Returns:
        Where each is. The end of a flow is a critical point of the loss: a minimum, or a saddle that attracts from
        one side of a kink.

    Raises:
        ValueError: if shapes don't fit, a number is out of range, or weights are so large that float64 doesn't hold the
            loss and its second derivatives.

    Example:
        >>> from tegum.theory import diagram_model, phase
        >>> from tegum.theory.flow import gradient_flow
        >>> flow = gradient_flow(diagram_model(2, 1, [0.1], 1.0), [[[0.3, -0.1]]], [[0.0, 0.0]])
        >>> bool(flow.converged[0]), phase(flow.weights[0], flow.bias[0])
        (True, 'digon(1,2)')
    """
    check_kind("model", model, ToyModel)
    w, b = checked_parameters(model, float_array("weights", weights), float_array("bias", bias))
    duration = check_number("duration", duration, above=0, infinite=True)
    target = check_number("target", target, above=0)
    accuracy = check_number("accuracy", accuracy, above=0)
    check_count("most_steps", most_steps)
    count, m, n = len(b), model.n_hidden, model.n_features
    if w.shape != (count, m, n) or b.shape != (count, n) or model.batch_shape != (count,):
        raise ValueError(
            f"weights, bias and model must have shapes (K, {m}, {n}), (K, {n}) and (K,), got {w.shape}, {b.shape} and "
            f"{model.batch_shape}"
        )
    landscape = Landscape(model)
    start = landscape.join(w, b)
    parts = over_slices(
        lambda s: _flow_chunk(landscape.take(s), start[s], duration, target, accuracy, most_steps),
        count,
        even_size(count, CHUNK),
    )
    ends, losses, norms, times, tried = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Flow(*landscape.split(ends), losses, norms, times, tried, norms <= target)
