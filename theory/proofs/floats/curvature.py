"""Second derivatives of one output's loss of two features over boxes, compiled and rounded to the safe side.

∂²f/∂β² = 2 P(z > 0) − 2 E[x δ(z)], and likewise with factors x and v for s and g. The first part increases in s, g and
β, so that two corners enclose it. The second is an integral along {z = 0}, where x = −(g v + β)/s lies between two
lines in v over the whole box (docs/proofs.md). `balls/curvature.py` has the same in balls, written separately.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ...numerics import FloatArray, compiled
from .boxes import OutputBox, size
from .moments import GRID, Chances, moments, rounding

# Gauss's rule on three points, exact for polynomials up to degree five.
OFF_MIDDLE, SIDE_WEIGHT, MIDDLE_WEIGHT = 15**0.5 / 10, 5 / 18, 8 / 18
# Relative and absolute slack for the rounding of an integral along {z = 0}.
SLACK = 1e-12
# Roundings of a quotient of sides of a box, relative to its size.
BLUR = 1e-15
# Places of E[x^a v^b δ(z)] in arrays: (a, b) = (1,0), (2,0), (3,0), (1,1), (2,1), (1,2).
X, XX, XXX, XV, XXV, XVV = range(6)
# Places of second derivatives in s, g and β.
SS, SG, SB, GG, GB, BB = range(6)


class OnMoments(NamedTuple):
    """P(on), E[v; on] and E[v²; on]."""

    on: float
    v: float
    vv: float


@compiled
def _on_square(t: float, a: float, c: float) -> OnMoments:
    """Return the moments of z = t + a u + c v, with a, c ≥ 0, as `moments.py` does it."""
    right, top, end = t + a, t + c, t + a + c
    if end <= 0:
        return OnMoments(0.0, 0.0, 0.0)
    if t >= 0:
        return OnMoments(1.0, 1 / 2, 1 / 3)
    if right <= 0 and top <= 0:
        q, h = end / a, end / c
        area = q * h
        return OnMoments(area / 2, area * (1 / 2 - h / 6), area * (1 / 2 - h / 3 + h * h / 12))
    if right > 0 and top > 0:
        q, h = -t / a, -t / c
        area = q * h
        return OnMoments(1 - area / 2, 1 / 2 - area * h / 6, 1 / 3 - area * h * h / 12)
    if top > 0:
        first, last = top / c, end / c
        mean, square = (first + last) / 2, (first * first + first * last + last * last) / 3
        cube = (first * first + last * last) * (first + last) / 4
        return OnMoments(mean, mean - square / 2, mean - square + cube / 3)
    first, last = right / a, end / a
    return OnMoments((first + last) / 2, (first + 2 * last) / 6, (first + 3 * last) / 12)


@compiled
def _on_edge(t: float, a: float) -> OnMoments:
    """Return the moments of z = t + a v, a ≥ 0."""
    end = t + a
    if end <= 0:
        return OnMoments(0.0, 0.0, 0.0)
    if t >= 0:
        return OnMoments(1.0, 1 / 2, 1 / 3)
    q = end / a
    return OnMoments(q, q - q * q / 2, q - q * q + q * q * q / 3)


@compiled
def _turned(r: OnMoments) -> OnMoments:
    """Return the moments in v of those in 1 − v, which has the same law."""
    return OnMoments(r.on, r.on - r.v, r.on - 2 * r.v + r.vv)


@compiled
def on_moments(s: float, g: float, beta: float, law: Chances) -> OnMoments:
    """Return the moments of one output, with z > 0 where it is on."""
    if g >= 0:
        joint, other = _on_square(beta, s, g), _on_edge(beta, g)
    else:
        joint, other = _turned(_on_square(beta + g, s, -g)), _turned(_on_edge(beta + g, -g))
    own = _on_edge(beta, s)
    silent = 1.0 if beta > 0 else 0.0
    return OnMoments(
        law.none * silent + law.one * (own.on + other.on) + law.both * joint.on,
        law.one * other.v + law.both * joint.v,
        law.one * other.vv + law.both * joint.vv,
    )


@compiled
def _add(low: float, high: float, c: float, d: float, found: FloatArray, scale: float) -> None:
    """Add `scale` times the integrals of x^a v^b over [low, high], x = c + d v, in the places of `X`, …, `XVV`."""
    for k in range(3):
        v = (low + high) / 2 + (k - 1) * OFF_MIDDLE * (high - low)
        weight = (MIDDLE_WEIGHT if k == 1 else SIDE_WEIGHT) * (high - low) * scale
        x = max(c + d * v, 0.0)
        found[X] += weight * x
        found[XX] += weight * x * x
        found[XXX] += weight * x * x * x
        found[XV] += weight * x * v
        found[XXV] += weight * x * x * v
        found[XVV] += weight * x * v * v


@compiled
def edge_bounds(box: OutputBox, law: Chances) -> tuple[FloatArray, FloatArray]:
    """Return lower and upper bounds of E[x^a v^b δ(z)] over a box with s > 0, in the places of `X`, …, `XVV`."""
    low, high = np.zeros(6), np.zeros(6)
    s, one, both = box.s, law.one, law.both
    c, d = -box.bias.high / s.high, -box.g.high / s.high
    e, f = -box.bias.low / s.low, -box.g.low / s.low
    # How far these quotients and differences of them may be off.
    blur = BLUR * (1 + abs(c) + abs(e) + abs(d) + abs(f))
    # The own feature alone: x = −β/s.
    if c >= blur and e <= 1 - blur:
        low[X], low[XX], low[XXX] = one * c / s.high, one * c * c / s.high, one * c * c * c / s.high
    if e >= -blur and c <= 1 + blur:
        x = min(max(e, 0.0), 1.0)
        high[X], high[XX], high[XXX] = one * x / s.low, one * x * x / s.low, one * x * x * x / s.low
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
            _add(left, right, c, d, low, both / s.high)
        if most >= 0 and least <= 1:
            if most <= 1:
                _add(left, right, e, f, high, both / s.low)
            else:
                _add(left, right, 1.0, 0.0, high, both / s.low)
    slack = (SLACK + 2 * both * unsure) / s.low
    return np.maximum(low * (1 - SLACK) - slack, 0.0), high * (1 + SLACK) + slack


@compiled
def curvature_bounds(box: OutputBox, law: Chances) -> tuple[FloatArray, FloatArray]:
    """Return lower and upper bounds of f's second derivatives over a box with s > 0, in the places of `SS`, …, `BB`.

    Where they jump inside the box, at β = 0, the bounds hold both sides.
    """
    s, g, b = box.s, box.g, box.bias
    error = 3 * max(rounding(s.high, size(g), b.low), rounding(s.high, size(g), b.high))
    least, on_least = moments(s.low, g.low, b.low, law), on_moments(s.low, g.low, b.low, law)
    # One step of the grid outward: [z > 0] there bounds [z ≥ 0] in the box.
    s_end, g_end, b_end = s.high + GRID, g.high + GRID, b.high + GRID
    most, on_most = moments(s_end, g_end, b_end, law), on_moments(s_end, g_end, b_end, law)
    low, high = edge_bounds(box, law)
    below, above = np.empty(6), np.empty(6)
    below[SS], above[SS] = least.xx - high[XXX], most.xx - low[XXX]
    below[SG], above[SG] = least.xv - high[XXV], most.xv - low[XXV]
    below[SB], above[SB] = least.x - high[XX], most.x - low[XX]
    below[GG], above[GG] = on_least.vv - high[XVV], on_most.vv - low[XVV]
    below[GB], above[GB] = on_least.v - high[XV], on_most.v - low[XV]
    below[BB], above[BB] = on_least.on - high[X], on_most.on - low[X]
    return 2 * (below - error), 2 * (above + error)
