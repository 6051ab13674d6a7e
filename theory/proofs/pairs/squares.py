"""The arguments that exclude minimisers from one square of weights, compiled: n = 2, m = 1 at one point.

Minimisers aren't so far out; the least loss over the biases is above the threshold; or the slope of L* in a weight
can't vanish (docs/proofs.md). Everything is rounded to the safe side.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...numerics import compiled
from ..floats import (
    LARGEST,
    RESOLUTION,
    ROUNDINGS,
    Chances,
    Curvature,
    OutputBox,
    Slopes,
    Span,
    bias_range,
    least_loss,
    product,
    reduced_curvature,
    rounding,
    shape_loss,
    size,
    slope_ranges,
    squared,
)

# What settles a square: it is a part of a core, nothing does yet, or one of three arguments.
CORE, OPEN, FAR, ABOVE, SLOPE = range(-1, 4)
# Boxes that an argument needs for the slopes are small: larger ones needn't be tried.
LARGEST_SLOPED = 0.25
# The bias is searched for to this share of the loss at first, and then of what is missing.
FIRST_TOLERANCE, LAST_TOLERANCE, FINE_TOLERANCE = 0.05, 0.002, 1e-9
SAFE = 1e-14
# Slack for the rounding of slopes, relative to their scale.
SLACK = 1e-12


class Problem(NamedTuple):
    """What the search is for.

    Attributes:
        first: I_1.
        second: I_2.
        penalty: λ.
        threshold: upper bound of the global minimum.
        density: p.
    """

    first: float
    second: float
    penalty: float
    threshold: float
    density: float


class Square(NamedTuple):
    """The weights w_1 and w_2 of a square."""

    first: Span
    second: Span


class Verdict(NamedTuple):
    """What is known of a square.

    Attributes:
        argument: OPEN, FAR, ABOVE or SLOPE.
        lower: a lower bound of L* if it is open.
    """

    argument: int
    lower: float


class _Pair(NamedTuple):
    """A number for each of the two outputs."""

    first: float
    second: float


class _Output(NamedTuple):
    """What is known about one output over a box: its parameters, the biases among them, and its slopes."""

    box: OutputBox
    slopes: Slopes


class _Gradient(NamedTuple):
    """Bounds of ∂L*/∂w_1 and ∂L*/∂w_2."""

    first: Span
    second: Span


class _Hessian(NamedTuple):
    """Bounds of the second derivatives of L* in w_1 and in w_2, and an upper bound of the mixed one."""

    first: Span
    second: Span
    mixed: float


@compiled
def settle(square: Square, asked: Problem) -> Verdict:
    """Return the argument by which no weights of a square are a global minimiser, or OPEN, and a lower bound of L*."""
    p, threshold, importance = asked.density, asked.threshold, _Pair(asked.first, asked.second)
    law = _chances(p)
    s, t = squared(square.first), squared(square.second)
    if s.low >= 1 and importance.first * p * shape_loss(s.low) * (1 - SAFE) > threshold:
        return Verdict(FAR, threshold)
    if t.low >= 1 and importance.second * p * shape_loss(t.low) * (1 - SAFE) > threshold:
        return Verdict(FAR, threshold)
    g = product(square.first, square.second)
    if s.high + t.high > LARGEST / 4:
        # Too large for the moments' bounds on rounding.
        return Verdict(OPEN, 0.0)
    u, v = (square.first.low + square.first.high) / 2, (square.second.low + square.second.high) / 2
    uv = u * v
    dg = max(g.high - uv, uv - g.low)
    ds, dt = max(s.high - u * u, u * u - s.low), max(t.high - v * v, v * v - t.low)
    ground = 0.0 if g.low <= 0 <= g.high else 2 * asked.penalty * min(g.low * g.low, g.high * g.high) * (1 - SAFE)
    reach, here = _Pair(_distance(ds, dg, p), _distance(dt, dg, p)), _Pair(0.0, 0.0)
    tolerance = FIRST_TOLERANCE
    while True:
        first = least_loss(u * u, uv, law, tolerance * threshold / importance.first)
        second = least_loss(v * v, uv, law, tolerance * threshold / importance.second)
        error = ROUNDINGS * (rounding(u * u, uv, 1.0) + rounding(v * v, uv, 1.0))
        lower, upper = _Pair(first.lower, second.lower), _Pair(first.upper, second.upper)
        bound = _total(lower, reach, importance, error) + ground
        if bound > threshold:
            return Verdict(ABOVE, threshold)
        if tolerance <= LAST_TOLERANCE or _total(upper, reach, importance, 0.0) + ground <= threshold:
            break
        tolerance /= 5
    side = square.first.high - square.first.low
    if side > LARGEST_SLOPED:
        return Verdict(OPEN, bound)
    half = side / 2
    resolution = (ds + dt + 2 * dg) / RESOLUTION
    one, two = _output(s, g, law, resolution), _output(t, g, law, resolution)
    gradient = _gradient(square, one.slopes, two.slopes, asked)
    if _beyond(gradient.first, 0.0) or _beyond(gradient.second, 0.0):
        return Verdict(SLOPE, threshold)
    # L* falls from the centre by no more than its steepest slopes allow.
    centre = (_total(lower, here, importance, error) + 2 * asked.penalty * uv * uv) * (1 - SAFE)
    bound = max(bound, centre - (size(gradient.first) + size(gradient.second)) * half)
    if bound > threshold:
        return Verdict(ABOVE, threshold)
    bend, bend_two = reduced_curvature(one.box, law), reduced_curvature(two.box, law)
    if not (bend.convex and bend_two.convex):
        return Verdict(OPEN, bound)
    hessian = _hessian(one, two, bend, bend_two, asked)
    # Values and slopes at the centre, and how far the Hessian lets them change.
    first = least_loss(u * u, uv, law, FINE_TOLERANCE * threshold / importance.first)
    second = least_loss(v * v, uv, law, FINE_TOLERANCE * threshold / importance.second)
    lower = _Pair(first.lower, second.lower)
    centre = (_total(lower, here, importance, error) + 2 * asked.penalty * uv * uv) * (1 - SAFE)
    fine = resolution * half
    one = _output(Span(u * u, u * u), Span(uv, uv), law, fine)
    two = _output(Span(v * v, v * v), Span(uv, uv), law, fine)
    gradient = _gradient(Square(Span(u, u), Span(v, v)), one.slopes, two.slopes, asked)
    largest = max(
        max(abs(hessian.first.low), abs(hessian.first.high)), max(abs(hessian.second.low), abs(hessian.second.high))
    )
    scale = (asked.first + asked.second + asked.penalty) * (1 + s.high + t.high)
    slack = SLACK * (scale + max(largest, abs(hessian.mixed)))
    mixed = max(hessian.mixed, 0.0) + slack
    change_first = (size(hessian.first) + slack + mixed) * half * (1 + SLACK)
    change_second = (size(hessian.second) + slack + mixed) * half * (1 + SLACK)
    if _beyond(gradient.first, change_first) or _beyond(gradient.second, change_second):
        return Verdict(SLOPE, threshold)
    fall = (size(gradient.first) + size(gradient.second)) * half
    fall += (max(slack - hessian.first.low, 0.0) + max(slack - hessian.second.low, 0.0) + 2 * mixed) * half * half / 2
    bound = max(bound, centre - fall * (1 + SLACK))
    return Verdict(ABOVE, threshold) if bound > threshold else Verdict(OPEN, bound)


@compiled
def _chances(p: float) -> Chances:
    return Chances((1 - p) * (1 - p), p * (1 - p), p * p)


@compiled
def _output(s: Span, g: Span, law: Chances, resolution: float) -> _Output:
    """Return what is known about an output over ranges of its slopes, its biases found to a resolution."""
    box = OutputBox(s, g, bias_range(s, g, law, resolution))
    return _Output(box, slope_ranges(box, law))


@compiled
def _beyond(slope: Span, change: float) -> bool:
    """Return whether a slope stays off zero if it changes by so much."""
    return slope.low > change or slope.high < -change


@compiled
def _weighted(one: Span, two: Span, asked: Problem) -> Span:
    """Return I_1 times a bound for output 1 and I_2 times that for output 2."""
    return Span(asked.first * one.low + asked.second * two.low, asked.first * one.high + asked.second * two.high)


@compiled
def _gradient(square: Square, one: Slopes, two: Slopes, asked: Problem) -> _Gradient:
    """Return bounds of the gradient for weights in a square, by the slopes of both outputs."""
    a, b, penalty = square.first, square.second, asked.penalty
    g, plain = product(a, b), _weighted(one.g, two.g, asked)
    in_g = Span(plain.low + 4 * penalty * g.low, plain.high + 4 * penalty * g.high)
    error = SLACK * (asked.first + asked.second + penalty) * (abs(a.low) + abs(a.high) + abs(b.low) + abs(b.high))
    own, cross = product(one.s, a), product(in_g, b)
    first = Span(2 * asked.first * own.low + cross.low - error, 2 * asked.first * own.high + cross.high + error)
    own, cross = product(two.s, b), product(in_g, a)
    second = Span(2 * asked.second * own.low + cross.low - error, 2 * asked.second * own.high + cross.high + error)
    return _Gradient(first, second)


@compiled
def _hessian(one: _Output, two: _Output, bend: Curvature, bend_two: Curvature, asked: Problem) -> _Hessian:
    """Return bounds of the Hessian of L*; (∂s_i/∂w, ∂g/∂w) = (2w_1, 0), (w_2, w_1) and (0, 2w_2), (w_2, w_1)."""
    s, t, g = one.box.s, two.box.s, one.box.g
    in_g, in_gg = _weighted(one.slopes.g, two.slopes.g, asked), _weighted(bend.gg, bend_two.gg, asked)
    first = _own_curvature(asked.first, s, t, g, bend, one.slopes.s, _raised(in_gg, 4 * asked.penalty))
    second = _own_curvature(asked.second, t, s, g, bend_two, two.slopes.s, _raised(in_gg, 4 * asked.penalty))
    p, q, r = product(s, bend.sg), product(t, bend_two.sg), product(g, _raised(in_gg, 8 * asked.penalty))
    mixed = max(
        -(2 * asked.first * p.low + 2 * asked.second * q.low + r.low + in_g.low),
        2 * asked.first * p.high + 2 * asked.second * q.high + r.high + in_g.high,
    )
    return _Hessian(first, second, mixed)


@compiled
def _own_curvature(
    importance: float, own: Span, other: Span, g: Span, bend: Curvature, slope: Span, in_gg: Span
) -> Span:
    """Return bounds of the second derivative of L* in one weight."""
    p, q, r = product(own, bend.ss), product(g, bend.sg), product(other, in_gg)
    return Span(
        importance * (4 * p.low + 4 * q.low + 2 * slope.low) + r.low,
        importance * (4 * p.high + 4 * q.high + 2 * slope.high) + r.high,
    )


@compiled
def _raised(a: Span, by: float) -> Span:
    return Span(a.low + by, a.high + by)


@compiled
def _distance(ds: float, dg: float, p: float) -> float:
    """Return an upper bound of ‖Δs x + Δg v‖ for changes of at most these sizes."""
    return float(np.sqrt(p * (ds * ds + dg * dg) / 3 + p * p * ds * dg / 2) * (1 + SAFE))


@compiled
def _total(f: _Pair, reach: _Pair, importance: _Pair, error: float) -> float:
    """Return a lower bound of Σ I_i f_i where f_i ≥ (√value − reach)₊²."""
    root_1 = max(np.sqrt(max(f.first - error, 0.0)) - reach.first, 0.0)
    root_2 = max(np.sqrt(max(f.second - error, 0.0)) - reach.second, 0.0)
    return float((importance.first * root_1 * root_1 + importance.second * root_2 * root_2) * (1 - SAFE))
