"""Where along a limit of stability the third derivative vanishes, and the curves that begin there.

At a kink the loss above the state is a w² + c w³ + d w⁴ in the size w ≥ 0 of what grows. Where c > 0 the state gives
way continuously, where c < 0 by a jump; where c changes its sign a coexistence curve and a fold begin, both tangent to
the limit. At a fold the third derivative vanishes at a cusp, where it meets another fold. docs/phase-transitions.md has
the derivation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .atlas import Atlas, TracedCurve, add_coexistence, states_of
from .critical_points import snap
from .curvature import smallest_curvature
from .descent import descend, pack, unpack
from .equations import Equations, hold_frame
from .features import FloatArray
from .meetings import Meeting, limit_piece, meet, third_derivative
from .rotations import in_frame, turned_towards

# Sizes of the perturbations from which the state that grows is looked for.
GROWN = (0.003, 0.01, 0.03, 0.1, 0.3)
# Losses that differ by less are the same.
ROUNDING = 1e-15
# Third derivatives below this are rounding, or zero by symmetry.
NOTHING = 1e-8
# Step off the limit over which the curvature is measured, and the farthest that first points may lie from it.
OFF, FARTHEST = 1e-4, 0.05
# First points that are tried on the side of a tricritical point where the transition jumps.
TRIED = 8


@dataclass(frozen=True, eq=False)
class Degeneracy:
    """A point of a limit of stability where the third derivative along the flat direction vanishes.

    Attributes:
        curve: the limit of stability.
        meeting: the solution of its equations there.
        before: number of the curve's last point before it.
        jumps_before: whether the third derivative is negative before it.
    """

    curve: TracedCurve
    meeting: Meeting
    before: int
    jumps_before: bool


def flat_directions(curve: TracedCurve, equations: Equations) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return states, flat directions and frame zeros along a fold or a kink, shapes (points, P) twice and (P,)."""
    theta = states_of(curve.found.points, curve.held)[:, 0]
    frame = hold_frame(theta[len(theta) // 2], equations.n_hidden)
    size = int(np.isnan(curve.held[0]).sum())
    return theta, equations.place(curve.found.points[:, size:-2], frame), frame


def third_derivatives(curve: TracedCurve, equations: Equations) -> FloatArray:
    """Return the third derivative along the flat direction at every point of a fold or a kink, shape (points,)."""
    theta, v, _ = flat_directions(curve, equations)
    return third_derivative(equations, theta, v, curve.found.points[:, -2:], one_sided=curve.key[0] == "kink")


def degeneracies(equations: Equations, atlas: Atlas) -> list[Degeneracy]:
    """Return the points of all kinks and folds where the third derivative vanishes."""
    found = []
    for curve in atlas.curves:
        if curve.key[0] not in ("kink", "fold"):
            continue
        theta, v, frame = flat_directions(curve, equations)
        third, q = third_derivatives(curve, equations), curve.found.points[:, -2:]
        # The direction of a fold has no sign of its own; the tracer keeps it continuous.
        for k in np.flatnonzero((third[:-1] * third[1:] < 0) & (np.minimum(abs(third[:-1]), abs(third[1:])) > NOTHING)):
            near = k if abs(third[k]) < abs(third[k + 1]) else k + 1
            piece = limit_piece(equations, theta[near], v[near], curve.held[0], frame, third=True)
            meeting = meet(equations, [piece], q[near])
            step = np.linalg.norm(q[k + 1] - q[k])
            if meeting is not None and np.linalg.norm(meeting.q - q[near]) < 2 * step:
                found.append(Degeneracy(curve, meeting, int(k), bool(third[k] < 0)))
    return found


def sprout(equations: Equations, atlas: Atlas) -> None:
    """Trace the coexistence curve and the fold that begin at each tricritical point of a kink."""
    for point in degeneracies(equations, atlas):
        if point.curve.key[0] != "kink":
            continue
        theta, v, _ = flat_directions(point.curve, equations)
        third, q = third_derivatives(point.curve, equations), point.curve.found.points[:, -2:]
        numbers = range(point.before, -1, -1) if point.jumps_before else range(point.before + 1, len(q))
        for k in list(numbers)[:TRIED]:
            if third[k] > 0:
                break
            if _sprout_at(equations, atlas, theta[k], v[k], q[k], float(third[k]) / 6):
                break


def grown_states(equations: Equations, theta: FloatArray, v: FloatArray, q: FloatArray) -> FloatArray:
    """Return the minima below a state at its limit of stability, turned towards it, the closest first: (k, P)."""
    starts = theta + np.array(GROWN)[:, None] * v
    model = equations.model(np.broadcast_to(q, (len(starts), 2)))
    ends = descend(model, starts)
    settled, _ = snap(model, ends.parameters, ends.gradient_norm)
    own = float(equations.slope(theta[None], q[None])[0][0])
    lower = [beside(row, theta, equations.n_hidden) for row in settled[ends.loss < own - ROUNDING]]
    return np.array(sorted(lower, key=lambda row: float(np.linalg.norm(row - theta)))).reshape(-1, len(theta))


def beside(row: FloatArray, theta: FloatArray, n_hidden: int) -> FloatArray:
    """Return packed parameters in the rotation of the hidden space that brings them closest to θ."""
    (weights, bias), (like, _) = unpack(row, n_hidden), unpack(theta, n_hidden)
    return pack(turned_towards(weights, like), bias)


def _framed(row: FloatArray, n_hidden: int) -> FloatArray:
    """Return packed parameters in their own frame."""
    weights, bias = unpack(row, n_hidden)
    return pack(in_frame(weights[None])[0], bias)


def _sprout_at(equations: Equations, atlas: Atlas, theta: FloatArray, v: FloatArray, q: FloatArray, c: float) -> bool:
    """Trace the curves on which the state that grows from a point of a kink with c < 0 coexists, and folds.

    On the limit itself a = 0, the grown state has w = s = −3c/(4d); it coexists at a = −cs/3 with w = 2s/3, and folds
    at a = −3cs/8 with w = s/2.
    """
    grown = grown_states(equations, theta, v, q)
    if not len(grown):
        return False
    growth = grown[0] - theta
    s = float(growth @ v)
    into = into_stability(equations, theta, q)
    if s <= 0 or into is None:
        return False
    normal, slope = into
    done = False
    for a, share in ((-c * s / 3, 2 / 3), (-3 * c * s / 8, 1 / 2)):
        off = a / slope
        if off > FARTHEST:
            continue
        there = q + off * normal
        state = _framed(theta + share * growth, equations.n_hidden)
        if share == 2 / 3:
            base, kept = equations.settle(theta[None], there[None])
            done = bool(kept[0]) and add_coexistence(equations, atlas, np.stack([base[0], state]), there)
            continue
        (label,) = equations.labels(state)
        frame = hold_frame(state, equations.n_hidden)
        free = np.isnan(frame)
        hessian = equations.expand(state[None], there[None])[2][0]
        flat = np.linalg.eigh(hessian[free][:, free])[1][:, 0]
        first = np.concatenate([state[free], flat, there])
        atlas.add(("fold", label), equations.fold(frame), first, there, equations.convex_but_one(frame), held=(frame,))
    return done


def into_stability(equations: Equations, theta: FloatArray, q: FloatArray) -> tuple[FloatArray, float] | None:
    """Return the unit direction in which a state's smallest curvature grows fastest, and half its slope."""
    shifts = OFF * np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    model = equations.model(q + shifts)
    ends, _ = critical_states(equations, theta, q + shifts)
    curvature = smallest_curvature(model, ends)[0]
    slope = (curvature[[0, 2]] - curvature[[1, 3]]) / (2 * OFF)
    size = float(np.linalg.norm(slope))
    return None if not size > 0 else (slope / size, size / 2)


def critical_states(equations: Equations, theta: FloatArray, q: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the critical points near θ at each q with the same zeros, and their gradients' sizes."""
    rows = np.broadcast_to(theta, (len(q), len(theta))).copy()
    free = theta != 0
    for _ in range(4):
        _, gradient, hessian = equations.expand(rows, q)
        step = np.linalg.solve(hessian[:, free][:, :, free], gradient[:, free, None])[..., 0]
        rows[:, free] -= step
    return rows, np.linalg.norm(equations.slope(rows, q)[1], axis=1)
