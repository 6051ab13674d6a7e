r"""The expected loss of models with many features, by inverting Laplace transforms.

Enumerating activity patterns costs exponentially many of them. If features fall in independent blocks, the Laplace
transform of an output's pre-activation is a product over the blocks, and with R_q(t) = max(t, 0)^q / q!,

    E[R_q(z_i)] = (1/2πi) ∫_{Re s = c} e^{s b_i} Π_B Q_B(s G_i·) s^{−q−1} ds .

A sum over N nodes costs O(n² N) for the loss and its gradient together. What the sum misses of the patterns with at
most one active feature is known and added, as is what a finite step aliases; N is doubled until the results don't
change. The error that is left is estimated, or bounded on request. docs/spectral.md derives and measures all this.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from ...models import ToyModel
from ...numerics import Array, FloatArray, as_numpy, check_count, check_flag, check_kind, check_like, check_rate, gamma
from .blocks import BlockLaw
from .contour import NODES
from .errors import mean_square, provable
from .inversion import integrate
from .rows import Rows, Terms, scaled

# Sums grow with n² nodes; so may they where n is small.
MAX_WORK = 1 << 24
FEWEST_MAX_NODES = 1 << 12
# Operations of a second moment and of the last sum.
FEW = 12


class Inverted(NamedTuple):
    """Losses of outputs, or sizes of hidden units, with the errors of this very evaluation.

    Attributes:
        value: E(x_i − x'_i)², without importances and penalties, shape (..., n), or E|h_k|, shape (..., m).
        slopes: derivatives in (G_i·, b_i), shape (..., n, n + 1), or in W_k·, shape (..., m, n); None if not asked for.
        error: absolute errors of the values, NumPy's, same shape: bounds if they were to be proved, else estimates that
            hold a bound on rounding (docs/spectral.md has how often and how far estimates were exceeded).
        slope_error: estimated largest absolute error among each one's derivatives, 0 where there were none, same shape.
        nodes: how many nodes each took, same shape.
    """

    value: Array
    slopes: Any
    error: FloatArray
    slope_error: FloatArray
    nodes: NDArray[np.int64]


class SpectralLoss:
    """The reconstruction loss of one `ToyModel` of many features, prepared for many evaluations.

    Args:
        model: what is being asked; its features must fall in independent blocks of few activity patterns. Penalties
            are left out. If only active targets count, values are E[(x_i − x'_i)²; x_i ≠ 0].
        like: an array whose namespace, dtype and device the results have; default NumPy, float64. Computations are in
            float64 on that device.
        tolerance: each output's loss is to be off by at most this times E[x_i²] and rounding, a hidden unit's E|h| by
            this times E[u²], and derivatives by a hundred times as much.
        max_nodes: nodes after which a row gives up and its error stays above the tolerance; default as many as
            2²⁴ / n, at least 4096.
        proved: whether nodes are doubled until the errors of outputs' losses are proved to be within the tolerance, not
            only estimated: for independent features that share one amplitude that varies. It takes up to thirty times
            as many nodes.

    Raises:
        ValueError: if a block of features has more than 4,096 patterns, the tolerance isn't positive, `max_nodes` is
            below 128, the fewest that can be compared, or errors of such a law can't be proved.

    Example:
        >>> from tegum.theory import IndependentFeatures
        >>> spectral = SpectralLoss(ToyModel(2, 1, IndependentFeatures(0.5)))
        >>> float(spectral.output_losses(np.array([[1.0, -1.0]]), np.zeros(2)).sum().round(9))  # p² / 3
        0.083333333
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
        check_flag("proved", proved)
        if like is not None:
            check_like(like)
        check_rate("tolerance", tolerance)
        if max_nodes is None:
            max_nodes = max(MAX_WORK // model.n_features, FEWEST_MAX_NODES)
        check_count("max_nodes", max_nodes, 2 * NODES)
        self._blocks = BlockLaw.of(model.features, model.n_features)
        if proved and not provable(self._blocks):
            raise ValueError(
                "errors are proved for independent features that share one amplitude that varies, got others"
            )
        self.model, self.tolerance, self.max_nodes, self.proved = model, tolerance, max_nodes, proved
        self._like = np.zeros(()) if like is None else like

    def output_losses(self, weights: Array, bias: Array) -> Array:
        """Return E(x_i − x'_i)² for each output, shape (..., n); see `outputs`, which also says how far they are off.

        Args:
            weights: W, shape (..., n_hidden, n_features).
            bias: b, shape (..., n_features).
        """
        return self.outputs(weights, bias, slopes=False).value

    def output(self, feature: int, overlaps: FloatArray, bias: float) -> Inverted:
        """Return one output's E(x_i − x'_i)² and its derivatives in (G_i·, b_i), where all outputs are alike.

        Args:
            feature: i, counted from 0.
            overlaps: G_i·, shape (n,).
            bias: b_i.

        Returns:
            Its value of shape (1,) and slopes of shape (1, n + 1).
        """
        own = np.array([feature])
        law, mass = self._asked(self._laws((), 1), own)
        rows = Rows(law, np.asarray(overlaps)[None], np.array([bias]), own)
        squares = self._squares(self.model.features.second_moments(self.model.n_features))[[feature]]
        terms, errors = self._integrate(rows, squares, (1,))
        terms, errors = scaled(mass, terms), (mass * errors[0], mass * errors[1], errors[2])
        slopes = np.concatenate([terms["slopes"], terms["bias"][:, None]], axis=-1)
        return Inverted(np.maximum(terms["value"] + mass * squares, 0), slopes, *errors)

    def activations(self, weights: Array) -> Inverted:
        """Return E|h_k| of the hidden units h = W x, and the derivatives in W_k·.

        Where h_k = 0 with positive probability, its sign counts as 0.

        Args:
            weights: W, shape (..., n_hidden, n_features).
        """
        n, m = self.model.n_features, self.model.n_hidden
        w = as_numpy(weights)
        batch = np.broadcast_shapes(self.model.features.batch_shape, w.shape[:-2])
        slopes = np.broadcast_to(w, (*batch, m, n)).reshape(-1, n)
        rows = Rows(self._laws(batch, m), slopes, np.zeros(len(slopes)), None)
        square = float(np.max(np.float64(self.model.features.amplitude.second_moment)))
        terms, errors = self._integrate(rows, np.full(len(slopes), square), (*batch, m))
        means = rows.law.means()
        # Rounding may take a unit that is hardly active below zero.
        value = self._give(np.maximum(terms["value"] - (slopes * means).sum(axis=-1), 0), (*batch, m))
        return Inverted(value, self._give(terms["slopes"] - means, (*batch, m, n)), *errors)

    def outputs(self, weights: Array, bias: Array, *, slopes: bool = True) -> Inverted:
        """Return each output's E(x_i − x'_i)², with its derivatives in (G_i·, b_i) if they are asked for.

        Args:
            weights: W, shape (..., n_hidden, n_features).
            bias: b, shape (..., n_features).
            slopes: whether to return derivatives.
        """
        n = self.model.n_features
        w, b = as_numpy(weights), as_numpy(bias)
        batch = np.broadcast_shapes(self.model.features.batch_shape, w.shape[:-2], b.shape[:-1])
        gram = np.broadcast_to(w.mT @ w, (*batch, n, n)).reshape(-1, n)
        offset = np.broadcast_to(b, (*batch, n)).reshape(-1)
        own = np.tile(np.arange(n), len(offset) // n)
        law, mass = self._asked(self._laws(batch, n), own)
        rows = Rows(law, gram, offset, own, slopes)
        squares = self._squares(np.broadcast_to(self.model.features.second_moments(n), (*batch, n)))
        terms, (error, slope_error, nodes) = self._integrate(rows, squares, (*batch, n))
        # Overlaps are rounded, which counts twice in a square.
        sizes = np.broadcast_to(np.abs(w).mT @ np.abs(w), (*batch, n, n)).reshape(-1, n)
        overlaps = gamma(2 * (self.model.n_hidden + 2)) * mean_square(replace(rows, slopes=sizes))
        terms, spread = scaled(mass, terms), mass.reshape(error.shape)
        errors = np.asarray(spread * (error + overlaps.reshape(error.shape))), spread * slope_error, nodes
        # Rounding may take the loss of a perfect output below zero.
        value = self._give(np.maximum(terms["value"] + mass * squares, 0), (*batch, n))
        if not slopes:
            return Inverted(value, None, *errors)
        first = np.concatenate([terms["slopes"], terms["bias"][:, None]], axis=-1)
        return Inverted(value, self._give(first, (*batch, n, n + 1)), *errors)

    def _laws(self, batch: tuple[int, ...], count: int) -> BlockLaw:
        """Return the laws of `count` rows for each model of a batch."""
        shape = self.model.features.batch_shape
        every = np.arange(int(np.prod(shape))).reshape(shape)
        return self._blocks.take(np.repeat(np.broadcast_to(every, batch).reshape(-1), count))

    def _asked(self, law: BlockLaw, own: NDArray[np.int64]) -> tuple[BlockLaw, FloatArray]:
        """Return the laws over which outputs' errors are expected, with the probability that each is conditioned on."""
        return law.surely(own) if self.model.targets == "active" else (law, np.ones(len(own)))

    def _squares(self, moments: FloatArray) -> FloatArray:
        """Return E[x_i²] under these laws, flattened, given the outputs' E[x_i²] under the model's own."""
        if self.model.targets == "active":
            moments = np.broadcast_to(np.float64(self.model.features.amplitude.second_moment), moments.shape)
        return np.asarray(moments.reshape(-1))

    def _integrate(
        self, rows: Rows, scale: FloatArray, shape: tuple[int, ...]
    ) -> tuple[Terms, tuple[FloatArray, FloatArray, NDArray[np.int64]]]:
        """Return the terms of all rows, with the errors and nodes of an `Inverted` of some shape."""
        xp, device = array_api_compat.array_namespace(self._like), array_api_compat.device(self._like)
        place = (xp, None) if array_api_compat.is_numpy_namespace(xp) else (xp, device)
        # Those of hidden units are estimated.
        proved = self.proved and rows.own is not None
        terms, error, nodes = integrate(rows, self.tolerance * scale, self.max_nodes, place, proved=proved)
        # E[x²] is rounded as well, and added.
        error[:, 0] += gamma(FEW) * scale
        return terms, (error[:, 0].reshape(shape), error[:, 1].reshape(shape), nodes.reshape(shape))

    def _give(self, array: FloatArray, shape: tuple[int, ...]) -> Array:
        xp, array = array_api_compat.array_namespace(self._like), array.reshape(shape)
        if array_api_compat.is_numpy_namespace(xp):
            return array.astype(self._like.dtype)
        return xp.asarray(array, dtype=self._like.dtype, device=array_api_compat.device(self._like))
