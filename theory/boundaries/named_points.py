"""Special points of a phase diagram: where boundaries meet, or a transition changes its nature.

Candidates come from the traced curves: where a third derivative changes its sign along a limit of stability, where a
coexistence curve stops, and where a third minimum becomes the cheapest along a curve. Each is then solved for by
Newton's method on the equations of what meets there (`meetings.py`). docs/phase-transitions.md has the points of the
diagrams of two and three features.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..minima import (
    GRADIENT_TOLERANCE,
    DiagramMinima,
    hold,
    hold_frame,
    in_frame,
    invariants,
    smallest_curvature,
    snap,
)
from ..numerics import FloatArray, Summarised
from .atlas import ON_KINK, Atlas, TracedCurve, add_coexistence, dense, states_of
from .curves import SAME_COST, KnownLosses, KnownMinima, known_losses
from .degenerate import MOST_GROWN, degeneracies, flat_directions, grown_states
from .equations import Equations
from .exponents import Exponents, measured_exponents
from .meetings import Meeting, Piece, limit_piece, meet, minimum_piece
from .third_derivatives import third_derivative

RESIDUAL = 2e-12
# A special point farther than this from where it was suspected is another one.
FARTHEST = 0.08
# Two special points of one kind that are closer than this are one.
SAME_PLACE = 1e-6
# States that differ by less in overlaps and biases are one.
SAME_STATE = 1e-4
# Step along a flat direction to the state that grows, for its name.
BESIDE = 0.05
# A curvature of a state on a curve that stopped is that of a limit of stability below this share of the largest.
FLAT = 3e-2
# Curves that pass by closer than this meet at a special point.
MEETS = 5e-3
# A state at a limit of stability has curvatures down to this.
LEVEL = -1e-6


@dataclass(frozen=True, eq=False)
class SpecialPoint(Summarised):
    """A point of a plane of models where boundaries meet or a transition changes its nature.

    Attributes:
        kind: "triple point": three minima cost the same; "critical end point": a line of continuous transitions ends
            on a first-order line, where the state that gives way costs the same as another minimum; "tricritical
            point": a first-order transition becomes continuous; "cusp": two folds meet, and a coexistence curve
            ends; "fold end point": a coexistence curve ends because one of its minima folds.
        phases: labels of what meets there.
        x: value of the plane's first parameter.
        y: value of its second parameter.
        loss: of the states that meet.
        residual: largest residual of the equations.
        error: how far x and y are off, to first order, rounding of the equations included, shape (2,). A bound under
            the conditions of docs/errors.md.
        cheapest: whether no cheaper minimum is known there: whether the point belongs to the diagram of optima.
        states: packed parameters of the states that meet, shape (k, P).
        curves: the traced curves that meet there, by kind and phases.
        exponents: with which a state grows beyond a tricritical point of the optimum, else None.
        axes: names of the plane's two parameters.
    """

    kind: str
    phases: tuple[str, ...]
    x: float
    y: float
    loss: float
    residual: float
    error: FloatArray
    cheapest: bool
    states: FloatArray
    curves: tuple[str, ...]
    exponents: Exponents | None
    axes: tuple[str, str]


def completed(
    diagram: DiagramMinima, equations: Equations, atlas: Atlas
) -> tuple[list[KnownLosses], tuple[SpecialPoint, ...]]:
    """Return what is known along all curves, those that begin at triple points included, and the special points."""
    known = known_losses(diagram, equations, atlas)
    special = located(diagram, equations, atlas, known)
    if continue_from(special, equations, atlas):
        known = known_losses(diagram, equations, atlas)
        special = located(diagram, equations, atlas, known)
    return known, special


def located(
    diagram: DiagramMinima, equations: Equations, atlas: Atlas, known: Sequence[KnownLosses]
) -> tuple[SpecialPoint, ...]:
    """Return the special points that traced curves show, by their first parameter.

    Args:
        diagram: minima over a grid.
        equations: of its plane.
        atlas: the traced curves.
        known: what is known along each curve.
    """
    search = _Search(diagram, equations, atlas)
    search.degenerate()
    for curve, losses in zip(atlas.curves, known, strict=True):
        if curve.key[0] == "coexistence":
            search.ends(curve)
        if curve.key[0] in ("coexistence", "kink"):
            search.overtaken(curve, losses)
    return tuple(sorted(search.found, key=lambda point: (point.x, point.y)))


def continue_from(special: Sequence[SpecialPoint], equations: Equations, atlas: Atlas) -> bool:
    """Trace the coexistence curves that begin at triple points and weren't known; return whether there were any."""
    before = len(atlas.curves)
    for point in special:
        if point.kind == "triple point":
            q = np.asarray(equations.plane.position(point.x, point.y))
            for pair in combinations(point.states, 2):
                add_coexistence(equations, atlas, np.stack(pair), q)
    return len(atlas.curves) > before


class _Search:
    """The special points found so far."""

    def __init__(self, diagram: DiagramMinima, equations: Equations, atlas: Atlas) -> None:
        self.diagram, self.equations, self.atlas = diagram, equations, atlas
        self.minima = KnownMinima(diagram, equations, atlas)
        self.found: list[SpecialPoint] = []

    def degenerate(self) -> None:
        """Enter tricritical points and cusps."""
        for point in degeneracies(self.equations, self.atlas):
            theta = point.meeting.states[0]
            _, v, _ = flat_directions(point.curve, self.equations)
            beside = theta + BESIDE * v[point.before]
            kind = "tricritical point" if point.curve.key[0] == "kink" else "cusp"
            self._enter(kind, point.meeting, point.meeting.q, beside=(theta, beside))

    def ends(self, curve: TracedCurve) -> None:
        """Enter the points at which a coexistence curve ends within the range."""
        found = curve.found
        for end, at in zip(found.ends, (0, -1), strict=True):
            if end not in ("stopped", "lost"):
                continue
            states, q = states_of(found.points[[at]], curve.held)[0], found.points[at, -2:]
            if any(
                p.kind in ("tricritical point", "cusp") and _reach(self._q(p), q) < FARTHEST / 2 for p in self.found
            ):
                apart = float(np.ptp(invariants(*self.equations.split(states)), axis=0).max())
                if apart < FARTHEST:
                    continue
            self._limit_beside(states, q)

    def _q(self, point: SpecialPoint) -> FloatArray:
        return np.asarray(self.equations.plane.position(point.x, point.y))

    def _limit_beside(self, states: FloatArray, q: FloatArray) -> None:
        """Enter where the flatter of two states that cost the same stops being a minimum."""
        equations = self.equations
        curvature, directions = smallest_curvature(equations.landscape(np.stack([q, q])), states)
        which = int(np.argmin(curvature))
        flat, other = states[which], states[1 - which]
        partner = minimum_piece(equations, other, hold(other))
        for kink in (True, False):
            theta, v = flat, directions[which]
            if kink:
                snapped, norms = snap(
                    equations.landscape(q[None]), flat[None], np.full(1, np.inf), within=ON_KINK, rounds=8
                )
                if (
                    norms[0] > 1e3 * GRADIENT_TOLERANCE
                    or not (snapped[0][np.isnan(hold_frame(*equations.split(snapped[0])))] == 0).any()
                ):
                    continue
                theta = snapped[0]
                v = smallest_curvature(equations.landscape(q[None]), theta[None])[1][0]
            frame = hold_frame(*equations.split(theta))
            held = hold(theta) if kink else frame
            limit = limit_piece(equations, theta, v, held, frame, third=False)
            meeting = meet(equations, [limit, partner], q)
            if meeting is None or not self._sound(meeting, q):
                continue
            if not kink:
                self._enter("fold end point", meeting, q)
                return
            third = self._third(meeting.states[0], meeting.q)
            if third > 0:
                self._enter("critical end point", meeting, q)
                return
            # The state has given way by a jump already: three minima cost the same close by.
            along = smallest_curvature(equations.landscape(meeting.q[None]), meeting.states[:1])[1][0]
            for grown in grown_states(equations, meeting.states[0], along, meeting.q)[:MOST_GROWN]:
                self._triple([meeting.states[0], grown, meeting.states[1]], meeting.q)
            return

    def _third(self, theta: FloatArray, q: FloatArray) -> float:
        v = smallest_curvature(self.equations.landscape(q[None]), theta[None])[1]
        return float(third_derivative(self.equations, theta[None], v, q[None], one_sided=True)[0])

    def overtaken(self, curve: TracedCurve, known: KnownLosses) -> None:
        """Enter the points of a curve at which a third minimum becomes the cheapest."""
        equations, points = self.equations, curve.found.points
        q, states = points[:, -2:], states_of(points, curve.held)
        cheapest, where = known.cheapest, known.where
        for k in np.flatnonzero(cheapest[:-1] != cheapest[1:]):
            cheap, dear = (k, k + 1) if cheapest[k] else (k + 1, k)
            if curve.key[0] == "coexistence":
                self._triple([*states[cheap], where[dear]], q[cheap])
                continue
            theta, v, frame = flat_directions(curve, equations)
            limit = limit_piece(equations, theta[cheap], v[cheap], curve.held[0], frame, third=False)
            other = self._minimum(where[dear], q[dear])
            meeting = meet(equations, [limit, other], q[cheap])
            if meeting is not None and self._third(meeting.states[0], meeting.q) > 0:
                self._enter("critical end point", meeting, q[cheap])

    def _minimum(self, theta: FloatArray, q: FloatArray) -> Piece:
        """Return a state as a piece, with its zeros at q."""
        landscape = self.equations.landscape(q[None])
        weights, bias = landscape.split(theta[None])
        snapped, _ = snap(landscape, landscape.join(in_frame(weights), bias), np.full(1, np.inf))
        return minimum_piece(self.equations, snapped[0], hold(snapped[0]))

    def _triple(self, states: Sequence[FloatArray], q: FloatArray) -> None:
        meeting = meet(self.equations, [self._minimum(theta, q) for theta in states], q)
        if meeting is not None:
            self._enter("triple point", meeting, q)

    def _sound(self, meeting: Meeting, near: FloatArray, *, limit: bool = False) -> bool:
        """Whether a solution is one: in the range, close by, of different states that are minima or at their limit."""
        equations, box = self.equations, self.atlas.box
        features = invariants(*equations.split(meeting.states))
        apart = min((float(np.abs(a - b).max()) for k, a in enumerate(features) for b in features[:k]), default=np.inf)
        rows = np.broadcast_to(meeting.q, (len(features), 2))
        inside = ((meeting.q >= box[0] - SAME_PLACE) & (meeting.q <= box[1] + SAME_PLACE)).all()
        return bool(
            meeting.residual < RESIDUAL
            and inside
            and _reach(meeting.q, near) < FARTHEST
            and apart > SAME_STATE
            # A state may give way on one side of a kink long after it did on the other.
            and (limit or smallest_curvature(equations.landscape(rows), meeting.states)[0].min() > LEVEL)
        )

    def _enter(
        self, kind: str, meeting: Meeting, near: FloatArray, *, beside: tuple[FloatArray, ...] | None = None
    ) -> None:
        """Add a special point, unless it is known or isn't one."""
        if not self._sound(meeting, near, limit=beside is not None):
            return
        if any(p.kind == kind and _reach(self._q(p), meeting.q) < SAME_PLACE for p in self.found):
            return
        equations, plane = self.equations, self.equations.plane
        x, y = float(plane.x.value(meeting.q[0])), float(plane.y.value(meeting.q[1]))
        loss = float(equations.slope(meeting.states[:1], meeting.q[None])[0][0])
        lowest = self.minima.lowest(meeting.q[None])[0][0]
        slopes = np.array([plane.x.slope(x), plane.y.slope(y)])
        curves = [
            f"{curve.key[0]}: {' | '.join(curve.key[1:])}"
            for curve in self.atlas.curves
            if np.abs(dense(curve.found.points)[:, -2:] - meeting.q).max(axis=1).min() < MEETS
        ]
        cheapest, exponents = bool(lowest > loss - SAME_COST - 2 * meeting.residual), None
        shown = meeting.states if beside is None else np.stack(beside)
        if kind == "tricritical point" and cheapest:
            v = smallest_curvature(equations.landscape(meeting.q[None]), meeting.states)[1][0]
            exponents, grown = measured_exponents(equations, meeting.states[0], v, meeting.q)
            shown = np.stack([meeting.states[0], grown])
        self.found.append(
            SpecialPoint(
                kind=kind,
                phases=tuple(sorted(equations.labels(row)[0] for row in shown)),
                x=x,
                y=y,
                loss=loss,
                residual=meeting.residual,
                error=meeting.error * slopes,
                cheapest=cheapest,
                states=meeting.states,
                curves=tuple(sorted(set(curves))),
                exponents=exponents,
                axes=plane.names,
            )
        )


def _reach(a: FloatArray, b: FloatArray) -> float:
    return float(np.abs(a - b).max())
