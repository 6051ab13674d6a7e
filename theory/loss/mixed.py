"""The exact loss under a mixture of input laws: the loss is linear in the law, so each has an engine of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import array_api_compat
import numpy as np

from ..models import MixtureFeatures, ToyModel
from ..numerics import Array, as_numpy, gamma
from .chain_rule import ChainRule, common_batch
from .evaluation import Engine, Evaluation, Expectations

# Operations of a share, besides one sum for each law.
FEW = 4


class MixtureEngine:
    """The exact loss L = Σ_k π_k L_k of one `ToyModel` under `MixtureFeatures`, penalties included.

    Args:
        model: what is being asked.
        like: an array whose namespace, dtype and device are used.
        made: makes the engine of a model with one of the laws.

    Attributes:
        model: what is being asked.
    """

    def __init__(self, model: ToyModel, like: Array, made: Callable[[ToyModel], Engine]) -> None:
        """Make the engines; penalties on interference and weights, which know nothing of the law, are added once."""
        law = model.features
        assert isinstance(law, MixtureFeatures)
        self.model, self._like, self._made = model, like, made
        of_law = replace(model, interference_penalty=0.0, weight_penalty=0.0)
        self._engines = [made(replace(of_law, features=component)) for component in law.laws]
        self._shares, self._chain_rule = law.weights(), ChainRule(model, like)
        self._xp = array_api_compat.array_namespace(like)
        self._placement = {"dtype": like.dtype, "device": array_api_compat.device(like)}

    def take(self, index: Any) -> MixtureEngine:
        """Return the engine of some models of the batch."""
        return MixtureEngine(self.model.take(index), self._like, self._made)

    def evaluate(self, weights: Array, bias: Array, order: int, *, outputs: bool = False) -> Evaluation:
        """Return the loss and its derivatives; see `Engine`."""
        n = self.model.n_features
        batch = common_batch(self.model, weights.shape[:-2], bias.shape[:-1])
        zeros = [self._xp.zeros((*batch, *(n + 1,) * k, n), **self._placement) for k in range(order + 1)]
        nothing = Expectations(zeros[0], zeros[1] if order else None, zeros[2] if order > 1 else None)
        # What no law changes, and zeros of all shapes that are asked for.
        total = self._chain_rule.evaluation(weights, bias, nothing, None, with_outputs=outputs)
        fields = {name: getattr(total, name) for name in ("loss", "d_weights", "d_bias", "hessian", "output_losses")}
        parts = []
        for share, engine in zip(self._shares, self._engines, strict=True):
            found = engine.evaluate(weights, bias, order, outputs=outputs)
            parts.append((share, found.loss, found.bound))
            for name, whole in fields.items():
                if whole is not None:
                    part = getattr(found, name)
                    axes = (1,) * (part.ndim - found.loss.ndim)
                    factor = self._xp.asarray(np.reshape(share, (*np.shape(share), *axes)), **self._placement)
                    fields[name] = whole + factor * part
        return Evaluation(bound=partial(self._bound, weights, bias, order, parts), **fields)

    def _bound(self, weights: Array, bias: Array, order: int, parts: Sequence[Any], loss: Array) -> Array:
        """Return Σ_k π_k e_k and the rounding of that sum and of penalties."""
        none = np.zeros((*loss.shape, self.model.n_features))
        error = as_numpy(self._chain_rule.error(weights, bias, none, none[..., 0], order, loss))
        unit = float(self._xp.finfo(self._like.dtype).eps) / 2
        error = error + gamma(len(parts) + FEW, unit) * as_numpy(loss)
        for share, part, bound in parts:
            error = error + share * as_numpy(bound(part))
        return self._xp.asarray(error, **self._placement)
