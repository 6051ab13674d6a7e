"""Weights and biases as one vector of parameters θ = (W row by row, b), and back."""

from __future__ import annotations

import numpy as np

from ..numerics import FloatArray


def pack(weights: FloatArray, bias: FloatArray) -> FloatArray:
    """Return the parameters as one vector per model, shape (..., P): the weights row by row, then the biases."""
    *batch, m, n = weights.shape
    return np.concatenate([weights.reshape(*batch, m * n), bias], axis=-1)


def unpack(parameters: FloatArray, n_hidden: int) -> tuple[FloatArray, FloatArray]:
    """Return the weights (..., n_hidden, n) and the bias (..., n) of packed parameters."""
    n = parameters.shape[-1] // (n_hidden + 1)
    weights, bias = parameters[..., : n_hidden * n], parameters[..., n_hidden * n :]
    return weights.reshape(*parameters.shape[:-1], n_hidden, n), bias
