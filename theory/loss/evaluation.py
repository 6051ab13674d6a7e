"""What every engine of the exact loss takes and gives: one protocol, with the error in the answer.

An engine holds what depends on the model alone. What depends on weights and biases is in the `Evaluation`, so threads
can share an engine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from ..models import ToyModel
from ..numerics import Array


class Evaluation(NamedTuple):
    """The loss at weights and biases, its derivatives up to the order that was asked for, and its error.

    Attributes:
        loss: L, shape (...), with importances and penalties.
        bound: gives the error of the loss, given that; see `error`.
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
        """Absolute error of the loss, shape (...), computed when it is asked for.

        Where activity patterns were enumerated, a bound on rounding (`rounding.py`); where transforms were inverted,
        the estimate of this very evaluation, or a bound if the engine was to prove it (docs/spectral.md).
        """
        return self.bound(self.loss)


class Expectations(NamedTuple):
    """The losses of all outputs or the sizes of all hidden units, with derivatives up to the order asked for.

    Attributes:
        value: E(x_i − x'_i)², shape (..., n), or Σ_h E|h|, shape (...).
        first: derivatives in (G_i·, b_i), outputs last, shape (..., n + 1, n), or in W, shape (..., m, n), or None.
        second: shape (..., n + 1, n + 1, n), or (..., m, n, n), or None.
        error: absolute errors, NumPy's, with the shape of `value`; None where patterns were enumerated: there is
            rounding only, and `ChainRule.error` adds a bound of it to the `Evaluation`.
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
