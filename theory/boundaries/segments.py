"""The boundaries of the optimum in pieces between special points, each first order or continuous, with the evidence.

Along a first-order piece the two states are apart, and the slopes of the loss differ. Along a continuous one the state
that grows is measured at ever smaller distances: the exponents of its size and of the loss that it saves follow by a
fit, and docs/phase-transitions.md derives what they must be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..minima import distance
from ..numerics import FloatArray, Summarised
from .atlas import TracedCurve, states_of
from .degenerate import NOTHING, flat_directions, third_along
from .equations import Equations
from .exponents import Exponents, measured_exponents
from .named_points import SpecialPoint

# A special point at the end of a run of points lies within this of it.
BEYOND, CLOSE = 0.08, 1e-4
# Cosine of the angle to the curve under which a special point is ahead.
AHEAD = 0.9
# A run that passes this close to a piece already known is the same one.
SAME_PIECE = 2e-3
# Close to an edge a curve may be too ill conditioned to be followed onto it.
ON_EDGE = 1e-3
# Shorter runs are places where phases cost the same to rounding.
SHORTEST = 4e-3


@dataclass(frozen=True, eq=False)
class BoundarySegment(Summarised):
    """A piece of the boundary between two optimal phases.

    Attributes:
        kind: "first order" or "continuous".
        phases: labels of the two phases.
        x: values of the plane's first parameter, shape (points,).
        y: values of its second parameter, shape (points,).
        ends: what lies at its first and its last point: the kind of a special point, or "edge", or "open".
        jump: distance between the two states in W, rotations left out, shape (points,); 0 on a continuous piece.
        slope_jump: ∂L/∂x and ∂L/∂y of the second state less those of the first, shape (points, 2); 0 on a continuous
            piece.
        exponents: measured in the middle of a continuous piece, else None.
        axes: names of the plane's two parameters.
    """

    kind: str
    phases: tuple[str, str]
    x: FloatArray
    y: FloatArray
    ends: tuple[str, str]
    jump: FloatArray
    slope_jump: FloatArray
    exponents: Exponents | None
    axes: tuple[str, str]


def boundary_segments(
    equations: Equations,
    curves: Sequence[TracedCurve],
    cheapest: Sequence[NDArray[np.bool_]],
    special: Sequence[SpecialPoint],
) -> tuple[BoundarySegment, ...]:
    """Return the pieces of the boundaries of the optimum.

    Args:
        equations: of the plane.
        curves: that were traced.
        cheapest: whether each point's state is the cheapest known, for each curve.
        special: the special points.
    """
    marks = [point for point in special if point.cheapest]
    pieces: list[BoundarySegment] = []
    for curve, flags in zip(curves, cheapest, strict=True):
        if curve.key[0] == "coexistence":
            allowed = flags
        elif curve.key[0] == "kink":
            allowed = flags & (third_along(curve, equations) > NOTHING)
        else:
            continue
        for run in _runs(allowed):
            q = curve.found.points[run, -2:]
            # At density 1 phases can cost the same along the whole edge.
            along_edge = (np.abs(q[:, None] - equations.plane.box) < ON_EDGE).all(axis=0).any()
            if np.ptp(q, axis=0).max() < SHORTEST or along_edge:
                continue
            piece = _segment(equations, curve, run, marks)
            if not any(_same(equations, piece, other) for other in pieces):
                pieces.append(piece)
    return tuple(pieces)


def _runs(flags: NDArray[np.bool_]) -> list[NDArray[np.int64]]:
    """Return the numbers of consecutive points for which the flag is set."""
    numbers = np.flatnonzero(flags)
    return np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1) if len(numbers) else []


def _same(equations: Equations, piece: BoundarySegment, other: BoundarySegment) -> bool:
    if (piece.kind, piece.phases) != (other.kind, other.phases):
        return False
    place = equations.plane.position
    middle = len(piece.x) // 2
    here = place(piece.x[middle], piece.y[middle])
    line = place(other.x, other.y)
    steps = np.linspace(0, len(line) - 1, 20 * len(line))
    dense = np.stack([np.interp(steps, np.arange(len(line)), column) for column in line.T], axis=-1)
    return bool(np.abs(dense - here).max(axis=1).min() < SAME_PIECE)


def _segment(
    equations: Equations, curve: TracedCurve, run: NDArray[np.int64], marks: Sequence[SpecialPoint]
) -> BoundarySegment:
    plane, q = equations.plane, curve.found.points[:, -2:]
    ends, line = [], q[run]
    states = states_of(curve.found.points[run], curve.held)
    labels = [equations.labels(state)[0] for state in states[len(states) // 2]]
    near = [point for point in marks if _belongs(point, curve, labels)]
    for at, step in ((run[0], -1), (run[-1], 1)):
        inner = q[at - step] if 0 <= at - step < len(q) else q[at]
        name, place = _end(equations, q[at], q[at] - inner, near)
        ends.append(name)
        if place is not None:
            line = np.concatenate([place[None], line] if step < 0 else [line, place[None]])
    x, y = plane.x.value(line[:, 0]), plane.y.value(line[:, 1])
    if curve.key[0] == "coexistence":
        phases = equations.labels(*states[len(states) // 2])
        jump = distance(*(equations.split(states[:, k]) for k in (0, 1)))
        first, second = (parameter_slopes(equations, states[:, k], q[run]) for k in (0, 1))
        turn = 1.0 if labels[0] <= labels[1] else -1.0
        return BoundarySegment(
            "first order",
            (phases[0], phases[1]),
            x,
            y,
            (ends[0], ends[1]),
            jump,
            turn * (second - first),
            None,
            plane.names,
        )
    middle = int(run[len(run) // 2])
    theta, v, _ = flat_directions(curve, equations)
    exponents, grown = measured_exponents(equations, theta[middle], v[middle], q[middle])
    both = equations.labels(theta[middle], grown)
    nothing = np.zeros(len(run))
    return BoundarySegment(
        "continuous",
        (both[0], both[1]),
        x,
        y,
        (ends[0], ends[1]),
        nothing,
        np.zeros((len(run), 2)),
        exponents,
        plane.names,
    )


def _belongs(point: SpecialPoint, curve: TracedCurve, labels: Sequence[str]) -> bool:
    """Return whether a special point can end a piece of a curve."""
    if curve.key[0] == "kink":
        return point.kind in ("tricritical point", "critical end point") and labels[0] in point.phases
    # A state that grows continuously has no label at the point itself, and several may grow there.
    if point.kind in ("critical end point", "tricritical point"):
        return any(label in point.phases for label in labels)
    return all(list(point.phases).count(label) >= list(labels).count(label) for label in labels)


def _end(
    equations: Equations, last: FloatArray, ahead: FloatArray, marks: Sequence[SpecialPoint]
) -> tuple[str, FloatArray | None]:
    """Return what comes next ahead of the last point of a run, and where; no place on the edge of the range."""
    if (np.abs(last - equations.plane.box) < ON_EDGE).any():
        return "edge", None
    found = []
    for point in marks:
        place = np.asarray(equations.plane.position(point.x, point.y))
        step = place - last
        size = float(np.linalg.norm(step))
        if size < CLOSE or (size < BEYOND and step @ ahead > AHEAD * size * np.linalg.norm(ahead)):
            found.append((size, point.kind, place))
    if not found:
        return "open", None
    _, kind, place = min(found, key=lambda mark: mark[0])
    return kind, place


def parameter_slopes(equations: Equations, theta: FloatArray, q: FloatArray) -> FloatArray:
    """Return ∂L/∂x and ∂L/∂y at fixed states, which is that of the minima themselves, shape (rows, 2)."""
    plane, step = equations.plane, 1e-6
    slopes = []
    for shift in np.eye(2):
        ahead, behind = (equations.slope(theta, q + sign * step * shift)[0] for sign in (1, -1))
        slopes.append((ahead - behind) / (2 * step))
    in_position = np.stack(slopes, axis=-1)
    values = plane.x.value(q[:, 0]), plane.y.value(q[:, 1])
    return in_position / np.stack([plane.x.slope(values[0]), plane.y.slope(values[1])], axis=-1)
