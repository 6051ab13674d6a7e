"""What one output of a pair costs at its best bias, for whole tables of weights at once.

Output i of two features in one dimension has ‖W_i‖² = s and one overlap −γ. With f(t) the cost of a feature of its
own at the bias t (records `axis` and `axis-negative-bias`), conditioning on the other feature gives

    E(s, γ, b) = (1 − p) f(b) + (p / γ) ∫_{b−γ}^{b} f(t) dt .

The overlap +γ integrates from b to b + γ instead; docs/boundary-forms.md shows that it never costs less.
"""

from __future__ import annotations

import numpy as np

from ..numerics import FloatArray

# Biases of the first table, biases of each finer one, and how often it is refined.
COARSE, FINE, ROUNDS = 41, 9, 6


def _alone(t: FloatArray, s: FloatArray, p: float) -> tuple[FloatArray, FloatArray]:
    """Return f(t) and ∫_{−s}^t f."""
    y, positive = np.clip(t, -s, 0.0) + s, np.maximum(t, 0.0)
    below = p / 3 - p * y**2 * (3 * s - y) / (3 * s**2) + p * y**3 / (3 * s)
    above = positive**2 - p * (1 - s) * positive + p * (1 - s) ** 2 / 3
    area = p * y / 3 - p * (s * y**3 - y**4 / 4) / (3 * s**2) + p * y**4 / (12 * s)
    area = area + positive**3 / 3 - p * (1 - s) * positive**2 / 2 + p * (1 - s) ** 2 * positive / 3
    return np.where(t >= 0, above, below), area + np.minimum(t + s, 0.0) * p / 3


def output_cost(square: FloatArray, overlap: FloatArray, bias: FloatArray, density: float) -> FloatArray:
    """Return E(s, γ, b), all arguments broadcast.

    Args:
        square: s > 0.
        overlap: γ > 0, the overlap being −γ. Digits are lost below 1e-4.
        bias: b.
        density: p.
    """
    cost, upper = _alone(bias, square, density)
    lower = _alone(bias - overlap, square, density)[1]
    return np.asarray((1 - density) * cost + density * (upper - lower) / overlap)


def best_bias(square: FloatArray, overlap: FloatArray, density: float) -> tuple[FloatArray, FloatArray]:
    """Return the lowest cost over the biases and where it is attained, to about 1e-8, each with the broadcast shape.

    A best bias lies between −s, below which the output is off, and 1 + γ, above which it is too large.
    """
    s, γ = (x[..., None] for x in np.broadcast_arrays(square, overlap))
    low, high, count = -s, 1 + γ, COARSE
    for _ in range(ROUNDS):
        biases = low + (high - low) * np.linspace(0, 1, count)
        costs = output_cost(s, γ, biases, density)
        k = costs.argmin(axis=-1)[..., None]
        best, width = np.take_along_axis(biases, k, axis=-1), (high - low) / (count - 1)
        low, high, count = best - width, best + width, FINE
    return costs.min(axis=-1), best[..., 0]
