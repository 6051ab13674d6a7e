"""Boundaries of the cheapest phase as curves, out of the changes that are located on the lines of a grid.

In each square of four neighbouring cells the changes between two phases are joined by a straight piece, in positions of
the plane; where three phases meet within a square, the place at which all three cost the same is solved for and joined
to each. Between the points the curve is a guess as good as the grid is fine; the points themselves are exact. Other
loose ends of a square are joined in their middle, a point with no residual (NaN) and with the size of a cell as its
error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..geometry import phase
from ..minima import SAME_LOSS, DiagramMinima, Landscape, descend, lowest_state, snap
from ..numerics import FloatArray, check_kind
from .crossings import SEARCHED, Crossing, Labels, grid_crossings
from .curves import BoundaryCurve

# Newton steps for a meeting of three phases, and the change of position by which slopes are measured.
NEWTON_STEPS, DIFFERENCE = 12, 1e-6
# Distance from a square, in its own sides, up to which a meeting belongs to it.
OUTSIDE = 0.25
PHASES_AT_A_MEETING = 3
HOW = "points on the lines of a grid, joined straight"


@dataclass(frozen=True, eq=False)
class _Vertex:
    """A point of a curve: a crossing, or a meeting of three phases."""

    x: float
    y: float
    residual: float
    error: float
    continuous: bool


@dataclass(frozen=True, eq=False)
class GridBoundaries:
    """The boundaries of the cheapest phase that a grid shows.

    Attributes:
        curves: a record for each, "coexistence" where the transition is first order or unresolved, "stability" with the
            mechanism "continuous" where it is continuous.
        crossings: the changes that they are made of.
        meetings: places at which three phases cost the same, shape (k, 2), in the plane's own parameters.
    """

    curves: tuple[BoundaryCurve, ...]
    crossings: tuple[Crossing, ...]
    meetings: FloatArray


def grid_boundaries(diagram: DiagramMinima, *, report: Callable[[float], None] | None = None) -> GridBoundaries:
    """Return the boundaries of the cheapest phase over a grid, whatever the number of features.

    Args:
        diagram: minima of a grid over any plane, of which each may stand for its copies.
        report: is called with the share of the work that is done.

    Raises:
        ValueError: if an argument is something else.

    Example:
        >>> from tegum.theory.minima import diagram_minima
        >>> found = grid_boundaries(diagram_minima([0.3, 0.5], [0.3, 0.35], starts=16))
        >>> [(curve.kind, curve.phases, curve.x.round(6).tolist()) for curve in found.curves]
        [('coexistence', ('axis(1) + drop(2)', 'digon(1,2)'), [0.375686, 0.407769])]
    """
    check_kind("diagram", diagram, DiagramMinima)
    crossings = grid_crossings(diagram, report=report)
    vertices = [_Vertex(one.x, one.y, one.residual, one.error, one.kind == "continuous") for one in crossings]
    pieces: dict[tuple[str, str], list[tuple[int, int]]] = {}
    meetings = list[tuple[float, float]]()
    for square in _squares(diagram, crossings):
        by_phases: dict[tuple[str, str], list[int]] = {}
        for k in square:
            by_phases.setdefault(crossings[k].phases, []).append(k)
        alone = [(phases, ks[0]) for phases, ks in by_phases.items() if len(ks) == 1]
        for phases, ks in by_phases.items():
            pieces.setdefault(phases, []).extend(_joined(diagram, vertices, ks))
        if not alone:
            continue
        met = None
        if len(alone) == PHASES_AT_A_MEETING == len({name for phases, _ in alone for name in phases}):
            met = _meeting(diagram, [crossings[k] for _, k in alone])
        if met is not None:
            meetings.append((met.x, met.y))
        vertices.append(met or _somewhere(diagram, [vertices[k] for _, k in alone]))
        for phases, k in alone:
            pieces[phases].append((k, len(vertices) - 1))
    curves = [
        _curve(diagram, phases, [vertices[k] for k in chain], continuous=continuous)
        for phases, edges in pieces.items()
        for chain, continuous in _chains(edges, vertices)
    ]
    return GridBoundaries(tuple(curves), crossings, np.reshape(meetings, (-1, 2)))


def _squares(diagram: DiagramMinima, crossings: tuple[Crossing, ...]) -> list[list[int]]:
    """Return the numbers of the crossings on the four sides of each square that has any."""
    on: dict[tuple[tuple[int, int], tuple[int, int]], list[int]] = {}
    for k, one in enumerate(crossings):
        on.setdefault(one.between, []).append(k)
    found = []
    for i in range(len(diagram.x) - 1):
        for j in range(len(diagram.y) - 1):
            a, b, c, d = (i, j), (i + 1, j), (i, j + 1), (i + 1, j + 1)
            square = [k for side in ((a, b), (c, d), (a, c), (b, d)) for k in on.get(side, [])]
            if square:
                found.append(square)
    return found


def _joined(diagram: DiagramMinima, vertices: list[_Vertex], ks: list[int]) -> list[tuple[int, int]]:
    """Return pairs of the crossings of one square between the same phases, the closest first."""
    q = {k: diagram.plane.position(vertices[k].x, vertices[k].y) for k in ks}
    pairs = sorted((float(np.linalg.norm(q[a] - q[b])), a, b) for a in ks for b in ks if a < b)
    used, joined = set[int](), list[tuple[int, int]]()
    for _, a, b in pairs:
        if a not in used and b not in used:
            joined.append((a, b))
            used |= {a, b}
    return joined


def _somewhere(diagram: DiagramMinima, ends: list[_Vertex]) -> _Vertex:
    """Return the middle of the loose ends in a square, for a meeting that isn't solved for; its error covers them."""
    plane = diagram.plane
    q = np.stack([plane.position(one.x, one.y) for one in ends])
    middle = q.mean(axis=0)
    x, y = float(plane.x.value(middle[0])), float(plane.y.value(middle[1]))
    axes = (plane.x, diagram.x), (plane.y, diagram.y)
    sides = [np.abs(np.diff(axis.position(values))).max() for axis, values in axes]
    size = float(np.hypot(*sides))
    return _Vertex(x, y, np.nan, size, continuous=False)


def _meeting(diagram: DiagramMinima, crossings: list[Crossing]) -> _Vertex | None:
    """Return where three phases cost the same, from the crossings between each two of them.

    Newton's method on two differences of losses, with slopes by differences in positions. None if it leads elsewhere,
    or a search finds something cheaper there.
    """
    plane = diagram.plane
    known = {name: state for one in crossings for name, state in zip(one.phases, one.states, strict=True)}
    states = np.stack(list(known.values()))
    corners = np.stack([plane.position(one.x, one.y) for one in crossings])
    q, side = corners.mean(axis=0), np.ptp(corners, axis=0)

    def gaps(places: FloatArray) -> FloatArray:
        landscape = Landscape(plane.models(np.repeat(places, len(states), axis=0)))
        losses = descend(landscape, np.tile(states, (len(places), 1))).loss.reshape(len(places), -1)
        return np.asarray(losses[:, 1:] - losses[:, :1])

    step = np.full(2, np.inf)
    for _ in range(NEWTON_STEPS):
        here, *there = gaps(np.stack([q, *(q + DIFFERENCE * np.eye(2))]))
        slopes = (np.stack(there) - here).T / DIFFERENCE
        if not np.isfinite(slopes).all() or abs(np.linalg.det(slopes)) == 0:
            return None
        step = np.linalg.solve(slopes, -here)
        q = q + step
        if (np.abs(q - corners.mean(axis=0)) > (1 + OUTSIDE) * np.maximum(side, DIFFERENCE)).any():
            return None
        if np.abs(step).max() < DIFFERENCE**2:
            break
    landscape = Landscape(plane.models(np.repeat(q[None], len(states), axis=0)))
    ends = descend(landscape, states)
    settled, _ = snap(landscape, ends.parameters, ends.gradient_norm)
    labels, (weights, bias) = Labels(plane), landscape.split(settled)
    reached = [labels(phase(w, b, inputs=landscape.inputs)) for w, b in zip(weights, bias, strict=True)]
    model = plane.models(q[None]).take(0)
    lowest = float(Landscape(model).losses(lowest_state(model, starts=SEARCHED)))
    # Each phase is still itself, and nothing else is cheaper.
    if reached != list(known) or lowest < ends.loss.min() - SAME_LOSS:
        return None
    residual = float(np.abs(gaps(q[None])).max())
    if np.abs(step).max() > DIFFERENCE:
        return None
    x, y = float(plane.x.value(q[0])), float(plane.y.value(q[1]))
    return _Vertex(x, y, residual, float(np.abs(step).max()), continuous=False)


def _chains(edges: list[tuple[int, int]], vertices: list[_Vertex]) -> list[tuple[list[int], bool]]:
    """Return the runs of vertices that edges make, and whether each is continuous; an edge is if one of its ends is."""
    found = []
    for continuous in (False, True):
        beside: dict[int, list[int]] = {}
        for a, b in edges:
            if (vertices[a].continuous or vertices[b].continuous) == continuous:
                beside.setdefault(a, []).append(b)
                beside.setdefault(b, []).append(a)
        left = {frozenset((a, b)) for a, others in beside.items() for b in others}
        # From loose ends first; what is left then are loops.
        for start in sorted(beside, key=lambda k: (len(beside[k]) != 1, k)):
            while any(frozenset((start, other)) in left for other in beside[start]):
                chain = [start]
                while (
                    step := next((o for o in beside[chain[-1]] if frozenset((chain[-1], o)) in left), None)
                ) is not None:
                    left.remove(frozenset((chain[-1], step)))
                    chain.append(step)
                found.append((chain, continuous))
    return found


def _curve(diagram: DiagramMinima, phases: tuple[str, str], chain: list[_Vertex], *, continuous: bool) -> BoundaryCurve:
    names = "x", "y", "residual", "error"
    x, y, residual, error = (np.array([getattr(one, name) for one in chain]) for name in names)
    return BoundaryCurve(
        kind="stability" if continuous else "coexistence",
        phases=phases,
        mechanism="continuous" if continuous else "first order",
        x=x,
        y=y,
        residual=residual,
        error=error,
        cheapest=np.ones(len(x), dtype=bool),
        status="ended",
        reason=HOW,
        axes=diagram.plane.names,
    )
