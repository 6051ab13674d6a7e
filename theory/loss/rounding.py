r"""How far rounding may take an enumerated loss from the exact one: a bound, by counting operations.

Let A = |W|ᵀ|W|, s the largest amplitude, and Z_i = |b_i| + s Σ_j A_ij 1_j with 1_j = 1 where feature j is active. All
numbers that an output's loss is made of are bounded by powers of Z_i and s 1_i, so with u = 2⁻⁵³ its error is at most

    γ_k E[(Z_i + s 1_i)²] ,

k being the operations that a term runs through. docs/loss.md counts them; `moment_roundings` is the recursion there.

As z at corners is summed up with twice the digits, and nothing cancels after it, a bound in proportion to
Σ_i I_i E[x_i²] + L holds as well, up to a term of the order of u² E[(Z_i + s 1_i)²]. The smaller of both is reported.
"""

from __future__ import annotations

from functools import lru_cache

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from ..models import FeatureLaw, IndependentFeatures, ToyModel
from ..numerics import UNIT, Array, FloatArray, as_numpy, gamma, precise_gram
from .door import checked_parameters
from .signed_sums import ALWAYS_DENSE, Refusal, TooManyPatternsError, interacting_patterns

# Compiled code takes up to so many features, and goes through all their patterns.
MAX_FEATURES = 8
# With more features than this, laws of finitely many inputs are summed over, and mixtures taken apart.
MOST_TOGETHER = 6


def most_compiled(model: ToyModel) -> int:
    """Return up to how many features compiled code takes a model: cubes whose low end isn't 0 have many more cells."""
    if not model.features.has_amplitude:
        return MOST_TOGETHER
    low, high = model.features.amplitude.ends(model.n_features)
    return MAX_FEATURES if bool(((low == 0) & (high > 0)).all()) else MOST_TOGETHER


# Operations of a second moment and of the last sums.
FEW = 12
# What is lost where a number is too small: far above the smallest, far below all others.
TINY = 2.0**-1020


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


@lru_cache(maxsize=256)
def relative_roundings(free: int) -> float:
    """Return how many units u E[R_2(z)] is off, relative to itself, and E[u_0 R_1(z)], relative to s E[R_1(z)].

    Args:
        free: coordinates of the cube, whose corners are each off by one unit of themselves.
    """
    step, linear, square = 0.0, 1.0, 4.0
    own_step, own_linear = 1.0, 2.0
    for k in range(1, free + 1):
        # As in `moment_roundings`, and what z at both ends of a cell is off.
        here = 3 * k + 17
        step += here
        linear = max(linear, step + 2) + here
        own_step = max(own_step, step + 2) + here
        own_linear = max(own_linear, linear + 4, own_step + 2) + here
        square = max(square, linear + 2) + here
    return max(own_linear, square)


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
        Shape (...), the broadcast of all batch shapes. Each computed loss differs from L(W, b) by at most this. What
        is too large for the precision is infinite.

    Raises:
        TooManyPatternsError: if the loss isn't enumerated.
    """
    weights, bias = checked_parameters(model, weights, bias)
    xp = array_api_compat.array_namespace(weights)
    unit = float(xp.finfo(weights.dtype).eps) / 2
    W, b = as_numpy(weights), as_numpy(bias)
    # A bound that overflows is one still.
    with np.errstate(over="ignore"):
        bound = outputs_rounding(model, W, b, unit) + activations_rounding(model, W, unit)
    return xp.asarray(bound, dtype=weights.dtype, device=array_api_compat.device(weights))


def outputs_rounding(
    model: ToyModel,
    weights: FloatArray,
    bias: FloatArray,
    unit: float = UNIT,
    loss: FloatArray | None = None,
    order: int = 0,
) -> FloatArray:
    """Return what of `loss_rounding` is due to the outputs, and to the penalties on interference and weights.

    Args:
        model: what is being asked.
        weights: W, shape (..., m, n).
        bias: b, shape (..., n).
        unit: u of the numbers that the loss was computed with.
        loss: L as it was computed, shape (...): with it the bound is relative to Σ_i I_i E[x_i²] + L.
        order: derivatives that it was computed with.
    """
    n, m, law = model.n_features, model.n_hidden, model.features
    # Of all features, or of each.
    ends = [np.asarray(end, dtype=np.float64) for end in (law.amplitude.low, law.amplitude.high)]
    # Each column of W and each z is divided by a power of two, so that it has a square.
    of_columns = _exponents(weights, (-2,))
    columns = _scaled(weights, -of_columns[..., None, :])
    of_gram = of_columns[..., :, None] + of_columns[..., None, :]
    free, patterns = _extent(model, precise_gram(columns)[0])
    of_largest = int(np.frexp(law.largest)[1])
    of_outputs = np.maximum(np.where(columns.any(axis=-2), of_columns, 0).max(axis=-1, keepdims=True) + of_columns, 0)
    of_outputs = np.maximum(of_outputs + of_largest, np.frexp(bias)[1])
    down = -of_outputs[..., None]
    signed, offset = _scaled(columns.mT @ columns, of_gram + down), _scaled(bias, -of_outputs)
    sizes = _scaled(np.abs(columns).mT @ np.abs(columns), of_gram + down)
    slopes = law.largest * (sizes + _scaled(np.eye(n), down))
    of_importance = np.frexp(model.importances())[1]
    importance, back = _scaled(model.importances(), -of_importance), 2 * of_outputs + of_importance
    squares = importance * mean_square(law, slopes, np.abs(offset)) + TINY
    of_size = gamma(moment_roundings(free, m + free + 3) + patterns + law.chance_steps(n) + n + FEW, unit)
    bound = of_size * _scaled(squares, back).sum(axis=-1)
    if loss is not None and _is_relative(law, order):
        # An output that is never on is exactly 0, however large its numbers are.
        most, slack = slopes.sum(axis=-1) + np.abs(offset), 4 * (m + n + 2) * unit
        reach = np.maximum(np.maximum(*(end * signed for end in ends)), 0).sum(axis=-1)
        on = offset + reach >= -slack * most
        corners, floor = (
            _scaled(np.where(on, part, 0), back).sum(axis=-1)
            for part in (slack * of_size * squares, TINY * (importance * most**2 + TINY))
        )
        steps = relative_roundings(free) + patterns + law.chance_steps(n) + n + FEW
        signal = (model.importances() * (model.second_moments())).sum(axis=-1)
        close = gamma(steps, unit) * (9 * signal + 4 * loss) + steps * floor
        bound = np.minimum(bound, close + corners)
    return np.asarray(bound + TINY + gram_rounding(model, weights, unit, loss))


def gram_rounding(
    model: ToyModel, weights: FloatArray, unit: float = UNIT, loss: FloatArray | None = None
) -> FloatArray:
    """Return a bound on the rounding of the penalties on interference and weights; see `outputs_rounding`."""
    if not (model.interference_penalty.any() or model.weight_penalty.any()):
        return np.zeros(())
    exponent = _exponents(weights, (-2, -1))
    W = np.abs(_scaled(weights, -exponent[..., None, None]))
    sizes = W.mT @ W
    apart = _scaled((sizes**2).sum(axis=(-2, -1)) * model.interference_penalty, 4 * exponent)
    length = _scaled(np.trace(sizes, axis1=-2, axis2=-1) * model.weight_penalty, 2 * exponent)
    lost = gamma(model.n_features**2 + 2 * model.n_hidden + FEW, unit)
    bound = lost * (apart + length)
    if loss is not None:
        bound = np.minimum(bound, lost * loss + 4 * (model.n_hidden + 2) * unit * bound + TINY)
    return np.asarray(bound)


def activations_rounding(
    model: ToyModel, weights: FloatArray, unit: float = UNIT, loss: FloatArray | None = None, order: int = 0
) -> FloatArray:
    """Return what of `loss_rounding` is due to the penalty on hidden activations; see `outputs_rounding`."""
    if not model.activation_penalty.any():
        return np.zeros(())
    free, patterns = _extent(model, weights)
    summed = patterns + model.features.chance_steps(model.n_features) + model.n_hidden + FEW
    size = 2 * _largest(model) * (np.abs(weights) * model.densities()[..., None, :]).sum(axis=(-2, -1))
    bound = gamma(moment_roundings(free, free + 3) + summed, unit) * model.activation_penalty * size
    if loss is not None and _is_relative(model.features, order):
        close = gamma(relative_roundings(free) + summed, unit) * loss
        bound = np.minimum(bound, close + 4 * (model.n_features + 2) * unit * bound + TINY * model.activation_penalty)
    return np.asarray(bound)


def _is_relative(law: FeatureLaw, order: int) -> bool:
    """Return whether no number that a loss is made of is a difference of larger ones, but for z at corners."""
    # Chances that none of a group is on are differences. For Hessians u* may lie on the way from 0.
    return not law.subtracts and not (order > 1 and law.amplitude.has_both_signs)


def _exponents(array: FloatArray, axes: tuple[int, ...]) -> NDArray[np.int64]:
    """Return exponents of the largest numbers along some axes."""
    return np.asarray(np.frexp(np.abs(array).max(axis=axes))[1], dtype=np.int64)


def _scaled(array: FloatArray, exponent: NDArray[np.int64]) -> FloatArray:
    with np.errstate(over="ignore", under="ignore"):
        return np.asarray(np.ldexp(array, exponent))


def _largest(model: ToyModel) -> float:
    return model.features.largest


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
    every = n if n <= most_compiled(model) else 0
    longest = max((len(active) for each in found for active, _ in each), default=0)
    return max(longest, every), max([*map(len, found), 2**every])
