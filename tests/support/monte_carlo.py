"""Sampled losses and moments of gradients, with a budget."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from tegum.theory import (
    ToyModel,
)
from tegum.theory.minima import pack
from tegum.theory.numerics import FloatArray


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
    fixed = float(model.interference_penalty) * apart + float(model.weight_penalty) * (W**2).sum()
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


def input_gradients(model: ToyModel, weights: FloatArray, bias: FloatArray, x: FloatArray) -> FloatArray:
    """Return the gradient of the loss of single inputs by the chain rule, without penalties on weights.

    Args:
        model: a single model.
        weights: W, shape (m, n).
        bias: b, shape (n,).
        x: inputs, shape (samples, n).

    Returns:
        Shape (samples, P), in the order of `pack`.
    """
    hidden = x @ weights.T
    z = hidden @ weights + bias
    # Of the outputs, of h = W x through Wᵀ, and of W where it stands twice.
    in_z = np.where(z > 0, 2 * model.importances() * (z - x), 0.0)
    in_hidden = in_z @ weights.T + float(model.activation_penalty) * np.sign(hidden)
    return pack(hidden[:, :, None] * in_z[:, None, :] + in_hidden[:, :, None] * x[:, None, :], in_z)


@dataclass(frozen=True)
class Moments:
    """Sampled means of g and of g gᵀ, and the standard errors of both."""

    mean: FloatArray
    second: FloatArray
    mean_error: FloatArray
    second_error: FloatArray


def sampled_moments(
    model: ToyModel,
    weights: FloatArray,
    bias: FloatArray,
    active: tuple[int, ...],
    target: float,
    budget: int,
    seed: int = 0,
) -> Moments:
    """Return moments of one input's gradient g, given which features are active.

    They are averaged until the largest standard error is below `target`, relative to the largest moment, or the budget
    is spent.
    """
    rng, amplitude = np.random.default_rng(seed), model.features.amplitude
    sums: list[FloatArray] = []
    samples, batch = 0, 1 << 13
    while True:
        x = np.zeros((batch, model.n_features))
        x[:, list(active)] = float(amplitude.low) + float(amplitude.width) * rng.random((batch, len(active)))
        g = input_gradients(model, weights, bias, x)
        squares = g**2
        parts = [g.sum(axis=0), squares.sum(axis=0), g.T @ g, squares.T @ squares]
        sums = [a + b for a, b in zip(sums, parts, strict=True)] if sums else parts
        samples += batch
        mean, mean_square, second, second_square = (total / samples for total in sums)
        mean_error = np.sqrt(np.maximum(mean_square - mean**2, 0) / samples)
        second_error = np.sqrt(np.maximum(second_square - second**2, 0) / samples)
        if (second_error <= target * np.abs(second).max()).all() or samples + batch > budget:
            return Moments(mean, second, mean_error, second_error)
