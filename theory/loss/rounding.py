r"""How far rounding may take an enumerated loss from the exact one: a bound, by counting operations.

Let A = |W|ᵀ|W|, s the largest amplitude, and Z_i = |b_i| + s Σ_j A_ij 1_j with 1_j = 1 where feature j is active. All
numbers that an output's loss is made of are bounded by powers of Z_i and s 1_i, so with u = 2⁻⁵³ its error is at most

    γ_k E[(Z_i + s 1_i)²] ,

k being the operations that a term runs through. docs/loss.md counts them; `moment_roundings` is the recursion there.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ..models import FeatureLaw, IndependentFeatures, ToyModel
from ..numerics import FloatArray, gamma
from .compiled import MAX_FEATURES
from .signed_sums import interacting_patterns

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


def loss_rounding(model: ToyModel, weights: FloatArray, bias: FloatArray) -> FloatArray:
    """Return a bound on the rounding of the loss of `ExactLoss` by enumeration, in float64 arrays of NumPy or torch.

    Args:
        model: what is being asked.
        weights: W, shape (..., m, n).
        bias: b, shape (..., n).

    Returns:
        Shape (...), the broadcast of all batch shapes. Each computed loss differs from L(W, b) by at most this.

    Raises:
        TooManyPatternsError: if the loss isn't enumerated.
    """
    W, b = np.abs(np.asarray(weights, dtype=np.float64)), np.abs(np.asarray(bias, dtype=np.float64))
    n, m, law = model.n_features, model.n_hidden, model.features
    largest = float(max(abs(law.amplitude.low), abs(law.amplitude.high)))
    sizes = W.mT @ W
    free, patterns = _extent(model, np.asarray(weights, dtype=np.float64))
    corner = m + free + 3
    steps = moment_roundings(free, corner) + patterns + CHANCE * n + n + FEW
    outputs = mean_square(law, largest * (sizes + np.eye(n)), b)
    bound = gamma(steps) * (model.importances() * outputs).sum(axis=-1)
    apart = (sizes**2).sum(axis=(-2, -1)) * model.interference_penalty
    length = np.trace(sizes, axis1=-2, axis2=-1) * model.weight_decay
    bound = bound + gamma(n * n + 2 * m + FEW) * (apart + length)
    if model.activation_penalty.any():
        hidden = largest * (W * law.densities(n)[..., None, :]).sum(axis=(-2, -1))
        bound = bound + gamma(steps + m) * 2 * model.activation_penalty * hidden
    return np.asarray(bound)


def _extent(model: ToyModel, weights: FloatArray) -> tuple[int, int]:
    """Return how many features are active together at most, and how many patterns are summed over."""
    law, n = model.features, model.n_features
    supports: set[tuple[int, ...]] = {tuple(range(n))}
    if n > MAX_FEATURES:
        touched = (weights.mT @ weights != 0).reshape(-1, n)
        if model.activation_penalty.any():
            touched = np.concatenate([touched, (weights != 0).reshape(-1, n)])
        supports = {tuple(np.flatnonzero(row).tolist()) for row in np.unique(touched, axis=0)}
    found = [interacting_patterns(law, n, support) for support in supports]
    return max(len(active) for each in found for active, _ in each), max(map(len, found))
