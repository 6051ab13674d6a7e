"""Optimal biases and slopes of L* over boxes of weights for two features, compiled and rounded to the safe side.

Every moment of one output increases in s, g and β, so that two corners enclose it over a box, and with it the
derivatives of f, differences of two moments. Where ∂f/∂β can't vanish, or f is larger than f* can be, no bias is
optimal. docs/proofs.md has the arguments; `balls/bounds.py` does the same in ball arithmetic.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...numerics import compiled
from .boxes import OutputBox, Span, product, size, squared
from .curvature import BB, GB, GG, SB, SG, SS, curvature_bounds
from .moments import GRID, Chances, moments, rounding

# Biases are told apart down to this share of the box's own width.
RESOLUTION = 16.0
STRETCHES, MOST_STRETCHES = 8, 256
# Moments are off by one `rounding`, their chances by less than another.
ROUNDINGS = 2.0


class Slopes(NamedTuple):
    """Bounds of the derivatives of f in s and in g."""

    s: Span
    g: Span


class Curvature(NamedTuple):
    """Bounds of the second derivatives of f* in ss, sg and gg; they hold only where f is `convex` in β."""

    convex: bool
    ss: Span
    sg: Span
    gg: Span


@compiled
def bias_range(s: Span, g: Span, law: Chances, resolution: float) -> Span:
    """Return bounds on every bias that is optimal for some (s, g) of a box: where ∂f/∂β may vanish and f be least."""
    p = law.one + law.both
    low = -s.high - max(g.high, 0.0)
    # Beyond it E[y] ≥ E[z] > E[x].
    end = max(p / 2 * (1 - s.low - g.low), low) + 2 * GRID
    step = GRID
    while low + STRETCHES * step < end:
        step *= 2
    error = ROUNDINGS * max(rounding(s.high, size(g), low), rounding(s.high, size(g), end))
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
            least, most = moments(s.low, g.low, start[k], law), moments(s.high, g.high, start[k], law)
            best = min(best, most.yy - 2 * least.xy + 3 * error)
        for k in range(count):
            least, most = moments(s.low, g.low, start[k], law), moments(s.high, g.high, start[k] + step, law)
            rises, falls = least.y - most.x > 2 * error, most.y - least.x < -2 * error
            if rises or falls or least.yy - 2 * most.xy - 3 * error > best:
                continue
            kept[alive] = start[k]
            alive += 1
        if alive == 0:
            # Not possible but for a mistake: then nothing is excluded.
            return Span(low, low + STRETCHES * step)
        if step <= max(resolution, GRID) or 2 * alive > MOST_STRETCHES:
            return Span(kept[0], kept[alive - 1] + step)
        step /= 2
        count = 0
        for k in range(alive):
            start[count], start[count + 1] = kept[k], kept[k] + step
            count += 2


@compiled
def slope_ranges(box: OutputBox, law: Chances) -> Slopes:
    """Return bounds of ∂f/∂s = 2 E[(y − x) x; on] and of ∂f/∂g = 2 E[(y − x) v; on] over a box."""
    s, g, b = box.s, box.g, box.bias
    error = ROUNDINGS * max(rounding(s.high, size(g), b.low), rounding(s.high, size(g), b.high))
    least, most = moments(s.low, g.low, b.low, law), moments(s.high, g.high, b.high, law)
    return Slopes(
        Span(2 * (least.xy - most.xx) - 5 * error, 2 * (most.xy - least.xx) + 5 * error),
        Span(2 * (least.vy - most.xv) - 5 * error, 2 * (most.vy - least.xv) + 5 * error),
    )


@compiled
def reduced_curvature(box: OutputBox, law: Chances) -> Curvature:
    """Return bounds of the second derivatives of f* over a box: f_ss − f_sβ²/f_ββ, and so on."""
    unknown = Span(0.0, 0.0)
    if box.s.low <= 0:
        return Curvature(False, unknown, unknown, unknown)
    low, high = curvature_bounds(box, law)
    if low[BB] <= 0:
        return Curvature(False, unknown, unknown, unknown)
    inverse = Span(1 / high[BB], 1 / low[BB])
    sb, gb = Span(low[SB], high[SB]), Span(low[GB], high[GB])
    own, other = squared(sb), squared(gb)
    mixed = product(product(sb, gb), inverse)
    return Curvature(
        True,
        Span(low[SS] - own.high * inverse.high, high[SS] - own.low * inverse.low),
        Span(low[SG] - mixed.high, high[SG] - mixed.low),
        Span(low[GG] - other.high * inverse.high, high[GG] - other.low * inverse.low),
    )
