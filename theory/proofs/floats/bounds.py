"""Proven lower bounds of one output's loss of two features, over its bias and over boxes of weights, compiled.

- Over the bias: f* = min over β of f. Its derivative is a difference of two increasing functions, so that values at
  the ends of an interval of biases bound f inside; the interval that could hold less than the others is halved until
  the bound is as close as asked.
- Over a box of weights: √f*, a distance in L², changes by at most ‖Δs x + Δg v‖ (ReLU is a contraction), so that the
  middle of a box bounds it. Large and small weights are bounded by f ≥ E[x²; active] A(s), `shape_loss`.

docs/certified-diagram.md has the arguments.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...numerics import compiled
from .boxes import Span
from .moments import GRID, Chances, loss_and_slopes, rounding

# Biases at which an output is evaluated at most, and intervals to begin with.
MOST_BIASES, FIRST_BIASES = 200, 6
# Roundings of a bound that is built from losses and slopes, in units of `rounding`.
BOUND_ROUNDINGS = 8


class LeastLoss(NamedTuple):
    """Proven bounds of f* = min over β of f, and the bias at which the upper one is attained."""

    lower: float
    upper: float
    bias: float


@compiled
def shape_loss(s: float) -> float:
    """Return A(s) = min over β of ∫₀¹ (u − ReLU(s u + β))² du for the slope s ≥ 0, rounded down.

    It is (1 − s)²/12 for s ≤ 1, with no input silent, and (s − 1)²/3(s + 1)² for s ≥ 1, at 1 + β/s = 2/(s + 1).
    """
    if s <= 1:
        return (1 - s) * (1 - s) / 12 * (1 - 1e-14)
    ratio = (s - 1) / (s + 1)
    return ratio * ratio / 3 * (1 - 1e-14)


@compiled
def _between(f_a: float, f_b: float, slope: Span, width: float) -> float:
    """Return a lower bound of a function on an interval, by its values at the ends and bounds on its slope."""
    if slope.low >= 0:
        return f_a
    if slope.high <= 0:
        return f_b
    # The lines from both ends meet there.
    step = min(max((f_b - f_a - slope.high * width) / (slope.low - slope.high), 0.0), width)
    return f_a + slope.low * step


@compiled
def least_loss(s: float, g: float, law: Chances, tolerance: float) -> LeastLoss:
    """Return proven bounds of f* = min over β of f(s, g, β).

    Args:
        s: own slope, a multiple of `GRID`, not negative.
        g: the other feature's slope, a multiple of `GRID`.
        law: of the active features.
        tolerance: how far the lower bound may be from the upper one; more where `MOST_BIASES` don't suffice.
    """
    beta, f = np.empty(MOST_BIASES + 1), np.empty(MOST_BIASES + 1)
    y, x_on, bound = np.empty(MOST_BIASES + 1), np.empty(MOST_BIASES + 1), np.empty(MOST_BIASES + 1)
    # Below the first bias no input switches the output on. Above the last one all do, and E[y] ≥ E[x; on].
    first = -s - max(g, 0.0)
    last = (int(max(-g, (law.one + law.both) / 2 * (1 - s - g), first) / GRID) + 2) * GRID
    error = max(rounding(s, g, first), rounding(s, g, last))
    count = FIRST_BIASES + 1
    for k in range(count):
        beta[k] = first + (int((last - first) / GRID * k) // FIRST_BIASES) * GRID
        f[k], y[k], x_on[k] = loss_and_slopes(s, g, beta[k], law)
    for k in range(count - 1):
        bound[k] = _between(
            f[k],
            f[k + 1],
            Span(2 * (y[k] - x_on[k + 1]) - 4 * error, 2 * (y[k + 1] - x_on[k]) + 4 * error),
            beta[k + 1] - beta[k],
        )
    while True:
        lowest, best = 0, 0
        for k in range(1, count):
            if f[k] < f[best]:
                best = k
            if k < count - 1 and bound[k] < bound[lowest]:
                lowest = k
        if f[best] - bound[lowest] <= tolerance or count > MOST_BIASES or beta[lowest + 1] - beta[lowest] < 2 * GRID:
            break
        for k in range(count, lowest + 1, -1):
            beta[k], f[k], y[k], x_on[k], bound[k] = beta[k - 1], f[k - 1], y[k - 1], x_on[k - 1], bound[k - 1]
        new = lowest + 1
        beta[new] = beta[lowest] + int((beta[new + 1] - beta[lowest]) / GRID / 2) * GRID
        f[new], y[new], x_on[new] = loss_and_slopes(s, g, beta[new], law)
        count += 1
        for k in (lowest, new):
            bound[k] = _between(
                f[k],
                f[k + 1],
                Span(2 * (y[k] - x_on[k + 1]) - 4 * error, 2 * (y[k + 1] - x_on[k]) + 4 * error),
                beta[k + 1] - beta[k],
            )
    # The last bias is past the minimum of the quadratic above it, but its own value isn't rounded to be below.
    lower = min(bound[lowest], f[count - 1]) - BOUND_ROUNDINGS * error
    return LeastLoss(max(lower, 0.0), f[best] + error, beta[best])
