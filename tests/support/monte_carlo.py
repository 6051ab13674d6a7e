"""Sampled losses, with a budget."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tegum.theory import (
    ToyModel,
)


@dataclass(frozen=True)
class Estimate:
    """A sampled mean with its standard error and the number of samples it took."""

    mean: float
    standard_error: float
    samples: int


def sampled_loss(
    model: ToyModel, weights: ArrayLike, bias: ArrayLike, target: float, budget: int, seed: int = 0
) -> Estimate:
    """Return the loss averaged over sampled inputs until its standard error is below `target` or the budget spent."""
    W, b = np.asarray(weights, dtype=np.float64), np.asarray(bias, dtype=np.float64)
    rng, gram = np.random.default_rng(seed), W.T @ W
    apart = (gram**2).sum() - (np.diag(gram) ** 2).sum()
    fixed = float(model.interference_penalty) * apart + float(model.weight_decay) * (W**2).sum()
    total, squares, samples, batch = 0.0, 0.0, 0, 1 << 14
    while True:
        x = model.features.sample(model.n_features, batch, rng)
        errors = ((x - np.maximum(x @ gram + b, 0)) ** 2) @ model.importances() + fixed
        errors += float(model.activation_penalty) * np.abs(x @ W.T).sum(axis=-1)
        total, squares, samples = total + errors.sum(), squares + (errors**2).sum(), samples + batch
        mean = total / samples
        standard_error = float(np.sqrt(max(squares / samples - mean**2, 0.0) / samples))
        if standard_error < target or samples + batch > budget:
            return Estimate(float(mean), standard_error, samples)
