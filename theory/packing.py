"""The best use of hidden dimensions for many equal features: which polytope, at which density.

Features in different tegum factors add up, so with n ≫ m the optimum fills the hidden space with copies of one
polytope: the one that saves most for each dimension it takes. With ℓ₀ = Var x the cost of a feature that isn't
represented, a polytope of k corners in d dimensions saves

    gain = (k ℓ₀ − L) / d,

its scale and bias being optimal (docs/packing.md). What is known is an atlas of polytopes: that none beats them isn't
proved.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, brentq, milp, minimize

from .amplitudes import as_amplitude
from .features import FeatureLaw, FloatArray, IndependentFeatures
from .loss import ExactLoss
from .model import ToyModel
from .patterns import OneHotFeatures
from .polytopes import SAME, Polytope
from .solids import polytope
from .spectral import SpectralLoss

# Irreducible polytopes, all corners alike. Cross-polytopes are digons, and squares too.
ATLAS = (
    "axis",
    "digon",
    *("triangle", "pentagon", "hexagon", "heptagon", "octagon"),
    *("tetrahedron", "antiprism", "cube", "icosahedron"),
    *("5-cell", "rectified 5-cell", "24-cell"),
    *("5-simplex", "6-simplex", "hemicube"),
)
# Biases to start from, in units of E[x²], scales at which a polytope counts as dropped, and heights of antiprisms.
STARTS = (0.3, 0.0, -0.5)
SMALLEST_SCALE = 1e-3
HEIGHTS = (0.05, 0.8)
# More corners than this are cheaper to invert from transforms than to enumerate (docs/benchmarks.md).
MOST_ENUMERATED = 5
TOLERANCE, MOST_NODES = 1e-11, 1 << 14
# Slopes, in units of E[x²], at which a search leaves the rest to Newton's method: of estimated losses, of exact ones.
LEVELLED, VANISHED = 1e-6, 1e-13
# Relative step of differences of gradients, and rounding of an enumerated loss.
DIFFERENCE, ROUNDING = 1e-5, 1e-15
# Densities within this factor lead from one optimum to the other.
CLOSE = 1.2
# Transitions are located to this in 1/(1−S).
LOCATED = 1e-11


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


@dataclass(frozen=True, eq=False)
class BestPacking:
    """The cheapest use of dimensions at one density.

    Attributes:
        density: 1 − S; None if exactly one feature is on.
        best: the polytope of largest gain.
        others: the rest of the atlas, best first.
        margin: difference of the gains of the best two.
    """

    density: float | None
    best: Packed
    others: tuple[Packed, ...]
    margin: float


@dataclass(frozen=True, eq=False)
class Transition:
    """Where the best polytope changes.

    Attributes:
        inverse_density: 1/(1−S).
        before: the polytope at smaller 1/(1−S).
        after: the one at larger.
        error: bound on the place, from the error of the gains and their slopes.
    """

    inverse_density: float
    before: str
    after: str
    error: float


class _Family:
    """The loss of a polytope's features against log ‖W_i‖², their bias, and an antiprism's squared height."""

    def __init__(self, shape: str | Polytope, density: float | None, amplitude: Any) -> None:
        self.solid, size = shape if isinstance(shape, Polytope) else polytope(shape), as_amplitude(amplitude)
        self.free_height = shape == "antiprism"
        k, d = self.solid.n, self.solid.dim
        one_on = density is None
        law: FeatureLaw = (
            OneHotFeatures(amplitude=size) if density is None else IndependentFeatures(density, amplitude=size)
        )
        model = ToyModel(k, d, law)
        self._spectral = None
        if not one_on and max(map(len, self.solid.factors)) > MOST_ENUMERATED:
            self._spectral = SpectralLoss(model, tolerance=TOLERANCE, max_nodes=MOST_NODES)
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


def packed(
    shape: str | Polytope, density: float | None, *, amplitude: Any = "uniform", near: Packed | None = None
) -> Packed:
    """Return a polytope of equal features with its best scale, bias and, for an antiprism, height.

    Args:
        shape: name of a polytope whose corners are all alike (`ATLAS`), or any polytope as it is. Where corners aren't
            alike, one scale and one bias for all aren't a critical point in all directions.
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
    family = _Family(shape, density, amplitude)
    if isinstance(shape, str) and np.ptp(np.sort(family.solid.gram, axis=1), axis=0).max() > SAME:
        raise ValueError(f"the corners of a packed polytope must be alike, those of {shape!r} aren't")
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
    return Packed(family.solid.name, k, d, scale, float(x[1]), height, loss, gain, error, status)


def best_packing(
    density: float | None,
    *,
    amplitude: Any = "uniform",
    among: Sequence[str] = ATLAS,
    near: BestPacking | None = None,
) -> BestPacking:
    """Return the cheapest use of hidden dimensions for equal features, many more than dimensions.

    Args:
        density: 1 − S in (0, 1); None for exactly one of many features on.
        amplitude: "uniform", "constant" (Bernoulli features), or another `Amplitude`.
        among: names of polytopes.
        near: the result at another density, to start from if that is within `CLOSE`.

    Returns:
        The record, with every polytope of the atlas.

    Raises:
        ValueError: as `packed`, and if there is no polytope.

    Source:
        The question: arXiv:2209.10652, "The Geometry of Superposition", uniform superposition.

    Example:
        >>> [best_packing(density, among=("axis", "digon", "triangle", "pentagon")).best.name for density in (0.7, 0.4)]
        ['triangle', 'digon']
    """
    if not among:
        raise ValueError("expected polytopes to choose from, got none")
    known = _close(near, density)
    found = [packed(name, density, amplitude=amplitude, near=known.get(name)) for name in among]
    found.sort(key=lambda one: -one.gain)
    margin = found[0].gain - found[1].gain if len(found) > 1 else float("inf")
    return BestPacking(density, found[0], tuple(found[1:]), margin)


def packing_transitions(
    inverse_densities: FloatArray,
    *,
    amplitude: Any = "uniform",
    among: Sequence[str] = ATLAS,
    on_progress: Callable[[float], None] | None = None,
) -> tuple[tuple[BestPacking, ...], tuple[Transition, ...]]:
    """Return the best packing along a line of densities, and where it changes.

    Args:
        inverse_densities: 1/(1−S), ascending, more than 1, shape (points,). A polytope that is best between two points
            and at neither is missed.
        amplitude: as in `best_packing`.
        among: names of polytopes.
        on_progress: called with the share of densities that are done.

    Returns:
        The packings, and the transitions between neighbouring ones, located by bisection on the difference of gains.

    Raises:
        ValueError: as `best_packing`, or if the values don't ascend from above 1.
    """
    places = np.asarray(inverse_densities, dtype=np.float64)
    if places.ndim != 1 or not len(places) or places[0] <= 1 or (np.diff(places) <= 0).any():
        raise ValueError(f"inverse densities must ascend from above 1, got {inverse_densities!r}")
    packings: list[BestPacking] = []
    for place in places:
        near = packings[-1] if packings else None
        packings.append(best_packing(1 / place, amplitude=amplitude, among=among, near=near))
        if on_progress is not None:
            on_progress(len(packings) / len(places))
    transitions: list[Transition] = []
    for here, there in pairwise(packings):
        transitions += _between(here, there, amplitude, among)
    return tuple(packings), tuple(transitions)


def _close(packing: BestPacking | None, density: float | None) -> dict[str, Packed]:
    """Return the polytopes of a packing by name, none if its density isn't close."""
    if packing is None or packing.density is None or density is None:
        return {}
    if max(packing.density / density, density / packing.density) > CLOSE:
        return {}
    return {one.name: one for one in (packing.best, *packing.others)}


def _between(here: BestPacking, there: BestPacking, amplitude: Any, among: Sequence[str]) -> list[Transition]:
    """Return the transitions between two densities, in order."""
    before, after = here.best.name, there.best.name
    if before == after:
        return []
    place, error = _crossing(here, there, amplitude)
    middle = best_packing(1 / place, amplitude=amplitude, among=among, near=here)
    pair = [one.gain for one in (middle.best, *middle.others) if one.name in (before, after)]
    if middle.best.name in (before, after) or middle.best.gain <= max(pair) + LOCATED:
        return [Transition(place, before, after, error)]
    # Another polytope is best in between.
    return _between(here, middle, amplitude, among) + _between(middle, there, amplitude, among)


def _crossing(here: BestPacking, there: BestPacking, amplitude: Any) -> tuple[float, float]:
    """Return where the best polytopes of two densities gain the same, and an error bound."""
    names = here.best.name, there.best.name
    assert here.density is not None
    assert there.density is not None

    def difference(place: float) -> tuple[float, float]:
        near = _close(here, 1 / place) or _close(there, 1 / place)
        pair = [packed(name, 1 / place, amplitude=amplitude, near=near.get(name)) for name in names]
        # Times 1/p, so that slopes keep their size.
        return (pair[1].gain - pair[0].gain) * place, sum(one.error / one.dim for one in pair) * place

    place = float(brentq(lambda y: difference(y)[0], 1 / here.density, 1 / there.density, xtol=LOCATED, rtol=1e-15))
    step = 1e-4 * place
    slope = (difference(place + step)[0] - difference(place - step)[0]) / (2 * step)
    return place, difference(place)[1] / abs(slope) + LOCATED


@dataclass(frozen=True, eq=False)
class FinitePacking:
    """How many copies of each polytope a model of given size holds at best.

    Attributes:
        copies: number of each polytope, by name, those that occur.
        stored: features that are represented.
        used: dimensions that are used.
        loss: of all features, those that aren't represented included.
        status: "optimal", or what the solver says.
    """

    copies: dict[str, int]
    stored: int
    used: int
    loss: float
    status: str


def finite_packing(n_features: int, n_hidden: int, packing: BestPacking) -> FinitePacking:
    """Return the best tegum product of an atlas's polytopes for n equal features in m dimensions: an integer program.

    Args:
        n_features: number of features n.
        n_hidden: number of dimensions m.
        packing: the polytopes and their losses at one density.

    Raises:
        ValueError: if a size isn't positive, or exactly one feature is on (what a block costs then depends on n).

    Example:
        >>> atlas = best_packing(0.7, among=("axis", "digon", "triangle"))
        >>> finite_packing(5, 3, atlas).copies    # a triangle is best, and what is left is a digon
        {'triangle': 1, 'digon': 1}
    """
    if n_features < 1 or n_hidden < 1:
        raise ValueError(f"sizes must be positive, got n_features={n_features}, n_hidden={n_hidden}")
    if packing.density is None:
        raise ValueError("a finite packing needs a density, got the limit of one feature on")
    shapes = (packing.best, *packing.others)
    saved = np.array([max(one.gain, 0.0) * one.dim for one in shapes])
    sizes = np.array([[one.corners for one in shapes], [one.dim for one in shapes]])
    scale = saved.max(initial=0.0) or 1.0
    found = milp(
        -saved / scale,
        constraints=LinearConstraint(sizes, -np.inf, [n_features, n_hidden]),
        integrality=np.ones(len(shapes), dtype=int),
        bounds=Bounds(0, np.inf),
        options={"mip_rel_gap": 0.0},
    )
    copies = np.zeros(len(shapes), dtype=int) if found.x is None else np.round(found.x).astype(int)
    # ℓ₀ from any polytope's own record.
    one = shapes[0]
    unit = (one.gain * one.dim + one.loss) / one.corners
    loss = n_features * unit - float(saved @ copies)
    named = {shape.name: int(count) for shape, count in zip(shapes, copies, strict=True) if count}
    stored, used = (int(total) for total in sizes @ copies)
    return FinitePacking(named, stored, used, loss, "optimal" if found.status == 0 else str(found.message))
