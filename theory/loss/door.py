"""The door of the loss: weights and bias as they must be for a model, in one array namespace."""

from __future__ import annotations

from typing import Any

import array_api_compat

from ..models import ToyModel
from ..numerics import Array, check_broadcast, check_kind, float_array


def checked_parameters(model: ToyModel, weights: Array, bias: Array) -> tuple[Array, Array]:
    """Return weights and bias as floating-point arrays of one namespace, or raise `ValueError`."""
    check_kind("model", model, ToyModel)
    if not (array_api_compat.is_torch_array(weights) and array_api_compat.is_torch_array(bias)):
        if array_api_compat.is_torch_array(weights) or array_api_compat.is_torch_array(bias):
            raise ValueError(
                "weights and bias must both be torch tensors or neither, got "
                f"{type(weights).__name__} and {type(bias).__name__}"
            )
        weights, bias = float_array("weights", weights), float_array("bias", bias)
    xp = array_api_compat.array_namespace(weights, bias)
    if not xp.isdtype(weights.dtype, "real floating") or weights.dtype != bias.dtype:
        raise ValueError(f"weights and bias must share one floating-point dtype, got {weights.dtype} and {bias.dtype}")
    m, n = model.n_hidden, model.n_features
    if weights.ndim < 2 or tuple(weights.shape[-2:]) != (m, n):
        raise ValueError(f"weights must have shape (..., {m}, {n}), got {tuple(weights.shape)}")
    if bias.ndim < 1 or bias.shape[-1] != n:
        raise ValueError(f"bias must have shape (..., {n}), got {tuple(bias.shape)}")
    check_broadcast(weights=weights.shape[:-2], bias=bias.shape[:-1], model=model.batch_shape)
    for name, array in (("weights", weights), ("bias", bias)):
        if not _is_true(xp.all(xp.isfinite(array))):
            raise ValueError(f"{name} must be finite, got NaN or infinite entries")
    model.check_bias(bias, _is_true)
    return weights, bias


def _is_true(found: Any) -> bool:
    """Return whether something is true of values that can be looked at."""
    try:
        return bool(found)
    except RuntimeError:
        # Under `torch.vmap` they can't. What isn't a number then gives what isn't one.
        return True
