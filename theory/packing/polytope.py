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

from ..loss import ExactLoss, loss_rounding, mean_square
from ..loss.spectral import BlockLaw, Rows, SpectralLoss, simple_terms
from ..models import IndependentFeatures, ToyModel, as_amplitude
from ..numerics import FloatArray, gamma, is_real
from ..polytopes import SAME, Polytope, polytope
from .counted_patterns import CountedPatterns

# Biases to start from, in units of E[x²], scales at which a polytope counts as dropped, and free shares.
STARTS = (0.3, 0.0, -0.5)
SMALLEST_SCALE = 1e-3
# A further start has the bias that silences this share of the largest overlap.
NEARLY = 0.9
SHARES = (0.05, 0.8)
# A share at which no overlaps are equal by chance.
GENERAL = 0.3137
# Polytopes with a free share: the coordinates that it is the square of. It is their number over d for a tight frame.
STRETCHED = {"antiprism": (2,), "2-3 duoantiprism": (0, 1)}
# More corners than this are cheaper to invert from transforms than to enumerate (docs/benchmarks.md).
MOST_ENUMERATED = 5
ON_THE_WAY, TOLERANCE, MAX_NODES = 1e-9, 1e-11, 1 << 14
# Slopes, in units of E[x²], at which a search leaves the rest to Newton's method: of estimated losses, of exact ones.
LEVELLED, VANISHED = 1e-6, 1e-13
# Losses, in units of E[x²], that are rounding.
LOSSLESS = 1e-13
# Relative step of differences of gradients, and what is left to gain where Newton's method ends, in units of E[x²].
DIFFERENCE, NOTHING_LEFT = 1e-5, 1e-15
# Operations of the weights and overlaps besides those for each dimension; and of one feature's closed forms.
OVERLAP, CLOSED = 6, 40


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
        return np.asarray(np.sqrt(self.scale) * _corners(polytope(self.name), self.height))


def _corners(solid: Polytope, share: float) -> FloatArray:
    """Return a polytope's corners, shape (d, k), with the free share of those that have one."""
    points = np.asarray(solid.points)
    if np.isnan(share):
        return points
    rows = list(STRETCHED[solid.name])
    tight = len(rows) / solid.dim
    factors = np.full((solid.dim, 1), np.sqrt((1 - share) / (1 - tight)))
    factors[rows] = np.sqrt(share / tight)
    return np.asarray(points * factors)


class _Family:
    """The loss of a polytope's features against log ‖W_i‖², their bias, and the free share of a stretched one."""

    def __init__(self, shape: str | Polytope, density: float | None, amplitude: Any) -> None:
        self.solid, size = shape if isinstance(shape, Polytope) else polytope(shape), as_amplitude(amplitude)
        self.rows = STRETCHED.get(shape, ()) if isinstance(shape, str) else ()
        self.alike = bool(np.ptp(np.sort(self.solid.gram, axis=1), axis=0).max() <= SAME)
        k, d = self.solid.n, self.solid.dim
        one_on = density is None
        chance = 1.0 if density is None else density
        # Its patterns say nothing about one of many features being on.
        law = IndependentFeatures(0.5 if density is None else density, amplitude=size)
        self._model = model = ToyModel(k, d, law)
        self._counted = None
        if density is not None and size.is_constant and k > 1 and self.alike:
            points = _corners(self.solid, GENERAL if self.rows else np.nan)
            self._counted = CountedPatterns(points[:, 0] @ points, density, float(size.mean))
        known = one_on or self._counted is not None
        few = max(map(len, self.solid.factors)) <= MOST_ENUMERATED
        self._engine = ExactLoss(model) if not known and few else None
        self._coarse = self._fine = self._judge = None
        if not known and not few:
            self._coarse = SpectralLoss(model, tolerance=ON_THE_WAY)
            self._fine = SpectralLoss(model, tolerance=TOLERANCE, max_nodes=MAX_NODES)
            proved = not size.is_constant
            self._judge = SpectralLoss(model, tolerance=TOLERANCE, max_nodes=MAX_NODES, proved=proved)
        self._spectral = self._fine
        self._law = BlockLaw.of(law, np.array(law.densities(k)).reshape(1, k))
        mean, square = chance * float(size.mean), chance * float(size.second_moment)
        # Of many features of which one is on, each is on so seldom that its mean is nothing beside its square.
        self.unit = square if one_on else square - mean * mean
        self.square = square
        self._highest_bias = 0.0 if one_on else np.inf

    def evaluate(self, x: FloatArray) -> tuple[float, FloatArray]:
        """Return the loss and its gradient."""
        return self._measured(x)[:2]

    def judged(self, x: FloatArray) -> tuple[float, float]:
        """Return the loss, and a bound on how far it is from that of the weights √scale · corners."""
        self._spectral = self._judge
        loss, _, truncation = self._measured(x)
        return loss, self._rounding(x) + truncation

    def _rounding(self, x: FloatArray) -> float:
        """Return a bound on the rounding of the loss, that of the spectral engine's own sums left out."""
        k, d, law = self.solid.n, self.solid.dim, self._model.features
        weights = np.sqrt(np.exp(x[0])) * _corners(self.solid, x[2] if self.rows else np.nan)
        if self._engine is not None:
            return float(loss_rounding(self._model, weights, np.full(k, x[1])))
        largest = float(max(abs(law.amplitude.low), abs(law.amplitude.high)))
        sizes, offset = np.abs(weights).T @ np.abs(weights), np.full(k, abs(x[1]))
        # A relative change of overlaps and biases counts twice in a square.
        overlap = 2 * (d + OVERLAP)
        if self._spectral is None and self._counted is None:
            # One feature is on, each as often as another; the first is the output's own.
            alone = offset[0] + largest * (sizes[0] + np.eye(k)[0])
            return float(k * gamma(overlap + CLOSED + 2 * k) * (alone**2).sum())
        steps = overlap + (k if self._counted is None else self._counted.steps)
        return float(gamma(steps) * mean_square(law, largest * (sizes + np.eye(k)), offset).sum())

    def _measured(self, x: FloatArray) -> tuple[float, FloatArray, float]:
        """Return the loss, its gradient, and what its error has besides `_rounding`."""
        k, share = self.solid.n, x[2] if self.rows else np.nan
        points, scale = _corners(self.solid, share), float(np.exp(x[0]))
        if self._engine is not None:
            loss, in_weights, in_bias = self._engine.loss_and_gradient(np.sqrt(scale) * points, np.full(k, x[1]))
            slopes = [np.sqrt(scale) * (in_weights * points).sum() / 2, in_bias.sum()]
            return float(loss), np.array(slopes), 0.0
        if not self.alike:
            return self._each(scale * self.solid.gram, float(x[1]))
        # All outputs are alike.
        overlaps = scale * (points[:, 0] @ points)
        one, in_row, error = self._output(overlaps, float(x[1]))
        slopes = [in_row[:-1] @ overlaps, in_row[-1]]
        if self.rows:
            slopes.append(in_row[:-1] @ (scale * ((points * self._steps(share))[:, 0] @ points)))
        return k * one, k * np.array(slopes), k * error

    def _each(self, gram: FloatArray, bias: float) -> tuple[float, FloatArray, float]:
        """Return the loss, its gradient in log scale and bias, and its error, output by output."""
        parts = []
        for i in range(self.solid.n):
            assert self._spectral is not None
            one = self._spectral.output(i, gram[i], bias)
            (in_row,) = one.slopes
            parts.append((one.value[0], in_row[:-1] @ gram[i], in_row[-1], one.error[0]))
        loss, *slopes, error = np.sum(parts, axis=0)
        return float(loss), np.array(slopes), float(error)

    def _output(self, overlaps: FloatArray, bias: float) -> tuple[float, FloatArray, float]:
        """Return the first output's loss, its derivatives in the overlaps and the bias, and the engine's error."""
        if self._counted is not None:
            return *self._counted.output_and_slopes(overlaps, bias), 0.0
        if self._spectral is not None:
            found = self._spectral.output(0, overlaps, bias)
            return float(found.value[0]), found.slopes[0], float(found.error[0])
        # Of a block's k features one is on k/n times as often, and all else leaves them at their bias.
        terms = simple_terms(Rows(self._law, overlaps[None], np.array([bias]), np.array([0])), True)
        loss = self.square + terms["on none value"][0] + terms["off one value"][0, 1:].sum()
        slopes = np.append(terms["off one slope"][0], terms["on none bias"][0] + terms["off one bias"][0, 1:].sum())
        slopes[0] = terms["on none own"][0]
        return float(loss), slopes, 0.0

    def _steps(self, share: float) -> FloatArray:
        """Return the derivatives of the logarithms of squared coordinates in the share, shape (d, 1)."""
        steps = np.full((self.solid.dim, 1), -1 / (1 - share))
        steps[list(self.rows)] = 1 / share
        return steps

    def bounds(self) -> Bounds:
        """Return the box of the search."""
        low, high = [np.log(SMALLEST_SCALE / 10), -np.inf], [np.log(10.0), self._highest_bias]
        if self.rows:
            low, high = [*low, SHARES[0]], [*high, SHARES[1]]
        return Bounds(low, high)

    def search(self, start: FloatArray) -> tuple[float, FloatArray]:
        """Return the loss and the place of the minimum that a quasi-Newton search finds."""
        self._spectral = self._coarse
        # An exact loss without noise costs little, and with constant amplitudes it has kinks to creep along.
        level = LEVELLED if self._spectral is not None else VANISHED
        options = {"ftol": 0.0, "gtol": level * self.square * self.solid.n, "maxls": 40}
        search: Any = minimize
        found = search(self.evaluate, start, jac=True, method="L-BFGS-B", bounds=self.bounds(), options=options)
        return float(found.fun), np.asarray(found.x)

    def polished(self, x: FloatArray) -> tuple[FloatArray, float, bool]:
        """Return a place after Newton steps, what is left to gain there, and whether the curvature is positive."""
        self._spectral = self._fine
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
            if left <= NOTHING_LEFT * self.square:
                break
            x = np.clip(x + step, self.bounds().lb, self.bounds().ub)
        return x, left, positive


def check_density(density: Any) -> None:
    """Raise `ValueError` unless a density is within (0, 1), or None."""
    if density is not None and not (is_real(density) and 0 < density < 1):
        raise ValueError(f"density must lie in (0, 1), or be None for one feature on, got {density!r}")


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
    check_density(density)
    family = _Family(shape, density, amplitude)
    if not family.alike and (isinstance(shape, str) or density is None):
        raise ValueError(f"the corners of a packed polytope must be alike, those of {family.solid.name!r} aren't")
    square = family.square
    starts = [[0.0, bias * square] for bias in STARTS]
    nearest = float(np.triu(family.solid.gram, 1).max())
    if nearest > SAME:
        # Best if neighbours never switch each other on and nothing else is on.
        relative = -NEARLY * nearest
        scale = (2 - relative) / (2 * (1 + relative))
        starts.append([float(np.log(scale)), relative * scale])
    if near is not None and near.status == "optimal":
        starts = [[float(np.log(near.scale)), near.bias]]
    tight = len(family.rows) / family.solid.dim
    shares = [tight if near is None or not near.height > 0 else near.height] if family.rows else []
    places = [np.array([*start, *shares]) for start in starts]
    _, x = min((family.search(place) for place in places), key=lambda pair: pair[0])
    x, left, positive = family.polished(x)
    loss, error = family.judged(x)
    k, d, scale = family.solid.n, family.solid.dim, float(np.exp(x[0]))
    status = "optimal" if positive and np.isfinite(left) else "failed"
    if scale < SMALLEST_SCALE:
        status, left = "dropped", 0.0
    elif loss <= LOSSLESS * family.square:
        # Nothing is left to gain, however flat it is.
        status, left = "optimal", loss
    height = float(x[2]) if family.rows else float("nan")
    gain = (k * family.unit - loss) / d
    return Packed(family.solid.name, k, d, scale, float(x[1]), height, loss, gain, error + left, status)
