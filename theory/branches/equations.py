"""The equations of branches: ∇L = 0 in y = (W, b, log t), of many branches at once, and their solution by corrections.

Coordinates that a branch holds at zero aren't unknowns, and log t is one more: in a plane across the branch, or at a
fixed t, there are as many equations as unknowns (docs/deformation.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..minima import Landscape
from ..models import Family
from ..numerics import RESIDUAL, FloatArray

# Newton corrections of a step, which have the exact Hessian, and the gradient at which they end.
CORRECTIONS, CONVERGED = 8, 1e-13
# Step in log t of derivatives in it.
SHIFT = 1e-4
# A curvature below zero by less counts as none: that of a fold.
LEVEL = 1e-6
# Of two states at a larger distance one isn't the continuation of the other.
FAR = 0.5


class Curve:
    """The equations ∇L = 0 of many branches in y = (W, b, log t), a row each.

    Args:
        family: of models.
        held: as `Branch.held`, shape (R, P).
    """

    def __init__(self, family: Family, held: FloatArray) -> None:
        """Note which coordinates are held, and at what."""
        self.family, self.fixed = family, ~np.isnan(held)
        self.held = np.where(self.fixed, held, 0.0)

    def take(self, rows: NDArray[np.int64]) -> Curve:
        """Return the equations of some branches."""
        return Curve(self.family, np.where(self.fixed[rows], self.held[rows], np.nan))

    def linear(self, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the equations' values, shape (R, P), and derivatives in y, shape (R, P, P + 1)."""
        family, x = self.family, y[:, -1]
        low, high = np.log([family.low, family.high])
        ahead, behind = np.clip(x + SHIFT, low, high), np.clip(x - SHIFT, low, high)
        _, gradient, hessian = Landscape(family.models(x)).expand(y[:, :-1])
        both = np.concatenate([y[:, :-1], y[:, :-1]])
        beside = Landscape(family.models(np.concatenate([ahead, behind])))
        rise, fall = np.split(beside.gradients(both), 2)
        # Beyond the range nothing changes.
        turn = (rise - fall) / np.maximum(ahead - behind, SHIFT)[:, None]
        hessian = np.where(self.fixed[:, :, None] | self.fixed[:, None, :], np.eye(y.shape[1] - 1), hessian)
        value, turn = np.where(self.fixed, 0.0, gradient), np.where(self.fixed, 0.0, turn)
        return value, np.concatenate([hessian, turn[..., None]], axis=-1)

    def correct(self, y: FloatArray, row: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the solutions in the planes through y with normals `row`, their residuals and derivatives."""
        y = y.copy()
        y[:, :-1] = np.where(self.fixed, self.held, y[:, :-1])
        residual, matrix = np.full(len(y), np.inf), np.zeros((len(y), y.shape[1] - 1, y.shape[1]))
        going = np.arange(len(y))
        for left in range(CORRECTIONS, -1, -1):
            value, matrix[going] = self.take(going).linear(y[going])
            residual[going] = np.linalg.norm(value, axis=-1)
            more = (residual[going] > CONVERGED) & np.isfinite(residual[going])
            going = going[more]
            if not len(going) or not left:
                break
            y[going] -= _solve(matrix[going], row[going], np.append(value[more], np.zeros((len(going), 1)), axis=-1))
        return y, residual, matrix


def _solve(matrix: FloatArray, row: FloatArray, right: FloatArray) -> FloatArray:
    """Solve the derivatives bordered by a row; the least-squares solution where they are singular."""
    bordered = np.concatenate([matrix, row[:, None]], axis=1)
    try:
        return np.asarray(np.linalg.solve(bordered, right[..., None])[..., 0])
    except np.linalg.LinAlgError:
        return np.asarray((np.linalg.pinv(bordered) @ right[..., None])[..., 0])


def tangents(matrix: FloatArray, like: FloatArray) -> FloatArray:
    """Return unit tangents that point the same way as `like`."""
    right = np.zeros_like(like)
    right[:, -1] = 1.0
    along = _solve(matrix, like, right)
    return np.asarray(along / np.linalg.norm(along, axis=-1, keepdims=True))


def corrected(
    family: Family, guess: FloatArray, logarithm: float, held: FloatArray, *, minimum: bool = False
) -> tuple[FloatArray, float] | None:
    """Return the critical point that Newton's method finds at a fixed t, and its loss; None if it finds none close by.

    Args:
        family: of models.
        guess: packed parameters near it, shape (P,).
        logarithm: log t.
        held: as `Branch.held`.
        minimum: whether a saddle counts as none.
    """
    curve = Curve(family, held[None])
    row = np.zeros((1, len(held) + 1))
    row[0, -1] = 1.0
    y, residual, matrix = curve.correct(np.append(guess, logarithm)[None], row)
    theta = y[0, :-1]
    if not residual[0] < RESIDUAL or np.linalg.norm(theta - guess) > FAR:
        return None
    if minimum and np.linalg.eigvalsh(matrix[0, :, :-1])[0] < -LEVEL:
        return None
    return theta, float(Landscape(family.models(y[:, -1])).losses(theta[None])[0])


def loss_slope(family: Family, states: FloatArray, logarithm: FloatArray) -> FloatArray:
    """Return ∂L/∂ log t at fixed (W, b), by central differences, one-sided at the ends of the range."""
    low, high = np.log([family.low, family.high])
    ahead, behind = np.minimum(logarithm + SHIFT, high), np.maximum(logarithm - SHIFT, low)
    rise = Landscape(family.models(ahead)).losses(states) - Landscape(family.models(behind)).losses(states)
    return np.asarray(rise / (ahead - behind))
