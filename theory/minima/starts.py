"""Where a census of local minima starts: weights spread evenly with locally best biases, weights by chance, and moves.

Wherever there are too many combinations they are cut by merit, by what they cost as they are, and never by their order.
"""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import islice

import numpy as np

from ..models import ToyModel
from ..numerics import FloatArray
from .landscape import Landscape

# A cost and a bias.
Choice = tuple[float, float]

# Weights of minimisers lie well inside this box: longer columns only overshoot (docs/minima.md).
WEIGHT_RANGE = 1.8
BIAS_POINTS = 24
# Weight matrices to start from for two weights; more in proportion to the number of weights.
STARTS = 256
MAX_BIAS_COMBINATIONS = 9
# Standard deviations of weights by chance. Their biases are 0, from which descents reach cheap minima more often than
# from the best biases for those weights, which switch outputs off (docs/minima.md).
SCALES = (0.3, 0.8, 1.3)


def _bias_choices(landscape: Landscape, weights: FloatArray) -> list[list[list[Choice]]]:
    """Return, for each start and output, the local minima of the loss in its bias and one bias that switches it off.

    Each comes with its cost. A common bias is the only output, so to say.
    """
    gram = weights.mT @ weights
    least, most = landscape.inputs
    low = -np.maximum(np.maximum(gram * least, gram * most), 0).sum(axis=-1)
    high = most + np.maximum(np.maximum(-gram * least, -gram * most), 0).sum(axis=-1)
    if landscape.bias == "common":
        low, high = low.min(axis=-1, keepdims=True), high.max(axis=-1, keepdims=True)
    grid = low + (high - low) * np.linspace(0, 1, BIAS_POINTS + 1)[:, None, None]
    grid = np.concatenate([(low - 0.1)[None], grid])
    if landscape.bias == "common":
        everywhere = np.broadcast_to(grid, (*grid.shape[:-1], landscape.n_features))
        losses = landscape.exact.loss(weights, everywhere)[..., None]
    else:
        losses = landscape.model.importances() * landscape.exact.output_losses(weights, grid)
    dips = np.zeros(grid.shape, dtype=bool)
    dips[0] = True
    dips[2:-1] = (losses[2:-1] < losses[1:-2]) & (losses[2:-1] <= losses[3:])
    return [
        [sorted((float(losses[k, s, i]), float(grid[k, s, i])) for k in np.flatnonzero(dips[:, s, i])) for i in outputs]
        for s, outputs in enumerate([range(grid.shape[-1])] * len(weights))
    ]


def cheapest_first(choices: list[list[Choice]]) -> Iterator[tuple[float, ...]]:
    """Yield every combination of one choice for each output, in the order of the sum of their costs.

    Args:
        choices: for each output pairs of a cost and a value, cheapest first.
    """
    first = (0,) * len(choices)
    waiting = [(sum(some[0][0] for some in choices), first)]
    while waiting:
        cost, places = heappop(waiting)
        yield tuple(some[place][1] for some, place in zip(choices, places, strict=True))
        # Each combination is reached once: by raising the last place that isn't 0, or one after it.
        last = max((k for k, place in enumerate(places) if place), default=0)
        for k in range(last, len(choices)):
            place = places[k]
            if place + 1 < len(choices[k]):
                dearer = cost + choices[k][place + 1][0] - choices[k][place][0]
                heappush(waiting, (dearer, (*places[:k], place + 1, *places[k + 1 :])))


def _without(weights: FloatArray, feature: int) -> FloatArray:
    """Return starts that all but leave one feature out and store the others twice as long.

    A dropped feature is stable beside a switched-off one that is long enough to block it, ‖W_j‖² > 2.
    """
    scale = np.full(weights.shape[-1], 2.0)
    scale[feature] = 0.01
    return np.asarray(weights * scale)


def spread_starts(landscape: Landscape, starts: int, most: int = MAX_BIAS_COMBINATIONS) -> FloatArray:
    """Return starts for a census of one model: weights spread by a Sobol sequence, times the choices of biases.

    Args:
        landscape: of a single model.
        starts: number of weight matrices, a power of two. The first half are those of half as many.
        most: combinations of biases for each, the cheapest.

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
        rows += [[*matrix.ravel(), *combination] for combination in islice(cheapest_first(choices), most)]
    return np.array(rows)


def chance_starts(landscape: Landscape, starts: int, rng: np.random.Generator) -> FloatArray:
    """Return independent starts, shape (starts, P): normal weights at several scales, biases 0.

    Args:
        landscape: of a single model.
        starts: how many.
        rng: random numbers.
    """
    shape = starts, landscape.n_hidden, landscape.n_features
    weights = rng.choice(SCALES, size=(starts, 1, 1)) * rng.normal(size=shape)
    return landscape.join(weights, np.zeros((starts, landscape.n_features)))


def moves(landscape: Landscape, theta: FloatArray) -> FloatArray:
    """Return the states that one move of features makes of a state, shape (K, P).

    Two features change places, one is dropped, or one is stored opposite to another.

    Args:
        landscape: of a single model.
        theta: packed parameters, shape (P,).
    """
    n, (weights, bias) = landscape.n_features, landscape.split(theta)
    means = landscape.model.features.means(n)
    made = []
    for i in range(n):
        dropped, level = weights.copy(), np.array(bias)
        dropped[:, i], level[i] = 0.0, means[i]
        made.append((dropped, level))
        for j in range(n):
            if i < j:
                order = np.arange(n)
                order[[i, j]] = j, i
                made.append((weights[:, order], bias[order]))
            if i != j and np.abs(weights[:, j]).max() > 0:
                opposite, level = weights.copy(), np.array(bias)
                opposite[:, i], level[i] = -weights[:, j], 0.0
                made.append((opposite, level))
    return landscape.join(np.stack([w for w, _ in made]), np.stack([b for _, b in made]))


def default_starts(model: ToyModel) -> int:
    """Return the number of weight matrices that a census of this model starts from."""
    share = model.n_hidden * model.n_features / 2
    return STARTS * int(2 ** max(np.ceil(np.log2(share)), 0))
