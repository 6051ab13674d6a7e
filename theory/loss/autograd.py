"""The exact loss inside torch's autograd: first and second derivatives are the exact ones, and third ones are refused.

Differentiating through the evaluation would be correct but wasteful, and where overlaps are tiny its intermediate terms
lose digits. Here the derivative of the loss is the exact gradient, and that of the gradient the exact Hessian, in both
of autograd's modes and under `torch.func`. A derivative of the Hessian raises an error: none is returned that isn't
there.
Engines themselves give arrays without history. torch isn't imported: its namespace comes from the tensors.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import array_api_compat
import numpy as np

if TYPE_CHECKING:
    from .evaluation import Engine

# A torch tensor.
Tensor = Any
THIRD = (
    "the exact loss is differentiated twice, got a third derivative: loss_hessian holds the second ones, and "
    "differences of it approximate the third"
)


def follows(*arrays: Any) -> bool:
    """Return whether autograd may follow an array: whether there is a torch tensor among them."""
    # Mostly there is none, and to ask for it takes longer.
    for array in arrays:  # noqa: SIM110 (a generator takes longer)
        if type(array) is not np.ndarray and array_api_compat.is_torch_array(array):
            return True
    return False


def without_history(weights: Any, bias: Any) -> tuple[Any, Any]:
    """Return arrays that autograd doesn't follow."""
    return (weights.detach(), bias.detach()) if follows(weights, bias) else (weights, bias)


def _together(in_dims: Any, weights: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return tensors with the axis that `torch.vmap` runs over in front, the other axes before the last as they are."""
    pair = zip((weights, bias), in_dims[1:], strict=True)
    moved = [tensor if place is None else tensor.movedim(place, 0) for tensor, place in pair]
    batch = np.broadcast_shapes(tuple(moved[0].shape[:-2]), tuple(moved[1].shape[:-1]))
    return moved[0].expand(*batch, *moved[0].shape[-2:]), moved[1].expand(*batch, moved[1].shape[-1])


def _packed(torch: Any, weights: Tensor, bias: Tensor) -> Tensor:
    return torch.cat([weights.reshape(*weights.shape[:-2], -1), bias], dim=-1)


@lru_cache
def _functions(torch: Any) -> tuple[Any, Any, Any]:
    """Return autograd functions for the loss, its gradient and its Hessian."""

    class Differentiable(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:  # noqa: ARG004
            ctx.engine = inputs[0]
            ctx.save_for_backward(*inputs[1:])
            ctx.save_for_forward(*inputs[1:])

    class Hessian(Differentiable):
        @staticmethod
        def forward(engine: Engine, weights: Tensor, bias: Tensor) -> Tensor:
            return engine.evaluate(weights.detach(), bias.detach(), 2).hessian

        @staticmethod
        def backward(ctx: Any, *factors: Tensor) -> Any:
            raise NotImplementedError(THIRD)

        @staticmethod
        def jvp(ctx: Any, *tangents: Tensor) -> Any:
            raise NotImplementedError(THIRD)

        @staticmethod
        def vmap(info: Any, in_dims: Any, engine: Engine, *tensors: Tensor) -> tuple[Tensor, int]:  # noqa: ARG004
            return Hessian.apply(engine, *_together(in_dims, *tensors)), 0

    def bent(ctx: Any, weights_factor: Tensor, bias_factor: Tensor) -> tuple[Tensor, Tensor]:
        """Return the product of the Hessian with a direction."""
        weights, bias = ctx.saved_tensors
        hessian = Hessian.apply(ctx.engine, weights, bias)
        product = (hessian @ _packed(torch, weights_factor, bias_factor)[..., None])[..., 0]
        cut = product.shape[-1] - bias.shape[-1]
        return product[..., :cut].reshape(weights.shape), product[..., cut:]

    class Gradient(Differentiable):
        @staticmethod
        def forward(engine: Engine, weights: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
            found = engine.evaluate(weights.detach(), bias.detach(), 1)
            return found.d_weights, found.d_bias

        @staticmethod
        def backward(ctx: Any, *factors: Tensor) -> tuple[None, Tensor, Tensor]:
            return None, *bent(ctx, *factors)

        @staticmethod
        def jvp(ctx: Any, _: None, *tangents: Tensor) -> tuple[Tensor, Tensor]:
            return bent(ctx, *_tangents(torch, ctx, tangents))

        @staticmethod
        def vmap(info: Any, in_dims: Any, engine: Engine, *tensors: Tensor) -> Any:  # noqa: ARG004
            return Gradient.apply(engine, *_together(in_dims, *tensors)), (0, 0)

    class Loss(Differentiable):
        @staticmethod
        def forward(engine: Engine, weights: Tensor, bias: Tensor) -> Tensor:
            # Without a batch a number comes back, where torch wants a tensor.
            return torch.as_tensor(engine.evaluate(weights.detach(), bias.detach(), 0).loss)

        @staticmethod
        def backward(ctx: Any, factor: Tensor) -> tuple[None, Tensor, Tensor]:
            d_weights, d_bias = Gradient.apply(ctx.engine, *ctx.saved_tensors)
            return None, factor[..., None, None] * d_weights, factor[..., None] * d_bias

        @staticmethod
        def jvp(ctx: Any, _: None, *tangents: Tensor) -> Tensor:
            slopes = Gradient.apply(ctx.engine, *ctx.saved_tensors)
            products = _packed(torch, *slopes) * _packed(torch, *_tangents(torch, ctx, tangents))
            return products.sum(dim=-1)

        @staticmethod
        def vmap(info: Any, in_dims: Any, engine: Engine, *tensors: Tensor) -> tuple[Tensor, int]:  # noqa: ARG004
            return Loss.apply(engine, *_together(in_dims, *tensors)), 0

    return Loss, Gradient, Hessian


def _tangents(torch: Any, ctx: Any, tangents: tuple[Tensor | None, ...]) -> list[Tensor]:
    """Return directions, zero where an argument has none."""
    pairs = zip(tangents, ctx.saved_tensors, strict=True)
    return [torch.zeros_like(tensor) if tangent is None else tangent for tangent, tensor in pairs]


def _applied(function: int, engine: Engine, weights: Tensor, bias: Tensor) -> Any:
    """Apply one of `_functions` where the batch shapes of model, weights and bias are broadcast.

    So autograd sums over what was repeated.
    """
    batch = np.broadcast_shapes(tuple(weights.shape[:-2]), tuple(bias.shape[:-1]), engine.model.batch_shape)
    functions = _functions(array_api_compat.array_namespace(weights, bias, use_compat=False))
    spread = weights.expand(*batch, *weights.shape[-2:]), bias.expand(*batch, bias.shape[-1])
    return functions[function].apply(engine, *spread)


def differentiable_loss(engine: Engine, weights: Tensor, bias: Tensor) -> Tensor:
    """Return the loss, differentiable twice."""
    return _applied(0, engine, weights, bias)


def differentiable_gradient(engine: Engine, weights: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradient in the weights and the bias, differentiable once."""
    return _applied(1, engine, weights, bias)  # type: ignore[no-any-return]


def differentiable_hessian(engine: Engine, weights: Tensor, bias: Tensor) -> Tensor:
    """Return the Hessian, whose derivatives are refused."""
    return _applied(2, engine, weights, bias)
