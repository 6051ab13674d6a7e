"""The covariance of the gradient from inputs that are drawn, for more features than cells can be cut for."""

from __future__ import annotations

import numpy as np

from ..models import ToyModel
from ..numerics import FloatArray

# Inputs for each model: entries of the covariance are known to about a percent of their size, and tails of rare
# patterns to less.
INPUTS = 1 << 14


def sampled_covariance(model: ToyModel, weights: FloatArray, bias: FloatArray, *, inputs: int = INPUTS) -> FloatArray:
    """Return an estimate of Cov(g), g the gradient of one plain input's loss, the same in every run.

    Args:
        model: batch shape (K,), of any number of features; penalties on weights don't vary, that on activations isn't
            taken.
        weights: W, shape (K, n_hidden, n_features).
        bias: b, shape (K, n_features).
        inputs: drawn for each model.

    Returns:
        Shape (K, P, P), in the order of `tegum.theory.minima.pack`.

    Raises:
        ValueError: if the model has a penalty on activations.
    """
    if model.activation_penalty.any():
        raise ValueError("the noise of a penalty on activations is exact only, for up to four features, got more")
    n, size = model.n_features, model.n_parameters
    found = np.empty((len(weights), size, size))
    for row, (w, b, importance) in enumerate(zip(weights, bias, model.importances(), strict=True)):
        x = model.take(row).features.sample(n, inputs, np.random.default_rng(0))
        hidden = x @ w.T
        z = hidden @ w + b
        slope = np.where(z > 0, 2 * importance * (z - x), 0.0)
        back = slope @ w.T
        of_weights = hidden[:, :, None] * slope[:, None] + back[:, :, None] * x[:, None]
        found[row] = np.cov(np.concatenate([of_weights.reshape(inputs, -1), slope], axis=1), rowvar=False)
    return found
