"""Where along a limit of stability the third derivative vanishes, and the curves that begin there.

At a kink the loss above the state is a w² + c w³ + d w⁴ in the size w ≥ 0 of what grows. Where c > 0 the state gives
way continuously, where c < 0 by a jump; where c changes its sign a coexistence curve and a fold begin, both tangent to
the limit. At a fold the third derivative vanishes at a cusp, where it meets another fold. docs/phase-transitions.md has
the derivation.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..minima import (
    GRADIENT_TOLERANCE,
    descend,
    hold_frame,
    in_frame,
    pack,
    smallest_curvature,
    snap,
    turned_towards,
)
from ..numerics import FloatArray
from .atlas import Atlas, TracedCurve, add_coexistence, states_of
from .equations import Equations
from .meetings import Meeting, limit_piece, meet
from .third_derivatives import third_derivative

# Sizes of the perturbations from which the state that grows is looked for.
GROWN = (0.003, 0.01, 0.03, 0.1, 0.3)
# Directions beside the flat one, and how far beside. Minima that agree to this are one.
ASIDE, SPREAD, LEAST, SAME_STATE = 5, 0.5, 0.05, 1e-6
# Losses that differ by less are the same.
ROUNDING = 1e-15
# Third derivatives below this are rounding, or zero by symmetry.
NOTHING = 1e-8
# Step off the limit over which the curvature is measured, and the farthest that first points may lie from it.
OFF, FARTHEST = 1e-4, 0.05
# Grown states that are tried at a point, and the farthest that one may be from the state that it grew from.
MOST_GROWN, FARTHEST_STATE = 4, 0.3
# Places around a cusp, how far from it, and the distance along the flat direction at which descents begin.
ANGLES, AROUND, ASTRIDE = 24, 0.03, 0.1
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
    frame = hold_frame(*equations.split(theta[len(theta) // 2]))
    size = int(np.isnan(curve.held[0]).sum())
    return theta, equations.place(curve.found.points[:, size:-2], frame), frame


def third_along(curve: TracedCurve, equations: Equations) -> FloatArray:
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
        third, q = third_along(curve, equations), curve.found.points[:, -2:]
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
    """Trace the curves that begin at each tricritical point of a kink, and at each cusp."""
    for point in degeneracies(equations, atlas):
        if point.curve.key[0] == "fold":
            _sprout_from_cusp(equations, atlas, point)
            continue
        theta, v, _ = flat_directions(point.curve, equations)
        third, q = third_along(point.curve, equations), point.curve.found.points[:, -2:]
        numbers = range(point.before, -1, -1) if point.jumps_before else range(point.before + 1, len(q))
        # Far from the tricritical point the equations are better conditioned.
        positive = [count for count, k in enumerate(numbers) if third[k] > 0]
        for k in list(numbers)[: min([TRIED, *positive])][::-1]:
            grown = grown_states(equations, theta[k], v[k], q[k])
            sprouted = [_sprout_at(equations, atlas, theta[k], row, q[k]) for row in grown[:MOST_GROWN]]
            if any(sprouted):
                _sprout_between(equations, atlas, theta[k], grown[:MOST_GROWN], q[k])


def directions_beside(v: FloatArray, theta: FloatArray) -> FloatArray:
    """Return v and others beside it: where several directions go flat at once, v may lead to a saddle.

    They are v with but one of the coordinates that are zero in θ, and v with a random vector added.
    """
    zero = theta == 0
    alone = [np.where(zero & (np.arange(len(v)) != i), 0.0, v) for i in np.flatnonzero(zero & (np.abs(v) > LEAST))]
    aside = np.random.default_rng(0).normal(size=(ASIDE, len(v)))
    return np.array([v, *alone, *(v + SPREAD * aside / np.linalg.norm(aside, axis=1, keepdims=True))])


def _sprout_from_cusp(equations: Equations, atlas: Atlas, point: Degeneracy) -> None:
    """Trace the coexistence curve that begins at a cusp: where two minima along the flat direction cost the same."""
    theta, q = point.meeting.states[0], point.meeting.q
    _, directions, _ = flat_directions(point.curve, equations)
    v = directions[point.before]
    turns = np.linspace(0, 2 * np.pi, ANGLES, endpoint=False)
    places = q + AROUND * np.stack([np.cos(turns), np.sin(turns)], axis=-1)
    found = []
    for sign in (-1, 1):
        starts = np.repeat(theta[None] + sign * ASTRIDE * v, ANGLES, axis=0)
        landscape = equations.landscape(places)
        ends = descend(landscape, starts)
        settled, norms = snap(landscape, ends.parameters, ends.gradient_norm)
        found.append((settled, ends.loss, norms < GRADIENT_TOLERANCE))
    (one, first, good), (two, second, fine) = found
    apart = np.abs(one - two).max(axis=1)
    both = good & fine & (apart > SAME_STATE**0.5) & (apart < FARTHEST_STATE)
    gap = np.where(both, first - second, np.nan)
    for k in range(ANGLES):
        after = (k + 1) % ANGLES
        if gap[k] * gap[after] < 0:
            share = gap[k] / (gap[k] - gap[after])
            states = np.stack([s[k] + share * (s[after] - s[k]) for s in (one, two)])
            add_coexistence(equations, atlas, states, places[k] + share * (places[after] - places[k]))


def grown_states(equations: Equations, theta: FloatArray, v: FloatArray, q: FloatArray) -> FloatArray:
    """Return the minima below a state at its limit of stability, turned towards it, the closest first: (k, P)."""
    starts = (theta + np.array(GROWN)[:, None, None] * directions_beside(v, theta)).reshape(-1, len(v))
    landscape = equations.landscape(np.broadcast_to(q, (len(starts), 2)))
    ends = descend(landscape, starts)
    settled, _ = snap(landscape, ends.parameters, ends.gradient_norm)
    own = float(equations.slope(theta[None], q[None])[0][0])
    lower = ends.loss < own - ROUNDING
    lower[lower] = smallest_curvature(landscape.take(lower), settled[lower])[0] > 0
    found: list[FloatArray] = []
    turned = [beside(equations, row, theta) for row in settled[lower]]
    for row in sorted(turned, key=lambda row: float(np.linalg.norm(row - theta))):
        if not any(np.abs(row - other).max() < SAME_STATE for other in found):
            found.append(row)
    return np.array(found).reshape(-1, len(theta))


def beside(equations: Equations, row: FloatArray, theta: FloatArray) -> FloatArray:
    """Return packed parameters in the rotation of the hidden space that brings them closest to θ."""
    (weights, bias), (like, _) = equations.split(row), equations.split(theta)
    return pack(turned_towards(weights, like), bias)


def _framed(equations: Equations, row: FloatArray) -> FloatArray:
    """Return packed parameters in their own frame."""
    weights, bias = equations.split(row)
    return pack(in_frame(weights[None])[0], bias)


def _sprout_at(equations: Equations, atlas: Atlas, theta: FloatArray, grown: FloatArray, q: FloatArray) -> bool:
    """Trace the curves on which the state that grows from a point of a kink with c < 0 coexists, and folds.

    On the limit itself a = 0, the grown state has w = s = −3c/(4d); it coexists at a = −cs/3 with w = 2s/3, and folds
    at a = −3cs/8 with w = s/2.
    """
    growth = grown - theta
    s = float(np.linalg.norm(growth))
    into = into_stability(equations, theta, q)
    if s > FARTHEST_STATE or into is None:
        return False
    c = float(third_derivative(equations, theta[None], growth[None] / s, q[None], one_sided=True)[0]) / 6
    normal, slope = into
    if c >= 0:
        return False
    done = False
    for a, share in ((-c * s / 3, 2 / 3), (-3 * c * s / 8, 1 / 2)):
        off = a / slope
        if off > FARTHEST:
            continue
        there = q + off * normal
        state = _framed(equations, theta + share * growth)
        if share == 2 / 3:
            base, kept = equations.settle(theta[None], there[None])
            done = bool(kept[0]) and add_coexistence(equations, atlas, np.stack([base[0], state]), there)
            continue
        (label,) = equations.labels(state)
        frame = hold_frame(*equations.split(state))
        free = np.isnan(frame)
        hessian = equations.expand(state[None], there[None])[2][0]
        flat = np.linalg.eigh(hessian[free][:, free])[1][:, 0]
        first = np.concatenate([state[free], flat, there])
        keep, slopes = equations.convex_but_one(frame), int(free.sum())
        atlas.add(("fold", label), equations.fold(frame), first, there, keep, held=(frame,), slopes=slopes)
    return done


def _sprout_between(equations: Equations, atlas: Atlas, theta: FloatArray, grown: FloatArray, q: FloatArray) -> None:
    """Trace where two states that grow from the same point of a kink trade places in cost, close to the kink."""
    into = into_stability(equations, theta, q)
    if into is None:
        return
    for one, two in combinations(grown, 2):
        size = max(float(np.linalg.norm(row - theta)) for row in (one, two))
        if size > FARTHEST_STATE or equations.labels(one) == equations.labels(two):
            continue
        # The smallest curvature of the state that gives way is about that of a state of this size.
        shares = np.geomspace(1e-3, 1.0, 13)
        along = np.concatenate([-shares[::-1], [0.0], shares]) * size**2 / into[1]
        places = q + along[:, None] * into[0]
        losses, states = [], []
        for start in (one, two):
            framed = _framed(equations, start)
            settled, kept = equations.settle(np.broadcast_to(framed, (len(places), len(framed))), places)
            losses.append(np.where(kept, equations.slope(settled, places)[0], np.nan))
            states.append(settled)
        gap = losses[0] - losses[1]
        for k in np.flatnonzero(gap[:-1] * gap[1:] < 0)[:1]:
            add_coexistence(equations, atlas, np.stack([states[0][k], states[1][k]]), (places[k] + places[k + 1]) / 2)


def into_stability(equations: Equations, theta: FloatArray, q: FloatArray) -> tuple[FloatArray, float] | None:
    """Return the unit direction in which a state's smallest curvature grows fastest, and half its slope."""
    shifts = OFF * np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    ends, _ = critical_states(equations, theta, q + shifts)
    curvature = smallest_curvature(equations.landscape(q + shifts), ends)[0]
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
