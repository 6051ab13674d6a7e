"""Local minima from random starts: for models with too many features for a census.

Nothing guarantees that none is missed. How often each was hit says how far the starts can be trusted: what a share q of
the starts leads to escapes N of them with probability (1 − q)^N.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .critical_points import GRADIENT_TOLERANCE, CriticalPoint, examine, snap
from .descent import descend, pack, unpack
from .features import FloatArray
from .minima import SAME
from .model import ToyModel
from .phases import dead_outputs

# Standard deviation of a start's weights, and half the range of its biases. Wide biases would switch outputs off.
WEIGHT_SCALE, BIAS_SCALE = 0.8, 0.1
SAME_LOSS = 1e-9


@dataclass(frozen=True, eq=False)
class FoundMinimum:
    """A local minimum and its copies under exchanges of equal features.

    Attributes:
        point: one of the copies.
        hits: starts that led to any of them.
    """

    point: CriticalPoint
    hits: int


def copies(weights: FloatArray, bias: FloatArray, exchanges: NDArray[np.int64]) -> FloatArray:
    """Return what tells models apart, Gram matrix and biases, for every relabelling of one.

    Args:
        weights: W, shape (m, n).
        bias: b, shape (n,).
        exchanges: relabellings, shape (k, n).

    Returns:
        Shape (k, n + 1, n).
    """
    gram = weights.T @ weights
    return np.concatenate([gram[exchanges[:, :, None], exchanges[:, None, :]], bias[exchanges][:, None]], axis=1)


def random_minima(
    model: ToyModel, *, starts: int = 128, seed: int = 0, exchanges: NDArray[np.int64] | None = None
) -> tuple[FoundMinimum, ...]:
    """Return the local minima that random starts lead to, cheapest first.

    Args:
        model: a single model, batch shape ().
        starts: how many.
        seed: of the random numbers.
        exchanges: relabellings of features that leave the model as it is, shape (k, n); default the identity only.
            Copies under them count as one minimum.

    Raises:
        ValueError: if the model is a batch, or `starts` isn't positive.
    """
    if model.batch_shape != ():
        raise ValueError(f"random_minima takes a single model, got batch shape {model.batch_shape}")
    if starts < 1:
        raise ValueError(f"starts must be positive, got {starts}")
    n, rng = model.n_features, np.random.default_rng(seed)
    exchanges = np.arange(n)[None] if exchanges is None else exchanges
    weights = WEIGHT_SCALE * rng.normal(size=(starts, model.n_hidden, n))
    batch = model.take((None,)).take(np.zeros(starts, dtype=int))
    ends = descend(batch, pack(weights, rng.uniform(-BIAS_SCALE, BIAS_SCALE, size=(starts, n))))
    parameters, norms = snap(batch, ends.parameters, ends.gradient_norm)
    settled = np.flatnonzero(norms <= GRADIENT_TOLERANCE)
    distinct: list[tuple[int, FloatArray, NDArray[np.bool_], int]] = []
    for k in settled[np.argsort(ends.loss[settled], kind="stable")]:
        w, b = unpack(parameters[k], model.n_hidden)
        own, off = np.vstack([w.T @ w, b]), dead_outputs(w, b)
        for place, (other, theirs, their_off, hits) in enumerate(distinct):
            if abs(ends.loss[k] - ends.loss[other]) > SAME_LOSS:
                continue
            # Outputs that are off make a manifold, which counts once.
            flat = off.any() and off.sum() == their_off.sum()
            if flat or np.abs(theirs - own).max(axis=(1, 2)).min() < SAME:
                distinct[place] = other, theirs, their_off, hits + 1
                break
        else:
            distinct.append((int(k), copies(w, b, exchanges), off, 1))
    rows = [k for k, *_ in distinct]
    points, _ = examine(model.take((None,)).take(np.zeros(len(rows), dtype=int)), parameters[rows])
    return tuple(
        FoundMinimum(point, hits)
        for point, (*_, hits) in zip(points, distinct, strict=True)
        if point.status != "saddle"
    )
