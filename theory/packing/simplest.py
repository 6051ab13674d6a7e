"""The simplest activity patterns of one output among alike features, in closed form and compiled.

With z = b + a₀ u + Σ a_c v the output costs E[(ReLU z − x₀)²] = E[x₀²] + E[F], F = z₊² − 2 x₀ z₊. Here is E[F] with its
derivatives where no other feature is active, or a single one: as it is, and with z in place of z₊. All expectations are
of polynomials of degree three at most between kinks, which a Gauss rule of two nodes integrates exactly.
"""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

import numpy as np

from ..numerics import compiled_part

# The two-point Gauss rule on [0, 1].
LEFT, RIGHT = 0.5 - sqrt(1 / 12), 0.5 + sqrt(1 / 12)
# Places of an output's value and its derivatives in the bias and in the own overlap; those of the shells follow.
VALUE, BIAS, OWN, SHELLS = 0, 1, 2, 3


class Law(NamedTuple):
    """The law of each feature: on with a probability, uniform on an interval.

    Attributes:
        density: p.
        low: least amplitude.
        high: largest amplitude, `low` if it is constant.
    """

    density: float
    low: float
    high: float


class Moments(NamedTuple):
    """Expectations for one feature that is on: of F or z₊², its derivative in b, and that times the amplitude."""

    value: float
    bias: float
    slope: float


@compiled_part
def positive(b: float, a: float, law: Law) -> tuple[float, float]:
    """Return start and length of {u in [low, high] : b + a u > 0}."""
    start, end = law.low, law.high
    if abs(b) < abs(a) * max(abs(law.low), abs(law.high)):
        root = min(max(-b / a, law.low), law.high)
        if a > 0:
            start = root
        else:
            end = root
        return start, end - start
    return start, end - start if b + a * (law.low + law.high) / 2 > 0 else 0.0


@compiled_part
def another(b: float, a: float, law: Law) -> Moments:
    """Return E[z₊²], 2 E[z₊] and 2 E[v z₊] for z = b + a v."""
    if law.low == law.high:
        on = max(b + a * law.low, 0.0)
        return Moments(on * on, 2 * on, 2 * on * law.low)
    start, length = positive(b, a, law)
    value, bias, slope = 0.0, 0.0, 0.0
    weight = length / (2 * (law.high - law.low))
    for node in (LEFT, RIGHT):
        v = start + length * node
        z = b + a * v
        value += weight * z * z
        bias += weight * 2 * z
        slope += weight * 2 * z * v
    return Moments(value, bias, slope)


@compiled_part
def alone(b: float, a: float, law: Law) -> Moments:
    """Return E[F], and 2 E[z − u; z > 0] and 2 E[u (z − u); z > 0], for z = b + a u with the own feature at u."""
    if law.low == law.high:
        u, z = law.low, b + a * law.low
        return Moments(z * (z - 2 * u), 2 * (z - u), 2 * u * (z - u)) if z > 0 else Moments(0.0, 0.0, 0.0)
    start, length = positive(b, a, law)
    value, bias, slope = 0.0, 0.0, 0.0
    weight = length / (2 * (law.high - law.low))
    for node in (LEFT, RIGHT):
        u = start + length * node
        z = b + a * u
        value += weight * z * (z - 2 * u)
        bias += weight * 2 * (z - u)
        slope += weight * 2 * u * (z - u)
    return Moments(value, bias, slope)


@compiled_part
def either(b: float, a: float, law: Law) -> Moments:
    """Return E[F] and its derivatives in b and the own overlap, the own feature being on or off, all others off."""
    p, off, on = law.density, max(b, 0.0), alone(b, a, law)
    return Moments((1 - p) * off * off + p * on.value, (1 - p) * 2 * off + p * on.bias, p * on.slope)


@compiled_part
def add_simplest(bias: float, overlaps: Any, counts: Any, law: Law, terms: Any) -> None:
    """Add E[F] and its derivatives over the patterns with at most one feature besides the own one.

    Args:
        bias: b.
        overlaps: the own one, positive and the largest, then those of the shells, shape (C + 1,).
        counts: features of each shell, shape (C,).
        law: of each feature; its amplitude varies.
        terms: to add to, shape (C + 3,).
    """
    p, a, width = law.density, overlaps[0], law.high - law.low
    total = 0
    for k in range(counts.shape[0]):
        total += counts[k]
    none = (1 - p) ** total
    first = either(bias, a, law)
    terms[VALUE] += none * first.value
    terms[BIAS] += none * first.bias
    terms[OWN] += none * first.slope
    ends = np.empty(5)
    for k in range(counts.shape[0]):
        chance, slope = counts[k] * p * (1 - p) ** (total - 1), overlaps[k + 1]
        # Between the kinks of `either` E[F] is a polynomial of the other amplitude.
        ends[0], ends[4] = law.low, law.high
        for place in range(3):
            kink = -(bias + a * (0.0 if place == 0 else law.low if place == 1 else law.high))
            inside = abs(kink) < abs(slope) * max(abs(law.low), abs(law.high))
            end = min(max(kink / slope, law.low), law.high) if inside else law.low
            later = place
            while later > 0 and ends[later] > end:
                ends[later + 1] = ends[later]
                later -= 1
            ends[later + 1] = end
        for piece in range(4):
            length = ends[piece + 1] - ends[piece]
            if length > 0:
                weight = chance * length / (2 * width)
                for node in (LEFT, RIGHT):
                    v = ends[piece] + length * node
                    found = either(bias + slope * v, a, law)
                    terms[VALUE] += weight * found.value
                    terms[BIAS] += weight * found.bias
                    terms[OWN] += weight * found.slope
                    terms[SHELLS + k] += weight * found.bias * v


@compiled_part
def add_polynomial(bias: float, overlaps: Any, counts: Any, law: Law, scale: float, terms: Any) -> None:
    """Add, times `scale`, E[z² − 2 x₀ z] and its derivatives over all patterns but the simplest; see `add_simplest`."""
    p, a = law.density, overlaps[0]
    mean, square = (law.low + law.high) / 2, (law.low * law.low + law.low * law.high + law.high * law.high) / 3
    spread = p * square - p * p * mean * mean
    total = 0
    for k in range(counts.shape[0]):
        total += counts[k]
    none = (1 - p) ** total
    whole, squares = bias + a * p * mean, a * a * spread
    for k in range(counts.shape[0]):
        whole += counts[k] * overlaps[k + 1] * p * mean
        squares += counts[k] * overlaps[k + 1] ** 2 * spread
    with_own = p * mean * whole + a * spread
    terms[VALUE] += scale * (whole * whole + squares - 2 * with_own)
    terms[BIAS] += scale * 2 * (whole - p * mean)
    terms[OWN] += scale * 2 * (with_own - p * square)
    # Over the own feature alone: b² + 2 b p E[u] (a − 1) + p E[u²] a (a − 2).
    lean, bend = p * mean * (a - 1), p * square * (a - 2) * a
    terms[VALUE] -= scale * none * (bias * bias + 2 * bias * lean + bend)
    terms[BIAS] -= scale * none * 2 * (bias + lean)
    terms[OWN] -= scale * none * 2 * (bias * p * mean + p * square * (a - 1))
    for k in range(counts.shape[0]):
        slope, chance = overlaps[k + 1], scale * counts[k] * p * (1 - p) ** (total - 1)
        moved = bias + slope * mean
        terms[SHELLS + k] += scale * counts[k] * 2 * (p * mean * whole + slope * spread - p * p * mean * mean)
        terms[VALUE] -= chance * (bias * bias + 2 * bias * slope * mean + slope**2 * square + 2 * lean * moved + bend)
        terms[BIAS] -= chance * 2 * (moved + lean)
        terms[OWN] -= chance * 2 * (moved * p * mean + p * square * (a - 1))
        terms[SHELLS + k] -= chance * 2 * (bias * mean + slope * square + mean * lean)
