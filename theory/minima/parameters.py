"""Weights and biases as one vector of parameters θ = (W row by row, b), and back."""

from __future__ import annotations

import numpy as np

from ..loss import ExactLoss
from ..numerics import FloatArray


def pack(weights: FloatArray, bias: FloatArray) -> FloatArray:
    """Return the parameters as one vector per model, shape (..., P): the weights row by row, then the biases."""
    return np.concatenate([weights.reshape(*weights.shape[:-2], -1), bias], axis=-1)


def unpack(parameters: FloatArray, n_hidden: int) -> tuple[FloatArray, FloatArray]:
    """Return the weights (..., n_hidden, n) and the bias (..., n) of packed parameters."""
    n = parameters.shape[-1] // (n_hidden + 1)
    weights, bias = parameters[..., : n_hidden * n], parameters[..., n_hidden * n :]
    return weights.reshape(*parameters.shape[:-1], n_hidden, n), bias


def expand(engine: ExactLoss, parameters: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the loss (...), its gradient (..., P) and Hessian (..., P, P) at packed parameters."""
    loss, d_weights, d_bias, hessian = engine.loss_gradient_hessian(*unpack(parameters, engine.model.n_hidden))
    return loss, pack(d_weights, d_bias), hessian
