"""Tracing a curve F(y) = 0 with one more unknown than equations, by prediction along its tangent and correction.

The last two unknowns are the logarithms of density and relative importance; the curve is followed until it leaves
their box, closes, or can't be continued (E. L. Allgower and K. Georg, Numerical Continuation Methods, 1990, chapter 6,
doi:10.1007/978-3-642-61257-2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .features import FloatArray

# F maps (rows, unknowns) to (rows, unknowns − 1), with NaN where it isn't defined.
System = Callable[[FloatArray], FloatArray]

DIFFERENCE = 1e-6
RESIDUAL = 1e-11
CORRECTIONS = 12
SMALLEST_STEP = 1e-5
# Cosine of the largest turn between neighbouring points.
STRAIGHT = 0.95


@dataclass(frozen=True, eq=False)
class Trace:
    """A traced curve.

    Attributes:
        points: unknowns along the curve, shape (points, unknowns).
        residual: largest |F| at each point.
        error: length, in the last two unknowns, of the Newton correction at each point: a first-order error bound.
        ends: why the curve stopped at its first and last point: "edge", "closed", "lost" or "budget".
    """

    points: FloatArray
    residual: FloatArray
    error: FloatArray
    ends: tuple[str, str]


def jacobian(system: System, y: FloatArray) -> FloatArray:
    """Return ∂F/∂y by central differences, shape (unknowns − 1, unknowns)."""
    shifts = DIFFERENCE * np.eye(len(y))
    values = system(np.concatenate([y + shifts, y - shifts]))
    return np.asarray((values[: len(y)] - values[len(y) :]).T / (2 * DIFFERENCE))


def correct(system: System, y: FloatArray, row: FloatArray | None = None) -> tuple[FloatArray, float]:
    """Newton's method for F = 0, within the plane through `y` with normal `row` if one is given.

    Returns:
        The corrected point and its largest |F|, infinite if the iteration failed.
    """
    for _ in range(CORRECTIONS):
        value = system(y[None])[0]
        if not np.isfinite(value).all():
            return y, np.inf
        if np.abs(value).max() < RESIDUAL / 100:
            break
        matrix = jacobian(system, y)
        if not np.isfinite(matrix).all():
            return y, np.inf
        if row is not None:
            matrix, value = np.vstack([matrix, row]), np.append(value, 0.0)
        y = y - np.linalg.lstsq(matrix, value, rcond=None)[0]
    value = system(y[None])[0]
    return y, float(np.abs(value).max()) if np.isfinite(value).all() else np.inf


def _tangent(system: System, y: FloatArray, like: FloatArray) -> FloatArray:
    matrix = jacobian(system, y)
    if not np.isfinite(matrix).all():
        return np.full(len(y), np.nan)
    tangent = np.linalg.svd(matrix)[2][-1]
    return np.asarray(tangent if tangent @ like >= 0 else -tangent)


def _onto_edge(system: System, y: FloatArray, box: FloatArray) -> FloatArray | None:
    """Return the point of the curve on the side of the box that `y` has just crossed."""
    outside = np.maximum(box[0] - y[-2:], y[-2:] - box[1])
    side = int(outside.argmax())
    row = np.zeros(len(y))
    row[-2 + side] = 1.0
    target = y.copy()
    target[-2 + side] = np.clip(y[-2 + side], box[0, side], box[1, side])
    corrected, residual = correct(system, target, row)
    return corrected if residual < RESIDUAL else None


def _walk(
    system: System, start: FloatArray, tangent: FloatArray, box: FloatArray, step: float, most: int
) -> tuple[list[FloatArray], str]:
    points, length = [start], step / 4
    while len(points) < most:
        if length < SMALLEST_STEP:
            return points[1:], "lost"
        y, residual = correct(system, points[-1] + length * tangent, tangent)
        moved = np.linalg.norm(y - points[-1])
        turned = _tangent(system, y, tangent) if residual < RESIDUAL and moved < 3 * length else None
        if turned is None or not turned @ tangent > STRAIGHT:
            length /= 2
            continue
        if ((y[-2:] < box[0]) | (y[-2:] > box[1])).any():
            edge = _onto_edge(system, y, box)
            return points[1:] + ([edge] if edge is not None else []), "edge"
        points.append(y)
        tangent, length = turned, min(1.5 * length, step)
        if len(points) > 4 and np.linalg.norm(y - start) < length:
            return points[1:], "closed"
    return points[1:], "budget"


def trace(system: System, start: FloatArray, box: FloatArray, *, step: float = 0.05, most: int = 400) -> Trace:
    """Trace the curve F = 0 through `start` in both directions.

    Args:
        system: F, from rows of unknowns to rows of equations, one fewer.
        start: a point of the curve, shape (unknowns,).
        box: lower and upper bounds of the last two unknowns, shape (2, 2).
        step: longest step.
        most: most points in each direction.

    Returns:
        The curve, in order.
    """
    matrix = jacobian(system, start)
    forwards = np.linalg.svd(matrix)[2][-1] if np.isfinite(matrix).all() else np.full(len(start), np.nan)
    ahead, end = _walk(system, start, forwards, box, step, most)
    behind, begin = ([], "closed") if end == "closed" else _walk(system, start, -forwards, box, step, most)
    points = np.array([*behind[::-1], start, *ahead])
    inside = ((points[:, -2:] >= box[0] - 1e-9) & (points[:, -2:] <= box[1] + 1e-9)).all(axis=1)
    points = points[inside]
    residual, error = np.zeros(len(points)), np.zeros(len(points))
    for k, y in enumerate(points):
        value = system(y[None])[0]
        correction = np.linalg.lstsq(jacobian(system, y), value, rcond=None)[0]
        residual[k], error[k] = np.abs(value).max(), np.linalg.norm(correction[-2:])
    return Trace(points, residual, error, (begin, end))
