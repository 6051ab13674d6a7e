"""Curves in the phase diagram: where two minima cost the same, and where a minimum stops being one.

Nothing here knows which curves there are. Every minimum of a coarse census is followed from its cell into the
neighbouring ones; where its path breaks off there is a limit of stability, and where two paths change places in cost
there is a coexistence curve. Each is then located by Newton's method on its defining equations and traced
(`numerics/continuation.py`). docs/boundaries.md has the map.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..geometry import relabelled
from ..minima import DiagramMinima, check_superposition, descend, plane_minima
from ..models import Plane, PlaneAxis, diagram_plane
from ..numerics import FloatArray, Summarised, check_kind
from .atlas import NEAR, Atlas, TracedCurve, continue_coexistence, dense, states_of, trace_coexistence, trace_stability
from .degenerate import sprout
from .equations import Equations
from .paths import cheapest_near, follow

# Grid of the census that finds the curves' first points, and steps from a cell to the next.
SEED_CELLS = 12
DENSE = (0.7, 0.74, 0.77, 0.81, 0.85, 0.91, 0.95, 0.98)
NEARLY_EQUAL = (0.82, 0.85, 0.88, 0.93, 0.97)
# Minima that differ by less cost the same.
SAME_COST = 1e-14
WHY = {
    "edge": "edge of the range",
    "closed": "closed",
    "stopped": "no longer between minima",
    "lost": "no further point",
    "budget": "budget of points spent",
}


@dataclass(frozen=True, eq=False)
class BoundaryCurve(Summarised):
    """A curve in a plane of models, that of density and relative importance unless another was asked for, in order.

    Attributes:
        kind: "coexistence" or "stability".
        phases: the two labels of a coexistence curve; the one that stops being a minimum at a limit of stability. With
            more than two features each curve stands for its copies under exchanges of those of equal importance.
        mechanism: "first order" (coexistence), "fold", "kink" or "corner".
        x: values of the plane's first parameter, shape (points,).
        y: values of its second parameter, shape (points,).
        residual: largest residual of the defining equations, shape (points,).
        error: distance to the curve in the plane's positions (logarithms on log axes), to first order, rounding of the
            equations included, shape (points,). A bound under the conditions of docs/errors.md.
        cheapest: whether no cheaper minimum than the curve's state is known at the point, shape (points,). A limit of
            stability of the cheapest minimum is a continuous transition.
        status: "complete" if the curve runs from edge to edge or closes, else "ended".
        reason: why it stops at its first and its last point.
        axes: names of the plane's two parameters.
    """

    kind: str
    phases: tuple[str, ...]
    mechanism: str
    x: FloatArray
    y: FloatArray
    residual: FloatArray
    error: FloatArray
    cheapest: NDArray[np.bool_]
    status: str
    reason: str
    axes: tuple[str, str] = ("density", "importance")

    @property
    def density(self) -> FloatArray:
        """1 − S along the curve, if it varies, shape (points,)."""
        return self._along("density")

    @property
    def importance(self) -> FloatArray:
        """Relative importance of the last feature along the curve, if it varies, shape (points,)."""
        return self._along("importance")

    def _along(self, name: str) -> FloatArray:
        if name not in self.axes:
            raise AttributeError(f"{name} doesn't vary in the plane of {' and '.join(self.axes)}")
        return (self.x, self.y)[self.axes.index(name)]


@dataclass(frozen=True, eq=False)
class KnownLosses:
    """What the minima of the surrounding cells say along a curve.

    Attributes:
        loss: of the curve's state, shape (points,).
        lowest: least loss that is known, shape (points,).
        where: packed parameters at which it is attained, shape (points, P).
        residual: of the curve's equations, shape (points,).
    """

    loss: FloatArray
    lowest: FloatArray
    where: FloatArray

    residual: FloatArray

    @property
    def cheapest(self) -> NDArray[np.bool_]:
        """Whether no minimum that is known costs less than the curve's state, up to its residual, shape (points,)."""
        return np.asarray(self.lowest > self.loss - SAME_COST - 2 * self.residual)


class KnownMinima:
    """Minima to compare with at any place: those of the surrounding cells, and the states of curves that pass by."""

    def __init__(self, diagram: DiagramMinima, equations: Equations, atlas: Atlas) -> None:
        """Take the minima of a diagram and the states of the traced curves."""
        self.diagram, self.equations = diagram, equations
        self._lines = [dense(curve.found.points) for curve in atlas.curves]
        self._states = [states_of(line, curve.held) for line, curve in zip(self._lines, atlas.curves, strict=True)]

    def lowest(self, q: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the least loss known at each row of q and where it is attained, shapes (rows,) and (rows, P)."""
        lowest, where = cheapest_near(self.equations, self.diagram, q)
        owner, starts = [], []
        for line, states in zip(self._lines, self._states, strict=True):
            apart = np.abs(line[:, None, -2:] - q).max(axis=-1)
            for k in np.flatnonzero(apart.min(axis=0) < NEAR):
                owner += [k] * states.shape[1]
                starts += list(states[apart[:, k].argmin()])
        if starts:
            rows = np.array(owner)
            ends = descend(self.equations.landscape(q[rows]), np.array(starts))
            for k, value, theta in zip(rows, ends.loss, ends.parameters, strict=True):
                if value < lowest[k]:
                    lowest[k], where[k] = value, theta
        return lowest, where


def known_losses(diagram: DiagramMinima, equations: Equations, atlas: Atlas) -> list[KnownLosses]:
    """Return what is known along each curve of an atlas."""
    minima, found = KnownMinima(diagram, equations, atlas), []
    for curve in atlas.curves:
        q = curve.found.points[:, -2:]
        loss = equations.slope(states_of(curve.found.points, curve.held)[:, 0], q)[0]
        found.append(KnownLosses(loss, *minima.lowest(q), curve.found.residual))
    return found


def record(diagram: DiagramMinima, curve: TracedCurve, known: KnownLosses) -> BoundaryCurve:
    """Return the public record of a traced curve."""
    found, q = curve.found, curve.found.points[:, -2:]
    coexistence = curve.key[0] == "coexistence"
    x, y = diagram.plane.x.value(q[:, 0]), diagram.plane.y.value(q[:, 1])
    reasons = [f"{WHY[end]} at ({x[at]:.4f}, {y[at]:.4f})" for end, at in zip(found.ends, (0, -1), strict=True)]
    return BoundaryCurve(
        kind="coexistence" if coexistence else "stability",
        phases=curve.key[1:],
        mechanism="first order" if coexistence else curve.key[0],
        x=x,
        y=y,
        residual=found.residual,
        error=found.error,
        cheapest=known.cheapest,
        status="complete" if set(found.ends) <= {"edge", "closed"} else "ended",
        reason="; ".join(reasons),
        axes=diagram.plane.names,
    )


def _mirrored(curve: BoundaryCurve) -> BoundaryCurve:
    """Return a curve of the two-feature model with the features exchanged.

    With importances (1, r) and the features exchanged the loss is r times that with (1, 1/r): r goes to 1/r, and
    residuals are multiplied by at most the larger of r and 1/r.
    """
    factor = np.maximum(curve.importance, 1 / curve.importance)
    return replace(
        curve,
        phases=tuple(sorted(relabelled(label, (1, 0)) for label in curve.phases)),
        y=1 / curve.y,
        residual=curve.residual * factor,
        reason=f"mirror image, under exchange of the features, of a curve with: {curve.reason}",
    )


def _completed(curves: list[BoundaryCurve]) -> list[BoundaryCurve]:
    """Add the mirror images that tracing has missed."""
    complete = list(curves)
    for curve in map(_mirrored, curves):
        q = np.log(np.stack([curve.density, curve.importance], axis=-1))
        middle = q[len(q) // 2]
        if not any(
            (other.kind, other.phases, other.mechanism) == (curve.kind, curve.phases, curve.mechanism)
            and np.abs(dense(np.log(np.stack([other.density, other.importance], axis=-1))) - middle).max(1).min() < NEAR
            for other in complete
        ):
            complete.append(curve)
    return complete


def traced(diagram: DiagramMinima) -> tuple[Equations, Atlas]:
    """Return the equations of a diagram's plane, and every curve that its minima show, traced over its range."""
    equations = Equations(diagram.plane)
    atlas = Atlas(equations, diagram.plane.position(diagram.x[[0, -1]], diagram.y[[0, -1]]))
    paths = follow(equations, diagram)
    for (here, there), forth in paths.items():
        trace_stability(equations, forth, atlas)
        if here < there:
            trace_coexistence(equations, forth, paths.get((there, here), []), atlas)
    sprout(equations, atlas)
    continue_coexistence(equations, atlas)
    return equations, atlas


def recorded(diagram: DiagramMinima, atlas: Atlas, known: list[KnownLosses]) -> tuple[BoundaryCurve, ...]:
    """Return the public records of the curves of an atlas.

    For two features over a range of importances that is symmetric about 1, curves come in mirror images.
    """
    curves = [record(diagram, curve, losses) for curve, losses in zip(atlas.curves, known, strict=True)]
    symmetric = diagram.plane.names == ("density", "importance") and np.allclose(atlas.box[0, 1], -atlas.box[1, 1])
    return tuple(_completed(curves) if diagram.n_features == 2 and symmetric else curves)


def seed_diagram(n_features: int = 2, n_hidden: int = 1, *, plane: Plane | None = None) -> DiagramMinima:
    """Return minima over density 0.01 … 1 and relative importance 0.1 … 10, on a grid that serves to find all curves.

    It is finer where curves crowd, at high density and about equal importance.

    Args:
        n_features: number of features n.
        n_hidden: number of hidden dimensions m.
        plane: another plane of models, which then says the sizes; its ranges are covered.

    Raises:
        ValueError: if n_hidden ≥ n_features.
    """
    check_superposition(n_features, n_hidden)
    check_kind("plane", plane, Plane, optional=True)
    usual = diagram_plane(n_features, n_hidden)
    x, y = _seeds(usual.x), np.union1d(_seeds(usual.y), [*NEARLY_EQUAL, *(1 / r for r in NEARLY_EQUAL)])
    if plane is None:
        return plane_minima(usual, x, y, merged=False)
    seeds = [_seeds(axis) for axis in (plane.x, plane.y)]
    if plane.names == usual.names and _within(usual.x, plane.x) and _within(usual.y, plane.y):
        # As fine as usual where the usual ranges are.
        seeds = [np.union1d(*both) for both in zip(seeds, (x, y), strict=True)]
    return plane_minima(plane, *seeds, merged=False)


def _within(one: PlaneAxis, other: PlaneAxis) -> bool:
    return other.low <= one.low and one.high <= other.high


def _seeds(axis: PlaneAxis) -> FloatArray:
    """Return the values of a parameter at which minima are looked for."""
    values = axis.grid(SEED_CELLS)
    return np.union1d(values, DENSE) if axis.name == "density" and axis.high == 1 else values
