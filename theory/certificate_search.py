"""The search for boxes that exclude minimisers, compiled: n = 2, m = 1 at one point.

Squares of weights are looked at breadth first, and cut in four until an argument settles each (docs/proofs.md):
minimisers aren't so far out; the least loss over the biases is above the threshold; or the slope of L* in a weight
can't vanish. Everything is rounded to the safe side; `certificate_check` does it again by other means.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from .ball_bounds import WeightBox
from .certificate import Quarter
from .features import FloatArray
from .machine_code import compiled
from .pair_bounds import least_loss, shape_loss
from .pair_moments import GRID, LARGEST, moments, rounding

OPEN, FAR, ABOVE, SLOPE = 0, 1, 2, 3
NAMES = {FAR: "far", ABOVE: "above", SLOPE: "slope"}
# Centres of smaller boxes would have squares that aren't multiples of GRID.
LEAST_SIDE = 2.0**-18
# Biases are told apart down to this share of the box's own width.
RESOLUTION = 4.0
STRETCHES, MOST_STRETCHES = 8, 256
# Boxes that an argument needs for the slopes are small: larger ones needn't be tried.
LARGEST_SLOPED = 0.25
# The bias is searched for to this share of the loss at first, and then of what is missing.
FIRST_TOLERANCE, LAST_TOLERANCE = 0.05, 0.002
# Moments are off by one `rounding`, their chances by less than another.
ROUNDINGS = 2.0
SAFE = 1e-14


class Searched(NamedTuple):
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
def bias_range(
    s_low: float, s_high: float, g_low: float, g_high: float, none: float, one: float, both: float
) -> tuple[float, float]:
    """Return bounds on every bias that is optimal for some (s, g) of a box: where ∂f/∂β may vanish and f be least."""
    p = one + both
    low = -s_high - max(g_high, 0.0)
    # Beyond it E[y] ≥ E[z] > E[x].
    end = max(p / 2 * (1 - s_low - g_low), low) + 2 * GRID
    step = GRID
    while low + STRETCHES * step < end:
        step *= 2
    error = ROUNDINGS * max(rounding(s_high, max(-g_low, g_high), low), rounding(s_high, max(-g_low, g_high), end))
    resolution = max((s_high - s_low + g_high - g_low) / RESOLUTION, 2 * GRID)
    start = np.empty(MOST_STRETCHES)
    kept = np.empty(MOST_STRETCHES)
    count = STRETCHES
    for k in range(count):
        start[k] = low + k * step
    best = np.inf
    while True:
        alive = 0
        # f less E[x²], from above at each start.
        for k in range(count):
            _, _, x_y, _, _, _, _ = moments(s_low, g_low, start[k], none, one, both)
            _, squares, _, _, _, _, _ = moments(s_high, g_high, start[k], none, one, both)
            best = min(best, squares - 2 * x_y + 3 * error)
        for k in range(count):
            y_a, squares, _, _, x_a, _, _ = moments(s_low, g_low, start[k], none, one, both)
            y_b, _, x_y, _, x_b, _, _ = moments(s_high, g_high, start[k] + step, none, one, both)
            if y_a - x_b > 2 * error or y_b - x_a < -2 * error or squares - 2 * x_y - 3 * error > best:
                continue
            kept[alive] = start[k]
            alive += 1
        if alive == 0:
            # Not possible but for a mistake: then nothing is excluded.
            return low, low + STRETCHES * step
        if step <= resolution or 2 * alive > MOST_STRETCHES:
            return kept[0], kept[alive - 1] + step
        step /= 2
        count = 0
        for k in range(alive):
            start[count], start[count + 1] = kept[k], kept[k] + step
            count += 2


@compiled
def slope_ranges(
    s_low: float,
    s_high: float,
    g_low: float,
    g_high: float,
    b_low: float,
    b_high: float,
    none: float,
    one: float,
    both: float,
) -> tuple[float, float, float, float]:
    """Return lower and upper bounds of ∂f/∂s = 2 E[(y − x) x; on] and of ∂f/∂g = 2 E[(y − x) v; on] over a box."""
    size = max(-g_low, g_high)
    error = ROUNDINGS * max(rounding(s_high, size, b_low), rounding(s_high, size, b_high))
    _, _, xy_a, vy_a, _, xx_a, xv_a = moments(s_low, g_low, b_low, none, one, both)
    _, _, xy_b, vy_b, _, xx_b, xv_b = moments(s_high, g_high, b_high, none, one, both)
    return (
        2 * (xy_a - xx_b) - 5 * error,
        2 * (xy_b - xx_a) + 5 * error,
        2 * (vy_a - xv_b) - 5 * error,
        2 * (vy_b - xv_a) + 5 * error,
    )


@compiled
def _product(a: float, b: float, c: float, d: float) -> tuple[float, float]:
    """Return the range of products of numbers in [a, b] and [c, d]; exact but for the last bit."""
    return min(min(a * c, a * d), min(b * c, b * d)), max(max(a * c, a * d), max(b * c, b * d))


@compiled
def _squared(a: float, b: float) -> tuple[float, float]:
    low, high = min(a * a, b * b), max(a * a, b * b)
    return (0.0 if a <= 0 <= b else low), high


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
    s_low, s_high = _squared(a, b)
    t_low, t_high = _squared(c, d)
    if s_low >= 1 and first * p * shape_loss(s_low) * (1 - SAFE) > threshold:
        return FAR
    if t_low >= 1 and second * p * shape_loss(t_low) * (1 - SAFE) > threshold:
        return FAR
    g_low, g_high = _product(a, b, c, d)
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
    b1_low, b1_high = bias_range(s_low, s_high, g_low, g_high, none, one, both)
    b2_low, b2_high = bias_range(t_low, t_high, g_low, g_high, none, one, both)
    s1_low, s1_high, g1_low, g1_high = slope_ranges(s_low, s_high, g_low, g_high, b1_low, b1_high, none, one, both)
    s2_low, s2_high, g2_low, g2_high = slope_ranges(t_low, t_high, g_low, g_high, b2_low, b2_high, none, one, both)
    mixed_low = first * g1_low + second * g2_low + 4 * penalty * g_low
    mixed_high = first * g1_high + second * g2_high + 4 * penalty * g_high
    for own_low, own_high, x, y, e, f, importance in (
        (s1_low, s1_high, a, b, c, d, first),
        (s2_low, s2_high, c, d, a, b, second),
    ):
        one_low, one_high = _product(own_low, own_high, x, y)
        two_low, two_high = _product(mixed_low, mixed_high, e, f)
        low, high = 2 * importance * one_low + two_low, 2 * importance * one_high + two_high
        size = 1e-15 * (1 + abs(one_low) + abs(one_high) + abs(two_low) + abs(two_high)) * (1 + importance)
        if low > size or high < -size:
            return SLOPE
    return OPEN


@compiled
def _distance(ds: float, dg: float, p: float) -> float:
    """Return an upper bound of ‖Δs x + Δg v‖ for changes of at most these sizes."""
    return np.sqrt(p * (ds * ds + dg * dg) / 3 + p * p * ds * dg / 2) * (1 + SAFE)


@compiled
def _total(
    f_1: float, f_2: float, radius_1: float, radius_2: float, first: float, second: float, error: float
) -> float:
    """Return a lower bound of Σ I_i f_i where f_i ≥ (√value − radius)₊²."""
    root_1 = max(np.sqrt(max(f_1 - error, 0.0)) - radius_1, 0.0)
    root_2 = max(np.sqrt(max(f_2 - error, 0.0)) - radius_2, 0.0)
    return (first * root_1 * root_1 + second * root_2 * root_2) * (1 - SAFE)


@compiled
def _settle_all(
    corners: FloatArray, side: float, first: float, second: float, penalty: float, threshold: float, p: float
) -> FloatArray:
    found = np.empty(len(corners))
    for k in range(len(corners)):
        x, y = corners[k, 0], corners[k, 1]
        found[k] = settle(x, x + side, y, y + side, first, second, penalty, threshold, p)
    return found


@compiled
def _lower_bounds(corners: FloatArray, side: float, first: float, second: float, p: float) -> FloatArray:
    """Return lower bounds of L* without its penalty on squares, shape (N,)."""
    none, one, both = (1 - p) * (1 - p), p * (1 - p), p * p
    found = np.zeros(len(corners))
    for k in range(len(corners)):
        a, c = corners[k, 0], corners[k, 1]
        s_low, s_high = _squared(a, a + side)
        t_low, t_high = _squared(c, c + side)
        if s_high + t_high > LARGEST / 4:
            continue
        u, v = a + side / 2, c + side / 2
        g_low, g_high = _product(a, a + side, c, c + side)
        g = u * v
        dg = max(g_high - g, g - g_low)
        low_1, _, _ = least_loss(u * u, g, none, one, both, LAST_TOLERANCE * p)
        low_2, _, _ = least_loss(v * v, g, none, one, both, LAST_TOLERANCE * p)
        error = ROUNDINGS * (rounding(u * u, g, 1.0) + rounding(v * v, g, 1.0))
        radius_1 = _distance(max(s_high - u * u, u * u - s_low), dg, p)
        radius_2 = _distance(max(t_high - v * v, v * v - t_low), dg, p)
        found[k] = _total(low_1, low_2, radius_1, radius_2, first, second, error)
    return found


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
        if count + len(todo) > max_boxes or side < LEAST_SIDE:
            left = [(level, int(i), int(j)) for i, j in todo]
            reason = "boxes too small" if side < LEAST_SIDE else f"budget of {max_boxes} boxes spent"
            lower = float(_lower_bounds(todo * side, side, first, second, p).min())
            return Searched(boxes, left, lower, count, reason)
        count += len(todo)
        corners = todo * side
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
