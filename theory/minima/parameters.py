"""Weights and biases as one vector of parameters θ = (W row by row, b), and back."""

from __future__ import annotations

import numpy as np

from ..numerics import FloatArray, check_count, check_shape, float_array


def pack(weights: FloatArray, bias: FloatArray) -> FloatArray:
    """Return the parameters as one vector per model, shape (..., P): the weights row by row, then the biases."""
    weights, bias = float_array("weights", weights), float_array("bias", bias)
    check_shape("weights", weights.shape, (..., "n_hidden", "n_features"))
    check_shape("bias", bias.shape, (*weights.shape[:-2], weights.shape[-1]))
    *batch, m, n = weights.shape
    return np.concatenate([weights.reshape(*batch, m * n), bias], axis=-1)


def unpack(parameters: FloatArray, n_hidden: int) -> tuple[FloatArray, FloatArray]:
    """Return the weights (..., n_hidden, n) and the bias (..., n) of packed parameters."""
    check_count("n_hidden", n_hidden)
    parameters = float_array("parameters", parameters)
    if parameters.ndim < 1 or not parameters.shape[-1] or parameters.shape[-1] % (n_hidden + 1):
        raise ValueError(
            f"parameters must have shape (..., {n_hidden + 1} n) for {n_hidden} hidden, got {parameters.shape}"
        )
    n = parameters.shape[-1] // (n_hidden + 1)
    weights, bias = parameters[..., : n_hidden * n], parameters[..., n_hidden * n :]
    return weights.reshape(*parameters.shape[:-1], n_hidden, n), bias
