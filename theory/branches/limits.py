"""Where branches stop being minima: located on exact equations.

- Fold, where a minimum meets a saddle: ∇L = 0, H v = 0, ‖v‖ = 1 (`minima/folds.py`).
- Anywhere else a curvature passes through zero, or jumps below it at a kink: located by bisection.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..minima import Landscape, copies, fold_system
from ..numerics import RESIDUAL, FloatArray, Summarised, System, correct, first_order, jacobian
from .branch import Branch, curvatures
from .equations import corrected

HALVINGS = 45
# Curvatures along a branch are off by less: by rounding, and by what is left of gradients.
ROUNDING = 1e-13
# Points before and after a change of stability among which t has to turn at a fold.
AROUND = 2
# Share of ∂∇L/∂ log t along the flat direction of a fold, at least.
TRANSVERSAL = 1e-4
# Curvatures that are left when a bisection has ended: what is larger has jumped.
LEFT = 1e-6
# Relabellings leave a state as it is if they move overlaps and biases by less; a direction, relative to its size.
SAME_STATE, SAME_DIRECTION = 1e-6, 1e-2


@dataclass(frozen=True, eq=False)
class Limit(Summarised):
    """Where a branch stops being a minimum.

    Attributes:
        parameter: t.
        error: how far t is off, to first order: what the inverse of the Jacobian makes of residuals and rounding of the
            fold's equations; or half a bracket, and the rounding of curvatures over their slope. A bound under the
            conditions of docs/errors.md.
        mechanism: "fold", where it meets a saddle and turns back; "bifurcation", where it goes on as a saddle; "jump",
            where it goes on as one because the curvature jumps at a kink.
        stable_above: whether the branch is a minimum for larger t.
        breaks: whether the direction that becomes flat breaks a symmetry of the state under exchanges of features.
        loss: there.
        state: packed parameters there, shape (P,).
        direction: that becomes flat, shape (P,).
        residual: largest residual of the equations.
    """

    parameter: float
    error: float
    mechanism: str
    stable_above: bool
    breaks: bool
    loss: float
    state: FloatArray
    direction: FloatArray
    residual: float


def stability_limit_between(branch: Branch, inside: int, outside: int) -> Limit | None:
    """Return where a branch stops being a minimum between two neighbouring points, None if it can't be located.

    Args:
        branch: of critical points.
        inside: number of a point that is a minimum.
        outside: number of its neighbour that isn't one, or at which t has turned back.
    """
    turned = _turns(branch, inside, outside)
    return _fold(branch, inside, outside) if turned else _bisected(branch, inside, outside)


def _turns(branch: Branch, inside: int, outside: int) -> bool:
    """Return whether t turns close to two neighbouring points."""
    first, last = sorted((inside, outside))
    steps = np.diff(branch.position[max(first - AROUND, 0) : last + AROUND + 1])
    return bool((np.diff(np.sign(steps)) != 0).any())


def _fold_system(branch: Branch) -> System:
    """Return F(θ, v, x) = (∇L, H v, ‖v‖² − 1), x = log t, over the coordinates that the branch doesn't hold."""
    return fold_system(lambda x: Landscape(branch.family.models(x[:, 0])), branch.held)


def _fold(branch: Branch, inside: int, outside: int) -> Limit | None:
    """Return the fold close to two points of a branch, None if its equations have no solution there."""
    x, states, free = branch.position, branch.states(), np.isnan(branch.held)
    system = _fold_system(branch)
    for near in (inside, outside, 2 * inside - outside, 2 * outside - inside):
        if not 0 <= near < len(x):
            continue
        _, _, hessian = Landscape(branch.family.models(x[[near]])).expand(states[[near]])
        values, vectors = np.linalg.eigh(hessian[0][np.ix_(free, free)])
        v = vectors[:, np.abs(values).argmin()]
        y, residual = correct(system, np.concatenate([states[near, free], v, x[[near]]]))
        # Beyond the last minimum, on the same side as the branch goes there.
        ahead = x[inside] - x[2 * inside - outside] if 0 <= 2 * inside - outside < len(x) else 0.0
        reach = 3 * np.linalg.norm(states[outside] - states[inside]) + 0.05
        if residual > RESIDUAL or np.linalg.norm(y[: len(v)] - states[inside, free]) > reach:
            continue
        if (y[-1] - x[inside]) * ahead >= 0 and (y[-1] - x[outside]) * ahead >= 0:
            return _turning(branch, system, y, inside, residual)
    return None


def _turning(branch: Branch, system: System, y: FloatArray, inside: int, residual: float) -> Limit | None:
    """Return the record of a solution of the fold's equations, None if t doesn't matter to the flat direction."""
    free = np.isnan(branch.held)
    size = int(free.sum())
    theta = np.where(free, 0.0, branch.held)
    theta[free] = y[:size]
    mode = np.zeros(len(free))
    mode[free] = y[size:-1]
    slopes = jacobian(system, y)
    # Where the branch meets its mirror image t turns too, but the flat direction doesn't feel t.
    if abs(mode[free] @ slopes[:size, -1]) < TRANSVERSAL * np.linalg.norm(slopes[:size, -1]):
        return None
    rounding = Landscape(branch.family.models(y[-1:])).rounding(size, size + 1)[0]
    error = float(first_order(slopes, system(y[None])[0], rounding)[-1])
    above = bool(branch.position[inside] > y[-1])
    return _limit(branch, theta, mode, float(y[-1]), error, "fold", above, residual)


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
        value, direction = curvatures(Landscape(family.models(np.array([middle]))), here[0][None])
        if value[0] <= 0:
            curvature, mode = float(value[0]), direction[0]
        ends[int(value[0] <= 0)] = (middle, here[0])
    middle, theta = ends[0]
    if not np.isfinite(curvature):
        curvature, mode = branch.curvature[outside], mode
    mechanism = "jump" if abs(curvature) > LEFT else "bifurcation"
    gradient = Landscape(family.models(np.array([middle]))).gradients(theta[None])
    residual = float(np.abs(gradient).max())
    steepness = abs(branch.curvature[inside] - branch.curvature[outside]) / abs(x[inside] - x[outside])
    error = abs(ends[0][0] - ends[1][0]) / 2 + ROUNDING / max(steepness, ROUNDING)
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
    landscape = Landscape(family.models(np.array([x])))
    loss = landscape.losses(theta[None])[0]
    t = float(np.exp(x))
    breaks = _breaks(landscape.split(theta), landscape.split(mode), family.exchanges)
    return Limit(t, t * error, mechanism, stable_above, breaks, float(loss), theta, mode, residual)


def symmetries(weights: FloatArray, bias: FloatArray, exchanges: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the relabellings that leave a state as it is, up to rotations, shape (k, n)."""
    own = np.vstack([weights.T @ weights, bias])
    kept = np.abs(copies(weights, bias, exchanges) - own).max(axis=(1, 2)) < SAME_STATE
    return np.asarray(exchanges[kept])


def _breaks(
    state: tuple[FloatArray, FloatArray], mode: tuple[FloatArray, FloatArray], exchanges: NDArray[np.int64]
) -> bool:
    """Return whether a direction changes under a symmetry of the state, by its change of overlaps and biases."""
    (w, b), (d, c) = state, mode
    turn = d.T @ w
    change = np.vstack([turn + turn.T, c])
    for order in symmetries(w, b, exchanges):
        moved = np.vstack([(turn + turn.T)[np.ix_(order, order)], c[order]])
        if np.abs(moved - change).max() > SAME_DIRECTION * np.abs(change).max():
            return True
    return False
