"""What every engine of the exact loss takes and gives: one protocol, with the error in the answer.

An engine holds what depends on the model alone. What depends on weights and biases is in the `Evaluation`, so threads
can share an engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import array_api_compat
import numpy as np

from ..models import ToyModel

# Arrays are NumPy's or torch's, whichever the caller brought.
Array = Any

# Rounding errors of losses by enumeration, relative to Σ_i I_i E[x_i²] + L. The tests hold the engines to these bars
# against proven intervals and fifty digits, where they find 1e-15 (docs/accuracy.md); they aren't proved. By the bytes
# of a number; there is none for half precision.
ROUNDING = {8: 1e-12, 4: 1e-5}
# The bar in float64 for more features than these, which fewer cases were held to.
FEW_FEATURES, ROUNDING_OF_MANY = 6, 1e-9


class Evaluation(NamedTuple):
    """The loss at weights and biases, its derivatives up to the order that was asked for, and its error.

    Attributes:
        loss: L, shape (...), with importances and penalties.
        bound: gives the error of a loss; see `error`.
        d_weights: ∂L/∂W, shape (..., m, n), or None.
        d_bias: ∂L/∂b, shape (..., n), or None.
        hessian: shape (..., P, P), or None.
        output_losses: E(x_i − x'_i)² of each output, without importances and penalties, shape (..., n), or None.
    """

    loss: Array
    bound: Callable[[Array], Array]
    d_weights: Any = None
    d_bias: Any = None
    hessian: Any = None
    output_losses: Any = None

    @property
    def error(self) -> Array:
        """Absolute error of the loss, shape (...).

        Where activity patterns were enumerated, the bar that rounding is held to; where transforms were inverted, the
        estimate of this very evaluation (docs/spectral.md).
        """
        return self.bound(self.loss)


class Expectations(NamedTuple):
    """The losses of all outputs or the sizes of all hidden units, with derivatives up to the order asked for.

    Attributes:
        value: E(x_i − x'_i)², shape (..., n), or Σ_h E|h|, shape (...).
        first: derivatives in (G_i·, b_i), outputs last, shape (..., n + 1, n), or in W, shape (..., m, n), or None.
        second: shape (..., n + 1, n + 1, n), or (..., m, n, n), or None.
        error: estimated absolute errors, NumPy's, with the shape of `value`; None where there is rounding only.
    """

    value: Array
    first: Any
    second: Any
    error: Any = None


class Engine(Protocol):
    """A way to evaluate the exact loss of one `ToyModel`."""

    @property
    def model(self) -> ToyModel:
        """What is being asked."""

    def evaluate(self, weights: Array, bias: Array, order: int, *, outputs: bool = False) -> Evaluation:
        """Return the loss and its derivatives; arguments aren't checked.

        Args:
            weights: W, shape (..., n_hidden, n_features).
            bias: b, shape (..., n_features).
            order: derivatives wanted: 0, 1 or 2.
            outputs: whether the loss of each output is wanted, too.
        """

    def take(self, index: Any) -> Engine:
        """Return the engine of the models at `index` of the batch, as `ToyModel.take` selects them."""


def rounding_error(model: ToyModel, like: Array, loss: Array) -> Array:
    """Return what enumeration's losses are off by at most, by the bars of `ROUNDING`; shape (...).

    Args:
        model: what is being asked.
        like: an array of the loss's namespace, dtype and device.
        loss: L, shape (...).
    """
    unit = (model.importances() * model.densities()).sum(axis=-1) * float(model.features.amplitude.second_moment)
    xp = array_api_compat.array_namespace(like)
    unit = xp.asarray(np.array(unit), dtype=like.dtype, device=array_api_compat.device(like))
    share = ROUNDING.get(like.dtype.itemsize, np.inf)
    if model.n_features > FEW_FEATURES:
        share = max(share, ROUNDING_OF_MANY)
    return share * (unit + loss)
