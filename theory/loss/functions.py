"""The exact expected loss, its gradient and its Hessian, as functions that check their arguments."""

from __future__ import annotations

from ..models import ToyModel
from ..numerics import Array
from .door import checked_parameters
from .engine import ExactLoss, Method


def expected_loss(model: ToyModel, weights: Array, bias: Array, *, method: Method = "auto") -> Array:
    """Return the exact expected loss L = Σ_i I_i E(x_i − x'_i)².

    Args:
        model: the record of sizes, input law and importances.
        weights: W, shape (..., n_hidden, n_features).
        bias: b, shape (..., n_features).
        method: "auto", "enumeration" or "spectral"; see `engine_for` and docs/loss.md.

    Returns:
        L, shape (...): the broadcast of the batch shapes of model, weights and bias. NumPy in, NumPy out; torch
        tensors in, a tensor out that autograd differentiates twice. The error in float64 of enumeration is below 1e-12
        relative to Σ_i I_i E[x_i²] + L, for numbers of all sizes as long as WᵀW x + b doesn't cancel to less than
        1e-25 of its terms; what is below 1e-290 of the largest squared output counts as 0, and what is too large for
        float64 is infinite. Transforms stop at an estimated 1e-9. The `error` of `ExactLoss(model).engine`'s
        evaluations bounds the one and says what the other reached.

    Raises:
        ValueError: if shapes don't fit, an entry isn't finite, or the model has too many features to enumerate.

    Example:
        >>> from tegum.theory import IndependentFeatures, ToyModel
        >>> model = ToyModel(2, 1, IndependentFeatures(0.5))
        >>> round(float(expected_loss(model, [[1.0, -1.0]], [0.0, 0.0])), 12)  # (1 + r) p² / 6
        0.083333333333
    """
    weights, bias = checked_parameters(model, weights, bias)
    return ExactLoss(model, like=weights, method=method).loss(weights, bias)


def loss_gradient(model: ToyModel, weights: Array, bias: Array, *, method: Method = "auto") -> tuple[Array, Array]:
    """Return the exact gradient of the expected loss.

    Where an output sits at zero for a set of inputs of positive probability (b_i = 0 and a pattern whose overlaps
    all vanish, or with constant amplitudes any pattern with z_i = 0) the loss has a kink. There the ReLU's derivative
    is taken as 0, as torch does. So is that of |h| where all weights of a pattern's features in a hidden unit are 0.

    Args:
        model: the record of sizes, input law and importances.
        weights: W, shape (..., n_hidden, n_features).
        bias: b, shape (..., n_features).
        method: "auto", "enumeration" or "spectral"; see `engine_for` and docs/loss.md.

    Returns:
        ∂L/∂W, shape (..., n_hidden, n_features), and ∂L/∂b, shape (..., n_features). Autograd differentiates tensors
        once more. Entries that are too large for float64 are infinite.

    Raises:
        ValueError: as `expected_loss`.
    """
    weights, bias = checked_parameters(model, weights, bias)
    return ExactLoss(model, like=weights, method=method).gradient(weights, bias)


def loss_hessian(model: ToyModel, weights: Array, bias: Array, *, method: Method = "auto") -> Array:
    """Return the exact Hessian of the expected loss.

    The gradient is continuous but for outputs that rest on zero; the Hessian jumps where a corner of the input cube
    crosses z_i = 0 along with a whole pattern, and there this is the value with that corner off. On kinks of the loss
    itself δ counts as 0: constant amplitudes and hidden units without weights add nothing there.

    For amplitudes of both signs the δ of an output whose overlaps are all tiny cancels: where they are below 1e-7,
    entries are off by up to about 1e-15 / max_j |G_ij|.

    Args:
        model: the record of sizes, input law and importances.
        weights: W, shape (..., n_hidden, n_features).
        bias: b, shape (..., n_features).
        method: "auto", "enumeration" or "spectral"; see `engine_for` and docs/loss.md.

    Returns:
        Shape (..., P, P) with P = (n_hidden + 1) n_features, the parameters ordered as the weights row by row and
        then the biases. Entries that are too large for float64 are infinite.

    Raises:
        ValueError: as `expected_loss`.
        NotImplementedError: when autograd is asked for a derivative of it.
    """
    weights, bias = checked_parameters(model, weights, bias)
    return ExactLoss(model, like=weights, method=method).hessian(weights, bias)
