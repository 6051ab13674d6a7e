"""Third derivatives of the loss along the direction that goes flat at a limit of stability, by exact curvatures nearby.

Where one vanishes a continuous transition turns into a jump, or two folds meet in a cusp (docs/phase-transitions.md).
"""

from __future__ import annotations

from itertools import product

import numpy as np

from ..minima import INFINITESIMAL
from ..numerics import FloatArray
from .equations import Equations

# Nodes, their reach along the unit direction, and how often that is halved at most.
NODES, REACH, SHRINKINGS = 9, 0.04, 10


def third_derivative(
    equations: Equations,
    theta: FloatArray,
    direction: FloatArray,
    q: FloatArray,
    *,
    one_sided: bool,
    reach: FloatArray | None = None,
) -> FloatArray:
    """Return d/dε vᵀH(θ + εv)v at ε = 0, from above where θ sits on a kink, shape (rows,).

    The loss is piecewise analytic along a line, so the derivative of the polynomial through a few values of the exact
    curvature, on one piece, is the derivative to rounding.

    Args:
        equations: of the plane.
        theta: states, shape (rows, P).
        direction: unit vectors v, shape (rows, P).
        q: positions, shape (rows, 2).
        one_sided: whether to look at ε > 0 only.
        reach: largest ε, shape (rows,); default `clear_reach`.
    """
    nodes, weights = differentiation(one_sided)
    if reach is None:
        reach = clear_reach(equations, theta, direction, one_sided=one_sided)
    rows, size = theta.shape
    there = theta[:, None] + (reach[:, None] * nodes)[..., None] * direction[:, None]
    _, _, hessian = equations.expand(there.reshape(-1, size), np.repeat(q, len(nodes), axis=0))
    hessian = hessian.reshape(rows, len(nodes), size, size)
    curvature = np.einsum("ri,rkij,rj->rk", direction, hessian, direction)
    return np.asarray(curvature @ weights / reach)


def clear_reach(equations: Equations, theta: FloatArray, direction: FloatArray, *, one_sided: bool) -> FloatArray:
    """Return how far along ± v no kink is met, at most `REACH`, shape (rows,).

    Kinks lie where an overlap, or an output at a corner of the input cube, changes its sign.
    """
    nodes, _ = differentiation(one_sided)
    inside = nodes[np.abs(nodes) > INFINITESIMAL]
    reach = np.full(len(theta), REACH)
    for _ in range(SHRINKINGS):
        there = theta[:, None] + (reach[:, None] * inside)[..., None] * direction[:, None]
        weights, bias = equations.split(there)
        gram = weights.mT @ weights
        corners = bias[..., None] + gram @ _subsets(equations.n_features).T
        signs = np.concatenate([np.sign(x).reshape(len(theta), len(inside), -1) for x in (gram, corners)], axis=-1)
        crossed = (np.ptp(signs, axis=1) > 1).any(axis=-1)
        if not crossed.any():
            break
        reach = np.where(crossed, reach / 2, reach)
    return reach


def _subsets(n: int) -> FloatArray:
    """Return the corners of the input cube, shape (2ⁿ, n)."""
    return np.array(list(product((0.0, 1.0), repeat=n)))


def differentiation(one_sided: bool) -> tuple[FloatArray, FloatArray]:
    """Return nodes ε in [−1, 1] or [0, 1], and the weights with which values there give the derivative at 0."""
    nodes = np.cos(np.pi * np.arange(NODES) / (NODES - 1))
    if one_sided:
        nodes = (1 - nodes) / 2
        nodes[0] = INFINITESIMAL
    powers = nodes[None] ** np.arange(NODES)[:, None]
    return nodes, np.asarray(np.linalg.solve(powers, np.eye(NODES)[1]))
