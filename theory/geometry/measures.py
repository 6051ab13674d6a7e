r"""How a model's features share its hidden space: norms, overlaps, dimensionalities.

Each quantity of docs/geometry.md has one definition here, for NumPy arrays and torch tensors. Columns are written as
W_i = 2^{e_i} u_i with the largest entry of u_i of order 1, and Ŵ_i = u_i / ‖u_i‖: squares of the u_i neither overflow
nor vanish, whatever the scale. Where a true value is beyond the largest float it is infinite, and where it is below
the smallest it is 0. `factors.py` tells which features share a tegum factor.
"""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np

from ..numerics import Array, float_array


def checked_weights(weights: Array) -> tuple[Any, Array]:
    """Return the array namespace, and W as a floating-point array of it, or raise `ValueError`.

    Whatever isn't a torch tensor becomes a NumPy array of float64; tensors of floats keep their precision.
    """
    if not array_api_compat.is_torch_array(weights):
        weights = float_array("weights", weights)
    xp = array_api_compat.array_namespace(weights)
    if xp.isdtype(weights.dtype, "complex floating"):
        raise ValueError(f"weights must be real numbers, got {weights.dtype}")
    if not xp.isdtype(weights.dtype, "real floating"):
        weights = xp.astype(weights, xp.float64)
    if weights.ndim < 2 or 0 in tuple(weights.shape[-2:]):
        raise ValueError(f"weights must have shape (..., n_hidden, n_features), got {tuple(weights.shape)}")
    if not bool(xp.all(xp.isfinite(weights))):
        raise ValueError("weights must be finite, got NaN or infinite entries")
    return xp, weights


def _held(array: Array) -> Array:
    """Return an array as a constant for autograd: scales cancel, so they have no derivative."""
    return array.detach() if array_api_compat.is_torch_array(array) else array


def _power(xp: Any, exponent: Array) -> Array:
    """Return 2^exponent."""
    return xp.pow(xp.full_like(exponent, 2.0), exponent)


def _exponents(xp: Any, array: Array, axis: int | tuple[int, int]) -> Array:
    """Return ⌊log₂ max |entry|⌋ over axes that are kept, 0 where all entries are: whole numbers as floats.

    They stay within the exponents of normal floats, so that 2^e and 2^{−e} are finite and positive.
    """
    largest = xp.max(xp.abs(_held(array)), axis=axis, keepdims=True)
    exponent = xp.floor(xp.log2(xp.where(largest > 0, largest, xp.ones_like(largest))))
    lowest = float(np.log2(float(xp.finfo(array.dtype).smallest_normal)))
    return xp.clip(exponent, lowest, 1 - lowest)


def _columns(xp: Any, weights: Array) -> tuple[Array, Array, Array, Array]:
    """Return u, ‖u_i‖, Ŵ and e: shapes (..., m, n), (..., n), (..., m, n) and (..., n); 0 for zero columns."""
    exponent = _exponents(xp, weights, -2)
    u = weights * _power(xp, -exponent)
    square = xp.sum(u * u, axis=-2)
    # The root of 0 has no slope: autograd must not see it, not even in the branch that isn't taken.
    stored = square > 0
    length = xp.sqrt(xp.where(stored, square, xp.ones_like(square)))
    unit = u / length[..., None, :]
    return u, xp.where(stored, length, xp.zeros_like(length)), unit, exponent[..., 0, :]


@np.errstate(over="ignore", under="ignore")
def norms_and_directions(xp: Any, weights: Array) -> tuple[Array, Array]:
    """Return ‖W_i‖, shape (..., n), and Ŵ, shape (..., m, n), with zero columns as they are; for checked weights."""
    _, length, unit, exponent = _columns(xp, weights)
    return length * _power(xp, exponent), unit


def feature_norms(weights: Array) -> Array:
    """Return ‖W_i‖, how strongly each feature is represented (arXiv:2209.10652, "Demonstrating Superposition").

    Args:
        weights: W, shape (..., n_hidden, n_features).

    Returns:
        Shape (..., n_features). NumPy in, NumPy out, in float64; torch tensors in, a tensor out that autograd
        differentiates, with slope 0 at zero columns.

    Raises:
        ValueError: if the shape isn't that of weights, or an entry isn't a finite real number.

    Example:
        >>> feature_norms([[3, 0, 0], [4, 0, 1]])
        array([5., 0., 1.])
    """
    xp, weights = checked_weights(weights)
    return norms_and_directions(xp, weights)[0]


@np.errstate(over="ignore", under="ignore")
def gram(weights: Array) -> Array:
    """Return G = WᵀW, the overlaps of features.

    Args:
        weights: W, shape (..., n_hidden, n_features).

    Returns:
        Shape (..., n_features, n_features), symmetric; tensors in, a tensor out.

    Raises:
        ValueError: as `feature_norms`.

    Example:
        >>> gram([[1, -1, 0], [0, 0, 2]])
        array([[ 1., -1.,  0.],
               [-1.,  1.,  0.],
               [ 0.,  0.,  4.]])
    """
    xp, weights = checked_weights(weights)
    u, _, _, exponent = _columns(xp, weights)
    total = exponent[..., :, None] + exponent[..., None, :]
    # In two halves: 2^{e_i + e_j} itself may overflow where u_i · u_j is 0.
    half = xp.floor(total / 2)
    return (u.mT @ u) * _power(xp, half) * _power(xp, total - half)


@np.errstate(over="ignore", under="ignore")
def superposition(weights: Array) -> Array:
    """Return Σ_{j≠i} (Ŵ_i·W_j)², how strongly other features project onto the direction of each.

    0 for a feature that is orthogonal to all others; from 1 on, others together can activate its direction as
    strongly as the feature itself, if it has norm 1. Public replications plot the square root of this under the name
    "polysemanticity".

    Args:
        weights: W, shape (..., n_hidden, n_features).

    Returns:
        Shape (..., n_features), 0 for zero columns, infinite where it is too large for its precision; tensors in, a
        tensor out that autograd differentiates.

    Raises:
        ValueError: as `feature_norms`.

    Source:
        arXiv:2209.10652, "Demonstrating Superposition", the colours of the bars.

    Example:
        >>> superposition([[1.0, -0.5, 0.0], [0.0, 0.0, 1.0]])
        array([0.25, 1.  , 0.  ])
    """
    xp, weights = checked_weights(weights)
    u, _, unit, exponent = _columns(xp, weights)
    projections = (unit.mT @ u) * _power(xp, exponent)[..., None, :]
    others = ~_diagonal(xp, projections)
    projections = xp.where(others, projections, xp.zeros_like(projections))
    return xp.sum(projections * projections, axis=-1)


def _diagonal(xp: Any, like: Array) -> Array:
    """Return a boolean identity matrix for the last axes of `like`."""
    each = xp.arange(like.shape[-1], device=array_api_compat.device(like))
    return each[:, None] == each[None, :]


@np.errstate(over="ignore", under="ignore")
def feature_dimensionality(weights: Array) -> Array:
    """Return D_i = ‖W_i‖² / Σ_j (Ŵ_i·W_j)², the fraction of a dimension that each feature has.

    D_i lies in [0, 1], doesn't depend on the scale of W, and Σ D_i ≤ rank W, with equality exactly if every W_i is an
    eigenvector of WWᵀ: for tegum products of tight frames (docs/geometry.md).

    Args:
        weights: W, shape (..., n_hidden, n_features).

    Returns:
        Shape (..., n_features), 0 for zero columns; tensors in, a tensor out that autograd differentiates.

    Raises:
        ValueError: as `feature_norms`.

    Source:
        arXiv:2209.10652, "The Geometry of Superposition", feature dimensionality.

    Example:
        >>> feature_dimensionality([[1, -1, 0], [0, 0, 1]])  # a digon and an axis
        array([0.5, 0.5, 1. ])
    """
    xp, weights = checked_weights(weights)
    u, length, unit, exponent = _columns(xp, weights)
    projections = unit.mT @ u
    # D_i is the same for all multiples of row i: take it relative to its largest scale, then to its largest entry.
    scales = xp.broadcast_to(exponent[..., None, :], projections.shape)
    largest = xp.max(xp.where(projections != 0, scales, xp.full_like(scales, -xp.inf)), axis=-1, keepdims=True)
    stored = length > 0
    largest = xp.where(stored[..., None], largest, xp.zeros_like(largest))
    projections = projections * _power(xp, xp.clip(scales - largest, None, 0.0))
    top = xp.max(xp.abs(_held(projections)), axis=-1, keepdims=True)
    projections = projections / xp.where(stored[..., None], top, xp.ones_like(top))
    squares = projections * projections
    own = xp.sum(xp.where(_diagonal(xp, squares), squares, xp.zeros_like(squares)), axis=-1)
    every = xp.sum(squares, axis=-1)
    return own / xp.where(stored, every, xp.ones_like(every))


@np.errstate(over="ignore", under="ignore")
def dimensions_per_feature(weights: Array) -> Array:
    """Return D* = m / ‖W‖_F², hidden dimensions for each feature that is represented.

    ‖W_i‖² is about 1 for a feature that is represented and about 0 for one that isn't, so that ‖W‖_F² counts them.
    Where nothing is represented, W = 0, each feature has infinitely many dimensions to itself.

    Args:
        weights: W, shape (..., n_hidden, n_features).

    Returns:
        Shape (...), infinite for W = 0; tensors in, a tensor out that autograd differentiates, with slope 0 at W = 0.

    Raises:
        ValueError: as `feature_norms`.

    Source:
        arXiv:2209.10652, "The Geometry of Superposition", uniform superposition.

    Example:
        >>> dimensions_per_feature([[[1, -1, 0], [0, 0, 1]], [[0, 0, 0], [0, 0, 0]]])
        array([0.66666667,        inf])
    """
    xp, weights = checked_weights(weights)
    exponent = _exponents(xp, weights, (-2, -1))
    scaled = weights * _power(xp, -exponent)
    square = xp.sum(scaled * scaled, axis=(-2, -1))
    shrink = _power(xp, -exponent[..., 0, 0])
    stored = square > 0
    value = weights.shape[-2] / xp.where(stored, square, xp.ones_like(square)) * shrink * shrink
    return xp.where(stored, value, xp.full_like(value, xp.inf))


@np.errstate(over="ignore", under="ignore")
def neuron_polysemanticity(weights: Array) -> Array:
    """Return (Σ_i W_ki²)² / Σ_i W_ki⁴, how many features each neuron (row of W) represents.

    This participation ratio is 1 for a neuron with one weight and q for one with q weights of equal size; a weight of
    relative size ε beside a weight of 1 counts as 2ε² of a feature. Unlike the other quantities it depends on the
    basis of the hidden space, so it means something only where that is privileged.

    Args:
        weights: W, shape (..., n_hidden, n_features).

    Returns:
        Shape (..., n_hidden), between 1 and n_features, 0 for zero rows; tensors in, a tensor out that autograd
        differentiates.

    Raises:
        ValueError: as `feature_norms`.

    Source:
        The ratio is our choice. arXiv:2209.10652, "Superposition in a Privileged Basis", calls a neuron polysemantic
        if it stores more than one feature, and its figures are coloured by eye.

    Example:
        >>> neuron_polysemanticity([[1, 0, 0], [1, -1, 0], [0, 0, 0]])
        array([1., 2., 0.])
    """
    xp, weights = checked_weights(weights)
    squares = (weights * _power(xp, -_exponents(xp, weights, -1))) ** 2
    total, fourth = xp.sum(squares, axis=-1), xp.sum(squares * squares, axis=-1)
    return total * total / xp.where(fourth > 0, fourth, xp.ones_like(fourth))
