"""Arcs: the parts of branches that are minima, with the limits of stability at which they end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicHermiteSpline

from ..minima import copies, unpack
from ..models import Family
from ..numerics import FloatArray, check_kind, reals
from .branch import Branch, judged
from .equations import corrected
from .limits import Limit, stability_limit_between

# Two states are one if overlaps and biases agree to this.
SAME = 1e-6
# Arcs that cover less of log t are leftovers at the ends of others.
SHORTEST = 1e-2


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


def apart(family: Family, first: FloatArray, second: FloatArray) -> float:
    """Return the largest difference of overlaps and biases of two states, in the relabelling that brings them closest.

    Args:
        family: whose exchanges of features count.
        first: packed parameters, shape (P,).
        second: packed parameters, shape (P,).

    Raises:
        ValueError: if an argument isn't what it has to be, or float64 doesn't hold the overlaps.
    """
    check_kind("family", family, Family)
    size = (family.n_hidden + 1) * family.n_features
    first, second = reals("first", first, (size,)), reals("second", second, (size,))
    w, b = unpack(first, family.n_hidden)
    own = np.vstack([w.T @ w, b])
    theirs = copies(*unpack(second, family.n_hidden), family.exchanges)
    if not (np.isfinite(own).all() and np.isfinite(theirs).all()):
        raise ValueError("first and second must be small enough for float64 to hold their overlaps")
    return float(np.abs(theirs - own).max(axis=(1, 2)).min())


def arcs_of(branch: Branch) -> list[Arc]:
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


def passing(arcs: Sequence[Arc], theta: FloatArray, parameter: float) -> int | None:
    """Return the number of the arc that passes through a state or a copy of it."""
    for k, arc in enumerate(arcs):
        state = arc.at(parameter)
        if state is not None and apart(arc.branch.family, theta, state[0]) < SAME:
            return k
    return None
