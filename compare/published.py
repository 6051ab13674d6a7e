"""The phase diagram as it was published: the cheapest of a few fixed weights, none of them optimised.

The account that goes with arXiv:2209.10652 compares four expressions, p/3 − p²/4, r (p/3 − p²/4), p²/3 and
(1 + r) p²/6, the losses of these weights with b = 0 or p/2; p²/3 is the last one at r = 1. docs/derivation.md derives
them as special cases of the exact loss and shows that the antipodal one isn't a critical point.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tegum.theory import ToyModel, expected_loss


@dataclass(frozen=True)
class Candidate:
    """Fixed weights of the two-feature model in one dimension.

    Attributes:
        phase: label of the structure that the weights stand for.
        weights: W, shape (1, 2).
        bias_per_density: b / p, shape (2,).
    """

    phase: str
    weights: tuple[tuple[float, float]]
    bias_per_density: tuple[float, float]


CANDIDATES = (
    Candidate("digon(1,2)", ((1.0, -1.0),), (0.0, 0.0)),
    Candidate("axis(1) + drop(2)", ((1.0, 0.0),), (0.0, 0.5)),
    Candidate("drop(1) + axis(2)", ((0.0, 1.0),), (0.5, 0.0)),
)


def published_losses(model: ToyModel) -> NDArray[np.float64]:
    """Return the loss of each candidate, shape (*batch_shape, candidates).

    Raises:
        ValueError: if the model doesn't have two features in one hidden dimension.
    """
    if (model.n_features, model.n_hidden) != (2, 1):
        raise ValueError(
            "published candidates are known for n_features=2, n_hidden=1, got "
            f"n_features={model.n_features}, n_hidden={model.n_hidden}"
        )
    density = model.densities()
    losses = [expected_loss(model, np.array(c.weights), np.array(c.bias_per_density) * density) for c in CANDIDATES]
    return np.stack(losses, axis=-1)
