"""One polytope of equal features: its best scale and bias, and what it saves.

With ℓ₀ = Var x the cost of a feature that isn't represented, a polytope of k corners in d dimensions saves

    gain = (k ℓ₀ − L) / d

for each dimension that it takes, its scale and bias being optimal. The corners are alike, so by symmetry a critical
point of these two numbers (and of an antiprism's height) is one in all directions (docs/packing.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import Bounds, minimize

from .amplitudes import as_amplitude
from .features import FeatureLaw, FloatArray, IndependentFeatures
from .loss import ExactLoss
from .model import ToyModel
from .patterns import OneHotFeatures
from .polytopes import SAME
from .solids import polytope
from .spectral import SpectralLoss

# Biases to start from, in units of E[x²], scales at which a polytope counts as dropped, and heights of antiprisms.
STARTS = (0.3, 0.0, -0.5)
SMALLEST_SCALE = 1e-3
HEIGHTS = (0.05, 0.8)
# More corners than this are cheaper to invert from transforms than to enumerate (docs/benchmarks.md).
MOST_ENUMERATED = 5
TOLERANCE, MAX_NODES = 1e-11, 1 << 14
# Slopes, in units of E[x²], at which a search leaves the rest to Newton's method: of estimated losses, of exact ones.
LEVELLED, VANISHED = 1e-6, 1e-13
# Relative step of differences of gradients, and rounding of an enumerated loss.
DIFFERENCE, ROUNDING = 1e-5, 1e-15


@dataclass(frozen=True, eq=False)
class Packed:
    """A polytope of equal features with its best scale and bias.

    Attributes:
        name: of the polytope.
        corners: features k.
        dim: dimensions d.
        scale: ‖W_i‖².
        bias: b_i, the same for all.
        height: squared height u of an antiprism, else NaN.
        loss: Σ_i E(x_i − x'_i)² of its features.
        gain: (k ℓ₀ − loss) / d.
        error: bound on the loss's numerical error, as far as the engine estimates it, with what is left to gain.
        status: "optimal" where the gradient in scale, bias and height has vanished and the curvature is positive,
            "dropped" where no positive scale costs less than dropping the features, or "failed".
    """

    name: str
    corners: int
    dim: int
    scale: float
    bias: float
    height: float
    loss: float
    gain: float
    error: float
    status: str


class _Family:
    """The loss of a polytope's features against log ‖W_i‖², their bias, and an antiprism's squared height."""

    def __init__(self, name: str, density: float | None, amplitude: Any) -> None:
        self.solid, size = polytope(name), as_amplitude(amplitude)
        self.free_height = name == "antiprism"
        k, d = self.solid.n, self.solid.dim
        one_on = density is None
        law: FeatureLaw = (
            OneHotFeatures(amplitude=size) if density is None else IndependentFeatures(density, amplitude=size)
        )
        model = ToyModel(k, d, law)
        self._spectral = None
        if not one_on and k > MOST_ENUMERATED:
            self._spectral = SpectralLoss(model, tolerance=TOLERANCE, max_nodes=MAX_NODES)
        self._engine = ExactLoss(model) if self._spectral is None else None
        chance = 1.0 if density is None else density
        mean, square = chance * float(size.mean), chance * float(size.second_moment)
        # Of many features of which one is on, each is on so seldom that its mean is nothing beside its square.
        self.unit = square if one_on else square - mean * mean
        self._square = square
        # Then a block's k features have the one that is on k/n times as often, and all else leaves them at their bias.
        self._weight = float(k) if one_on else 1.0
        self._highest_bias = 0.0 if one_on else np.inf

    def corners(self, x: FloatArray) -> FloatArray:
        """Return the polytope's corners, shape (d, k)."""
        points = self.solid.points
        if self.free_height:
            flat, high = np.sqrt((1 - x[2]) / (2 / 3)), np.sqrt(3 * x[2])
            points = points * np.array([flat, flat, high])[:, None]
        return np.asarray(points)

    def evaluate(self, x: FloatArray) -> tuple[float, FloatArray]:
        """Return the loss and its gradient."""
        points, length = self.corners(x), np.exp(x[0] / 2)
        weights, bias = length * points, np.full(self.solid.n, x[1])
        if self._engine is not None:
            loss, d_weights, d_bias = self._engine.loss_and_gradient(weights, bias)
        else:
            assert self._spectral is not None
            outputs, slopes_of = self._spectral.outputs_and_slopes(weights, bias)
            loss, d_gram, d_bias = outputs.sum(), slopes_of[:, :-1], slopes_of[:, -1]
            d_weights = weights @ (d_gram + d_gram.T)
        slopes = [length * (d_weights * points).sum() / 2, d_bias.sum()]
        if self.free_height:
            steps = np.array([-0.5 / (1 - x[2]), -0.5 / (1 - x[2]), 0.5 / x[2]])[:, None]
            slopes.append(length * (d_weights * steps * points).sum())
        return self._weight * float(loss), self._weight * np.array(slopes)

    def error(self) -> float:
        """Return the error of the last loss: the engine's estimate, or its rounding."""
        if self._spectral is None:
            return ROUNDING * self.solid.n * self._square * self._weight
        return float(np.sum(self._spectral.error))

    def bounds(self) -> Bounds:
        """Return the box of the search."""
        low, high = [np.log(SMALLEST_SCALE / 10), -np.inf], [np.log(10.0), self._highest_bias]
        if self.free_height:
            low, high = [*low, HEIGHTS[0]], [*high, HEIGHTS[1]]
        return Bounds(low, high)

    def search(self, start: FloatArray) -> tuple[float, FloatArray]:
        """Return the loss and the place of the minimum that a quasi-Newton search finds."""
        # An exact loss without noise costs little, and with constant amplitudes it has kinks to creep along.
        level = LEVELLED if self._spectral is not None else VANISHED
        options = {"ftol": 0.0, "gtol": level * self._square * self._weight, "maxls": 40}
        search: Any = minimize
        found = search(self.evaluate, start, jac=True, method="L-BFGS-B", bounds=self.bounds(), options=options)
        return float(found.fun), np.asarray(found.x)

    def polished(self, x: FloatArray) -> tuple[FloatArray, float, bool]:
        """Return a place after Newton steps, what is left to gain there, and whether the curvature is positive."""
        free = np.ones(len(x), dtype=bool)
        free[1] = x[1] < self._highest_bias
        left, positive = np.inf, False
        for _ in range(3):
            _, gradient = self.evaluate(x)
            columns = []
            for k in np.flatnonzero(free):
                step = np.zeros(len(x))
                step[k] = DIFFERENCE
                columns.append((self.evaluate(x + step)[1] - self.evaluate(x - step)[1])[free] / (2 * DIFFERENCE))
            hessian = (np.array(columns) + np.array(columns).T) / 2
            eigenvalues = np.linalg.eigvalsh(hessian)
            positive = bool(eigenvalues[0] > 0)
            if not positive:
                break
            step = np.zeros(len(x))
            step[free] = -np.linalg.solve(hessian, gradient[free])
            left = float(-gradient[free] @ step[free] / 2)
            if left <= ROUNDING * self._square:
                break
            x = np.clip(x + step, self.bounds().lb, self.bounds().ub)
        return x, left, positive


def packed(name: str, density: float | None, *, amplitude: Any = "uniform", near: Packed | None = None) -> Packed:
    """Return a polytope of equal features with its best scale, bias and, for an antiprism, height.

    Args:
        name: of a polytope whose corners are all alike (`tegum.theory.packing.ATLAS`).
        density: 1 − S in (0, 1); None for exactly one of many features on.
        amplitude: as in the input laws.
        near: the same polytope at a density so close that its optimum leads to the one here, to start from alone.

    Returns:
        The record. Its loss is the least that was found from several starts, not proved to be the least.

    Raises:
        ValueError: if the name, the density or the amplitude isn't one.

    Example:
        >>> pair = packed("digon", 0.1)
        >>> round(pair.loss, 10), round(pair.scale, 4)    # the global minimum of two features in one dimension
        (0.003319484, 1.0116)
    """
    if density is not None and not 0 < density < 1:
        raise ValueError(f"density must lie in (0, 1), or be None for one feature on, got {density!r}")
    family = _Family(name, density, amplitude)
    if np.ptp(np.sort(family.solid.gram, axis=1), axis=0).max() > SAME:
        raise ValueError(f"the corners of a packed polytope must be alike, those of {name!r} aren't")
    square = family._square
    starts = [[0.0, bias * square] for bias in STARTS]
    if near is not None and near.status == "optimal":
        starts = [[float(np.log(near.scale)), near.bias]]
    heights = [1 / 3] if near is None or not near.height > 0 else [near.height]
    places = [np.array([*start, *(heights if family.free_height else [])]) for start in starts]
    _, x = min((family.search(place) for place in places), key=lambda pair: pair[0])
    x, left, positive = family.polished(x)
    loss, _ = family.evaluate(x)
    k, d, scale = family.solid.n, family.solid.dim, float(np.exp(x[0]))
    status = "optimal" if positive and np.isfinite(left) else "failed"
    if scale < SMALLEST_SCALE:
        status, left = "dropped", 0.0
    height = float(x[2]) if family.free_height else float("nan")
    gain, error = (k * family.unit - loss) / d, family.error() + left
    return Packed(name, k, d, scale, float(x[1]), height, loss, gain, error, status)
