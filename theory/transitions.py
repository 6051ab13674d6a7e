"""Where branches of minima change places in cost, and where they stop being minima: located on exact equations.

- Crossing: two branches cost the same, L(θ_A, t) = L(θ_B, t): a root of the difference of two exact losses.
- Fold, where a minimum meets a saddle: ∇L = 0, H v = 0, ‖v‖ = 1 (G. Moore and A. Spence 1980, doi:10.1137/0717048).
- Anywhere else a curvature passes through zero, or jumps below it at a kink: located by bisection.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from .branches import Branch, corrected, loss_slope
from .continuation import System, correct, jacobian
from .curvature import smallest_curvature
from .descent import expand, pack, unpack
from .features import FloatArray
from .loss import ExactLoss
from .random_minima import copies

HALVINGS = 45
RESIDUAL = 1e-11
# Points before and after a change of stability among which t has to turn at a fold.
AROUND = 2
# Curvatures that are left when a bisection has ended: what is larger has jumped.
LEFT = 1e-6
# Relabellings leave a state as it is if they move overlaps and biases by less; a direction, relative to its size.
SAME_STATE, SAME_DIRECTION = 1e-6, 1e-2


@dataclass(frozen=True, eq=False)
class Crossing:
    """Where two branches cost the same.

    Attributes:
        parameter: t.
        error: bound on its error: the gap that is left over the difference of slopes, and the root finder's bracket.
        loss: of both.
        gap: L_A − L_B that is left.
        slopes: dL/d log t of A and B; a first-order transition where they differ.
        states: packed parameters of both, shape (2, P).
    """

    parameter: float
    error: float
    loss: float
    gap: float
    slopes: tuple[float, float]
    states: FloatArray


@dataclass(frozen=True, eq=False)
class Limit:
    """Where a branch stops being a minimum.

    Attributes:
        parameter: t.
        error: bound on its error: the length in t of a Newton correction of the fold's equations, or half a bracket.
        mechanism: "fold", where it meets a saddle and turns back; "bifurcation", where it goes on as a saddle; "jump",
            where it goes on as one because the curvature jumps at a kink.
        stable_above: whether the branch is a minimum for larger t.
        breaks: whether the direction that becomes flat breaks a symmetry of the state under exchanges of features.
        loss: there.
        state: packed parameters there, shape (P,).
        residual: largest residual of the equations.
    """

    parameter: float
    error: float
    mechanism: str
    stable_above: bool
    breaks: bool
    loss: float
    state: FloatArray
    residual: float


def crossing(first: Branch, second: Branch, low: float, high: float) -> Crossing | None:
    """Return where two branches cost the same between two values of t, None if they don't change places there.

    Raises:
        ValueError: if a branch isn't a minimum at one of the two.
    """

    def gap(x: float) -> float:
        ends = first.at(float(np.exp(x))), second.at(float(np.exp(x)))
        if ends[0] is None or ends[1] is None:
            raise ValueError(f"both branches must be minima between {low} and {high}, got one that isn't")
        return ends[0][1] - ends[1][1]

    a, b = np.log([low, high])
    if gap(a) * gap(b) > 0:
        return None
    x = float(brentq(gap, a, b, xtol=1e-14, rtol=1e-15))
    t = float(np.exp(x))
    ends = first.at(t), second.at(t)
    assert ends[0] is not None and ends[1] is not None
    states = np.stack([ends[0][0], ends[1][0]])
    slopes = loss_slope(first.family, states, np.full(2, x))
    left = ends[0][1] - ends[1][1]
    steep = abs(float(slopes[0] - slopes[1]))
    # Losses are rounded to about this.
    rounding = 1e-15
    error = t * ((abs(left) + rounding) / steep if steep else np.inf)
    return Crossing(t, float(error), ends[0][1], left, (float(slopes[0]), float(slopes[1])), states)


def stability_limits(branch: Branch) -> tuple[Limit, ...]:
    """Return where a branch starts or stops being a minimum, by ascending t."""
    stable, found = branch.stable, []
    for k in np.flatnonzero(stable[1:] != stable[:-1]):
        inside, outside = (int(k), int(k) + 1) if stable[k] else (int(k) + 1, int(k))
        limit = _fold(branch, inside, outside) or _bisected(branch, inside, outside)
        if limit is not None:
            found.append(limit)
    return tuple(sorted(found, key=lambda limit: limit.parameter))


def _fold_system(branch: Branch) -> System:
    """Return F(θ, v, x) = (∇L, H v, ‖v‖² − 1) over the coordinates that aren't held: as many equations as unknowns."""
    family, free = branch.family, np.isnan(branch.held)
    size = int(free.sum())

    def system(y: FloatArray) -> FloatArray:
        theta = np.broadcast_to(np.where(free, 0.0, branch.held), (len(y), len(free))).copy()
        theta[:, free] = y[:, :size]
        v = y[:, size : 2 * size]
        _, gradient, hessian = expand(ExactLoss(family.models(y[:, -1])), theta)
        flat = (hessian[:, free][:, :, free] @ v[..., None])[..., 0]
        return np.concatenate([gradient[:, free], flat, (v * v).sum(axis=-1, keepdims=True) - 1], axis=-1)

    return system


def _fold(branch: Branch, inside: int, outside: int) -> Limit | None:
    """Return the fold between two points of a branch, if t turns there and the equations have a solution."""
    x, states, free = branch.position, branch.states(), np.isnan(branch.held)
    first, last = sorted((inside, outside))
    steps = np.diff(x[max(first - AROUND, 0) : last + AROUND + 1])
    if not (np.diff(np.sign(steps)) != 0).any():
        return None
    near = inside if abs(branch.curvature[inside]) < abs(branch.curvature[outside]) else outside
    _, _, hessian = expand(ExactLoss(branch.family.models(x[[near]])), states[[near]])
    values, vectors = np.linalg.eigh(hessian[0][np.ix_(free, free)])
    v = vectors[:, np.abs(values).argmin()]
    system = _fold_system(branch)
    y, residual = correct(system, np.concatenate([states[near, free], v, x[[near]]]))
    reach = 3 * np.linalg.norm(states[outside] - states[inside]) + 0.05
    if residual > RESIDUAL or np.linalg.norm(y[: len(v)] - states[near, free]) > reach:
        return None
    theta = np.where(free, 0.0, branch.held)
    theta[free] = y[: len(v)]
    mode = np.zeros(len(free))
    mode[free] = y[len(v) : -1]
    correction = np.linalg.lstsq(jacobian(system, y), system(y[None])[0], rcond=None)[0]
    return _limit(branch, theta, mode, float(y[-1]), float(abs(correction[-1])), "fold", bool(x[inside] > y[-1]), residual)


def _bisected(branch: Branch, inside: int, outside: int) -> Limit | None:
    """Return where the sign of the curvature changes between two points, by bisection in t."""
    family, x = branch.family, branch.position
    ends = [(x[inside], branch.states()[inside]), (x[outside], branch.states()[outside])]
    curvature, mode = float("nan"), np.zeros(len(branch.held))
    for _ in range(HALVINGS):
        middle = (ends[0][0] + ends[1][0]) / 2
        guess = (ends[0][1] + ends[1][1]) / 2
        here = corrected(family, guess, middle, branch.held)
        if here is None:
            return None
        value, direction = smallest_curvature(family.models(np.array([middle])), here[0][None])
        if value[0] <= 0:
            curvature, mode = float(value[0]), direction[0]
        ends[int(value[0] <= 0)] = (middle, here[0])
    middle, theta = ends[0]
    if not np.isfinite(curvature):
        curvature, mode = branch.curvature[outside], mode
    mechanism = "jump" if abs(curvature) > LEFT else "bifurcation"
    _, *slopes = ExactLoss(family.models(np.array([middle]))).loss_and_gradient(*unpack(theta[None], family.n_hidden))
    residual = float(np.abs(pack(*slopes)).max())
    error = abs(ends[0][0] - ends[1][0]) / 2
    return _limit(branch, theta, mode, middle, error, mechanism, bool(x[inside] > x[outside]), residual)


def _limit(
    branch: Branch,
    theta: FloatArray,
    mode: FloatArray,
    x: float,
    error: float,
    mechanism: str,
    stable_above: bool,
    residual: float,
) -> Limit:
    family = branch.family
    loss = ExactLoss(family.models(np.array([x]))).loss(*unpack(theta[None], family.n_hidden))[0]
    t = float(np.exp(x))
    breaks = _breaks(theta, mode, family.n_hidden, family.exchanges)
    return Limit(t, t * error, mechanism, stable_above, breaks, float(loss), theta, residual)


def symmetries(weights: FloatArray, bias: FloatArray, exchanges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the relabellings that leave a state as it is, up to rotations, shape (k, n)."""
    own = np.vstack([weights.T @ weights, bias])
    kept = np.abs(copies(weights, bias, exchanges) - own).max(axis=(1, 2)) < SAME_STATE
    return np.asarray(exchanges[kept])


def _breaks(theta: FloatArray, mode: FloatArray, n_hidden: int, exchanges: NDArray[np.int64]) -> bool:
    """Return whether a direction changes under a symmetry of the state, by its change of overlaps and biases."""
    (w, b), (d, c) = unpack(theta, n_hidden), unpack(mode, n_hidden)
    turn = d.T @ w
    change = np.vstack([turn + turn.T, c])
    for order in symmetries(w, b, exchanges):
        moved = np.vstack([(turn + turn.T)[np.ix_(order, order)], c[order]])
        if np.abs(moved - change).max() > SAME_DIRECTION * np.abs(change).max():
            return True
    return False
