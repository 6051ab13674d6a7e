r"""How far rounding may take an enumerated loss from the exact one: a bound, by counting operations.

Let A = |W|ᵀ|W|, s the largest amplitude, and Z_i = |b_i| + s Σ_j A_ij 1_j with 1_j = 1 where feature j is active. All
numbers that an output's loss is made of are bounded by powers of Z_i and s 1_i, so with u = 2⁻⁵³ its error is at most

    γ_k E[(Z_i + s 1_i)²] ,

k being the operations that a term runs through. docs/loss.md counts them; `moment_roundings` is the recursion there.
"""

from __future__ import annotations

from functools import lru_cache

import array_api_compat
import numpy as np

from ..models import FeatureLaw, IndependentFeatures, ToyModel
from ..numerics import UNIT, Array, FloatArray, as_numpy, gamma
from .door import checked_parameters
from .signed_sums import ALWAYS_DENSE, Refusal, TooManyPatternsError, interacting_patterns

# Compiled code takes up to so many features: with more, most overlaps are often zero, which only the array operations
# make use of. It goes through all their patterns.
MAX_FEATURES = 6

# Operations of a second moment and of the last sums; of a pattern's probability, for each feature.
FEW, CHANCE = 12, 3


@lru_cache(maxsize=256)
def moment_roundings(free: int, corner: int) -> float:
    """Return how many units u the moments of a cube are off, relative to their largest size.

    E[R_2(z)] is off by at most so many times Z²/2, and E[R_1(z)] and E[u_0 R_1(z)] by at most so many times Z and s Z,
    by the recursion of docs/loss.md over facets.

    Args:
        free: coordinates of the cube.
        corner: operations of z at a corner, which is off by at most so many u Z.
    """
    step, linear, square = 0.0, float(corner), 2.0 * corner + 2
    for k in range(1, free + 1):
        # Weights of facets, products, 2 k + 2 terms and the division; and how far z is from 0 at u*.
        here, apex = 3 * k + 13, corner + k + 8
        step += 2 * here
        added = 3 * corner + step + apex
        alone = (k * linear + added) / (k + 1) + here
        linear = max(alone, (k * linear + alone + added) / (k + 2) + here)
        square = (k * square + 2 * (corner + linear) + 2 * apex) / (k + 2) + here
    return max(linear, square)


def mean_square(law: FeatureLaw, slopes: FloatArray, offset: FloatArray) -> FloatArray:
    """Return E[(β_i + Σ_j α_ij 1_j)²], 1_j being 1 where feature j is active.

    Args:
        law: of the features.
        slopes: α, shape (..., rows, n).
        offset: β, shape (..., rows).

    Returns:
        Shape (..., rows), the batch of the law broadcast against the others.
    """
    n = slopes.shape[-1]
    p = law.densities(n)[..., None, :]
    mean = offset + (slopes * p).sum(axis=-1)
    if isinstance(law, IndependentFeatures):
        return np.asarray(mean**2 + (slopes**2 * (p * (1 - p))).sum(axis=-1))
    return np.asarray(offset * (2 * mean - offset) + ((slopes @ law.pair_densities(n)) * slopes).sum(axis=-1))


def loss_rounding(model: ToyModel, weights: Array, bias: Array) -> Array:
    """Return a bound on the rounding of the loss by enumeration.

    Args:
        model: what is being asked.
        weights: W, shape (..., m, n), NumPy's or torch's, whose precision counts.
        bias: b, shape (..., n).

    Returns:
        Shape (...), the broadcast of all batch shapes. Each computed loss differs from L(W, b) by at most this.

    Raises:
        TooManyPatternsError: if the loss isn't enumerated.
    """
    weights, bias = checked_parameters(model, weights, bias)
    xp = array_api_compat.array_namespace(weights)
    unit = float(xp.finfo(weights.dtype).eps) / 2
    W, b = as_numpy(weights), as_numpy(bias)
    bound = outputs_rounding(model, W, b, unit) + activations_rounding(model, W, unit)
    return xp.asarray(bound, dtype=weights.dtype, device=array_api_compat.device(weights))


def outputs_rounding(model: ToyModel, weights: FloatArray, bias: FloatArray, unit: float = UNIT) -> FloatArray:
    """Return what of `loss_rounding` is due to the outputs, and to the penalties on interference and weights.

    Args:
        model: what is being asked.
        weights: W, shape (..., m, n).
        bias: b, shape (..., n).
        unit: u of the numbers that the loss was computed with.
    """
    n, m, law = model.n_features, model.n_hidden, model.features
    W, largest = np.abs(weights), _largest(model)
    sizes = W.mT @ W
    free, patterns = _extent(model, weights.mT @ weights)
    steps = moment_roundings(free, m + free + 3) + patterns + CHANCE * n + n + FEW
    outputs = mean_square(law, largest * (sizes + np.eye(n)), np.abs(bias))
    bound = gamma(steps, unit) * (model.importances() * outputs).sum(axis=-1)
    return np.asarray(bound + gram_rounding(model, weights, unit))


def gram_rounding(model: ToyModel, weights: FloatArray, unit: float = UNIT) -> FloatArray:
    """Return a bound on the rounding of the penalties on interference and weights."""
    sizes = np.abs(weights).mT @ np.abs(weights)
    apart = (sizes**2).sum(axis=(-2, -1)) * model.interference_penalty
    length = np.trace(sizes, axis1=-2, axis2=-1) * model.weight_decay
    return np.asarray(gamma(model.n_features**2 + 2 * model.n_hidden + FEW, unit) * (apart + length))


def activations_rounding(model: ToyModel, weights: FloatArray, unit: float = UNIT) -> FloatArray:
    """Return what of `loss_rounding` is due to the penalty on hidden activations."""
    if not model.activation_penalty.any():
        return np.zeros(())
    free, patterns = _extent(model, weights)
    steps = moment_roundings(free, free + 3) + patterns + CHANCE * model.n_features + model.n_hidden + FEW
    size = (np.abs(weights) * model.densities()[..., None, :]).sum(axis=(-2, -1))
    return np.asarray(gamma(steps, unit) * 2 * model.activation_penalty * _largest(model) * size)


def _largest(model: ToyModel) -> float:
    amplitude = model.features.amplitude
    return float(max(abs(amplitude.low), abs(amplitude.high)))


def _extent(model: ToyModel, slopes: FloatArray) -> tuple[int, int]:
    """Return how many features of signed sums are on together at most, and how many patterns are summed over."""
    law, n = model.features, model.n_features
    supports = {tuple(range(n))}
    if n > ALWAYS_DENSE:
        supports = {tuple(np.flatnonzero(row).tolist()) for row in np.unique(slopes.reshape(-1, n) != 0, axis=0)}
    found = []
    for support in supports:
        patterns = interacting_patterns(law, n, support)
        if isinstance(patterns, Refusal):
            raise TooManyPatternsError(patterns.reason)
        found.append(patterns)
    # Compiled code goes through the patterns of all features where they are few.
    every = n if n <= MAX_FEATURES else 0
    longest = max((len(active) for each in found for active, _ in each), default=0)
    return max(longest, every), max([*map(len, found), 2**every])
