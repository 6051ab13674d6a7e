"""Where the cheapest minimum of a family changes: two losses cross, or one minimum ends on the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from ..loss import loss_rounding
from ..minima import unpack
from ..models import Family
from ..numerics import FloatArray, Summarised
from .arcs import Arc, apart
from .equations import loss_slope

# Values of t at which the cheapest minimum is looked up.
GRID = 600
# How far in overlaps and biases the states of a continuous transition may be apart at neighbouring values of t.
NEAR = 0.3
# Ends of arcs agree in t to this where one isn't located better than the last step before it.
TOUCHING = 1e-7
# Crossings are located to this in log t.
LOCATED = 1e-14


@dataclass(frozen=True, eq=False)
class Change(Summarised):
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


def cheapest(arcs: Sequence[Arc], parameter: FloatArray) -> NDArray[np.int64]:
    """Return the number of the cheapest arc at each t, −1 where there is none."""
    losses = np.array([arc.losses(parameter) for arc in arcs])
    filled = np.where(np.isnan(losses), np.inf, losses)
    return np.where(np.isinf(filled).all(axis=0), -1, filled.argmin(axis=0))


def changes_of(family: Family, arcs: Sequence[Arc]) -> tuple[Change, ...]:
    """Return where the cheapest arc changes along the family."""
    grid = np.geomspace(family.low, family.high, GRID)
    best = cheapest(arcs, grid)
    # Beside an end that isn't quite reached there may be no arc at all.
    there = np.flatnonzero(best >= 0)
    return tuple(
        _change(arcs, int(best[i]), int(best[j]), float(grid[i]), float(grid[j]))
        for i, j in pairwise(there)
        if best[i] != best[j]
    )


def _change(arcs: Sequence[Arc], below: int, above: int, low: float, high: float) -> Change:
    """Return the change of the cheapest arc between two values of t."""
    first, second = arcs[below], arcs[above]
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
        if theirs is not None and apart(first.branch.family, limit.state, theirs[0]) < NEAR:
            slope = float(loss_slope(first.branch.family, limit.state[None], np.log([limit.parameter]))[0])
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
    return crossing(arcs, below, above, low, high) or Change(
        float(np.sqrt(low * high)),
        abs(high - low) / 2,
        "unknown",
        below,
        above,
        np.nan,
        (np.nan, np.nan),
        np.full((2, len(first.branch.held)), np.nan),
    )


def crossing(arcs: Sequence[Arc], below: int, above: int, low: float, high: float) -> Change | None:
    """Return where two arcs cost the same between two values of t, None if they don't change places there.

    Args:
        arcs: of one family.
        below: number of the arc that is cheaper at `low`.
        above: number of the one that is cheaper at `high`.
        low: smallest t.
        high: largest t.
    """
    first, second = arcs[below], arcs[above]

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
    slopes = loss_slope(first.branch.family, states, np.full(2, x))
    steep = abs(float(slopes[0] - slopes[1]))
    model = first.branch.family.models(np.full(2, x))
    rounding = float(loss_rounding(model, *unpack(states, first.branch.family.n_hidden)).sum())
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
