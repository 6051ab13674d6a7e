"""Optimal biases and slopes of L* over boxes of weights for two features, compiled and rounded to the safe side.

Every moment of one output increases in s, g and β, so that two corners enclose it over a box, and with it the
derivatives of f, differences of two moments. Where ∂f/∂β can't vanish, or f is larger than f* can be, no bias is
optimal. docs/proofs.md has the arguments; `ball_bounds` does the same in ball arithmetic.
"""

from __future__ import annotations

import numpy as np

from ...numerics import compiled
from .curvature import curvature_bounds
from .moments import GRID, moments, rounding

# Biases are told apart down to this share of the box's own width.
RESOLUTION = 16.0
STRETCHES, MOST_STRETCHES = 8, 256
# Moments are off by one `rounding`, their chances by less than another.
ROUNDINGS = 2.0


@compiled
def bias_range(
    s_low: float,
    s_high: float,
    g_low: float,
    g_high: float,
    none: float,
    one: float,
    both: float,
    resolution: float,
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
        if step <= max(resolution, GRID) or 2 * alive > MOST_STRETCHES:
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
def product(a: float, b: float, c: float, d: float) -> tuple[float, float]:
    """Return the range of products of numbers in [a, b] and [c, d]; exact but for the last bit."""
    return min(min(a * c, a * d), min(b * c, b * d)), max(max(a * c, a * d), max(b * c, b * d))


@compiled
def squared(a: float, b: float) -> tuple[float, float]:
    """Return the range of squares of numbers in [a, b]."""
    low, high = min(a * a, b * b), max(a * a, b * b)
    return (0.0 if a <= 0 <= b else low), high


@compiled
def reduced_curvature(
    s_low: float,
    s_high: float,
    g_low: float,
    g_high: float,
    b_low: float,
    b_high: float,
    none: float,
    one: float,
    both: float,
) -> tuple[bool, float, float, float, float, float, float]:
    """Return bounds of the second derivatives of f* in ss, sg, gg over a box, if f is convex in β there.

    They are f_ss − f_sβ²/f_ββ, and so on.

    Returns:
        Whether f_ββ > 0, and the three pairs of bounds.
    """
    if s_low <= 0:
        return False, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    low, high = curvature_bounds(s_low, s_high, g_low, g_high, b_low, b_high, none, one, both)
    if low[5] <= 0:
        return False, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    least, most = 1 / high[5], 1 / low[5]
    square_low, square_high = squared(low[2], high[2])
    mixed_low, mixed_high = product(low[2], high[2], low[4], high[4])
    other_low, other_high = squared(low[4], high[4])
    mixed_low, mixed_high = product(mixed_low, mixed_high, least, most)
    return (
        True,
        low[0] - square_high * most,
        high[0] - square_low * least,
        low[1] - mixed_high,
        high[1] - mixed_low,
        low[3] - other_high * most,
        high[3] - other_low * least,
    )
