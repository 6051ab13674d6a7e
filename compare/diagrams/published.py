"""What the published candidates cost: the cheapest of a few fixed weights, none of them optimised.

For n = 2, m = 1 their losses are four expressions, p/3 − p²/4, r (p/3 − p²/4), p²/3 and (1 + r) p²/6; p²/3 is the last
one at r = 1. docs/derivation.md derives them as special cases of the exact loss and shows that the antipodal one isn't
a critical point.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tegum.theory.geometry import published_candidates
from tegum.theory.loss import expected_loss
from tegum.theory.models import ToyModel


def published_losses(model: ToyModel) -> NDArray[np.float64]:
    """Return the loss of each of the `published_candidates`, shape (*batch_shape, candidates).

    Raises:
        ValueError: if no phase diagram was published for the model's sizes.
    """
    density = model.densities()
    losses = [
        expected_loss(model, c.weights, c.bias_per_density * density)
        for c in published_candidates(model.n_features, model.n_hidden)
    ]
    return np.stack(losses, axis=-1)
