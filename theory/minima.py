"""The census of local minima: every one at a point of the phase diagram, with the evidence that it is one.

At fixed weights the loss is a sum over outputs in which each bias enters one term, so the best biases are n separate
one-dimensional problems. Starts are spread evenly over the weights alone; for each, every combination of local minima
in the biases is followed downhill by Newton's method on the exact loss. docs/minima.md says how far this argument for
completeness goes and shows the check: doubling the starts finds nothing new.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice, pairwise, product

import numpy as np
from numpy.typing import NDArray
from scipy.stats import qmc

from .curvature import smallest_curvature
from .descent import LARGEST_STEP, chunks, descend, expand, newton_step, pack, unpack
from .features import FloatArray
from .loss import ExactLoss
from .model import ToyModel
from .phases import dead_outputs, phase
from .rotations import in_frame

# Weights of minimisers lie well inside this box: longer columns only overshoot (docs/minima.md).
WEIGHT_RANGE = 1.8
BIAS_POINTS = 24
# More features would take hours.
MAX_SEARCHED_FEATURES = 4
# Weight matrices to start from for two weights; more in proportion to the number of weights.
STARTS = 256
MAX_BIAS_COMBINATIONS = 9
GRADIENT_TOLERANCE = 1e-12
# Coordinates smaller than this are tried as exact zeros: kinks lie there.
SNAP = 1e-7
# Endpoints closer than this in WᵀW and b (of the outputs that are on) are one minimum.
SAME = 1e-6
# Curvatures below this count as flat. It is far above rounding and far below what separates phases.
FLAT = 1e-9
# Distance, number of directions: a flat critical point is a minimum if no descent from there ends lower.
ESCAPE = 1e-3
ESCAPES = 16
# Critical points judged together.
EXAMINED = 64


@dataclass(frozen=True, eq=False)
class CriticalPoint:
    """A local minimum of the exact loss, with the evidence for it.

    Attributes:
        weights: W, shape (n_hidden, n_features), rotated so that it is upper triangular with positive pivots.
        bias: b, shape (n_features,).
        loss: exact expected loss.
        gradient_norm: Euclidean norm of the exact gradient in (W, b).
        hessian_eigenvalues: spectrum of the Hessian, ascending, shape (P,). It includes one zero for each rotation of
            the hidden space. At a kink it is that of one sector (`loss_hessian`); `curvature` covers all.
        curvature: smallest second derivative along any unit direction, kinks included and rotations left out.
        phase: label of the structure (`phase`).
        status: "minimum" (strict but for rotations) or "degenerate" (flat in some direction).
        reason: what the status rests on.
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

    @property
    def dead(self) -> bool:
        """Whether an output is switched off for every input."""
        return bool(dead_outputs(self.weights, self.bias).any())


def _bias_choices(engine: ExactLoss, weights: FloatArray) -> list[list[list[float]]]:
    """Return, for each start and output, the local minima of the loss in its bias, one switched-off bias first."""
    gram = weights.mT @ weights
    low = -np.maximum(gram, 0).sum(axis=-1)
    high = 1 + np.maximum(-gram, 0).sum(axis=-1)
    grid = low + (high - low) * np.linspace(0, 1, BIAS_POINTS + 1)[:, None, None]
    losses = engine.output_losses(weights, grid)
    dips = (losses[1:-1] < losses[:-2]) & (losses[1:-1] <= losses[2:])
    off = low - 0.1
    return [
        [[off[s, i], *(grid[k + 1, s, i] for k in np.flatnonzero(dips[:, s, i]))] for i in range(gram.shape[-1])]
        for s in range(len(weights))
    ]


def _without(weights: FloatArray, feature: int) -> FloatArray:
    """Return starts that all but leave one feature out and store the others twice as long.

    A dropped feature is stable beside a switched-off one that is long enough to block it, ‖W_j‖² > 2.
    """
    scale = np.full(weights.shape[-1], 2.0)
    scale[feature] = 0.01
    return np.asarray(weights * scale)


def starting_points(model: ToyModel, starts: int) -> FloatArray:
    """Return starts for a census of one model: weights spread by a Sobol sequence, times the choices of biases.

    Args:
        model: a single model.
        starts: number of weight matrices, a power of two. The first half are those of half as many.

    Returns:
        Packed parameters, shape (K, P) with K ≥ starts.
    """
    m, n = model.n_hidden, model.n_features
    unit = qmc.Sobol(m * n, scramble=True, rng=np.random.default_rng(2209_10652)).random(starts)
    weights = WEIGHT_RANGE * (2 * unit - 1).reshape(starts, m, n)
    weights = np.concatenate([weights, *(_without(weights[: starts // 8], feature) for feature in range(n))])
    rows = []
    for matrix, choices in zip(weights, _bias_choices(ExactLoss(model), weights), strict=True):
        rows += [[*matrix.ravel(), *combination] for combination in islice(product(*choices), MAX_BIAS_COMBINATIONS)]
    return np.array(rows)


def snap(
    model: ToyModel, parameters: FloatArray, norms: FloatArray, *, within: float = SNAP, rounds: int = 3
) -> tuple[FloatArray, FloatArray]:
    """Turn each model into its frame, set tiny coordinates to exact zeros and polish the others.

    Zeros are set where that leaves a critical point.

    Args:
        model: batch shape (K,).
        parameters: packed parameters, shape (K, P).
        norms: their gradient norms, shape (K,).
        within: size below which a coordinate is tiny.
        rounds: Newton steps for the others.

    Returns:
        Parameters, shape (K, P), and their gradient norms.
    """
    weights, bias = unpack(parameters, model.n_hidden)
    parameters = pack(in_frame(weights), bias)
    tiny = (np.abs(parameters) < within) & ((parameters != 0) | (norms > GRADIENT_TOLERANCE)[:, None])
    rows = tiny.any(axis=-1)
    if not rows.any():
        return parameters, norms
    engine = ExactLoss(model.take(rows))
    snapped = parameters[rows]
    # Polishing can take further coordinates to zero.
    for _ in range(rounds):
        snapped = np.where(np.abs(snapped) < within, 0.0, snapped)
        fixed = snapped == 0
        _, gradient, hessian = expand(engine, snapped)
        if (np.linalg.norm(np.where(fixed, 0.0, gradient), axis=-1) < GRADIENT_TOLERANCE / 10).all():
            break
        hessian = np.where(fixed[:, :, None] | fixed[:, None, :], np.eye(fixed.shape[-1]), hessian)
        snapped = snapped + newton_step(np.where(fixed, 0.0, gradient), hessian, np.full(len(snapped), LARGEST_STEP))
    snapped = np.where(np.abs(snapped) < within, 0.0, snapped)
    _, gradient, _ = expand(engine, snapped)
    new_norms = np.linalg.norm(gradient, axis=-1)
    near = np.abs(snapped - parameters[rows]).max(axis=-1) < LARGEST_STEP
    accept = near & (new_norms <= np.maximum(np.minimum(norms[rows], within), GRADIENT_TOLERANCE))
    parameters, norms = parameters.copy(), norms.copy()
    parameters[rows] = np.where(accept[:, None], snapped, parameters[rows])
    norms[rows] = np.where(accept, new_norms, norms[rows])
    return parameters, norms


def invariants(parameters: FloatArray, n_hidden: int) -> FloatArray:
    """Return rotation-invariant features of each endpoint, in which outputs that are off don't count."""
    weights, bias = unpack(parameters, n_hidden)
    off = dead_outputs(weights, bias)
    gram = np.where(off[..., None], 0.0, weights.mT @ weights)
    return np.concatenate([gram.reshape(len(gram), -1), np.where(off, 0.0, bias), off], axis=-1)


def _clusters(features: FloatArray, losses: FloatArray) -> list[list[int]]:
    """Group endpoints that are one minimum, each group and the groups ordered by loss."""
    remaining = np.argsort(losses, kind="stable")
    groups = []
    while len(remaining):
        near = np.abs(features[remaining] - features[remaining[0]]).max(axis=-1) < SAME
        near &= np.abs(losses[remaining] - losses[remaining[0]]) < SAME
        groups.append(remaining[near].tolist())
        remaining = remaining[~near]
    return groups


def _margin(parameters: FloatArray, n_hidden: int) -> FloatArray:
    """Return how far each endpoint's outputs that are off stay below zero; larger is a safer representative."""
    weights, bias = unpack(parameters, n_hidden)
    slack = -(bias + np.maximum(weights.mT @ weights, 0).sum(axis=-1))
    return np.asarray(np.where(dead_outputs(weights, bias), slack, np.inf).min(axis=-1))


def _falls(model: ToyModel, parameters: FloatArray, losses: FloatArray) -> NDArray[np.bool_]:
    """Return whether a descent from close by ends lower: then a flat critical point isn't a minimum."""
    count, size = parameters.shape
    shifts = np.random.default_rng(0).normal(size=(count, ESCAPES, size))
    shifts /= np.linalg.norm(shifts, axis=-1, keepdims=True)
    near = (parameters[:, None] + ESCAPE * shifts).reshape(-1, size)
    ends = descend(model.take(np.repeat(np.arange(count), ESCAPES)), near).loss.reshape(count, ESCAPES)
    return np.asarray(ends.min(axis=1) < losses - 1e-3 * ESCAPE**2 * losses)


def examine(model: ToyModel, parameters: FloatArray) -> tuple[list[CriticalPoint], FloatArray]:
    """Judge critical points, one for each model of a batch.

    Args:
        model: batch shape (K,).
        parameters: packed critical points, shape (K, P), in their frames and snapped to exact zeros (`snap`).

    Returns:
        A `CriticalPoint` each, with status "saddle" where the loss falls in some direction, and the directions of
        smallest curvature, shape (K, P).
    """
    weights, bias = unpack(parameters, model.n_hidden)
    losses, gradients, hessians = expand(ExactLoss(model), parameters)
    spectra = np.linalg.eigvalsh(hessians)
    curvatures, directions = smallest_curvature(model, parameters)
    flat = FLAT * np.maximum(np.abs(spectra).max(axis=-1), FLAT)
    saddle = curvatures < -flat
    undecided = np.flatnonzero(np.abs(curvatures) <= flat)
    if len(undecided):
        saddle[undecided] = _falls(model.take(undecided), parameters[undecided], losses[undecided])
    off = dead_outputs(weights, bias)
    points = []
    for k in range(len(parameters)):
        if saddle[k]:
            status, reason = "saddle", "the loss falls along a direction"
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
                phase=phase(weights[k], bias[k]),
                status=status,
                reason=reason,
            )
        )
    return points, directions


def _new_representatives(
    parameters: FloatArray, losses: FloatArray, known: tuple[CriticalPoint, ...], n_hidden: int
) -> FloatArray:
    """Return one endpoint for each distinct critical point among those of one model, the known minima left out."""
    ended = len(parameters)
    parameters = np.concatenate([parameters, *(pack(point.weights, point.bias)[None] for point in known)])
    losses = np.concatenate([losses, [point.loss for point in known]])
    margins = _margin(parameters, n_hidden)
    groups = _clusters(invariants(parameters, n_hidden), losses)
    chosen = [max(group, key=lambda k: margins[k]) for group in groups if max(group) < ended]
    return parameters[chosen]


def _same_manifold(a: CriticalPoint, b: CriticalPoint) -> bool:
    degenerate = a.status == b.status == "degenerate"
    return degenerate and a.phase == b.phase and abs(a.loss - b.loss) < FLAT


def census(
    model: ToyModel,
    *,
    starts: int | None = None,
    extra: Sequence[FloatArray] | None = None,
    known: Sequence[tuple[CriticalPoint, ...]] | None = None,
) -> list[tuple[CriticalPoint, ...]]:
    """Return the local minima of every model of a batch, by `local_minima`'s method.

    Args:
        model: models, batch shape (K,).
        starts: weight matrices to start from for each model, 0 for none; default `default_starts(model)`.
        extra: further packed starts for each model, shapes (k_i, P), for instance a neighbour's minima.
        known: minima of each model that an earlier census found.

    Returns:
        For each model its minima, cheapest first.
    """
    count = model.batch_shape[0]
    starts = default_starts(model) if starts is None else starts
    sets = [np.empty((0, model.n_parameters))] * count
    if starts:
        sets = [starting_points(model.take(k), starts) for k in range(count)]
    if extra is not None:
        sets = [np.concatenate(pair) for pair in zip(sets, extra, strict=True)]
    found: list[tuple[CriticalPoint, ...]] = list(known or [()] * count)
    # The second pass follows the saddles of the first downhill on both sides.
    for _ in range(2):
        if not any(len(starts_of_one) for starts_of_one in sets):
            break
        owner = np.repeat(np.arange(count), [len(s) for s in sets])
        batch = model.take(owner)
        ends = descend(batch, np.concatenate(sets))
        parameters, norms = snap(batch, ends.parameters, ends.gradient_norm)
        good = norms <= GRADIENT_TOLERANCE
        distinct = []
        for k in range(count):
            mine = good & (owner == k)
            distinct.append(_new_representatives(parameters[mine], ends.loss[mine], found[k], model.n_hidden))
        judged = _examine_all(model, distinct)
        found = [_distinct_minima([*old, *points]) for old, (points, _) in zip(found, judged, strict=True)]
        sets = [_downhill(points, directions) for points, directions in judged]
    return found


def _examine_all(model: ToyModel, sets: list[FloatArray]) -> list[tuple[list[CriticalPoint], FloatArray]]:
    """Run `examine` over each model's critical points, in chunks on all cores."""
    owner = np.repeat(np.arange(len(sets)), [len(s) for s in sets])
    if not len(owner):
        return [([], s) for s in sets]
    stacked = np.concatenate(sets)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(lambda s: examine(model.take(owner[s]), stacked[s]), chunks(len(owner), EXAMINED)))
    points = [point for part, _ in parts for point in part]
    directions = np.concatenate([part for _, part in parts])
    ends = np.cumsum([0, *(len(s) for s in sets)])
    return [(points[a:b], directions[a:b]) for a, b in pairwise(ends)]


def _distinct_minima(points: list[CriticalPoint]) -> tuple[CriticalPoint, ...]:
    minima: list[CriticalPoint] = []
    for point in sorted(points, key=lambda point: point.loss):
        if point.status != "saddle" and not any(_same_manifold(point, other) for other in minima):
            minima.append(point)
    return tuple(minima)


def _downhill(points: list[CriticalPoint], directions: FloatArray) -> FloatArray:
    """Return packed starts on both sides of each saddle, shape (2 saddles, P)."""
    starts = [
        pack(point.weights, point.bias) + sign * ESCAPE * direction
        for point, direction in zip(points, directions, strict=True)
        if point.status == "saddle"
        for sign in (-1, 1)
    ]
    return np.reshape(starts, (-1, directions.shape[-1]))


def default_starts(model: ToyModel) -> int:
    """Return the number of weight matrices that a census of this model starts from."""
    share = model.n_hidden * model.n_features / 2
    return STARTS * int(2 ** max(np.ceil(np.log2(share)), 0))


def check_searchable(model: ToyModel) -> None:
    """Raise `ValueError` unless the search for minima covers a model.

    Its starts and its idea of a dead output rest on amplitudes in [0, 1], and its second-order conditions on a loss
    without first-order kinks, which E‖Wx‖₁ has wherever a hidden unit is silent.
    """
    amplitude = model.features.amplitude
    if model.n_features > MAX_SEARCHED_FEATURES:
        raise ValueError(f"minima are searched for up to {MAX_SEARCHED_FEATURES} features, got {model.n_features}")
    if amplitude.low < 0 or amplitude.high > 1:
        raise ValueError(f"minima are searched for amplitudes within [0, 1], got {amplitude}")
    if model.activation_penalty.any():
        raise ValueError("minima are searched for without an activation penalty, got one")


def local_minima(model: ToyModel, *, starts: int | None = None) -> tuple[CriticalPoint, ...]:
    """Return all local minima of the exact loss at one point of the phase diagram.

    Copies under W → QW with Q orthogonal are merged. States with an output that no input switches on ("dead") are flat
    in that output's bias; they are listed once each, with status "degenerate".

    Args:
        model: a single model, batch shape ().
        starts: number of weight matrices to start from, a power of two.

    Returns:
        The minima, cheapest first. Each has a gradient norm of at most 1e-12 and its Hessian spectrum.

    Raises:
        ValueError: if `model` is a batch, has more hidden dimensions than features, more than four features,
            amplitudes outside [0, 1] or an activation penalty, or `starts` isn't a power of two.

    Example:
        >>> from tegum.theory import IndependentFeatures, ToyModel
        >>> best = local_minima(ToyModel(2, 1, IndependentFeatures(0.1)))[0]
        >>> best.phase, round(best.loss, 10)
        ('digon(1,2)', 0.003319484)
    """
    if not isinstance(model, ToyModel):
        raise ValueError(f"model must be a ToyModel, got {type(model).__name__}")
    if model.batch_shape != ():
        raise ValueError(f"local_minima takes a single model, got batch shape {model.batch_shape}")
    if model.n_hidden > model.n_features:
        raise ValueError(
            f"n_hidden must not exceed n_features: got n_hidden={model.n_hidden}, n_features={model.n_features}"
        )
    check_searchable(model)
    if starts is not None and (starts < 1 or starts & (starts - 1)):
        raise ValueError(f"starts must be a power of two, got {starts}")
    return census(model.take((None,)), starts=starts)[0]


def global_minimum(model: ToyModel, *, starts: int | None = None) -> CriticalPoint:
    """Return the cheapest of `local_minima(model)`; same arguments and errors."""
    return local_minima(model, starts=starts)[0]
