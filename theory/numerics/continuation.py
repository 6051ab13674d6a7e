"""Tracing a curve F(y) = 0 with one more unknown than equations, by prediction along its tangent and correction.

The last two unknowns are positions in a plane of models; the curve is followed until it leaves
their box, closes, or can't be continued (E. L. Allgower and K. Georg, Numerical Continuation Methods, 1990, chapter 6,
doi:10.1007/978-3-642-61257-2).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .arrays import FloatArray
from .summaries import Summarised

# F maps (rows, unknowns) to (rows, unknowns − 1), with NaN where it isn't defined.
System = Callable[[FloatArray], FloatArray]
Predicate = Callable[[FloatArray], bool]

# Step of central differences.
DIFFERENCE = 1e-6
# Singular values below this fraction of the largest count as zero.
RANK = 1e-9
# Points in which a curve has to get on by a step that counts.
PATIENCE, PROGRESS = 40, 1e-2
# Equations that are as small as this are solved.
RESIDUAL = 1e-11
CORRECTIONS = 12
LONGEST_CORRECTION = 1.0
SMALLEST_STEP = 1e-4
# Step within which the end of a curve is located.
LAST_STEP = 1e-3
# Steps across a kink of the curve.
HOPS = (0.002, 0.01, 0.03)
# Rounding of a point on the edge of the box.
ON_EDGE = 1e-9
# Cosine of the largest turn between neighbouring points.
STRAIGHT = 0.95


@dataclass(frozen=True, eq=False)
class Trace(Summarised):
    """A traced curve.

    Attributes:
        points: unknowns along the curve, shape (points, unknowns).
        residual: largest |F| at each point.
        error: how far the last two unknowns are from the curve, to first order (`first_order`), at each point.
        ends: why the curve stopped at its first and last point: "edge", "closed", "stopped", "lost"
            (no further point converged) or "budget".
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


def first_order(matrix: FloatArray, value: FloatArray, rounding: FloatArray) -> FloatArray:
    """Return how far each unknown is from a solution of F = 0, by first derivatives: 2 |J⁺| (|F| + ρ).

    By Kantorovich's theorem a solution lies within twice the Newton correction if that is so short that J changes by
    less than half along it (J. M. Ortega, SIAM J. Numer. Anal. 5, 1968, 510, doi:10.1137/0705041), and equations may be
    rounded by ρ. So it is a bound if both is so, which isn't checked.

    Args:
        matrix: the Jacobian J, shape (equations, unknowns).
        value: F as it was computed, shape (equations,).
        rounding: ρ, shape (equations,).
    """
    return np.asarray(2 * np.abs(np.linalg.pinv(matrix, rcond=np.finfo(np.float64).eps)) @ (np.abs(value) + rounding))


def _newton(
    system: System, y: FloatArray, matrix: FloatArray | None, row: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """Solve F = 0 by Broyden's method from the Jacobian `matrix`, or by Newton's without one.

    With `row` the solution is sought in the plane through `y` with that normal, else nearest to `y`.

    Returns:
        Where it ends, and F there, infinite if it failed.
    """
    value = system(y[None])[0]
    failed = np.full_like(value, np.inf)
    fixed = matrix is not None
    for _ in range(CORRECTIONS):
        if not np.isfinite(value).all():
            return y, failed
        if np.abs(value).max() < RESIDUAL / 100:
            break
        if not fixed:
            matrix = jacobian(system, y)
        if matrix is None or not np.isfinite(matrix).all():
            return y, failed
        if row is None:
            step = -np.linalg.lstsq(matrix, value, rcond=None)[0]
        else:
            step = -np.linalg.lstsq(np.vstack([matrix, row]), np.append(value, 0.0), rcond=None)[0]
        if np.linalg.norm(step) > LONGEST_CORRECTION:
            return y, failed
        y = y + step
        value = system(y[None])[0]
        if fixed and step @ step > 0:
            matrix = matrix + np.outer(value, step) / (step @ step)
    return y, value if np.isfinite(value).all() else failed


def correct(system: System, y: FloatArray) -> tuple[FloatArray, float]:
    """Return the solution of F = 0 that Newton's method finds from `y`, and its largest |F|, infinite if it failed."""
    found, value = _newton(system, y, None, None)
    return found, float(np.abs(value).max())


@dataclass(frozen=True, eq=False)
class _Point:
    y: FloatArray
    jacobian: FloatArray
    value: FloatArray
    rank: float

    @property
    def residual(self) -> float:
        """Return the largest |F|."""
        return float(np.abs(self.value).max())

    def tangent(self, like: FloatArray) -> FloatArray:
        """Return the unit tangent of the curve that points the same way as `like`.

        Where the state has freedom of its own (a feature can be stored along either of two equal ones, or between),
        solutions form a surface; the tangent is then the direction in it that moves the last two unknowns most.
        """
        _, spectrum, directions = np.linalg.svd(self.jacobian)
        freedom = directions[int((spectrum > self.rank * spectrum[0]).sum()) :]
        tangent = np.linalg.svd(freedom[:, -2:].T)[2][0] @ freedom
        return np.asarray(tangent if tangent @ like >= 0 else -tangent)


def _point(system: System, y: FloatArray, value: FloatArray, rank: float) -> _Point | None:
    if np.abs(value).max() > RESIDUAL:
        return None
    matrix = jacobian(system, y)
    return _Point(y, matrix, value, rank) if np.isfinite(matrix).all() else None


def _onto_edge(system: System, y: FloatArray, box: FloatArray, rank: float) -> _Point | None:
    """Return the point of the curve on the side of the box that `y` has just crossed."""
    outside = np.maximum(box[0] - y[-2:], y[-2:] - box[1])
    side = int(outside.argmax())
    row = np.zeros(len(y))
    row[-2 + side] = 1.0
    target = y.copy()
    target[-2 + side] = np.clip(y[-2 + side], box[0, side], box[1, side])
    found, value = _newton(system, target, None, row)
    inside = ((found[-2:] >= box[0] - ON_EDGE) & (found[-2:] <= box[1] + ON_EDGE)).all()
    return _point(system, found, value, rank) if inside else None


def _hop(system: System, here: _Point, tangent: FloatArray, keep: Predicate) -> _Point | None:
    """Return a point past a kink of the curve, where its tangent jumps, or None if there is none close by."""
    for length in HOPS:
        y, value = _newton(system, here.y + length * tangent, None, tangent)
        moved = y - here.y
        there = (
            _point(system, y, value, here.rank) if np.linalg.norm(moved) < 3 * length and moved @ tangent > 0 else None
        )
        if there is not None and keep(there.y):
            return there
    return None


def _walk(
    system: System, start: _Point, tangent: FloatArray, box: FloatArray, step: float, most: int, keep: Predicate
) -> tuple[list[_Point], str]:
    """Follow the curve one way; return the points after `start` and why it stopped."""
    points, length = [start], step / 4
    while len(points) < most:
        here = points[-1]
        if length < SMALLEST_STEP:
            there = _hop(system, here, tangent, keep)
            if there is None:
                return points[1:], "lost"
            points.append(there)
            tangent, length = there.tangent(there.y - here.y), HOPS[0]
            continue
        guess = here.y + length * tangent
        if ((guess[-2:] < box[0]) | (guess[-2:] > box[1])).any():
            # Beyond the edge there may be no models, so the last step is taken onto it.
            edge = _onto_edge(system, guess, box, start.rank)
            if edge is not None and np.linalg.norm(edge.y - here.y) < 3 * length and keep(edge.y):
                return [*points[1:], edge], "edge"
        y, value = _newton(system, guess, here.jacobian, tangent)
        there = _point(system, y, value, here.rank) if np.linalg.norm(y - here.y) < 3 * length else None
        turned = None if there is None else there.tangent(tangent)
        if there is None or turned is None or not turned @ tangent > STRAIGHT:
            length /= 2
            continue
        if not keep(there.y):
            if length < LAST_STEP:
                return points[1:], "stopped"
            length /= 2
            continue
        if ((y[-2:] < box[0]) | (y[-2:] > box[1])).any():
            edge = _onto_edge(system, y, box, start.rank)
            return points[1:] + ([edge] if edge is not None else []), "edge"
        points.append(there)
        tangent, length = turned, min(1.5 * length, step)
        if len(points) > PATIENCE and np.linalg.norm((points[-1].y - points[-PATIENCE].y)[-2:]) < PROGRESS:
            return points[1:], "budget"
        if len(points) > 4 and np.linalg.norm(y - start.y) < length:
            return points[1:], "closed"
    return points[1:], "budget"


def always(_: FloatArray) -> bool:
    """Keep every point."""
    return True


def trace(
    system: System,
    start: FloatArray,
    box: FloatArray,
    *,
    step: float = 0.05,
    most: int = 400,
    keep: Predicate = always,
    rank: float = RANK,
    rounding: Callable[[FloatArray], FloatArray] | None = None,
) -> Trace:
    """Trace the curve F = 0 through `start` in both directions.

    Args:
        system: F, from rows of unknowns to rows of equations, one fewer.
        start: a point of the curve, shape (unknowns,).
        box: lower and upper bounds of the last two unknowns, shape (2, 2).
        step: longest step.
        most: most points in each direction.
        keep: whether a point still belongs to the curve; it stops where that turns false.
        rank: singular values of ∂F/∂y below this fraction of the largest are freedom of the state.
        rounding: from a point to what each equation is rounded by; nothing by default.

    Returns:
        The curve, in order. It is empty where F isn't differentiable at the start.
    """
    first = _point(system, start, system(start[None])[0], rank)
    if first is None:
        return Trace(np.empty((0, len(start))), np.empty(0), np.empty(0), ("lost", "lost"))
    forwards = first.tangent(np.ones(len(start)))
    ahead, end = _walk(system, first, forwards, box, step, most, keep)
    behind, begin = ([], "closed") if end == "closed" else _walk(system, first, -forwards, box, step, most, keep)
    points = [*behind[::-1], first, *ahead]
    inside = [p for p in points if ((p.y[-2:] >= box[0] - ON_EDGE) & (p.y[-2:] <= box[1] + ON_EDGE)).all()]
    lost = [np.zeros(len(start) - 1) if rounding is None else rounding(p.y) for p in inside]
    errors = [first_order(p.jacobian, p.value, own)[-2:] for p, own in zip(inside, lost, strict=True)]
    return Trace(
        np.array([p.y for p in inside]).reshape(-1, len(start)),
        np.array([p.residual for p in inside]),
        np.linalg.norm(np.array(errors).reshape(-1, 2), axis=1),
        (begin, end),
    )
