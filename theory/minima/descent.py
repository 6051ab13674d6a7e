"""Batched descent to critical points of the exact loss: saddle-free Newton steps in a trust region.

The exact Hessian comes with the loss at a few times its cost, so each model of a batch takes its own Newton step, with
the absolute values of the Hessian's eigenvalues (arXiv:1406.2572) and cut to its own trust radius. Where the loss is
smooth, convergence is quadratic. Where it has a kink, its second-order part is homogeneous of degree two, and a Newton
step on such a function lands on its centre at once: H(d) d = ∇h(d), by Euler's theorem (docs/minima.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..numerics import FloatArray, Summarised, check_count, check_kind, check_number, over_slices, reals
from .landscape import Landscape

LARGEST_STEP = 0.5
FIRST_STEP = 0.3
SMALLEST_STEP = 1e-16
# A curvature below this fraction of the largest counts as this, so that flat directions don't blow up a step.
CURVATURE_FLOOR = 1e-9
# A step may raise the loss by its rounding error if it lowers the gradient.
ROUNDING = 4e-16
# Models that share one set of array operations; keeps the temporaries in the processor's cache.
CHUNK = 2048


@dataclass(frozen=True, eq=False)
class Descent(Summarised):
    """Where a batch of descents ended.

    Attributes:
        parameters: packed weights and biases, shape (batch, P).
        loss: shape (batch,).
        gradient_norm: Euclidean norm of the gradient, shape (batch,).
        iterations: Newton steps tried, shape (batch,).
    """

    parameters: FloatArray
    loss: FloatArray
    gradient_norm: FloatArray
    iterations: NDArray[np.int64]


def newton_step(gradient: FloatArray, hessian: FloatArray, radius: FloatArray) -> FloatArray:
    """Return saddle-free Newton steps, shape (K, P), no longer than `radius`, shape (K,).

    The gradient's size is added to the curvatures (regularised Newton): without it a step
    leaps along directions that are almost flat, away from the minima that lie there.
    """
    eigenvalues, vectors = np.linalg.eigh(hessian)
    size = np.abs(eigenvalues)
    largest = np.maximum(size.max(axis=-1, keepdims=True), SMALLEST_STEP)
    size = np.maximum(size + np.linalg.norm(gradient, axis=-1, keepdims=True), CURVATURE_FLOOR * largest)
    step = -(vectors @ ((vectors.mT @ gradient[..., None]) / size[..., None]))[..., 0]
    length = np.linalg.norm(step, axis=-1)
    return np.asarray(step * np.minimum(1.0, radius / np.maximum(length, SMALLEST_STEP))[:, None])


def _descend_chunk(landscape: Landscape, start: FloatArray, iterations: int, target: float) -> Descent:
    count = len(start)
    parameters, losses, norms = start.copy(), np.empty(count), np.empty(count)
    spent = np.zeros(count, dtype=np.int64)
    radius = np.full(count, FIRST_STEP)
    running = np.arange(count)
    part, here = landscape, start
    loss, gradient, hessian = part.expand(here)
    landscape.check_held("weights and bias of a start", loss, hessian)
    norm = np.linalg.norm(gradient, axis=-1)
    losses[:], norms[:] = loss, norm
    for iteration in range(1, iterations + 1):
        stopped = (norm <= target) | (radius[running] < SMALLEST_STEP)
        if stopped.all():
            break
        if stopped.any():
            going = ~stopped
            running, here, loss = running[going], here[going], loss[going]
            gradient, norm, hessian = gradient[going], norm[going], hessian[going]
            part = landscape.take(running)
        step = newton_step(gradient, hessian, radius[running])
        there = here + step
        new_loss, new_gradient, new_hessian = part.expand(there)
        new_norm = np.linalg.norm(new_gradient, axis=-1)
        rounding = ROUNDING * (1 + loss)
        better = (new_loss < loss - rounding) | ((new_loss <= loss + rounding) & (new_norm < norm))
        length = np.linalg.norm(step, axis=-1)
        grown = np.minimum(np.maximum(radius[running], 2 * length), LARGEST_STEP)
        radius[running] = np.where(better, grown, length / 4)
        here = np.where(better[:, None], there, here)
        gradient = np.where(better[:, None], new_gradient, gradient)
        hessian = np.where(better[:, None, None], new_hessian, hessian)
        loss, norm = np.where(better, new_loss, loss), np.where(better, new_norm, norm)
        parameters[running], losses[running], norms[running], spent[running] = here, loss, norm, iteration
    return Descent(parameters, losses, norms, spent)


def descend(landscape: Landscape, start: Any, *, iterations: int = 200, target: float = 1e-13) -> Descent:
    """Follow the exact loss downhill from many starts at once.

    Args:
        landscape: of a batch of models, batch shape (batch,), one for each start.
        start: packed weights and biases, shape (batch, P).
        iterations: most Newton steps for each start.
        target: gradient norm at which a descent ends.

    Returns:
        Where each descent ended. One that met `target` is at a critical point: a minimum, or seldom a saddle that
        attracts from one side of a kink.

    Raises:
        ValueError: if an argument isn't what it has to be, or a start so large that float64 doesn't hold its loss
            and the second derivatives.
    """
    check_kind("landscape", landscape, Landscape)
    start = reals("start", start, (*landscape.batch_shape, landscape.size))
    check_count("iterations", iterations, 0)
    target = check_number("target", target, least=0)
    if len(start) <= CHUNK:
        return _descend_chunk(landscape, start, iterations, target)
    parts = over_slices(lambda s: _descend_chunk(landscape.take(s), start[s], iterations, target), len(start), CHUNK)
    return Descent(*(np.concatenate([getattr(p, name) for p in parts]) for name in Descent.__dataclass_fields__))
