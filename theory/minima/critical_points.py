"""Critical points of the exact loss: their exact zeros, and the evidence by which one is called a minimum."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..geometry import dead_outputs, phase
from ..numerics import FloatArray, Summarised
from .curvature import smallest_curvature
from .descent import LARGEST_STEP, descend, newton_step
from .frames import SMALL, distance, in_frame
from .landscape import Inputs, Landscape
from .parameters import pack

# Gradients up to this, in float64, are rounding: the point is critical.
GRADIENT_TOLERANCE = 1e-12
# Losses of one minimum, found twice, agree to this. A gradient of that size g leaves g²/2κ of loss, κ being the
# curvature: less than 1e-15 for κ > `FLAT`, and along directions that are flat altogether the loss is constant. The
# rest is the rounding of two losses, each held to 1e-12 of Σ_i I_i E[x_i²] + L: 1e-10 leaves room for a sum of fifty.
SAME_LOSS = 1e-10
# Curvatures below this share of the largest count as flat: far above rounding, far below what separates phases.
FLAT = 1e-9
# Where all outputs are off there is no curvature but rounding's.
LEAST_SCALE = 1e-6
# Distance, number of directions: a flat critical point is a minimum if no descent from there ends lower.
ESCAPE = 1e-3
ESCAPES = 16
# Share of that distance beyond which a descent from there has ended elsewhere.
NEAR = 1e-2


@dataclass(frozen=True, eq=False)
class CriticalPoint(Summarised):
    """A local minimum of the exact loss, with the evidence for it.

    Attributes:
        weights: W, shape (n_hidden, n_features), rotated so that it is upper triangular with positive pivots.
        bias: b, shape (n_features,).
        loss: exact expected loss.
        gradient_norm: Euclidean norm of the exact gradient in (W, b).
        hessian_eigenvalues: spectrum of the Hessian in the parameters that are free, ascending, shape (P,). It includes
            one zero for each rotation of the hidden space. At a kink it is that of one sector (`loss_hessian`);
            `curvature` covers all.
        curvature: smallest second derivative along any unit direction, kinks included and rotations left out.
        phase: label of the structure (`phase`).
        status: "minimum" (strict but for rotations) or "degenerate" (flat in some direction).
        reason: what the status rests on.
        inputs: the ends of what features give while they are on, as of `dead_outputs`.
    """

    weights: FloatArray
    bias: FloatArray
    loss: float
    gradient_norm: float
    hessian_eigenvalues: FloatArray
    curvature: float
    phase: str
    status: str
    reason: str
    inputs: Inputs = field(default=(0.0, 1.0), kw_only=True)

    @property
    def parameters(self) -> FloatArray:
        """θ = (W row by row, b), shape (P,)."""
        return pack(self.weights, self.bias)

    @property
    def dead(self) -> bool:
        """Whether an output is switched off for every input."""
        return bool(dead_outputs(self.weights, self.bias, inputs=self.inputs).any())


def snap(
    landscape: Landscape, parameters: FloatArray, norms: FloatArray, *, within: float = SMALL, rounds: int = 3
) -> tuple[FloatArray, FloatArray]:
    """Turn each model into its frame, set tiny coordinates to exact zeros and polish the others.

    Zeros are set where that leaves a critical point.

    Args:
        landscape: batch shape (K,).
        parameters: packed parameters, shape (K, P).
        norms: their gradient norms, shape (K,).
        within: size below which a coordinate is tiny.
        rounds: Newton steps for the others.

    Returns:
        Parameters, shape (K, P), and their gradient norms.
    """
    weights, bias = landscape.split(parameters)
    parameters = landscape.join(in_frame(weights), bias)
    tiny = (np.abs(parameters) < within) & ((parameters != 0) | (norms > GRADIENT_TOLERANCE)[:, None])
    rows = tiny.any(axis=-1)
    if not rows.any():
        return parameters, norms
    part = landscape.take(rows)
    snapped = parameters[rows]
    # Polishing can take further coordinates to zero.
    for _ in range(rounds):
        snapped = np.where(np.abs(snapped) < within, 0.0, snapped)
        fixed = snapped == 0
        _, gradient, hessian = part.expand(snapped)
        if (np.linalg.norm(np.where(fixed, 0.0, gradient), axis=-1) < GRADIENT_TOLERANCE / 10).all():
            break
        hessian = np.where(fixed[:, :, None] | fixed[:, None, :], np.eye(fixed.shape[-1]), hessian)
        snapped = snapped + newton_step(np.where(fixed, 0.0, gradient), hessian, np.full(len(snapped), LARGEST_STEP))
    snapped = np.where(np.abs(snapped) < within, 0.0, snapped)
    _, gradient, _ = part.expand(snapped)
    new_norms = np.linalg.norm(gradient, axis=-1)
    near = np.abs(snapped - parameters[rows]).max(axis=-1) < LARGEST_STEP
    accept = near & (new_norms <= np.maximum(np.minimum(norms[rows], within), GRADIENT_TOLERANCE))
    parameters, norms = parameters.copy(), norms.copy()
    parameters[rows] = np.where(accept[:, None], snapped, parameters[rows])
    norms[rows] = np.where(accept, new_norms, norms[rows])
    return parameters, norms


def invariants(weights: FloatArray, bias: FloatArray, inputs: Inputs = (0.0, 1.0)) -> FloatArray:
    """Return rotation-invariant features of each model, in which outputs that are off don't count.

    Args:
        weights: W, shape (K, m, n).
        bias: b, shape (K, n).
        inputs: what features give, as of `dead_outputs`.
    """
    off = dead_outputs(weights, bias, inputs=inputs)
    gram = np.where(off[..., None], 0.0, weights.mT @ weights)
    return np.concatenate([gram.reshape(len(gram), -1), np.where(off, 0.0, bias), off], axis=-1)


def flatness(hessians: FloatArray) -> FloatArray:
    """Return the size below which a curvature counts as none, shape (K,), by the Hessians there, shape (K, P, P)."""
    return np.asarray(FLAT * np.maximum(np.linalg.norm(hessians, ord=2, axis=(-2, -1)), LEAST_SCALE))


def below(
    landscape: Landscape, parameters: FloatArray, losses: FloatArray
) -> tuple[NDArray[np.bool_], FloatArray, NDArray[np.bool_]]:
    """Return whether a descent from close by ends lower, where, and whether one ends elsewhere at no higher loss.

    If one ends lower, a flat critical point isn't a minimum; if one ends elsewhere, it isn't a strict one.

    Outputs that are off are put further below zero first, which changes no loss: a point at the rim of their manifold
    is a minimum like the others there.

    Args:
        landscape: batch shape (K,).
        parameters: packed critical points, shape (K, P).
        losses: there, shape (K,).

    Returns:
        Shape (K,); the lowest end for each point, shape (K, P); and shape (K,).
    """
    count, size = parameters.shape
    weights, bias = landscape.split(parameters)
    off = dead_outputs(weights, bias, inputs=landscape.inputs)
    # One bias for all outputs sinks if they all are off.
    parameters = landscape.join(weights, bias - (off if landscape.bias == "free" else off.all(axis=-1, keepdims=True)))
    shifts = np.random.default_rng(0).normal(size=(count, ESCAPES, size))
    shifts /= np.linalg.norm(shifts, axis=-1, keepdims=True)
    near = (parameters[:, None] + ESCAPE * shifts).reshape(-1, size)
    ends = descend(landscape.take(np.repeat(np.arange(count), ESCAPES)), near)
    found = ends.loss.reshape(count, ESCAPES)
    reached = ends.parameters.reshape(count, ESCAPES, size)
    lowest = reached[np.arange(count), found.argmin(axis=1)]
    ends_at, begins_at = landscape.split(ends.parameters), landscape.split(np.repeat(parameters, ESCAPES, axis=0))
    moved = distance(begins_at, ends_at).reshape(count, ESCAPES)
    level = found <= losses[:, None] + SAME_LOSS * ESCAPE
    elsewhere = (level & (moved > ESCAPE * NEAR)).any(axis=1)
    return np.asarray(found.min(axis=1) < losses - 1e-3 * ESCAPE**2 * losses), lowest, np.asarray(elsewhere)


def examine(landscape: Landscape, parameters: FloatArray) -> tuple[list[CriticalPoint], FloatArray]:
    """Judge critical points, one for each model of a batch.

    Args:
        landscape: batch shape (K,).
        parameters: packed critical points, shape (K, P), in their frames and snapped to exact zeros (`snap`).

    Returns:
        A `CriticalPoint` each, with status "saddle" where the loss falls in some direction, and the directions of
        smallest curvature, shape (K, P).
    """
    weights, bias = landscape.split(parameters)
    losses, gradients, hessians = landscape.expand(parameters)
    spectra = np.linalg.eigvalsh(hessians)
    curvatures, directions = smallest_curvature(landscape, parameters)
    flat = flatness(hessians)
    saddle = curvatures < -flat
    # Where outputs rest on zero a loss whose biases aren't free may fall at first order, which no curvature tells.
    resting = (landscape.bias != "free") & (np.abs(weights).max(axis=-2) == 0).any(axis=-1)
    undecided = np.flatnonzero((np.abs(curvatures) <= flat) | (resting & ~saddle))
    if len(undecided):
        saddle[undecided], _, _ = below(landscape.take(undecided), parameters[undecided], losses[undecided])
    # At finitely many inputs several kinks meet in one point, and a direction along which all of them open may lie in a
    # cone that no curvature was looked up in.
    loose = np.zeros(len(parameters), dtype=bool)
    if landscape.has_atoms and (strict := np.flatnonzero(curvatures > flat)).size:
        saddle[strict], _, loose[strict] = below(landscape.take(strict), parameters[strict], losses[strict])
    off = dead_outputs(weights, bias, inputs=landscape.inputs)
    points = []
    for k in range(len(parameters)):
        if saddle[k]:
            status, reason = "saddle", "the loss falls along a direction"
        elif loose[k]:
            status, reason = "degenerate", "descents from close by end elsewhere at the same loss"
        elif curvatures[k] > flat[k]:
            status, reason = "minimum", "every curvature is positive"
        else:
            named = ", ".join(str(i + 1) for i in np.flatnonzero(off[k]))
            status = "degenerate"
            reason = f"flat: no input switches on output {named}" if named else "flat along some direction"
        points.append(
            CriticalPoint(
                weights=weights[k],
                bias=bias[k],
                loss=float(losses[k]),
                gradient_norm=float(np.linalg.norm(gradients[k])),
                hessian_eigenvalues=spectra[k],
                curvature=float(curvatures[k]),
                phase=phase(weights[k], bias[k], inputs=landscape.inputs),
                status=status,
                reason=reason,
                inputs=landscape.inputs,
            )
        )
    return points, directions
