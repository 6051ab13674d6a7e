"""Descent of a function of two or three variables within a box, each held at the ends of its range: a BFGS search.

Lengths of steps are found by the weak Wolfe conditions, which need no smoothness beyond the function's own kinks (Lewis
and Overton 2013, DOI 10.1007/s10107-012-0514-2). Numbers are so few that arrays would cost more than they save.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, sqrt

from ..numerics import FloatArray

# Steps, lengths tried for each, and the first one's length.
STEPS, LENGTHS, FIRST = 200, 40, 0.1
# The share of the slope's promise that has to be kept, and the share of the slope that may be left.
DECREASE, FLATNESS = 1e-4, 0.9
# Changes of the function, relative to it, that are rounding.
ROUNDING = 4e-16

Place = list[float]
Evaluate = Callable[[Place], tuple[float, Place]]
Box = Sequence[tuple[float, float]]


def descend(evaluate: Evaluate, start: Sequence[float] | FloatArray, box: Box, level: float) -> tuple[float, Place]:
    """Return the value and the place where a search ends: no slope is above a level, or no step makes the value less.

    Args:
        evaluate: gives value and gradient at a place.
        start: where to begin; what lies outside of the box is moved into it.
        box: least and largest value of each variable.
        level: largest slope at which the search ends, but for those of variables held at an end of their range.
    """
    x = _within([float(value) for value in start], box)
    value, gradient = evaluate(x)
    inverse: list[Place] | None = None
    for _ in range(STEPS):
        free = _free(x, gradient, box)
        if max((abs(gradient[i]) for i in free), default=0.0) <= level:
            break
        direction = [0.0] * len(x)
        for i in free:
            direction[i] = -gradient[i] if inverse is None else -sum(inverse[i][j] * gradient[j] for j in free)
        found = _line(evaluate, x, value, gradient, direction, box, inverse is None)
        if found is None:
            break
        lower, place, slopes = found
        inverse = _turned(inverse, _minus(place, x), _minus(slopes, gradient))
        if place == x:
            break
        value, x, gradient = lower, place, slopes
    return value, x


def _line(
    evaluate: Evaluate, x: Place, value: float, gradient: Place, direction: Place, box: Box, first: bool
) -> tuple[float, Place, Place] | None:
    """Return value, place and gradient after a step along a direction, or None if no length makes the value less."""
    promise = _dot(gradient, direction)
    length = min(1.0, FIRST / sqrt(_dot(direction, direction))) if first else 1.0
    short, long = 0.0, inf
    best = None
    for _ in range(LENGTHS):
        reached = [a + length * d for a, d in zip(x, direction, strict=True)]
        place = _within(reached, box)
        lower, slopes = evaluate(place)
        left = _dot(slopes, direction)
        # Within rounding the slope decides.
        level_off = lower <= value + ROUNDING * abs(value) and abs(left) <= FLATNESS * abs(promise)
        if not (lower <= value + DECREASE * _dot(_minus(place, x), gradient) or level_off):
            long = length
        else:
            best = lower, place, slopes
            if left >= FLATNESS * promise or place != reached:
                break
            short = length
        length = 2 * short if long == inf else (short + long) / 2
    return best


def _free(x: Place, gradient: Place, box: Box) -> list[int]:
    """Return the variables that aren't at an end of their range beyond which the function goes down."""
    return [
        i
        for i, (a, slope, (low, high)) in enumerate(zip(x, gradient, box, strict=True))
        if not ((a <= low and slope >= 0) or (a >= high and slope <= 0))
    ]


def _turned(inverse: list[Place] | None, move: Place, turn: Place) -> list[Place] | None:
    """Return the inverse Hessian that takes the last change of the gradient to that of x, by the formula of BFGS."""
    curvature, d = _dot(move, turn), range(len(move))
    if not curvature > 0:
        return inverse
    if inverse is None:
        scale = curvature / _dot(turn, turn)
        inverse = [[scale if i == j else 0.0 for j in d] for i in d]
    towards = [_dot(row, turn) for row in inverse]
    share = (1 + _dot(turn, towards) / curvature) / curvature
    return [
        [
            inverse[i][j] + share * move[i] * move[j] - (towards[i] * move[j] + move[i] * towards[j]) / curvature
            for j in d
        ]
        for i in d
    ]


def _within(x: Place, box: Box) -> Place:
    return [min(max(a, low), high) for a, (low, high) in zip(x, box, strict=True)]


def _minus(a: Place, b: Place) -> Place:
    return [p - q for p, q in zip(a, b, strict=True)]


def _dot(a: Place, b: Place) -> float:
    return sum(p * q for p, q in zip(a, b, strict=True))
