"""The exact loss of many features by inverting Laplace transforms, with each evaluation's error."""

from __future__ import annotations

from typing import Any

import array_api_compat
import numpy as np

from ..models import ToyModel
from ..numerics import Array, check_flag, check_kind, check_like
from .chain_rule import ChainRule
from .evaluation import Evaluation, Expectations
from .large import LIMITS, large
from .spectral import SpectralLoss

OF_WEIGHTS, OF_BIAS, OF_MODEL = LIMITS["float64"]
LARGE = (
    f"transforms are inverted for weights below {OF_WEIGHTS:.0e}, biases below {OF_BIAS:.0e}, and importances, "
    f"penalties and amplitudes below {OF_MODEL:.0e} in float64, got larger ones: up to eight features that interact "
    "are enumerated"
)


class SpectralEngine:
    """The exact loss of one `ToyModel` of many features, penalties included, without Hessians.

    Args:
        model: what is being asked; its features must fall in independent blocks.
        like: an array whose namespace, dtype and device are used; default NumPy, float64.
        tolerance: see `SpectralLoss`.
        max_nodes: see there.
        proved: see there.

    Attributes:
        model: what is being asked.

    Raises:
        ValueError: as `SpectralLoss`.
    """

    def __init__(
        self,
        model: ToyModel,
        like: Array | None = None,
        *,
        tolerance: float = 1e-9,
        max_nodes: int | None = None,
        proved: bool = False,
    ) -> None:
        """Look at the law."""
        check_kind("model", model, ToyModel)
        if like is not None:
            check_like(like)
        check_flag("proved", proved)
        self.model = model
        self._like = np.zeros(()) if like is None else like
        self._spectral = SpectralLoss(model, self._like, tolerance=tolerance, max_nodes=max_nodes, proved=proved)
        self._chain_rule = ChainRule(model, self._like)

    def take(self, index: Any) -> SpectralEngine:
        """Return the engine of some models of the batch."""
        own = self._spectral
        return SpectralEngine(
            self.model.take(index), self._like, tolerance=own.tolerance, max_nodes=own.max_nodes, proved=own.proved
        )

    def evaluate(self, weights: Array, bias: Array, order: int, *, outputs: bool = False) -> Evaluation:
        """Return the loss and its gradient; see `Engine`.

        Raises:
            ValueError: if the Hessian is asked for, or numbers are so large that only enumeration scales them.
        """
        if large(self.model, weights, bias) is not None:
            raise ValueError(LARGE)
        found = self.outputs(weights, bias, order)
        activations = self.activations(weights, order) if self._chain_rule.on_activations else None
        return self._chain_rule.evaluation(weights, bias, found, activations, with_outputs=outputs)

    def outputs(self, weights: Array, bias: Array, order: int) -> Expectations:
        """Return each output's E(x_i − x'_i)² and its derivatives, with errors."""
        self._check(order)
        found = self._spectral.outputs(weights, bias, slopes=order > 0)
        return Expectations(found.value, None if found.slopes is None else found.slopes.mT, None, found.error)

    def activations(self, weights: Array, order: int) -> Expectations:
        """Return Σ_h E|h| and its derivatives in W, with the sum of the units' errors."""
        self._check(order)
        found = self._spectral.activations(weights)
        total = array_api_compat.array_namespace(found.value).sum(found.value, axis=-1)
        return Expectations(total, found.slopes, None, found.error.sum(axis=-1))

    def _check(self, order: int) -> None:
        if order > 1:
            raise ValueError(
                "the Hessian is exact enumeration's, which handles up to eight features that interact; got "
                f"n_features={self.model.n_features} with more, or method='spectral'"
            )
