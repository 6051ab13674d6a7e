"""All minima of a family that random starts find, followed along it, and where the cheapest changes.

Nothing here knows which minima there are: they are searched for from random starts at several values of the parameter,
and each that lies on no branch so far is followed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicHermiteSpline
from scipy.optimize import brentq

from ..loss import loss_rounding
from ..minima import GRADIENT_TOLERANCE, CriticalPoint, Landscape, copies, descend, examine, random_minima, snap, unpack
from ..models import Family
from ..numerics import FloatArray
from .branch import STEP, Branch, corrected, follow_branches, judged, loss_slope
from .limits import Limit, stability_limit_between

# Values of t at which the cheapest minimum is looked up.
GRID = 600
# Two states are one if overlaps and biases agree to this.
SAME = 1e-6
# Arcs that cover less of log t are leftovers at the ends of others.
SHORTEST = 1e-2
# How far in overlaps and biases the states of a continuous transition may be apart at neighbouring values of t.
NEAR = 0.3
# How far past the end of an arc, relative to t, and beside it, to look for the minima that take its place.
BESIDE, SIDESTEP = 2e-3, 0.02
# Ends of arcs agree in t to this where one isn't located better than the last step before it.
TOUCHING = 1e-7
# Crossings are located to this in log t.
LOCATED = 1e-14


@dataclass(frozen=True, eq=False)
class Arc:
    """A minimum followed for as long as it is one.

    Attributes:
        branch: its points, by ascending t, with the limits where they are known.
        lower: where it stops being a minimum at its smallest t; None at the edge of the range, or where it wasn't
            located.
        upper: the same at its largest t.
        whole: the branch that it is a part of, which goes on as a saddle.
    """

    branch: Branch
    lower: Limit | None
    upper: Limit | None
    whole: Branch

    @property
    def range(self) -> tuple[float, float]:
        """Smallest and largest t."""
        low, high = self.branch.parameter[[0, -1]]
        return (
            float(low) if self.lower is None else self.lower.parameter,
            float(high) if self.upper is None else self.upper.parameter,
        )

    def at(self, parameter: float) -> tuple[FloatArray, float] | None:
        """Return the minimum at t, packed, and its loss; None where there is none."""
        branch, logarithm = self.branch, float(np.log(parameter))
        low, high = self.range
        if not low * (1 - 1e-12) <= parameter <= high * (1 + 1e-12):
            return None
        states = branch.states()
        after = min(int(np.searchsorted(branch.position, logarithm)), len(states) - 1)
        between = np.array([np.interp(logarithm, branch.position, column) for column in states.T])
        # Close to a fold a neighbour may be a better start.
        for guess in (between, states[after], states[after - 1]):
            found = corrected(branch.family, guess, logarithm, branch.held, minimum=True)
            if found is not None:
                return found
        return None

    def losses(self, parameter: FloatArray) -> FloatArray:
        """Return the loss at each t, interpolated from values and slopes; NaN where there is no minimum."""
        branch, x = self.branch, np.log(parameter)
        inside = (x >= branch.position[0]) & (x <= branch.position[-1])
        found = np.full(len(x), np.nan)
        found[inside] = CubicHermiteSpline(branch.position, branch.loss, branch.slope)(x[inside])
        return found


@dataclass(frozen=True, eq=False)
class Change:
    """Where the cheapest minimum of a family changes.

    Attributes:
        parameter: t.
        error: how far t is off: of a crossing, what is left of the difference of losses and a bound on its rounding,
            over their difference of slopes, which is a bound to first order; else that of a limit, or half a bracket.
        kind: "first order", where two losses cross; "continuous", where one minimum ends on the other; "unknown", where
            neither was found: then an arc is missing.
        below: number of the cheapest arc for smaller t.
        above: number of the cheapest arc for larger t.
        loss: of both there.
        slopes: dL/d log t of the two there.
        states: packed parameters of the two there, shape (2, P).
    """

    parameter: float
    error: float
    kind: str
    below: int
    above: int
    loss: float
    slopes: tuple[float, float]
    states: FloatArray


@dataclass(frozen=True, eq=False)
class BranchDiagram:
    """The minima of a family.

    Attributes:
        family: of models.
        arcs: each a representative of its copies under exchanges of equal features.
        changes: where the cheapest minimum changes, by ascending t.
        probes: values of t at which minima were searched for.
        hits: starts that led to each arc at each probe, shape (arcs, probes).
        starts: at each probe.
    """

    family: Family
    arcs: tuple[Arc, ...]
    changes: tuple[Change, ...]
    probes: tuple[float, ...]
    hits: NDArray[np.int64]
    starts: int

    def cheapest(self, parameter: FloatArray) -> NDArray[np.int64]:
        """Return the number of the cheapest arc at each t, −1 where there is none."""
        losses = np.array([arc.losses(parameter) for arc in self.arcs])
        filled = np.where(np.isnan(losses), np.inf, losses)
        return np.where(np.isinf(filled).all(axis=0), -1, filled.argmin(axis=0))


def apart(family: Family, first: FloatArray, second: FloatArray) -> float:
    """Return the largest difference of overlaps and biases of two states, in the relabelling that brings them closest.

    Args:
        family: whose exchanges of features count.
        first: packed parameters, shape (P,).
        second: packed parameters, shape (P,).
    """
    w, b = unpack(first, family.n_hidden)
    own = np.vstack([w.T @ w, b])
    theirs = copies(*unpack(second, family.n_hidden), family.exchanges)
    return float(np.abs(theirs - own).max(axis=(1, 2)).min())


def _arcs(branch: Branch) -> list[Arc]:
    """Return the parts of a branch that are minima, with their ends located."""
    found = []
    for piece in branch.pieces():
        if abs(branch.position[piece[-1]] - branch.position[piece[0]]) < SHORTEST:
            continue
        if branch.position[piece[0]] > branch.position[piece[-1]]:
            piece = piece[::-1]
        step = int(np.sign(piece[1] - piece[0]))
        limits: list[Limit | None] = []
        for inside, outside in ((int(piece[0]), int(piece[0]) - step), (int(piece[-1]), int(piece[-1]) + step)):
            there = 0 <= outside < len(branch.parameter)
            limits.append(stability_limit_between(branch, inside, outside) if there else None)
        y = np.column_stack([branch.states()[piece], branch.position[piece]])
        # The ends belong to it.
        before, after = ([] if limit is None else [[*limit.state, np.log(limit.parameter)]] for limit in limits)
        points = np.array([*before, *y, *after])
        points = points[np.append(True, np.diff(points[:, -1]) > 0)]
        found.append(Arc(judged(branch.family, points, branch.held, branch.ends), limits[0], limits[1], branch))
    return found


def _known(arcs: Sequence[Arc], theta: FloatArray, parameter: float) -> int | None:
    """Return the number of the arc that passes through a state or a copy of it."""
    for k, arc in enumerate(arcs):
        state = arc.at(parameter)
        if state is not None and apart(arc.branch.family, theta, state[0]) < SAME:
            return k
    return None


def branch_diagram(
    family: Family,
    probes: Sequence[float],
    *,
    starts: int = 128,
    seed: int = 0,
    margin: float = np.inf,
    step: float = STEP,
    on_progress: Callable[[float], None] = lambda _: None,
) -> BranchDiagram:
    """Find the minima of a family at several values of its parameter, and follow each along it.

    Args:
        family: of models.
        probes: values of t at which to search.
        starts: random starts at each.
        seed: of their random numbers.
        margin: minima that cost more than this times the cheapest at a probe aren't followed.
        step: longest step along a branch, in (W, b, log t).
        on_progress: called with the share that is done.

    Raises:
        ValueError: if a probe is out of range.

    Example:
        >>> from tegum.theory.models import correlated_pairs
        >>> found = branch_diagram(correlated_pairs(2, 2, 0.24, 0.3), [0.245, 0.295], starts=16, margin=1.2)
        >>> [(change.kind, round(change.parameter, 8)) for change in found.changes]
        [('first order', 0.25787068)]
    """
    for t in probes:
        if not family.low <= t <= family.high:
            raise ValueError(f"probes must lie in {family.low} to {family.high}, got {t}")
    search = _Search(family, step)
    counts = []
    for place, t in enumerate(probes):
        counts.append(search.probe(t, starts, seed, margin))
        search.switch()
        on_progress((place + 1) / (len(probes) + 1))
    table = np.array([[hits.get(k, 0) for hits in counts] for k in range(len(search.arcs))]).reshape(-1, len(probes))
    diagram = BranchDiagram(family, tuple(search.arcs), (), tuple(map(float, probes)), table, starts)
    on_progress(1.0)
    return replace(diagram, changes=_changes(diagram))


class _Search:
    """The arcs found so far."""

    def __init__(self, family: Family, step: float) -> None:
        self.family, self.step = family, step
        self.arcs: list[Arc] = []
        self._switched = 0

    def probe(self, parameter: float, starts: int, seed: int, margin: float) -> dict[int, int]:
        """Search for minima from random starts, follow new ones, and return how many starts led to each arc."""
        model = self.family.models(np.log([parameter])).take(0)
        hits: dict[int, int] = {}
        found = random_minima(model, starts=starts, seed=seed, exchanges=self.family.exchanges)
        # The cheapest may be perfect.
        dearest = margin * found[0].point.loss if found and np.isfinite(margin) else np.inf
        for minimum in found:
            if minimum.point.status == "minimum" and minimum.point.loss <= dearest:
                known = self._add(minimum.point, parameter)
                if known is not None:
                    hits[known] = hits.get(known, 0) + minimum.hits
        return hits

    def _add(self, point: CriticalPoint, parameter: float) -> int | None:
        """Follow a minimum unless it is on an arc; return the number of its arc."""
        theta = point.parameters
        known = _known(self.arcs, theta, parameter)
        if known is not None:
            return known
        for arc in _arcs(follow_branches(self.family, [point], [parameter], step=self.step)[0]):
            middle = len(arc.branch.parameter) // 2
            if _known(self.arcs, arc.branch.states()[middle], float(arc.branch.parameter[middle])) is None:
                self.arcs.append(arc)
        return _known(self.arcs, theta, parameter)

    def switch(self) -> None:
        """Go downhill on both sides from every saddle that an arc becomes, and follow the minima found there."""
        while self._switched < len(self.arcs):
            arc = self.arcs[self._switched]
            self._switched += 1
            for limit in (arc.lower, arc.upper):
                if limit is None or limit.mechanism == "fold":
                    continue
                parameter = limit.parameter * (1 - BESIDE if limit.stable_above else 1 + BESIDE)
                if not self.family.low < parameter < self.family.high:
                    continue
                landscape = Landscape(self.family.models(np.log([parameter] * 2)))
                aside = SIDESTEP * limit.direction / np.linalg.norm(limit.direction)
                ends = descend(landscape, np.stack([limit.state + aside, limit.state - aside]))
                settled, norms = snap(landscape, ends.parameters, ends.gradient_norm)
                points, _ = examine(landscape, settled)
                for point, norm in zip(points, norms, strict=True):
                    if norm <= GRADIENT_TOLERANCE and point.status == "minimum":
                        self._add(point, parameter)


def _changes(diagram: BranchDiagram) -> tuple[Change, ...]:
    """Return where the cheapest arc changes along the family."""
    grid = np.geomspace(diagram.family.low, diagram.family.high, GRID)
    cheapest = diagram.cheapest(grid)
    # Beside an end that isn't quite reached there may be no arc at all.
    there = np.flatnonzero(cheapest >= 0)
    return tuple(
        _change(diagram, int(cheapest[i]), int(cheapest[j]), float(grid[i]), float(grid[j]))
        for i, j in pairwise(there)
        if cheapest[i] != cheapest[j]
    )


def _change(diagram: BranchDiagram, below: int, above: int, low: float, high: float) -> Change:
    """Return the change of the cheapest arc between two values of t."""
    first, second = diagram.arcs[below], diagram.arcs[above]
    # Where an arc is a minimum up to a point at which another one arrives, the two are one there.
    for other, at, limit in ((first, low, second.lower), (second, high, first.upper)):
        if limit is None or limit.mechanism == "fold" or not low <= limit.parameter <= high:
            continue
        theirs = other.at(at)
        # Side by side for a while, they cross instead.
        if other is first and other.range[1] > limit.parameter * (1 + TOUCHING):
            continue
        if other is second and other.range[0] < limit.parameter * (1 - TOUCHING):
            continue
        if theirs is not None and apart(diagram.family, limit.state, theirs[0]) < NEAR:
            slope = float(loss_slope(diagram.family, limit.state[None], np.log([limit.parameter]))[0])
            return Change(
                limit.parameter,
                limit.error,
                "continuous",
                below,
                above,
                limit.loss,
                (slope, slope),
                np.stack([limit.state] * 2),
            )
    low, high = max(low, second.range[0]), min(high, first.range[1])
    return crossing(diagram, below, above, low, high) or Change(
        float(np.sqrt(low * high)),
        abs(high - low) / 2,
        "unknown",
        below,
        above,
        np.nan,
        (np.nan, np.nan),
        np.full((2, len(first.branch.held)), np.nan),
    )


def crossing(diagram: BranchDiagram, below: int, above: int, low: float, high: float) -> Change | None:
    """Return where two arcs cost the same between two values of t, None if they don't change places there.

    Args:
        diagram: that the arcs belong to.
        below: number of the arc that is cheaper at `low`.
        above: number of the one that is cheaper at `high`.
        low: smallest t.
        high: largest t.
    """
    first, second = diagram.arcs[below], diagram.arcs[above]

    def gap(x: float) -> float:
        ends = first.at(float(np.exp(x))), second.at(float(np.exp(x)))
        return np.nan if ends[0] is None or ends[1] is None else ends[0][1] - ends[1][1]

    a, b = np.log([low, high])
    if not gap(a) * gap(b) <= 0:
        return None
    try:
        x = float(brentq(gap, a, b, xtol=LOCATED, rtol=1e-15))
    except ValueError:
        # Newton's method has lost a minimum on the way, close to where it ends.
        return None
    ends = first.at(float(np.exp(x))), second.at(float(np.exp(x)))
    assert ends[0] is not None
    assert ends[1] is not None
    states = np.stack([ends[0][0], ends[1][0]])
    slopes = loss_slope(diagram.family, states, np.full(2, x))
    steep = abs(float(slopes[0] - slopes[1]))
    model = diagram.family.models(np.full(2, x))
    rounding = float(loss_rounding(model, *unpack(states, diagram.family.n_hidden)).sum())
    error = 2 * (abs(ends[0][1] - ends[1][1]) + rounding) / steep + LOCATED if steep else np.inf
    return Change(
        float(np.exp(x)),
        float(np.exp(x) * error),
        "first order",
        below,
        above,
        ends[0][1],
        (float(slopes[0]), float(slopes[1])),
        states,
    )
