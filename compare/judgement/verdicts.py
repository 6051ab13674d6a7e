"""Where a run is, by its own weights: in a minimum, on the way to one, at a saddle, or elsewhere.

A run is *in* a minimum if its exact loss is above that of the minimum, and its (WᵀW, b) away from it, by no more than
the noise of its recipe explains. Nothing is polished for that. Where polishing leads a run is told beside it: that is
in whose basin it is, which says nothing about how far training has come.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tegum.theory.minima import (
    SAME_LOSS,
    CriticalPoint,
    Exchanges,
    Landscape,
    Polished,
    invariants,
    is_merged,
    match,
    polish,
)
from tegum.theory.models import ToyModel
from tegum.theory.numerics import FloatArray, Summarised, check_kind, check_shape, members, numbers, reals

from .recipes import Recipe
from .saddles import saddles_at

# Where a run is by its own weights, in words and by their numbers.
VERDICTS = ("in", "on the way", "at a saddle", "elsewhere")
IN, ON_THE_WAY, AT_A_SADDLE, ELSEWHERE = range(4)
# How many times the predicted mean an excess loss, and a squared distance, may be: a normal variable's square exceeds
# ten times its mean with probability 0.0016, and a sum of several more rarely.
TIMES_MEAN = 10.0
# What is allowed beside noise, for weights in float32 and a loss without noise: of Σ_i I_i E[x_i²], and in (WᵀW, b).
LEAST_EXCESS, LEAST_DISTANCE = 1e-9, 1e-4


@dataclass(frozen=True, eq=False)
class Verdicts(Summarised):
    """The account of K runs.

    Attributes:
        verdict: number of a word of `VERDICTS`, shape (K,).
        nearest: which listed minimum of its cell is nearest in (WᵀW, b), shape (K,); −1 for weights that aren't finite.
        excess: exact loss of the run above that of the nearest minimum, in units of the loss, shape (K,).
        distance: Euclidean distance from it in (WᵀW, b), outputs that are off left out, shape (K,).
        excess_allowed: what noise explains, shape (K,).
        distance_allowed: likewise.
        ended_in: the listed minimum to which polishing leads, −1 for none, shape (K,).
        polished: where polishing leads.
        saddle_loss: of the saddle that the run is at, NaN elsewhere, shape (K,).
        saddle_index: directions that go down from there, 0 elsewhere, shape (K,).
        saddle_phase: its label, "" elsewhere.
    """

    verdict: NDArray[np.int8]
    nearest: NDArray[np.int16]
    excess: FloatArray
    distance: FloatArray
    excess_allowed: FloatArray
    distance_allowed: FloatArray
    ended_in: NDArray[np.int64]
    polished: Polished
    saddle_loss: FloatArray
    saddle_index: NDArray[np.int64]
    saddle_phase: list[str]

    def cheapest(self, minima: Sequence[tuple[CriticalPoint, ...]]) -> NDArray[np.bool_]:
        """Return which runs are in a minimum that costs no more than the cheapest of their cell, shape (K,)."""
        gaps = [p[k].loss - p[0].loss if k >= 0 else np.inf for p, k in zip(minima, self.nearest, strict=True)]
        return np.asarray((self.verdict == IN) & (np.array(gaps) <= SAME_LOSS))


def judge(
    model: ToyModel,
    minima: Sequence[tuple[CriticalPoint, ...]],
    weights: FloatArray,
    bias: FloatArray,
    recipe: Recipe,
) -> Verdicts:
    """Return where each run is.

    Args:
        model: batch shape (K,).
        minima: those of each run's cell, cheapest first; cells that are the same may share a tuple. Of a list that has
            one minimum for all its copies, as those of `local_minima` have, a run may be in any copy.
        weights: W, shape (K, n_hidden, n_features); rows that aren't finite are elsewhere.
        bias: b, shape (K, n_features).
        recipe: how they were trained.

    Raises:
        ValueError: as `Recipe.noise`.
    """
    check_kind("model", model, ToyModel)
    check_kind("recipe", recipe, Recipe)
    weights, bias = numbers("weights", weights), numbers("bias", bias)
    check_shape("weights", weights.shape, (*model.batch_shape, model.n_hidden, model.n_features))
    check_shape("bias", bias.shape, (*model.batch_shape, model.n_features))
    count = len(weights)
    minima = [
        members("minima", points, CriticalPoint, least=1)
        for points in members("minima", minima, tuple, list, count=count)
    ]
    finite = np.asarray(np.isfinite(weights).all(axis=(-2, -1)) & np.isfinite(bias).all(axis=-1))
    weights, bias = np.where(finite[:, None, None], weights, 0.0), np.where(finite[:, None], bias, 0.0)
    landscape = Landscape(model)
    losses = landscape.losses(landscape.join(weights, bias))
    nearest, distance = _nearest(landscape, minima, weights, bias)
    points = [cell[k] for cell, k in zip(minima, nearest, strict=True)]
    excess = losses - np.array([point.loss for point in points])
    excess_allowed, distance_allowed = _allowed(model, minima, nearest, recipe)
    inside = finite & (excess <= excess_allowed) & (distance <= distance_allowed)
    polished = polish(model, weights, bias)
    ended_in = np.where(finite, match(minima, polished, model), -1)
    verdict = np.where(inside, IN, np.where(ended_in >= 0, ON_THE_WAY, ELSEWHERE)).astype(np.int8)
    saddle_loss, saddle_index = np.full(len(losses), np.nan), np.zeros(len(losses), dtype=np.int64)
    saddle_phase = [""] * len(losses)
    rest = np.flatnonzero(finite & ~inside)
    if len(rest):
        saddles = saddles_at(model.take(rest), weights[rest], bias[rest])
        verdict[rest[saddles.there]] = AT_A_SADDLE
        saddle_loss[rest], saddle_index[rest] = saddles.loss, saddles.index
        for row, label in zip(rest, saddles.phase, strict=True):
            saddle_phase[row] = label
    return Verdicts(
        verdict=verdict,
        nearest=np.where(finite, nearest, -1).astype(np.int16),
        excess=np.where(finite, excess, np.nan),
        distance=np.where(finite, distance, np.nan),
        excess_allowed=excess_allowed,
        distance_allowed=distance_allowed,
        ended_in=ended_in,
        polished=polished,
        saddle_loss=saddle_loss,
        saddle_index=saddle_index,
        saddle_phase=saddle_phase,
    )


def _nearest(
    landscape: Landscape, minima: Sequence[tuple[CriticalPoint, ...]], weights: FloatArray, bias: FloatArray
) -> tuple[NDArray[np.int64], FloatArray]:
    """Return the nearest of each run's minima in (WᵀW, b), and how far it is."""
    n, inputs = landscape.n_features, landscape.inputs
    own = invariants(weights, bias, inputs)
    runs: dict[int, list[int]] = {}
    for row, cell in enumerate(minima):
        runs.setdefault(id(cell), []).append(row)
    nearest, distance = np.empty(len(own), dtype=np.int64), np.empty(len(own))
    for rows in runs.values():
        cell, here = minima[rows[0]], own[rows]
        known = invariants(np.stack([p.weights for p in cell]), np.stack([p.bias for p in cell]), inputs)
        if is_merged(cell):
            exchanges, shape = Exchanges(landscape.model.take(rows[0])), (-1, n + 2, n)
            apart = np.stack([exchanges.distances(one, here.reshape(shape)) for one in known.reshape(shape)], axis=-1)
        else:
            apart = np.linalg.norm(known - here[:, None], axis=-1)
        nearest[rows] = apart.argmin(axis=-1)
        distance[rows] = apart.min(axis=-1)
    return nearest, distance


def _allowed(
    model: ToyModel, minima: Sequence[tuple[CriticalPoint, ...]], nearest: NDArray[np.int64], recipe: Recipe
) -> tuple[FloatArray, FloatArray]:
    """Return how far above and away from its nearest minimum noise may leave each run."""
    # Runs of a cell share minima: each is looked at once.
    keys = [(id(cell), int(k)) for cell, k in zip(minima, nearest, strict=True)]
    rows = {key: row for row, key in enumerate(keys)}
    chosen = np.array(list(rows.values()), dtype=np.int64)
    points = [minima[row][nearest[row]] for row in chosen]
    place = {key: number for number, key in enumerate(rows)}
    where = np.array([place[key] for key in keys], dtype=np.int64)
    weights, bias = np.stack([p.weights for p in points]), np.stack([p.bias for p in points])
    allowed, reach = allowances(model.take(chosen), weights, bias, recipe)
    return allowed[where], reach[where]


def allowances(model: ToyModel, weights: FloatArray, bias: FloatArray, recipe: Recipe) -> tuple[FloatArray, FloatArray]:
    """Return how far above minima, and away from them in (WᵀW, b), runs are that are in them.

    Args:
        model: batch shape (K,).
        weights: W of the minima, shape (K, n_hidden, n_features), with exact zeros where they have them.
        bias: b, shape (K, n_features).
        recipe: how runs were trained.

    Returns:
        The allowed excess loss and the allowed distance, each shape (K,).

    Raises:
        ValueError: as `Recipe.noise`.
    """
    check_kind("model", model, ToyModel)
    check_kind("recipe", recipe, Recipe)
    weights = reals("weights", weights, (*model.batch_shape, model.n_hidden, model.n_features))
    bias = reals("bias", bias, (*model.batch_shape, model.n_features))
    excess, squares = recipe.noise(model, weights, bias)
    scale = (model.importances() * model.second_moments()).sum(axis=-1)
    # Noise that grows without bound explains nothing.
    excess, squares = (np.nan_to_num(mean, nan=0.0, posinf=0.0) for mean in (excess, squares))
    return TIMES_MEAN * excess + LEAST_EXCESS * scale, np.sqrt(TIMES_MEAN * squares) + LEAST_DISTANCE
