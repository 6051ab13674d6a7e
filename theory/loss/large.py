r"""The exact loss where its squares would overflow: the same sums of numbers near 1, multiplied back at the end.

With powers of two t = 2^g of the largest amplitude's size and 2^f of the size of z_i, x = 2^g x' and z_i = 2^f z'_i,

    E(x_i − ReLU(z_i))² = 4^f { 2 E[R_2(z')] − 2 · 2^(g−f) E[x'_i R_1(z')] } + 4^g E[x'_i²] ,

whose braces hold numbers of size 1 at most. Importances and penalties multiply it as fractions and exponents, so that a
result overflows only if the true one does. Only models with numbers that large come here; NumPy in float64 does it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from ..models import Amplitude, ToyModel
from ..numerics import Array, FloatArray, as_numpy, precise_gram
from .chain_rule import ChainRule, common_batch
from .evaluation import Evaluation
from .moments import PatternMoments
from .penalties import positive_part
from .signed_sums import Refusal, SignedSums, TooManyPatternsError

Exponents = NDArray[np.int64]
# Fractions and exponents of numbers.
Parts = tuple[FloatArray, Exponents]

# Sizes from which numbers are scaled, by type: weights; biases, which are as large as products of weights; importances,
# penalties and amplitudes. What is made of smaller ones has at most their sixth power, which doesn't overflow.
LIMITS = {"float64": (2.0**140, 2.0**280, 2.0**100), "float32": (2.0**16, 2.0**32, 2.0**12)}
# An exponent smaller than any that matters. And how far numbers of size 1 are lifted, so that what is left of them
# after cancelling and multiplying with probabilities has all its digits.
NEVER, LIFT = -(1 << 30), 600
LIFTED = 2.0 ** (LIFT + 1)
# An amplitude that has no other number beside the largest.
SMALLEST = 2.0**-1074

Plain = Callable[[Array, Array], Evaluation]


def has_large_parameters(model: ToyModel, dtype: str = "float64") -> bool:
    """Return whether importances, penalties or amplitudes are so large that all losses are scaled."""
    limit = LIMITS[dtype][2]
    penalties = (model.interference_penalty, model.weight_penalty, model.activation_penalty)
    largest = max(float(values.max(initial=0)) for values in (model.importance, *penalties))
    return bool(max(largest, model.features.largest) >= limit)


def large(model: ToyModel, weights: Array, bias: Array) -> NDArray[np.bool_] | None:
    """Return which losses are scaled, shape (...), the broadcast of all batch shapes; None if there are none."""
    dtype = "float32" if "32" in str(weights.dtype) else "float64"
    of_weights, of_bias, _ = LIMITS[dtype]
    batch = common_batch(model, weights.shape[:-2], bias.shape[:-1])
    if has_large_parameters(model, dtype):
        return np.ones(batch, dtype=bool)
    xp = array_api_compat.array_namespace(weights)
    if bool(xp.all(xp.abs(weights) < of_weights) & xp.all(xp.abs(bias) < of_bias)):
        # A device tells that much faster than it hands over everything.
        return None
    W, b = as_numpy(weights), as_numpy(bias)
    # What isn't a number isn't small.
    found = ~(np.abs(W) < of_weights).all(axis=(-2, -1)) | ~(np.abs(b) < of_bias).all(axis=-1)
    return np.broadcast_to(found, batch)


def scaled_where(
    where: NDArray[np.bool_],
    chain_rule: ChainRule,
    weights: Array,
    bias: Array,
    order: int,
    outputs: bool,
    plain: Plain,
) -> Evaluation:
    """Return an evaluation that scales some models, and leaves the others to an engine.

    Args:
        where: which are scaled, shape (...).
        chain_rule: of the model.
        weights: W, shape (..., m, n).
        bias: b, shape (..., n).
        order: derivatives wanted.
        outputs: whether the losses of outputs are wanted.
        plain: evaluates weights and biases that aren't large.
    """
    model, xp = chain_rule.model, array_api_compat.array_namespace(weights)
    batch, m, n = where.shape, model.n_hidden, model.n_features
    found = None
    if not where.all():
        flags = xp.asarray(np.array(where), device=array_api_compat.device(weights))
        calm_weights = xp.where(flags[..., None, None], xp.zeros_like(weights), weights)
        found = plain(calm_weights, xp.where(flags[..., None], xp.zeros_like(bias), bias))
    chosen = np.flatnonzero(where)
    W = np.broadcast_to(as_numpy(weights), (*batch, m, n)).reshape(-1, m, n)[chosen]
    b = np.broadcast_to(as_numpy(bias), (*batch, n)).reshape(-1, n)[chosen]
    mine = model
    if model.batch_shape:
        places = np.arange(int(np.prod(model.batch_shape))).reshape(model.batch_shape)
        rows = np.broadcast_to(places, batch).reshape(-1)[chosen]
        mine = model.take(np.unravel_index(rows, model.batch_shape))
    parts = scaled(mine, W, b, order, outputs)
    merged = {}
    for name, part in parts.items():
        shape = (*batch, *part.shape[1:])
        whole = np.empty(shape) if found is None else np.array(np.broadcast_to(as_numpy(getattr(found, name)), shape))
        whole.reshape(-1, *part.shape[1:])[chosen] = part
        with np.errstate(over="ignore"):
            merged[name] = xp.asarray(whole, dtype=weights.dtype, device=array_api_compat.device(weights))
    return Evaluation(bound=partial(chain_rule.error, weights, bias, None, None, order), **merged)


def scaled(model: ToyModel, weights: FloatArray, bias: FloatArray, order: int, outputs: bool) -> dict[str, Any]:
    """Return the fields of an `Evaluation` that were asked for, by name.

    Args:
        model: of batch shape () or (B,).
        weights: W, shape (B, m, n).
        bias: b, shape (B, n).
        order: derivatives wanted.
        outputs: whether the losses of outputs are wanted.
    """
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        return _Scaled(model, weights, bias).fields(order, outputs)


class _Scaled:
    """Fractions and exponents of everything that a loss is made of."""

    def __init__(self, model: ToyModel, weights: FloatArray, bias: FloatArray) -> None:
        """Scale amplitudes, weights and outputs, each by a power of two."""
        n = model.n_features
        self.g = int(np.frexp(model.features.largest)[1])
        law = model.features.with_amplitude(model.features.amplitude.mapped(partial(_divided, exponent=self.g)))
        self.model = ToyModel(n, model.n_hidden, law, targets=model.targets)
        self.given, self.weights = model, weights
        batch = (len(weights),)
        self.importance = np.broadcast_to(model.importances(), (*batch, n))
        self.penalties = [
            np.broadcast_to(values, batch)
            for values in (model.interference_penalty, model.weight_penalty, model.activation_penalty)
        ]
        # Of W, G and z.
        self.of_columns = np.frexp(np.abs(weights).max(axis=-2))[1].astype(np.int64)
        self.of_gram = self.of_columns[:, :, None] + self.of_columns[:, None, :]
        self.gram, short = precise_gram(np.ldexp(weights, -self.of_columns[:, None, :]))
        room = int(np.ceil(np.log2(model.n_hidden * n))) + 1
        of_terms = np.where(self.gram != 0, self.of_gram + self.g + room, NEVER).max(axis=-1)
        self.f = np.maximum(np.maximum(of_terms, np.frexp(bias)[1] + 1), self.g)
        down = self.of_gram + self.g - self.f[..., None]
        self.slopes, self.short = np.ldexp(self.gram, down), np.ldexp(short, down)
        self.offset, self.share = np.ldexp(bias, -self.f), np.ldexp(1.0, self.g - self.f)

    def fields(self, order: int, outputs: bool) -> dict[str, Any]:
        """Return the fields of an `Evaluation`."""
        value, first, second = self._expectations(order)
        found: dict[str, Any] = {"loss": self._losses(value, self.importance).sum(axis=-1)}
        if outputs:
            found["output_losses"] = self._losses(value, np.ones_like(self.importance))
        interference, decay, _ = self.penalties
        apart = self.gram * (1 - np.eye(self.model.n_features))
        found["loss"] = found["loss"] + _product(
            interference[:, None, None], apart, apart, exponent=2 * self.of_gram
        ).sum(axis=(-2, -1))
        length = np.diagonal(self.gram, axis1=-2, axis2=-1)
        found["loss"] = found["loss"] + _product(decay[:, None], length, exponent=2 * self.of_columns).sum(axis=-1)
        slopes: list[Parts] = []
        bends: list[Parts] = []
        if first is not None:
            curvature, c = self._curvature(first, apart)
            E = _exponent(self.weights, (-2, -1))
            pulled = np.ldexp(self.weights, -E[:, None, None]) @ curvature
            slopes.append(_parts(pulled, exponent=(c + E)[:, None, None]))
            found["d_bias"] = _product(self.importance, first[..., -1], exponent=self.f - LIFT)
            if second is not None:
                bends.append(self._hessian(second, curvature, c, E))
        if self.given.activation_penalty.any():
            found["loss"] = found["loss"] + self._activations(order, slopes, bends)
        if first is not None:
            found["d_weights"] = _total(slopes)
            if second is not None:
                found["hessian"] = _total(bends)
        return found

    def _expectations(self, order: int) -> tuple[FloatArray, FloatArray | None, FloatArray | None]:
        """Return what the braces hold, and derivatives in (the slopes, the offset) of z', shapes (B, n, ...).

        All but second derivatives are multiplied with 2^LIFT.
        """
        law, n, batch = self.model.features, self.model.n_features, (len(self.weights),)
        slopes, short = (np.ascontiguousarray(part.transpose(2, 1, 0)) for part in (self.slopes, self.short))
        sums = SignedSums(law, n, np.zeros(()), own_on=self.model.targets == "active")
        plan = sums.plan(slopes, range(n))
        if isinstance(plan, Refusal):
            raise TooManyPatternsError(plan.reason)
        arguments = plan, slopes, np.ascontiguousarray(self.offset.T)
        parts = [sums.evaluate(*arguments, part, order, batch, short) for part in (_of_output, _of_both)]
        own, both = ([None if a is None else np.moveaxis(a, (-1, -2), (0, 1)) for a in part] for part in parts)

        def joined(k: int) -> Any:
            a, b = own[k], both[k]
            return None if a is None else a + self.share.reshape(*self.share.shape, *(1,) * k) * b

        return joined(0), joined(1), joined(2)

    def _losses(self, value: FloatArray, factor: FloatArray) -> FloatArray:
        """Return multiples of the outputs' losses, shape (B, n)."""
        signal = self.model.second_moments()
        parts = [_parts(factor, value, exponent=2 * self.f - LIFT), _parts(factor, signal, exponent=2 * self.g)]
        return np.maximum(_total(parts), 0)

    def _curvature(self, first: FloatArray, apart: FloatArray) -> tuple[FloatArray, Exponents]:
        """Return Γ + Γᵀ as fractions, shape (B, n, n), and their exponent, shape (B,)."""
        interference, decay, _ = self.penalties
        parts = [
            _parts(self.importance[..., None], first[..., :-1], exponent=self.f[..., None] + self.g - LIFT),
            _parts(2 * interference[:, None, None], apart, exponent=self.of_gram),
            _parts(decay[:, None, None], np.eye(self.model.n_features)[None], exponent=np.zeros((1, 1, 1), dtype=int)),
        ]
        highest = [np.where(x != 0, e, NEVER).max(axis=(-2, -1)) for x, e in parts]
        c = np.max(highest, axis=0)
        total = sum(np.ldexp(x, np.maximum(e - c[:, None, None], NEVER)) for x, e in parts)
        return np.asarray(total + np.swapaxes(total, -1, -2)), c

    def _hessian(self, second: FloatArray, curvature: FloatArray, c: Exponents, E: Exponents) -> Parts:
        """Return fractions and exponents of the Hessian: that of weights divided by a power of two."""
        n, m, g = self.model.n_features, self.model.n_hidden, self.g
        top = np.maximum(_exponent(self.importance, (-1,)), np.frexp(self.penalties[0])[1] - 2 * g)
        second = np.ldexp(self.importance, -top[:, None])[..., None, None] * second
        bend = np.ldexp(2 * self.penalties[0], -top - 2 * g)
        for i in range(n):
            for j in range(n):
                if i != j:
                    second[:, i, j, j] += bend
        down = np.maximum(E, (c - top - 2 * g + 1) // 2)
        curvature = np.ldexp(curvature, (c - top - 2 * g - 2 * down)[:, None, None])
        small = np.ldexp(self.weights, -down[:, None, None])
        rule = ChainRule(self.model, np.zeros(()))
        hessian = rule.pull_back(small, np.moveaxis(second, 1, -1), curvature)
        of_parameters = np.concatenate(
            [np.repeat((g + down)[:, None], m * n, axis=1), np.zeros((len(E), n), int)], axis=1
        )
        return _parts(hessian, exponent=top[:, None, None] + of_parameters[:, :, None] + of_parameters[:, None, :])

    def _activations(self, order: int, slopes_in_weights: list[Parts], bends: list[Parts]) -> FloatArray:
        """Return λ_A E‖W x‖₁, shape (B,), and append its derivatives to those of everything else, unit by unit."""
        n, penalty, batch = self.model.n_features, self.penalties[2][:, None, None], (len(self.weights),)
        total: Any = 0.0
        in_weights, size = np.zeros_like(self.weights), self.weights[0].size + n
        in_both, exponents = (np.zeros((*batch, size, size), dtype) for dtype in (float, np.int64))
        sums = SignedSums(self.model.features, n, np.zeros(()))
        for h in range(self.model.n_hidden):
            row = self.weights[:, h]
            E = _exponent(row, (-1,))
            scaled_row = np.ldexp(row, -E[:, None]).T
            slopes = np.stack([scaled_row, -scaled_row], axis=1)
            plan = sums.plan(slopes, [None, None])
            if isinstance(plan, Refusal):
                raise TooManyPatternsError(plan.reason)
            value, first, second = sums.evaluate(plan, slopes, np.zeros((2, *batch)), positive_part, order, batch)
            total = total + _product(penalty[:, 0, 0], value.sum(axis=0), exponent=E + self.g)
            if first is not None:
                in_weights[:, h] = (first[:n, 0] - first[:n, 1]).T
            if second is not None:
                at = slice(h * n, (h + 1) * n)
                in_both[:, at, at] = np.moveaxis(second[:n, :n].sum(axis=2), -1, 0)
                exponents[:, at, at] = (self.g - E)[:, None, None]
        if order:
            slopes_in_weights.append(_parts(penalty, in_weights, exponent=self.g))
        if order > 1:
            bends.append(_parts(penalty, in_both, exponent=exponents))
        return np.asarray(total)


def _divided(amplitude: Amplitude, exponent: int) -> Amplitude:
    """Return an amplitude divided by a power of two."""
    low, high = (float(np.ldexp(float(end), -exponent)) for end in (amplitude.low, amplitude.high))
    # What is too small beside the largest counts as a constant that is small as well.
    return Amplitude(low, high) if low or high else Amplitude(SMALLEST, SMALLEST)


def _of_output(moments: PatternMoments, order: int) -> tuple[Array, Array | None, Array | None]:
    """Return ReLU(z)² and its first derivatives, lifted, and the second, given a pattern."""
    value = LIFTED * moments.squared
    if order == 0:
        return value, None, None
    if order == 1:
        return value, LIFTED * moments.linear, None
    assert moments.pair_step is not None
    return value, LIFTED * moments.linear, 2 * moments.pair_step


def _of_both(moments: PatternMoments, order: int) -> tuple[Array, Array | None, Array | None]:
    """Return −2 x_0 ReLU(z) and its first derivatives, lifted, and the second, given a pattern."""
    value = 0 * moments.squared if moments.own_linear is None else -LIFTED * moments.own_linear
    if order == 0:
        return value, None, None
    first = 0 * moments.linear if moments.own_step is None else -LIFTED * moments.own_step
    if order == 1:
        return value, first, None
    assert moments.pair_step is not None
    second = 0 * moments.pair_step if moments.own_delta is None else -2 * moments.own_delta
    return value, first, second


def _exponent(array: FloatArray, axes: tuple[int, ...]) -> Exponents:
    return np.asarray(np.frexp(np.abs(array).max(axis=axes))[1], dtype=np.int64)


def _parts(*factors: FloatArray, exponent: Any) -> Parts:
    """Return the fraction and the exponent of a product of numbers and a power of two."""
    fraction: Any = 1.0
    for factor in factors:
        part, more = np.frexp(factor)
        fraction, exponent = fraction * part, exponent + more.astype(np.int64)
    return fraction, np.asarray(exponent)


def _product(*factors: FloatArray, exponent: Any) -> FloatArray:
    """Return a product of numbers and a power of two, which overflows only as a whole."""
    return np.asarray(np.ldexp(*_parts(*factors, exponent=exponent)))


def _total(parts: list[Parts]) -> FloatArray:
    """Return sums of numbers, which overflow only as a whole: infinities of both signs would have none."""
    top: Any = np.max(np.broadcast_arrays(*(np.where(x != 0, e, NEVER) for x, e in parts)), axis=0)
    total: Any = sum(np.ldexp(x, np.maximum(e - top, NEVER)) for x, e in parts)
    return np.asarray(np.ldexp(total, top))
