"""Curves in the phase diagram: where two minima cost the same, and where a minimum stops being one.

Nothing here knows which curves there are. Every minimum of a coarse census is followed from its cell into the
neighbouring ones; where its path breaks off there is a limit of stability, and where two paths change places in cost
there is a coexistence curve. Each is then located by Newton's method on its defining equations and traced
(`continuation.py`). docs/boundaries.md has the map.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from .atlas import NEAR, Atlas, TracedCurve, continue_coexistence, dense, trace_coexistence, trace_stability
from .descent import descend, pack
from .diagram import DiagramMinima, diagram_minima
from .equations import Plane
from .features import FloatArray
from .paths import follow
from .phases import relabelled, representative

DENSITY_RANGE = (0.01, 1.0)
IMPORTANCE_RANGE = (0.1, 10.0)
# Grid of the census that finds the curves' first points, and steps from a cell to the next.
SEED_CELLS = 12
DENSE = (0.77, 0.85, 0.91, 0.95, 0.98)
NEARLY_EQUAL = (0.82, 0.88, 0.93, 0.97)
# Minima that differ by less cost the same.
SAME_COST = 1e-9
WHY = {
    "edge": "edge of the range",
    "closed": "closed",
    "stopped": "no longer between minima",
    "lost": "no further point",
    "budget": "budget of points spent",
}


@dataclass(frozen=True, eq=False)
class BoundaryCurve:
    """A curve in the (density, relative importance) plane, in order.

    Attributes:
        kind: "coexistence" or "stability".
        phases: the two labels of a coexistence curve; the one that stops being a minimum at a limit of stability. With
            more than two features each curve stands for its copies under exchanges of those of equal importance.
        mechanism: "first order" (coexistence), "fold", "kink" or "corner".
        density: 1 − S, shape (points,).
        importance: relative importance r, shape (points,).
        residual: largest residual of the defining equations, shape (points,).
        error: first-order bound on the distance to the curve in (log density, log importance), shape (points,).
        cheapest: whether no cheaper minimum than the curve's state is known at the point, shape (points,). A limit of
            stability of the cheapest minimum is a continuous transition.
        status: "complete" if the curve runs from edge to edge or closes, else "ended".
        reason: why it stops at its first and its last point.
    """

    kind: str
    phases: tuple[str, ...]
    mechanism: str
    density: FloatArray
    importance: FloatArray
    residual: FloatArray
    error: FloatArray
    cheapest: NDArray[np.bool_]
    status: str
    reason: str


def _cheapest(plane: Plane, diagram: DiagramMinima, q: FloatArray, loss: FloatArray) -> NDArray[np.bool_]:
    """Return whether no minimum that is known close by costs less than `loss` at each row of q."""
    log_p, log_r = np.log(diagram.density), np.log(diagram.importance)
    owner, starts = [], []
    for k, (x, y) in enumerate(q):
        i, j = int(np.searchsorted(log_p, x)), int(np.searchsorted(log_r, y))
        for a, b in product({max(i - 1, 0), min(i, len(log_p) - 1)}, {max(j - 1, 0), min(j, len(log_r) - 1)}):
            for point in diagram.live(a, b):
                owner.append(k)
                starts.append(pack(point.weights, point.bias))
    ends = descend(plane.model(q[owner]), np.array(starts)).loss
    lowest = np.full(len(q), np.inf)
    np.minimum.at(lowest, owner, ends)
    return np.asarray(lowest > loss - SAME_COST)


def _record(plane: Plane, diagram: DiagramMinima, curve: TracedCurve) -> BoundaryCurve:
    found, q = curve.found, curve.found.points[:, -2:]
    coexistence = curve.key[0] == "coexistence"
    theta = plane.place(found.points[:, : int(np.isnan(curve.held[0]).sum())], curve.held[0])
    cheapest = _cheapest(plane, diagram, q, plane.slope(theta, q)[0])
    reasons = [
        f"{WHY[end]} at ({np.exp(at[0]):.4f}, {np.exp(at[1]):.4f})"
        for end, at in zip(found.ends, q[[0, -1]], strict=True)
    ]
    return BoundaryCurve(
        kind="coexistence" if coexistence else "stability",
        phases=curve.key[1:],
        mechanism="first order" if coexistence else curve.key[0],
        density=np.exp(q[:, 0]),
        importance=np.exp(q[:, 1]),
        residual=found.residual,
        error=found.error,
        cheapest=cheapest,
        status="complete" if set(found.ends) <= {"edge", "closed"} else "ended",
        reason="; ".join(reasons),
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
        importance=1 / curve.importance,
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


def phase_boundaries(diagram: DiagramMinima) -> tuple[BoundaryCurve, ...]:
    """Return every coexistence curve and limit of stability that a diagram's minima show, over its range.

    Args:
        diagram: minima over a grid over the range of interest, such as `seed_diagram`.

    Returns:
        The curves, each with the largest residual of its equations at every point and a first-order error bound. For
        two features over a range of importances that is symmetric about 1, curves come in mirror images.
    """
    plane = Plane(diagram.n_features, diagram.n_hidden)
    atlas = Atlas(np.log([[axis[0], axis[-1]] for axis in (diagram.density, diagram.importance)]).T)
    paths = follow(plane, diagram)
    for (here, there), forth in paths.items():
        trace_stability(plane, forth, atlas)
        if here < there:
            trace_coexistence(plane, forth, paths.get((there, here), []), atlas)
    continue_coexistence(plane, atlas)
    curves = [_record(plane, diagram, curve) for curve in atlas.curves]
    symmetric = np.allclose(atlas.box[0, 1], -atlas.box[1, 1])
    return tuple(_completed(curves) if diagram.n_features == 2 and symmetric else curves)


def seed_diagram(n_features: int = 2, n_hidden: int = 1) -> DiagramMinima:
    """Return minima over density 0.01 … 1 and relative importance 0.1 … 10, on a grid that serves to find all curves.

    It is finer where curves crowd, at high density and about equal importance.

    Args:
        n_features: number of features n.
        n_hidden: number of hidden dimensions m.

    Raises:
        ValueError: if n_hidden ≥ n_features.
    """
    density = np.union1d(np.geomspace(*DENSITY_RANGE, SEED_CELLS), DENSE)
    importance = np.union1d(
        np.geomspace(*IMPORTANCE_RANGE, SEED_CELLS), [*NEARLY_EQUAL, *(1 / r for r in NEARLY_EQUAL)]
    )
    return diagram_minima(density, importance, n_features=n_features, n_hidden=n_hidden)


def coexistence_curve(
    first: str, second: str, *, diagram: DiagramMinima | None = None, n_features: int = 2, n_hidden: int = 1
) -> tuple[BoundaryCurve, ...]:
    """Return the curves on which minima of two phases cost the same.

    Args:
        first: phase label, such as "digon(1,2)".
        second: phase label; the same as `first` for a transition between two minima of one structure.
        diagram: minima over the grid of interest; default density 0.01 … 1 and importance 0.1 … 10.
        n_features: number of features n of the default diagram.
        n_hidden: number of hidden dimensions m of the default diagram.

    Returns:
        One record for each curve; none if the two phases nowhere cost the same.

    Raises:
        ValueError: if no minimum of one of the phases is known anywhere in the diagram.
    """
    diagram = seed_diagram(n_features, n_hidden) if diagram is None else diagram
    for label in (first, second):
        _check_label(diagram, label)
    wanted = representative((first, second), diagram.n_features - 1)
    return tuple(c for c in phase_boundaries(diagram) if c.kind == "coexistence" and c.phases == wanted)


def stability_limit(
    label: str, *, diagram: DiagramMinima | None = None, n_features: int = 2, n_hidden: int = 1
) -> tuple[BoundaryCurve, ...]:
    """Return the curves on which a phase stops being a local minimum.

    Args:
        label: phase label, such as "axis(1) + drop(2)".
        diagram: minima over the grid of interest; default density 0.01 … 1 and importance 0.1 … 10.
        n_features: number of features n of the default diagram.
        n_hidden: number of hidden dimensions m of the default diagram.

    Returns:
        One record for each curve; several where the phase has several sheets or mechanisms of instability.

    Raises:
        ValueError: if no minimum of the phase is known anywhere in the diagram.
    """
    diagram = seed_diagram(n_features, n_hidden) if diagram is None else diagram
    _check_label(diagram, label)
    wanted = representative((label,), diagram.n_features - 1)
    return tuple(c for c in phase_boundaries(diagram) if c.kind == "stability" and c.phases == wanted)


def _check_label(diagram: DiagramMinima, label: str) -> None:
    known = sorted({p.phase for row in diagram.minima for cell in row for p in cell if p.status == "minimum"})
    if label not in known:
        raise ValueError(f"phase must be one that is a minimum somewhere in the diagram, {known}; got {label!r}")
