"""Every way to evaluate the expected loss in floating point, as one table: laws and bounds run through all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from tegum.theory import ExactLoss, ToyModel, expected_loss, loss_gradient, loss_hessian
from tegum.theory.loss import ArrayEngine
from tegum.theory.numerics import FloatArray
from tests.support.tolerances import tolerance

Evaluation = Callable[[ToyModel, FloatArray, FloatArray], Any]
PURPOSES = ("loss", "gradient", "hessian")


@dataclass(frozen=True)
class Engine:
    """A way to evaluate the loss of a single model: NumPy arrays in, a float or packed NumPy arrays out.

    Attributes:
        loss: L.
        gradient: ∂L/∂θ, shape (P,), or None if the engine has none.
        hessian: shape (P, P), or None.
        handles: whether the engine can do a model.
        dtype: the precision whose error bars it promises.
        slack: by how much its bars are wider than those of that precision.
    """

    loss: Evaluation
    gradient: Evaluation | None = None
    hessian: Evaluation | None = None
    handles: Callable[[ToyModel], bool] = lambda _: True
    dtype: str = "float64"
    slack: float = 1.0

    def bar(self, purpose: str) -> float:
        """Return the error that the engine promises, relative to the scale of the purpose."""
        return self.slack * tolerance(purpose, self.dtype)


def packed(pair: tuple[Any, Any]) -> FloatArray:
    """Return the gradient as one vector, the weights' part row by row and then the biases'."""
    return np.concatenate([np.asarray(pair[0]).ravel(), np.asarray(pair[1])])


def tensors(weights: Any, bias: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return float64 tensors."""
    return torch.tensor(weights, dtype=torch.float64), torch.tensor(bias, dtype=torch.float64)


def autograd(model: ToyModel, weights: FloatArray, bias: FloatArray) -> FloatArray:
    """Return the gradient by torch's autograd."""
    leaves = [tensor.requires_grad_() for tensor in tensors(weights, bias)]
    d_weights, d_bias = torch.autograd.grad(expected_loss(model, *leaves), leaves)
    return packed((d_weights, d_bias))


def arrays(model: ToyModel) -> ExactLoss:
    """Return the evaluation by array operations, which defines what the compiled one of small models has to give."""
    return ExactLoss.by(ArrayEngine(model))


# Up to six features "numpy" and "torch" are evaluated by compiled code.
ENGINES = {
    "numpy": Engine(
        loss=lambda model, W, b: float(expected_loss(model, W, b)),
        gradient=lambda model, W, b: packed(loss_gradient(model, W, b)),
        hessian=lambda model, W, b: np.asarray(loss_hessian(model, W, b)),
    ),
    "torch": Engine(
        loss=lambda model, W, b: float(expected_loss(model, *tensors(W, b))),
        gradient=autograd,
        hessian=lambda model, W, b: np.asarray(loss_hessian(model, *tensors(W, b))),
    ),
    "arrays": Engine(
        loss=lambda model, W, b: float(arrays(model).loss(W, b)),
        gradient=lambda model, W, b: packed(arrays(model).loss_and_gradient(W, b)[1:]),
        hessian=lambda model, W, b: np.asarray(arrays(model).loss_gradient_hessian(W, b)[3]),
    ),
}
