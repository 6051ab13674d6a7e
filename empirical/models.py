"""The model that is trained, and the gradient of its sampled loss written out.

Every tensor carries a leading axis over models. Samples are the last, contiguous axis: with a handful of features the
arithmetic runs over samples, not over features.
"""

from __future__ import annotations

import torch
from torch import Tensor


def relu_output(weights: Tensor, bias: Tensor, inputs: Tensor) -> Tensor:
    """Return x' = ReLU(WᵀW x + b), the ReLU output model of arXiv:2209.10652, section 2.

    Args:
        weights: W, shape (models, n_hidden, n_features).
        bias: b, shape (models, n_features).
        inputs: x, shape (models, n_features, samples).

    Returns:
        x', shape (models, n_features, samples).
    """
    hidden = weights @ inputs
    return torch.relu_(torch.baddbmm(bias[..., None], weights.mT, hidden))


class SampledLoss:
    """The batch mean of Σ_i I_i (x_i − x'_i)² and its gradient, with buffers that are kept from call to call.

    Args:
        importance: I, shape (models, n_features).
        n_hidden: number of hidden dimensions m.
        samples: batch size.
    """

    def __init__(self, importance: Tensor, n_hidden: int, samples: int) -> None:
        """Allocate the buffers."""
        models, n_features = importance.shape
        self._importance = importance
        self._scale = 2 * importance / samples
        self._hidden = importance.new_empty(models, n_hidden, samples)
        self._error = importance.new_empty(models, n_features, samples)
        self._output = torch.empty_like(self._error)

    def gradient(self, weights: Tensor, bias: Tensor, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return the derivatives in W and b.

        With z = WᵀWx + b and δ = 2 I (ReLU(z) − x) 1[z > 0] / samples, averaged over the batch:
        ∂L/∂b = Σ δ and ∂L/∂W = Σ (W δ) xᵀ + (W x) δᵀ.

        Args:
            weights: W, shape (models, n_hidden, n_features).
            bias: b, shape (models, n_features).
            inputs: x, shape (models, n_features, samples).
        """
        hidden, error, output = self._hidden, self._error, self._output
        torch.bmm(weights, inputs, out=hidden)
        torch.baddbmm(bias[..., None], weights.mT, hidden, out=output).relu_()
        torch.sub(output, inputs, out=error)
        error.mul_(output.sign_())
        scale = self._scale[:, None, :]
        d_weights = torch.bmm(hidden, error.mT).mul_(scale)
        torch.bmm(weights * scale, error, out=hidden)
        d_weights.baddbmm_(hidden, inputs.mT)
        return d_weights, error.sum(dim=-1).mul_(self._scale)

    def value(self, weights: Tensor, bias: Tensor, inputs: Tensor) -> Tensor:
        """Return the batch mean of the loss, shape (models,)."""
        error = relu_output(weights, bias, inputs) - inputs
        return (self._importance * (error * error).mean(dim=-1)).sum(dim=-1)
