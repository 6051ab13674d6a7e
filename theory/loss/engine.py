r"""The exact expected loss of a toy model, with gradient and Hessian.

With G = WᵀW, output i of the model is ReLU(z_i), z_i = b_i + Σ_j G_ij x_j. With R_q(t) = max(t, 0)^q / q!,

    L = Σ_i I_i E(x_i − ReLU(z_i))² = Σ_i I_i { E[x_i²] + 2 E[R_2(z_i)] − 2 E[x_i R_1(z_i)] },

a sum over activity patterns with their probabilities. With x̃ = (x, 1) the gradient in (G_i·, b_i) is
2 E[x̃ R_1(z_i)] − 2 E[x_i x̃ R_0(z_i)], and the Hessian 2 E[x̃ x̃ᵀ R_0(z_i)] − 2 E[x_i x̃ x̃ᵀ δ(z_i)]. The moments are
exact (`moments.py`); the chain rule through G = WᵀW does the rest (`chain_rule.py`). docs/loss.md has the derivation.

Engines of one protocol (`evaluation.py`) evaluate it: array operations are the definition (`arrays.py`), small models
on a CPU go through the same steps compiled (`compiled.py`), transforms are inverted where many features interact
(`inverted.py`), finitely many inputs are summed over (`summed.py`), and a mixture is the sum of its laws (`mixed.py`).
"""

from __future__ import annotations

from functools import partial
from typing import Any, Literal

import numpy as np

from ..models import DataFeatures, MixtureFeatures, ToyModel
from ..numerics import Array, check_choice, check_kind, check_like
from .adaptive import AdaptiveEngine
from .arrays import ArrayEngine
from .autograd import (
    differentiable_gradient,
    differentiable_hessian,
    differentiable_loss,
    follows,
    without_history,
)
from .compiled import CompiledEngine
from .evaluation import Engine, Evaluation
from .inverted import SpectralEngine
from .mixed import MixtureEngine
from .rounding import MOST_TOGETHER
from .summed import SummedEngine

Method = Literal["auto", "enumeration", "spectral"]
METHODS = ("auto", "enumeration", "spectral")


def engine_for(model: ToyModel, like: Array | None = None, method: Method = "auto") -> Engine:
    """Return the engine that evaluates a model.

    Args:
        model: what is being asked.
        like: an array whose namespace, dtype and device are used; default NumPy, float64.
        method: "enumeration" of activity patterns, by compiled code where that covers the model, and as a plain sum
            where inputs are finitely many; "spectral" for many features; or "auto", which enumerates unless more
            features interact than that can do.

    Raises:
        ValueError: if the model isn't a `ToyModel`, the method is unknown, or spectral evaluation is asked for and a
            block of features that depend on each other has too many activity patterns.
    """
    if like is not None:
        check_like(like)
    check_kind("model", model, ToyModel)
    check_choice("method", method, METHODS)
    like, law = np.zeros(()) if like is None else like, model.features
    is_listed = isinstance(law, DataFeatures)
    many = is_listed or model.n_features > MOST_TOGETHER
    if isinstance(law, MixtureFeatures) and (many or method == "spectral"):
        return MixtureEngine(model, like, partial(engine_for, like=like, method=method))
    if method == "spectral":
        return SpectralEngine(model, like)
    if many and (summed := SummedEngine.of(model, like)) is not None:
        return summed
    if not is_listed and CompiledEngine.covers(model, like):
        return CompiledEngine(model, like)
    return ArrayEngine(model, like) if method == "enumeration" else AdaptiveEngine(model, like)


class ExactLoss:
    """The exact loss of one `ToyModel`, penalties included, prepared for many evaluations in one array namespace.

    The functions `expected_loss`, `loss_gradient` and `loss_hessian` are made of it. Use it directly in loops: it
    converts the model's parameters once, and of its arguments it checks only that they are arrays whose last axes fit.
    Threads can share it.

    Of torch tensors `loss`, `gradient` and `hessian` are what autograd follows (docs/loss.md); what is computed at once
    carries no history.

    Args:
        model: what is being asked. Its batch dimensions broadcast against those of the weights.
        like: an array whose namespace, dtype and device are used; default NumPy, float64.
        method: see `engine_for`.

    Attributes:
        engine: what evaluates it; its `Evaluation` also says how far a loss may be off.

    Raises:
        ValueError: as `engine_for`.
    """

    def __init__(self, model: ToyModel, like: Array | None = None, *, method: Method = "auto") -> None:
        """Choose the engine."""
        self.engine = engine_for(model, like, method)
        self._sizes = model.n_hidden, model.n_features

    @classmethod
    def by(cls, engine: Engine) -> ExactLoss:
        """Return the loss as a given engine evaluates it."""
        return cls._made_of(engine, (engine.model.n_hidden, engine.model.n_features))

    @classmethod
    def _made_of(cls, engine: Engine, sizes: tuple[int, int]) -> ExactLoss:
        exact = object.__new__(cls)
        exact.engine, exact._sizes = engine, sizes
        return exact

    @property
    def model(self) -> ToyModel:
        """What is being asked."""
        return self.engine.model

    def take(self, index: Any) -> ExactLoss:
        """Return the loss of the models at `index` of the batch, as `ToyModel.take` selects them."""
        # Without asking for its model, which an engine of a part makes only then.
        return self._made_of(self.engine.take(index), self._sizes)

    def loss(self, weights: Array, bias: Array) -> Array:
        """Return L, shape (...); see `expected_loss`."""
        if follows(weights, bias):
            self._check(weights, bias)
            return differentiable_loss(self.engine, weights, bias)
        return self._evaluate(weights, bias, 0).loss

    def gradient(self, weights: Array, bias: Array) -> tuple[Array, Array]:
        """Return the derivatives of L in the weights and the bias; see `loss_gradient`."""
        if follows(weights, bias):
            self._check(weights, bias)
            return differentiable_gradient(self.engine, weights, bias)
        found = self._evaluate(weights, bias, 1)
        return found.d_weights, found.d_bias

    def hessian(self, weights: Array, bias: Array) -> Array:
        """Return the Hessian of L, shape (..., P, P); see `loss_hessian`."""
        if follows(weights, bias):
            self._check(weights, bias)
            return differentiable_hessian(self.engine, weights, bias)
        return self._evaluate(weights, bias, 2).hessian

    def output_losses(self, weights: Array, bias: Array) -> Array:
        """Return E(x_i − x'_i)² for each output, shape (..., n), without importances and penalties, nor history."""
        return self._evaluate(*without_history(weights, bias), 0, outputs=True).output_losses

    def loss_and_gradient(self, weights: Array, bias: Array) -> tuple[Array, Array, Array]:
        """Return L and its derivatives in the weights and the bias, computed at once, without autograd's history."""
        found = self._evaluate(*without_history(weights, bias), 1)
        return found.loss, found.d_weights, found.d_bias

    def loss_gradient_hessian(self, weights: Array, bias: Array) -> tuple[Array, Array, Array, Array]:
        """Return L, its first derivatives and its Hessian, computed at once, without autograd's history."""
        found = self._evaluate(*without_history(weights, bias), 2)
        return found.loss, found.d_weights, found.d_bias, found.hessian

    def _evaluate(self, weights: Array, bias: Array, order: int, *, outputs: bool = False) -> Evaluation:
        self._check(weights, bias)
        return self.engine.evaluate(weights, bias, order, outputs=outputs)

    def _check(self, weights: Array, bias: Array) -> None:
        """Raise `ValueError` unless the last axes fit."""
        m, n = self._sizes
        of_both = tuple(getattr(weights, "shape", ())[-2:]), tuple(getattr(bias, "shape", ())[-1:])
        if of_both != ((m, n), (n,)):
            raise ValueError(
                f"expected arrays of weights, shape (..., {m}, {n}), and of biases, shape (..., {n}), got "
                f"{type(weights).__name__} and {type(bias).__name__} with last axes {of_both[0]} and {of_both[1]}"
            )
