"""Local minima from random starts: for models with too many features for a census.

Nothing guarantees that none is missed. How often each was hit says how far the starts can be trusted: what a share q of
the starts leads to escapes N of them with probability (1 − q)^N.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ..geometry import dead_outputs
from ..models import DataFeatures, ToyModel
from ..numerics import MOST_STARTS, FloatArray, check_count, check_kind, check_seed, whole_numbers
from .critical_points import GRADIENT_TOLERANCE, SAME_LOSS, CriticalPoint, examine, snap
from .descent import descend
from .landscape import Landscape
from .search import SAME

# Standard deviation of a start's weights, and half the range of its biases. Wide biases would switch outputs off.
WEIGHT_SCALE, BIAS_SCALE = 0.8, 0.1


@dataclass(frozen=True, eq=False)
class FoundMinimum(CriticalPoint):
    """A local minimum, and how often it and its copies under exchanges of equal features were found.

    Attributes:
        hits: independent starts that led to any of them; 0 for one that only other starts led to.
        copies: how many they are.
    """

    hits: int
    copies: int

    @property
    def point(self) -> CriticalPoint:
        """The minimum by itself, of the same kind as `local_minima` returns."""
        return CriticalPoint(**{field.name: getattr(self, field.name) for field in fields(CriticalPoint)})


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

    States with outputs that no input switches on are tried again with those outputs at their features' means.

    Minima are points where the gradient vanishes. Of amplitudes that have a density the loss is smooth enough for that.
    Of listed inputs it has a kink wherever an output is 0 for one of them: upwards where x_i > 0, which no minimum lies
    on, but downwards where x_i < 0, since (x_i − max(z, 0))² begins to rise there. Minima at such kinks aren't found
    (computed: 40 normal inputs of three features leave none of 32 starts in two of six draws).

    Args:
        model: a single model, batch shape ().
        starts: how many.
        seed: of the random numbers.
        exchanges: relabellings of features that leave the model as it is, shape (k, n); default the identity only.
            Copies under them count as one minimum.

    Raises:
        ValueError: if the model is a batch, `starts` isn't positive, or relabellings move an amplitude to a feature
            that has another one; or if no start ends where the gradient vanishes, as happens for listed inputs with
            negative entries.
    """
    check_kind("model", model, ToyModel)
    check_count("starts", starts, 1, MOST_STARTS)
    check_seed("seed", seed)
    if exchanges is not None:
        most = model.n_features - 1
        exchanges = whole_numbers("exchanges", exchanges, ("k", model.n_features), least=0, most=most)
        if not len(exchanges):
            raise ValueError("exchanges must hold the identity at least, got none")
        check_exchanges(model, exchanges)
    if model.batch_shape != ():
        raise ValueError(f"random_minima takes a single model, got batch shape {model.batch_shape}")
    landscape = Landscape(model)
    n, rng = landscape.n_features, np.random.default_rng(seed)
    exchanges = np.arange(n)[None] if exchanges is None else exchanges
    weights = WEIGHT_SCALE * rng.normal(size=(starts, landscape.n_hidden, n))
    settled = _settle(landscape, landscape.join(weights, rng.uniform(-BIAS_SCALE, BIAS_SCALE, size=(starts, n))))
    if not len(settled.loss) and isinstance(model.features, DataFeatures):
        raise ValueError(
            f"none of {starts} starts ends where the gradient vanishes: of listed inputs with negative entries minima "
            "lie at kinks of the loss, which this search doesn't find; downhill of tegum.theory.minima goes down to one"
        )
    hits = np.ones(len(settled.loss), dtype=np.int64)
    revived = _revived(landscape, settled, exchanges)
    if len(revived):
        more = _settle(landscape, revived)
        settled = _Settled(*(np.concatenate([getattr(settled, f), getattr(more, f)]) for f in ("parameters", "loss")))
        hits = np.append(hits, np.zeros(len(more.loss), dtype=np.int64))
    groups = _distinct(landscape, settled, exchanges)
    rows = [group[0] for group in groups]
    points, _ = examine(_repeated(landscape, len(rows)), settled.parameters[rows])
    return tuple(
        FoundMinimum(**vars(point), hits=int(hits[group].sum()), copies=_count(point, exchanges))
        for point, group in zip(points, groups, strict=True)
        if point.status != "saddle"
    )


def _count(point: CriticalPoint, exchanges: NDArray[np.int64]) -> int:
    """Return how many of a minimum's relabellings differ."""
    states = copies(point.weights, point.bias, exchanges).reshape(len(exchanges), -1)
    return len(np.unique(np.round(states / SAME), axis=0))


def check_exchanges(model: ToyModel, exchanges: NDArray[np.int64]) -> None:
    """Raise `ValueError` if relabellings, shape (k, n), move an amplitude to a feature that has another one."""
    if not isinstance(model.features, DataFeatures):
        low, high = model.features.amplitude.ends(model.n_features)
        if (low[exchanges] != low).any() or (high[exchanges] != high).any():
            raise ValueError(
                "exchanges must leave amplitudes as they are, got one between features of "
                f"{model.features.amplitude.describe()}"
            )


@dataclass(frozen=True, eq=False)
class _Settled:
    """Critical points, packed, and their losses."""

    parameters: FloatArray
    loss: FloatArray


def _repeated(landscape: Landscape, count: int) -> Landscape:
    return landscape.take((None,)).take(np.zeros(count, dtype=int))


def _settle(landscape: Landscape, starts: FloatArray) -> _Settled:
    """Go downhill from packed starts; those that end at no critical point are left out."""
    batch = _repeated(landscape, len(starts))
    ends = descend(batch, starts)
    parameters, norms = snap(batch, ends.parameters, ends.gradient_norm)
    kept = norms <= GRADIENT_TOLERANCE
    return _Settled(parameters[kept], ends.loss[kept])


def _distinct(landscape: Landscape, settled: _Settled, exchanges: NDArray[np.int64]) -> list[list[int]]:
    """Group critical points that are copies of each other, the cheapest group first."""
    groups: list[list[int]] = []
    known: list[tuple[FloatArray, NDArray[np.bool_]]] = []
    for k in np.argsort(settled.loss, kind="stable"):
        w, b = landscape.split(settled.parameters[k])
        own, off = np.vstack([w.T @ w, b]), dead_outputs(w, b, inputs=landscape.inputs)
        for group, (theirs, their_off) in zip(groups, known, strict=True):
            if abs(settled.loss[k] - settled.loss[group[0]]) > SAME_LOSS:
                continue
            # Outputs that are off make a manifold, which counts once.
            flat = off.any() and off.sum() == their_off.sum()
            if flat or np.abs(theirs - own).max(axis=(1, 2)).min() < SAME:
                group.append(int(k))
                break
        else:
            groups.append([int(k)])
            known.append((copies(w, b, exchanges), off))
    return groups


def _revived(landscape: Landscape, settled: _Settled, exchanges: NDArray[np.int64]) -> FloatArray:
    """Return states in which outputs that were off give their features' means instead: starts that chance seldom finds.

    A start whose bias sinks before its weights have grown ends with its output off; for rare features most do.
    """
    model = landscape.model
    means = np.broadcast_to(model.features.means(model.n_features), (*model.batch_shape, model.n_features))
    starts = []
    for group in _distinct(landscape, settled, exchanges):
        w, b = landscape.split(settled.parameters[group[0]])
        off = dead_outputs(w, b, inputs=landscape.inputs)
        if off.any() and landscape.bias == "free":
            starts.append(landscape.join(np.where(off, 0.0, w), np.where(off, means, b)))
    return np.array(starts)
