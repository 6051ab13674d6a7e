"""From trained weights to the minimum below them, and to its place in a list of minima."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..geometry import phase, phase_labels
from ..loss import checked_parameters
from ..models import ToyModel
from ..numerics import FloatArray, Summarised, check_kind, check_shape, members, over_slices, reals
from .batches import EXAMINED
from .critical_points import (
    ESCAPE,
    GRADIENT_TOLERANCE,
    SAME_LOSS,
    CriticalPoint,
    below,
    examine,
    flatness,
    invariants,
    snap,
)
from .curvature import smallest_curvature
from .descent import descend
from .exchanges import Exchanges
from .frames import distance
from .landscape import Landscape
from .lists import check_unmerged, is_merged, structure
from .search import SAME

# A gradient up to this share of Σ_i I_i E[x_i²] may be that of a saddle; where it is larger, a descent just stopped.
CRITICAL = 1e-6
# Saddles that polishing leaves before it gives up.
MOST_ESCAPES = 3


@dataclass(frozen=True, eq=False)
class Polished(Summarised):
    """Where a batch of weights ends when it is followed downhill on the exact loss.

    Attributes:
        weights: shape (K, n_hidden, n_features).
        bias: shape (K, n_features).
        loss: exact expected loss, shape (K,).
        gradient_norm: shape (K,).
        minimum: whether it is a local minimum, shape (K,): the gradient vanishes and no curvature is negative.
        escapes: saddles left on the way, shape (K,).
        moved: distance from the start in (W, b), rotations of the hidden space left out, shape (K,).
        curvature: smallest second derivative along any unit direction, as of a `CriticalPoint`, shape (K,).
    """

    weights: FloatArray
    bias: FloatArray
    loss: FloatArray
    gradient_norm: FloatArray
    minimum: NDArray[np.bool_]
    escapes: NDArray[np.int64]
    moved: FloatArray
    curvature: FloatArray

    @property
    def phase(self) -> NDArray[Any]:
        """Labels of the structures (`phase`), shape (K,)."""
        return phase_labels(self.weights, self.bias)


@dataclass(frozen=True, eq=False)
class PolishedPoint(CriticalPoint):
    """Where one model's weights end when they are followed downhill on the exact loss.

    Its status is also "saddle" or "unfinished" where no minimum was reached.

    Attributes:
        escapes: saddles left on the way.
        moved: distance from the start in (W, b), rotations of the hidden space left out.
    """

    escapes: int
    moved: float


def polish(model: ToyModel, weights: Any, bias: Any) -> Any:
    """Follow weights to the local minimum of the exact loss below them: one model's, or each of a batch.

    A descent can end at a saddle that attracts from one side of a kink, or at one that is flat; it then goes on along
    the direction of smallest curvature, on the side that ends lower, or from the lowest end of descents from around it.

    Args:
        model: a single model, batch shape (), or a line of them, batch shape (K,).
        weights: W, shape (n_hidden, n_features) or (K, n_hidden, n_features); tensors are taken. A single model may
            have a line of weights.
        bias: b, shape (n_features,) or (K, n_features).

    Returns:
        A `PolishedPoint`, which is a `CriticalPoint`, of one model's weights; a `Polished`, whose fields of the same
        names are arrays, of a line of them.

    Raises:
        ValueError: if shapes don't fit, an entry isn't a finite number, or so large that float64 doesn't hold the loss
            and its second derivatives, or more than eight features interact.

    Example:
        >>> from tegum.theory import IndependentFeatures, ToyModel
        >>> below = polish(ToyModel(2, 1, IndependentFeatures(0.1)), [[1.0, -1.0]], [0.0, 0.0])
        >>> below.phase, below.status, round(below.loss, 10)
        ('digon(1,2)', 'minimum', 0.003319484)
    """
    check_kind("model", model, ToyModel)
    weights, bias = reals("weights", weights), reals("bias", bias)
    weights, bias = checked_parameters(model, weights, bias)
    if model.batch_shape == () and weights.ndim == 2 and bias.ndim == 1:
        one = polish(model.take((None,)), weights[None], bias[None])
        return _point(model, one)
    if model.batch_shape == () and weights.ndim == 3:
        model = model.take((None,)).take(np.zeros(len(weights), dtype=int))
    expected = (*model.batch_shape, model.n_hidden, model.n_features), (*model.batch_shape, model.n_features)
    if len(model.batch_shape) != 1 or (weights.shape, bias.shape) != expected:
        raise ValueError(
            "expected a model and weights of one, or models of batch shape (K,), weights (K, n_hidden, n_features) and "
            "bias (K, n_features), got "
            f"{model.batch_shape}, {weights.shape} and {bias.shape}"
        )
    landscape = Landscape(model)
    parameters, escapes = landscape.join(weights, bias), np.zeros(len(weights), dtype=np.int64)
    losses, norms, bends = np.empty(len(weights)), np.full(len(weights), np.inf), np.empty(len(weights))
    minimum = np.zeros(len(weights), dtype=bool)
    todo = np.arange(len(weights))
    starts = parameters[:, None]
    for _ in range(MOST_ESCAPES + 1):
        rows, tries = np.repeat(todo, starts.shape[1]), starts.shape[1]
        batch = landscape.take(rows)
        downhill = descend(batch, starts.reshape(len(rows), -1))
        settled, settled_norms = snap(batch, downhill.parameters, downhill.gradient_norm)
        best = downhill.loss.reshape(-1, tries).argmin(axis=1) + tries * np.arange(len(todo))
        parameters[todo], losses[todo], norms[todo] = settled[best], downhill.loss[best], settled_norms[best]
        here = landscape.take(todo)
        curvature, directions = _in_chunks(here, parameters[todo])
        bends[todo] = curvature
        tolerance = flatness(here.expand(parameters[todo])[2])
        falling = curvature < -tolerance
        starts = parameters[todo][:, None] + ESCAPE * np.stack([directions, -directions], axis=1)
        flat = np.flatnonzero((np.abs(curvature) <= tolerance) & (norms[todo] <= GRADIENT_TOLERANCE))
        if len(flat):
            rows = todo[flat]
            falling[flat], lower, _ = below(landscape.take(rows), parameters[rows], losses[rows])
            starts[flat] = lower[:, None]
        minimum[todo] = ~falling & (norms[todo] <= GRADIENT_TOLERANCE)
        starts, todo = starts[falling], todo[falling]
        if not len(todo):
            break
        escapes[todo] += 1
    ends = landscape.split(parameters)
    return Polished(*ends, losses, norms, minimum, escapes, distance((weights, bias), ends), bends)


def _point(model: ToyModel, polished: Polished) -> PolishedPoint:
    """Return the one model of a batch, judged as a critical point."""
    landscape = Landscape(model.take((None,)))
    ((judged,), _) = examine(landscape, landscape.join(polished.weights, polished.bias))
    scale = float((model.importances() * model.second_moments()).sum())
    at_saddle = judged.status == "saddle" and judged.gradient_norm <= CRITICAL * scale
    if not polished.minimum[0] and not at_saddle:
        reason = f"the descent stopped where the gradient is {judged.gradient_norm:.1e}"
        judged = replace(judged, status="unfinished", reason=reason)
    return PolishedPoint(**vars(judged), escapes=int(polished.escapes[0]), moved=float(polished.moved[0]))


def _in_chunks(landscape: Landscape, parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Run `smallest_curvature` in chunks on all cores."""
    parts = over_slices(lambda s: smallest_curvature(landscape.take(s), parameters[s]), len(parameters), EXAMINED)
    return np.concatenate([value for value, _ in parts]), np.concatenate([direction for _, direction in parts])


def match(point_sets: Sequence[Any], polished: Polished | PolishedPoint, model: ToyModel | None = None) -> Any:
    """Return which of the listed minima each polished model is in, −1 for none.

    Args:
        point_sets: the minima of each model's cell, in the order of `polished`; of one polished model its minima. Every
            copy of each is listed, as by `local_minima` with merged=False or `random_minima`, or `model` is given.
        polished: what `polish` returned, of a line of models or of one.
        model: what was polished, batch shape (K,) or (): a minimum then stands for its copies under the relabellings
            that leave the model as it is, as in the lists of `local_minima`.

    Returns:
        Indices into the minima, shape (K,), or one. Minima with an output that is off are manifolds; being in one
        means the same label (up to relabellings, if these count) and loss.

    Raises:
        ValueError: if arguments aren't of these kinds, or a list has one of several copies of a minimum and the model
            isn't given.
    """
    if model is not None:
        check_kind("model", model, ToyModel)
    if isinstance(polished, PolishedPoint):
        minimum = np.array([polished.status in ("minimum", "degenerate")])
        names = "weights", "bias", "loss", "gradient_norm", "escapes", "moved", "curvature"
        line = {name: np.array([getattr(polished, name)]) for name in names}
        if model is not None and model.batch_shape == ():
            model = model.take((None,))
        return int(match([point_sets], Polished(**line, minimum=minimum), model)[0])
    check_kind("polished", polished, Polished)
    point_sets = [
        members("point_sets", points, CriticalPoint)
        for points in members("point_sets", point_sets, tuple, list, count=len(polished.loss))
    ]
    if model is not None:
        check_shape("model", model.batch_shape, polished.loss.shape)
    found = np.full(len(polished.loss), -1, dtype=np.int64)
    for points, rows in _by_list(point_sets):
        exchanges = None
        if is_merged(points):
            if model is None:
                check_unmerged("point_sets", points)
            else:
                exchanges = Exchanges(model.take(rows[0]))
        for k in rows:
            if polished.minimum[k]:
                found[k] = _place(points, polished, k, exchanges)
    return found


def _by_list(point_sets: list[tuple[CriticalPoint, ...]]) -> list[tuple[tuple[CriticalPoint, ...], list[int]]]:
    """Return each of the lists once, with the numbers of those who share it."""
    rows: dict[int, list[int]] = {}
    for k, points in enumerate(point_sets):
        rows.setdefault(id(points), []).append(k)
    return [(point_sets[places[0]], places) for places in rows.values()]


def _place(points: tuple[CriticalPoint, ...], polished: Polished, k: int, exchanges: Exchanges | None) -> int:
    """Return which of some minima model k is in, −1 for none.

    Args:
        points: the minima.
        polished: where models end.
        k: which.
        exchanges: relabellings under which a minimum has copies that aren't listed.
    """
    W, b = polished.weights[k], polished.bias[k]
    for index, point in enumerate(points):
        if abs(point.loss - polished.loss[k]) > SAME_LOSS:
            continue
        if point.status == "degenerate":
            label = phase(W, b, inputs=point.inputs)
            same = point.phase == label
            if exchanges is not None:
                same = structure(point.phase) == structure(label)
        else:
            pair = np.stack([point.weights, W]), np.stack([point.bias, b])
            theirs, own = invariants(*pair, point.inputs)
            same = bool(np.abs(theirs - own).max() < 10 * SAME)
            if exchanges is not None and not same:
                shape = len(b) + 2, len(b)
                same = exchanges.relabelling(theirs.reshape(shape), own.reshape(shape), 10 * SAME) is not None
        if same:
            return index
    return -1
