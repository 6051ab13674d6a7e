"""Tracing the curves that a diagram's paths show: each once, from whichever first point comes first."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ..minima import GRADIENT_TOLERANCE, SMALL, hold, hold_frame, invariants, smallest_curvature, snap
from ..numerics import RANK, RESIDUAL, FloatArray, Predicate, System, Trace, always, correct, trace
from .equations import Equations
from .paths import Path

# Coordinates that count as zero when the end of a path is tried as a critical point on a kink.
ON_KINK = 0.02
KINK_ROUNDS = 8
# A corner of the input cube this close to z_i = 0 is tried as the reason why a path broke.
AT_CORNER = 1e-3
# How far past the end of a coexistence curve, and how far from its states, to look for its continuation.
BEYOND = 0.01
SIDESTEP = 1e-3
# Points that aren't determined better than this are left out; a curve of them is spurious.
ILL_CONDITIONED = 1e-4
# Curves with fewer points than this are corners of the box.
FEWEST = 3
# Differences of losses below rounding have no sign.
ROUNDING = 1e-12
# A first point closer than this to a curve already traced, in the plane's positions, belongs to it.
NEAR = 0.03
# Overlaps and biases of the same states on a curve change by less over that distance.
SHEET = 0.1
# Where several directions go flat at once, a kink's equations leave freedom, which shows in derivatives to this.
FREEDOM = 1e-7
# First points that are tried close to each other before the rest is given up.
TRIES = 3


@dataclass(frozen=True, eq=False)
class TracedCurve:
    """A traced curve: its mechanism and label or labels, and the coordinates that its states hold at zero."""

    key: tuple[str, ...]
    found: Trace
    held: tuple[FloatArray, ...]


class Atlas:
    """Curves traced so far, and whether a first point belongs to one of them."""

    def __init__(self, equations: Equations, box: FloatArray) -> None:
        """Start an atlas of a box in the plane's positions, shape (2, 2): lower and upper corner."""
        self.equations, self.box = equations, box
        self.curves: list[TracedCurve] = []
        self._tries: dict[tuple[str, ...], list[FloatArray]] = {}

    def knows(self, key: tuple[str, ...], y: FloatArray, held: tuple[FloatArray, ...]) -> bool:
        """Whether a traced curve of this kind passes by the point y, with the same states but for exchanges."""
        own = self._copies(y[None], held)[0]
        for curve in self.curves:
            if curve.key != key:
                continue
            points = dense(curve.found.points)
            near = points[np.abs(points[:, -2:] - y[-2:]).max(axis=1) < NEAR]
            if len(near) and np.abs(self._copies(near, curve.held)[:, :1] - own).max(axis=(2, 3, 4)).min() < SHEET:
                return True
        return False

    def _copies(self, points: FloatArray, held: tuple[FloatArray, ...]) -> FloatArray:
        """Return overlaps and biases of the states at points of a curve, in all orders and with features exchanged.

        Shape (points, orders, states, n + 1, n), the order as it is first.
        """
        weights, bias = self.equations.split(states_of(points, held))
        own = np.concatenate([weights.mT @ weights, bias[..., None, :]], axis=-2)
        n, exchanges = bias.shape[-1], self.equations.plane.exchanges
        assert exchanges is not None
        orders = [own[..., [*order, n], :][..., order] for order in exchanges.tolist()]
        return np.stack([*orders, *(order[:, ::-1] for order in orders)], axis=1)

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
        slopes: int | None = None,
    ) -> bool:
        """Correct a first point onto its curve and trace it; return whether its curve is known now.

        The first `slopes` of its equations, all by default, are losses or gradients and the others curvatures.
        """
        if self.knows(key, y, held):
            return True
        if self._tried(key, near):
            return False
        y, residual = correct(system, y)
        if residual > RESIDUAL or not keep(y) or np.abs(y[-2:] - near).max() > 10 * NEAR or self.knows(key, y, held):
            return False
        rank, slopes = FREEDOM if key[0] == "kink" else RANK, len(y) - 1 if slopes is None else slopes

        def rounding(y: FloatArray) -> FloatArray:
            return np.asarray(self.equations.landscape(y[None, -2:]).rounding(slopes, len(y) - 1 - slopes)[0])

        found = trace(system, y, self.box, keep=keep, rank=rank, rounding=rounding)
        sharp = found.error < ILL_CONDITIONED
        found = Trace(found.points[sharp], found.residual[sharp], found.error[sharp], found.ends)
        if len(found.points) < FEWEST:
            return False
        if key[0] == "coexistence":
            # Close to a tricritical point, where a curve may be met first, a state that has grown has no name yet.
            middle = found.points[len(found.points) // 2]
            key = (key[0], *self.equations.labels(*states_of(middle[None], held)[0]))
            if self.knows(key, middle, held):
                return True
        self.curves.append(TracedCurve(key, found, held))
        return True


def states_of(points: FloatArray, held: tuple[FloatArray, ...]) -> FloatArray:
    """Return the packed states at points of a curve, by its first unknowns and what is held: (points, states, P)."""
    states, at = np.empty((len(points), len(held), len(held[0]))), 0
    for k, zeros in enumerate(held):
        free = np.isnan(zeros)
        states[:, k] = zeros
        states[:, k, free] = points[:, at : at + int(free.sum())]
        at += int(free.sum())
    return states


def dense(points: FloatArray) -> FloatArray:
    """Return points on the polyline through `points`, by their last two coordinates closer than half of `NEAR`."""
    if len(points) < 2:
        return points
    length = np.concatenate([[0], np.cumsum(np.abs(np.diff(points[:, -2:], axis=0)).max(axis=1))])
    at = np.linspace(0, length[-1], max(2, int(length[-1] / (NEAR / 2)) + 2))
    return np.stack([np.interp(at, length, column) for column in points.T], axis=-1)


def trace_stability(equations: Equations, paths: list[Path], atlas: Atlas) -> None:
    """Trace the limit of stability at which each broken path ended, by whichever mechanism holds there."""
    for path in paths:
        (label,), q = equations.labels(path.start), path.q_last
        (ended,) = equations.labels(path.last)
        if path.whole:
            continue
        landscape = equations.landscape(q[None])
        anchor, norms = snap(landscape, path.last[None], np.full(1, np.inf), within=ON_KINK, rounds=KINK_ROUNDS)
        # A path that ends at a kink comes arbitrarily close to it; one that ends at a fold beside it doesn't.
        near = norms[0] <= GRADIENT_TOLERANCE and np.abs(anchor[0] - path.last).max() < ON_KINK
        v = path.last - anchor[0]
        # Without a small column the frame may be another one.
        turned, _ = snap(landscape, anchor, norms)
        frame = hold_frame(*equations.split(turned[0]))
        if near and (turned[0][np.isnan(frame)] == 0).any():
            if np.linalg.norm(v) < SMALL or (turned != anchor).any():
                v = smallest_curvature(landscape, turned)[1][0]
            v = v[np.isnan(frame)]
            held = hold(turned[0])
            first = np.concatenate([turned[0][np.isnan(held)], v / np.linalg.norm(v), q])
            slopes = int(np.isnan(held).sum())
            if atlas.add(("kink", label), equations.kink(held, frame), first, q, held=(held,), slopes=slopes):
                continue
        frame = hold_frame(*equations.split(path.last))
        free = np.isnan(frame)
        corners = np.abs(equations.corners(path.last[None])[0])
        output, active = np.unravel_index(int(corners.argmin()), corners.shape)
        if corners.min() < AT_CORNER and not (path.last[free] == 0).any():
            system = equations.corner(int(output), int(active), frame)
            first = np.concatenate([path.last[free], q])
            if atlas.add(
                ("corner", ended), system, first, q, equations.convex_beside(int(output), frame), held=(frame,)
            ):
                continue
        hessian = equations.expand(path.last[None], q[None])[2][0]
        v = np.linalg.eigh(hessian[free][:, free])[1][:, 0]
        first = np.concatenate([path.last[free], v, q])
        keep, slopes = equations.convex_but_one(frame), int(free.sum())
        atlas.add(("fold", ended), equations.fold(frame), first, q, keep, held=(frame,), slopes=slopes)


def trace_coexistence(equations: Equations, there: list[Path], back: list[Path], atlas: Atlas) -> None:
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
    one, kept_one = equations.settle(np.array(first), at)
    two, kept_two = equations.settle(np.array(second), at)
    gap = equations.slope(one, at)[0] - equations.slope(two, at)[0]
    for k in range(0, len(gap), 2):
        kept = kept_one[k : k + 2].all() and kept_two[k : k + 2].all()
        if not kept or not gap[k] * gap[k + 1] < -(ROUNDING**2):
            continue
        share = gap[k] / (gap[k] - gap[k + 1])
        guess = at[k] + share * (at[k + 1] - at[k])
        theta = np.stack([s[k] + share * (s[k + 1] - s[k]) for s in (one, two)])
        settled, kept_both = equations.settle(theta, np.stack([guess, guess]))
        if kept_both.all():
            add_coexistence(equations, atlas, settled, guess)


def add_coexistence(equations: Equations, atlas: Atlas, theta: FloatArray, q: FloatArray) -> bool:
    """Trace the coexistence curve of two states through a place close to q; return whether it is known now."""
    key = ("coexistence", *equations.labels(*theta))
    held = hold(theta[0]), hold(theta[1])
    free = [row[np.isnan(h)] for row, h in zip(theta, held, strict=True)]
    first = np.concatenate([*free, q])

    def both_minima(y: FloatArray) -> bool:
        states, landscape = equations.states(y, *held), equations.landscape(np.stack([y[-2:], y[-2:]]))
        # A state costs the same as itself, and as its copies under rotation, everywhere.
        apart = np.ptp(invariants(*equations.split(states)), axis=0).max() > SIDESTEP
        return bool(apart and (smallest_curvature(landscape, states)[0] > 0).all())

    return atlas.add(key, equations.coexistence(*held), first, q, both_minima, held=held)


def continue_coexistence(equations: Equations, atlas: Atlas) -> None:
    """Go on where a state of a coexistence curve stopped being a minimum and another took its place continuously."""
    for curve in list(atlas.curves):
        if curve.key[0] != "coexistence":
            continue
        found = curve.found
        for end, last, before in ((found.ends[0], 0, 1), (found.ends[1], -1, -2)):
            heading = (found.points[last] - found.points[before])[-2:]
            q = found.points[last, -2:] + BEYOND * heading / max(float(np.linalg.norm(heading)), SMALL)
            if end not in ("stopped", "lost") or ((q < atlas.box[0]) | (q > atlas.box[1])).any():
                continue
            theta = equations.states(found.points[last], *curve.held)
            signs = equations.signs()
            near = np.concatenate(
                [theta + shift for shift in (0, SIDESTEP, -SIDESTEP, SIDESTEP * signs, -SIDESTEP * signs)]
            )
            settled, kept = equations.settle(near, np.broadcast_to(q, (len(near), 2)))
            for a, b in combinations(np.flatnonzero(kept), 2):
                if np.ptp(invariants(*equations.split(settled[[a, b]])), axis=0).max() > 10 * SIDESTEP:
                    add_coexistence(equations, atlas, settled[[a, b]], q)
