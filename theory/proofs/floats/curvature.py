"""Second derivatives of one output's loss of two features over boxes, compiled and rounded to the safe side.

∂²f/∂β² = 2 P(z > 0) − 2 E[x δ(z)], and likewise with factors x and v for s and g. The first part increases in s, g and
β, so that two corners enclose it. The second is an integral along {z = 0}, where x = −(g v + β)/s lies between two
lines in v over the whole box (docs/proofs.md). `ball_curvature` has the same in ball arithmetic, written separately.
"""

from __future__ import annotations

import numpy as np

from ...numerics import FloatArray, compiled
from .moments import GRID, moments, rounding

# Gauss's rule on three points, exact for polynomials up to degree five.
OFF_MIDDLE, SIDE_WEIGHT, MIDDLE_WEIGHT = 15**0.5 / 10, 5 / 18, 8 / 18
# Relative and absolute slack for the rounding of an integral along {z = 0}.
SLACK = 1e-12
# Roundings of a quotient of sides of a box, relative to its size.
BLUR = 1e-15


@compiled
def _on_square(t: float, a: float, c: float) -> tuple[float, float, float]:
    """Return P(on), E[v; on], E[v²; on] for z = t + a u + c v, with a, c ≥ 0, as `pair_moments` does it."""
    right, top, end = t + a, t + c, t + a + c
    if end <= 0:
        return 0.0, 0.0, 0.0
    if t >= 0:
        return 1.0, 1 / 2, 1 / 3
    if right <= 0 and top <= 0:
        q, h = end / a, end / c
        area = q * h
        return area / 2, area * (1 / 2 - h / 6), area * (1 / 2 - h / 3 + h * h / 12)
    if right > 0 and top > 0:
        q, h = -t / a, -t / c
        area = q * h
        return 1 - area / 2, 1 / 2 - area * h / 6, 1 / 3 - area * h * h / 12
    if top > 0:
        first, last = top / c, end / c
        mean, square = (first + last) / 2, (first * first + first * last + last * last) / 3
        cube = (first * first + last * last) * (first + last) / 4
        return mean, mean - square / 2, mean - square + cube / 3
    first, last = right / a, end / a
    return (first + last) / 2, (first + 2 * last) / 6, (first + 3 * last) / 12


@compiled
def _on_edge(t: float, a: float) -> tuple[float, float, float]:
    """Return P(on), E[u; on], E[u²; on] for z = t + a u, a ≥ 0."""
    end = t + a
    if end <= 0:
        return 0.0, 0.0, 0.0
    if t >= 0:
        return 1.0, 1 / 2, 1 / 3
    q = end / a
    return q, q - q * q / 2, q - q * q + q * q * q / 3


@compiled
def on_moments(s: float, g: float, beta: float, none: float, one: float, both: float) -> tuple[float, float, float]:
    """Return P(on), E[v; on] and E[v²; on] of one output, with z > 0 where it is on."""
    if g >= 0:
        on, v, vv = _on_square(beta, s, g)
        other, other_v, other_vv = _on_edge(beta, g)
    else:
        # v and 1 − v have the same law.
        on, r, rr = _on_square(beta + g, s, -g)
        v, vv = on - r, on - 2 * r + rr
        other, r, rr = _on_edge(beta + g, -g)
        other_v, other_vv = other - r, other - 2 * r + rr
    own, _, _ = _on_edge(beta, s)
    silent = 1.0 if beta > 0 else 0.0
    return none * silent + one * (own + other) + both * on, one * other_v + both * v, one * other_vv + both * vv


@compiled
def _add(low: float, high: float, c: float, d: float, found: FloatArray, scale: float) -> None:
    """Add `scale` times the integrals of x^a v^b over [low, high], x = c + d v, in the order of `edge_bounds`."""
    for k in range(3):
        v = (low + high) / 2 + (k - 1) * OFF_MIDDLE * (high - low)
        weight = (MIDDLE_WEIGHT if k == 1 else SIDE_WEIGHT) * (high - low) * scale
        x = max(c + d * v, 0.0)
        found[0] += weight * x
        found[1] += weight * x * x
        found[2] += weight * x * x * x
        found[3] += weight * x * v
        found[4] += weight * x * x * v
        found[5] += weight * x * v * v


@compiled
def edge_bounds(
    s_low: float, s_high: float, g_low: float, g_high: float, b_low: float, b_high: float, one: float, both: float
) -> tuple[FloatArray, FloatArray]:
    """Return bounds of E[x^a v^b δ(z)] for (a, b) = (1,0), (2,0), (3,0), (1,1), (2,1), (1,2), over a box with s > 0."""
    low, high = np.zeros(6), np.zeros(6)
    c, d = -b_high / s_high, -g_high / s_high
    e, f = -b_low / s_low, -g_low / s_low
    # How far these quotients and differences of them may be off.
    blur = BLUR * (1 + abs(c) + abs(e) + abs(d) + abs(f))
    # The own feature alone: x = −β/s.
    if c >= blur and e <= 1 - blur:
        low[0], low[1], low[2] = one * c / s_high, one * c * c / s_high, one * c * c * c / s_high
    if e >= -blur and c <= 1 + blur:
        x = min(max(e, 0.0), 1.0)
        high[0], high[1], high[2] = one * x / s_low, one * x * x / s_low, one * x * x * x / s_low
    cuts = np.empty(6)
    cuts[0], cuts[1] = 0.0, 1.0
    count, unsure = 2, 0.0
    for offset, slope in ((c, d), (e, f)):
        for level in (0.0, 1.0):
            # The steeper the line, the better is known where it reaches a level.
            if min(slope, 0.0) - blur <= level - offset <= max(slope, 0.0) + blur:
                unsure += min(2 * blur / max(abs(slope), blur), 1.0)
            if slope != 0:
                cut = (level - offset) / slope
                if 0 < cut < 1:
                    # In order.
                    place = count
                    while cuts[place - 1] > cut:
                        cuts[place] = cuts[place - 1]
                        place -= 1
                    cuts[place] = cut
                    count += 1
    for k in range(count - 1):
        left, right = cuts[k], cuts[k + 1]
        middle = (left + right) / 2
        least, most = c + d * middle, e + f * middle
        if least >= 0 and most <= 1:
            _add(left, right, c, d, low, both / s_high)
        if most >= 0 and least <= 1:
            if most <= 1:
                _add(left, right, e, f, high, both / s_low)
            else:
                _add(left, right, 1.0, 0.0, high, both / s_low)
    slack = (SLACK + 2 * both * unsure) / s_low
    return np.maximum(low * (1 - SLACK) - slack, 0.0), high * (1 + SLACK) + slack


@compiled
def curvature_bounds(
    s_low: float,
    s_high: float,
    g_low: float,
    g_high: float,
    b_low: float,
    b_high: float,
    none: float,
    one: float,
    both: float,
) -> tuple[FloatArray, FloatArray]:
    """Return bounds of the second derivatives ss, sg, sβ, gg, gβ, ββ of f over a box with s > 0.

    Where they jump inside the box, at β = 0, the bounds hold both sides.
    """
    size = max(-g_low, g_high)
    error = 3 * max(rounding(s_high, size, b_low), rounding(s_high, size, b_high))
    # One step of the grid outward: [z > 0] there bounds [z ≥ 0] in the box.
    s_end, g_end, b_end = s_high + GRID, g_high + GRID, b_high + GRID
    _, _, _, _, x_a, xx_a, xv_a = moments(s_low, g_low, b_low, none, one, both)
    _, _, _, _, x_b, xx_b, xv_b = moments(s_end, g_end, b_end, none, one, both)
    on_a, v_a, vv_a = on_moments(s_low, g_low, b_low, none, one, both)
    on_b, v_b, vv_b = on_moments(s_end, g_end, b_end, none, one, both)
    low, high = edge_bounds(s_low, s_high, g_low, g_high, b_low, b_high, one, both)
    least = np.array([xx_a - high[2], xv_a - high[4], x_a - high[1], vv_a - high[5], v_a - high[3], on_a - high[0]])
    most = np.array([xx_b - low[2], xv_b - low[4], x_b - low[1], vv_b - low[5], v_b - low[3], on_b - low[0]])
    return 2 * (least - error), 2 * (most + error)
