r"""The exact expected loss of a toy model, with gradient and Hessian.

With G = WᵀW, output i of the model is ReLU(z_i), z_i = b_i + Σ_j G_ij x_j. With R_q(t) = max(t, 0)^q / q!,

    L = Σ_i I_i E(x_i − ReLU(z_i))² = Σ_i I_i { E[x_i²] + 2 E[R_2(z_i)] − 2 E[x_i R_1(z_i)] },

a sum over activity patterns with their probabilities. With x̃ = (x, 1) the gradient in (G_i·, b_i) is
2 E[x̃ R_1(z_i)] − 2 E[x_i x̃ R_0(z_i)], and the Hessian 2 E[x̃ x̃ᵀ R_0(z_i)] − 2 E[x_i x̃ x̃ᵀ δ(z_i)]. The moments are
exact (`moments.py`); the chain rule through G = WᵀW does the rest. docs/loss.md has the derivation. The array
operations here are the definition; small models on a CPU go through the same steps compiled (`compiled.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import array_api_compat
import numpy as np

from ..models import ToyModel
from .compiled import MAX_FEATURES, CompiledLoss
from .moments import PatternMoments
from .penalties import gram_penalty, positive_part
from .signed_sums import Integrand, SignedSums, TooManyPatternsError
from .spectral import SpectralLoss

# Arrays are NumPy's or torch's, whichever the caller brought.
Array = Any

Method = Literal["auto", "enumeration", "spectral"]
METHODS = ("auto", "enumeration", "spectral")


def squared_error(moments: PatternMoments, order: int) -> tuple[Array, Array | None, Array | None]:
    """Return (ReLU(z) − x_0)² − x_0² and its derivatives, given a pattern: an integrand of `SignedSums`."""
    value, linear = 2 * moments.squared, moments.linear
    if moments.own_linear is not None:
        value = value - 2 * moments.own_linear
    if order == 0:
        return value, None, None
    first = 2 * linear if moments.own_step is None else 2 * (linear - moments.own_step)
    if order == 1:
        return value, first, None
    assert moments.pair_step is not None
    second = 2 * moments.pair_step
    if moments.own_delta is not None:
        second = second - 2 * moments.own_delta
    return value, first, second


class ExactLoss:
    """The exact loss of one `ToyModel`, penalties included, prepared for many evaluations in one array namespace.

    The functions `expected_loss`, `loss_gradient` and `loss_hessian` are made of it. Use it directly in loops: it
    converts the model's parameters once and doesn't check its arguments.

    Args:
        model: what is being asked. Its batch dimensions broadcast against those of the weights.
        like: an array whose namespace, dtype and device are used; default NumPy, float64.
        method: "enumeration" of activity patterns, "spectral" for many features (`SpectralLoss`), or "auto", which
            enumerates unless more features interact than that can do.

    Attributes:
        model: what is being asked.
        spectral: the spectral engine, with its estimate of the last evaluation's error; None as long as it isn't used.

    Raises:
        ValueError: if the method is unknown, or spectral evaluation is asked for and the law isn't one of independent
            blocks of features.
    """

    def __init__(self, model: ToyModel, like: Array | None = None, *, method: Method = "auto") -> None:
        """Convert the model's parameters."""
        if method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
        self.model = model
        like = np.zeros(()) if like is None else like
        self._xp = array_api_compat.array_namespace(like)
        device = array_api_compat.device(like)
        self._placement = {"dtype": like.dtype, "device": device}
        self._is_numpy = array_api_compat.is_numpy_namespace(self._xp)
        self._may_enumerate, self._may_invert = method != "spectral", method != "enumeration"
        self._compiled: CompiledLoss | None = None
        if self._may_enumerate and model.n_features <= MAX_FEATURES and like.dtype == self._xp.float64:
            self._compiled = CompiledLoss(model) if str(device) == "cpu" else None
        self.spectral = SpectralLoss(model, like) if method == "spectral" else None
        self._like = like
        self._on_gram = bool(model.interference_penalty.any() or model.weight_decay.any())
        self._on_activations = bool(model.activation_penalty.any())

    def _convert(self, array: Any) -> Array:
        return self._xp.asarray(np.array(array), **self._placement)

    @cached_property
    def _sums(self) -> SignedSums:
        return SignedSums(self.model.features, self.model.n_features, self._like)

    @cached_property
    def _importance(self) -> Array:
        return self._convert(self.model.importances())

    @cached_property
    def _second_moment(self) -> Array:
        return self._convert(self.model.densities() * float(self.model.features.amplitude.second_moment))

    @cached_property
    def _interference(self) -> Array:
        return self._convert(self.model.interference_penalty)

    @cached_property
    def _decay(self) -> Array:
        return self._convert(self.model.weight_decay)

    @cached_property
    def _activation(self) -> Array:
        return self._convert(self.model.activation_penalty)

    def _by_compiled_code(self, weights: Array, bias: Array, order: int, *, outputs: bool = False) -> Any:
        """Return what `CompiledLoss.evaluate` finds; torch's tensors share their memory with NumPy's arrays."""
        assert self._compiled is not None
        batch = self._batch(weights.shape[:-2], bias.shape[:-1])
        if self._is_numpy:
            # Without a batch, numbers instead of arrays without dimensions.
            return tuple(array[()] for array in self._compiled.evaluate(weights, bias, order, batch, outputs=outputs))
        arrays = weights.detach().numpy(), bias.detach().numpy()
        return tuple(map(self._xp.asarray, self._compiled.evaluate(*arrays, order, batch, outputs=outputs)))

    def loss(self, weights: Array, bias: Array) -> Array:
        """Return L, shape (...); see `expected_loss`."""
        if self._compiled is not None:
            (loss,) = self._by_compiled_code(weights, bias, 0)
        else:
            loss = self._xp.sum(self._importance * self.output_losses(weights, bias), axis=-1)
            if self._on_gram:
                loss = loss + gram_penalty(self._xp, weights.mT @ weights, self._interference, self._decay)[0]
        if self._on_activations:
            loss = loss + self._activation * self._activations(weights, 0)[0]
        return loss

    def output_losses(self, weights: Array, bias: Array) -> Array:
        """Return E(x_i − x'_i)² for each output, shape (..., n), without importances and penalties."""
        if self._compiled is not None:
            return self._by_compiled_code(weights, bias, 0, outputs=True)[0]
        return self._outputs(weights, bias, order=0)[0]

    def loss_and_gradient(self, weights: Array, bias: Array) -> tuple[Array, Array, Array]:
        """Return L and its derivatives in the weights and the bias; see `loss_gradient`."""
        if self._compiled is not None:
            loss, d_weights, d_bias = self._by_compiled_code(weights, bias, 1)
        else:
            loss, d_gram, d_bias, _ = self._in_gram(weights, bias, 1)
            d_weights = weights @ (d_gram + d_gram.mT)
        if self._on_activations:
            value, slopes, _ = self._activations(weights, 1)
            loss = loss + self._activation * value
            d_weights = d_weights + self._activation[..., None, None] * slopes
        return loss, d_weights, d_bias

    def loss_gradient_hessian(self, weights: Array, bias: Array) -> tuple[Array, Array, Array, Array]:
        """Return L, its derivatives in the weights and the bias, and its Hessian; see `loss_hessian`."""
        if self._compiled is not None:
            loss, d_weights, d_bias, hessian = self._by_compiled_code(weights, bias, 2)
        else:
            loss, d_gram, d_bias, rows = self._in_gram(weights, bias, 2)
            curvature = d_gram + d_gram.mT
            hessian = self._pull_back(weights, rows, curvature)
            d_weights = weights @ curvature
        if self._on_activations:
            n = self.model.n_features
            value, slopes, blocks = self._activations(weights, 2)
            assert blocks is not None
            loss = loss + self._activation * value
            d_weights = d_weights + self._activation[..., None, None] * slopes
            for h in range(self.model.n_hidden):
                at = slice(h * n, (h + 1) * n)
                hessian[..., at, at] += self._activation[..., None, None] * blocks[..., h, :, :]
        return loss, d_weights, d_bias, hessian

    def _batch(self, *shapes: tuple[int, ...]) -> tuple[int, ...]:
        # Mostly they are all the same, and broadcasting by NumPy takes longer than the loss of a model.
        found = {self.model.batch_shape, *map(tuple, shapes)}
        return found.pop() if len(found) == 1 else np.broadcast_shapes(*found)

    def _columns(self, array: Array, batch: tuple[int, ...], dimensions: int) -> Array:
        """Broadcast to a batch, flatten it and put it last: shape (..., B), with `dimensions` axes before."""
        xp = self._xp
        kept = tuple(array.shape[array.ndim - dimensions :])
        flat = xp.reshape(xp.broadcast_to(array, (*batch, *kept)), (-1, *kept))
        return xp.moveaxis(flat, 0, -1)

    def _rows(self, array: Array, batch: tuple[int, ...]) -> Array:
        """Undo `_columns`."""
        xp = self._xp
        return xp.reshape(xp.moveaxis(array, -1, 0), (*batch, *array.shape[:-1]))

    def _enumerated(
        self, slopes: Array, offset: Array, own: Sequence[int | None], integrand: Integrand, order: int, batch: Any
    ) -> tuple[Array, Array | None, Array | None] | None:
        """Return expectations by enumeration, or None if they are to be inverted from their Laplace transforms."""
        if not self._may_enumerate:
            return None
        try:
            return self._sums.evaluate(slopes, offset, own, integrand, order, batch)
        except TooManyPatternsError:
            if not self._may_invert:
                raise
            return None

    def _inverted(self, order: int) -> SpectralLoss:
        """Return the spectral engine."""
        if order > 1:
            raise ValueError(
                "the Hessian is exact enumeration's, which handles up to eight features that interact; got "
                f"n_features={self.model.n_features} with more, or method='spectral'"
            )
        if self.spectral is None:
            self.spectral = SpectralLoss(self.model, self._like)
        return self.spectral

    def _outputs(self, weights: Array, bias: Array, order: int) -> tuple[Array, Array | None, Array | None]:
        """Return each output's E(x_i − x'_i)² and, up to `order`, its derivatives in (G_i·, b_i).

        Shapes (..., n), (..., n + 1, n) and (..., n + 1, n + 1, n): outputs last.
        """
        xp, n = self._xp, self.model.n_features
        batch = self._batch(weights.shape[:-2], bias.shape[:-1])
        slopes, offset = self._columns(weights.mT @ weights, batch, 2), self._columns(bias, batch, 1)
        found = self._enumerated(slopes, offset, range(n), squared_error, order, batch)
        if found is None:
            spectral = self._inverted(order)
            if order == 0:
                return spectral.output_losses(weights, bias), None, None
            value, first = spectral.outputs_and_slopes(weights, bias)
            return value, first.mT, None
        value, first, second = found
        value = self._rows(value, batch) + self._second_moment
        # Rounding may take the loss of a perfect output below zero.
        value = xp.maximum(value, xp.zeros_like(value))
        return value, *(None if a is None else self._rows(a, batch) for a in (first, second))

    def _in_gram(self, weights: Array, bias: Array, order: int) -> tuple[Array, Array, Array, Array | None]:
        """Return L without activations, ∂L/∂G_ij for ordered pairs, ∂L/∂b, and the outputs' second derivatives.

        Shapes (...), (..., n, n), (..., n) and (..., n + 1, n + 1, n), importances included.
        """
        xp, n = self._xp, self.model.n_features
        gram = weights.mT @ weights
        value, first, second = self._outputs(weights, bias, order)
        assert first is not None
        first = self._importance[..., None, :] * first
        loss = xp.sum(self._importance * value, axis=-1)
        d_gram, d_bias = first[..., :n, :].mT, first[..., n, :]
        if second is not None:
            second = self._importance[..., None, None, :] * second
        if self._on_gram:
            penalty, slopes = gram_penalty(xp, gram, self._interference, self._decay)
            loss, d_gram = loss + penalty, d_gram + slopes
            if second is not None:
                for j in range(n):
                    for i in range(n):
                        if i != j:
                            second[..., j, j, i] += 2 * self._interference
        return loss, d_gram, d_bias, second

    def _activations(self, weights: Array, order: int) -> tuple[Array, Array | None, Array | None]:
        """Return Σ_h E|h| and, up to `order`, its derivatives in W: shapes (...), (..., m, n) and (..., m, n, n)."""
        xp, n, m = self._xp, self.model.n_features, self.model.n_hidden
        batch = self._batch(weights.shape[:-2])
        slopes = self._columns(weights.mT, batch, 2)
        slopes = xp.concat([slopes, -slopes], axis=1)
        zero = xp.zeros(slopes.shape[1:], **self._placement)
        found = self._enumerated(slopes, zero, [None] * (2 * m), positive_part, order, batch)
        if found is None:
            value, first = self._inverted(order).activation(weights)
            return xp.sum(value, axis=-1), first, None
        value, first, second = found
        total = self._rows(xp.sum(value, axis=0), batch)
        if first is None:
            return total, None, None
        d_weights = self._rows(xp.moveaxis(first[:n, :m] - first[:n, m:], 0, 1), batch)
        if second is None:
            return total, d_weights, None
        return total, d_weights, self._rows(xp.moveaxis(second[:n, :n, :m] + second[:n, :n, m:], 2, 0), batch)

    def _pull_back(self, weights: Array, rows: Array, curvature: Array) -> Array:
        """Return the Hessian in (W, b), shape (..., P, P), from the outputs' second derivatives in (G_i·, b_i).

        With ∂G_ij/∂W_hk = δ_jk W_hi + δ_ik W_hj, and ∂²G_ij / ∂W_hk ∂W_gl = δ_hg (δ_ik δ_jl + δ_il δ_jk).
        """
        xp, n, m = self._xp, self.model.n_features, self.model.n_hidden
        batch = self._batch(weights.shape[:-2], rows.shape[:-3])
        w = self._columns(weights, batch, 2)
        R = self._columns(rows, batch, 3)
        bend = self._columns(curvature, batch, 2)
        gram_rows = R[:n, :n]
        # (R^i W_g)_k, shape (k, i, B), for each g, and W_h R^i W_g.
        towards = [xp.sum(gram_rows * w[g][None, :, None], axis=1) for g in range(m)]
        each = np.arange(n)
        each = each if self._is_numpy else xp.asarray(each, device=self._placement["device"])
        hessian = xp.empty(((m + 1) * n, (m + 1) * n, w.shape[-1]), **self._placement)
        for h in range(m):
            down = slice(h * n, (h + 1) * n)
            for g in range(h + 1):
                across = slice(g * n, (g + 1) * n)
                block = xp.sum(gram_rows * (w[h] * w[g]), axis=2)
                block += w[h][None] * towards[g] + w[g][:, None] * xp.permute_dims(towards[h], (1, 0, 2))
                block[each, each] += xp.sum(w[h][:, None] * towards[g], axis=0)
                if h == g:
                    block += bend
                hessian[down, across] = block
                hessian[across, down] = xp.permute_dims(block, (1, 0, 2))
            mixed = R[:n, n] * w[h]
            mixed[each, each] += xp.sum(R[:n, n] * w[h][:, None], axis=0)
            hessian[down, m * n :] = mixed
            hessian[m * n :, down] = xp.permute_dims(mixed, (1, 0, 2))
        hessian[m * n :, m * n :] = 0.0
        hessian[m * n + each, m * n + each] = R[n, n]
        return self._rows(hessian, batch)
