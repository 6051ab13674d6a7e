"""The exact expected loss, its gradient and its Hessian, as functions that check their arguments.

They evaluate in float64 whatever they are given: at a minimum, where terms cancel, float32 leaves no digit of a
gradient. Arrays come back in float64, tensors of float32 in float32.
"""

from __future__ import annotations

from collections.abc import Callable

import array_api_compat

from ..models import ToyModel
from ..numerics import Array
from .door import checked_parameters
from .engine import ExactLoss, Method

# Bytes of a number in float32.
SINGLE = 4


def _in_double(
    model: ToyModel, weights: Array, bias: Array, method: Method, evaluate: Callable[[ExactLoss, Array, Array], Array]
) -> Array:
    """Return what is evaluated at parameters, in float64; of float32 tensors it is rounded to float32."""
    weights, bias = checked_parameters(model, weights, bias)
    single = array_api_compat.is_torch_array(weights) and weights.dtype.itemsize == SINGLE
    if not single:
        return evaluate(ExactLoss(model, like=weights, method=method), weights, bias)
    wide = weights.double()
    found = evaluate(ExactLoss(model, like=wide, method=method), wide, bias.double())
    parts = found if isinstance(found, tuple) else (found,)
    rounded = tuple(part.to(weights.dtype) for part in parts)
    return rounded if isinstance(found, tuple) else rounded[0]


def expected_loss(model: ToyModel, weights: Array, bias: Array, *, method: Method = "auto") -> Array:
    """Return the exact expected loss L = Σ_i I_i E(x_i − x'_i)².

    Args:
        model: the record of sizes, input law and importances.
        weights: W, shape (..., n_hidden, n_features).
        bias: b, shape (..., n_features).
        method: "auto", "enumeration" or "spectral"; see `engine_for` and docs/loss.md.

    Returns:
        L, shape (...): the broadcast of the batch shapes of model, weights and bias. NumPy in, NumPy out; torch
        tensors in, a tensor out that autograd differentiates twice. Whatever comes in is evaluated in float64; the loss
        of float32 tensors is rounded to float32 at the end, that of float32 arrays stays in float64.

        The error in float64 of enumeration is below 1e-12
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
    return _in_double(model, weights, bias, method, ExactLoss.loss)


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
        ∂L/∂W, shape (..., n_hidden, n_features), and ∂L/∂b, shape (..., n_features), evaluated in float64 as the loss
        is: that of parameters rounded to float32 is the gradient at the rounded parameters. Entries that are too large
        are infinite. Autograd differentiates tensors once more.

    Raises:
        ValueError: as `expected_loss`.
    """
    gradient: tuple[Array, Array] = _in_double(model, weights, bias, method, ExactLoss.gradient)
    return gradient


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
        then the biases. It is evaluated in float64 as the loss is. Entries that are too large are infinite.

    Raises:
        ValueError: as `expected_loss`.
        NotImplementedError: when autograd is asked for a derivative of it.
    """
    return _in_double(model, weights, bias, method, ExactLoss.hessian)
