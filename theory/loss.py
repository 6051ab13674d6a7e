r"""The exact expected loss of a toy model, with gradient and Hessian.

With G = WᵀW, output i of the model is ReLU(z_i), z_i = b_i + Σ_j G_ij x_j, and

    L = Σ_i I_i E(x_i − ReLU(z_i))² = Σ_i I_i { E[x_i²] + Σ_A P(A) ∫_{z_i > 0} z_i (z_i − 2 t_i) du },

where A runs over the activity patterns, u over the amplitudes of the active features and t_i is u_i if i ∈ A, else 0.
The integrand vanishes at z_i = 0, so the gradient in (G_i·, b_i) is ∫_{z_i > 0} 2 (z_i − t_i) (u, 1) du, and the
Hessian is ∫_{z_i > 0} 2 (u, 1)(u, 1)ᵀ du − 2 ∫ t_i (u, 1)(u, 1)ᵀ δ(z_i) du. The integrals are exact (`moments.py`);
the chain rule through G = WᵀW does the rest. docs/loss.md has the derivation.
"""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np

from .model import ToyModel
from .moments import facet_rule, volume_rule

# Arrays are NumPy's or torch's, whichever the caller brought.
Array = Any

MAX_ENUMERATED_FEATURES = 4


class ExactLoss:
    """The exact loss of one `ToyModel`, prepared for many evaluations in one array namespace.

    The functions `expected_loss`, `loss_gradient` and `loss_hessian` are made of it. Use it directly in loops: it
    converts the model's parameters once and doesn't check its arguments.

    Args:
        model: what is being asked. Its batch dimensions broadcast against those of the weights.
        like: an array whose namespace, dtype and device are used; default NumPy, float64.

    Raises:
        ValueError: if the model has more features than enumeration can do.
    """

    def __init__(self, model: ToyModel, like: Array | None = None) -> None:
        """Convert the model's parameters."""
        if model.n_features > MAX_ENUMERATED_FEATURES:
            raise ValueError(
                f"exact enumeration handles n_features up to {MAX_ENUMERATED_FEATURES}, got {model.n_features}"
            )
        self.model = model
        like = np.zeros(()) if like is None else like
        self._xp = array_api_compat.array_namespace(like)
        self._placement = {"dtype": like.dtype, "device": array_api_compat.device(like)}
        patterns = list(model.features.patterns(model.n_features))
        self._patterns = [(active, self._convert(chance)[..., None]) for active, chance in patterns]
        self._importance = self._convert(model.importances())
        self._second_moment = self._convert(
            sum(chance[..., None] * np.isin(np.arange(model.n_features), active) / 3 for active, chance in patterns)
        )

    def _convert(self, array: Any) -> Array:
        return self._xp.asarray(np.array(array), **self._placement)

    def loss(self, weights: Array, bias: Array) -> Array:
        """Return L, shape (...); see `expected_loss`."""
        return self._xp.sum(self._importance * self.output_losses(weights, bias), axis=-1)

    def output_losses(self, weights: Array, bias: Array) -> Array:
        """Return E(x_i − x'_i)² for each output, shape (..., n), without the importances."""
        value, _, _ = self._outputs(_gram(weights), bias, order=0)
        return value

    def loss_and_gradient(self, weights: Array, bias: Array) -> tuple[Array, Array, Array]:
        """Return L and its derivatives in the weights and the bias; see `loss_gradient`."""
        value, slopes, _ = self._outputs(_gram(weights), bias, order=1)
        loss, d_gram, d_bias = self._weigh(value, slopes)
        return loss, weights @ (d_gram + d_gram.mT), d_bias

    def loss_gradient_hessian(self, weights: Array, bias: Array) -> tuple[Array, Array, Array, Array]:
        """Return L, its derivatives in the weights and the bias, and its Hessian; see `loss_hessian`."""
        xp, n, m = self._xp, self.model.n_features, self.model.n_hidden
        value, slopes, rows = self._outputs(_gram(weights), bias, order=2)
        loss, d_gram, d_bias = self._weigh(value, slopes)
        # Second derivatives in (G_i·, b_i), output by output, pulled back along (W, b) -> (G_i·, b_i) …
        jacobian = self._row_jacobian(weights)
        rows = self._importance[..., None, None] * rows
        hessian = xp.sum(jacobian.mT @ rows @ jacobian, axis=-3)
        # … and the curvature of that map: ∂²G_ij / ∂W_hk ∂W_hl = δ_ik δ_jl + δ_il δ_jk.
        curvature = d_gram + d_gram.mT
        zero = xp.zeros((*hessian.shape[:-2], n, n), **self._placement)
        blocks = [[curvature + zero if h == g else zero for g in range(m)] + [zero] for h in range(m)]
        blocks.append([zero] * (m + 1))
        hessian = hessian + xp.concat([xp.concat(row, axis=-1) for row in blocks], axis=-2)
        return loss, weights @ curvature, d_bias, hessian

    def _weigh(self, value: Array, slopes: Array) -> tuple[Array, Array, Array]:
        """Return L, ∂L/∂G and ∂L/∂b from the outputs' losses and derivatives."""
        slopes = self._importance[..., None] * slopes
        return self._xp.sum(self._importance * value, axis=-1), slopes[..., :-1], slopes[..., -1]

    def _sorted_slopes(self, gram: Array, active: tuple[int, ...]) -> tuple[list[Array], list[Array], Array]:
        """Return the slopes G_ij, j ∈ A, ordered by size, the matching flags i = j, and the inverse order."""
        xp, device = self._xp, self._placement["device"]
        slopes = xp.stack([gram[..., j] for j in active], axis=-1)
        own = xp.arange(self.model.n_features, device=device)[:, None] == xp.asarray(active, device=device)
        own = xp.astype(own, slopes.dtype) + xp.zeros_like(slopes)
        order = xp.argsort(xp.abs(slopes), axis=-1)
        slopes, own = _gather(xp, slopes, order), _gather(xp, own, order)
        columns = range(len(active))
        return [slopes[..., c] for c in columns], [own[..., c] for c in columns], xp.argsort(order, axis=-1)

    def _outputs(self, gram: Array, bias: Array, order: int) -> tuple[Array, Array | None, Array | None]:
        """Return each output's E(x_i − x'_i)² and, up to `order`, its derivatives in (G_i·, b_i).

        Shapes (..., n), (..., n, n + 1) and (..., n, n + 1, n + 1).
        """
        xp, n = self._xp, self.model.n_features
        value = self._second_moment
        first: dict[int, Array] = {}
        second: dict[tuple[int, int], Array] = {}
        for active, chance in self._patterns:
            terms = self._pattern_terms(gram, bias, active, order)
            value = value + chance * terms[0]
            variables = (*active, n)
            if order > 0:
                for c, j in enumerate(variables):
                    first[j] = first.get(j, 0) + chance * terms[1][c]
            if order > 1:
                for (c, d), term in terms[2].items():
                    key = variables[c], variables[d]
                    second[key] = second.get(key, 0) + chance * term
        # Rounding may take the loss of a perfect output below zero.
        value = xp.maximum(value, xp.zeros_like(value))
        gradient = xp.stack([first[j] for j in range(n + 1)], axis=-1) if order else None
        if order < 2:
            return value, gradient, None
        rows = [[second[min(j, k), max(j, k)] for k in range(n + 1)] for j in range(n + 1)]
        return value, gradient, xp.stack([xp.stack(row, axis=-1) for row in rows], axis=-2)

    def _pattern_terms(
        self, gram: Array, bias: Array, active: tuple[int, ...], order: int
    ) -> tuple[Array, list[Array], dict[tuple[int, int], Array]]:
        """Return one pattern's ∫_{z_i > 0} z_i (z_i − 2 t_i) du and its derivatives, shape (..., n) each.

        The derivatives are in (G_ij, j ∈ A; b_i), the second ones for each ordered pair of places.
        """
        xp, size = self._xp, len(active)
        if not active:
            on = xp.maximum(bias, xp.zeros_like(bias))
            return on**2, [2 * on], {(0, 0): 2 * xp.astype(bias > 0, bias.dtype)}
        slopes, own, back = self._sorted_slopes(gram, active)
        offset = bias + xp.zeros_like(slopes[0])
        nodes, w = volume_rule(xp, slopes, offset)
        z, t = _output(offset, slopes, own, nodes)
        value = xp.sum(w * z * (z - 2 * t), axis=-1)
        if order == 0:
            return value, [], {}
        residual = 2 * w * (z - t)
        first = _unsort(xp, [xp.sum(residual * u, axis=-1) for u in nodes], back)
        first.append(xp.sum(residual, axis=-1))
        if order == 1:
            return value, first, {}
        u = [*_unsort(xp, nodes, back[..., None, :]), xp.ones_like(w)]
        facet, v = facet_rule(xp, slopes, offset)
        _, t = _output(offset, slopes, own, facet)
        f = [*_unsort(xp, facet, back[..., None, :]), xp.ones_like(v)]
        second = {
            (c, d): 2 * (xp.sum(w * u[c] * u[d], axis=-1) - xp.sum(v * t * f[c] * f[d], axis=-1))
            for c in range(size + 1)
            for d in range(c, size + 1)
        }
        return value, first, second

    def _row_jacobian(self, weights: Array) -> Array:
        """Return ∂(G_i·, b_i)/∂(W, b), shape (..., n, n + 1, P): ∂G_ij/∂W_hk = δ_jk W_hi + δ_ik W_hj."""
        xp, n, m = self._xp, self.model.n_features, self.model.n_hidden
        eye = xp.eye(n, **self._placement)
        batch = weights.shape[:-2]
        parts = []
        for h in range(m):
            row = weights[..., h, :]
            d_row = eye * row[..., :, None, None] + eye[:, None, :] * row[..., None, :, None]
            parts.append(xp.concat([d_row, xp.zeros((*batch, n, 1, n), **self._placement)], axis=-2))
        d_bias = xp.concat([xp.zeros((n, n, n), **self._placement), eye[:, None, :]], axis=-2)
        parts.append(d_bias + xp.zeros((*batch, n, n + 1, n), **self._placement))
        return xp.concat(parts, axis=-1)


def _gram(weights: Array) -> Array:
    return weights.mT @ weights


def _gather(xp: Any, array: Array, order: Array) -> Array:
    return xp.take_along_axis(array, order, axis=-1)


def _unsort(xp: Any, arrays: list[Array], back: Array) -> list[Array]:
    """Undo `_sorted_slopes`'s ordering of a list of arrays; `back` has the list's place as its last axis."""
    if len(arrays) == 1:
        return arrays
    unsorted = []
    for c in range(len(arrays)):
        chosen = arrays[0]
        for place in range(1, len(arrays)):
            chosen = xp.where(back[..., c] == place, arrays[place], chosen)
        unsorted.append(chosen)
    return unsorted


def _output(bias: Array, slopes: list[Array], own: list[Array], nodes: list[Array]) -> tuple[Array, Array]:
    """Return the pre-activation z and the target t at the nodes, shape (..., n, N)."""
    z = bias[..., None] + sum(s[..., None] * u for s, u in zip(slopes, nodes, strict=True))
    t = sum(o[..., None] * u for o, u in zip(own, nodes, strict=True))
    return z, t


def _checked(model: ToyModel, weights: Array, bias: Array) -> tuple[Array, Array]:
    """Return weights and bias as floating-point arrays of one namespace, or raise `ValueError`."""
    if not isinstance(model, ToyModel):
        raise ValueError(f"model must be a ToyModel, got {type(model).__name__}")
    if not (array_api_compat.is_torch_array(weights) and array_api_compat.is_torch_array(bias)):
        if array_api_compat.is_torch_array(weights) or array_api_compat.is_torch_array(bias):
            raise ValueError(
                "weights and bias must both be torch tensors or neither, got "
                f"{type(weights).__name__} and {type(bias).__name__}"
            )
        try:
            weights, bias = np.asarray(weights, dtype=np.float64), np.asarray(bias, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ValueError(f"weights and bias must be arrays of real numbers: {error}") from error
    xp = array_api_compat.array_namespace(weights, bias)
    if not xp.isdtype(weights.dtype, "real floating") or weights.dtype != bias.dtype:
        raise ValueError(f"weights and bias must share one floating-point dtype, got {weights.dtype} and {bias.dtype}")
    m, n = model.n_hidden, model.n_features
    if weights.ndim < 2 or tuple(weights.shape[-2:]) != (m, n):
        raise ValueError(f"weights must have shape (..., {m}, {n}), got {tuple(weights.shape)}")
    if bias.ndim < 1 or bias.shape[-1] != n:
        raise ValueError(f"bias must have shape (..., {n}), got {tuple(bias.shape)}")
    try:
        np.broadcast_shapes(tuple(weights.shape[:-2]), tuple(bias.shape[:-1]), model.batch_shape)
    except ValueError:
        raise ValueError(
            f"batch shapes of weights {tuple(weights.shape[:-2])}, bias {tuple(bias.shape[:-1])} and model "
            f"{model.batch_shape} don't broadcast"
        ) from None
    for name, array in (("weights", weights), ("bias", bias)):
        if not bool(xp.all(xp.isfinite(array))):
            raise ValueError(f"{name} must be finite, got NaN or infinite entries")
    return weights, bias


def expected_loss(model: ToyModel, weights: Array, bias: Array) -> Array:
    """Return the exact expected loss L = Σ_i I_i E(x_i − x'_i)².

    Args:
        model: the record of sizes, input law and importances.
        weights: W, shape (..., n_hidden, n_features).
        bias: b, shape (..., n_features).

    Returns:
        L, shape (...): the broadcast of the batch shapes of model, weights and bias. NumPy in, NumPy out; torch
        tensors in, a tensor out that autograd differentiates. The error in float64 is below 1e-12 relative to
        Σ_i I_i E[x_i²] + L.

    Raises:
        ValueError: if shapes don't fit, an entry isn't finite, or the model has too many features to enumerate.

    Example:
        >>> from tegum.theory import IndependentFeatures, ToyModel
        >>> model = ToyModel(2, 1, IndependentFeatures(0.5))
        >>> round(float(expected_loss(model, [[1.0, -1.0]], [0.0, 0.0])), 12)  # (1 + r) p² / 6
        0.083333333333
    """
    weights, bias = _checked(model, weights, bias)
    return ExactLoss(model, like=weights).loss(weights, bias)


def loss_gradient(model: ToyModel, weights: Array, bias: Array) -> tuple[Array, Array]:
    """Return the exact gradient of the expected loss.

    Where an output sits at zero for a set of inputs of positive probability (b_i = 0 and a pattern whose overlaps
    all vanish) the ReLU's derivative is taken as 0, as torch does.

    Args:
        model: the record of sizes, input law and importances.
        weights: W, shape (..., n_hidden, n_features).
        bias: b, shape (..., n_features).

    Returns:
        ∂L/∂W, shape (..., n_hidden, n_features), and ∂L/∂b, shape (..., n_features).

    Raises:
        ValueError: as `expected_loss`.
    """
    weights, bias = _checked(model, weights, bias)
    _, d_weights, d_bias = ExactLoss(model, like=weights).loss_and_gradient(weights, bias)
    return d_weights, d_bias


def loss_hessian(model: ToyModel, weights: Array, bias: Array) -> Array:
    """Return the exact Hessian of the expected loss.

    The gradient is continuous but for dead outputs; the Hessian jumps where a corner of the input cube crosses
    z_i = 0 along with a whole pattern, and there this is the value with that pattern's output off.

    Args:
        model: the record of sizes, input law and importances.
        weights: W, shape (..., n_hidden, n_features).
        bias: b, shape (..., n_features).

    Returns:
        Shape (..., P, P) with P = (n_hidden + 1) n_features, the parameters ordered as the weights row by row and
        then the biases.

    Raises:
        ValueError: as `expected_loss`.
    """
    weights, bias = _checked(model, weights, bias)
    return ExactLoss(model, like=weights).loss_gradient_hessian(weights, bias)[3]
