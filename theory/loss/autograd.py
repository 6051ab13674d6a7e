"""The exact loss inside torch's autograd: first and second derivatives are the exact ones.

Differentiating through the evaluation would be correct but wasteful, and where overlaps are tiny its intermediate terms
lose digits. Here the backward pass of the loss is the exact gradient, and that of the gradient the exact Hessian.
torch isn't imported: its namespace comes from the tensors.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import array_api_compat
import numpy as np

if TYPE_CHECKING:
    from .engine import ExactLoss

# A torch tensor.
Tensor = Any


def needs_gradient(*arrays: Any) -> bool:
    """Return whether any of the arrays is a torch tensor that autograd follows."""
    return any(getattr(array, "requires_grad", False) for array in arrays)


@lru_cache
def _functions(torch: Any) -> tuple[Any, Any]:
    """Return autograd functions for the loss and for its gradient."""

    class Gradient(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(engine: ExactLoss, weights: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
            _, d_weights, d_bias = engine.loss_and_gradient(weights, bias)
            return d_weights, d_bias

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:  # noqa: ARG004
            ctx.engine = inputs[0]
            ctx.save_for_backward(*inputs[1:])

        @staticmethod
        @torch.autograd.function.once_differentiable  # type: ignore[untyped-decorator]
        def backward(ctx: Any, weights_factor: Tensor, bias_factor: Tensor) -> tuple[None, Tensor, Tensor]:
            weights, bias = ctx.saved_tensors
            hessian = ctx.engine.loss_gradient_hessian(weights, bias)[3]
            flat = weights_factor.reshape(*weights_factor.shape[:-2], -1)
            packed = torch.cat([flat, bias_factor], dim=-1)
            product = (hessian @ packed[..., None])[..., 0]
            cut = flat.shape[-1]
            return None, product[..., :cut].reshape(weights.shape), product[..., cut:]

    class Loss(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(engine: ExactLoss, weights: Tensor, bias: Tensor) -> Tensor:
            return engine.loss(weights, bias)

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:  # noqa: ARG004
            ctx.engine = inputs[0]
            ctx.save_for_backward(*inputs[1:])

        @staticmethod
        def backward(ctx: Any, factor: Tensor) -> tuple[None, Tensor, Tensor]:
            d_weights, d_bias = Gradient.apply(ctx.engine, *ctx.saved_tensors)
            return None, factor[..., None, None] * d_weights, factor[..., None] * d_bias

    return Loss, Gradient


def _spread(engine: ExactLoss, weights: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Broadcast the batch shapes of model, weights and bias, so that autograd sums over what was repeated."""
    batch = np.broadcast_shapes(tuple(weights.shape[:-2]), tuple(bias.shape[:-1]), engine.model.batch_shape)
    return weights.expand(*batch, *weights.shape[-2:]), bias.expand(*batch, bias.shape[-1])


def differentiable_loss(engine: ExactLoss, weights: Tensor, bias: Tensor) -> Tensor:
    """Return `engine.loss`, differentiable twice."""
    loss, _ = _functions(array_api_compat.array_namespace(weights, bias, use_compat=False))
    return loss.apply(engine, *_spread(engine, weights, bias))


def differentiable_gradient(engine: ExactLoss, weights: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradient in the weights and the bias, differentiable once."""
    _, gradient = _functions(array_api_compat.array_namespace(weights, bias, use_compat=False))
    return gradient.apply(engine, *_spread(engine, weights, bias))  # type: ignore[no-any-return]
