"""Censuses of many models at once, as for the cells of a diagram: all minima, in which neighbours help each other.

At fixed weights the loss is a sum over outputs in which each bias enters one term, so the best biases are n separate
one-dimensional problems. Starts are spread evenly over the weights alone; for each, the cheapest combinations of local
minima in the biases are followed downhill by Newton's method on the exact loss. docs/minima.md says how far this
argument for completeness goes and shows the check: doubling the starts finds nothing new.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from ..models import ToyModel
from ..numerics import MOST_STARTS, FloatArray, check_count, check_kind, members, over_slices, reals, slices
from .critical_points import ESCAPE, GRADIENT_TOLERANCE, SAME_LOSS, CriticalPoint, examine, invariants, snap
from .descent import descend
from .landscape import Landscape
from .search import grouped, margins
from .starts import default_starts, spread_starts

# Critical points judged together, and weight matrices that are started from together: of 256 cells of a diagram. What
# neighbours hand on counts as so many.
EXAMINED, SEARCHED, FEWEST_STARTS = 64, 1 << 14, 64


def _new_representatives(
    landscape: Landscape, parameters: FloatArray, losses: FloatArray, known: tuple[CriticalPoint, ...]
) -> FloatArray:
    """Return one endpoint for each distinct critical point among those of one model, the known minima left out."""
    ended = len(parameters)
    parameters = np.concatenate([parameters, *(landscape.join(p.weights, p.bias)[None] for p in known)])
    losses = np.concatenate([losses, [point.loss for point in known]])
    split = landscape.split(parameters)
    safe = margins(*split, landscape.inputs)
    groups = grouped(invariants(*split, landscape.inputs), losses)
    chosen = [max(group, key=lambda k: safe[k]) for group in groups if max(group) < ended]
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
        sets = [spread_starts(landscape.take(k), starts) for k in range(count)]
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
        judged = examine_all(landscape, distinct)
        found = [_distinct_minima([*old, *points]) for old, (points, _) in zip(found, judged, strict=True)]
        sets = [beside_saddles(landscape, points, directions) for points, directions in judged]
    return found


def examine_all(landscape: Landscape, sets: list[FloatArray]) -> list[tuple[list[CriticalPoint], FloatArray]]:
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


def beside_saddles(landscape: Landscape, points: list[CriticalPoint], directions: FloatArray) -> FloatArray:
    """Return packed starts on both sides of each saddle, shape (2 saddles, P)."""
    starts = [
        landscape.join(point.weights, point.bias) + sign * ESCAPE * direction
        for point, direction in zip(points, directions, strict=True)
        if point.status == "saddle"
        for sign in (-1, 1)
    ]
    return np.reshape(starts, (-1, directions.shape[-1]))
