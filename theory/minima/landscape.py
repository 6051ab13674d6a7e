"""The exact loss as a landscape over parameters: what searches for minima, and judges them, walks on."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..loss import ExactLoss
from ..models import FeatureAmplitudes, ToyModel
from ..numerics import FloatArray, check_kind
from .parameters import pack, unpack

# What rounding leaves of losses and gradients, and of curvatures along unit directions, for importances that sum up to
# 1: twice what was measured, which proves nothing. At 289 states on boundaries of two and three features losses and
# gradients were off by at most 0.3e-15 and curvatures by 1.1e-15 (docs/errors.md).
SLOPE_ROUNDING, CURVATURE_ROUNDING = 6e-16, 2e-15


# The least and the largest that a feature gives while it is on, of all or of each, shape (n,).
Inputs = tuple[Any, Any]


def inputs_of(model: ToyModel) -> Inputs:
    """Return the ends within which a model's outputs are looked at: of [0, 1] at least, or of each feature's own."""
    check_kind("model", model, ToyModel)
    if not model.features.has_amplitude:
        return 0.0, 1.0
    amplitude = model.features.amplitude
    if isinstance(amplitude, FeatureAmplitudes):
        return amplitude.low, amplitude.high
    return min(0.0, float(amplitude.low)), max(1.0, float(amplitude.high))


def _has_constants(model: ToyModel) -> bool:
    low, high = model.features.amplitude.ends(model.n_features)
    return bool((low == high).any())


class Landscape:
    """The exact loss of a batch of models over their packed parameters θ = (W row by row, b).

    It holds the loss's engine. Parts of the batch share that, and threads can share a landscape. Of a model with a
    common bias, b in θ is that one number; of one without, it isn't there.

    Args:
        model: what is being asked. Its batch dimensions broadcast against those of θ.

    Attributes:
        exact: the loss at weights and biases.
        batch_shape: of the models.
        n_features: number of features n.
        n_hidden: number of hidden dimensions m.
        size: number of parameters P; (m + 1) n with a bias for each output.
        bias: which biases the models have; see `ToyModel`.
        has_atoms: whether inputs are finitely many, so that whole patterns reach a kink at once.
        inputs: the ends of what features give while they are on.

    Example:
        >>> from tegum.theory import diagram_model
        >>> landscape = Landscape(diagram_model(2, 1, 0.1, 1.0))
        >>> theta = landscape.join(np.array([[1.0, -1.0]]), np.zeros(2))
        >>> round(float(landscape.losses(theta)), 12)  # (1 + r) p² / 6
        0.003333333333
    """

    def __init__(self, model: ToyModel) -> None:
        """Prepare the loss."""
        check_kind("model", model, ToyModel)
        self.exact, self.batch_shape = ExactLoss(model), model.batch_shape
        self.n_features, self.n_hidden, self.size = model.n_features, model.n_hidden, model.n_parameters
        self.bias, self.inputs = model.bias, inputs_of(model)
        self.has_atoms = not model.features.has_amplitude or _has_constants(model)

    @property
    def model(self) -> ToyModel:
        """What is being asked."""
        return self.exact.model

    def take(self, rows: Any) -> Landscape:
        """Return the landscape of the models at `rows` of the batch, as `ToyModel.take` selects them."""
        part = object.__new__(Landscape)
        part.exact = self.exact.take(rows)
        part.batch_shape = np.broadcast_to(0, self.batch_shape)[rows].shape
        part.n_features, part.n_hidden, part.size, part.bias = self.n_features, self.n_hidden, self.size, self.bias
        part.has_atoms = self.has_atoms
        part.inputs = self.inputs
        return part

    def split(self, parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the weights, shape (..., m, n), and biases, shape (..., n), of parameters, shape (..., P)."""
        if self.bias == "free":
            return unpack(parameters, self.n_hidden)
        m, n = self.n_hidden, self.n_features
        weights, bias = parameters[..., : m * n], parameters[..., m * n :]
        shape = parameters.shape[:-1]
        return weights.reshape(*shape, m, n), np.broadcast_to(bias if bias.shape[-1] else 0.0, (*shape, n))

    def join(self, weights: FloatArray, bias: FloatArray) -> FloatArray:
        """Return weights and biases, of which only those that the models have count, as parameters, shape (..., P)."""
        if self.bias == "free":
            return pack(weights, bias)
        flat = weights.reshape(*weights.shape[:-2], -1)
        # A copy, as in the other cases: whoever moves parameters keeps the weights that they began as.
        return flat.copy() if self.bias == "none" else np.concatenate([flat, bias[..., :1]], axis=-1)

    def _reduced(self, d_weights: FloatArray, d_bias: FloatArray) -> FloatArray:
        """Return the derivatives in the parameters from those in all weights and biases."""
        if self.bias == "free":
            return pack(d_weights, d_bias)
        return self.join(d_weights, d_bias.sum(axis=-1, keepdims=True))

    def _bent(self, hessian: FloatArray) -> FloatArray:
        """Return the second derivatives in the parameters from those in all weights and biases."""
        if self.bias == "free":
            return hessian
        kept = self.n_hidden * self.n_features
        inner = hessian[..., :kept, :kept]
        if self.bias == "none":
            return inner
        mixed = hessian[..., :kept, kept:].sum(axis=-1, keepdims=True)
        last = hessian[..., kept:, kept:].sum(axis=(-2, -1), keepdims=True)
        return np.concatenate([np.concatenate([inner, mixed], -1), np.concatenate([mixed.mT, last], -1)], axis=-2)

    def rounding(self, slopes: int, curvatures: int = 0) -> FloatArray:
        """Return what equations are rounded to at most: so many of losses or gradients, then so many of curvatures.

        Shape (*batch_shape, slopes + curvatures). It isn't proved.
        """
        units = np.repeat([SLOPE_ROUNDING, CURVATURE_ROUNDING], [slopes, curvatures])
        return np.asarray(np.maximum(self.model.importances().sum(axis=-1), 1)[..., None] * units)

    @staticmethod
    def check_held(name: str, losses: FloatArray, hessians: FloatArray) -> None:
        """Raise `ValueError` if parameters of a name are so large that float64 doesn't hold what came of `expand`."""
        if not (np.isfinite(losses).all() and np.isfinite(hessians).all()):
            raise ValueError(f"{name} must be small enough for float64 to hold the loss and its second derivatives")

    def losses(self, parameters: FloatArray) -> FloatArray:
        """Return L at θ, shape (...)."""
        return np.asarray(self.exact.loss(*self.split(parameters)))

    def losses_and_gradients(self, parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return L and its gradient at θ, shapes (...) and (..., P)."""
        loss, d_weights, d_bias = self.exact.loss_and_gradient(*self.split(parameters))
        return loss, self._reduced(d_weights, d_bias)

    def gradients(self, parameters: FloatArray) -> FloatArray:
        """Return the gradient at θ, shape (..., P)."""
        return self.losses_and_gradients(parameters)[1]

    def expand(self, parameters: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return L, its gradient and its Hessian at θ, shapes (...), (..., P) and (..., P, P)."""
        loss, d_weights, d_bias, hessian = self.exact.loss_gradient_hessian(*self.split(parameters))
        return loss, self._reduced(d_weights, d_bias), self._bent(hessian)
