"""Where a census of local minima starts: weights spread evenly, times every choice of locally best biases."""

from __future__ import annotations

from itertools import islice, product

import numpy as np

from ..models import ToyModel
from ..numerics import FloatArray
from .landscape import Landscape

# Weights of minimisers lie well inside this box: longer columns only overshoot (docs/minima.md).
WEIGHT_RANGE = 1.8
BIAS_POINTS = 24
# Weight matrices to start from for two weights; more in proportion to the number of weights.
STARTS = 256
MAX_BIAS_COMBINATIONS = 9


def _bias_choices(landscape: Landscape, weights: FloatArray) -> list[list[list[float]]]:
    """Return, for each start and output, the local minima of the loss in its bias, one switched-off bias first."""
    gram = weights.mT @ weights
    least, most = landscape.inputs
    low = -np.maximum(np.maximum(gram * least, gram * most), 0).sum(axis=-1)
    high = most + np.maximum(np.maximum(-gram * least, -gram * most), 0).sum(axis=-1)
    grid = low + (high - low) * np.linspace(0, 1, BIAS_POINTS + 1)[:, None, None]
    losses = landscape.exact.output_losses(weights, grid)
    dips = (losses[1:-1] < losses[:-2]) & (losses[1:-1] <= losses[2:])
    off = low - 0.1
    if landscape.bias == "common":
        return _common_choices(landscape, weights, low.min(axis=-1), high.max(axis=-1))
    return [
        [[off[s, i], *(grid[k + 1, s, i] for k in np.flatnonzero(dips[:, s, i]))] for i in range(gram.shape[-1])]
        for s in range(len(weights))
    ]


def _common_choices(
    landscape: Landscape, weights: FloatArray, low: FloatArray, high: FloatArray
) -> list[list[list[float]]]:
    """Return, for each start, the local minima of the loss in the one bias of all outputs, one with all off first."""
    grid = low + (high - low) * np.linspace(0, 1, BIAS_POINTS + 1)[:, None]
    everywhere = np.broadcast_to(grid[..., None], (*grid.shape, landscape.n_features))
    losses = landscape.exact.loss(weights, everywhere)
    dips = (losses[1:-1] < losses[:-2]) & (losses[1:-1] <= losses[2:])
    return [[[low[s] - 0.1, *(grid[k + 1, s] for k in np.flatnonzero(dips[:, s]))]] for s in range(len(weights))]


def _without(weights: FloatArray, feature: int) -> FloatArray:
    """Return starts that all but leave one feature out and store the others twice as long.

    A dropped feature is stable beside a switched-off one that is long enough to block it, ‖W_j‖² > 2.
    """
    scale = np.full(weights.shape[-1], 2.0)
    scale[feature] = 0.01
    return np.asarray(weights * scale)


def starting_points(landscape: Landscape, starts: int) -> FloatArray:
    """Return starts for a census of one model: weights spread by a Sobol sequence, times the choices of biases.

    Args:
        landscape: of a single model.
        starts: number of weight matrices, a power of two. The first half are those of half as many.

    Returns:
        Packed parameters, shape (K, P) with K ≥ starts.
    """
    # Loading it takes half a second, which whoever only trains needn't wait for.
    from scipy.stats import qmc

    m, n = landscape.n_hidden, landscape.n_features
    unit = qmc.Sobol(m * n, scramble=True, rng=np.random.default_rng(2209_10652)).random(starts)
    weights = WEIGHT_RANGE * (2 * unit - 1).reshape(starts, m, n)
    weights = np.concatenate([weights, *(_without(weights[: starts // 8], feature) for feature in range(n))])
    rows = []
    if landscape.bias == "none":
        return weights.reshape(len(weights), -1)
    for matrix, choices in zip(weights, _bias_choices(landscape, weights), strict=True):
        rows += [[*matrix.ravel(), *combination] for combination in islice(product(*choices), MAX_BIAS_COMBINATIONS)]
    return np.array(rows)


def default_starts(model: ToyModel) -> int:
    """Return the number of weight matrices that a census of this model starts from."""
    share = model.n_hidden * model.n_features / 2
    return STARTS * int(2 ** max(np.ceil(np.log2(share)), 0))
