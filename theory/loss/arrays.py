"""The exact loss by enumeration in array operations: the definition that compiled code is held to.

Activity patterns are visited one size after the other, all outputs and all models of a batch at once, in NumPy or torch
(`signed_sums.py`, `moments.py`). docs/loss.md has the derivation.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import array_api_compat
import numpy as np

from ..models import ToyModel
from ..numerics import Array, check_kind, check_like, precise_gram
from .chain_rule import ChainRule, columns, common_batch, rows
from .evaluation import Evaluation, Expectations
from .large import Plain, large, scaled_where
from .moments import PatternMoments
from .penalties import positive_part
from .signed_sums import Integrand, Refusal, SignedSums, TooManyPatternsError


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


class ArrayEngine:
    """The exact loss of one `ToyModel` by enumeration, penalties included.

    Args:
        model: what is being asked. Its batch dimensions broadcast against those of the weights.
        like: an array whose namespace, dtype and device are used; default NumPy, float64.

    Attributes:
        model: what is being asked.
    """

    def __init__(self, model: ToyModel, like: Array | None = None) -> None:
        """Keep the model; its parameters are converted when they are needed."""
        check_kind("model", model, ToyModel)
        if like is not None:
            check_like(like)
        self.model = model
        self._like = np.zeros(()) if like is None else like
        self._xp = array_api_compat.array_namespace(self._like)
        self._placement = {"dtype": self._like.dtype, "device": array_api_compat.device(self._like)}
        self._chain_rule = ChainRule(model, self._like)

    def take(self, index: Any) -> ArrayEngine:
        """Return the engine of some models of the batch."""
        return ArrayEngine(self.model.take(index), self._like)

    def evaluate(self, weights: Array, bias: Array, order: int, *, outputs: bool = False) -> Evaluation:
        """Return the loss and its derivatives; see `Engine`.

        Raises:
            TooManyPatternsError: if more features interact at these weights than can be enumerated.
        """
        where = large(self.model, weights, bias)
        if where is not None:
            calm: Plain = lambda W, b: self._plain(W, b, order, outputs)  # noqa: E731
            return scaled_where(where, self._chain_rule, weights, bias, order, outputs, calm)
        return self._plain(weights, bias, order, outputs)

    def _plain(self, weights: Array, bias: Array, order: int, outputs: bool) -> Evaluation:
        found, activations = _enumerated(self.outputs(weights, bias, order)), None
        if self._chain_rule.on_activations:
            activations = _enumerated(self.activations(weights, order))
        return self._chain_rule.evaluation(weights, bias, found, activations, with_outputs=outputs)

    def outputs(self, weights: Array, bias: Array, order: int) -> Expectations | Refusal:
        """Return each output's E(x_i − x'_i)² and its derivatives, or why they can't be enumerated."""
        xp, n = self._xp, self.model.n_features
        batch = common_batch(self.model, weights.shape[:-2], bias.shape[:-1])
        slopes, short = (columns(xp, part, batch, 2) for part in precise_gram(weights))
        offset = columns(xp, bias, batch, 1)
        found = self._evaluated(self._sums, slopes, offset, range(n), squared_error, order, batch, short)
        if isinstance(found, Refusal):
            return found
        value = rows(xp, found[0], batch) + self._second_moment
        # Rounding may take the loss of a perfect output below zero.
        value = xp.maximum(value, xp.zeros_like(value))
        return Expectations(value, *(None if a is None else rows(xp, a, batch) for a in found[1:]))

    def activations(self, weights: Array, order: int) -> Expectations | Refusal:
        """Return Σ_h E|h| and its derivatives in W, or why they can't be enumerated."""
        xp, n, m = self._xp, self.model.n_features, self.model.n_hidden
        batch = common_batch(self.model, weights.shape[:-2])
        slopes = columns(xp, weights.mT, batch, 2)
        slopes = xp.concat([slopes, -slopes], axis=1)
        zero = xp.zeros(slopes.shape[1:], **self._placement)
        found = self._evaluated(self._unit_sums, slopes, zero, [None] * (2 * m), positive_part, order, batch)
        if isinstance(found, Refusal):
            return found
        value, first, second = found
        total = rows(xp, xp.sum(value, axis=0), batch)
        if first is None:
            return Expectations(total, None, None)
        d_weights = rows(xp, xp.moveaxis(first[:n, :m] - first[:n, m:], 0, 1), batch)
        if second is None:
            return Expectations(total, d_weights, None)
        bends = xp.moveaxis(second[:n, :n, :m] + second[:n, :n, m:], 2, 0)
        return Expectations(total, d_weights, rows(xp, bends, batch))

    @cached_property
    def _sums(self) -> SignedSums:
        model = self.model
        return SignedSums(model.features, model.n_features, self._like, own_on=model.targets == "active")

    @cached_property
    def _unit_sums(self) -> SignedSums:
        if self.model.targets == "all":
            return self._sums
        return SignedSums(self.model.features, self.model.n_features, self._like)

    @cached_property
    def _second_moment(self) -> Array:
        moments = self.model.second_moments()
        return self._xp.asarray(np.array(moments), **self._placement)

    @staticmethod
    def _evaluated(
        sums: SignedSums,
        slopes: Array,
        offset: Array,
        own: Sequence[int | None],
        integrand: Integrand,
        order: int,
        batch: Any,
        short: Array | None = None,
    ) -> tuple[Array, Array | None, Array | None] | Refusal:
        plan = sums.plan(slopes, own)
        if isinstance(plan, Refusal):
            return plan
        return sums.evaluate(plan, slopes, offset, integrand, order, batch, short)


def _enumerated(found: Expectations | Refusal) -> Expectations:
    if isinstance(found, Refusal):
        raise TooManyPatternsError(found.reason)
    return found
