"""The phase diagrams as they were published: the cheapest of a few fixed weights, none of them optimised.

The account that goes with arXiv:2209.10652 compares weights with one feature more than dimensions: either one feature
is dropped and the others have an axis each, or two features share a dimension as an antipodal pair. Biases are p/2 for
a dropped feature and 0 for all others. For n = 2, m = 1 these are four expressions, p/3 − p²/4, r (p/3 − p²/4), p²/3
and (1 + r) p²/6; p²/3 is the last one at r = 1. docs/derivation.md derives them as special cases of the exact loss and
shows that the antipodal one isn't a critical point.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tegum.theory.geometry import phase
from tegum.theory.loss import expected_loss
from tegum.theory.models import ToyModel

# The sizes for which a phase diagram was published.
PUBLISHED_SIZES = ((2, 1), (3, 2))


@dataclass(frozen=True, eq=False)
class Candidate:
    """Fixed weights that stand for a phase.

    Attributes:
        phase: label of the structure.
        weights: W, shape (n_hidden, n_features).
        bias_per_density: b / p, shape (n_features,).
    """

    phase: str
    weights: NDArray[np.float64]
    bias_per_density: NDArray[np.float64]


def _candidate(n_features: int, shared: tuple[int, ...]) -> Candidate:
    """Return the candidate in which the features `shared` are an antipodal pair, or a single one is dropped."""
    n_hidden = n_features - 1
    weights, bias = np.zeros((n_hidden, n_features)), np.zeros(n_features)
    alone = [i for i in range(n_features) if i not in shared]
    for row, i in enumerate(alone):
        weights[row, i] = 1.0
    if len(shared) == 2:
        weights[-1, list(shared)] = 1.0, -1.0
    else:
        bias[shared[0]] = 0.5
    return Candidate(phase(weights, bias), weights, bias)


@cache
def candidates(n_features: int, n_hidden: int) -> tuple[Candidate, ...]:
    """Return the published candidates: every antipodal pair, then every feature dropped.

    Raises:
        ValueError: if no phase diagram was published for these sizes.
    """
    if (n_features, n_hidden) not in PUBLISHED_SIZES:
        raise ValueError(
            f"published candidates are known for (n_features, n_hidden) in {PUBLISHED_SIZES}, got "
            f"n_features={n_features}, n_hidden={n_hidden}"
        )
    pairs = tuple(combinations(range(n_features), 2))
    return tuple(_candidate(n_features, shared) for shared in (*pairs, *((i,) for i in reversed(range(n_features)))))


def published_losses(model: ToyModel) -> NDArray[np.float64]:
    """Return the loss of each candidate, shape (*batch_shape, candidates).

    Raises:
        ValueError: if no phase diagram was published for the model's sizes.
    """
    density = model.densities()
    losses = [
        expected_loss(model, c.weights, c.bias_per_density * density)
        for c in candidates(model.n_features, model.n_hidden)
    ]
    return np.stack(losses, axis=-1)
