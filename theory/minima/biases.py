r"""The best bias for given weights: one problem for each output, solved globally.

With G = WᵀW fixed, the loss of output i depends on b_i alone. With z = b + Σ_j G_ij x_j and R_q(t) = max(t, 0)^q / q!,

    f(b) = E[x_i²] + g(b) − h(b) ,    g = 2 E[R_2(z)] ,    h = 2 E[x_i R_1(z)] .

**Where minima lie.** R_1(z) ≥ z and R_0 ≤ 1 give f'(b) ≥ 2 (E[z] − E[x_i⁺]), so that none lies above
U = E[x_i⁺] − Σ_j G_ij E[x_j]. Below −max_x Σ_j G_ij x_j, and so below L = −Σ_j max(0, G_ij u⁻, G_ij u⁺) over the ends
of the amplitudes, the output is off and f = E[x_i²].

**A difference of convex functions.** g is convex. If x_i ≥ 0, so is h; if x_i ≤ 0, then h is concave. If amplitudes of
both signs are uniform, −h'' is at most κ = 2 p_i |u⁻| / ((u⁺ − u⁻) G_ii), because given all else z passes 0
with density 1 / ((u⁺ − u⁻) G_ii) at most. So f = E[x_i²] + A − B with convex A and B: g and h, or g − h and 0, or
g + κ b²/2 and h + κ b²/2.

**The search.** On an interval A is above its tangents at the ends and B below its chord, which bounds f from below by
the least of three numbers; and A' and B' rise, so that f' lies between A'(l) − B'(u) and A'(u) − B'(l). An interval
on which f is monotone, or nowhere below the best that was found by more than a resolution, is done with; others are
halved. The root of f' then sharpens what is left, the global minimum.

One evaluation of the loss gives f and f'. A second, of √2 W and 2 b, doubles z, so that it has 4 g − 2 h in place of
g − h and 2 g' − h' in place of g' − h': g and h follow for each law, and from each engine.
"""

from __future__ import annotations

from typing import NamedTuple

import array_api_compat
import numpy as np
from numpy.typing import NDArray

from ..loss import ExactLoss, checked_parameters
from ..models import ToyModel
from ..numerics import Array, FloatArray, as_numpy, check_kind, float_array

# Intervals that a search begins with, and of which it halves at most so many at once.
FIRST, AT_ONCE = 8, 8
# Losses are told apart down to this times the numbers that they are made of, or the error of an evaluation.
RESOLUTION = 1e-11
# Up to so many features patterns are enumerated, with errors below the resolution (docs/loss.md).
ENUMERATED = 8
# Halvings after which an interval is narrower than the numbers at its ends can tell.
MOST_ROUNDS = 400
# Steps that sharpen the root of f', from an interval that is a hundred thousandth of the numbers or less.
STEPS = 12


class _Points(NamedTuple):
    """What is known at biases of outputs: f, A and B with their derivatives, and what rounding leaves open."""

    bias: FloatArray
    loss: FloatArray
    slope: FloatArray
    a: FloatArray
    da: FloatArray
    b: FloatArray
    db: FloatArray
    open: FloatArray

    def at(self, index: NDArray[np.int64] | NDArray[np.bool_]) -> _Points:
        return _Points(*(values[index] for values in self))


def best_bias(model: ToyModel, weights: Array) -> Array:
    """Return the bias of least loss for given weights, the global minimum of each output's own problem.

    Weights may have been kept without their bias: no other bias gives them a smaller loss. It depends on the input law
    and WᵀW alone, not on importances or penalties.

    Args:
        model: the record of sizes and input law.
        weights: W, shape (..., n_hidden, n_features); NumPy, or a torch tensor.

    Returns:
        b, shape (..., n_features), the broadcast of the batch shapes of model and weights, in the namespace and dtype
        of the weights; computed in float64. No bias is better by more than 1e-11 of E[x_i²] and the squared
        pre-activations, or than the errors of the evaluations; within that it is where the slope is 0 to rounding.
        Where no bias is better than an output that is always off, it is the largest that surely turns it off,
        −Σ_j max(0, G_ij u⁻, G_ij u⁺). Of biases that cost the same it is any one. With more than eight features that
        interact each evaluation inverts transforms, and there are about a hundred of them.

    Raises:
        ValueError: as `loss_gradient`; if weights are so large that biases overflow; or for a model of one common bias
            or none, of active targets, or of inputs that are listed.

    Example:
        >>> import numpy as np
        >>> from tegum.theory import IndependentFeatures, ToyModel
        >>> best_bias(ToyModel(2, 1, IndependentFeatures(1.0)), np.array([[1.0, 0.0]])).tolist()  # stored; the mean 1/2
        [0.0, 0.5]
    """
    check_kind("model", model, ToyModel)
    model.check_plain("best_bias", "bias", "targets")
    n = model.n_features
    if not array_api_compat.is_torch_array(weights):
        weights = float_array("weights", weights)
    xp, device = array_api_compat.array_namespace(weights), array_api_compat.device(weights)
    weights, _ = checked_parameters(model, weights, xp.zeros((n,), dtype=weights.dtype, device=device))
    W = np.asarray(as_numpy(weights), dtype=np.float64)
    batch = np.broadcast_shapes(model.batch_shape, W.shape[:-2])
    law = ToyModel(n, model.n_hidden, model.features)
    if law.batch_shape:
        places = np.arange(int(np.prod(law.batch_shape))).reshape(law.batch_shape)
        rows = np.broadcast_to(places, batch).reshape(-1)
        law = law.take(np.unravel_index(rows, law.batch_shape))
    flat = np.broadcast_to(W, (*batch, *W.shape[-2:])).reshape(-1, *W.shape[-2:])
    with np.errstate(over="ignore", invalid="ignore"):
        found = _Search(law, flat).minima().reshape(*batch, n)
    if not np.isfinite(found).all():
        raise ValueError("weights are too large: float64 doesn't hold their best biases")
    return xp.asarray(found, dtype=weights.dtype, device=device)


class _Search:
    """The problems of all outputs of a batch of models, each with a number of its own."""

    def __init__(self, model: ToyModel, weights: FloatArray) -> None:
        """Look at where minima can lie, and how much curvature B needs."""
        n = model.n_features
        amplitude = model.features.amplitude
        low, high = (
            np.broadcast_to(np.asarray(end, dtype=np.float64), (n,)) for end in (amplitude.low, amplitude.high)
        )
        width, middle = high - low, (low + high) / 2
        on = np.broadcast_to(model.densities(), (len(weights), n))
        above = np.where(low >= 0, middle, np.where(high > 0, high**2 / (2 * np.where(width > 0, width, 1)), 0.0))
        gram = weights.mT @ weights
        own = np.diagonal(gram, axis1=-2, axis2=-1)
        self.size = n
        self.weights, self.exact = weights, ExactLoss(model)
        self.square = (on * (low**2 + low * high + high**2) / 3).reshape(-1)
        self.low = -np.maximum(0, np.maximum(gram * low, gram * high)).sum(axis=-1).reshape(-1)
        highest = on * above - (gram * (on * middle)[:, None, :]).sum(axis=-1)
        self.high = np.maximum(highest.reshape(-1), self.low)
        mixed = (low < 0) & (high > 0) & (own > 0)
        share = 2 * on * np.abs(low) / np.where(mixed, width * np.where(own > 0, own, 1), 1)
        self.curvature = np.where(mixed, share, 0.0).reshape(-1)
        self.negative = np.tile(high <= 0, len(weights))

    def points(self, outputs: NDArray[np.int64], bias: FloatArray) -> _Points:
        """Return what is known at one bias for each of these outputs, which may be there several times."""
        models, whole, at, exact = self._packed(outputs, bias)
        once = exact.engine.evaluate(self.weights[models], whole, 1, outputs=True)
        twice = exact.engine.evaluate(np.sqrt(2.0) * self.weights[models], 2 * whole, 1, outputs=True)
        f, slope, f2, slope2 = (
            np.asarray(part)[at] for part in (once.output_losses, once.d_bias, twice.output_losses, twice.d_bias)
        )
        square = self.square[outputs]
        g, h = (f2 - 2 * f + square) / 2, (f2 - 4 * f + 3 * square) / 2
        dg, dh = slope2 - slope, slope2 - 2 * slope
        negative, bent = self.negative[outputs], self.curvature[outputs]
        a = np.where(negative, f - square, g + bent * bias**2 / 2)
        da = np.where(negative, slope, dg + bent * bias)
        b = np.where(negative, 0.0, h + bent * bias**2 / 2)
        db = np.where(negative, 0.0, dh + bent * bias)
        error = np.zeros(len(outputs))
        if self.size > ENUMERATED:
            both = np.asarray(once.error) + np.asarray(twice.error)
            error = np.broadcast_to(both, whole.shape[:-1])[at[:2]]
        return _Points(bias, f, slope, a, da, b, db, RESOLUTION * (square + np.abs(a) + np.abs(b)) + error)

    def _packed(
        self, outputs: NDArray[np.int64], bias: FloatArray
    ) -> tuple[NDArray[np.int64], FloatArray, tuple[NDArray[np.int64], ...], ExactLoss]:
        """Return the models of some outputs, their biases, shape (K, models, n), where each is, and the loss."""
        n = self.size
        models, place = np.unique(outputs // n, return_inverse=True)
        order = np.argsort(outputs, kind="stable")
        first = np.searchsorted(outputs[order], outputs[order], side="left")
        slot = np.empty(len(outputs), dtype=np.int64)
        slot[order] = np.arange(len(outputs)) - first
        whole = np.broadcast_to(self.low.reshape(-1, n)[models], (int(slot.max()) + 1, len(models), n)).copy()
        at = slot, place, outputs % n
        whole[at] = bias
        return models, whole, at, self.exact.take(models) if self.exact.model.batch_shape else self.exact

    def _slopes(self, outputs: NDArray[np.int64], bias: FloatArray) -> FloatArray:
        """Return f' alone."""
        models, whole, at, exact = self._packed(outputs, bias)
        return np.asarray(exact.engine.evaluate(self.weights[models], whole, 1).d_bias)[at]

    def minima(self) -> FloatArray:
        """Return the best bias of each output."""
        count = len(self.low)
        outputs = np.arange(count)
        nodes = np.linspace(0.0, 1.0, FIRST + 1)
        bias = (self.low[:, None] + (self.high - self.low)[:, None] * nodes).reshape(-1)
        first = self.points(np.repeat(outputs, FIRST + 1), bias)
        best = first.at((first.loss.reshape(count, -1).argmin(axis=-1) + outputs * (FIRST + 1)).astype(np.int64))
        inner = np.arange(count * (FIRST + 1)).reshape(count, -1)
        of, left, right = np.repeat(outputs, FIRST), first.at(inner[:, :-1].ravel()), first.at(inner[:, 1:].ravel())
        for _ in range(MOST_ROUNDS):
            least = self._least(of, left, right)
            going = least < (best.loss - best.open)[of]
            of, left, right, least = of[going], left.at(going), right.at(going), least[going]
            if not len(of):
                break
            # The lowest bounds of each output first.
            order = np.lexsort((least, of))
            rank = np.arange(len(of)) - np.searchsorted(of[order], of[order], side="left")
            now = np.zeros(len(of), dtype=bool)
            now[order[rank < AT_ONCE]] = True
            middle = self.points(of[now], (left.bias[now] + right.bias[now]) / 2)
            best = self._better(best, of[now], middle)
            parts = [
                (of[~now], left.at(~now), right.at(~now)),
                (of[now], left.at(now), middle),
                (of[now], middle, right.at(now)),
            ]
            of = np.concatenate([part[0] for part in parts])
            left, right = (
                _Points(*map(np.concatenate, zip(*(part[k] for part in parts), strict=True))) for k in (1, 2)
            )
        return self._sharpened(best)

    def _least(self, of: NDArray[np.int64], left: _Points, right: _Points) -> FloatArray:
        """Return a lower bound of f on each interval; infinity where its ends are as good, or it is too narrow."""
        width = right.bias - left.bias
        bends = right.da - left.da
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            # Where the tangents of A cross.
            t = np.where(bends > 0, (left.a - right.a + right.da * width) / bends, width / 2)
            t = np.clip(np.nan_to_num(t), 0, width)
            chord = left.b + (right.b - left.b) * np.where(width > 0, t / width, 0)
        under = np.maximum(left.a + left.da * t, right.a - right.da * (width - t))
        least = np.minimum(np.minimum(left.loss, right.loss), self.square[of] + under - chord)
        monotone = (left.da - right.db >= 0) | (right.da - left.db <= 0)
        narrow = width <= 4 * np.spacing(np.maximum(np.abs(left.bias), np.abs(right.bias)))
        return np.where(monotone | narrow, np.inf, least)

    def _better(self, best: _Points, outputs: NDArray[np.int64], found: _Points) -> _Points:
        """Return the best so far, with what was found."""
        order = np.lexsort((found.loss, outputs))
        leading = order[np.r_[True, np.diff(outputs[order]) > 0]]
        ahead = leading[found.loss[leading] < best.loss[outputs[leading]]]
        merged = _Points(*(values.copy() for values in best))
        for mine, theirs in zip(merged, found, strict=True):
            mine[outputs[ahead]] = theirs[ahead]
        return merged

    def _sharpened(self, best: _Points) -> FloatArray:
        """Return the biases at which f' is 0 near the best ones, or these where they rest at an end or a kink."""
        outputs = np.arange(len(best.bias))
        span = self.high - self.low
        # f is flat to its last digits as far as this from a minimum, and ten times that surely isn't.
        reach = np.minimum(np.sqrt(best.open) * 10, span)
        a, b = np.maximum(best.bias - reach, self.low), np.minimum(best.bias + reach, self.high)
        fa, fb = self._slopes(outputs, a), self._slopes(outputs, b)
        turns = (fa < 0) & (fb > 0)
        going = np.flatnonzero(turns)
        for _ in range(STEPS):
            low, high = a[going], b[going]
            step = low - fa[going] * (high - low) / (fb[going] - fa[going])
            c = np.where((step > low) & (step < high), step, (low + high) / 2)
            fc = self._slopes(going, c) if len(going) else c
            # Illinois: the end that stays counts half.
            rises = fc > 0
            fa[going], fb[going] = np.where(rises, fa[going] / 2, fc), np.where(rises, fc, fb[going] / 2)
            a[going], b[going] = np.where(rises, low, c), np.where(rises, c, high)
            last = np.minimum(c - low, high - c) <= 2 * np.spacing(np.abs(c))
            a[going[last | (fc == 0)]] = b[going[last | (fc == 0)]] = c[last | (fc == 0)]
            going = going[~(last | (fc == 0))]
        root = np.where(turns, np.where(np.abs(fa) < np.abs(fb), a, b), best.bias)
        found = self.points(outputs, root)
        chosen = np.where(turns & (found.loss <= best.loss + best.open), root, best.bias)
        return np.where(best.loss >= self.square - best.open, self.low, chosen)
