"""What k equal features in d dimensions save with every weight and bias free: a search from many starts.

Starts go downhill on the loss over a fixed set of quasi-random inputs, all at once; the best of them then on the exact
loss. Nothing ties the features to a sphere or to one another, so whatever saves more than the polytopes of the atlas
can be found. That nothing is found proves nothing (docs/packing.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.stats import qmc

from ..loss import Engine, SpectralEngine, engine_for
from ..minima import pack, unpack
from ..models import IndependentFeatures, ToyModel, one_amplitude
from ..numerics import MOST_STARTS, FloatArray, Lbfgs, Summarised, check_count, check_number, check_seed, members, reals

# More features than this are inverted from transforms, up to as many as the search is made for.
MOST_ENUMERATED, MAX_CORNERS = 5, 16
# Inputs on which starts go downhill, a power of two, and how long.
INPUTS, STEPS = 1024, 200
# Tolerances of the spectral engine: on the way, and at the end, with up to so many nodes.
ON_THE_WAY, AT_THE_END, MAX_NODES = 1e-9, 1e-11, 1 << 14
# Slopes at which a search on the exact loss ends, and losses over quasi-random inputs that count as the same, both in
# units of E[x²].
LEVEL, APART = 1e-7, 1e-3
# Steps on the exact loss: of all that are polished, of the best few, and how many these are.
HEAT, LIMIT, FINALISTS = 50, 500, 2
# Standard deviation by which given starts are moved.
MOVED = 0.01
# E[x²] in units of which losses are numbers yet.
LEAST_SQUARE = 1e-100
# Lengths of the columns that a search starts from, and by how much those are shorter that begin as if dropped.
LENGTHS, SHORT = (0.6, 1.1), 0.1


@dataclass(frozen=True, eq=False)
class FreePacking(Summarised):
    """The best that was found for k features in d dimensions.

    Attributes:
        corners: features k.
        dim: dimensions d.
        density: 1 − S.
        weights: W, shape (d, k).
        bias: b, shape (k,).
        loss: Σ_i E(x_i − x'_i)².
        gain: (k ℓ₀ − loss) / d, with ℓ₀ the cost of a feature that isn't represented.
        random_gain: the same of the best that random starts led to.
        error: bound on how far `loss` is from that at `weights` and `bias` (docs/errors.md). Its truncation is an
            estimate for more than five features of constant amplitude.
        slope: the largest derivative of the loss in units of E[x²].
        starts: random starts.
        polished: of them, how many were followed on the exact loss.
        same: of all random starts, how many ended at the lowest loss over the quasi-random inputs.
        status: "level" if the slope has vanished, or "not level".
    """

    corners: int
    dim: int
    density: float
    weights: FloatArray
    bias: FloatArray
    loss: float
    gain: float
    random_gain: float
    error: float
    slope: float
    starts: int
    polished: int
    same: int
    status: str


def free_packing(
    corners: int,
    dim: int,
    density: float,
    *,
    starts: int = 64,
    polished: int = 4,
    seed: int = 0,
    amplitude: Any = "uniform",
    also: Sequence[tuple[FloatArray, FloatArray]] = (),
) -> FreePacking:
    """Return the best weights and biases found for k equal features in d dimensions.

    Args:
        corners: features k, from 1 to 16.
        dim: dimensions d, at least 1.
        density: 1 − S in (0, 1).
        starts: random starts, which go downhill on quasi-random inputs.
        polished: how many of the best different ends are followed on the exact loss.
        seed: of the starts and the inputs.
        amplitude: as in the input laws.
        also: further weights, shape (d, k), and biases, shape (k,), to start from, moved a little at random.

    Raises:
        ValueError: if a number or a shape isn't one of these.

    Example:
        >>> found = free_packing(2, 1, 0.1, starts=8)
        >>> round(found.loss, 9)    # the deformed antipodal pair
        0.003319484
    """
    check_count("starts", starts, 1, MOST_STARTS)
    check_count("polished", polished, 1, starts)
    check_seed("seed", seed)
    density = check_number("density", density, above=0, below=1)
    for name, value, most in (("corners", corners, MAX_CORNERS), ("dim", dim, MAX_CORNERS)):
        check_count(name, value, 1, most)
    begun = []
    for place in members("also", also, tuple, list):
        if len(place) != 2:
            raise ValueError(f"also must hold pairs of weights and biases, got {len(place)} in one")
        begun.append((reals("also", place[0], (dim, corners)), reals("also", place[1], (corners,))))
    size = one_amplitude("packing", amplitude)
    mean, square = density * float(size.mean), density * float(size.second_moment)
    if square < LEAST_SQUARE:
        raise ValueError(f"density must be large enough for E[x²] to be {LEAST_SQUARE:g} or more, got {density}")
    model = ToyModel(corners, dim, IndependentFeatures(density, amplitude=size))
    inputs = _Inputs(model, seed)
    rng = np.random.default_rng(seed)
    weights = rng.normal(size=(starts, dim, corners))
    lengths = rng.uniform(*LENGTHS, (starts, 1, corners)) / np.linalg.norm(weights, axis=1, keepdims=True)
    # Some features begin as if dropped: of every second start, any number.
    dropped = np.arange(corners) >= rng.integers(1, corners + 1, (starts, 1))
    dropped[::2] = False
    weights *= np.where(dropped[:, None], SHORT, 1) * lengths
    ends, losses = inputs.descend(pack(weights, np.where(dropped, mean, 0)))
    exact = _Exact(model, square)
    # All of them some way, the best two to the end.
    tried = [exact.descend(ends[k], HEAT) for k in _different(losses, APART * square)[:polished]]
    tried.sort(key=lambda end: end[0])
    found = [exact.descend(point, LIMIT) for _, point in tried[:FINALISTS]]
    random = min(loss for loss, _ in found)
    given = [pack(*place) for place in begun]
    moved = [exact.descend(point + MOVED * rng.normal(size=point.shape), LIMIT) for point in given]
    best = min([*found, *moved], key=lambda end: end[0])
    same = int((losses <= losses.min() + APART * square).sum())
    loss, slope, error = exact.judge(best[1])
    gain, random_gain = ((corners * (square - mean * mean) - cost) / dim for cost in (loss, max(random, loss)))
    status = "level" if slope <= 10 * LEVEL else "not level"
    weights, bias = unpack(best[1], dim)
    return FreePacking(
        *(corners, dim, density, weights, bias, loss, gain, random_gain, error),
        *(slope, starts, len(tried), same, status),
    )


def _different(losses: FloatArray, apart: float) -> list[int]:
    """Return starts in order of their losses, those of equal losses last."""
    order = [int(k) for k in np.argsort(losses, kind="stable")]
    first, again = [], []
    last = -np.inf
    for k in order:
        if losses[k] > last + apart:
            first.append(k)
            last = losses[k]
        else:
            again.append(k)
    return first + again


class _Inputs:
    """The loss over quasi-random inputs with at least one active feature, and the known rest."""

    def __init__(self, model: ToyModel, seed: int) -> None:
        k, p = model.n_features, float(model.densities()[0])
        size = model.features.amplitude
        draws = qmc.Sobol(2 * k, rng=np.random.default_rng(seed)).random(INPUTS)
        # One after the other: the chance of being on, given that none was before and one is at last.
        on: NDArray[np.bool_] = np.zeros((INPUTS, k), dtype=np.bool_)
        for j in range(k):
            chance = np.where(on.any(axis=1), p, p / (1 - (1 - p) ** (k - j)))
            on[:, j] = draws[:, j] < chance
        self._inputs = on * (float(size.low) + (float(size.high) - float(size.low)) * draws[:, k:])
        self._silent = (1 - p) ** k
        self._dim = model.n_hidden

    def evaluate(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return losses, shape (R,), and gradients, shape (R, P), at packed points."""
        weights, bias = unpack(points, self._dim)
        x, share = self._inputs, (1 - self._silent) / INPUTS
        hidden = x @ weights.mT
        outputs = np.maximum(hidden @ weights + bias[:, None], 0)
        at_rest = np.maximum(bias, 0)
        error = outputs - x
        loss = share * np.einsum("rnk,rnk->r", error, error) + self._silent * (at_rest**2).sum(axis=-1)
        back = 2 * share * error * (outputs > 0)
        in_weights = hidden.mT @ back + (back @ weights.mT).mT @ x
        in_bias = back.sum(axis=1) + 2 * self._silent * at_rest
        return loss, pack(in_weights, in_bias)

    def descend(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return where packed points, shape (R, P), end, and their losses."""
        search = Lbfgs.begin(points.T)
        for _ in range(STEPS):
            loss, gradient = self.evaluate(search.trial.T)
            search = search.advance(loss, gradient.T)
        return search.point.T, search.loss


class _Exact:
    """The exact loss at packed points."""

    def __init__(self, model: ToyModel, square: float) -> None:
        self._model, self._square = model, square
        self._few = model.n_features <= MOST_ENUMERATED
        self._engine: Engine = engine_for(model) if self._few else SpectralEngine(model, tolerance=ON_THE_WAY)

    def evaluate(self, point: FloatArray) -> tuple[float, FloatArray]:
        """Return the loss and its gradient."""
        found = self._engine.evaluate(*unpack(point, self._model.n_hidden), 1)
        return float(found.loss), pack(found.d_weights, found.d_bias)

    def descend(self, point: FloatArray, steps: int) -> tuple[float, FloatArray]:
        """Return the loss and the place where a quasi-Newton search ends."""
        options = {"ftol": 0.0, "gtol": LEVEL * self._square, "maxiter": steps, "maxcor": 30}
        search: Callable[..., Any] = minimize
        found = search(self.evaluate, point, jac=True, method="L-BFGS-B", options=options)
        return float(found.fun), np.asarray(found.x)

    def judge(self, point: FloatArray) -> tuple[float, float, float]:
        """Return loss, slope in units of E[x²], and the loss's error."""
        engine = self._engine
        if not self._few:
            proved = not self._model.features.amplitude.is_constant
            engine = SpectralEngine(self._model, tolerance=AT_THE_END, max_nodes=MAX_NODES, proved=proved)
        found = engine.evaluate(*unpack(point, self._model.n_hidden), 1)
        slope = float(np.abs(pack(found.d_weights, found.d_bias)).max()) / self._square
        return float(found.loss), slope, float(found.error)
