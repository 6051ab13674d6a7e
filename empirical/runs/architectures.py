"""The models that are trained, each by its equation, and the gradient of their sampled loss written out.

Every tensor carries a leading axis over models. Samples are the last, contiguous axis: with a handful of features the
arithmetic runs over samples, not over features.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from tegum.theory.numerics import check_callable, check_flag, check_text


def linear(weights: Tensor, second: Tensor, bias: Tensor, inputs: Tensor) -> Tensor:
    """Return x' = WᵀW x + b (arXiv:2209.10652, section 2). Shapes as for `relu_output`."""
    return second @ (weights @ inputs) + bias[..., None]


def relu_output(weights: Tensor, second: Tensor, bias: Tensor, inputs: Tensor) -> Tensor:
    """Return x' = ReLU(WᵀW x + b) (arXiv:2209.10652, section 2).

    Args:
        weights: W, shape (models, n_hidden, n_features).
        second: Wᵀ, or W₂ of an untied model, shape (models, n_features, n_hidden).
        bias: b, shape (models, n_features).
        inputs: x, shape (models, n_features, samples).

    Returns:
        x', shape (models, n_features, samples).
    """
    return torch.relu(second @ (weights @ inputs) + bias[..., None])


def relu_hidden(weights: Tensor, second: Tensor, bias: Tensor, inputs: Tensor) -> Tensor:
    """Return x' = ReLU(Wᵀ ReLU(W x) + b) (arXiv:2209.10652, section "privileged basis"). Shapes as `relu_output`."""
    return torch.relu(second @ torch.relu(weights @ inputs) + bias[..., None])


@dataclass(frozen=True)
class Architecture:
    """A model of the family y = f₂(W₂ f₁(W₁ x) + b) that is to reproduce x or |x|.

    Attributes:
        name: how `train` calls it.
        forward: its equation.
        tied: whether W₂ = W₁ᵀ.
        hidden_relu: whether f₁ is the ReLU; else the identity.
        output_relu: whether f₂ is the ReLU; else the identity.
        absolute: whether the target is |x|; else x.
    """

    name: str
    forward: Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]
    tied: bool = True
    hidden_relu: bool = False
    output_relu: bool = True
    absolute: bool = False

    def __post_init__(self) -> None:
        """Check them."""
        check_text("name", self.name)
        check_callable("forward", self.forward, 4)
        for name in ("tied", "hidden_relu", "output_relu", "absolute"):
            check_flag(name, getattr(self, name))

    def target(self, inputs: Tensor) -> Tensor:
        """Return what the output is compared with."""
        return inputs.abs() if self.absolute else inputs


# All models that can be trained, by name.
ARCHITECTURES = {
    a.name: a
    for a in (
        Architecture("linear", linear, output_relu=False),
        Architecture("relu_output", relu_output),
        Architecture("relu_hidden", relu_hidden, hidden_relu=True),
        # y = ReLU(W₂ ReLU(W₁ x) + b) computes |x| (arXiv:2209.10652, section "computation in superposition").
        Architecture("absolute_value", relu_hidden, tied=False, hidden_relu=True, absolute=True),
    )
}


class SampledLoss:
    """The mean over weighted samples of Σ_i I_i (y_i − y'_i)² with its penalties, and the gradient.

    Args:
        architecture: which model.
        importance: I, shape (models, n_features).
        penalties: λ_I, λ_W, λ_A of `ToyModel`, shape (models, 3).
        weight: weight of each sample, shape (models, samples); sums over samples are expectations.
        empty: probability of x = 0 that is added exactly, shape (models,).
        bias: which biases `ToyModel`s have; derivatives in them are those along what is free.
        targets: whose errors count, as of a `ToyModel`.
    """

    def __init__(
        self,
        architecture: Architecture,
        importance: Tensor,
        penalties: Tensor,
        weight: Tensor,
        empty: Tensor,
        *,
        bias: str = "free",
        targets: str = "all",
    ) -> None:
        """Keep what doesn't change from step to step."""
        self._architecture, self._importance = architecture, importance
        self._bias, self._only_active = bias, targets == "active"
        self._weight, self._empty = weight[:, None, :], empty[:, None]
        self._penalties = [penalties[:, k, None, None] for k in range(3)]
        self._penalised = [bool((penalties[:, k] > 0).any()) for k in range(3)]

    def __call__(
        self, weights: Tensor, second: Tensor | None, bias: Tensor, inputs: Tensor
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor]:
        """Return the loss and its derivatives.

        With h = f₁(W₁x), z = W₂h + b and δ = 2 I w (f₂(z) − y) f₂'(z): ∂L/∂b = Σ δ, ∂L/∂W₂ = Σ δ hᵀ and
        ∂L/∂W₁ = Σ (W₂ᵀδ ∘ f₁') xᵀ; for a tied model ∂L/∂W is their sum.

        Args:
            weights: W, shape (models, n_hidden, n_features).
            second: W₂ of an untied model, shape (models, n_features, n_hidden), else None.
            bias: b, shape (models, n_features).
            inputs: x, shape (models, n_features, samples).

        Returns:
            Loss, shape (models,), and derivatives in W, W₂ (None for a tied model) and b.
        """
        kind, importance = self._architecture, self._importance
        out = weights.mT if second is None else second
        hidden = weights @ inputs
        hidden = torch.relu(hidden) if kind.hidden_relu else hidden
        z = torch.baddbmm(bias[..., None], out, hidden)
        error = (torch.relu(z) if kind.output_relu else z) - kind.target(inputs)
        weighted = self._weight * error
        weighted = torch.where(inputs != 0, weighted, 0.0) if self._only_active else weighted
        loss = (importance * (weighted * error).sum(dim=-1)).sum(dim=-1)
        slope = 2 * importance[..., None] * weighted
        slope = torch.where(z > 0, slope, 0.0) if kind.output_relu else slope
        d_bias, d_second = slope.sum(dim=-1), slope @ hidden.mT
        back = out.mT @ slope
        if self._penalised[2]:
            silence = self._penalties[2] * self._weight
            loss = loss + (silence * hidden.abs()).sum(dim=(-2, -1))
            back = back + silence * torch.sign(hidden)
        back = torch.where(hidden > 0, back, 0.0) if kind.hidden_relu else back
        d_weights = back @ inputs.mT
        if not self._only_active:
            # The input x = 0, whose output is f₂(b).
            output = torch.relu(bias) if kind.output_relu else bias
            loss = loss + (self._empty * importance * output * output).sum(dim=-1)
            d_bias = d_bias + 2 * self._empty * importance * output
        if self._bias != "free":
            d_bias = 0 * d_bias if self._bias == "none" else d_bias.mean(dim=-1, keepdim=True).expand_as(d_bias)
        loss, d_weights, d_second = self._penalise(weights, second, loss, d_weights, d_second)
        if second is None:
            return loss, d_weights + d_second.mT, None, d_bias
        return loss, d_weights, d_second, d_bias

    def _penalise(
        self, weights: Tensor, second: Tensor | None, loss: Tensor, d_weights: Tensor, d_second: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        interference, decay, _ = self._penalties
        if self._penalised[1]:
            loss = loss + (decay * weights * weights).sum(dim=(-2, -1))
            d_weights = d_weights + 2 * decay * weights
            if second is not None:
                loss = loss + (decay * second * second).sum(dim=(-2, -1))
                d_second = d_second + 2 * decay * second
        if self._penalised[0]:
            gram = weights.mT @ weights
            overlaps = gram - torch.diag_embed(gram.diagonal(dim1=-2, dim2=-1))
            loss = loss + (interference * overlaps * overlaps).sum(dim=(-2, -1))
            d_weights = d_weights + 4 * interference * (weights @ overlaps)
        return loss, d_weights, d_second
