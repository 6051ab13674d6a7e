"""All branches of minima of a family that random starts find, and where the cheapest changes.

Nothing here knows which branches there are: minima are searched for from random starts at several values of the
parameter, and each that lies on no branch so far is followed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicHermiteSpline

from .branches import Branch, follow_branches
from .critical_points import CriticalPoint
from .descent import pack, unpack
from .families import Family
from .features import FloatArray
from .random_minima import copies, random_minima
from .transitions import Crossing, Limit, crossing, stability_limits

# Values of t at which the cheapest branch is looked up.
GRID = 400
# Two states are one if overlaps and biases agree to this.
SAME = 1e-6
# Losses that differ by less where a branch ends meet there.
MEETING = 1e-9


@dataclass(frozen=True, eq=False)
class Change:
    """Where the cheapest minimum of a family changes.

    Attributes:
        parameter: t.
        error: bound on its error.
        kind: "first order", where two losses cross; "continuous", where the cheapest branch becomes unstable and the
            next one leaves it; "unknown", where neither was found: then a branch is missing.
        below: number of the cheapest branch for smaller t.
        above: number of the cheapest branch for larger t.
        slopes: dL/d log t of the two there.
        states: packed parameters of the two there, shape (2, P); NaN for an unknown kind.
    """

    parameter: float
    error: float
    kind: str
    below: int
    above: int
    slopes: tuple[float, float]
    states: FloatArray


@dataclass(frozen=True, eq=False)
class BranchDiagram:
    """The branches of minima of a family.

    Attributes:
        family: of models.
        branches: each a representative of its copies under exchanges of equal features.
        limits: for each branch, where it starts or stops being a minimum.
        changes: where the cheapest minimum changes, by ascending t.
        probes: values of t at which minima were searched for.
        hits: starts that led to each branch at each probe, shape (branches, probes).
        starts: at each probe.
    """

    family: Family
    branches: tuple[Branch, ...]
    limits: tuple[tuple[Limit, ...], ...]
    changes: tuple[Change, ...]
    probes: tuple[float, ...]
    hits: np.ndarray[tuple[int, int], np.dtype[np.int64]]
    starts: int

    def losses(self, parameter: FloatArray) -> FloatArray:
        """Return the loss of each branch where it is a minimum, interpolated, shape (branches, len(parameter)).

        NaN where it is none.
        """
        return np.array([_interpolated(branch, np.log(parameter)) for branch in self.branches])

    def cheapest(self, parameter: FloatArray) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Return the number of the cheapest branch at each t, −1 where there is none."""
        losses = self.losses(parameter)
        return np.where(np.isnan(losses).all(axis=0), -1, np.where(np.isnan(losses), np.inf, losses).argmin(axis=0))


def _interpolated(branch: Branch, x: FloatArray) -> FloatArray:
    """Return the loss of the stable pieces of a branch, the cheapest of them, by their values and slopes."""
    losses = np.full(len(x), np.nan)
    for piece in branch.pieces():
        places, inside = branch.position[piece], None
        inside = (x >= places[0]) & (x <= places[-1])
        losses[inside] = np.fmin(
            losses[inside], CubicHermiteSpline(places, branch.loss[piece], branch.slope[piece])(x[inside])
        )
    return losses


def same_state(family: Family, point: CriticalPoint, theta: FloatArray) -> bool:
    """Return whether a minimum is a copy, under exchanges of equal features, of packed parameters."""
    own = np.vstack([point.weights.T @ point.weights, point.bias])
    theirs = copies(*unpack(theta, family.n_hidden), family.exchanges)
    return bool(np.abs(theirs - own).max(axis=(1, 2)).min() < SAME)


def branch_diagram(
    family: Family,
    probes: Sequence[float],
    *,
    starts: int = 128,
    seed: int = 0,
    margin: float = np.inf,
    on_progress: Callable[[float], None] = lambda _: None,
) -> BranchDiagram:
    """Find the minima of a family at several values of its parameter, and follow each along it.

    Args:
        family: of models.
        probes: values of t at which to search.
        starts: random starts at each.
        seed: of their random numbers.
        margin: minima that cost more than this times the cheapest at a probe aren't followed.
        on_progress: called with the share that is done.

    Raises:
        ValueError: if a probe is out of range.
    """
    branches: list[Branch] = []
    counts: list[dict[int, int]] = []
    for place, t in enumerate(probes):
        model = family.models(np.log([t])).take(0)
        found = random_minima(model, starts=starts, seed=seed, exchanges=family.exchanges)
        fresh, hits = [], {}
        for minimum in found:
            point = minimum.point
            if point.status != "minimum" or point.loss > margin * found[0].point.loss:
                continue
            known = next((k for k, b in enumerate(branches) if _passes(b, point, t)), None)
            if known is None:
                known = len(branches) + len(fresh)
                fresh.append(point)
            hits[known] = hits.get(known, 0) + minimum.hits
        branches += follow_branches(family, fresh, [t] * len(fresh))
        counts.append(hits)
        on_progress((place + 1) / len(probes))
    table = np.array([[hits.get(k, 0) for hits in counts] for k in range(len(branches))]).reshape(-1, len(probes))
    limits = tuple(stability_limits(branch) for branch in branches)
    whole = BranchDiagram(family, tuple(branches), limits, (), tuple(map(float, probes)), table, starts)
    return BranchDiagram(**{**vars(whole), "changes": _changes(whole)})


def _passes(branch: Branch, point: CriticalPoint, parameter: float) -> bool:
    """Return whether a branch passes through a minimum or a copy of it."""
    return any(
        same_state(branch.family, point, state) for state, _ in branch.all_at(parameter)
    )


def _changes(diagram: BranchDiagram) -> tuple[Change, ...]:
    """Return where the cheapest branch changes along the family."""
    grid = np.geomspace(diagram.family.low, diagram.family.high, GRID)
    first = diagram.cheapest(grid)
    changes = []
    for k in np.flatnonzero(first[1:] != first[:-1]):
        below, above = int(first[k]), int(first[k + 1])
        changes.append(_change(diagram, below, above, float(grid[k]), float(grid[k + 1])))
    return tuple(changes)


def _change(diagram: BranchDiagram, below: int, above: int, low: float, high: float) -> Change:
    """Return the change between two neighbouring values of t."""
    size = (diagram.family.n_hidden + 1) * diagram.family.n_features
    unknown = Change(
        float(np.sqrt(low * high)), (high - low) / 2, "unknown", below, above, (np.nan, np.nan), np.full((2, size), np.nan)
    )
    if min(below, above) < 0:
        return unknown
    a, b = diagram.branches[below], diagram.branches[above]
    # Where one of them ends between the two values, only the part where both are minima counts.
    ends = [limit for k in (below, above) for limit in diagram.limits[k] if low <= limit.parameter <= high]
    for limit in ends:
        if limit.mechanism == "fold":
            continue
        other = b if limit in diagram.limits[below] else a
        theirs = other.at(high if other is b else low)
        near = [limit.state, limit.state] if theirs is None else [limit.state, theirs[0]]
        if theirs is not None and np.linalg.norm(_distance(diagram.family, *near)) < 0.3:
            slope = np.nan
            return Change(limit.parameter, limit.error, "continuous", below, above, (slope, slope), np.stack([limit.state] * 2))
    for limit in ends:
        low, high = (max(low, limit.parameter), high) if limit.stable_above else (low, min(high, limit.parameter))
    margin = 1e-9 if ends else 0.0
    try:
        found: Crossing | None = crossing(a, b, low * (1 + margin), high * (1 - margin))
    except ValueError:
        return unknown
    if found is None:
        return unknown
    return Change(found.parameter, found.error, "first order", below, above, found.slopes, found.states)


def _distance(family: Family, first: FloatArray, second: FloatArray) -> float:
    """Return the largest difference of overlaps and biases, in the relabelling that brings two states closest."""
    w, b = unpack(first, family.n_hidden)
    own = np.vstack([w.T @ w, b])
    return float(np.abs(copies(*unpack(second, family.n_hidden), family.exchanges) - own).max(axis=(1, 2)).min())
