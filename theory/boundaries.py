"""Curves in the phase diagram: where two minima cost the same, and where a minimum stops being one.

Nothing here knows which curves there are. Every minimum of a coarse census is followed from its cell into the
neighbouring ones; where its path breaks off there is a limit of stability, and where two paths change places in cost
there is a coexistence curve. Each is then located by Newton's method on its defining equations and traced
(`continuation.py`). docs/boundaries.md has the map.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from .continuation import RESIDUAL, Predicate, System, Trace, always, correct, trace
from .curvature import smallest_curvature
from .descent import descend, pack
from .diagram import DiagramMinima, diagram_minima
from .equations import Plane, hold, hold_frame
from .features import FloatArray
from .minima import GRADIENT_TOLERANCE, SNAP, invariants, snap
from .paths import Path, follow
from .phases import relabelled, representative

DENSITY_RANGE = (0.01, 1.0)
IMPORTANCE_RANGE = (0.1, 10.0)
# Grid of the census that finds the curves' first points, and steps from a cell to the next.
SEED_CELLS = 12
DENSE = (0.77, 0.85, 0.91, 0.95, 0.98)
NEARLY_EQUAL = (0.82, 0.88, 0.93, 0.97)
# Coordinates that count as zero when the end of a path is tried as a critical point on a kink.
ON_KINK = 0.02
KINK_ROUNDS = 8
# A corner of the input cube this close to z_i = 0 is tried as the reason why a path broke.
AT_CORNER = 1e-3
# How far past the end of a coexistence curve, and how far from its states, to look for its continuation.
BEYOND = 0.01
SIDESTEP = 1e-3
# Points that aren't determined better than this are left out; a curve of them is spurious.
ILL_CONDITIONED = 1e-7
# Curves with fewer points than this are corners of the box.
FEWEST = 3
# Minima that differ by less cost the same; differences below rounding have no sign.
SAME_COST = 1e-9
ROUNDING = 1e-12
WHY = {
    "edge": "edge of the range",
    "closed": "closed",
    "stopped": "no longer between minima",
    "lost": "no further point",
    "budget": "budget of points spent",
}
# A first point closer than this to a curve already traced, in log density and log importance, belongs to it.
NEAR = 0.03
# First points that are tried close to each other before the rest is given up.
TRIES = 3


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


@dataclass(frozen=True, eq=False)
class _Curve:
    """A traced curve: its mechanism and label or labels, and the coordinates that its states hold at zero."""

    key: tuple[str, ...]
    found: Trace
    held: tuple[FloatArray, ...]


class _Atlas:
    """Curves traced so far, and whether a first point belongs to one of them."""

    def __init__(self, box: FloatArray) -> None:
        self.box = box
        self.curves: list[_Curve] = []
        self._tries: dict[tuple[str, ...], list[FloatArray]] = {}

    def knows(self, key: tuple[str, ...], q: FloatArray) -> bool:
        """Whether a traced curve of this kind passes by q."""
        return any(
            curve.key == key and np.abs(_dense(curve.found.points[:, -2:]) - q).max(axis=1).min() < NEAR
            for curve in self.curves
        )

    def _tried(self, key: tuple[str, ...], q: FloatArray) -> bool:
        """Note a first point, and return whether enough of them were tried close to it."""
        before = self._tries.setdefault(key, [])
        before.append(q)
        return len([other for other in before if np.abs(other - q).max() < NEAR]) > TRIES

    def add(
        self,
        key: tuple[str, ...],
        system: System,
        y: FloatArray,
        near: FloatArray,
        keep: Predicate = always,
        *,
        held: tuple[FloatArray, ...],
    ) -> bool:
        """Correct a first point onto its curve and trace it; return whether its curve is known now."""
        if self.knows(key, near):
            return True
        if self._tried(key, near):
            return False
        y, residual = correct(system, y)
        if residual > RESIDUAL or not keep(y) or np.abs(y[-2:] - near).max() > 10 * NEAR or self.knows(key, y[-2:]):
            return False
        found = trace(system, y, self.box, keep=keep)
        sharp = found.error < ILL_CONDITIONED
        found = Trace(found.points[sharp], found.residual[sharp], found.error[sharp], found.ends)
        if len(found.points) < FEWEST:
            return False
        self.curves.append(_Curve(key, found, held))
        return True


def _dense(points: FloatArray) -> FloatArray:
    """Return points on the polyline through `points`, closer together than half of `NEAR`."""
    if len(points) < 2:
        return points
    length = np.concatenate([[0], np.cumsum(np.abs(np.diff(points, axis=0)).max(axis=1))])
    at = np.linspace(0, length[-1], max(2, int(length[-1] / (NEAR / 2)) + 2))
    return np.stack([np.interp(at, length, points[:, c]) for c in (0, 1)], axis=-1)


def _trace_stability(plane: Plane, paths: list[Path], atlas: _Atlas) -> None:
    """Trace the limit of stability at which each broken path ended, by whichever mechanism holds there."""
    for path in paths:
        (label,), q = plane.labels(path.start), path.q_last
        (ended,) = plane.labels(path.last)
        if path.whole:
            continue
        model = plane.model(q[None])
        anchor, norms = snap(model, path.last[None], np.full(1, np.inf), within=ON_KINK, rounds=KINK_ROUNDS)
        # A path that ends at a kink comes arbitrarily close to it; one that ends at a fold beside it doesn't.
        near = norms[0] <= GRADIENT_TOLERANCE and np.abs(anchor[0] - path.last).max() < ON_KINK
        v = path.last - anchor[0]
        # Without a small column the frame may be another one.
        turned, _ = snap(model, anchor, norms)
        frame = hold_frame(turned[0], plane.n_hidden)
        if near and (turned[0][np.isnan(frame)] == 0).any():
            if np.linalg.norm(v) < SNAP or (turned != anchor).any():
                v = smallest_curvature(model, turned)[1][0]
            v = v[np.isnan(frame)]
            held = hold(turned[0])
            first = np.concatenate([turned[0][np.isnan(held)], v / np.linalg.norm(v), q])
            if atlas.add(("kink", label), plane.kink(held, frame), first, q, held=(held,)):
                continue
        frame = hold_frame(path.last, plane.n_hidden)
        free = np.isnan(frame)
        corners = np.abs(plane.corners(path.last[None])[0])
        output, active = np.unravel_index(int(corners.argmin()), corners.shape)
        if corners.min() < AT_CORNER and not (path.last[free] == 0).any():
            system = plane.corner(int(output), int(active), frame)
            first = np.concatenate([path.last[free], q])
            if atlas.add(("corner", ended), system, first, q, plane.convex_beside(int(output), frame), held=(frame,)):
                continue
        hessian = plane.expand(path.last[None], q[None])[2][0]
        v = np.linalg.eigh(hessian[free][:, free])[1][:, 0]
        first = np.concatenate([path.last[free], v, q])
        atlas.add(("fold", ended), plane.fold(frame), first, q, plane.convex_but_one(frame), held=(frame,))


def _trace_coexistence(plane: Plane, there: list[Path], back: list[Path], atlas: _Atlas) -> None:
    """Trace where two minima change places in cost on the way from a cell to the next.

    Every path from the one cell is compared with every path from the other, over the part of the way that both cover.
    """
    pairs, ends = [], []
    for x in there:
        for y in back:
            way = x.q_end - x.q_start
            covered = [float((q - x.q_start) @ way / (way @ way)) for q in (y.q_last, x.q_last)]
            if covered[0] < covered[1]:
                pairs.append((x, y))
                ends.append(covered)
    if not pairs:
        return
    first, second, q = [], [], []
    for (x, y), covered in zip(pairs, ends, strict=True):
        for share in covered:
            first.append(x.at(share))
            second.append(y.at(1 - share))
            q.append(x.q_start + share * (x.q_end - x.q_start))
    at = np.array(q)
    one, kept_one = plane.settle(np.array(first), at)
    two, kept_two = plane.settle(np.array(second), at)
    gap = plane.slope(one, at)[0] - plane.slope(two, at)[0]
    for k in range(0, len(gap), 2):
        kept = kept_one[k : k + 2].all() and kept_two[k : k + 2].all()
        if not kept or not gap[k] * gap[k + 1] < -(ROUNDING**2):
            continue
        share = gap[k] / (gap[k] - gap[k + 1])
        guess = at[k] + share * (at[k + 1] - at[k])
        theta = np.stack([s[k] + share * (s[k + 1] - s[k]) for s in (one, two)])
        settled, kept_both = plane.settle(theta, np.stack([guess, guess]))
        if kept_both.all():
            _add_coexistence(plane, atlas, settled, guess)


def _add_coexistence(plane: Plane, atlas: _Atlas, theta: FloatArray, q: FloatArray) -> None:
    key = ("coexistence", *plane.labels(*theta))
    if atlas.knows(key, q):
        return
    held = hold(theta[0]), hold(theta[1])

    def both_minima(y: FloatArray) -> bool:
        states, model = plane.states(y, *held), plane.model(np.stack([y[-2:], y[-2:]]))
        # A state costs the same as itself, and as its copies under rotation, everywhere.
        apart = np.ptp(invariants(states, plane.n_hidden), axis=0).max() > SIDESTEP
        return bool(apart and (smallest_curvature(model, states)[0] > 0).all())

    free = [row[np.isnan(h)] for row, h in zip(theta, held, strict=True)]
    atlas.add(key, plane.coexistence(*held), np.concatenate([*free, q]), q, both_minima, held=held)


def _continue_coexistence(plane: Plane, atlas: _Atlas) -> None:
    """Go on where a state of a coexistence curve stopped being a minimum and another took its place continuously."""
    for curve in list(atlas.curves):
        if curve.key[0] != "coexistence":
            continue
        found = curve.found
        for end, last, before in ((found.ends[0], 0, 1), (found.ends[1], -1, -2)):
            heading = (found.points[last] - found.points[before])[-2:]
            q = found.points[last, -2:] + BEYOND * heading / np.linalg.norm(heading)
            if end not in ("stopped", "lost") or ((q < atlas.box[0]) | (q > atlas.box[1])).any():
                continue
            theta = plane.states(found.points[last], *curve.held)
            signs = plane.signs()
            near = np.concatenate(
                [theta + shift for shift in (0, SIDESTEP, -SIDESTEP, SIDESTEP * signs, -SIDESTEP * signs)]
            )
            settled, kept = plane.settle(near, np.broadcast_to(q, (len(near), 2)))
            for a, b in combinations(np.flatnonzero(kept), 2):
                if np.ptp(invariants(settled[[a, b]], plane.n_hidden), axis=0).max() > 10 * SIDESTEP:
                    _add_coexistence(plane, atlas, settled[[a, b]], q)


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


def _record(plane: Plane, diagram: DiagramMinima, curve: _Curve) -> BoundaryCurve:
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
            and np.abs(_dense(np.log(np.stack([other.density, other.importance], axis=-1))) - middle).max(1).min()
            < NEAR
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
    atlas = _Atlas(np.log([[axis[0], axis[-1]] for axis in (diagram.density, diagram.importance)]).T)
    paths = follow(plane, diagram)
    for (here, there), forth in paths.items():
        _trace_stability(plane, forth, atlas)
        if here < there:
            _trace_coexistence(plane, forth, paths.get((there, here), []), atlas)
    _continue_coexistence(plane, atlas)
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
