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

from ..models import Amplitude, one_amplitude
from ..numerics import FloatArray, check_kind, is_real, shown
from ..polytopes import SAME, Polytope, polytope
from .losses import Losses, losses_of
from .shapes import Shape, corners

# Biases to start from, in units of E[x²], scales at which a polytope counts as dropped, and free shares.
STARTS = (0.3, 0.0, -0.5)
SMALLEST_SCALE = 1e-3
# A further start has the bias that silences this share of the largest overlap.
NEARLY = 0.9
SHARES = (0.05, 0.8)
# Slopes, in units of E[x²], at which a search leaves the rest to Newton's method: of estimated losses, of exact ones.
LEVELLED, VANISHED = 1e-6, 1e-13
# Losses, in units of E[x²], that are rounding.
LOSSLESS = 1e-13
# Relative step of differences of gradients, and what is left to gain where Newton's method ends, in units of E[x²].
DIFFERENCE, NOTHING_LEFT = 1e-5, 1e-15


@dataclass(frozen=True, eq=False)
class Packed:
    """A polytope of equal features with its best scale and bias.

    Attributes:
        name: of the polytope.
        corners: features k.
        dim: dimensions d.
        scale: ‖W_i‖².
        bias: b_i, the same for all.
        height: squared height u of an antiprism, or squared part of a duoantiprism's corners in its first plane; else
            NaN.
        loss: Σ_i E(x_i − x'_i)² of its features.
        gain: (k ℓ₀ − loss) / d.
        error: bound on how far `loss` is from that at `weights` and `bias`, by rounding and truncation, and what is
            left to gain to second order (docs/errors.md). Its truncation is an estimate for a constant amplitude where
            more than five corners interfere that aren't all alike.
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

    @property
    def weights(self) -> FloatArray:
        """W, shape (d, k)."""
        return np.asarray(np.sqrt(self.scale) * corners(polytope(self.name), self.height))


@dataclass(frozen=True, eq=False)
class _Task:
    """What is minimised: the loss of a shape's features.

    Attributes:
        shape: of the features.
        losses: for each stage.
        unit: ℓ₀ = Var x.
        square: E[x²].
        highest_bias: that an output may have.
    """

    shape: Shape
    losses: Losses
    unit: float
    square: float
    highest_bias: float

    @classmethod
    def of(cls, shape: Shape, density: float | None, amplitude: Amplitude) -> _Task:
        losses = losses_of(shape, density, amplitude)
        if density is None:
            # Of many features of which one is on, each is on so seldom that its mean is nothing beside its square.
            square = float(amplitude.second_moment)
            return cls(shape, losses, square, square, 0.0)
        mean, square = density * float(amplitude.mean), density * float(amplitude.second_moment)
        return cls(shape, losses, square - mean * mean, square, np.inf)

    def bounds(self) -> Bounds:
        """Return the box of the search."""
        low, high = [np.log(SMALLEST_SCALE / 10), -np.inf], [np.log(10.0), self.highest_bias]
        if self.shape.rows:
            low, high = [*low, SHARES[0]], [*high, SHARES[1]]
        return Bounds(low, high)

    def search(self, start: FloatArray) -> tuple[float, FloatArray]:
        """Return the loss and the place of the minimum that a quasi-Newton search finds."""
        loss = self.losses.search
        # An exact loss without noise costs little, and with constant amplitudes it has kinks to creep along.
        level = VANISHED if loss.exact else LEVELLED
        options = {"ftol": 0.0, "gtol": level * self.square * self.shape.solid.n, "maxls": 40}
        search: Any = minimize

        def evaluate(x: FloatArray) -> tuple[float, FloatArray]:
            return loss.measured(x)[:2]

        found = search(evaluate, start, jac=True, method="L-BFGS-B", bounds=self.bounds(), options=options)
        return float(found.fun), np.asarray(found.x)

    def polished(self, x: FloatArray) -> tuple[FloatArray, float, bool]:
        """Return a place after Newton steps, what is left to gain there, and whether the curvature is positive."""
        loss = self.losses.polish
        free = np.ones(len(x), dtype=bool)
        free[1] = x[1] < self.highest_bias
        left, positive = np.inf, False
        for _ in range(3):
            gradient = loss.measured(x).gradient
            columns = []
            for k in np.flatnonzero(free):
                step = np.zeros(len(x))
                step[k] = DIFFERENCE
                rise = loss.measured(x + step).gradient - loss.measured(x - step).gradient
                columns.append(rise[free] / (2 * DIFFERENCE))
            hessian = (np.array(columns) + np.array(columns).T) / 2
            eigenvalues = np.linalg.eigvalsh(hessian)
            positive = bool(eigenvalues[0] > 0)
            if not positive:
                break
            step = np.zeros(len(x))
            step[free] = -np.linalg.solve(hessian, gradient[free])
            left = float(-gradient[free] @ step[free] / 2)
            if left <= NOTHING_LEFT * self.square:
                break
            x = np.clip(x + step, self.bounds().lb, self.bounds().ub)
        return x, left, positive

    def judged(self, x: FloatArray) -> tuple[float, float]:
        """Return the loss, and a bound on how far it is from that of the weights √scale · corners."""
        loss = self.losses.judge
        found = loss.measured(x)
        return found.loss, loss.rounding(x) + found.truncation


def check_density(density: Any) -> float | None:
    """Raise `ValueError` unless a density is within (0, 1), or None."""
    if density is not None and not (is_real(density) and 0 < density < 1):
        raise ValueError(f"density must lie in (0, 1), or be None for one feature on, got {shown(density)}")
    return None if density is None else float(density)


def packed(
    shape: str | Polytope, density: float | None, *, amplitude: Any = "uniform", near: Packed | None = None
) -> Packed:
    """Return a polytope of equal features with its best scale, bias and, for an antiprism or duoantiprism, height.

    Args:
        shape: name of a polytope whose corners are all alike (`ATLAS`), or any polytope as it is.
            Where corners aren't alike, one scale and one bias for all aren't a critical point in all directions.
        density: 1 − S in (0, 1); None for exactly one of many features on.
        amplitude: as in the input laws.
        near: the same polytope at a density so close that its optimum leads to the one here, to start from alone.

    Returns:
        The record. Its loss is the least that was found from several starts, not proved to be the least.

    Raises:
        ValueError: if the name, the density or the amplitude isn't one, or corners that aren't alike are packed in the
            limit of one feature on.

    Example:
        >>> pair = packed("digon", 0.1)
        >>> round(pair.loss, 10), round(pair.scale, 4)    # the global minimum of two features in one dimension
        (0.003319484, 1.0116)
    """
    check_kind("shape", shape, str, Polytope)
    check_kind("near", near, Packed, optional=True)
    density = check_density(density)
    form, size = Shape.of(shape), one_amplitude("packing", amplitude)
    solid = form.solid
    if not form.alike and (isinstance(shape, str) or density is None):
        raise ValueError(f"the corners of a packed polytope must be alike, those of {solid.name!r} aren't")
    task = _Task.of(form, density, size)
    square = task.square
    starts = [[0.0, bias * square] for bias in STARTS]
    nearest = float(np.triu(solid.gram, 1).max())
    if nearest > SAME:
        # Best if neighbours never switch each other on and nothing else is on.
        relative = -NEARLY * nearest
        scale = (2 - relative) / (2 * (1 + relative))
        starts.append([float(np.log(scale)), relative * scale])
    if near is not None and near.status == "optimal":
        starts = [[float(np.log(near.scale)), near.bias]]
    tight = len(form.rows) / solid.dim
    shares = [tight if near is None or not near.height > 0 else near.height] if form.rows else []
    places = [np.array([*start, *shares]) for start in starts]
    _, x = min((task.search(place) for place in places), key=lambda pair: pair[0])
    x, left, positive = task.polished(x)
    loss, error = task.judged(x)
    k, d, scale = solid.n, solid.dim, float(np.exp(x[0]))
    status = "optimal" if positive and np.isfinite(left) else "failed"
    if scale < SMALLEST_SCALE:
        status, left = "dropped", 0.0
    elif loss <= LOSSLESS * square:
        # Nothing is left to gain, however flat it is.
        status, left = "optimal", loss
    height = float(x[2]) if form.rows else float("nan")
    gain = (k * task.unit - loss) / d
    return Packed(solid.name, k, d, scale, float(x[1]), height, loss, gain, error + left, status)
