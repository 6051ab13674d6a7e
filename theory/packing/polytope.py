"""One polytope of equal features: its best scale and bias, and what it saves.

With ℓ₀ = Var x the cost of a feature that isn't represented, a polytope of k corners in d dimensions saves

    gain = (k ℓ₀ − L) / d

for each dimension that it takes, its scale and bias being optimal. The corners are alike, so by symmetry a critical
point of these two numbers (and of an antiprism's height) is one in all directions (docs/packing.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..models import Amplitude, one_amplitude
from ..numerics import FloatArray, check_kind, is_real, shown
from ..polytopes import SAME, Polytope, polytope
from .descent import Box, descend
from .losses import Counted, Losses, losses_of
from .shapes import Shape, corners

# Biases to start from, in units of E[x²], scales at which a polytope counts as dropped, and free shares.
STARTS = (0.3, 0.0, -0.5)
SMALLEST_SCALE = 1e-3
# A further start has the bias that silences this share of the largest overlap.
NEARLY = 0.9
SHARES = (0.05, 0.8)
# Shares for which a loss over counts is minimised in scale and bias before the search.
TRIED = tuple(np.linspace(*SHARES, 11)[1:-1].tolist())
# Slopes, in units of E[x²], at which a search leaves the rest to Newton's method: of estimated losses, of exact ones.
LEVELLED, VANISHED = 1e-6, 1e-13
# Ends of searches whose losses, in units of E[x²] for each corner, and places are so far apart are other minima.
APART, ELSEWHERE = 1e-5, 1e-4
# Losses, in units of E[x²], that are rounding.
LOSSLESS = 1e-13
# Relative step of differences of gradients: of exact ones, and of estimated ones, whose errors they magnify.
DIFFERENCE, WIDER = 1e-5, 1e-4
# What is left to gain where Newton's method ends, in units of E[x²], and its steps.
NOTHING_LEFT, NEWTON_STEPS = 1e-15, 8


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

    def box(self) -> Box:
        """Return the box of the search."""
        shares = [SHARES] if self.shape.rows else []
        return [(float(np.log(SMALLEST_SCALE / 10)), float(np.log(10.0))), (-np.inf, self.highest_bias), *shares]

    def search(self, starts: list[list[float]]) -> list[FloatArray]:
        """Return the places of the lowest minima that searches from some starts find, best first.

        All are returned between whose losses the search can't decide, so that none is lost by its tolerance.
        """
        loss, unit = self.losses.search, self.square * self.shape.solid.n
        # An exact loss without noise costs little, and with constant amplitudes it has kinks to creep along.
        level = (LEVELLED if loss.estimated else VANISHED) * unit

        def evaluate(x: list[float]) -> tuple[float, list[float]]:
            found = loss.measured(np.array(x))
            return found.loss, found.gradient.tolist()

        ends = sorted(descend(evaluate, start, self.box(), level) for start in starts)
        close = ends[0][0] + (APART + 2 * loss.estimated) * unit
        places: list[FloatArray] = []
        for value, end in ends:
            place = np.array(end)
            if value <= close and all(np.abs(place - other).max() > ELSEWHERE for other in places):
                places.append(place)
        return places

    def polished(self, x: FloatArray) -> _Polished:
        """Return a place after Newton steps, with curvatures by differences of the search's slopes."""
        loss, curved, unit = self.losses.polish, self.losses.search, self.square
        width = WIDER if curved.estimated else DIFFERENCE
        low, high = np.array(self.box()).T
        free = np.ones(len(x), dtype=bool)
        free[1] = x[1] < self.highest_bias
        left, positive = np.inf, False
        here = loss.measured(x)
        for _ in range(NEWTON_STEPS):
            columns = []
            for k in np.flatnonzero(free):
                step = np.zeros(len(x))
                step[k] = width
                rise = curved.measured(x + step).gradient - curved.measured(x - step).gradient
                columns.append(rise[free] / (2 * width))
            hessian = (np.array(columns) + np.array(columns).T) / 2
            positive = bool(np.linalg.eigvalsh(hessian)[0] > 0)
            if not positive:
                break
            step = np.zeros(len(x))
            step[free] = -np.linalg.solve(hessian, here.gradient[free])
            left = float(-here.gradient[free] @ step[free] / 2)
            if left <= NOTHING_LEFT * unit:
                break
            x = np.clip(x + step, low, high)
            here = loss.measured(x)
        return _Polished(here.loss, x, left, positive)


class _Polished(NamedTuple):
    """A minimum after Newton's method.

    Attributes:
        loss: there.
        place: x.
        left: what is left to gain, to second order.
        positive: whether the curvature is.
    """

    loss: float
    place: FloatArray
    left: float
    positive: bool


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
        near: the same polytope at another density, whose optimum is one more place to start from.

    Returns:
        The record. Its loss is the least that was found from several starts, not proved to be the least; for a constant
        amplitude one start has, but for rounding, the least loss over all scales and biases (of nine free shares).

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
    starts = [[0.0, bias * square] for bias in (*STARTS, 0.0 if density is None else density)]
    nearest = float(np.triu(solid.gram, 1).max())
    if nearest > SAME:
        # Best if neighbours never switch each other on and nothing else is on.
        relative = -NEARLY * nearest
        scale = (2 - relative) / (2 * (1 + relative))
        starts.append([float(np.log(scale)), relative * scale])
    shares = [len(form.rows) / solid.dim] if form.rows else []
    places = [[*start, *shares] for start in starts]
    if near is not None and near.status == "optimal":
        places.append([float(np.log(near.scale)), near.bias, *([near.height] if near.height > 0 else shares)])
    if isinstance(task.losses.search, Counted):
        places += task.losses.search.least(TRIED if form.rows else ())
    ends = task.search(places)
    _, x, left, positive = min((task.polished(end) for end in ends), key=lambda one: one.loss)
    loss, error = task.losses.judge.judged(x)
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
