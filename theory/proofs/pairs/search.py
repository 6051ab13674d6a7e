"""The search for boxes that exclude minimisers, compiled: n = 2, m = 1 at one point.

Squares of weights are looked at breadth first, and cut in four until an argument settles each (docs/proofs.md):
minimisers aren't so far out; the least loss over the biases is above the threshold; or the slope of L* in a weight
can't vanish. Everything is rounded to the safe side; `certificate_check` does it again by other means.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...numerics import FloatArray, compiled, machine_code
from ..balls import WeightBox
from ..certificates import Quarter
from ..floats import (
    LARGEST,
    RESOLUTION,
    ROUNDINGS,
    bias_range,
    least_loss,
    product,
    reduced_curvature,
    rounding,
    shape_loss,
    slope_ranges,
    squared,
)

OPEN, FAR, ABOVE, SLOPE = 0, 1, 2, 3
NAMES = {FAR: "far", ABOVE: "above", SLOPE: "slope"}
# Centres of smaller boxes would have squares that aren't multiples of GRID.
LEAST_SIDE = 2.0**-18
# Boxes that an argument needs for the slopes are small: larger ones needn't be tried.
LARGEST_SLOPED = 0.25
# The bias is searched for to this share of the loss at first, and then of what is missing.
FIRST_TOLERANCE, LAST_TOLERANCE, FINE_TOLERANCE = 0.05, 0.002, 1e-9
SAFE = 1e-14
# Slack for the rounding of slopes, relative to their scale.
SLACK = 1e-12


@dataclass(frozen=True)
class Searched:
    """What a search found.

    Attributes:
        boxes: for each argument the squares that it settles.
        left: squares that none settles, at most when the budget is spent.
        lower: lower bound of L* on what is left, or None if nothing is.
        count: how many squares were looked at.
        reason: why it stopped.
    """

    boxes: dict[str, list[Quarter]]
    left: list[Quarter]
    lower: float | None
    count: int
    reason: str


@compiled
def settle(
    a: float, b: float, c: float, d: float, first: float, second: float, penalty: float, threshold: float, p: float
) -> int:
    """Return the argument by which w_1 in [a, b], w_2 in [c, d] holds no global minimiser, or OPEN.

    Args:
        a: lower end of w_1.
        b: upper end of w_1.
        c: lower end of w_2.
        d: upper end of w_2.
        first: I_1.
        second: I_2.
        penalty: λ.
        threshold: upper bound of the global minimum.
        p: density.
    """
    none, one, both = (1 - p) * (1 - p), p * (1 - p), p * p
    s_low, s_high = squared(a, b)
    t_low, t_high = squared(c, d)
    if s_low >= 1 and first * p * shape_loss(s_low) * (1 - SAFE) > threshold:
        return FAR
    if t_low >= 1 and second * p * shape_loss(t_low) * (1 - SAFE) > threshold:
        return FAR
    g_low, g_high = product(a, b, c, d)
    if s_high + t_high > LARGEST / 4:
        # Too large for the moments' bounds on rounding.
        return OPEN
    u, v = (a + b) / 2, (c + d) / 2
    g = u * v
    dg = max(g_high - g, g - g_low)
    ds, dt = max(s_high - u * u, u * u - s_low), max(t_high - v * v, v * v - t_low)
    ground = 0.0 if g_low <= 0 <= g_high else 2 * penalty * min(g_low * g_low, g_high * g_high) * (1 - SAFE)
    radius_1, radius_2 = _distance(ds, dg, p), _distance(dt, dg, p)
    tolerance = FIRST_TOLERANCE
    while True:
        low_1, high_1, _ = least_loss(u * u, g, none, one, both, tolerance * threshold / first)
        low_2, high_2, _ = least_loss(v * v, g, none, one, both, tolerance * threshold / second)
        error = ROUNDINGS * (rounding(u * u, g, 1.0) + rounding(v * v, g, 1.0))
        if _total(low_1, low_2, radius_1, radius_2, first, second, error) + ground > threshold:
            return ABOVE
        if tolerance <= LAST_TOLERANCE or (
            _total(high_1, high_2, radius_1, radius_2, first, second, 0.0) + ground <= threshold
        ):
            break
        tolerance /= 5
    if b - a > LARGEST_SLOPED:
        return OPEN
    half = (b - a) / 2
    resolution = (ds + dt + 2 * dg) / RESOLUTION
    b1_low, b1_high = bias_range(s_low, s_high, g_low, g_high, none, one, both, resolution)
    b2_low, b2_high = bias_range(t_low, t_high, g_low, g_high, none, one, both, resolution)
    s1, s2, s3, s4 = slope_ranges(s_low, s_high, g_low, g_high, b1_low, b1_high, none, one, both)
    t1, t2, t3, t4 = slope_ranges(t_low, t_high, g_low, g_high, b2_low, b2_high, none, one, both)
    x1, x2, y1, y2 = _slopes(a, b, c, d, s1, s2, s3, s4, t1, t2, t3, t4, first, second, penalty)
    if x1 > 0 or x2 < 0 or y1 > 0 or y2 < 0:
        return SLOPE
    # L* falls from the centre by no more than its steepest slopes allow.
    centre = (_total(low_1, low_2, 0.0, 0.0, first, second, error) + 2 * penalty * g * g) * (1 - SAFE)
    if centre - (max(-x1, x2) + max(-y1, y2)) * half > threshold:
        return ABOVE
    ok1, a1, a2, a3, a4, a5, a6 = reduced_curvature(s_low, s_high, g_low, g_high, b1_low, b1_high, none, one, both)
    ok2, e1, e2, e3, e4, e5, e6 = reduced_curvature(t_low, t_high, g_low, g_high, b2_low, b2_high, none, one, both)
    if not (ok1 and ok2):
        return OPEN
    # The Hessian of L*, with (∂s_i/∂w, ∂g/∂w) = (2w_1, 0), (w_2, w_1) and (0, 2w_2), (w_2, w_1).
    uv_low, uv_high = g_low, g_high
    m1, m2 = first * s3 + second * t3, first * s4 + second * t4
    p1, p2 = product(s_low, s_high, a1, a2)
    q1, q2 = product(uv_low, uv_high, a3, a4)
    r1, r2 = product(t_low, t_high, first * a5 + second * e5 + 4 * penalty, first * a6 + second * e6 + 4 * penalty)
    xx_low = first * (4 * p1 + 4 * q1 + 2 * s1) + r1
    xx_high = first * (4 * p2 + 4 * q2 + 2 * s2) + r2
    p1, p2 = product(t_low, t_high, e1, e2)
    q1, q2 = product(uv_low, uv_high, e3, e4)
    r1, r2 = product(s_low, s_high, first * a5 + second * e5 + 4 * penalty, first * a6 + second * e6 + 4 * penalty)
    yy_low = second * (4 * p1 + 4 * q1 + 2 * t1) + r1
    yy_high = second * (4 * p2 + 4 * q2 + 2 * t2) + r2
    p1, p2 = product(s_low, s_high, a3, a4)
    q1, q2 = product(t_low, t_high, e3, e4)
    r1, r2 = product(uv_low, uv_high, first * a5 + second * e5 + 8 * penalty, first * a6 + second * e6 + 8 * penalty)
    xy = max(-(2 * first * p1 + 2 * second * q1 + r1 + m1), 2 * first * p2 + 2 * second * q2 + r2 + m2)
    # Values and slopes at the centre, and how far the Hessian lets them change.
    low_1, _, _ = least_loss(u * u, g, none, one, both, FINE_TOLERANCE * threshold / first)
    low_2, _, _ = least_loss(v * v, g, none, one, both, FINE_TOLERANCE * threshold / second)
    centre = (_total(low_1, low_2, 0.0, 0.0, first, second, error) + 2 * penalty * g * g) * (1 - SAFE)
    fine = resolution * half
    s, t = u * u, v * v
    b1_low, b1_high = bias_range(s, s, g, g, none, one, both, fine)
    b2_low, b2_high = bias_range(t, t, g, g, none, one, both, fine)
    s1, s2, s3, s4 = slope_ranges(s, s, g, g, b1_low, b1_high, none, one, both)
    t1, t2, t3, t4 = slope_ranges(t, t, g, g, b2_low, b2_high, none, one, both)
    x1, x2, y1, y2 = _slopes(u, u, v, v, s1, s2, s3, s4, t1, t2, t3, t4, first, second, penalty)
    largest = max(max(abs(xx_low), abs(xx_high)), max(abs(yy_low), abs(yy_high)))
    slack = SLACK * ((first + second + penalty) * (1 + s_high + t_high) + max(largest, abs(xy)))
    mixed = max(xy, 0.0) + slack
    change_x = (max(-xx_low, xx_high) + slack + mixed) * half * (1 + SLACK)
    change_y = (max(-yy_low, yy_high) + slack + mixed) * half * (1 + SLACK)
    if x1 > change_x or x2 < -change_x or y1 > change_y or y2 < -change_y:
        return SLOPE
    fall = (max(-x1, x2) + max(-y1, y2)) * half
    fall += (max(slack - xx_low, 0.0) + max(slack - yy_low, 0.0) + 2 * mixed) * half * half / 2
    return ABOVE if centre - fall * (1 + SLACK) > threshold else OPEN


@compiled
def _slopes(
    a: float,
    b: float,
    c: float,
    d: float,
    s1: float,
    s2: float,
    s3: float,
    s4: float,
    t1: float,
    t2: float,
    t3: float,
    t4: float,
    first: float,
    second: float,
    penalty: float,
) -> tuple[float, float, float, float]:
    """Return bounds of ∂L/∂w_1 and ∂L/∂w_2 for w in a box, by those of ∂f/∂s and ∂f/∂g of both outputs."""
    g_low, g_high = product(a, b, c, d)
    mixed_low = first * s3 + second * t3 + 4 * penalty * g_low
    mixed_high = first * s4 + second * t4 + 4 * penalty * g_high
    p1, p2 = product(s1, s2, a, b)
    q1, q2 = product(mixed_low, mixed_high, c, d)
    size = SLACK * (first + second + penalty) * (abs(a) + abs(b) + abs(c) + abs(d))
    x1, x2 = 2 * first * p1 + q1 - size, 2 * first * p2 + q2 + size
    p1, p2 = product(t1, t2, c, d)
    q1, q2 = product(mixed_low, mixed_high, a, b)
    return x1, x2, 2 * second * p1 + q1 - size, 2 * second * p2 + q2 + size


@compiled
def _distance(ds: float, dg: float, p: float) -> float:
    """Return an upper bound of ‖Δs x + Δg v‖ for changes of at most these sizes."""
    return float(np.sqrt(p * (ds * ds + dg * dg) / 3 + p * p * ds * dg / 2) * (1 + SAFE))


@compiled
def _total(
    f_1: float, f_2: float, radius_1: float, radius_2: float, first: float, second: float, error: float
) -> float:
    """Return a lower bound of Σ I_i f_i where f_i ≥ (√value − radius)₊²."""
    root_1 = max(np.sqrt(max(f_1 - error, 0.0)) - radius_1, 0.0)
    root_2 = max(np.sqrt(max(f_2 - error, 0.0)) - radius_2, 0.0)
    return float((first * root_1 * root_1 + second * root_2 * root_2) * (1 - SAFE))


def _settle_each(
    corners: FloatArray, side: float, first: float, second: float, penalty: float, threshold: float, p: float
) -> FloatArray:
    found = np.empty(len(corners))
    for k in range(len(corners)):
        x, y = corners[k, 0], corners[k, 1]
        found[k] = settle(x, x + side, y, y + side, first, second, penalty, threshold, p)
    return found


def _lower_bound_of_each(corners: FloatArray, side: float, first: float, second: float, p: float) -> FloatArray:
    """Return lower bounds of L* without its penalty on squares, shape (N,)."""
    none, one, both = (1 - p) * (1 - p), p * (1 - p), p * p
    found = np.zeros(len(corners))
    for k in range(len(corners)):
        a, c = corners[k, 0], corners[k, 1]
        s_low, s_high = squared(a, a + side)
        t_low, t_high = squared(c, c + side)
        if s_high + t_high > LARGEST / 4:
            continue
        u, v = a + side / 2, c + side / 2
        g_low, g_high = product(a, a + side, c, c + side)
        g = u * v
        dg = max(g_high - g, g - g_low)
        low_1, _, _ = least_loss(u * u, g, none, one, both, LAST_TOLERANCE * p)
        low_2, _, _ = least_loss(v * v, g, none, one, both, LAST_TOLERANCE * p)
        error = ROUNDINGS * (rounding(u * u, g, 1.0) + rounding(v * v, g, 1.0))
        radius_1 = _distance(max(s_high - u * u, u * u - s_low), dg, p)
        radius_2 = _distance(max(t_high - v * v, v * v - t_low), dg, p)
        found[k] = _total(low_1, low_2, radius_1, radius_2, first, second, error)
    return found


CORNERS, EACH = "float64[:,::1]", "float64[::1]"
_settle_all = machine_code(
    _settle_each, f"{EACH}({CORNERS}, float64, float64, float64, float64, float64, float64)", nogil=True
)
_lower_bounds = machine_code(_lower_bound_of_each, f"{EACH}({CORNERS}, float64, float64, float64, float64)", nogil=True)


def search_boxes(
    numbers: tuple[float, float, float, float, float], exponent: int, cores: list[WeightBox], max_boxes: int
) -> Searched:
    """Settle w_1 ≥ 0 of |w_i| ≤ 2^exponent.

    Args:
        numbers: I_1, I_2, λ, threshold and p.
        exponent: of the domain's size.
        cores: boxes that needn't be settled, and their mirror images.
        max_boxes: budget.
    """
    first, second, penalty, threshold, p = numbers
    boxes: dict[str, list[Quarter]] = {name: [] for name in ("far", "above", "slope", "core")}
    edges = [tuple(float(x) for side in core for x in side) for box in cores for core in (box, box.mirrored())]
    todo = np.array([(0, -1), (0, 0)], dtype=np.int64)
    level, count = 0, 0
    while len(todo):
        side = 2.0 ** (exponent - level)
        corners: FloatArray = (todo * side).astype(np.float64)
        if count + len(todo) > max_boxes or side < LEAST_SIDE:
            left = [(level, int(i), int(j)) for i, j in todo]
            reason = "boxes too small" if side < LEAST_SIDE else f"budget of {max_boxes} boxes spent"
            lower = float(_lower_bounds(corners, side, first, second, p).min())
            return Searched(boxes, left, lower, count, reason)
        count += len(todo)
        inside = np.zeros(len(todo), dtype=bool)
        for a, b, c, d in edges:
            x, y = corners[:, 0], corners[:, 1]
            inside |= (a <= x) & (x + side <= b) & (c <= y) & (y + side <= d)
        codes = np.full(len(todo), -1)
        codes[~inside] = _settle_all(corners[~inside], side, first, second, penalty, threshold, p)
        for code, name in ((-1, "core"), *NAMES.items()):
            boxes[name] += [(level, int(i), int(j)) for i, j in todo[codes == code]]
        rest = todo[codes == OPEN]
        todo = (2 * rest[:, None, :] + np.array([(0, 0), (0, 1), (1, 0), (1, 1)])).reshape(-1, 2)
        level += 1
    return Searched(boxes, [], None, count, "every box is settled")
