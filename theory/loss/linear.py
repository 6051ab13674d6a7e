r"""The linear model x' = WᵀW x + b: its loss for any input law, and its optimum.

Without the ReLU nothing but the input's mean μ and covariance C enters: with G = WᵀW and unit vectors e_i,

    L = Σ_i I_i E(x_i − x'_i)² = Σ_i I_i { (e_i − G_i)ᵀ C (e_i − G_i) + (b_i + G_iᵀ μ − μ_i)² } .

For uncorrelated features the optimum stores those with the largest I_i Var(x_i), each in a dimension of its own, and
drops the others (arXiv:2209.10652 calls it "PCA-like"): a linear model has no superposition. docs/linear.md has the
proofs.
"""

from __future__ import annotations

from dataclasses import dataclass

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from ..models import IndependentFeatures, ToyModel
from ..numerics import Array, FloatArray, Summarised, check_kind
from .door import checked_parameters

# Correlations and differences of importances below this are rounding.
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class LinearOptimum(Summarised):
    """The global minimum of the linear model; made by `linear_optimum`.

    Where several features or directions tie, it is one of many.

    Attributes:
        weights: W, shape (..., n_hidden, n_features), with orthonormal rows (or zero rows, if there are more hidden
            dimensions than features).
        bias: b, shape (..., n_features).
        loss: L, shape (...).
        kept: which features are stored without error, G_ii = 1, shape (..., n_features).
    """

    weights: FloatArray
    bias: FloatArray
    loss: FloatArray
    kept: NDArray[np.bool_]


def linear_loss(model: ToyModel, weights: Array, bias: Array) -> Array:
    """Return the expected loss Σ_i I_i E(x_i − x'_i)² of x' = WᵀW x + b.

    Args:
        model: the record of sizes, input law and importances. It is read as a linear model, without penalties.
        weights: W, shape (..., n_hidden, n_features).
        bias: b, shape (..., n_features).

    Returns:
        L, shape (...): the broadcast of the batch shapes of model, weights and bias. NumPy in, NumPy out; torch
        tensors in, a tensor out that autograd differentiates.

    Raises:
        ValueError: if shapes don't fit, an entry isn't finite, the model has penalties, or the loss is too large for
            the precision.

    Example:
        >>> model = ToyModel(2, 1, IndependentFeatures(0.5))
        >>> round(float(linear_loss(model, [[1.0, 0.0]], [0.0, 0.25])), 12)  # p / 3 − p² / 4
        0.104166666667
    """
    loss, *_ = _evaluated(model, weights, bias)
    _check_held("loss", loss)
    return loss


def linear_gradient(model: ToyModel, weights: Array, bias: Array) -> tuple[Array, Array]:
    """Return the gradient of the loss of x' = WᵀW x + b.

    Args:
        model: the record of sizes, input law and importances. It is read as a linear model, without penalties.
        weights: W, shape (..., n_hidden, n_features).
        bias: b, shape (..., n_features).

    Returns:
        ∂L/∂W, shape (..., n_hidden, n_features), and ∂L/∂b, shape (..., n_features).

    Raises:
        ValueError: as `linear_loss`.
    """
    _, d_weights, d_bias = _evaluated(model, weights, bias)
    _check_held("gradient", d_weights, d_bias)
    return d_weights, d_bias


def linear_optimum(model: ToyModel) -> LinearOptimum:
    """Return the global minimum of the linear model.

    Uncorrelated features: those with the largest I_i Var(x_i), as many as there are hidden dimensions, are stored
    without error; each of the others costs I_i Var(x_i), with b_i = E[x_i]. Correlated features of equal importance:
    the principal components with the largest variances are stored.

    Args:
        model: the record of sizes, input law and importances. It is read as a linear model, without penalties.

    Returns:
        The minimum for each model of the batch.

    Raises:
        ValueError: if features are correlated and their importances differ, which has no known closed form, or the
            model has penalties.

    Example:
        >>> optimum = linear_optimum(ToyModel(3, 1, IndependentFeatures(0.5), (1.0, 3.0, 2.0)))
        >>> optimum.kept.tolist(), round(float(optimum.loss), 12)  # 3 (p / 3 − p² / 4)
        ([False, True, False], 0.3125)
    """
    μ, C = _moments(model)
    model.check_plain("the linear optimum", "bias")
    n, m = model.n_features, min(model.n_hidden, model.n_features)
    variance = np.diagonal(C, axis1=-2, axis2=-1)
    importance = model.importances()
    deviation = np.sqrt(variance)
    crossed = np.abs(C * (1 - np.eye(n))) > ROUNDING * deviation[..., :, None] * deviation[..., None, :]
    if not crossed.any():
        order = np.argsort(-importance * variance, axis=-1, kind="stable")[..., :m]
        # Ascending, so that hidden dimension h holds the h-th of the features that are kept.
        rows = np.eye(n)[np.sort(order, axis=-1)]
    elif (np.ptp(importance, axis=-1) <= ROUNDING * importance.max(axis=-1)).all():
        _, vectors = np.linalg.eigh(np.broadcast_to(C, (*model.batch_shape, n, n)))
        rows = vectors[..., ::-1].mT[..., :m, :]
    else:
        raise ValueError(
            "the linear optimum is known for uncorrelated features, or for correlated ones of equal importance; "
            "got correlated features whose importances differ"
        )
    W = np.zeros((*model.batch_shape, model.n_hidden, n))
    W[..., :m, :] = rows
    G = W.mT @ W
    b = μ - (G @ μ[..., None])[..., 0]
    kept = np.diagonal(G, axis1=-2, axis2=-1) > 1 - ROUNDING
    return LinearOptimum(W, b, np.asarray(linear_loss(model, W, b)), kept)


def _moments(model: ToyModel) -> tuple[FloatArray, FloatArray]:
    """Return the input's mean and covariance, shapes (*batch_shape, n) and (*batch_shape, n, n)."""
    check_kind("model", model, ToyModel)
    model.check_plain("the linear model's closed form", "targets")
    if model.has_penalty:
        raise ValueError("the linear model's closed form has no penalties, got a model that has some")
    n, amplitude = model.n_features, model.features.amplitude
    # Of all features, or of each.
    mean, second_moment = np.float64(amplitude.mean), np.float64(amplitude.second_moment)
    p = model.densities()
    if isinstance(model.features, IndependentFeatures):
        # Without the subtraction, whose rounding would leave correlations; and at once for many features.
        C = np.zeros((*p.shape, n))
    else:
        μ = np.broadcast_to(mean, (n,))
        C = np.outer(μ, μ) * (model.features.pair_densities(n) - p[..., :, None] * p[..., None, :])
    C = np.array(np.broadcast_to(C, (*p.shape, n)))
    C[..., np.arange(n), np.arange(n)] = p * second_moment - (p * mean) ** 2
    return p * mean, C


def _check_held(what: str, *arrays: Array) -> None:
    """Raise `ValueError` if numbers are too large for their precision."""
    xp = array_api_compat.array_namespace(*arrays)
    if not all(bool(xp.all(xp.isfinite(array))) for array in arrays):
        raise ValueError(f"weights and bias must be small enough for {arrays[0].dtype} to hold the {what}")


def _evaluated(model: ToyModel, weights: Array, bias: Array) -> tuple[Array, Array, Array]:
    """Return L, ∂L/∂W and ∂L/∂b."""
    moments = _moments(model)
    W, b = checked_parameters(model, weights, bias)
    xp = array_api_compat.array_namespace(W)
    placement = {"dtype": W.dtype, "device": array_api_compat.device(W)}
    μ, C, importance = (xp.asarray(np.array(array), **placement) for array in (*moments, model.importances()))
    G = W.mT @ W
    residual = xp.eye(model.n_features, **placement) - G
    offset = b - (residual @ μ[..., None])[..., 0]
    spread = residual @ C
    outputs = xp.sum(spread * residual, axis=-1) + offset**2
    d_gram = 2 * importance[..., None] * (offset[..., None] * μ[..., None, :] - spread)
    loss = xp.sum(importance * outputs, axis=-1)
    return loss, W @ (d_gram + d_gram.mT), 2 * importance * offset
