r"""The exact loss as a sum over finitely many inputs: constant amplitudes, and inputs that are listed.

Where an input takes only the values x_k, with probabilities w_k, there is nothing to integrate. With
z_ki = b_i + Σ_j G_ij x_kj and x̃ = (x, 1)

    E(x_i − x'_i)² = Σ_k w_k ρ_ki² ,   ρ_ki = x_ki − max(z_ki, 0) ,

its derivative in (G_i·, b_i) is −2 Σ_k w_k ρ_ki R_0(z_ki) x̃_k, and the second one 2 Σ_k w_k R_0(z_ki) x̃_k x̃_kᵀ, with
R_0(0) = 0 on kinks. The signs of z near 0 are decided with twice the digits. docs/loss.md bounds the rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property, partial
from itertools import islice
from typing import Any

import array_api_compat
import numpy as np

from ..models import DataFeatures, FeatureLaw, ToyModel
from ..numerics import (
    Array,
    FloatArray,
    as_numpy,
    check_kind,
    check_like,
    gamma,
    precise_gram,
    splitter,
    two_product,
    two_sum,
)
from .arrays import ArrayEngine
from .chain_rule import ChainRule, common_batch
from .evaluation import Evaluation, Expectations
from .large import LIMITS, large

# Inputs that are summed over: so many instead of enumeration, and so many instead of transforms, which are not exact
# to more than 1e-9 and slow where amplitudes are constant.
FEW_INPUTS, MOST_INPUTS = 1 << 16, 1 << 20
# Probabilities that a batch of laws may have.
MOST_CHANCES = 1 << 24
# Numbers that one part of a sum holds.
NUMBERS = {"cpu": 1 << 21, "cuda": 1 << 26}
LARGE = (
    f"losses are summed over data for weights below {LIMITS['float64'][0]:.0e}, biases below "
    f"{LIMITS['float64'][1]:.0e}, and importances, penalties and inputs below {LIMITS['float64'][2]:.0e} in float64, "
    "got larger ones: other units make them smaller"
)
# Terms of z so many times as large as the largest input count as large; and z is as precise as it can be where it is
# less than this share of them.
STEEP, STEEP_SHARE = 32.0, 8
# What in one rounded computation is this much above a limit is above it in any.
SURE = 1.01
# Operations of a residual and its square beside its z, and of a probability and an importance.
FEW = 8


def listed_inputs(law: FeatureLaw, n_features: int, most: int = MOST_INPUTS) -> tuple[FloatArray, FloatArray] | None:
    """Return the inputs that a law can give and their probabilities, or None unless they are at most so many.

    Args:
        law: of batch shape (...).
        n_features: number of features n.
        most: inputs.

    Returns:
        Shapes (K, n) and (..., K).
    """
    if isinstance(law, DataFeatures):
        return law.inputs, law.chances_of_inputs()
    if not law.amplitude.is_constant:
        return None
    most = min(most, MOST_CHANCES // max(int(np.prod(law.batch_shape)), 1))
    blocks, count = [], 1
    for _, states in law.block_states(n_features):
        found = list(islice(states, most // count + 1))
        count *= len(found)
        if count > most:
            return None
        blocks.append(found)
    sizes, _ = law.amplitude.ends(n_features)
    inputs, chances = np.zeros((1, n_features)), np.ones((*law.batch_shape, 1))
    for found in blocks:
        part = np.zeros((len(found), n_features))
        for row, (active, _) in zip(part, found, strict=True):
            row[list(active)] = sizes[list(active)]
        shares = np.moveaxis(np.array([chance for _, chance in found], dtype=np.float64), 0, -1)
        inputs = (inputs[:, None] + part).reshape(-1, n_features)
        chances = (chances[..., :, None] * shares[..., None, :]).reshape(*law.batch_shape, len(inputs))
    # Those that no law of the batch has; without laws there is none that has them.
    possible = ~(chances == 0).reshape(-1, len(inputs)).all(axis=0) | (chances.size == 0)
    return inputs[possible], chances[..., possible]


class SummedEngine:
    """The exact loss of one `ToyModel` whose inputs are finitely many, penalties included.

    Args:
        model: what is being asked: a law of constant amplitudes, or `DataFeatures`. Its batch dimensions broadcast
            against those of the weights.
        like: an array whose namespace, dtype and device are used; default NumPy, float64.

    Attributes:
        model: what is being asked.

    Raises:
        ValueError: if there are more than 2²⁰ inputs, or amplitudes vary.

    Example:
        >>> from tegum.theory import IndependentFeatures
        >>> engine = SummedEngine(ToyModel(2, 1, IndependentFeatures(0.5, amplitude="constant")))
        >>> float(engine.evaluate(np.array([[1.0, -1.0]]), np.zeros(2), 0).loss)  # both on: z = 0, each costs 1
        0.5
    """

    def __init__(self, model: ToyModel, like: Array | None = None) -> None:
        """List the inputs."""
        check_kind("model", model, ToyModel)
        if like is not None:
            check_like(like)
        found = listed_inputs(model.features, model.n_features)
        if found is None:
            raise ValueError(
                f"losses are summed over at most {MOST_INPUTS} inputs of constant amplitudes or of DataFeatures, got "
                f"{type(model.features).__name__} of {model.n_features} features"
            )
        self._begin(model, np.zeros(()) if like is None else like, *found)

    @classmethod
    def of(cls, model: ToyModel, like: Array, most: int = FEW_INPUTS) -> SummedEngine | None:
        """Return the engine of a model whose inputs are at most so many, or None."""
        found = listed_inputs(model.features, model.n_features, most)
        if found is None:
            return None
        engine = object.__new__(cls)
        engine._begin(model, like, *found)
        return engine

    def _begin(self, model: ToyModel, like: Array, inputs: FloatArray, chances: FloatArray) -> None:
        self.model, self._like, self._listed = model, like, (inputs, chances)
        self._xp = array_api_compat.array_namespace(like)
        self._is_numpy = array_api_compat.is_numpy_namespace(self._xp)
        self._device = array_api_compat.device(like)
        self._chain_rule = ChainRule(model, like)

    def take(self, index: Any) -> SummedEngine:
        """Return the engine of some models of the batch. It shares the inputs."""
        part = object.__new__(SummedEngine)
        model = self.model.take(index)
        inputs, chances = self._listed
        count = len(inputs)
        chosen = np.broadcast_to(chances, (*self.model.batch_shape, count))[index] if chances.ndim > 1 else chances
        part._begin(model, self._like, inputs, chosen)
        return part

    def evaluate(self, weights: Array, bias: Array, order: int, *, outputs: bool = False) -> Evaluation:
        """Return the loss and its derivatives; see `Engine`.

        Raises:
            ValueError: if numbers are so large that only enumeration scales them.
        """
        if large(self.model, weights, bias) is not None:
            if isinstance(self.model.features, DataFeatures):
                raise ValueError(LARGE)
            return ArrayEngine(self.model, self._like).evaluate(weights, bias, order, outputs=outputs)
        found = self._outputs(weights, bias, order)
        activations = self._activations(weights, order) if self._chain_rule.on_activations else None
        whole = self._chain_rule.evaluation(weights, bias, found, activations, with_outputs=outputs)
        return whole._replace(bound=partial(self._bound, weights, bias, order))

    def outputs(self, weights: Array, bias: Array, order: int) -> Expectations:
        """Return each output's E(x_i − x'_i)² and its derivatives, with bounds on the rounding of the former."""
        return self._outputs(weights, bias, order)._replace(error=self._output_errors(weights, bias))

    def activations(self, weights: Array, order: int) -> Expectations:
        """Return Σ_h E|h| and its derivatives in W, with a bound on the rounding of the former."""
        return self._activations(weights, order)._replace(error=self._activation_error(weights))

    def _bound(self, weights: Array, bias: Array, order: int, loss: Array) -> Array:
        of_units = self._activation_error(weights) if self._chain_rule.on_activations else None
        return self._chain_rule.error(weights, bias, self._output_errors(weights, bias), of_units, order, loss)

    def _place(self, array: Any) -> Array:
        return self._xp.asarray(array, dtype=self._like.dtype, device=self._device)

    @cached_property
    def _inputs(self) -> Array:
        return self._place(np.array(self._listed[0]))

    @cached_property
    def _reach(self) -> Array:
        """The largest size of each feature, shape (n,)."""
        return self._place(np.abs(self._listed[0]).max(axis=0))

    @cached_property
    def _chances(self) -> Array:
        return self._place(np.array(self._listed[1]))

    def _parts(self, count: int) -> Iterator[tuple[slice, slice]]:
        """Yield parts of a flat batch and of the inputs that fit in memory together."""
        kind = "cpu" if self._is_numpy else str(self._device).partition(":")[0]
        room, (total, n) = NUMBERS.get(kind, NUMBERS["cpu"]), self._listed[0].shape
        rows = max(min(room // n, total), 1)
        width = max(room // (rows * n), 1)
        for begin in range(0, count, width):
            for first in range(0, total, rows):
                yield slice(begin, begin + width), slice(first, first + rows)

    def _flat(self, array: Array, batch: tuple[int, ...], kept: int) -> Array:
        """Return an array broadcast to a batch, flattened to one axis."""
        last = tuple(array.shape[array.ndim - kept :])
        return self._xp.reshape(self._xp.broadcast_to(array, (*batch, *last)), (-1, *last))

    def _outputs(self, weights: Array, bias: Array, order: int) -> Expectations:
        xp, n = self._xp, self.model.n_features
        batch = common_batch(self.model, weights.shape[:-2], bias.shape[:-1])
        gram, short = (self._flat(part, batch, 2) for part in precise_gram(weights))
        offset, shares = self._flat(bias, batch, 1), self._flat(self._chances, batch, 1)
        count = offset.shape[0]
        value = self._zeros(count, n)
        first = self._zeros(count, n + 1, n) if order else None
        second = self._zeros(count, n + 1, n + 1, n) if order > 1 else None
        for at, rows in self._parts(count):
            x, w = self._inputs[rows], shares[at, rows]
            z = self._sums(x, gram[at], short[at], offset[at])
            residual = xp.maximum(z, xp.zeros_like(z)) - x
            w = w[..., None]
            if self.model.targets == "active":
                w = w * xp.astype(x != 0, self._like.dtype)
            value[at] += halved_sum(w * (residual * residual), 1)
            if first is None:
                continue
            step = w * xp.astype(z > 0, self._like.dtype)
            extended = xp.concat([x, xp.ones_like(x[:, :1])], axis=1)
            first[at] += 2 * (extended.mT @ (step * residual))
            if second is None:
                continue
            for i in range(n):
                second[at, :, :, i] += 2 * (extended.mT @ (extended * step[..., i, None]))
        found = (None if a is None else xp.reshape(a, (*batch, *a.shape[1:])) for a in (value, first, second))
        return Expectations(*found)

    def _zeros(self, *shape: int) -> Array:
        return self._xp.zeros(shape, dtype=self._like.dtype, device=self._device)

    def _sums(self, x: Array, gram: Array, short: Array, offset: Array) -> Array:
        """Return z, shape (B, K, n), with the signs that twice the digits give it."""
        xp, m = self._xp, self.model.n_hidden
        z = x @ gram + offset[:, None, :]
        sizes = self._reach @ xp.abs(gram) + xp.abs(offset)
        slack = 4 * (x.shape[1] + m + 2) * float(xp.finfo(self._like.dtype).eps)
        share = xp.where(self._is_steep(sizes), 1 / STEEP_SHARE, self._place(slack))
        near = xp.abs(z) <= (share * sizes)[:, None, :]
        if not bool(xp.any(near)):
            return z
        models, rows, outputs = xp.nonzero(near)
        of_model = gram[models, :, outputs], short[models, :, outputs]
        z[models, rows, outputs] = precise_sum(xp, x[rows], *of_model, offset[models, outputs])
        return z

    def _is_steep(self, sizes: Any) -> Any:
        """Return whether the terms of sums are so much larger than inputs that losing digits to them would show."""
        return sizes > STEEP * self.model.features.largest

    def _activations(self, weights: Array, order: int) -> Expectations:
        xp, n, m = self._xp, self.model.n_features, self.model.n_hidden
        batch = common_batch(self.model, weights.shape[:-2])
        w, shares = self._flat(weights, batch, 2), self._flat(self._chances, batch, 1)
        total, slopes = self._zeros(len(w)), self._zeros(len(w), m, n)
        for at, rows in self._parts(len(w)):
            x, share = self._inputs[rows], shares[at, rows]
            hidden = self._sums(x, w[at].mT, 0 * w[at].mT, self._zeros(len(w[at]), m))
            total[at] += halved_sum(share * xp.sum(xp.abs(hidden), axis=-1), 1)
            slopes[at] += (share[..., None] * xp.sign(hidden)).mT @ x
        value = xp.reshape(total, batch)
        if order == 0:
            return Expectations(value, None, None)
        # δ counts as 0 on kinks, and is 0 elsewhere.
        second = self._zeros(*batch, m, n, n) if order > 1 else None
        return Expectations(value, xp.reshape(slopes, (*batch, m, n)), second)

    def _output_errors(self, weights: Array, bias: Array) -> FloatArray:
        """Return bounds on the rounding of the outputs' losses, shape (..., n): docs/loss.md."""
        W, b = as_numpy(weights), as_numpy(bias)
        n, m = self.model.n_features, self.model.n_hidden
        batch = np.broadcast_shapes(self.model.batch_shape, W.shape[:-2], b.shape[:-1])
        W, b = np.broadcast_to(W, (*batch, m, n)).reshape(-1, m, n), np.broadcast_to(b, (*batch, n)).reshape(-1, n)
        shares = np.broadcast_to(self._listed[1], (*batch, len(self._listed[0]))).reshape(len(b), len(self._listed[0]))
        apart, summed = gamma(n + m + 4, self._unit), gamma(self._steps, self._unit)
        gram, short = precise_gram(W)
        largest = np.abs(self._listed[0]).max(axis=0)
        errors, here = np.zeros((len(b), n)), SummedEngine.of(self.model, np.zeros(()), MOST_INPUTS)
        assert here is not None
        for at, rows in self._parts(len(b)):
            x, W_abs, b_abs = self._listed[0][rows], np.abs(W[at]), np.abs(b[at])[:, None]
            z = here._sums(x, gram[at], short[at], b[at])
            terms = np.abs(x) @ (W_abs.mT @ W_abs) + b_abs
            # Where terms are large z is right to a few units of itself, and everywhere overlaps to twice the digits.
            is_steep = self._is_steep((largest @ np.abs(gram[at]) + b_abs[:, 0]) / SURE)[:, None]
            off = apart * np.where(is_steep, STEEP_SHARE * np.abs(z), np.abs(x) @ np.abs(gram[at]) + b_abs)
            off += 8 * ((n + m + 4) * self._unit) ** 2 * terms + self._unit * np.abs(x)
            size = np.abs(np.maximum(z, 0) - x) + 2 * off
            each = off * (2 * size + off) + summed * size**2 + self._subtracted * (terms + np.abs(x)) ** 2
            share = shares[at, rows][..., None]
            errors[at] += ((share * (x != 0) if self.model.targets == "active" else share) * each).sum(axis=1)
        # This bound is rounded, too.
        return np.asarray(1.001 * errors).reshape(*batch, n)

    def _activation_error(self, weights: Array) -> FloatArray:
        W = as_numpy(weights)
        n, m = self.model.n_features, self.model.n_hidden
        batch = np.broadcast_shapes(self.model.batch_shape, W.shape[:-2])
        size = np.zeros(batch)
        for _, rows in self._parts(1):
            terms = (np.abs(self._listed[0][rows]) @ np.abs(W).mT).sum(axis=-1)
            size = size + (self._listed[1][..., rows] * terms).sum(axis=-1)
        return np.asarray(1.001 * gamma(n + m + self._steps, self._unit) * size)

    @property
    def _unit(self) -> float:
        return float(self._xp.finfo(self._like.dtype).eps) / 2

    @property
    def _steps(self) -> int:
        """Operations that a term of the sum runs through after its residual."""
        law, total = self.model.features, len(self._listed[0])
        parts = sum(1 for _ in self._parts(1))
        return law.chance_steps(self.model.n_features) + int(np.ceil(np.log2(total + 1))) + parts + FEW

    @property
    def _subtracted(self) -> float:
        """What probabilities that are differences are off, relative to those of all patterns with more features."""
        law, n = self.model.features, self.model.n_features
        return float(gamma(2 * law.chance_steps(n), self._unit)) if law.subtracts else 0.0


def halved_sum(array: Array, axis: int) -> Array:
    """Return the sum along an axis through ⌈log₂ K⌉ additions of each number."""
    xp = array_api_compat.array_namespace(array)
    array = xp.moveaxis(array, axis, 0)
    while array.shape[0] > 1:
        half = (array.shape[0] + 1) // 2
        low, high = array[:half], array[half:]
        low = xp.asarray(low, copy=True)
        low[: high.shape[0]] += high
        array = low
    return array[0]


def precise_sum(xp: Any, x: Array, slopes: Array, short: Array, offset: Array) -> Array:
    """Return b + Σ_j (a_j + short_j) x_j as if computed with twice the digits, shape (S,).

    Args:
        xp: array namespace.
        x: shape (S, n).
        slopes: a, shape (S, n).
        short: what the slopes are short of, shape (S, n).
        offset: b, shape (S,).
    """
    factor = splitter(xp, x.dtype)
    total, rest = offset, xp.zeros_like(offset)
    for j in range(x.shape[1]):
        product, lost = two_product(slopes[:, j], x[:, j], factor)
        total, missed = two_sum(total, product)
        rest = rest + (lost + missed + short[:, j] * x[:, j])
    return total + rest
