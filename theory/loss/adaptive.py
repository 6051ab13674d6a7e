"""The exact loss by enumeration, or by a plain sum or inversion where more features interact than that can visit."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np

from ..models import ToyModel
from ..numerics import Array
from .arrays import ArrayEngine
from .chain_rule import ChainRule
from .evaluation import Evaluation, Expectations
from .inverted import SpectralEngine
from .large import large
from .signed_sums import Refusal
from .summed import MOST_INPUTS, SummedEngine

# Features up to which transforms are inverted unasked: their time grows with the square of it and more.
MOST_INVERTED = 1000


class AdaptiveEngine:
    """The exact loss of one `ToyModel`: the engine is chosen for each evaluation, by which features interact in it.

    Outputs and hidden units are chosen for by themselves.

    Args:
        model: what is being asked.
        like: an array whose namespace, dtype and device are used; default NumPy, float64.

    Attributes:
        model: what is being asked.
    """

    def __init__(self, model: ToyModel, like: Array | None = None) -> None:
        """Keep the model."""
        self.model = model
        self._like = np.zeros(()) if like is None else like
        self._arrays, self._chain_rule = ArrayEngine(model, self._like), ChainRule(model, self._like)

    @cached_property
    def _beyond(self) -> SummedEngine | SpectralEngine:
        """What takes the sums that can't be enumerated; it may refuse laws that enumeration does without it."""
        summed = SummedEngine.of(self.model, self._like, MOST_INPUTS)
        return SpectralEngine(self.model, self._like) if summed is None else summed

    def take(self, index: Any) -> AdaptiveEngine:
        """Return the engine of some models of the batch."""
        return AdaptiveEngine(self.model.take(index), self._like)

    def evaluate(self, weights: Array, bias: Array, order: int, *, outputs: bool = False) -> Evaluation:
        """Return the loss and its derivatives; see `Engine`.

        Raises:
            ValueError: if more features interact than can be enumerated, and the Hessian is asked for or a block
                of features that depend on each other has too many activity patterns.
        """
        if large(self.model, weights, bias) is not None:
            return self._arrays.evaluate(weights, bias, order, outputs=outputs)
        found = self._arrays.outputs(weights, bias, order)
        if isinstance(found, Refusal):
            if self.model.n_features > MOST_INVERTED and isinstance(self._beyond, SpectralEngine):
                raise ValueError(
                    f"the exact loss inverts transforms for up to {MOST_INVERTED:,} features, which takes minutes, "
                    f"got n_features={self.model.n_features} of which more than eight interact: "
                    "`tegum.empirical.sampled_loss` tells it with a standard error, and method='spectral' inverts them "
                    "all the same"
                )
            found = self._beyond.outputs(weights, bias, order)
        return self._chain_rule.evaluation(
            weights, bias, found, self._activations(weights, order), with_outputs=outputs
        )

    def _activations(self, weights: Array, order: int) -> Expectations | None:
        if not self._chain_rule.on_activations:
            return None
        found = self._arrays.activations(weights, order)
        return self._beyond.activations(weights, order) if isinstance(found, Refusal) else found
