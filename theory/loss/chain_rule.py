r"""From the outputs' losses and their derivatives in G = WᵀW to the loss of a model and its derivatives in (W, b).

With the importances I_i, and Γ_ij = I_i ∂L_i/∂G_ij for ordered pairs, ∂L/∂W = W (Γ + Γᵀ). Penalties on interference and
weights are functions of G and enter there; that on hidden activations is added last.
"""

from __future__ import annotations

from functools import cached_property, partial
from typing import Any

import array_api_compat
import numpy as np

from ..models import ToyModel
from ..numerics import Array, FloatArray, as_numpy, gamma, precise_gram
from .evaluation import Evaluation, Expectations
from .penalties import gram_penalty
from .rounding import activations_rounding, gram_rounding, outputs_rounding

# Operations of a loss after the sums over outputs and hidden units.
LAST = 4


def common_batch(model: ToyModel, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the broadcast of the model's batch shape and others."""
    # Mostly they are all the same, and broadcasting by NumPy takes longer than the loss of a model.
    found = {model.batch_shape, *map(tuple, shapes)}
    return found.pop() if len(found) == 1 else np.broadcast_shapes(*found)


def columns(xp: Any, array: Array, batch: tuple[int, ...], dimensions: int) -> Array:
    """Broadcast to a batch, flatten it and put it last: shape (..., B), with `dimensions` axes before."""
    kept = tuple(array.shape[array.ndim - dimensions :])
    flat = xp.reshape(xp.broadcast_to(array, (*batch, *kept)), (-1, *kept))
    return xp.moveaxis(flat, 0, -1)


def rows(xp: Any, array: Array, batch: tuple[int, ...]) -> Array:
    """Undo `columns`."""
    return xp.reshape(xp.moveaxis(array, -1, 0), (*batch, *array.shape[:-1]))


class ChainRule:
    """The loss of one `ToyModel` from that of its outputs, in one array namespace.

    Args:
        model: what is being asked.
        like: an array whose namespace, dtype and device are used.

    Attributes:
        model: what is being asked.
        on_activations: whether hidden activations are penalised.
    """

    def __init__(self, model: ToyModel, like: Array) -> None:
        """Look at the penalties; parameters are converted when they are needed."""
        self.model, self._like = model, like
        self._xp = array_api_compat.array_namespace(like)
        self._placement = {"dtype": like.dtype, "device": array_api_compat.device(like)}
        self._is_numpy = array_api_compat.is_numpy_namespace(self._xp)
        self._on_gram = bool(model.interference_penalty.any() or model.weight_penalty.any())
        self.on_activations = bool(model.activation_penalty.any())

    def _convert(self, array: Any) -> Array:
        return self._xp.asarray(np.array(array), **self._placement)

    @cached_property
    def _importance(self) -> Array:
        return self._convert(self.model.importances())

    @cached_property
    def _interference(self) -> Array:
        return self._convert(self.model.interference_penalty)

    @cached_property
    def _decay(self) -> Array:
        return self._convert(self.model.weight_penalty)

    @cached_property
    def _activation(self) -> Array:
        return self._convert(self.model.activation_penalty)

    def evaluation(
        self,
        weights: Array,
        bias: Array,
        outputs: Expectations,
        activations: Expectations | None,
        *,
        with_outputs: bool,
    ) -> Evaluation:
        """Return the loss with all that the outputs' expectations hold of its derivatives.

        Args:
            weights: W, shape (..., m, n).
            bias: b, shape (..., n).
            outputs: of all outputs.
            activations: of all hidden units if they are penalised.
            with_outputs: whether the evaluation holds the losses of outputs.
        """
        xp, n = self._xp, self.model.n_features
        value, first, second, _ = outputs
        loss = xp.sum(self._importance * value, axis=-1)
        penalty = None
        if self._on_gram:
            penalty = gram_penalty(xp, precise_gram(weights)[0], self._interference, self._decay)
        if penalty is not None:
            loss = loss + penalty[0]
        order = 0 if first is None else 1 if second is None else 2
        of_units = None if activations is None else activations.error
        bound = partial(self.error, weights, bias, outputs.error, of_units, order)
        found = Evaluation(loss, bound, output_losses=value if with_outputs else None)
        if first is not None:
            first = self._importance[..., None, :] * first
            d_gram, d_bias = first[..., :n, :].mT, first[..., n, :]
            if penalty is not None:
                d_gram = d_gram + penalty[1]
            curvature = d_gram + d_gram.mT
            found = found._replace(d_weights=weights @ curvature, d_bias=d_bias)
            if second is not None:
                second = self._importance[..., None, None, :] * second
                if penalty is not None:
                    for j in range(n):
                        for i in range(n):
                            if i != j:
                                second[..., j, j, i] += 2 * self._interference
                found = found._replace(hessian=self.pull_back(weights, second, curvature))
        return found if activations is None else self.with_activations(found, activations)

    def with_activations(self, found: Evaluation, activations: Expectations) -> Evaluation:
        """Return an evaluation with λ_A E‖W x‖₁ and its derivatives added; its Hessian is overwritten."""
        penalty = self._activation
        value, slopes, blocks, _ = activations
        d_weights, hessian = found.d_weights, found.hessian
        if d_weights is not None:
            d_weights = d_weights + penalty[..., None, None] * slopes
        if hessian is not None:
            n = self.model.n_features
            for h in range(self.model.n_hidden):
                at = slice(h * n, (h + 1) * n)
                hessian[..., at, at] += penalty[..., None, None] * blocks[..., h, :, :]
        return found._replace(loss=found.loss + penalty * value, d_weights=d_weights, hessian=hessian)

    def error(
        self,
        weights: Array,
        bias: Array,
        of_outputs: FloatArray | None,
        of_units: FloatArray | None,
        order: int,
        loss: Array,
    ) -> Array:
        """Return the error of a loss, shape (...).

        Args:
            weights: W, shape (..., m, n).
            bias: b, shape (..., n).
            of_outputs: errors of the outputs, shape (..., n); None where they were enumerated.
            of_units: error of Σ_h E|h|, shape (...); None where they were enumerated or aren't penalised.
            order: derivatives that were computed with it.
            loss: L, shape (...).
        """
        model, unit = self.model, float(self._xp.finfo(self._like.dtype).eps) / 2
        W, b, L = as_numpy(weights), as_numpy(bias), as_numpy(loss)
        # A bound that overflows is one still.
        with np.errstate(over="ignore"):
            if of_outputs is None:
                error = outputs_rounding(model, W, b, unit, L, order)
            else:
                error = (model.importances() * of_outputs).sum(axis=-1) + gram_rounding(model, W, unit, L)
            if of_units is None:
                error = error + activations_rounding(model, W, unit, L, order)
            else:
                error = error + model.activation_penalty * of_units
            if of_outputs is not None or of_units is not None:
                # Transforms are inverted in float64, rounded and summed up.
                error = error + gamma(model.n_features + model.n_hidden + LAST, unit) * L
        return self._convert(np.broadcast_to(error, loss.shape))

    def pull_back(self, weights: Array, second: Array, curvature: Array) -> Array:
        """Return the Hessian in (W, b), shape (..., P, P), from the outputs' second derivatives in (G_i·, b_i).

        With ∂G_ij/∂W_hk = δ_jk W_hi + δ_ik W_hj, and ∂²G_ij / ∂W_hk ∂W_gl = δ_hg (δ_ik δ_jl + δ_il δ_jk).
        """
        xp, n, m = self._xp, self.model.n_features, self.model.n_hidden
        batch = common_batch(self.model, weights.shape[:-2], second.shape[:-3])
        w = columns(xp, weights, batch, 2)
        R = columns(xp, second, batch, 3)
        bend = columns(xp, curvature, batch, 2)
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
        return rows(xp, hessian, batch)
