"""The census of local minima: every one at a point of the phase diagram, with the evidence that it is one.

At fixed weights the loss is a sum over outputs in which each bias enters one term, so the best biases are n separate
one-dimensional problems. Starts are spread evenly over the weights alone; for each, every combination of local minima
in the biases is followed downhill by Newton's method on the exact loss. docs/minima.md says how far this argument for
completeness goes and shows the check: doubling the starts finds nothing new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ..geometry import dead_outputs
from ..models import Amplitude, ToyModel
from ..numerics import MOST_STARTS, FloatArray, check_count, check_kind, members, over_slices, reals, slices
from .critical_points import ESCAPE, GRADIENT_TOLERANCE, SAME_LOSS, CriticalPoint, examine, invariants, snap
from .descent import descend
from .landscape import Inputs, Landscape
from .starts import default_starts, starting_points

# More features would take hours.
MAX_SEARCHED_FEATURES = 4
# Endpoints closer than this in WᵀW and b (of the outputs that are on) are one minimum.
SAME = 1e-6
# Critical points judged together, and weight matrices that are started from together: of 256 cells of a diagram. What
# neighbours hand on counts as so many.
EXAMINED, SEARCHED, FEWEST_STARTS = 64, 1 << 14, 64


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


def _margin(weights: FloatArray, bias: FloatArray, inputs: Inputs) -> FloatArray:
    """Return how far each endpoint's outputs that are off stay below zero; larger is a safer representative."""
    gram = weights.mT @ weights
    low, high = inputs
    slack = -(bias + np.maximum(np.maximum(gram * low, gram * high), 0).sum(axis=-1))
    return np.asarray(np.where(dead_outputs(weights, bias, inputs=inputs), slack, np.inf).min(axis=-1))


def _new_representatives(
    landscape: Landscape, parameters: FloatArray, losses: FloatArray, known: tuple[CriticalPoint, ...]
) -> FloatArray:
    """Return one endpoint for each distinct critical point among those of one model, the known minima left out."""
    ended = len(parameters)
    parameters = np.concatenate([parameters, *(landscape.join(p.weights, p.bias)[None] for p in known)])
    losses = np.concatenate([losses, [point.loss for point in known]])
    split = landscape.split(parameters)
    margins = _margin(*split, landscape.inputs)
    groups = _clusters(invariants(*split, landscape.inputs), losses)
    chosen = [max(group, key=lambda k: margins[k]) for group in groups if max(group) < ended]
    return parameters[chosen]


def _same_manifold(a: CriticalPoint, b: CriticalPoint) -> bool:
    degenerate = a.status == b.status == "degenerate"
    return degenerate and a.phase == b.phase and abs(a.loss - b.loss) < SAME_LOSS


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
    check_kind("model", model, ToyModel)
    if len(model.batch_shape) != 1:
        raise ValueError(
            f"census takes models of batch shape (K,): expected a line of models, got batch shape {model.batch_shape}"
        )
    if starts is not None:
        check_count("starts", starts, 0, MOST_STARTS)
        if starts & (starts - 1):
            raise ValueError(f"starts must be 0 or a power of two, got {starts}")
    count, size = model.batch_shape[0], model.n_parameters
    if extra is not None:
        extra = [reals("extra", states, ("k", size)) for states in members("extra", extra, np.ndarray, count=count)]
    if known is not None:
        known = [
            members("known", points, CriticalPoint) for points in members("known", known, tuple, list, count=count)
        ]
    starts = default_starts(model) if starts is None else starts
    landscape, found = Landscape(model), []
    # Models don't know of each other: so many at a time that memory doesn't grow with their number.
    for part in slices(model.batch_shape[0], max(SEARCHED // max(starts, FEWEST_STARTS), 1)):
        more = None if extra is None else extra[part]
        found += _census(landscape.take(part), starts, more, None if known is None else known[part])
    return found


def _census(
    landscape: Landscape,
    starts: int,
    extra: Sequence[FloatArray] | None,
    known: Sequence[tuple[CriticalPoint, ...]] | None,
) -> list[tuple[CriticalPoint, ...]]:
    """Return what `census` does, of models that are searched together."""
    (count,) = landscape.batch_shape
    sets = [np.empty((0, landscape.size))] * count
    if starts:
        sets = [starting_points(landscape.take(k), starts) for k in range(count)]
    if extra is not None:
        sets = [np.concatenate(pair) for pair in zip(sets, extra, strict=True)]
    found: list[tuple[CriticalPoint, ...]] = list(known or [()] * count)
    # The second pass follows the saddles of the first downhill on both sides.
    for _ in range(2):
        if not any(len(starts_of_one) for starts_of_one in sets):
            break
        owner = np.repeat(np.arange(count), [len(s) for s in sets])
        batch = landscape.take(owner)
        ends = descend(batch, np.concatenate(sets))
        parameters, norms = snap(batch, ends.parameters, ends.gradient_norm)
        good = norms <= GRADIENT_TOLERANCE
        distinct = []
        for k in range(count):
            mine = good & (owner == k)
            distinct.append(_new_representatives(landscape, parameters[mine], ends.loss[mine], found[k]))
        judged = _examine_all(landscape, distinct)
        found = [_distinct_minima([*old, *points]) for old, (points, _) in zip(found, judged, strict=True)]
        sets = [_downhill(landscape, points, directions) for points, directions in judged]
    return found


def _examine_all(landscape: Landscape, sets: list[FloatArray]) -> list[tuple[list[CriticalPoint], FloatArray]]:
    """Run `examine` over each model's critical points, in chunks on all cores."""
    owner = np.repeat(np.arange(len(sets)), [len(s) for s in sets])
    if not len(owner):
        return [([], s) for s in sets]
    stacked = np.concatenate(sets)
    parts = over_slices(lambda s: examine(landscape.take(owner[s]), stacked[s]), len(owner), EXAMINED)
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


def _downhill(landscape: Landscape, points: list[CriticalPoint], directions: FloatArray) -> FloatArray:
    """Return packed starts on both sides of each saddle, shape (2 saddles, P)."""
    starts = [
        landscape.join(point.weights, point.bias) + sign * ESCAPE * direction
        for point, direction in zip(points, directions, strict=True)
        if point.status == "saddle"
        for sign in (-1, 1)
    ]
    return np.reshape(starts, (-1, directions.shape[-1]))


def check_searchable(model: ToyModel) -> None:
    """Raise `ValueError` unless the search for minima covers a model.

    Its starts and its idea of a dead output rest on amplitudes in [0, 1], and its second-order conditions on a loss
    without first-order kinks, which E‖Wx‖₁ has wherever a hidden unit is silent.
    """
    check_kind("model", model, ToyModel)
    amplitude = model.features.amplitude
    low, high = amplitude.ends(model.n_features)
    if model.n_features > MAX_SEARCHED_FEATURES:
        raise ValueError(
            f"all minima are searched for up to {MAX_SEARCHED_FEATURES} features, got {model.n_features}: "
            "`random_minima` of tegum.theory.minima takes more and may miss some, `tegum packing` finds the best use "
            "of the dimensions by equal features"
        )
    if low.min() < 0 or high.max() > 1:
        raise ValueError(
            f"minima are searched for amplitudes within [0, 1], got {amplitude.describe()}: `local_minima` takes "
            "larger ones, and `random_minima` of tegum.theory.minima those that may be negative"
        )
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
        The minima, cheapest first. Each has a gradient norm of at most 1e-12, times the square of the largest amplitude
        if that is above 1, and its Hessian spectrum.

    Raises:
        ValueError: if `model` is a batch, has more hidden dimensions than features, more than four features,
            amplitudes that may be negative or an activation penalty, or `starts` isn't a power of two.

    Example:
        >>> from tegum.theory import IndependentFeatures, ToyModel
        >>> best = local_minima(ToyModel(2, 1, IndependentFeatures(0.1)))[0]
        >>> best.phase, round(best.loss, 10)
        ('digon(1,2)', 0.003319484)
    """
    check_kind("model", model, ToyModel)
    if model.batch_shape != ():
        raise ValueError(f"local_minima takes a single model, got batch shape {model.batch_shape}")
    if model.n_hidden > model.n_features:
        raise ValueError(
            f"n_hidden must not exceed n_features: got n_hidden={model.n_hidden}, n_features={model.n_features}"
        )
    unit = max(1.0, model.features.amplitude.largest)
    of_unit = _in_units(model, unit) if unit > 1 else model
    check_searchable(of_unit)
    if starts is not None:
        check_count("starts", starts, 1, MOST_STARTS)
        if starts & (starts - 1):
            raise ValueError(f"starts must be a power of two, got {starts}")
    found = census(of_unit.take((None,)), starts=starts)[0]
    return found if unit == 1 else _in_own_units(model, found, unit)


def _in_units(model: ToyModel, unit: float) -> ToyModel:
    """Return a model with inputs divided by a unit: its loss at (W, b / unit) is that of the model over unit²."""
    law = model.features.with_amplitude(
        model.features.amplitude.mapped(lambda one: Amplitude(float(one.low) / unit, float(one.high) / unit))
    )
    penalties = (model.interference_penalty / unit**2, model.weight_penalty / unit**2, model.activation_penalty / unit)
    return ToyModel(model.n_features, model.n_hidden, law, model.exact["importance"], *penalties, **model.choices)


def _in_own_units(model: ToyModel, found: tuple[CriticalPoint, ...], unit: float) -> tuple[CriticalPoint, ...]:
    """Return the minima of a model from those of `_in_units`, judged by the latter."""
    landscape = Landscape(model.take((None,))).take(np.zeros(len(found), dtype=int))
    points, _ = examine(landscape, np.array([landscape.join(point.weights, unit * point.bias) for point in found]))
    return tuple(
        replace(point, phase=judged.phase, status=judged.status, reason=judged.reason)
        for point, judged in zip(points, found, strict=True)
    )


def global_minimum(model: ToyModel, *, starts: int | None = None) -> CriticalPoint:
    """Return the cheapest of `local_minima(model)`; same arguments and errors."""
    return local_minima(model, starts=starts)[0]
