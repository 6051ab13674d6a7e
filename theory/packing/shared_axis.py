"""What several equal features cost that share one axis, and how features are best shared out over axes.

If every column of W has at most one entry that isn't zero, each feature lies on one axis, WᵀW is block diagonal by
axis, and the loss is additive. What one axis costs with k features is then all there is to know: `one_axis` searches
for it, and `shared_axes` distributes. docs/open-problems.md says what is proved about it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..minima import Landscape, descend
from ..models import IndependentFeatures, ToyModel
from ..numerics import MOST_SHARED, MOST_STARTS, FloatArray, Summarised, check_count, check_number, check_seed, reals

# Features that share an axis at most, random starts, and their spread.
MAX_SHARING, STARTS, WEIGHT_SPREAD, BIAS_SPREAD = 5, 1500, 0.8, 0.5
ITERATIONS = 150
CONVERGED = 1e-9


@dataclass(frozen=True, eq=False)
class OneAxis(Summarised):
    """The cheapest state of k equal features on one axis that a search found.

    Attributes:
        density: 1 − S.
        loss: its exact loss, an upper bound of Q_k.
        weights: w, shape (k,), largest first, with w_1 > 0.
        bias: b, shape (k,).
        gradient_norm: of the exact loss.
        status: "converged", or "not converged".
    """

    density: float
    loss: float
    weights: FloatArray
    bias: FloatArray
    gradient_norm: float
    status: str

    @property
    def stored(self) -> int:
        """How many features have a weight that isn't negligible."""
        return int((np.abs(self.weights) > np.sqrt(CONVERGED)).sum())


def one_axis(count: int, density: float, *, starts: int = STARTS, seed: int = 0) -> OneAxis:
    """Search for the least loss of equal features that share one axis, from random starts.

    Args:
        count: k, from 1 to 5.
        density: p in (0, 1].
        starts: random weights and biases to descend from.
        seed: of the random numbers.

    Raises:
        ValueError: if `count` or `starts` isn't within its limits, or as `IndependentFeatures`.

    Example:
        >>> three = one_axis(3, 0.1, starts=200)
        >>> round(three.loss, 8), three.stored
        (0.03391857, 3)
    """
    density = check_number("density", density, above=0, most=1)
    check_seed("seed", seed)
    check_count("count", count, 1, MAX_SHARING)
    check_count("starts", starts, 1, MOST_STARTS)
    landscape = Landscape(ToyModel(int(count), 1, IndependentFeatures(np.full((starts, 1), density))))
    rng = np.random.default_rng(seed)
    begin = np.concatenate(
        [
            rng.normal(scale=WEIGHT_SPREAD, size=(starts, count)),
            rng.uniform(-BIAS_SPREAD, BIAS_SPREAD, size=(starts, count)),
        ],
        axis=1,
    )
    ends = descend(landscape, begin, iterations=ITERATIONS)
    best = int(ends.loss.argmin())
    (weights,), bias = landscape.split(ends.parameters[best])
    order = np.argsort(-np.abs(weights))
    weights, bias = weights[order] * (1 if weights[order[0]] > 0 else -1), bias[order]
    norm = float(ends.gradient_norm[best])
    status = "converged" if norm < CONVERGED else "not converged"
    return OneAxis(float(density), float(ends.loss[best]), weights, bias, norm, status)


def shared_axes(costs: Sequence[float], n_features: int, n_hidden: int) -> tuple[float, tuple[int, ...]]:
    """Distribute equal features over axes at the least total cost.

    Args:
        costs: of one axis with 0, 1, 2, … features.
        n_features: features to distribute.
        n_hidden: axes.

    Returns:
        The cost, and how many features each axis holds, most first.

    Raises:
        ValueError: if there are more features than the axes hold.

    Example:
        >>> shared_axes((0.0, 0.0, 0.1, 0.3), n_features=5, n_hidden=2)
        (0.4, (3, 2))
    """
    costs = reals("costs", costs, ("k",)).tolist()
    check_count("n_features", n_features, 0, MOST_SHARED)
    check_count("n_hidden", n_hidden, 1, MOST_SHARED)
    if not n_features <= n_hidden * (len(costs) - 1):
        raise ValueError(
            f"{n_hidden} axes with up to {len(costs) - 1} features each can't hold n_features={n_features}"
        )
    # For each number of features the best distribution over the axes so far.
    best: dict[int, tuple[float, tuple[int, ...]]] = {0: (0.0, ())}
    for _ in range(n_hidden):
        longer: dict[int, tuple[float, tuple[int, ...]]] = {}
        for held, (cost, sizes) in best.items():
            for k, more in enumerate(costs):
                option = (cost + more, tuple(sorted((*sizes, k), reverse=True)))
                longer[held + k] = min(longer.get(held + k, (np.inf, ())), option)
        best = longer
    return best[n_features]
